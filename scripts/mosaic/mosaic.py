"""The script ``mosaic``: counts, exposure and rate of all datasets on one grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scripts.epic import fits, gather, hdu, mosaic, nothing, preview, task
from scripts.epic.errors import ScienceError
from scripts.epic.header import Header

CREATOR = "mosaic 1.5"
PORTION = "portion.npz"
"""What the task of one dataset hands on."""


def main(parts: list[gather.Part]) -> None:
    """Make the three images."""
    pixel = parts[0].task.parameters.real("PIXEL", 4.0)
    portions: list[tuple[str, mosaic.Portion]] = []
    history: list[str] = []
    failures: list[str] = []
    for part in gather.each(parts, "reading"):
        try:
            if part.failure:
                raise ScienceError(part.failure)
            made = mosaic.portion(part.task) if part.folder is None else mosaic.Portion.load(part.folder / PORTION)
            portions.append((part.name, made))
        except ScienceError as error:
            failures.append(str(error))
            history.append(f"{part.name}: LEFT OUT: {error}")
            print(history[-1])
    if not portions:
        raise ScienceError(f"No dataset could be used. {failures[0]}")
    ra, dec = np.concatenate([made.corners for _, made in portions], axis=1)
    sky = mosaic.cover(ra, dec, pixel, whole=", ".join(name for name, _ in portions[:4]))
    nx, ny = sky.shape
    counts, seconds = np.zeros((ny, nx), dtype=np.int32), np.zeros((ny, nx), dtype=np.float32)
    for i, (name, made) in enumerate(portions):
        task.progress(0.8 + 0.1 * i / len(portions), f"adding {name}")
        mine = sky.counts(made)
        if int(mine.sum()) != len(made.x):
            raise RuntimeError(f"{name}: {len(made.x)} events, but {mine.sum()} in the image")
        counts += mine
        sky.add_exposure(seconds, made, mosaic.AREA[made.camera])
        history.append(f"{name}: {mine.sum()} counts; {made.told}")
        print(history[-1])
    simulated, total = any(made.simulated for _, made in portions), int(counts.sum())
    task.progress(0.9, "writing the images")
    history += unseen(total, seconds)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(seconds > 0, counts / seconds, np.nan).astype(np.float32)
    task.PRODUCTS.mkdir(exist_ok=True)
    for name, data, unit in (("counts", counts, "count"), ("exposure", seconds, "s"), ("rate", rate, "count/s")):
        product = hdu.primary(data)
        describe(product.header, sky, history, simulated=simulated)
        product.header["BUNIT"] = (unit, "unit of the pixels")
        if name == "counts":
            product.header["TOTCTS"] = (total, "counts in the image")
        else:
            product.header["EXPOSCAM"] = ("PN", "exposures are scaled to this camera")
        fits.write(task.PRODUCTS / f"mosaic_{name}.fits", [product])
    preview.picture(rate, task.PRODUCTS / "mosaic_preview.png", "counts over exposure")
    plot = coverage(seconds, pixel)
    preview.write(plot, task.PRODUCTS / "mosaic_coverage.png", task.PRODUCTS / "mosaic_coverage.json")
    print(f"mosaic: {nx} x {ny} pixels, {total} counts of {len(portions)} datasets")
    task.done(simulated=simulated)


def unseen(total: int, seconds: NDArray[np.float32]) -> list[str]:
    """Tell, also in the log, of a mosaic without a count or without any exposure."""
    words = []
    if not total:
        words.append(nothing.words(float(np.median(seconds[seconds > 0])) if seconds.any() else 0.0))
    elif not seconds.any():
        words.append("no place of the mosaic was exposed in the good times, so that there is no rate")
    for line in words:
        print(line)
    return words


def coverage(seconds: NDArray[np.float32], pixel: float) -> preview.Plot:
    """Return how much of the sky was exposed at least so long.

    :param seconds: the exposure of each pixel.
    :param pixel: arcsec.
    """
    exposed = np.sort(seconds[seconds > 0], axis=None)[::-1]
    # the curve at some hundred places is what a plot shows
    at = np.unique(np.linspace(0, len(exposed) - 1, 300).astype(int)) if len(exposed) else np.empty(0, dtype=int)
    area = preview.Series("sky", exposed[at] / 1000, (at + 1) * (pixel / 60) ** 2, kind="line")
    axes = preview.Axis("exposure", "ks"), preview.Axis("sky exposed at least so long", "arcmin**2")
    return preview.Plot("exposure of the mosaic", *axes, [area])


def describe(header: Header, sky: mosaic.Sky, history: list[str], *, simulated: bool) -> None:
    """Write the world coordinates, what was put in, and who made the image."""
    header["CREATOR"] = (f"Amora {CREATOR}", "program that made this file")
    header["DATE"] = (fits.date(), "[UTC] creation of the job")
    header["ORIGIN"] = "Amora"
    header["TELESCOP"] = "XMM"
    header["RADESYS"] = ("FK5", "coordinate system")
    header["EQUINOX"] = 2000.0
    projection = sky.projection
    for n, (kind, value) in enumerate((("RA---TAN", projection.ra), ("DEC--TAN", projection.dec)), 1):
        header[f"CTYPE{n}"] = (kind, "gnomonic projection")
        header[f"CRPIX{n}"] = (projection.crpix[n - 1], "reference pixel")
        header[f"CRVAL{n}"] = (value, "[deg] position of the reference pixel")
        header[f"CDELT{n}"] = (projection.cdelt[n - 1], "[deg] size of a pixel")
        header[f"CUNIT{n}"] = ("deg", "unit of CRVAL and CDELT")
    for line in history:
        header["HISTORY"] = line.encode("ascii", "replace").decode()
    if simulated:
        header["SIMULATE"] = (True, "simulated data, not an observation")


if __name__ == "__main__":
    gather.run(main)
