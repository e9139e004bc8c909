// The list of jobs: what works is looked at again now and then, and exactly two can be compared.
import { $, all, base, json } from "./dom.js";

const ACTIVE = new Set(["PENDING", "QUEUED", "EXECUTING", "HELD", "SUSPENDED", "UNKNOWN"]);
const PAUSE = 5000;

/** Take the state of a job into its row; return whether it has one. */
export function update(job) {
  const row = $(`[data-job="${job.id}"]`);
  if (!row) return false;
  row.dataset.phase = job.phase;
  const mark = $(".phase", row);
  mark.className = `phase ${job.phase.toLowerCase()}`;
  mark.textContent = job.phase;
  $("progress", row).value = job.progress;
  return true;
}

/** Take the state of each job that has not ended into its row, until all have. */
export async function keep(root) {
  const rows = all("[data-job]", root).filter((row) => ACTIVE.has(row.dataset.phase));
  for (const row of rows) {
    try {
      update(await json(`${base}/api/jobs/${row.dataset.job}`));
    } catch { /* it may be gone by now */ }
  }
  if (rows.length) setTimeout(() => keep(root), PAUSE);
}

const list = $("#list");
if (list) {
  const button = $("button", list);
  const look = () => { button.disabled = all("input:checked", list).length !== 2; };
  list.addEventListener("change", look);
  look();
  list.addEventListener("submit", (event) => {
    event.preventDefault();
    const [one, other] = all("input:checked", list).map((box) => box.value);
    location.href = `${list.action}?A=${one}&B=${other}`;
  });
  keep(list);
  document.documentElement.dataset.ready = "yes";
}
