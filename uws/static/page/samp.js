// Sends what there is to the reader's own TOPCAT, Aladin or DS9 by SAMP. samp.js is an old-fashioned script: it is loaded
// as one when it is wanted, and wants a `module` to be there.
import { base, el } from "./dom.js";
import { t, tn } from "./say.js";

const TYPES = { table: "table.load.votable", fits: "table.load.fits", image: "image.load.fits", moc: "coverage.load.moc.fits" };
const KEYS = { table: "table-id", fits: "table-id", image: "image-id", moc: "coverage-id" };
let connector;

function load() {
  window.module = window.module ?? {};
  return new Promise((resolve, reject) => {
    if (window.samp) return resolve(window.samp);
    document.head.append(el("script", { src: `${base}/static/vendor/samp.js`, onload: () => resolve(window.samp), onerror: () => reject(new Error("samp.js")) }));
  });
}

/** Send a product; return what became of it, in words. */
export async function send(kind, url, name) {
  const samp = await load();
  connector ??= new samp.Connector("Amora", { "samp.name": "Amora", "samp.description.text": "X-ray observations by region", "samp.icon.url": `${base}/static/mark.svg` });
  return new Promise((resolve) => {
    connector.runWithConnection((connection) => {
      const message = new samp.Message(TYPES[kind], { url, name, [KEYS[kind]]: url });
      connection.notifyAll([message], (told) => {
        const clients = Array.isArray(told) ? told.length : 0;
        resolve(clients ? tn("Sent to {n} program.", "Sent to {n} programs.", clients) : t("No program that is open takes this."));
      }, () => resolve(t("The SAMP hub did not take it.")));
    }, () => resolve(t("No SAMP hub runs on this computer: open TOPCAT, Aladin or DS9 first, or copy the address {url}", { url })));
  });
}

addEventListener("pagehide", () => connector?.unregister());
