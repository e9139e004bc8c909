// The sky of the first page: its tools, layers and background. It tells the page of what is drawn and clicked at.
import { $, all, base, el, show } from "./dom.js";
import { draw } from "./draw.js";
import { Handles } from "./edit.js";
import { Layers } from "./layers.js";
import { text } from "./shapes.js";
import { t } from "./say.js";
import { sky } from "./sky.js";

const SURVEYS = [["DSS2", "https://alasky.cds.unistra.fr/DSS/DSSColor"], ["2MASS", "https://alasky.cds.unistra.fr/2MASS/Color"]];
const PATIENCE = 3000;
const LEAST = 3; // degrees that are seen at first, also where the archive is one field
const told = (text) => { $("#sky-told").textContent = text; };

/** Ask the reader before anything is loaded from elsewhere. */
function agreed(address) {
  return new Promise((resolve) => {
    const button = el("button", { type: "button", onclick: () => { box.remove(); resolve(); } }, t("Load it from there"));
    const box = el("div", { class: "empty" }, el("p", {}, t("The sky is drawn by Aladin Lite, which is not installed here. It can be loaded from its makers, {host}, who will see your address.", { host: new URL(address).host })), button);
    $("#sky").append(box);
    told(t("Everything works without the sky, too."));
  });
}

export async function begin(front, page) {
  const place = front.dataset.aladin;
  const hips = await local(front.dataset.hips);
  const [ra, dec, width] = front.dataset.view ? front.dataset.view.split(" ").map(Number) : [0, 0, 180];
  if (place !== "local") await agreed(place);
  let made;
  try {
    made = await sky($("#sky"), { place, hips, fov: Math.min(180, Math.max(LEAST, 1.6 * width)), target: `${ra} ${dec}` });
  } catch (error) {
    show($("#sky"), false);
    show($(".sky-tools"), false);
    show($(".legend"), false);
    const why = error.unloaded ? error.message : t("This browser shows no sky: it has no WebGL 2.");
    told(`${why} ${t("Everything works without the sky, too.")}`);
    front.classList.add("no-sky");
    document.documentElement.dataset.sky = "none";
    return null;
  }
  const layers = new Layers(made, front.dataset.coverage);
  const clicked = clicks(made.aladin, layers, page);
  layers.handles = new Handles(made.aladin, $("#sky"), {
    offered(any, region) {
      show($("#handles-told"), any);
      show($("#field-told"), region && !any);
    },
    drawn: (shape) => layers.setRegion(shape, false),
    done: async (shape) => {
      if (await page.take(text(shape), { move: false }) === false) layers.setRegion(page.region(), false);
    },
    clicked,
  });
  tools(made.aladin, layers, page);
  backgrounds(made, hips);
  $("#show-coverage").addEventListener("change", ({ target }) => layers.showCoverage(target.checked));
  $("#show-footprints").addEventListener("change", ({ target }) => layers.showFootprints(target.checked));
  // What is drawn first takes long, and nothing can be done meanwhile: it is ready behind that.
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  window.aladin = made.aladin; // for whoever looks at the page from its console, and its tests
  document.documentElement.dataset.sky = "ready";
  return layers;
}

async function local(address) {
  if (!address) return "";
  const answer = await fetch(`${address}/properties`).catch(() => null);
  return answer?.ok ? address : "";
}

function tools(aladin, layers, page) {
  const words = {
    circle: t("Press at the middle, pull, and let go."),
    poly: t("Click at each corner, and at the first one again."),
    rect: t("Press at a corner, pull, and let go."),
  };
  let cancel = () => {};
  for (const button of all("[data-draw]")) {
    button.addEventListener("click", () => {
      const again = button.getAttribute("aria-pressed") === "true";
      cancel();
      if (again) return;
      button.setAttribute("aria-pressed", "true");
      layers.handles.show(false);
      told(words[button.dataset.draw]);
      const begun = () => { document.documentElement.dataset.drawing = button.dataset.draw; };
      cancel = draw(aladin, $("#sky"), button.dataset.draw, begun, (region) => {
        button.setAttribute("aria-pressed", "false");
        layers.handles.show(true);
        delete document.documentElement.dataset.drawing;
        told(region === null ? t("What was drawn is no region of the sky.") : "");
        if (region) page.take(region, { move: false });
      });
    });
  }
  addEventListener("keydown", ({ key }) => key === "Escape" && cancel());
}

/** A click chooses the dataset whose footprint lies there; where several lie, a dialog asks which. */
function clicks(aladin, layers, page) {
  const dialog = $("#chooser");
  const clicked = (ra, dec) => {
    const hit = layers.at(ra, dec);
    if (hit.length === 1) {
      page.choose(hit[0], !page.isChosen(hit[0]));
      page.point(hit[0]);
    } else if (hit.length) {
      $("ul", dialog).replaceChildren(...hit.map((id) => item(id, page)));
      dialog.showModal();
    }
  };
  aladin.on("click", ({ ra, dec, isDragging }) => {
    if (!isDragging && !document.documentElement.dataset.drawing) clicked(ra, dec);
  });
  dialog.addEventListener("close", () => page.point(null));
  return clicked;
}

function item(id, page) {
  const row = page.row(id);
  const box = el("input", { type: "checkbox", checked: page.isChosen(id), onchange: ({ target }) => page.choose(id, target.checked) });
  const text = [id, row?.target_name, row && `${(row.t_exptime / 1000).toFixed(1)} ks`, row?.filter].filter(Boolean).join(", ");
  return el("li", { onmouseenter: () => page.point(id), onfocusin: () => page.point(id) }, el("label", { class: "check" }, box, text));
}

function backgrounds({ A, aladin }, hips) {
  const choice = $("#background");
  if (hips) choice.append(el("option", { value: hips, selected: true }, t("XMM exposure (local)")));
  for (const [name, address] of SURVEYS) choice.append(el("option", { value: address }, t("{survey}, from CDS", { survey: name })));
  choice.addEventListener("change", async () => {
    const address = choice.value || `${base}/static/plain`;
    // Aladin Lite would ask for ever for a survey that cannot be had.
    const answer = await fetch(`${address}/properties`, { signal: AbortSignal.timeout(PATIENCE) }).catch(() => null);
    if (!answer?.ok) {
      told(t("This background cannot be reached from here."));
      choice.value = hips;
      return;
    }
    told("");
    aladin.setBaseImageLayer(A.HiPS(address, { name: choice.selectedOptions[0].textContent }));
  });
}
