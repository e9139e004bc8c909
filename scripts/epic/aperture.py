"""Aperture photometry of one region in one event list: what was counted, and what one count is worth.

With N counts in the region, n in the background region and the ratio alpha of their exposures (the sums of live time
over area), B = alpha n counts of background are expected in the region. A source of rate r (ct/s on the axis, whole
point spread function) leaves r T counts in excess of that, with the effective exposure

    T = int_region psf V t dA - alpha int_background psf V t dA

over live time t, vignetting V and the King profile psf around the centre of the circle: gaps, bad pixels, the edge of
the field, the encircled energy and the source's own wings in the background are all in it. A region that is no circle
is taken as an evenly bright area seen whole: psf = 1 / area in it and 0 outside.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.epic import background as automatic
from scripts.epic import ecf, exposure, exposure_map, pipeline_maps, psf, region, vignetting
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.region import Circle, Shape
from scripts.epic.selection import Selection, select
from scripts.epic.task import Task

Floats = NDArray[np.float64]

POINTS = 60_000
"""Points at which a region's bounding box is probed."""


@dataclass(frozen=True)
class Measurement:
    """What one dataset says of a region."""

    dataset: str
    camera: str
    filter: str
    start: float
    """MJD."""
    stop: float
    emin: float
    emax: float
    counts: int
    background: float
    """Expected in the region."""
    background_counts: int
    alpha: float
    live: float
    """Largest live time in the region, s."""
    effective: float
    """T, s."""
    fraction: float
    """Of the point spread function within the region that fell on live detector."""
    eef: float
    off_axis: float
    """Arcmin."""
    ecf: float | None
    """ct cm2 / erg."""
    region: str
    ring: str
    exposure_origin: str
    eef_table: str
    selection: str
    simulated: bool
    problem: str = ""
    """Why there is no value; empty where there is one."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)


def measure(job: Task, name: str, least: float) -> Measurement:
    """Measure the task's region in its event list.

    :param least: the smallest share of the point spread function on live detector for which there is a value.
    :raises ScienceError: there is no region, or its shape has none.
    """
    if job.region is None:
        raise ScienceError("A region is needed: give CIRCLE, POLYGON or POS.")
    events = EventList(job.events)
    parameters = job.parameters
    band = parameters.real("EMIN", 0.5), parameters.real("EMAX", 2.0)
    selection = select(events, parameters)
    source = region.place(job.region, events.projection)
    keep = selection.mask(events)
    live = exposure.live_times(events, selection.times)
    files = job.dataset.get("files", ())
    model, seconds = exposure_map.prepare(events, files, live, selection.flags, band)
    if source.bounds is None or not all(np.isfinite(source.bounds)):
        return _nothing(name, events, selection, band, source, seconds)
    wanted = parameters.any("BACKGROUND")
    ring: Shape | pipeline_maps.Background
    if isinstance(wanted, dict):
        ring = region.place(wanted, events.projection)
    elif wanted == "map":
        known = pipeline_maps.background(files, events.projection, max(live.values(), default=0.0), band)
        if known is None:
            raise ScienceError(
                f"BACKGROUND=map: the archive has no background maps (BKGMAP) for {band[0]:g} to {band[1]:g} keV of "
                f"{events.path.name}; bands of the pipeline end at 0.2, 0.5, 1, 2, 4.5 and 12 keV. Use BACKGROUND=auto."
            )
        ring = known
    else:
        ring = automatic.automatic(events, source, keep)
    made = _measure(name, events, selection, band, keep, source, ring, model, seconds, least)
    if any(live.values()):
        return made
    return replace(
        made,
        problem=f"{events.path.name} has no live time in the good times asked for: they hold no frame (EXPOSUnn), or "
        "FRACEXP, TIMEDEL or LIVETInn is 0; take other times or leave the exposure out",
    )


@dataclass(frozen=True)
class _Sky:
    """What is expected of the background in the region, and where from."""

    text: str
    expected: float
    counts: int
    alpha: float
    own: float
    """Effective exposure of the source's light that is taken for background, s."""
    live: bool


def _measure(
    name: str,
    events: EventList,
    selection: Selection,
    band: tuple[float, float],
    keep: NDArray[np.bool_],
    source: Shape,
    ring: Shape | pipeline_maps.Background,
    model: exposure_map.Modelled,
    seconds: exposure_map.ExposureMap,
    least: float,
) -> Measurement:
    unit = events.projection.unit
    camera = events.camera.name
    x, y, _ = region.bounding_circle(source)
    theta = float(vignetting.off_axis(events, np.array([x]), np.array([y]))[0][0])
    king = psf.king(camera, psf.mean_energy(*band), theta)
    inside, cell = _points(source)
    point = isinstance(source, Circle)
    if isinstance(source, Circle):
        eef = float(king.encircled(source.radius * unit))
        weight = king.density(np.hypot(inside[0] - x, inside[1] - y) * unit)
        # the sum over points misses the sharp core by some per mille: the encircled energy is exact
        weight *= eef / max(float(weight.sum()), 1e-300)
    else:
        eef = 1.0
        weight = np.full(len(inside[0]), 1.0 / max(len(inside[0]), 1))
    here = model.live(*inside)
    columns = events.column("X")[keep], events.column("Y")[keep]
    if isinstance(ring, pipeline_maps.Background):
        expected = float(np.sum(ring.density(*inside)[here > 0]) * cell)
        sky = _Sky(ring.origin, expected, 0, 0.0, 0.0, live=True)
    else:
        around, other = _points(ring)
        there = model.live(*around)
        alpha = float(here.sum() * cell / (there.sum() * other)) if there.any() and other else 0.0
        wings = king.density(np.hypot(around[0] - x, around[1] - y) * unit) * other * unit**2 * point
        own = float(np.sum(wings * seconds.vignetted(*around)))
        number = int(np.count_nonzero(ring.contains(*columns)))
        sky = _Sky(ring.text, alpha * number, number, alpha, alpha * own, live=bool(there.any() and other))
    effective = float(np.sum(weight * seconds.vignetted(*inside))) - sky.own
    fraction = float(np.sum(weight * (here > 0)) / max(float(weight.sum()), 1e-300))
    problem = ""
    if fraction < least or effective <= 0:
        problem = (
            f"only {fraction:.0%} of the source's light in the region falls on live detector (a gap, bad pixels or the "
            f"edge of the field); {least:.0%} are asked for (EXPOSURE_MIN)"
        )
    elif not sky.live:
        problem = "the background region has no live detector area; name another with BACKGROUND"
    return Measurement(
        **_common(name, events, selection, band, source, seconds),
        counts=int(np.count_nonzero(source.contains(*columns))),
        background=sky.expected,
        background_counts=sky.counts,
        alpha=sky.alpha,
        live=float(here.max(initial=0.0)),
        effective=max(effective, 0.0),
        fraction=fraction,
        eef=eef,
        off_axis=theta,
        ring=sky.text,
        eef_table=psf.TABLES[camera] if point else "none: the region is no circle, taken as evenly bright",
        problem=problem,
    )


def _common(
    name: str,
    events: EventList,
    selection: Selection,
    band: tuple[float, float],
    source: Shape,
    seconds: exposure_map.ExposureMap,
) -> dict[str, Any]:
    optical_filter = str(events.keyword("FILTER", "")).strip()
    zero = events.number("MJDREF")
    return {
        "dataset": name,
        "camera": events.camera.name,
        "filter": optical_filter,
        "start": zero + events.number("TSTART") / 86400,
        "stop": zero + events.number("TSTOP") / 86400,
        "emin": band[0],
        "emax": band[1],
        "ecf": ecf.factor(events.camera.name, optical_filter, *band),
        "region": source.text,
        "exposure_origin": seconds.origin,
        "selection": selection.expression,
        "simulated": events.simulated,
    }


def _nothing(
    name: str,
    events: EventList,
    selection: Selection,
    band: tuple[float, float],
    source: Shape,
    seconds: exposure_map.ExposureMap,
) -> Measurement:
    """The measurement of a region that does not touch the field."""
    problem = (
        f"the region '{source.text}' lies outside the field of {events.path.name}, which is centred on "
        f"RA {events.projection.ra:.4f}, Dec {events.projection.dec:.4f} deg"
    )
    return Measurement(
        **_common(name, events, selection, band, source, seconds),
        counts=0,
        background=0.0,
        background_counts=0,
        alpha=0.0,
        live=0.0,
        effective=0.0,
        fraction=0.0,
        eef=0.0,
        off_axis=float("nan"),
        ring="none",
        eef_table="none",
        problem=problem,
    )


def _points(shape: Shape) -> tuple[tuple[Floats, Floats], float]:
    """Return points spread evenly over a shape and the area that each stands for, X, Y pixels."""
    empty = np.empty(0)
    if shape.bounds is None or not all(np.isfinite(shape.bounds)):
        return (empty, empty), 0.0
    x0, x1, y0, y1 = shape.bounds
    step = max(np.sqrt((x1 - x0) * (y1 - y0) / POINTS), 1e-6)
    nx, ny = (max(8, int(np.ceil((b - a) / step))) for a, b in ((x0, x1), (y0, y1)))
    u, v = np.meshgrid(x0 + (np.arange(nx) + 0.5) * (x1 - x0) / nx, y0 + (np.arange(ny) + 0.5) * (y1 - y0) / ny)
    inside = shape.contains(u.ravel(), v.ravel())
    return (u.ravel()[inside], v.ravel()[inside]), (x1 - x0) / nx * (y1 - y0) / ny
