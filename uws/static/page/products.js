// What the buttons beside a product open: its plot, its rows, the image on the sky, a program of the reader's.
import { $, el, json, show } from "./dom.js";
import { t } from "./say.js";

const places = new WeakMap();

/** Open or close a place below the product for what a button shows. */
async function fold(button, fill) {
  let place = places.get(button);
  if (!place) {
    place = el("div", { class: "opened", hidden: true });
    (button.closest("li") ?? button.closest("td")).append(place);
    places.set(button, place);
  }
  show(place, place.hidden);
  button.setAttribute("aria-expanded", String(!place.hidden));
  if (place.hidden || place.childElementCount) return;
  place.append(el("p", { class: "hint", role: "status" }, t("Loading …")));
  try {
    await fill(place);
  } catch (error) {
    place.replaceChildren(el("p", { class: "error", role: "alert" }, error.message));
  }
}

async function copy(button) {
  await navigator.clipboard.writeText(button.closest("details").querySelector("code").textContent);
  const said = button.textContent;
  button.textContent = t("Copied");
  setTimeout(() => { button.textContent = said; }, 2000);
}

async function onSky(button) {
  const dialog = $("#sky-dialog"), told = $("#sky-told");
  dialog.showModal();
  told.textContent = t("Loading …");
  try {
    const { image } = await import("./image.js");
    await image($("#sky", dialog), button.dataset.sky, button.closest("li").querySelector("a").textContent);
    told.textContent = "";
  } catch (error) {
    told.textContent = error.message;
  }
}

/** A link to a result that is good for a short while without the browser's cookies: a program of the reader's fetches it. */
async function lent(url) {
  const id = decodeURIComponent(url.split("/").at(-1));
  const { links } = await json(`${$("#job").dataset.api}/links`);
  return links.find((link) => link.name === id)?.href ?? url;
}

/** Do what was clicked at. */
export async function open(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const { plot, other, table, sky, samp, url, name } = button.dataset;
  if (plot) {
    await fold(button, async (place) => (await import("./plot.js")).plot(place, other ? [plot, other] : [plot], other ? ["A", "B"] : []));
  } else if (table) {
    await fold(button, async (place) => (await import("./rows.js")).rows(place, table));
  } else if (sky) {
    await onSky(button);
  } else if (samp) {
    const told = $("#samp-told");
    told.textContent = t("Looking for a SAMP hub …");
    told.textContent = await (await import("./samp.js")).send(samp, await lent(url), name);
  } else if (button.dataset.copy !== undefined) {
    await copy(button);
  }
}
