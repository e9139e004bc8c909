// The page of a job: keeps phase, tasks and products as they are now, and opens what products hold.
import { $, all, calm, json, renew, show } from "./dom.js";
import { follow } from "./live.js";
import { Log } from "./log.js";
import { open } from "./products.js";
import { size } from "./say.js";
import { tell } from "./tell.js";

const job = $("#job");
const FINAL = new Set(["COMPLETED", "ERROR", "ABORTED", "ARCHIVED"]);
const log = new Log();

function offer() {
  show($(".tell", job));
  log.offer(all("[data-log]", job));
  all("[data-part] [data-plot], [data-part] [data-table], [data-part] [data-sky], [data-part] [data-samp], [data-copy]", job).forEach((one) => {
    show(one, (one.dataset.plot === undefined || job.dataset.uplot === "yes") && (one.dataset.samp === undefined || job.dataset.samp === "yes"));
  });
}

const refresh = calm(async (parts) => {
  await renew(parts);
  offer();
}, 300);

function phase(place, value) {
  const mark = $(".phase", place);
  if (!mark || mark.textContent === value) return;
  mark.className = `phase ${value.toLowerCase()}`;
  mark.textContent = value;
}

/** Take the state of a task into its row; return whether it had one. */
function task(state) {
  const row = $(`#task-${state.number}`);
  if (!row) return false;
  const cell = (name) => $(`[data-of=${name}]`, row);
  const was = $(".phase", row).textContent;
  phase(cell("phase"), state.phase);
  $("progress", row).value = state.phase === "COMPLETED" ? 1 : state.progress;
  cell("message").textContent = state.message;
  const use = state.use ?? state;
  if (use.cpu_seconds) cell("cpu").textContent = `${use.cpu_seconds.toFixed(1)} s`;
  if (use.peak_memory) cell("memory").textContent = size(use.peak_memory);
  if (use.bytes_read) cell("read").textContent = size(use.bytes_read);
  if (was !== state.phase && state.phase === "COMPLETED") refresh(["products", "tasks"]);
  return true;
}

function overall() {
  const bars = all("[data-task] progress", job);
  if (!bars.length) return;
  const mean = bars.reduce((sum, bar) => sum + bar.value, 0) / bars.length;
  const head = $("[data-part=head] progress", job);
  head.value = mean;
  $("[data-percent]", job).textContent = `${Math.round(100 * mean)} %`;
}

function take(state) {
  const before = job.dataset.phase;
  job.dataset.phase = state.phase;
  phase($("h1", job), state.phase);
  const known = (state.tasks ?? []).map(task).every(Boolean);
  if (state.progress !== undefined) {
    $("[data-part=head] progress", job).value = state.progress;
    $("[data-percent]", job).textContent = `${Math.round(100 * state.progress)} %`;
  }
  if (before !== state.phase || !known) refresh(["head", "products", "tasks", "how"]);
}

function watch() {
  if (FINAL.has(job.dataset.phase)) return;
  const end = follow(job.dataset.events, {
    job: take,
    task: (state) => { if (!task(state)) refresh(["tasks"]); overall(); },
    log: (told) => log.take(told),
    end: () => refresh(["head", "products", "tasks", "how"]),
  }, async () => {
    take(await json(job.dataset.api));
    return !FINAL.has(job.dataset.phase);
  });
  addEventListener("pagehide", end);
}

job.addEventListener("click", (event) => {
  const link = event.target.closest("[data-log]");
  if (link && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    log.open(link.dataset.number);
    $("#log-part").scrollIntoView({ block: "nearest" });
    $("#log").focus();
  }
  open(event);
});

job.addEventListener("submit", tell);
offer();
watch();
document.documentElement.dataset.ready = "yes";
