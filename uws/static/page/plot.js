// Plots of products (application/json;content=plot): points, steps and lines with their errors, drawn on uPlot's axes.
import { base, el, json } from "./dom.js";
import { t } from "./say.js";

const COLOURS = ["--pn", "--m1", "--m2", "--other", "--soft"];
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colour = (name) => {
  const probe = el("span", { style: "" });
  probe.style.color = style(name);
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

/** Join series with x of their own into columns of one length, as uPlot wants them. */
export function columns(series) {
  const xs = [...new Set(series.flatMap((one) => one.x.filter((x) => x !== null)))].sort((a, b) => a - b);
  const place = new Map(xs.map((x, index) => [x, index]));
  return [xs, ...series.map((one) => {
    const column = new Array(xs.length).fill(null);
    one.x.forEach((x, index) => { if (x !== null) column[place.get(x)] = one.y[index]; });
    return column;
  })];
}

function extent(series, axis, log) {
  let low = Infinity, high = -Infinity;
  for (const one of series) {
    const errors = one[`${axis}_error`];
    one[axis].forEach((value, index) => {
      if (value === null || (log && value <= 0)) return;
      const error = errors?.[index] ?? 0;
      low = Math.min(low, log && value - error <= 0 ? value : value - error);
      high = Math.max(high, value + error);
    });
  }
  if (!Number.isFinite(low)) return log ? [1, 10] : [0, 1];
  if (log) return [low / 1.15, high * 1.15];
  const margin = 0.04 * (high - low) || Math.abs(high) || 1;
  return [low - margin, high + margin];
}

/** Draw one series on the canvas of a plot. */
function draw(u, one, ink) {
  const { ctx } = u, at = (x, axis) => u.valToPos(x, axis, true), unit = devicePixelRatio;
  const floor = (y) => (u.scales.y.distr === 3 && y <= 0 ? u.scales.y.min : y);
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  ctx.strokeStyle = ctx.fillStyle = ink;
  ctx.lineWidth = 1.4 * unit;
  ctx.beginPath();
  let joined = false;
  one.x.forEach((x, index) => {
    const y = one.y[index];
    if (x === null || y === null) { joined = false; return; }
    const dx = one.x_error?.[index] ?? 0, dy = one.y_error?.[index] ?? 0, px = at(x, "x"), py = at(floor(y), "y");
    if (one.kind === "line") {
      joined ? ctx.lineTo(px, py) : ctx.moveTo(px, py);
    } else if (one.kind === "steps") {
      // Without a width of its own a bin goes half of the way to each neighbour.
      const before = one.x[index - 1], after = one.x[index + 1];
      const down = dx || (before != null ? (x - before) / 2 : after != null ? (after - x) / 2 : 0);
      const up = dx || (after != null ? (after - x) / 2 : down);
      const left = at(x - down, "x"), right = at(x + up, "x");
      joined ? ctx.lineTo(left, py) : ctx.moveTo(left, py);
      ctx.lineTo(right, py);
    } else if (dx) {
      ctx.moveTo(at(x - dx, "x"), py);
      ctx.lineTo(at(x + dx, "x"), py);
    }
    joined = true;
    if (dy) one.bars = [...(one.bars ?? []), [px, at(floor(y - dy), "y"), at(y + dy, "y")]];
  });
  ctx.stroke();
  ctx.beginPath();
  for (const [px, low, high] of one.bars ?? []) { ctx.moveTo(px, low); ctx.lineTo(px, high); }
  one.bars = [];
  ctx.stroke();
  if (one.kind === "points") {
    one.x.forEach((x, index) => {
      if (x === null || one.y[index] === null) return;
      ctx.beginPath();
      ctx.arc(at(x, "x"), at(floor(one.y[index]), "y"), 2.2 * unit, 0, 7);
      ctx.fill();
    });
  }
  ctx.restore();
}

export function csv(plot) {
  const cells = (row) => row.map((cell) => (/[",\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : cell ?? "")).join(",");
  const rows = plot.series.flatMap((one) => one.x.map((x, index) => [one.name, x, one.x_error?.[index], one.y[index], one.y_error?.[index]]));
  const head = ["series", plot.x.label, `${plot.x.label} error`, plot.y.label, `${plot.y.label} error`];
  return [head, ...rows].map(cells).join("\n") + "\n";
}

function save(name, blob) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** A number along an axis: short, and never 0 for what is small. */
const tick = (value) => {
  if (value === null || value === undefined) return "";
  const large = Math.abs(value);
  return large && (large < 1e-3 || large >= 1e6) ? value.toExponential(0) : String(Number(value.toPrecision(6)));
};

const text = (axis) => (axis.unit ? `${axis.label} (${axis.unit})` : axis.label);

/** Show a plot, or several in one, in an element. */
export async function plot(place, addresses, names = []) {
  const { default: UPlot } = await import(`${base}/static/vendor/uplot.js`);
  const read = await Promise.all(addresses.map((address) => json(address)));
  const [first] = read;
  const series = read.flatMap((one, number) => one.series.map((part) => ({ ...part, name: names[number] ? `${names[number]}: ${part.name}` : part.name })));
  const whole = { ...first, series };
  const logs = { x: Boolean(first.x.log), y: Boolean(first.y.log) };
  const drawing = el("div", { class: "drawing" });
  let shown;

  function render() {
    shown?.destroy();
    const inks = series.map((_, index) => colour(COLOURS[index % COLOURS.length]));
    const axis = (one) => ({ label: text(one), values: (_, ticks) => ticks.map(tick), stroke: colour("--text"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, font: "12px system-ui", labelFont: "13px system-ui" });
    const scale = (name) => ({ time: false, distr: logs[name] ? 3 : 1, range: (u, low, high) => (u.data && zoomed(u, name) ? [low, high] : extent(series, name, logs[name])) });
    let zoom = {};
    const zoomed = (_, name) => zoom[name];
    shown = new UPlot({
      width: Math.max(280, place.clientWidth - 2), height: 340, title: first.title,
      scales: { x: scale("x"), y: scale("y") },
      axes: [axis(first.x), { ...axis(first.y), size: 72 }],
      series: [{ label: text(first.x) }, ...series.map((one, index) => ({ label: one.name, stroke: inks[index], paths: () => null, points: { show: false } }))],
      cursor: { drag: { x: true, y: true, uni: 20 } },
      hooks: {
        setSelect: [(u) => { zoom = u.select.width > 2 && u.select.height > 2 ? { x: true, y: true } : { x: u.select.width > 2, y: u.select.height > 2 }; }],
        draw: [(u) => series.forEach((one, index) => u.series[index + 1].show && draw(u, one, inks[index]))],
      },
    }, columns(series), drawing);
    shown.over.addEventListener("dblclick", () => { zoom = {}; });
  }

  const toggle = (name, label) => el("label", { class: "check" }, el("input", { type: "checkbox", ...(logs[name] ? { checked: true } : {}), onchange: (event) => { logs[name] = event.target.checked; render(); } }), label);
  const file = (first.title || "plot").replace(/[^\w.-]+/g, "_");
  place.replaceChildren(
    drawing,
    el("div", { class: "buttons" },
      toggle("x", t("x logarithmic")), toggle("y", t("y logarithmic")),
      el("button", { type: "button", onclick: () => shown.root.querySelector("canvas").toBlob((blob) => save(`${file}.png`, blob)) }, "PNG"),
      el("button", { type: "button", onclick: () => save(`${file}.csv`, new Blob([csv(whole)], { type: "text/csv" })) }, "CSV"),
      el("span", { class: "hint" }, t("Drag to zoom, double-click for all."))),
    numbers(whole));
  render();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
}

/** The numbers of a plot as a table, for whoever does not see it. */
function numbers(whole) {
  const details = el("details", {}, el("summary", {}, t("Numbers")));
  details.addEventListener("toggle", () => {
    if (!details.open || details.childElementCount > 1) return;
    const head = [t("Series"), text(whole.x), text(whole.y), t("error")];
    const rows = whole.series.flatMap((one) => one.x.map((x, index) => [one.name, x, one.y[index], one.y_error?.[index]])).slice(0, 2000);
    details.append(el("div", { class: "wide scroll", role: "group", "aria-label": t("Numbers"), tabindex: "0" }, el("table", {},
      el("thead", {}, el("tr", {}, ...head.map((cell, index) => el("th", { class: index ? "n" : null }, cell)))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell, index) => el("td", { class: index ? "n" : null }, cell ?? ""))))))));
  }, { passive: true });
  return details;
}
