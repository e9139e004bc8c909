// Places on the sphere as [ra, dec] in degrees: how far, which way, and where one comes to.
const RAD = Math.PI / 180;

const unit = ([ra, dec]) => [Math.cos(dec * RAD) * Math.cos(ra * RAD), Math.cos(dec * RAD) * Math.sin(ra * RAD), Math.sin(dec * RAD)];
const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
const cross = ([a, b, c], [x, y, z]) => [b * z - c * y, c * x - a * z, a * y - b * x];
const place = ([x, y, z]) => [(Math.atan2(y, x) / RAD + 360) % 360, Math.atan2(z, Math.hypot(x, y)) / RAD];

/** The distance between two places in degrees. */
export function distance([ra1, dec1], [ra2, dec2]) {
  const [a, b, c, d] = [ra1, dec1, ra2, dec2].map((degrees) => degrees * RAD);
  const half = Math.sin((d - b) / 2) ** 2 + Math.cos(b) * Math.cos(d) * Math.sin((c - a) / 2) ** 2;
  return 2 * Math.asin(Math.sqrt(half)) / RAD;
}

/** The direction from one place to another in degrees, from north through east. */
export function bearing([ra1, dec1], [ra2, dec2]) {
  const [a, b, c, d] = [ra1, dec1, ra2, dec2].map((degrees) => degrees * RAD);
  return Math.atan2(Math.sin(c - a) * Math.cos(d), Math.cos(b) * Math.sin(d) - Math.sin(b) * Math.cos(d) * Math.cos(c - a)) / RAD;
}

/** Where one comes to who goes from a place in a direction, so many degrees. */
export function destination([ra, dec], direction, length) {
  const [a, d, way, far] = [ra, dec, direction, length].map((degrees) => degrees * RAD);
  const north = [-Math.sin(d) * Math.cos(a), -Math.sin(d) * Math.sin(a), Math.cos(d)], east = [-Math.sin(a), Math.cos(a), 0];
  return place(unit([ra, dec]).map((value, axis) =>
    Math.cos(far) * value + Math.sin(far) * (Math.cos(way) * north[axis] + Math.sin(way) * east[axis])));
}

/** Places after the turn of the sphere that brings one place to another along the great circle (Rodrigues' formula). */
export function moved(places, from, to) {
  const axis = cross(unit(from), unit(to)), sin = Math.hypot(...axis), cos = dot(unit(from), unit(to));
  if (!sin) return places;
  const k = axis.map((value) => value / sin);
  return places.map((one) => {
    const v = unit(one), side = cross(k, v), along = dot(k, v) * (1 - cos);
    return place(v.map((value, index) => value * cos + side[index] * sin + k[index] * along));
  });
}

/** The middle of places and the width of the circle around it that holds them, in degrees. */
export function middle(places) {
  const sum = places.map(unit).reduce((a, b) => a.map((value, index) => value + b[index]));
  const [ra, dec] = place(sum);
  return { ra, dec, width: 2 * Math.max(...places.map((one) => distance([ra, dec], one))) };
}
