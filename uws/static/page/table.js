// The list of observations: as many rows as are seen are there, however many there are; sorted by any column.
import { el } from "./dom.js";
import { number, t } from "./say.js";

const HIGH = 34;
const SPARE = 12;

export const day = (mjd) => (mjd === null ? "" : new Date((mjd - 40587) * 864e5).toISOString().slice(0, 10));
export const cameraClass = (camera) => (["M1", "M2", "PN"].includes(camera) ? camera.toLowerCase() : "other");

const COLUMNS = [
  ["target_name", () => t("Target"), (row) => row.target_name ?? ""],
  ["t_min", () => t("Date"), (row) => day(row.t_min)],
  ["obs_id", () => t("Observation"), (row) => row.obs_id, "mono"],
  ["camera", () => t("Camera"), (row) => el("span", { class: `camera ${cameraClass(row.camera)}` }, row.camera)],
  ["filter", () => t("Filter"), (row) => row.filter ?? ""],
  ["mode", () => t("Mode"), (row) => row.mode ?? ""],
  ["t_exptime", () => t("Exposure (ks)"), (row) => number((row.t_exptime ?? 0) / 1000, 1), "n"],
  ["region_fraction", () => t("Overlap"), (row) => (row.region_fraction === null ? "" : `${number(100 * row.region_fraction, 1)} %`), "n"],
];

export class Table {
  /** @param {object} on: toggled(id, chosen), pointed(id or null), sorted() */
  constructor(place, on) {
    this.on = on;
    this.rows = [];
    this.chosen = new Set();
    this.order = ["region_fraction", -1];
    this.body = el("tbody");
    this.heads = COLUMNS.map(([key, title, , kind]) =>
      el("th", { scope: "col", class: kind === "n" ? "n" : null }, el("button", { type: "button", class: "sort", onclick: () => this.sort(key) }, title())));
    this.table = el("table", { class: "virtual", "aria-label": t("Observations") },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, el("span", { class: "visually-hidden" }, t("Chosen"))), ...this.heads)), this.body);
    this.place = place;
    place.replaceChildren(this.table);
    place.tabIndex = 0;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", t("Observations"));
    place.addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => this.soon()).observe(place);
    this.body.addEventListener("change", ({ target }) => this.toggle(target.value, target.checked));
    this.body.addEventListener("click", ({ target }) => {
      const row = target.closest("tr[data-id]");
      if (row && target.tagName !== "INPUT") this.toggle(row.dataset.id, !this.chosen.has(row.dataset.id));
    });
    for (const name of ["mouseover", "focusin"]) this.body.addEventListener(name, ({ target }) => on.pointed(target.closest("tr")?.dataset.id ?? null));
    this.body.addEventListener("mouseleave", () => on.pointed(null));
  }

  toggle(id, chosen) {
    chosen ? this.chosen.add(id) : this.chosen.delete(id);
    this.draw(true);
    this.on.toggled();
  }

  sort(key) {
    this.order = [key, this.order[0] === key ? -this.order[1] : key === "t_exptime" || key === "region_fraction" ? -1 : 1];
    this.set(this.rows);
  }

  set(rows) {
    const [key, sign] = this.order;
    this.rows = [...rows].sort((a, b) => {
      const [x, y] = [a[key], b[key]];
      if (x === y) return a.id < b.id ? -1 : 1;
      if (x === null || y === null) return x === null ? 1 : -1;
      return (x < y ? -1 : 1) * sign;
    });
    this.heads.forEach((head, index) => {
      head.setAttribute("aria-sort", COLUMNS[index][0] !== key ? "none" : sign > 0 ? "ascending" : "descending");
    });
    this.table.setAttribute("aria-rowcount", this.rows.length + 1);
    this.draw(true);
  }

  soon() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => { this.asked = null; this.draw(); });
  }

  draw(anew = false) {
    const first = Math.max(0, Math.floor(this.place.scrollTop / HIGH) - SPARE);
    const last = Math.min(this.rows.length, Math.ceil((this.place.scrollTop + this.place.clientHeight) / HIGH) + SPARE);
    if (!anew && first === this.first && last === this.last) return;
    [this.first, this.last] = [first, last];
    const focused = document.activeElement?.closest?.("tr[data-id]")?.dataset.id;
    const spacer = (rows) => el("tr", { "aria-hidden": "true", class: "space" }, el("td", { colspan: COLUMNS.length + 1, height: rows * HIGH }));
    this.body.replaceChildren(
      ...(first ? [spacer(first)] : []),
      ...this.rows.slice(first, last).map((row, index) => this.row(row, first + index)),
      ...(last < this.rows.length ? [spacer(this.rows.length - last)] : []));
    if (focused) this.body.querySelector(`tr[data-id="${CSS.escape(focused)}"] input`)?.focus({ preventScroll: true });
  }

  row(row, index) {
    const chosen = this.chosen.has(row.id);
    const box = el("input", { type: "checkbox", value: row.id, "aria-label": t("Choose {dataset}", { dataset: row.id }), checked: chosen });
    const cells = COLUMNS.map(([key, , text, kind], column) => el("td", { class: kind ?? null }, text(row), ...(column === 0 ? marks(row) : [])));
    return el("tr", { "data-id": row.id, "aria-rowindex": index + 2, class: [chosen && "chosen", row.id === this.pointed && "pointed"].filter(Boolean).join(" ") || null }, el("td", {}, box), ...cells);
  }

  /** Mark the row of a dataset that is pointed at on the sky, and bring it into view. */
  point(id, bring = false) {
    this.pointed = id;
    const index = bring && id ? this.rows.findIndex((row) => row.id === id) : -1;
    if (index >= 0) {
      const top = index * HIGH, seen = this.place.scrollTop;
      if (top < seen || top > seen + this.place.clientHeight - 3 * HIGH) this.place.scrollTop = top - this.place.clientHeight / 2;
    }
    this.draw(true);
  }
}

function marks(row) {
  const found = [row.simulated && t("simulated"), row.approximate && t("approximate")].filter(Boolean);
  return found.map((text) => el("span", { class: "mark" }, text));
}
