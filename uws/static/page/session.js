// The session of the page: made when it is first needed, and told of each new region and choice.
import { base, json, send } from "./dom.js";

export class Session {
  constructor(front) {
    this.id = front.dataset.session ?? "";
    this.access = front.dataset.access || "owner";
  }

  get address() { return `${base}/api/sessions/${this.id}`; }

  async read() { return this.id ? json(this.address) : null; }

  /** Keep the region and the chosen datasets; an empty list stands for all that cover the region. */
  async keep(region, datasets) {
    if (this.access !== "owner") return this.id;
    if (this.id) {
      await send("PATCH", this.address, { region, datasets });
    } else {
      const made = await send("POST", `${base}/api/sessions`, { name: "", region, datasets });
      this.id = made.id;
      history.replaceState(null, "", made.href);
    }
    return this.id;
  }
}
