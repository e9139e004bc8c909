// What happens to a job or a session: server-sent events, and where there are none the JSON once more every few seconds.
import { json } from "./dom.js";

const PAUSE = 4000;

/**
 * @param {string} events address of the stream
 * @param {Object<string, function>} handlers by the name of the event: job, task, log, end
 * @param {function} look called when the stream cannot be had, every few seconds; returns whether to go on
 * @returns {function} ends it
 */
export function follow(events, handlers, look) {
  let source, timer, over = false;

  async function poll() {
    if (over) return;
    let more = true;
    try { more = await look(); } catch { /* the service is away for a moment: ask again */ }
    if (more && !over) timer = setTimeout(poll, PAUSE);
  }

  function open() {
    source = new EventSource(events);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        handle(event.data ? JSON.parse(event.data) : null);
        if (name === "end") { over = true; source.close(); }
      });
    }
    source.addEventListener("open", () => { document.documentElement.dataset.live = "yes"; });
    source.addEventListener("error", () => {
      document.documentElement.dataset.live = "no";
      // The browser connects again by itself, unless it was answered with an error.
      if (source.readyState === EventSource.CLOSED && !over) timer = setTimeout(again, PAUSE);
    });
  }

  async function again() {
    if (over) return;
    try {
      const answer = await fetch(events, { method: "HEAD", credentials: "same-origin" });
      if (answer.ok) return open();
      if (answer.status < 500) return poll();
    } catch { /* the service is away for a moment */ }
    timer = setTimeout(again, PAUSE);
  }

  open();
  return () => { over = true; clearTimeout(timer); source?.close(); };
}

export const details = (address) => json(address);
