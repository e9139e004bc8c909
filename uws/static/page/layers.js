// What lies on the sky: the coverage of all datasets, the region, and the footprints of the datasets in it.
import { cameraClass } from "./table.js";
import { cells, outlines } from "./region.js";
import { drawn, view } from "./shapes.js";
import { distance, middle } from "./sphere.js";

const MOST = 300;
const INK = { m1: "#ff9d6b", m2: "#6cd6a0", pn: "#8ab4ff", other: "#c7a2ff" };
const REGION = "#ffd27a";

export class Layers {
  constructor({ A, aladin }, coverage) {
    [this.A, this.aladin] = [A, aladin];
    this.footprints = Object.fromEntries(Object.entries(INK).map(([name, color]) => [name, this.overlay(name, color, 1)]));
    this.marked = this.overlay("pointed", "#ffffff", 4);
    this.region = this.overlay("region", REGION, 2);
    this.shapes = new Map();
    this.inks = new Map();
    if (!coverage) return; // nothing is in the index
    this.coverage = A.MOCFromURL(coverage, { name: "coverage", color: "#4d86c9", opacity: 0.3, fill: true, edge: false, perimeter: true });
    aladin.addMOC(this.coverage);
  }

  overlay(name, color, lineWidth) {
    const made = this.A.graphicOverlay({ name, color, lineWidth });
    this.aladin.addOverlay(made);
    return made;
  }

  showCoverage(shown) { if (!this.coverage) return; shown ? this.coverage.show() : this.coverage.hide(); this.aladin.view.requestRedraw(); }

  showFootprints(shown) {
    for (const overlay of [...Object.values(this.footprints), this.marked]) shown ? overlay.show() : overlay.hide();
  }

  forms(outline, options) {
    return outline.circle ? this.A.circle(...outline.circle, options) : this.A.polygon(outline.vertices, options);
  }

  /** Draw the region; look at it, or, where it has no middle of its own, at the datasets in it. */
  setRegion(shape, move = true, rows = []) {
    this.region.removeAll();
    this.handles?.set(shape);
    if (this.cells) this.aladin.view.removeOverlay(this.cells);
    this.cells = null;
    const placed = rows.filter((row) => row.s_ra !== null && row.s_dec !== null).map((row) => [row.s_ra, row.s_dec]);
    const at = view(shape) ?? (placed.length ? middle(placed) : null);
    for (const outline of drawn(shape)) this.region.add(this.forms(outline, { color: REGION }));
    const listed = cells(shape);
    if (listed) {
      this.cells = this.A.MOCFromJSON(listed, { name: "cells", color: REGION, opacity: 0.35, lineWidth: 2, fill: true, edge: false, perimeter: true });
      this.aladin.addMOC(this.cells);
    }
    if (move && at) {
      this.aladin.gotoRaDec(at.ra, at.dec);
      this.aladin.setFoV(Math.min(180, Math.max(0.9, 2.4 * at.width)));
    }
  }

  /** Draw the footprints of datasets, the first so many; return how many. */
  setDatasets(rows) {
    for (const overlay of Object.values(this.footprints)) overlay.removeAll();
    this.marked.removeAll();
    this.shapes.clear();
    for (const row of rows.slice(0, MOST)) {
      const found = outlines(row.s_region);
      const kind = cameraClass(row.camera);
      this.shapes.set(row.id, found);
      this.inks.set(row.id, INK[kind]);
      for (const outline of found) this.footprints[kind].add(this.forms(outline, { color: INK[kind], lineWidth: 1 }));
    }
    return Math.min(rows.length, MOST);
  }

  /** Draw over the footprints of these datasets: those that are chosen, and the one that is pointed at. */
  mark(chosen, pointed) {
    this.marked.removeAll();
    for (const [id, found] of this.shapes) {
      if (id !== pointed && !chosen.has(id)) continue;
      const options = id === pointed ? { color: "#ffffff", lineWidth: 4 } : { color: this.inks.get(id), lineWidth: 3 };
      for (const outline of found) this.marked.add(this.forms(outline, options));
    }
  }

  /** The datasets whose footprints hold a place. */
  at(ra, dec) {
    return [...this.shapes].filter(([, found]) => found.some((outline) => holds(outline, ra, dec))).map(([id]) => id);
  }
}

/** Whether an outline holds a place, on the plane that touches the sky there. */
function holds({ circle, vertices }, ra, dec) {
  if (circle) return distance([circle[0], circle[1]], [ra, dec]) <= circle[2];
  if (distance(vertices[0], [ra, dec]) > 60) return false;
  const rad = Math.PI / 180;
  const flat = vertices.map(([a, d]) => {
    const [da, dd, d0] = [(a - ra) * rad, d * rad, dec * rad];
    const depth = Math.sin(d0) * Math.sin(dd) + Math.cos(d0) * Math.cos(dd) * Math.cos(da);
    return [Math.cos(dd) * Math.sin(da) / depth, (Math.cos(d0) * Math.sin(dd) - Math.sin(d0) * Math.cos(dd) * Math.cos(da)) / depth];
  });
  let inside = false;
  flat.forEach(([x1, y1], index) => {
    const [x2, y2] = flat[(index + 1) % flat.length];
    if (y1 > 0 !== y2 > 0 && 0 < (x2 - x1) * (0 - y1) / (y2 - y1) + x1) inside = !inside;
  });
  return inside;
}
