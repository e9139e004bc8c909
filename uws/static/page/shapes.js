// The shapes of regions: how each is drawn, where its handles are, what comes of pulling one, and the text that POS takes.
import { circle, polygon, round } from "./region.js";
import { t } from "./say.js";
import { bearing, destination, distance, middle, moved } from "./sphere.js";

const MOST = 60; // corners that have a handle each: more would hide the outline, and is no shape that was drawn by hand
const STEP = 2; // degrees between the points of a line that is no great circle, or long
const CORNERS = 72; // of an ellipse
const POLE = 89.99; // degrees, at which the corners of a range lie on one another

const turned = (degrees) => ((degrees % 360) + 360) % 360;
const centre = ({ ra, dec }) => [ra, dec];
const corner = (n, all) => t("Corner {n} of {all}", { n, all });
const breadth = ({ ra: [west, east] }) => east - west + (east < west ? 360 : 0);

/** The points from one number to another, both included. */
function steps(from, to) {
  const count = Math.max(1, Math.ceil(Math.abs(to - from) / STEP));
  return Array.from({ length: count + 1 }, (_, index) => from + (to - from) * index / count);
}

/** The direction of the end of the long axis that is held: an ellipse has two such ends. */
function axis({ angle, bearing: held = angle }) {
  return Math.abs(turned(held - angle + 180) - 180) > 90 ? angle + 180 : angle;
}

/** By the name of the shape. The first handle is the middle, and takes all along; `pulled` gives null for what cannot be. */
const KINDS = {
  point: {
    drawn: () => [],
    view: ({ ra, dec }) => ({ ra, dec, width: 0.2 }),
    places: (shape) => [centre(shape)],
    pulled: (shape, _, [ra, dec]) => ({ ...shape, ra, dec }),
    text: ({ ra, dec }) => `Position ICRS ${round(turned(ra))} ${round(dec)}`,
  },
  circle: {
    drawn: ({ ra, dec, radius }) => [{ circle: [ra, dec, radius] }],
    view: ({ ra, dec, radius }) => ({ ra, dec, width: 2 * radius }),
    // to the west, which is to the right where north is up
    places: (shape) => [centre(shape), destination(centre(shape), shape.bearing ?? 270, shape.radius)],
    names: () => [t("Rim of the circle")],
    pulled(shape, index, to) {
      if (!index) return { ...shape, ra: to[0], dec: to[1] };
      const radius = distance(centre(shape), to);
      return radius > 0 ? { ...shape, radius, bearing: bearing(centre(shape), to) } : null;
    },
    text: ({ ra, dec, radius }) => circle(ra, dec, radius),
  },
  ellipse: {
    drawn(shape) {
      const { semi_major: a, semi_minor: b, angle } = shape;
      return [{
        vertices: Array.from({ length: CORNERS }, (_, index) => {
          const [along, across] = [a * Math.cos(2 * Math.PI * index / CORNERS), b * Math.sin(2 * Math.PI * index / CORNERS)];
          return destination(centre(shape), angle + Math.atan2(across, along) * 180 / Math.PI, Math.hypot(along, across));
        }),
      }];
    },
    view: ({ ra, dec, semi_major: a, semi_minor: b }) => ({ ra, dec, width: 2 * Math.max(a, b) }),
    places: (shape) => [
      centre(shape), destination(centre(shape), axis(shape), shape.semi_major), destination(centre(shape), axis(shape) + 90, shape.semi_minor),
    ],
    names: () => [t("End of the long axis"), t("End of the short axis")],
    pulled(shape, index, to) {
      if (!index) return { ...shape, ra: to[0], dec: to[1] };
      const length = distance(centre(shape), to);
      if (!(length > 0)) return null;
      if (index === 2) return { ...shape, semi_minor: length };
      const angle = bearing(centre(shape), to);
      return { ...shape, semi_major: length, angle, bearing: angle };
    },
    text: ({ ra, dec, semi_major: a, semi_minor: b, angle }) => `Ellipse ICRS ${[turned(ra), dec, a, b, turned(angle)].map(round).join(" ")}`,
  },
  range: {
    drawn(shape) {
      const [south, north] = shape.dec, west = shape.ra[0], width = breadth(shape);
      const parallel = (dec) => steps(west, west + width).map((ra) => [turned(ra), dec]);
      if (width >= 360) return shape.dec.filter((dec) => Math.abs(dec) < POLE).map((dec) => ({ vertices: parallel(dec) }));
      const meridian = (ra, from, to) => steps(from, to).map((dec) => [turned(ra), dec]);
      const border = [...parallel(south), ...meridian(west + width, south, north), ...parallel(north).reverse(), ...meridian(west, north, south)];
      return [{ vertices: border }];
    },
    view(shape) {
      const [south, north] = shape.dec, dec = (south + north) / 2, width = breadth(shape);
      return { ra: turned(shape.ra[0] + width / 2), dec, width: Math.max(north - south, width * Math.cos(dec * Math.PI / 180)) };
    },
    // Corners that lie on one another at a pole, or half a sky apart, cannot be pulled.
    editable: (shape) => breadth(shape) < 180 && Math.max(...shape.dec.map(Math.abs)) < POLE,
    places(shape) {
      const [[west, east], [south, north]] = [shape.ra, shape.dec];
      return [[turned(west + breadth(shape) / 2), (south + north) / 2], [west, south], [east, south], [east, north], [west, north]];
    },
    names: () => [1, 2, 3, 4].map((n) => corner(n, 4)),
    pulled(shape, index, [ra, dec]) {
      const made = { ...shape, ra: [...shape.ra], dec: [...shape.dec] };
      if (index) {
        made.ra[index === 1 || index === 4 ? 0 : 1] = ra;
        made.dec[index < 3 ? 0 : 1] = dec;
      } else {
        const [middleRa, middleDec] = this.places(shape)[0];
        made.ra = shape.ra.map((value) => turned(value + ra - middleRa));
        made.dec = shape.dec.map((value) => value + dec - middleDec);
      }
      return made.ra[0] !== made.ra[1] && made.dec[0] < made.dec[1] && this.editable(made) ? made : null;
    },
    text: ({ ra, dec }) => `RANGE ${[...ra.map(turned), ...dec].map(round).join(" ")}`,
  },
  polygon: {
    drawn: ({ vertices }) => [{ vertices }],
    view: ({ vertices }) => middle(vertices),
    editable: ({ vertices }) => vertices.length <= MOST,
    places(shape) {
      const { ra, dec } = middle(shape.vertices);
      return [[ra, dec], ...shape.vertices];
    },
    names: ({ vertices }) => vertices.map((_, index) => corner(index + 1, vertices.length)),
    pulled(shape, index, to) {
      if (!index) return { ...shape, vertices: moved(shape.vertices, this.places(shape)[0], to) };
      return { ...shape, vertices: shape.vertices.map((vertex, other) => (other === index - 1 ? to : vertex)) };
    },
    text: ({ vertices }) => polygon(vertices),
  },
  compound: {
    drawn: ({ parts }) => parts.flatMap(drawn),
    view(shape) {
      const points = drawn(shape).flatMap(({ circle: ring, vertices }) =>
        vertices ?? [0, 90, 180, 270].map((direction) => destination(ring, direction, ring[2])));
      return points.length ? middle(points) : null;
    },
    editable: () => false,
  },
};

/** The lines that show a shape, as circles ({circle: [ra, dec, radius]}) and closed lines ({vertices: [[ra, dec], ...]}). */
export function drawn(shape) {
  return KINDS[shape.shape]?.drawn(shape) ?? [];
}

/** The middle of a shape and its width in degrees, to look at; null where it has none of its own. */
export function view(shape) {
  return KINDS[shape.shape]?.view(shape) ?? null;
}

/** Whether it has handles. */
export function editable(shape) {
  const kind = KINDS[shape.shape];
  return Boolean(kind && (kind.editable?.(shape) ?? true));
}

/** Where its handles are: the middle, and what can be pulled besides. */
export function places(shape) {
  return KINDS[shape.shape].places(shape);
}

/** What its handles are called. */
export function names(shape) {
  return [t("Middle of the region"), ...(KINDS[shape.shape].names?.(shape) ?? [])];
}

/** What becomes of it when a handle is pulled to a place; null where that is no shape. */
export function pulled(shape, index, to) {
  return KINDS[shape.shape].pulled(shape, index, to);
}

/** As POS takes it. */
export function text(shape) {
  return KINDS[shape.shape].text(shape);
}

/** A polygon with one more corner, between this one and the next; null where it has as many as can be shown. */
export function split(shape, index) {
  const vertices = [...shape.vertices];
  if (vertices.length >= MOST) return null;
  const { ra, dec } = middle([vertices[index - 1], vertices[index % vertices.length]]);
  vertices.splice(index, 0, [ra, dec]);
  return { ...shape, vertices };
}
