// Drawing on the sky with the mouse: Aladin Lite's own selections, which give pixels.
import { circle, polygon } from "./region.js";

const SELECTING = 1; // what Aladin Lite calls its mode while something is drawn

/**
 * @param {HTMLElement} place the element of the sky
 * @param {string} tool circle, poly or rect
 * @param {function} begun called once the sky listens
 * @param {function} done gets the region as POS takes it; null where what was drawn is no region
 * @returns {function} gives it up
 */
export function draw(aladin, place, tool, begun, done) {
  const before = new Set(place.children);
  let over = false;
  const end = (region) => {
    if (over) return;
    over = true;
    place.removeEventListener("pointerup", look);
    done(region);
  };
  // Aladin Lite says nothing of a polygon that was ended at its second corner.
  const look = () => setTimeout(() => aladin.view.mode !== SELECTING && end(null), 100);
  aladin.select(tool, (shape) => {
    try {
      end(text(aladin, shape));
    } catch {
      end(null); // a corner lies beside the sky
    }
  }).then(() => {
    if (over) { aladin.fire("default"); return; }
    place.addEventListener("pointerup", look);
    begun();
  });
  return () => {
    if (over) return;
    aladin.fire("default");
    for (const child of [...place.children]) if (!before.has(child)) child.remove(); // the button that closes a polygon
    end("");
  };
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
