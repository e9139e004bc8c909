// A FITS image on the sky. It is fetched here and handed over as a blob: Aladin Lite would tell its makers' server of an
// address that it cannot read.
import { sky } from "./sky.js";
import { t } from "./say.js";

let made, shown;

export async function image(element, address, name) {
  const answer = await fetch(address, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(t("The image could not be loaded."));
  const content = await answer.blob();
  made ??= await sky(element, { fov: 0.5 }).catch(() => { throw new Error(t("This browser shows no sky: it has no WebGL 2.")); });
  const { A, aladin } = made;
  if (shown) aladin.removeImageLayer(shown);
  const blob = URL.createObjectURL(content);
  await new Promise((resolve, reject) => {
    const layer = A.image(blob, {
      imgFormat: "fits", name, colormap: "inferno", stretch: "asinh",
      successCallback: (ra, dec, fov) => { aladin.gotoRaDec(ra, dec); aladin.setFoV(fov * 1.2); resolve(); },
      errorCallback: () => reject(new Error(t("The image could not be shown on the sky."))),
    });
    shown = "image";
    aladin.setOverlayImageLayer(layer, shown);
  }).finally(() => URL.revokeObjectURL(blob));
  document.documentElement.dataset.image = name;
}
