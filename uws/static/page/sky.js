// Aladin Lite: loaded from here, or from its makers' server once the reader has agreed; with a background of our own, so
// that nothing leaves the machine unless a remote survey is chosen.
import { all, base, el } from "./dom.js";
import { t } from "./say.js";

let loading;

/** Return the library; `place` is "local" or the official address. */
function library(place) {
  loading ??= place === "local"
    ? import(`${base}/static/vendor/aladin.js`).then((module) => module.default)
    : new Promise((resolve, reject) => {
      document.head.append(el("script", { src: `${place}aladin.js`, onload: () => resolve(window.A), onerror: reject }));
    });
  return loading;
}

/**
 * Make the sky in an element.
 * @returns {{A, aladin}} once it can be used
 */
export async function sky(element, { place = "local", hips = "", target = "0 0", fov = 60 } = {}) {
  const A = await library(place).catch(() => {
    loading = null;
    throw Object.assign(new Error(t("Aladin Lite could not be loaded.")), { unloaded: true });
  });
  await A.init; // throws where the browser has no WebGL 2
  const aladin = A.aladin(element, {
    survey: hips || `${base}/static/plain`, hipsList: [], log: false, target, fov, projection: "SIN", cooFrame: "ICRS",
    showCooGrid: true, gridColor: "rgb(120, 150, 200)", gridOpacity: 0.35,
    backgroundColor: "rgb(14, 19, 33)", // of the plain background, as long as it is not there
    reticleColor: "rgb(150, 170, 210)", reticleSize: 18,
    showReticle: true, showStatusBar: false, showLayersControl: false, showFullscreenControl: true, showGotoControl: false,
    showShareControl: false, showSimbadPointerControl: false, showContextMenu: false, showFrame: true, showFov: true, showCooGridControl: false,
    showProjectionControl: false, showSettingsControl: false, showColorPickerControl: false, showZoomControl: true,
  });
  name(element);
  return { A, aladin };
}

/** Name the buttons of the widget, which its makers have left without. */
function name(element) {
  const words = [["fullscreen", t("Full screen")], ["zoom-in", t("Closer")], ["plus", t("Closer")], ["zoom-out", t("Farther")], ["minus", t("Farther")]];
  const look = () => {
    for (const button of all("button:not([aria-label]), .aladin-btn:not([aria-label])", element)) {
      const found = words.find(([word]) => button.className.toLowerCase().includes(word));
      button.setAttribute("aria-label", found ? found[1] : button.title || t("Control of the sky"));
    }
    for (const image of all("img:not([alt])", element)) image.alt = "";
    for (const input of all("input:not([aria-label]), select:not([aria-label])", element)) input.setAttribute("aria-label", input.title || t("Control of the sky"));
  };
  look();
  new MutationObserver(look).observe(element, { childList: true, subtree: true });
  const canvas = element.querySelector("canvas");
  canvas?.setAttribute("aria-hidden", "true");
}
