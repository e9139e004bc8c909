// Drawing on the sky with the mouse: Aladin Lite's own selections, which give pixels.
import { circle, polygon } from "./region.js";

/**
 * @param {string} tool circle, poly or rect
 * @param {function} done gets the region as POS takes it; nothing where what was drawn is no region
 */
export function draw(aladin, tool, done) {
  aladin.select(tool, (shape) => {
    try {
      done(text(aladin, shape));
    } catch {
      done(null); // a corner lies beside the sky
    }
  });
}

function text(aladin, shape) {
  const world = (x, y) => {
    const found = aladin.pix2world(x, y, "icrs");
    if (!found || !found.every(Number.isFinite)) throw new Error("beside the sky");
    return found;
  };
  if (shape.label === "circle") {
    const [ra, dec] = world(shape.x, shape.y);
    const radius = aladin.angularDist(shape.x, shape.y, shape.x + shape.r, shape.y);
    if (!(radius > 0)) throw new Error("a point");
    return circle(ra, dec, radius);
  }
  if (shape.label === "rect") {
    const { x, y, w, h } = shape;
    if (!w || !h) throw new Error("a line");
    return polygon([[x, y], [x + w, y], [x + w, y + h], [x, y + h]].map((corner) => world(...corner)));
  }
  return polygon(shape.vertices.map(({ x, y }) => world(x, y)));
}

/** The distance between two places in degrees. */
export function distance([ra1, dec1], [ra2, dec2]) {
  const [a, b, c, d] = [ra1, dec1, ra2, dec2].map((degrees) => degrees * Math.PI / 180);
  const half = Math.sin((d - b) / 2) ** 2 + Math.cos(b) * Math.cos(d) * Math.sin((c - a) / 2) ** 2;
  return 2 * Math.asin(Math.sqrt(half)) * 180 / Math.PI;
}
