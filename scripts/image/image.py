"""The script ``image``: counts per sky pixel of one dataset, exposure, rate and smoothed, in one or more bands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.epic import exposure, fits, hdu, image, nothing, preview, region, task
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.hdu import HDU
from scripts.epic.header import Header
from scripts.epic.image import Grid
from scripts.epic.region import Shape
from scripts.epic.selection import Selection, electronvolts, in_kev, select

CREATOR = "image 2.3"
MOST_BANDS = 20


class Made(NamedTuple):
    """One dataset's events on a grid; all images of it share the header."""

    job: task.Task
    events: EventList
    selection: Selection
    area: Shape | None
    grid: Grid
    live: dict[int, float]
    nothing: list[str]
    """Of each band what it means that nothing was counted; empty where something was."""

    def hdu(self, values: NDArray[Any], band: tuple[int | None, int | None], number: int) -> HDU:
        """Return an image: number 0 as the primary one, others as extensions BANDn."""
        made = hdu.image(values, f"BAND{number}") if number else hdu.primary(values)
        header = made.header
        fits.observation(header, self.events, CREATOR)
        header["HDUCLASS"] = ("OGIP", "format conforms to OGIP/GSFC conventions")
        header["HDUCLAS1"] = ("IMAGE", "file contains an image")
        header["HDUVERS1"] = ("1.1.0", "version of the format")
        image.world_coordinates(header, self.events, self.grid)
        fits.subspace(header, self.events, self.selection.of(band), self.area)
        fits.live(header, self.selection, self.live)
        header["EXPOSURE"] = (max(self.live.values(), default=0.0), "[s] largest live time of a CCD")
        return made

    def tell(self, header: Header, number: int) -> None:
        """Say in the header of a band that nothing was counted in it."""
        if self.nothing[number]:
            header["HISTORY"] = self.nothing[number]

    def write(
        self, name: str, images: list[NDArray[Any]], bands: list[Any], mark: Callable[[Header, int], None]
    ) -> None:
        """Write the images of all bands to one file."""
        hdus = []
        for number, (values, band) in enumerate(zip(images, bands, strict=True)):
            hdus.append(self.hdu(values, band, number))
            mark(hdus[-1].header, number)
        tables = [*fits.gti_tables(self.events, self.selection), *fits.region_tables(self.area, self.events)]
        fits.write(self.job.product(name), [*hdus, *tables])


def main(job: task.Task) -> None:
    """Make the images of one event list."""
    task.progress(0.05, "reading the event list")
    events = EventList(job.events)
    task.progress(0.3, "selecting events")
    selection = select(events, job.parameters, blind=True)
    area = region.place(job.region, events.projection) if job.region else None
    grid = image.grid(events, job.parameters.real("PIXEL", 4.0), area)
    whole = in_kev(job.parameters)
    kev = [whole, *_bands(job.parameters)]
    bands = [electronvolts(*band) for band in kev]
    keep = selection.of((None, None)).mask(events)
    if area is not None:
        keep[keep] = area.contains(events.column("X")[keep], events.column("Y")[keep])
    energy = events.column("PI")
    counts = [image.counts(events, keep & _within(energy, band), grid) for band in bands]
    live = exposure.live_times(events, selection.times)
    none = "" if all(n.any() for n in counts) else nothing.told(events, selection, live, area)
    made = Made(job, events, selection, area, grid, live, ["" if n.any() else none for n in counts])

    task.progress(0.5, "writing the image")

    def counted(header: Header, number: int) -> None:
        header["HDUCLAS2"] = ("TOTAL", "gross counts")
        header["BUNIT"] = ("count", "unit of the pixels")
        header["TOTCTS"] = (int(counts[number].sum()), "counts in the image")
        made.tell(header, number)

    made.write("image.fits", list(counts), bands, counted)
    title = f"{events.keyword('OBJECT', '')} {job.slug}"
    preview.picture(counts[0], job.product("image.png"), title)
    words = f"{grid.shape[0]} x {grid.shape[1]} pixels, {counts[0].sum()} counts ({selection.expression})"
    print(f"{job.product('image.fits').name}: {words}")
    if made.nothing[0]:
        print(made.nothing[0])
    for band, number, empty in zip(kev[1:], counts[1:], made.nothing[1:], strict=True):
        print(f"{_range(band)}: {empty or f'{number.sum()} counts'}")
    seconds = _corrected(made, counts, kev, bands) if job.parameters.any("CORRECT") else None
    if job.parameters.text("SMOOTH", "none") != "none":
        _smoothed(made, counts, seconds, bands, title)
    task.done(simulated=events.simulated)


def _bands(parameters: task.Parameters) -> list[tuple[float | None, float | None]]:
    """Return the further bands asked for, keV.

    :raises ScienceError: there are too many, or one is not in keV.
    """
    asked = parameters.any("BANDS") or []
    if len(asked) > MOST_BANDS:
        raise ScienceError(f"BANDS: {len(asked)} bands are given, at most {MOST_BANDS} are allowed.")
    return [in_kev(task.Parameters({"EMIN": low, "EMAX": high})) for low, high in asked]


def _range(band: tuple[float | None, float | None]) -> str:
    low, high = band
    return f"{low or 0:g} to {high:g} keV" if high is not None else f"from {low or 0:g} keV on"


def _within(energy: NDArray[Any], band: tuple[int | None, int | None]) -> NDArray[np.bool_]:
    low, high = band
    inside = np.ones(len(energy), dtype=bool)
    if low is not None:
        inside &= energy >= low
    if high is not None:
        inside &= energy <= high
    return inside


def _corrected(made: Made, counts: list[Any], kev: list[Any], bands: list[Any]) -> list[NDArray[np.float32]]:
    """Write the exposure maps and the rates, and return the exposures."""
    from scripts.epic import exposure_map, smoothing  # noqa: PLC0415 - a plain image does without them

    task.progress(0.6, "making the exposure maps")
    files, flags = made.job.dataset.get("files", ()), made.selection.flags
    maps = [
        exposure_map.prepare(made.events, files, made.live, flags, (low or 0.2, 12.0 if high is None else high))
        for low, high in kev
    ]
    seconds = exposure_map.images(maps, made.grid)
    if made.area is not None:
        x, y = image.centres(made.grid)
        for one in seconds:
            one[~made.area.contains(x.ravel(), y.ravel()).reshape(one.shape)] = 0

    def told(header: Header, number: int) -> None:
        header["HISTORY"] = f"exposure: {maps[number][1].origin}"

    def exposed(header: Header, number: int) -> None:
        header["HDUCLAS2"] = ("EXPOSURE", "vignetted exposure")
        header["BUNIT"] = ("s", "unit of the pixels: seconds on the optical axis")
        told(header, number)

    def rated(header: Header, number: int) -> None:
        header["HDUCLAS2"] = ("TOTAL", "gross counts over exposure")
        header["BUNIT"] = ("count/s", "unit of the pixels: rate on the optical axis")
        told(header, number)
        made.tell(header, number)

    rates = [
        smoothing.quotient(n.astype(np.float64), e.astype(np.float64), float(e.max(initial=0.0))).astype(np.float32)
        for n, e in zip(counts, seconds, strict=True)
    ]
    made.write("exposure.fits", list(seconds), bands, exposed)
    made.write("rate.fits", list(rates), bands, rated)
    if not seconds[0].any():
        print("the exposure is 0 everywhere in the image: no pixel's centre in the region was seen in the good times")
    return seconds


def _smoothed(made: Made, counts: list[Any], seconds: list[Any] | None, bands: list[Any], title: str) -> None:
    """Smooth the counts, or the rates where there are exposures."""
    from scripts.epic import smoothing  # noqa: PLC0415 - as above

    task.progress(0.8, "smoothing")
    parameters, pixel = made.job.parameters, made.grid.bin * made.events.projection.unit
    kind, sigma = parameters.text("SMOOTH", "none"), parameters.real("SIGMA", 8.0) / pixel
    if sigma > smoothing.LARGEST:
        raise ScienceError(
            f"SIGMA = {sigma * pixel:g} arcsec is {sigma:.0f} pixels; at most {smoothing.LARGEST:g} pixels of PIXEL = "
            f"{pixel:g} arcsec are allowed: raise PIXEL."
        )
    images, words = [], []
    for number, image_ in enumerate(counts):
        n = image_.astype(np.float64)
        width = smoothing.widths(n, parameters.real("LEAST_COUNTS", 30.0), sigma) if kind == "adaptive" else sigma
        done = smoothing.smooth(n, None if seconds is None else seconds[number].astype(np.float64), width)
        images.append(done.values.astype(np.float32))
        words.append((smoothing.describe(kind, np.unique(done.sigma).tolist(), pixel), done.factor))

    def smooth(header: Header, number: int) -> None:
        header["HDUCLAS2"] = ("TOTAL", "gross counts, smoothed")
        header["BUNIT"] = ("count" if seconds is None else "count/s", "unit of the pixels")
        header["HISTORY"] = f"smoothed: {words[number][0]}"
        header["SMFACTOR"] = (words[number][1], "what all pixels were multiplied by for the sum")
        header["TOTCTS"] = (int(counts[number].sum()), "counts that were smoothed")
        made.tell(header, number)

    made.write("smoothed.fits", list(images), bands, smooth)
    preview.picture(images[0], made.job.product("smoothed.png"), f"{title}, smoothed")
    print(f"{made.job.product('smoothed.fits').name}: {words[0][0]}")


if __name__ == "__main__":
    task.run(main)
