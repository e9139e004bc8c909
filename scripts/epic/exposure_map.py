"""How long each place of the sky was observed: exposure maps, of the pipeline or modelled.

The pipeline's own maps (EXPMAP) are taken where the dataset's files hold those of the band, cut by its detector mask
(DETMSK). Otherwise it is modelled: the affine maps from the sky to the CCDs (:mod:`scripts.epic.ccd`), their bad pixels
and live times, and the vignetting (:mod:`scripts.epic.vignetting`). Which one was used stands in ``origin`` and is
recorded in products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scripts.epic import ecf, pipeline_maps, vignetting
from scripts.epic.area import bad_pixels
from scripts.epic.ccd import Geometry
from scripts.epic.events import EventList
from scripts.epic.image import Grid
from scripts.epic.pipeline_maps import PipelineImage

Floats = NDArray[np.float64]

TILE = 250_000
"""Points that are looked up at once: it bounds the memory to some 30 MB, whatever the size of the map."""


class ExposureMap(Protocol):
    """The exposure of the sky in one camera and band."""

    @property
    def origin(self) -> str:
        """What it was made from, in words."""

    def vignetted(self, x: Floats, y: Floats) -> Floats:
        """Return the effective exposure of X, Y in seconds on the axis; 0 where nothing was seen."""


class Modelled:
    """An exposure map from the event list alone."""

    def __init__(
        self,
        events: EventList,
        geometry: Geometry,
        live: Mapping[int, float],
        flags: str,
        band: tuple[float, float],
        mask: PipelineImage | None = None,
    ) -> None:
        self.events, self.geometry, self.flags, self.mask = events, geometry, flags, mask
        self.band = vignetting.band_of(*band)
        self._live = dict(live)
        self._dead = {chip.ccd: bad_pixels(events, chip, flags) for chip in geometry.chips}

    @property
    def origin(self) -> str:
        """What it was made from."""
        return "modelled: CCD geometry and bad pixels of the event list, vignetting fitted to PPS source lists" + _told(
            self.mask
        )

    def live(self, x: Floats, y: Floats) -> Floats:
        """Return the live time of X, Y in seconds; 0 in gaps, on bad pixels and outside the field of view."""
        detx, dety = self.geometry.to_sky.inverse(x, y)
        seconds = np.zeros(len(detx))
        left = np.flatnonzero(self.geometry.in_field(detx, dety) if self.flags != "none" else np.ones(len(detx), bool))
        for chip in self.geometry.chips:
            x0, x1, y0, y1 = chip.window
            rawx, rawy = (np.rint(raw).astype(np.int64) for raw in chip.to_det.inverse(detx[left], dety[left]))
            live = (rawx >= x0) & (rawx <= x1) & (rawy >= y0) & (rawy <= y1)
            live[live] = ~self._dead[chip.ccd][rawx[live], rawy[live]]
            seconds[left[live]] = self._live.get(chip.ccd, 0.0)
            left = left[~live]
        return seconds if self.mask is None else np.where(self.mask.value(x, y) > 0, seconds, 0.0)

    def vignetted(self, x: Floats, y: Floats) -> Floats:
        """Return the live time times the vignetting of the band."""
        seconds = self.live(x, y)
        seen = seconds > 0
        seconds[seen] *= self.vignetting(x[seen], y[seen])
        return seconds

    def vignetting(self, x: Floats, y: Floats) -> Floats:
        """Return the vignetting of the band alone."""
        theta, azimuth = vignetting.off_axis(self.events, x, y)
        return vignetting.factor(self.events.camera.name, self.band, theta, azimuth)


class Pipeline:
    """The exposure of a band from the maps that the pipeline made of it.

    :param maps: each with its share in the mean and what its seconds are to be multiplied by, as for other good times.
    """

    def __init__(self, maps: Sequence[tuple[PipelineImage, float, float]], mask: PipelineImage | None) -> None:
        self._maps, self._mask = maps, mask

    @property
    def origin(self) -> str:
        """What it was made from."""
        parts = [
            f"{image.path.name}, times {scale:.4f}" + (f", share {share:.3f}" if len(self._maps) > 1 else "")
            for image, share, scale in self._maps
        ]
        return f"pipeline map {'; '.join(parts)}" + _told(self._mask)

    def vignetted(self, x: Floats, y: Floats) -> Floats:
        """Return the mean of the maps' pixels that X, Y lie in."""
        seconds = np.zeros(len(x))
        for image, share, scale in self._maps:
            seconds += share * scale * image.value(x, y)
        return seconds if self._mask is None else np.where(self._mask.value(x, y) > 0, seconds, 0.0)


def _told(mask: PipelineImage | None) -> str:
    return "" if mask is None else f"; where {mask.path.name} is set"


def find(
    files: Sequence[Mapping[str, Any]], modelled: Modelled, live: Mapping[int, float], band: tuple[float, float]
) -> ExposureMap:
    """Return the pipeline's exposure of the band where ``files`` of the dataset hold its maps, else the modelled one.

    A pipeline map is scaled from its own live time (LIVETIME of its header, or EXPOSURE) to that of the selection.
    Several bands are averaged by the counts that the spectrum of the conversion factors leaves in each.

    :raises EventFileError: a map cannot be read.
    """
    found = pipeline_maps.bands(files, "EXPMAP", band)
    if not found:
        return modelled
    images = [PipelineImage(path, modelled.events.projection) for _, path in found]
    shares = np.array([ecf.expected(modelled.events.camera.name, *energies) for energies, _ in found])
    longest = max(live.values(), default=0.0)
    scales = [longest / image.live if image.live > 0 else 1.0 for image in images]
    return Pipeline(list(zip(images, (shares / shares.sum()).tolist(), scales, strict=True)), modelled.mask)


def prepare(
    events: EventList,
    files: Sequence[Mapping[str, Any]],
    live: Mapping[int, float],
    flags: str,
    band: tuple[float, float],
) -> tuple[Modelled, ExposureMap]:
    """Return the modelled exposure map of a dataset, and the one to be used: the pipeline's where there is one.

    :param files: of the dataset; a detector mask among them limits both, unless ``flags`` keeps all events.
    """
    mask = None if flags == "none" else pipeline_maps.mask(files, events.projection)
    model = Modelled(events, Geometry(events), live, flags, band, mask)
    return model, find(files, model, live, band)


def image(exposure: ExposureMap, where: Grid, samples: int = 2) -> NDArray[np.float32]:
    """Return the map on an image's grid, seconds on the axis, shape (rows, columns)."""
    return sampled(exposure.vignetted, where, samples)


def images(maps: Sequence[tuple[Modelled, ExposureMap]], where: Grid) -> list[NDArray[np.float32]]:
    """Return the maps of several bands of one dataset on a grid; the live time of modelled ones is taken but once.

    :param maps: of each band the modelled map and the one to be used.
    """
    live: NDArray[np.float32] | None = None
    done: list[NDArray[np.float32]] = []
    for model, used in maps:
        if used is not model:
            done.append(image(used, where))
            continue
        if live is None:
            live = sampled(model.live, where)
        # the vignetting hardly changes within a pixel
        done.append(live * sampled(model.vignetting, where, 1))
    return done


def sampled(value: Callable[[Floats, Floats], Floats], where: Grid, samples: int = 2) -> NDArray[np.float32]:
    """Return what a function of X, Y is on an image's grid, shape (rows, columns).

    Each pixel is the mean over ``samples`` x ``samples`` points. Rows are done in tiles, so that the memory is that of
    the image and of some 30 MB.
    """
    nx, ny = where.shape
    step = where.bin / samples
    x = where.origin[0] + where.first[0] * where.bin + (np.arange(nx * samples) + 0.5) * step
    out = np.empty((ny, nx), dtype=np.float32)
    rows = max(1, TILE // (nx * samples * samples))
    for first in range(0, ny, rows):
        last = min(ny, first + rows)
        bottom = where.origin[1] + where.first[1] * where.bin
        y = bottom + (np.arange(first * samples, last * samples) + 0.5) * step
        u, v = np.meshgrid(x, y)
        out[first:last] = value(u.ravel(), v.ravel()).reshape(last - first, samples, nx, samples).mean((1, 3))
    return out
