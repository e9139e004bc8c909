// The log of a task as it grows. The page holds so many lines of it; earlier ones are asked for piece by piece, so that a
// log of a million lines costs no more than a short one.
import { $, el, show } from "./dom.js";
import { number, size, t, tn } from "./say.js";

const LINES = 4000;
const PIECE = 1 << 18;
const PAUSE = 2000;

/** Whether the stream of events tells of new lines; then it is looked at now and then only. */
const streamed = () => document.documentElement.dataset.live === "yes";

export class Log {
  constructor() {
    this.view = $("#log");
    this.state = $("#log-state");
    this.select = $("#log-task");
    this.select.addEventListener("change", () => this.open(this.select.value));
    $("#log-earlier").addEventListener("click", () => this.earlier());
    $("#log-end").addEventListener("click", () => this.open(this.select.value));
    this.turn = 0;
  }

  /** Offer the tasks; open the first one. */
  offer(links) {
    const known = new Set([...this.select.options].map((one) => one.value));
    this.places = Object.fromEntries(links.map((link) => [link.dataset.number, { log: link.dataset.log, whole: link.href }]));
    for (const link of links) {
      if (known.has(link.dataset.number)) continue;
      const dataset = link.closest("tr").querySelector("code")?.textContent;
      this.select.append(el("option", { value: link.dataset.number }, dataset ? `${link.dataset.number}: ${dataset}` : link.dataset.number));
    }
    show($("#log-part"), links.length > 0);
    if (links.length && !this.number) this.open(links[0].dataset.number);
  }

  /** Show the end of a task's log, and go on from there. */
  async open(number_) {
    const turn = ++this.turn;
    this.number = String(number_);
    this.select.value = this.number;
    const { log, whole } = this.places[this.number];
    $("#log-whole").href = whole;
    this.address = log;
    this.view.replaceChildren();
    this.rest = "";
    this.decoder = new TextDecoder();
    this.following = true;
    this.first = null;
    this.next = null; // from near the end
    await this.grow(turn);
  }

  async read(offset) {
    const answer = await fetch(`${this.address}?OFFSET=${offset ?? -PIECE}`, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(answer.statusText);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return {
      bytes,
      begin: Number(answer.headers.get("Amora-Log-Offset")),
      next: Number(answer.headers.get("Amora-Log-Next")),
      ended: answer.headers.get("Amora-Log-Ended") === "true",
    };
  }

  async grow(turn) {
    let ended = false;
    this.reading = true;
    clearTimeout(this.waiting);
    try {
      const piece = await this.read(this.next);
      if (turn !== this.turn) return;
      const begins = this.first === null;
      if (begins) {
        // Near the end it began within a line, the rest of which is a click away.
        const cut = piece.begin > 0 ? piece.bytes.indexOf(10) + 1 : 0;
        piece.bytes = piece.bytes.subarray(cut);
        this.first = piece.begin + cut;
      }
      if (piece.bytes.length) this.append(this.decoder.decode(piece.bytes, { stream: true }));
      const more = piece.next > this.next && !piece.ended;
      this.next = piece.next;
      ended = piece.ended;
      this.tell(ended);
      if (more) return this.grow(turn);
    } catch { /* the service is away for a moment */ } finally { this.reading = false; }
    if (ended || turn !== this.turn) return;
    this.waiting = setTimeout(() => turn === this.turn && this.following && this.grow(turn), streamed() ? 10 * PAUSE : PAUSE);
  }

  /** Take lines that the stream of events tells of; where some are missing, ask for them. */
  take({ task, offset, next, lines }) {
    if (String(task) !== this.number || !this.following || this.first === null || next <= this.next) return;
    if (offset === this.next && !this.rest) {
      this.append(lines.join("\n") + "\n");
      this.next = next;
      this.tell(false);
    } else if (!this.reading) {
      this.grow(this.turn);
    }
  }

  append(text) {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop();
    const atEnd = this.view.scrollHeight - this.view.scrollTop - this.view.clientHeight < 40;
    this.view.append(...lines.slice(-LINES).map((line) => el("div", {}, line || "\u00a0")));
    let over = this.view.childElementCount - LINES;
    while (over-- > 0) { this.view.firstChild.remove(); this.dropped = true; }
    if (atEnd) this.view.scrollTop = this.view.scrollHeight;
    show($("#log-earlier"), this.first > 0);
  }

  /** Put the piece before the first line; the end of the log is left out then. */
  async earlier() {
    const start = Math.max(0, this.first - PIECE);
    const { bytes } = await this.read(start);
    const lines = new TextDecoder().decode(bytes.subarray(0, this.first - start)).split("\n");
    if (start > 0) lines.shift(); // it began within a line, the rest of which is a click away
    if (lines.at(-1) === "") lines.pop();
    const before = this.view.scrollHeight;
    this.view.prepend(...lines.map((line) => el("div", {}, line || "\u00a0")));
    this.view.scrollTop += this.view.scrollHeight - before;
    this.first = start;
    let over = this.view.childElementCount - 2 * LINES;
    if (over > 0) { this.following = false; show($("#log-end")); }
    while (over-- > 0) this.view.lastChild.remove();
    show($("#log-earlier"), start > 0);
  }

  tell(ended) {
    const count = this.view.childElementCount;
    this.state.textContent = this.first > 0
      ? t("The last {lines} lines of {size}.", { lines: number(count), size: size(this.next) })
      : tn("{n} line.", "{n} lines.", count);
    this.view.dataset.ended = ended ? "yes" : "no";
    show($("#log-end"), false);
  }
}
