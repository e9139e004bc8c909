"""Simulated EPIC event lists: ``python -m scripts.epic.simulate FOLDER [--seed N]``.

For demonstrations and tests, labelled as simulated in every header. Two overlapping pointings of the three
cameras see the same point sources with a King profile, a background of sky and particles, and a soft proton
flare at the end. The lists have the structure of the pipeline's; the geometry is that of
:mod:`scripts.epic.ccd`. The same seed gives the same bytes. What was put in stands in ``truth.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.epic import ccd as geometry
from scripts.epic import gti, psf, vignetting
from scripts.epic.cameras import CAMERAS, Camera
from scripts.epic.evli import LIMITS, write
from scripts.epic.flags import NEXT_TO_OFFSET_COLUMN, ON_OFFSET_COLUMN, OUT_OF_FOV
from scripts.epic.projection import Projection
from scripts.epic.simulated import ChipData, Exposure

Floats = NDArray[np.float64]

VERSION = 5
"""Of the simulation; another version makes other bytes from the same seed."""

CENTRE = (150.12, 2.21)
START = 9.0e8
"""Mission time of the first pointing, s."""
LENGTH = 9000.0
FLARE = 1400.0
"""Length of the exposures and of the flare at their end, s."""


@dataclass(frozen=True)
class Pointing:
    """One simulated observation."""

    obs_id: str
    ra: float
    dec: float
    position_angle: float
    start: float


@dataclass(frozen=True)
class Source:
    """A point source with a power-law spectrum."""

    name: str
    ra: float
    dec: float
    rate: float
    """Of a pn camera on its axis, ct/s."""
    index: float
    """Photon index."""


POINTINGS = (
    Pointing("9999000101", CENTRE[0], CENTRE[1], 112.5, START),
    Pointing("9999000201", CENTRE[0] + 0.14, CENTRE[1] + 0.09, 291.0, START + 2.0e5),
)

SOURCES = (
    Source("SIM 1", CENTRE[0] + 0.116, CENTRE[1] + 0.058, 1.2, 1.9),
    Source("SIM 2", CENTRE[0] - 0.071, CENTRE[1] + 0.032, 0.35, 1.7),
    Source("SIM 3", CENTRE[0] + 0.021, CENTRE[1] - 0.093, 0.20, 2.3),
    Source("SIM 4", CENTRE[0] + 0.155, CENTRE[1] + 0.012, 0.15, 1.5),
    Source("SIM 5", CENTRE[0] + 0.118, CENTRE[1] + 0.171, 0.12, 2.0),
    Source("SIM 6", CENTRE[0] - 0.128, CENTRE[1] - 0.058, 0.08, 1.8),
    Source("SIM 7", CENTRE[0] + 0.209, CENTRE[1] + 0.123, 0.06, 2.6),
    Source("SIM 8", CENTRE[0] - 0.018, CENTRE[1] + 0.125, 0.04, 1.4),
)

EXPOSURES = {"EMOS1": "S001", "EMOS2": "S002", "EPN": "S003"}
MODES = {"EMOS1": "PrimeFullWindow", "EMOS2": "PrimeFullWindow", "EPN": "PrimeFullWindowExtended"}
FRAME = {"EMOS1": 2.6, "EMOS2": 2.6, "EPN": 0.19918}
AREA = {"EMOS1": 0.32, "EMOS2": 0.32, "EPN": 1.0}
"""Count rate of a source relative to pn."""
REJECTED = 0x400000
"""A bit of FLAG: REJECTED_BY_GATTI of MOS, SECONDARY of pn."""
BACKGROUND = {"EMOS1": (1.9, 0.2), "EMOS2": (1.9, 0.2), "EPN": (2.6, 0.3)}
"""Whole camera, ct/s: below 10 keV, and above."""
FLARE_RATE = {"EMOS1": (4.0, 1.6), "EMOS2": (4.0, 1.6), "EPN": (9.0, 3.0)}
"""The same, added at the height of the flare."""


def simulate(folder: Path, seed: int = 66, report: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Write the six lists, ``truth.json`` and ``README.txt`` to ``folder``, unless they are there.

    :returns: the paths of the event lists.
    """
    truth_path = folder / "truth.json"
    known = _known(truth_path, seed)
    if known is not None:
        for path in known:
            report(f"{path} (already there)")
        return known
    folder.mkdir(parents=True, exist_ok=True)
    truth_path.unlink(missing_ok=True)
    paths: list[Path] = []
    lists: dict[str, Any] = {}
    for number, (pointing, camera) in enumerate((p, c) for p in POINTINGS for c in CAMERAS.values()):
        # each list has its own stream, so that a change in one leaves the others as they are
        random = np.random.default_rng([seed, number])
        exposure, counts = expose(pointing, camera, random)
        path = write(exposure, folder)
        paths.append(path)
        lists[path.name] = {
            "dataset": f"{exposure.obs_id}/{camera.name}/{exposure.exposure_id}",
            "bytes": path.stat().st_size,
            "events": len(exposure.columns["TIME"]),
            "source_counts": counts,
        }
        report(f"{path} ({lists[path.name]['events']} simulated events)")
    (folder / "README.txt").write_text(README, encoding="utf-8")
    truth = {
        "simulated": True,
        "version": VERSION,
        "seed": seed,
        "sources": [vars(source) for source in SOURCES],
        "pointings": [vars(pointing) for pointing in POINTINGS],
        "lists": lists,
    }
    truth_path.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return paths


README = """\
SIMULATED DATA

The event lists in this folder hold no observation. scripts.epic.simulate of Amora made them: two overlapping
pointings of the three EPIC cameras, point sources, background and a flare. Every header says so (SIMULATE =
T). truth.json has the positions of the sources (ICRS degrees) and, for each list, how many events each
source left in the field of view.
"""


def _known(truth_path: Path, seed: int) -> list[Path] | None:
    """The lists of an earlier run with the same seed and version, if all are still there."""
    try:
        truth = json.loads(truth_path.read_text(encoding="utf-8"))
        if (truth["seed"], truth["version"]) != (seed, VERSION):
            return None
        paths = [truth_path.parent / name for name in truth["lists"]]
        sizes = [entry["bytes"] for entry in truth["lists"].values()]
        return paths if [path.stat().st_size for path in paths] == sizes else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


class _Camera:
    """A camera in a pointing: from the sky to a pixel and back, with its bad pixels."""

    def __init__(self, pointing: Pointing, camera: Camera, random: np.random.Generator) -> None:
        step = 0.05 / 3600
        self.name = camera.name
        self.projection = Projection(pointing.ra, pointing.dec, (25921.0, 25921.0), (-step, step))
        self.to_sky = geometry.nominal_to_sky(camera.name, self.projection.crpix, pointing.position_angle)
        self.pointing = vignetting.Pointing(self.projection, pointing.ra, pointing.dec, pointing.position_angle)
        self.field = geometry.FIELD[camera.name]
        self.frame_time = FRAME[camera.instrument]
        self.pn = camera.name == "PN"
        self.size = (64, 200) if self.pn else (600, 600)
        self.first_row = 2 if self.pn else 1
        self.to_det = {n: geometry.nominal_to_det(camera.name, n) for n in range(1, 13 if self.pn else 8)}
        self.bad = {n: self._draw_bad(random) for n in self.to_det}
        self.dead = {n: self._mask(bad) for n, bad in self.bad.items()}
        self.offset = {n: 5 + 11 * n % 53 if self.pn else 1 for n in self.to_det}

    def _draw_bad(self, random: np.random.Generator) -> NDArray[np.int64]:
        width, height = self.size
        pixels = 12
        bad = np.ones((pixels + 1, 5), dtype=np.int64)
        bad[:, 0] = random.integers(3, width - 2, pixels + 1)
        bad[:, 1] = random.integers(3, height - 2, pixels + 1)
        bad[:, 2] = 3
        bad[-1, 3] = height - bad[-1, 1] + 1  # a column, dead from here to its end
        return bad

    def _mask(self, bad: NDArray[np.int64]) -> NDArray[np.bool_]:
        dead = np.zeros((self.size[0] + 2, self.size[1] + 2), dtype=bool)
        for x, y, _, extent, _ in bad:
            dead[x, y : y + extent] = True
        return dead

    def locate(self, detx: Floats, dety: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return CCD (0 for a gap), RAWX and RAWY of camera positions; of two CCDs the higher is on top."""
        ccd, rawx, rawy = (np.zeros(len(detx), dtype=np.int64) for _ in range(3))
        for n, to_det in self.to_det.items():
            x, y = (np.rint(raw).astype(np.int64) for raw in to_det.inverse(detx, dety))
            on = (x >= 1) & (x <= self.size[0]) & (y >= self.first_row) & (y <= self.size[1])
            ccd[on], rawx[on], rawy[on] = n, x[on], y[on]
        return ccd, rawx, rawy

    def in_field(self, detx: Floats, dety: Floats) -> NDArray[np.bool_]:
        """Tell which camera positions see the sky."""
        seen = np.zeros(len(detx), dtype=bool)
        for part in self.field:
            seen |= part.contains(detx, dety)
        return seen


def expose(
    pointing: Pointing, camera: Camera, random: np.random.Generator, sources: Sequence[Source] = SOURCES
) -> tuple[Exposure, dict[str, int]]:
    """Observe all sources with one camera; also return how many good events each source left."""
    model = _Camera(pointing, camera, random)
    frames = int(LENGTH / model.frame_time)
    chips = tuple(_chip(n, pointing.start, frames, model, random) for n in model.to_det)
    parts: list[dict[str, NDArray[Any]]] = []
    for number, (detx, dety, energy, seconds) in enumerate(
        (*_source_events(sources, camera, model, random), *_background_events(camera, model, random))
    ):
        ccd, rawx, rawy = model.locate(detx, dety)
        time = pointing.start + seconds
        alive = np.zeros(len(ccd), dtype=bool)
        for chip in chips:
            mine = ccd == chip.ccd
            alive[mine] = _recorded(chip, time[mine], random) & ~model.dead[chip.ccd][rawx[mine], rawy[mine]]
        drawn = {"TIME": time, "RAWX": rawx, "RAWY": rawy, "CCDNR": ccd, "PI": energy, "DETX": detx, "DETY": dety}
        drawn["SOURCE"] = np.full(len(ccd), number)
        parts.append({name: values[alive] for name, values in drawn.items()})
    columns: dict[str, NDArray[Any]] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    # as in the pipeline's lists the CCDs follow one another, each in order of time
    order = np.lexsort((columns["TIME"], columns["CCDNR"]))
    columns = {name: values[order] for name, values in columns.items()}
    _derive(columns, model, random)
    good = (columns["FLAG"] & (OUT_OF_FOV | REJECTED)) == 0
    counts = {s.name: int(np.count_nonzero(good & (columns["SOURCE"] == i))) for i, s in enumerate(sources)}
    exposure = Exposure(
        camera=camera,
        obs_id=pointing.obs_id,
        exposure_id=EXPOSURES[camera.instrument],
        target="SIMULATED FIELD",
        ra=pointing.ra,
        dec=pointing.dec,
        position_angle=pointing.position_angle,
        mode=MODES[camera.instrument],
        start=pointing.start,
        stop=pointing.start + frames * model.frame_time,
        columns=columns,
        chips=chips,
    )
    return exposure, counts


def _chip(ccd: int, start: float, frames: int, model: _Camera, random: np.random.Generator) -> ChipData:
    """A CCD's frames and its good times: two intervals, a little different for each CCD."""
    width = model.frame_time
    middle = start + (np.arange(frames, dtype=np.float64) + 0.5) * width
    fracexp = (0.99 - 0.01 * random.random(frames)).astype(np.float32).astype(np.float64)
    pause = int(0.35 * frames) + 3 * ccd
    good = np.array([[ccd, pause], [pause + int(20 / width), frames - 2 - ccd]])
    live = sum(float(fracexp[first:last].sum()) for first, last in good) * width
    window = (1, model.first_row, model.size[0], model.size[1] - model.first_row + 1)
    return ChipData(ccd, start + good * width, middle, width, fracexp, live, model.bad[ccd], window, model.offset[ccd])


def _recorded(chip: ChipData, time: Floats, random: np.random.Generator) -> NDArray[np.bool_]:
    """Tell which events a CCD records: those in its good times, but for the dead time."""
    frame = ((time - chip.frame[0]) / chip.frame_time + 0.5).astype(np.int64)
    lucky: NDArray[np.bool_] = random.random(len(time)) < chip.fracexp[np.clip(frame, 0, len(chip.frame) - 1)]
    return lucky & gti.contains(chip.gti, time)


Drawn = tuple[Floats, Floats, NDArray[np.int64], Floats]
"""DETX, DETY, PI and seconds since the start."""


def _source_events(
    sources: Sequence[Source], camera: Camera, model: _Camera, random: np.random.Generator
) -> Iterator[Drawn]:
    """Photons of the sources, with the vignetting and the point spread function that the library corrects for."""
    for source in sources:
        x, y = model.projection.to_pixel(source.ra, source.dec)
        # as many as would come without vignetting where it is greatest, of which the vignetting leaves a share
        number = random.poisson(source.rate * AREA[camera.instrument] * vignetting.GREATEST * LENGTH)
        energy = _power_law(number, source.index, random)
        theta, azimuth = (float(angle) for angle in vignetting.angles(camera.name, model.pointing, x, y))
        kept = random.random(number) * vignetting.GREATEST
        radius = np.zeros(number)
        for band, (low, high) in enumerate(vignetting.bands()):
            mine = (energy >= 1000 * low) & (energy < 1000 * high)
            king = psf.king(camera.name, psf.mean_energy(low, high), theta)
            radius[mine] = king.draw(random, int(np.count_nonzero(mine))) / 0.05
            kept[mine] -= vignetting.factor(camera.name, band, np.array(theta), np.array(azimuth))
        energy, radius = energy[kept < 0], radius[kept < 0]
        angle = random.random(len(radius)) * 2 * np.pi
        detx, dety = model.to_sky.inverse(x + radius * np.cos(angle), y + radius * np.sin(angle))
        seen = model.in_field(detx, dety)
        yield detx[seen], dety[seen], energy[seen], random.random(int(np.count_nonzero(seen))) * LENGTH


def band_share(index: float, low: float, high: float) -> float:
    """Return the share of a source's rate between two energies, keV, both ends included."""
    energy, weight = _spectrum(index)
    return float(np.interp(high, energy, weight) - np.interp(low, energy, weight))


def _background_events(camera: Camera, model: _Camera, random: np.random.Generator) -> Iterator[Drawn]:
    """Events below and above 10 keV, steady and in the flare; uniform over the whole camera."""
    for (low, high), length, first in (
        (BACKGROUND[camera.instrument], LENGTH, 0.0),
        (FLARE_RATE[camera.instrument], FLARE, LENGTH - FLARE),
    ):
        for rate, soft in ((low, True), (high, False)):
            number = random.poisson(rate * length)
            detx, dety = (random.uniform(-20500, 20500, number * 2) for _ in range(2))
            on = np.flatnonzero(model.locate(detx, dety)[0] > 0)[:number]
            energy = _power_law(len(on), 1.4, random) if soft else random.integers(10001, 11999, len(on))
            yield detx[on], dety[on], energy, first + random.random(len(on)) * length


def _spectrum(index: float) -> tuple[Floats, Floats]:
    """Energies from 0.2 to 10 keV and the share below each, of a power law seen through a rough effective area."""
    edges = np.geomspace(0.2, 10.0, 400)
    energy = np.sqrt(edges[1:] * edges[:-1])
    area = np.exp(-((0.45 / energy) ** 2)) / np.sqrt(1 + (energy / 4.5) ** 5)
    weight = np.append(0.0, np.cumsum(energy**-index * area * np.diff(edges)))
    return edges, weight / weight[-1]


def _power_law(number: int, index: float, random: np.random.Generator) -> NDArray[np.int64]:
    """PI of such a power law, eV."""
    edges, share_below = _spectrum(index)
    drawn: NDArray[np.int64] = np.rint(1000 * np.interp(random.random(number), share_below, edges)).astype(np.int64)
    return drawn


def _derive(columns: dict[str, NDArray[Any]], model: _Camera, random: np.random.Generator) -> None:
    """Add what follows from place, pixel, time and energy: whole numbers of DET and X, Y, PHA, flags, patterns.

    An event keeps its place within the pixel, which the camera does not know and the pipeline draws: the point spread
    function so stays the one that was put in.
    """
    number = len(columns["TIME"])
    ccd, rawx, rawy = columns["CCDNR"], columns["RAWX"], columns["RAWY"]
    close = np.zeros(number, dtype=bool)
    for n in model.to_det:
        mine = ccd == n
        near = model.dead[n].copy()
        for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            near |= np.roll(model.dead[n], shift, (0, 1))
        close[mine] = near[rawx[mine], rawy[mine]]
    for axis in ("DETX", "DETY"):
        # the legal range of pn ends in the middle of its outermost pixels
        columns[axis] = np.clip(np.rint(columns[axis]), *LIMITS[model.name][axis]).astype(np.int16)
    sky = model.to_sky(columns["DETX"].astype(float), columns["DETY"].astype(float))
    columns["X"], columns["Y"] = np.rint(np.array(sky)).astype(np.int32)
    columns["PHA"] = np.minimum(columns["PI"] // (5 if model.pn else 3), 4095)

    share = (0.66, 0.16, 0.08, 0.06, 0.04) if model.pn else (0.77, 0.08, 0.04, 0.05, 0.02, *(0.005,) * 8)
    columns["PATTERN"] = random.choice(len(share), number, p=share)
    columns["PATTERN"][columns["PI"] > 10000] = 0
    border = (rawx <= 1) | (rawx >= model.size[0]) | (rawy <= model.first_row) | (rawy >= model.size[1])
    flag = np.where(border, 0x4 if model.pn else 0x2, 0) | np.where(close, 0x100, 0)
    seen = model.in_field(columns["DETX"].astype(float), columns["DETY"].astype(float))
    for n in model.to_det:
        mine = ccd == n
        seen[mine] &= ~geometry.hidden(model.name, n, rawx[mine], rawy[mine])
    flag |= np.where(seen, 0, OUT_OF_FOV)
    if model.pn:
        away = np.abs(rawx - np.array([0, *model.offset.values()])[ccd])
        flag |= np.where(away == 0, ON_OFFSET_COLUMN, 0) | np.where(away == 1, NEXT_TO_OFFSET_COLUMN, 0)
    flag |= np.where(random.random(number) < 0.01, REJECTED, 0)
    columns["FLAG"] = flag.astype(np.int32)
    if model.pn:
        columns["PAT_ID"], columns["PAT_SEQ"] = columns["PATTERN"], np.zeros(number, dtype=np.uint8)
        columns["TIME_RAW"] = np.floor(columns["TIME"] / model.frame_time) * model.frame_time


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.epic.simulate",
        description="Write simulated EPIC event lists, labelled as such.",
    )
    parser.add_argument("folder", type=Path, help="folder to write to; made if it does not exist")
    parser.add_argument("--seed", type=int, default=66, help="same seed, same bytes (default %(default)s)")
    options = parser.parse_args(arguments)
    try:
        simulate(options.folder, options.seed, lambda line: print(line, flush=True))
    except OSError as error:
        print(f"cannot write to {options.folder}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
