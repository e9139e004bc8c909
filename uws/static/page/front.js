// The first page: region, observations, choice. Without the sky all of it works too.
import { $, all, calm, el, renew, show } from "./dom.js";
import { keep, update } from "./joblist.js";
import { ask, circle, resolve, shapeText } from "./region.js";
import { number, t, tn } from "./say.js";
import { follow } from "./live.js";
import { Session, sharing } from "./session.js";
import { Table } from "./table.js";

const MOST = 10000;
const MOST_CHOSEN = 900;
const front = $("#front");
const session = new Session(front);
const state = { region: null, found: [], shown: [], total: 0 };
let layers = null, asking = null;

const table = new Table($("#table"), {
  toggled: () => { count(); mark(); remember(); },
  pointed: calm((id) => { table.pointed = id; mark(); }, 30),
});

const mark = () => layers?.mark(table.chosen, table.pointed);
const told = (text) => {
  $("#region-told").textContent = text;
  if (text) $("#region-told").scrollIntoView({ block: "nearest" });
};

// ---------------------------------------------------------------- region

/** Take a region: a text that POS takes, or a file. Returns false where it is none. */
export async function take(region, { move = true } = {}) {
  asking?.abort();
  asking = new AbortController();
  told("");
  front.setAttribute("aria-busy", "true");
  try {
    const answer = await ask(front.dataset.observations, region, MOST, asking.signal);
    state.region = answer.region;
    state.found = answer.observations;
    state.total = answer.total;
    table.chosen = new Set(state.found.map((row) => row.id));
    fill();
    layers?.setRegion(answer.region, move, state.found);
    filter();
    remember();
    document.documentElement.dataset.region = answer.region.text;
    front.removeAttribute("aria-busy");
    return true;
  } catch (error) {
    if (error.name === "AbortError") return null; // another has been taken meanwhile
    told(error.message);
    front.removeAttribute("aria-busy");
    return false;
  }
}

/** Put the region into the fields, so that it can be changed there. */
function fill() {
  const { region } = state;
  const now = $("#region-now");
  now.replaceChildren(t("Region:"), " ", el("code", {}, region.text.length > 200 ? `${region.text.slice(0, 200)}…` : region.text));
  show(now);
  if (region.shape === "circle") {
    $("#place").value = `${number4(region.ra)} ${number4(region.dec)}`;
    $("#radius").value = Number((60 * region.radius).toPrecision(6));
  } else {
    $("#shape-text").value = region.text;
    $("#other-ways").open = true;
  }
}

const number4 = (value) => String(Number(value.toFixed(6)));

async function find(event) {
  event.preventDefault();
  told("");
  try {
    const place = await resolve($("#place").value);
    await take(circle(place.ra, place.dec, Number($("#radius").value) / 60));
  } catch (error) {
    told(error.message);
  }
}

// ---------------------------------------------------------------- observations

function filter() {
  const words = $("#filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const least = 1000 * Number($("#filter-exposure").value || 0);
  state.shown = state.found.filter((row) => {
    if ((row.t_exptime ?? 0) < least) return false;
    row.words ??= [row.id, row.target_name, row.camera, row.instrument_name, row.filter, row.mode, day(row)].join(" ").toLowerCase();
    return words.every((word) => row.words.includes(word));
  });
  table.set(state.shown);
  footprints();
  show($("#observations"));
  show($("#choose"), state.found.length > 0);
  show($("#table"), state.found.length > 0);
  show($(".filters"), state.found.length > 0);
  count();
}

function footprints() {
  const drawn = layers?.setDatasets(state.shown);
  mark();
  $("#table-told").textContent = drawn !== undefined && drawn < state.shown.length ? t("The footprints of the first {n} are drawn.", { n: drawn }) : "";
}

const day = (row) => (row.t_min === null ? "" : new Date((row.t_min - 40587) * 864e5).toISOString().slice(0, 10));

function count() {
  const chosen = state.found.filter((row) => table.chosen.has(row.id));
  const seconds = chosen.reduce((sum, row) => sum + (row.t_exptime ?? 0), 0);
  const parts = [tn("{n} dataset", "{n} datasets", state.total)];
  if (state.shown.length < state.found.length) parts.push(t("{n} shown", { n: number(state.shown.length) }));
  if (state.found.length) parts.push(t("{n} chosen, {time} ks", { n: number(chosen.length), time: number(seconds / 1000, 1) }));
  $("#observations-count").textContent = state.total ? parts.join(", ") : t("No observation covers this region.");
  const every = chosen.length === state.found.length, tooMany = !every && chosen.length > MOST_CHOSEN;
  const looks = session.access === "read";
  $("#go").disabled = looks || !chosen.length || tooMany || !all("#start [name=SCRIPT]:checked").length;
  $("#go-told").textContent = looks
    ? t("You may only look here. To run scripts, copy the session into one of your own.")
    : tooMany
    ? t("At most {n} datasets can be chosen one by one; choose all, or a smaller region.", { n: MOST_CHOSEN })
    : !chosen.length ? t("Choose datasets above.") : $("#go").disabled ? t("Choose one script or several.") : "";
}

/** What is chosen, as a job wants it: nothing stands for all that cover the region. */
const ids = () => (table.chosen.size >= state.found.length ? [] : [...table.chosen]);

const remember = calm(() => {
  if (session.id && state.region) session.keep(state.region.text, ids()).catch((error) => told(error.message));
}, 800);

async function start(event) {
  event.preventDefault();
  const form = event.target;
  try {
    await session.keep(state.region.text, ids());
  } catch (error) {
    if (error.status !== 404) { told(error.message); return; }
  }
  form.elements.POS.value = state.region.text;
  form.elements.ID.value = ids().join(" ");
  form.elements.RUNID.value = session.id;
  form.submit();
}

// ---------------------------------------------------------------- the sky

async function startSky() {
  const { begin } = await import("./skypage.js");
  layers = await begin(front, {
    take,
    choose: (id, chosen) => table.toggle(id, chosen),
    isChosen: (id) => table.chosen.has(id),
    point: (id) => { table.point(id, true); mark(); },
    region: () => state.region,
    row: (id) => state.found.find((one) => one.id === id),
  });
  if (layers && state.region) { layers.setRegion(state.region, true, state.found); footprints(); }
}

// ---------------------------------------------------------------- deep links

/** A link such as /?POS=CIRCLE 35.8 42.99 0.1&SCRIPT=image&EMIN=0.5 opens the page at a region. */
function link() {
  const given = new Map();
  for (const [name, value] of new URLSearchParams(location.search)) {
    given.set(name.toUpperCase(), [...(given.get(name.toUpperCase()) ?? []), value]);
  }
  const shape = ["POS", "CIRCLE", "POLYGON"].find((name) => given.has(name));
  for (const [name, values] of given) {
    if (name === "SCRIPT") {
      all("#start [name=SCRIPT]").forEach((box) => { box.checked = values.includes(box.value); });
    } else if (!["POS", "CIRCLE", "POLYGON", "LANG", "ID", "RUNID"].includes(name)) {
      values.forEach((value) => $("#start").append(el("input", { type: "hidden", name, value })));
    }
  }
  if (!shape) return null;
  return shape === "POS" ? given.get("POS")[0] : `${shape} ${given.get(shape)[0]}`;
}

// ---------------------------------------------------------------- work

/** Take what happens to the jobs of the session into their rows; a new job has the list loaded again. */
function watch() {
  if (!front.dataset.events) { keep($("#work")); return; }
  const anew = calm(() => renew(["work"]), 400);
  const end = follow(front.dataset.events, {
    job: (job) => (update(job) ? null : anew()),
    gone: anew,
  }, async () => { keep($("#work")); return false; });
  addEventListener("pagehide", end);
}

async function begin() {
  all(".js").forEach((one) => { if (!["observations", "choose", "region-now"].includes(one.id)) show(one); });
  $("#circle-form").addEventListener("submit", find);
  $("#shape-go").addEventListener("click", () => take(shapeText($("#shape-text").value)));
  $("#region-file").addEventListener("change", ({ target }) => target.files[0] && take(target.files[0]));
  for (const name of ["#filter", "#filter-exposure"]) $(name).addEventListener("input", calm(filter, 120));
  $("#choose-all").addEventListener("click", () => { state.shown.forEach((row) => table.chosen.add(row.id)); table.draw(true); count(); mark(); remember(); });
  $("#choose-none").addEventListener("click", () => { state.shown.forEach((row) => table.chosen.delete(row.id)); table.draw(true); count(); mark(); remember(); });
  $("#start").addEventListener("change", count);
  $("#start").addEventListener("submit", start);
  if (session.id) sharing(session);
  watch();
  document.documentElement.dataset.ready = "yes";
  const sky = startSky();
  const given = link();
  if (given) await take(given);
  else if (session.id) {
    const kept = await session.read().catch((error) => told(error.message));
    if (kept?.region) {
      await take(kept.region);
      if (kept.datasets.length) { table.chosen = new Set(kept.datasets); filter(); }
    }
  }
  await sky;
}

begin();
