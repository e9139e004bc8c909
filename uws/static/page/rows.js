// A product that is a table, page by page; of a FITS image, its header.
import { el, json } from "./dom.js";
import { number, t } from "./say.js";

const PAGE = 100;

export async function rows(place, address, offset = 0) {
  const found = await json(`${address}?OFFSET=${offset}&MAXREC=${PAGE}`);
  const parts = [];
  if (found.columns.length) {
    const to = offset + found.rows.length;
    parts.push(el("p", { class: "hint" }, t("Rows {from} to {to} of {total}.", { from: number(Math.min(offset + 1, to)), to: number(to), total: number(found.total) })));
    const numeric = found.columns.map((_, index) => found.rows.every((row) => row[index] === null || typeof row[index] === "number"));
    parts.push(el("div", { class: "wide scroll", role: "group", "aria-label": found.name || t("Table"), tabindex: "0" }, el("table", {},
      el("thead", {}, el("tr", {}, ...found.columns.map((one, index) => el("th", { class: numeric[index] ? "n" : null, title: one.description || null }, one.unit ? `${one.name} (${one.unit})` : one.name)))),
      el("tbody", {}, ...found.rows.map((row) => el("tr", {}, ...row.map((cell, index) => el("td", { class: numeric[index] ? "n" : null }, cell === null ? "" : String(cell)))))))));
    const turn = (to_, text, on) => el("button", { type: "button", disabled: !on, onclick: () => rows(place, address, to_) }, text);
    if (found.total > PAGE) parts.push(el("p", { class: "buttons" }, turn(offset - PAGE, t("Before"), offset > 0), turn(offset + PAGE, t("Next"), to < found.total)));
  }
  if (found.header.length) {
    const lines = found.header.map(([key, value, comment]) => `${key.padEnd(9)}${value ?? ""}${comment ? `  / ${comment}` : ""}`);
    parts.push(el("details", { open: !found.columns.length }, el("summary", {}, t("FITS header")), el("pre", { class: "scroll", tabindex: "0" }, lines.join("\n"))));
  }
  place.replaceChildren(...parts);
}
