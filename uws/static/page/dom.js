// Elements are made of text alone: whatever a name or a log holds, it is never read as HTML.
export const $ = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const base = document.body.dataset.base;

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const show = (element, shown = true) => { if (element) element.hidden = !shown; };

/** Fetch JSON; an error has the service's own words. */
export async function json(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The service cannot be reached");
  }
  if (answer.status === 204) return null;
  const text = await answer.text();
  let read;
  try { read = JSON.parse(text); } catch { read = { error: text.slice(0, 500) }; }
  if (!answer.ok) throw Object.assign(new Error(read.error || answer.statusText), { status: answer.status });
  return read;
}

export const send = (method, address, body) =>
  json(address, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** Call a function at most once a while, with what it was called with last. */
export function calm(call, milliseconds) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...given), milliseconds);
  };
}

/** Take parts of a page that has been loaded again: each element with data-part, unless something in it is in use. */
export async function renew(parts) {
  const answer = await fetch(location.href, { credentials: "same-origin" });
  if (!answer.ok) return null;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of parts) {
    const now = $(`[data-part=${part}]`), then = $(`[data-part=${part}]`, fresh);
    if (now && then && now.innerHTML !== then.innerHTML) {
      const focused = now.contains(document.activeElement) ? all("a, button, input, summary, [tabindex]", now).indexOf(document.activeElement) : -1;
      now.replaceWith(document.adoptNode(then));
      if (focused >= 0) all("a, button, input, summary, [tabindex]", then)[focused]?.focus();
    }
  }
  return fresh;
}
