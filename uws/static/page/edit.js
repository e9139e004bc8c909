// Handles on the outline of the region: pulled with the mouse or a finger, moved by the arrow keys.
import { el } from "./dom.js";
import { t } from "./say.js";
import { editable, names, places, pulled, split } from "./shapes.js";

const STEP = 4; // pixels of an arrow key
const LONG = 5; // times as many with Shift
const STILL = 3; // pixels within which a press is a click
const PAUSE = 500; // milliseconds after the last arrow key until the region is asked about
const SIDE = 2; // pixels from the border of the sky, behind which nothing is pulled
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Handles {
  /**
   * @param {HTMLElement} place the element of the sky
   * @param {object} on: offered(whether there are handles, and a region); drawn(shape) while it changes; done(shape) when it has changed; clicked(ra, dec) for a press
   *   on the middle that moved nothing: what lies below it is meant
   */
  constructor(aladin, place, on) {
    [this.aladin, this.on] = [aladin, on];
    this.shape = null;
    this.handles = [];
    this.box = el("div", { class: "handles", role: "group", "aria-label": t("Handles of the region") });
    place.append(this.box);
  }

  /** Whether it is being changed: what the service says of an earlier shape must not undo that. */
  get busy() { return Boolean(this.pulled || this.timer); }

  /** Take a region: most shapes have handles, a MOC, a compound and what reaches round the sky have none. */
  set(shape) {
    if (this.busy) return;
    const any = Boolean(shape) && editable(shape);
    this.shape = any ? { bearing: this.shape?.bearing, ...shape } : null; // the handle on the rim stays where it was let go
    this.on.offered(any, Boolean(shape));
    this.build();
  }

  show(shown) { this.box.hidden = !shown; }

  /** Make a handle of each place, or keep those that are there, and with them the focus. */
  build() {
    const called = this.shape ? names(this.shape) : [];
    while (this.handles.length > called.length) this.handles.pop().remove();
    while (this.handles.length < called.length) this.handles.push(this.handle(this.handles.length));
    this.handles.forEach((handle, index) => {
      handle.setAttribute("aria-label", called[index]);
      handle.title = this.shape.shape === "polygon" && index ? t("Pull, or use the arrow keys. Insert or a double click adds a corner, Delete takes this one out.") : t("Pull, or use the arrow keys.");
    });
    if (this.shape) this.follow();
  }

  /** Keep the handles where their places are, whatever moves the sky, as long as there are any. */
  follow() {
    if (this.following) return;
    const look = () => {
      this.following = this.shape ? requestAnimationFrame(look) : null;
      if (this.shape && !this.box.hidden) this.lay();
    };
    look();
  }

  lay() {
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    places(this.shape).forEach((place, index) => {
      const handle = this.handles[index], [x, y] = this.pixel(place);
      const seen = x >= 0 && y >= 0 && x <= width && y <= height;
      const at = seen ? `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)` : "";
      if (handle.style.transform !== at) handle.style.transform = at;
      // The one that is held stays, or the browser would let it go.
      if (handle.hidden === seen && handle !== this.pulled?.handle) handle.hidden = !seen;
    });
  }

  pixel([ra, dec]) { return this.aladin.world2pix(ra, dec) ?? [-1, -1]; }

  /** The place at a pixel, which is taken into the view; nothing beside the sky. */
  world(x, y) {
    const inside = (value, end) => Math.min(Math.max(value, SIDE), end - SIDE);
    try {
      const found = this.aladin.pix2world(inside(x, this.box.clientWidth), inside(y, this.box.clientHeight), "icrs");
      return found.every(Number.isFinite) ? found : null;
    } catch {
      return null;
    }
  }

  handle(index) {
    const made = el("button", {
      type: "button", class: index ? "handle" : "handle middle",
      onpointerdown: (event) => this.press(event, index),
      onpointermove: (event) => this.pull(event),
      onpointerup: (event) => this.release(event),
      onpointercancel: () => this.finish(),
      onkeydown: (event) => this.key(event, index),
      ondblclick: () => this.add(index),
      onwheel: (event) => { event.preventDefault(); this.aladin.view.catalogCanvas.dispatchEvent(new WheelEvent("wheel", event)); },
    });
    this.box.append(made);
    return made;
  }

  press(event, index) {
    if (event.button) return;
    const handle = event.currentTarget, [x, y] = this.pixel(places(this.shape)[index]);
    handle.setPointerCapture(event.pointerId);
    // Where it was taken hold of, so that it does not jump below the pointer.
    this.pulled = { handle, index, begin: [event.clientX, event.clientY], before: this.shape, shift: [event.clientX - x, event.clientY - y], moved: false };
  }

  pull(event) {
    const { pulled } = this;
    if (!pulled) return;
    const far = Math.hypot(event.clientX - pulled.begin[0], event.clientY - pulled.begin[1]);
    pulled.moved ||= far > STILL;
    if (pulled.moved) this.move(pulled.index, event.clientX - pulled.shift[0], event.clientY - pulled.shift[1]);
  }

  release(event) {
    const { pulled } = this;
    if (!pulled) return;
    this.finish();
    if (pulled.moved || pulled.index) return;
    const { left, top } = this.box.getBoundingClientRect();
    const place = this.world(event.clientX - left, event.clientY - top);
    if (place) this.on.clicked(...place);
  }

  /** Hand over what has come of it. */
  finish() {
    clearTimeout(this.timer);
    const changed = this.timer || this.pulled?.moved;
    this.pulled = this.timer = null;
    if (changed) this.on.done(this.shape);
  }

  key(event, index) {
    if (event.key === "Escape" && this.pulled) {
      const { before } = this.pulled;
      this.pulled = null;
      this.change(before);
      return;
    }
    const polygon = this.shape.shape === "polygon" && index > 0;
    if (event.key in ARROWS) {
      const [x, y] = this.pixel(places(this.shape)[index]), step = STEP * (event.shiftKey ? LONG : 1);
      const [right, down] = ARROWS[event.key];
      this.move(index, x + step * right, y + step * down);
      this.later();
    } else if (event.key === "Insert" && polygon) {
      this.add(index);
    } else if (["Delete", "Backspace"].includes(event.key) && polygon) {
      this.remove(index);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.finish(), PAUSE);
  }

  /** Put a corner between this one and the next. */
  add(index) {
    const made = this.shape.shape === "polygon" && index ? split(this.shape, index) : null;
    if (!made) return;
    this.change(made);
    this.handles[index + 1].focus();
    this.later();
  }

  remove(index) {
    if (this.shape.vertices.length <= 3) return;
    this.change({ ...this.shape, vertices: this.shape.vertices.filter((_, other) => other !== index - 1) });
    this.handles[Math.min(index, this.handles.length - 1)].focus();
    this.later();
  }

  /** Move a handle to a pixel: the middle takes the whole shape along. */
  move(index, x, y) {
    const to = this.world(x, y);
    const made = to && pulled(this.shape, index, to);
    if (made) this.change(made);
  }

  change(shape) {
    this.shape = shape;
    this.build();
    this.lay();
    this.on.drawn(shape);
  }
}
