// The region: from what was typed, drawn or sent to the text that POS takes, and back to a shape.
import { base, json } from "./dom.js";
import { t } from "./say.js";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Numbers of vertices as a POLYGON; any other text as it is. */
export function shapeText(text) {
  const words = text.trim().split(/[\s,;]+/);
  const bare = words.length >= 6 && words.every((word) => NUMBER.test(word));
  return bare ? `POLYGON ${words.join(" ")}` : text.trim();
}

export const round = (degrees) => Number(degrees.toFixed(6));

export function circle(ra, dec, radius) {
  return `CIRCLE ${round((ra + 360) % 360)} ${round(dec)} ${round(radius)}`;
}

export function polygon(vertices) {
  return `POLYGON ${vertices.map(([ra, dec]) => `${round((ra + 360) % 360)} ${round(dec)}`).join(" ")}`;
}

/** Find a place by its name or coordinates. */
export async function resolve(text) {
  const words = text.trim().split(/[\s,]+/);
  if (words.length === 2 && words.every((word) => NUMBER.test(word))) {
    const [ra, dec] = words.map(Number);
    if (ra < 0 || ra >= 360 || Math.abs(dec) > 90) throw new Error(t("RA goes from 0 to 360 degrees, Dec from -90 to 90."));
    return { ra, dec, name: text.trim() };
  }
  return json(`${base}/api/resolve?q=${encodeURIComponent(text.trim())}`);
}

/** Ask for the datasets that cover a region: a text, or a file. */
export async function ask(address, region, most, signal) {
  const form = new FormData();
  if (region instanceof File) form.append("REGION", region);
  else form.append("POS", region);
  form.append("MAXREC", most);
  return json(address, { method: "POST", body: form, signal });
}

const MOST_CELLS = 50000;

/** The cells of a MOC as {order: [cells]}; null where it is none, or one of too many to be drawn. */
export function cells(region) {
  if (region.shape !== "moc") return null;
  const found = {};
  let count = 0;
  for (const [, order, list] of region.text.matchAll(/(\d+)\/([\d,\s-]*)(?=\s|$)/g)) {
    found[order] ??= [];
    for (const range of list.split(/[,\s]+/).filter(Boolean)) {
      const [first, last = first] = range.split("-").map(Number);
      count += last - first + 1;
      if (count > MOST_CELLS) return null;
      for (let cell = first; cell <= last; cell++) found[order].push(cell);
    }
  }
  return count ? found : null;
}

/** The vertices of an STC-S polygon or circle, as the outline of a dataset has it; a union gives several. */
export function outlines(text) {
  const found = [];
  for (const [, shape, numbers] of (text ?? "").matchAll(/(Polygon|Circle)(?:\s+[A-Z]\w*)?\s+([-+\d.eE\s]+)/g)) {
    const values = numbers.trim().split(/\s+/).map(Number);
    if (shape === "Circle") found.push({ circle: values });
    else found.push({ vertices: Array.from({ length: values.length / 2 }, (_, index) => [values[2 * index], values[2 * index + 1]]) });
  }
  return found;
}
