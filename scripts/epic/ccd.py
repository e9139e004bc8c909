"""Where the CCDs are: detector pixels (RAW), camera (DET), sky (X, Y).

Both steps are affine to the precision of the data, so they are fitted to the events themselves: RAW to DET
leaves only the randomisation within a pixel, DET to sky only the drift of the attitude (0.1-0.35 arcsec).
Where a CCD has too few events the nominal geometry stands in: for the MOS cameras measured on complete lists
of 2002, for pn the chip layout of the XMM-Newton Users Handbook (section 3.3.1.2) with pixels of 150 um seen from
7.5 m, laid into the legal range of DETX and DETY; the pixels of a list of 2023 lie where it has them within 2 units
(0.1 arcsec), and an image of 2002 has next to nothing between its CCDs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.epic.errors import EventFileError, ScienceError
from scripts.epic.events import EventList

Floats = NDArray[np.float64]

ENOUGH = 200
"""Events needed to fit an affine map."""


class Affine(NamedTuple):
    """x' = matrix @ x + offset in the plane."""

    matrix: Floats
    offset: Floats

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return where points come to lie."""
        (a, b), (c, d) = self.matrix
        return a * x + b * y + self.offset[0], c * x + d * y + self.offset[1]

    @property
    def inverse(self) -> Affine:
        """The map back."""
        (a, b), (c, d) = self.matrix.tolist()
        back = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
        return Affine(back, -back @ self.offset)

    def after(self, first: Affine) -> Affine:
        """Return the map that does another one first."""
        return Affine(self.matrix @ first.matrix, self.matrix @ first.offset + self.offset)

    @staticmethod
    def fit(source: tuple[Floats, Floats], target: tuple[Floats, Floats]) -> Affine:
        """Return the least-squares map of points onto points, each (x, y) of shape (n,)."""
        base = np.column_stack([*source, np.ones(len(source[0]))])
        found = np.linalg.lstsq(base.T @ base, base.T @ np.column_stack(target), rcond=None)[0]
        return Affine(found[:2].T, found[2])


class Disc(NamedTuple):
    """A circular part of a field of view, in DET units of 0.05 arcsec."""

    x: float
    y: float
    radius: float

    def contains(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """Tell which points lie in it."""
        return (x - self.x) ** 2 + (y - self.y) ** 2 <= self.radius**2

    def outline(self) -> Floats:
        """Return a polygon around it, counter-clockwise, shape (n, 2)."""
        angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        reach = self.radius / np.cos(np.pi / len(angle))
        return np.column_stack([self.x + reach * np.cos(angle), self.y + reach * np.sin(angle)])


class Box(NamedTuple):
    """A rectangular part of a field of view, in DET units of 0.05 arcsec."""

    x0: float
    x1: float
    y0: float
    y1: float

    def contains(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """Tell which points lie in it."""
        return (x >= self.x0) & (x <= self.x1) & (y >= self.y0) & (y <= self.y1)

    def outline(self) -> Floats:
        """Return its corners, counter-clockwise, shape (4, 2)."""
        return np.array([[self.x0, self.y0], [self.x1, self.y0], [self.x1, self.y1], [self.x0, self.y1]])


FIELD: dict[str, tuple[Disc | Box, ...]] = {
    "M1": (Disc(120, -210, 17141), Box(-5600, 5600, -17375, -16400)),
    "M2": (Disc(-70, -270, 17092), Box(-5600, 5600, -17375, -16400)),
    "PN": (Disc(-2200, -1110, 17980),),
}
"""The field of view of each camera. MOS: where OUT_OF_FOV begins in complete lists; pn: of ESAS images."""

HIDDEN: dict[str, dict[int, tuple[tuple[int, int, int, int], ...]]] = {
    "M1": {
        1: (
            (1, 3, 1, 179), (1, 5, 180, 347), (1, 4, 348, 480), (1, 3, 481, 600),
            (1, 292, 592, 600), (293, 600, 586, 600),
        ),
        2: ((595, 600, 1, 297), (1, 600, 590, 600)),
        4: ((1, 223, 588, 600), (224, 600, 589, 600)),
        6: ((1, 2, 1, 414), (1, 7, 415, 600)),
    },
    "M2": {
        1: ((1, 297, 593, 600), (298, 600, 592, 600)),
        2: ((596, 600, 1, 160), (594, 600, 161, 300), (1, 600, 1, 9), (1, 600, 600, 600)),
        4: ((1, 600, 1, 9), (1, 600, 598, 600)),
        6: ((1, 1, 1, 600),),
        7: ((1, 600, 1, 4),),
    },
}  # fmt: skip
"""Edges of CCDs that never see the sky, for the MOS CCDs hide one another: first and last RAWX, first and last RAWY.

Measured in complete lists: the events here are flagged OUT_OF_FOV, those beside are not. With these edges left out the
CCDs have the area that SAS wrote down (IN_FOV), within 1.1 %."""


def hidden_parts(camera: str, ccd: int) -> tuple[tuple[int, int, int, int], ...]:
    """Return the parts of a CCD that never see the sky: first and last RAWX, first and last RAWY."""
    return HIDDEN.get(camera, {}).get((ccd - 1) % 10 + 1, ())


def hidden(camera: str, ccd: int, rawx: NDArray[np.int64], rawy: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which pixels of a CCD never see the sky, given RAWX and RAWY of shape (n,)."""
    lost = np.zeros(len(rawx), dtype=bool)
    for x0, x1, y0, y1 in hidden_parts(camera, ccd):
        lost |= (rawx >= x0) & (rawx <= x1) & (rawy >= y0) & (rawy <= y1)
    return lost


_AT_POINTING = {"M1": (-1417.7, -1351.3), "M2": (1174.5, -1639.7), "PN": (-1082.2, 1490.1)}
"""DETX, DETY of the pointing RA_PNT, DEC_PNT, measured on event lists."""

_ROLL = {"M1": -180.0, "M2": -90.3, "PN": -269.8}
"""What to add to PA_PNT for the angle from the X to the DETX axis, degrees; measured on event lists."""


def nominal_to_sky(camera: str, crpix: tuple[float, float], position_angle: float) -> Affine:
    """Return DET to X, Y for a pointing at the projection's tangent point."""
    roll = np.radians(position_angle + _ROLL[camera])
    matrix = np.array([[np.cos(roll), np.sin(roll)], [np.sin(roll), -np.cos(roll)]])
    return Affine(matrix, np.array(crpix) - matrix @ np.array(_AT_POINTING[camera]))


def nominal_to_det(camera: str, ccd: int) -> Affine:
    """Return RAW to DET of a CCD; MOS node 1 (CCDNR 11 to 17) shares the CCD of node 0."""
    if camera == "PN":
        return _PN[ccd]
    return _MOS[camera][(ccd - 1) % 10 + 1]


def _mos(scale: float, offsets: tuple[tuple[float, float], ...]) -> dict[int, Affine]:
    along, left, right = ((1, 0), (0, 1)), ((0, -1), (1, 0)), ((0, 1), (-1, 0))
    turns = (along, left, left, left, right, right, right)
    return {
        n + 1: Affine(scale * np.array(turn, dtype=float), np.array(offset))
        for n, (turn, offset) in enumerate(zip(turns, offsets, strict=True))
    }


_MOS = {
    "M1": _mos(
        22.02,
        (
            (-6616.6, -6616.7), (13125.1, -20174.2), (19883.4, -6922.6), (13188.6, 6408.8),
            (-13028.8, 19721.3), (-19797.1, 6518.5), (-13143.2, -6844.7),
        ),
    ),
    "M2": _mos(
        22.022,
        (
            (-6617.4, -6617.5), (13255.8, -20030.1), (19990.3, -6852.3), (13228.6, 6521.7),
            (-13201.3, 19789.5), (-19858.5, 6551.6), (-13319.5, -6813.1),
        ),
    ),
}  # fmt: skip


def _pn() -> dict[int, Affine]:
    """Two rows of CCDs, read out at their outer ends: 3 2 1 | 4 5 6 above 12 11 10 | 7 8 9."""
    pixel, centre = 82.506, np.array([-2201.5, -1101.0])
    layout: dict[int, Affine] = {}
    for place in range(3):
        inner = 60.6 + place * (64 * pixel + 110.5)
        outer = inner + 64 * pixel
        for ccd, edge, along_x, along_y in (
            (1 + place, -inner, -1, -1),
            (4 + place, outer, -1, -1),
            (7 + place, inner, 1, 1),
            (10 + place, -outer, 1, 1),
        ):
            start = np.array([edge - along_x * pixel / 2, -along_y * (46.5 + 200.5 * pixel)])
            layout[ccd] = Affine(np.diag([along_x * pixel, along_y * pixel]), centre + start)
    return layout


_PN = _pn()


class Chip(NamedTuple):
    """One CCD that observed."""

    ccd: int
    to_det: Affine
    window: tuple[int, int, int, int]
    """First and last RAWX, first and last RAWY that were read out, both included."""

    def corners(self) -> Floats:
        """Return the corners of its window in DET, shape (4, 2)."""
        x0, x1, y0, y1 = self.window
        x = np.array([x0 - 0.5, x1 + 0.5, x1 + 0.5, x0 - 0.5])
        y = np.array([y0 - 0.5, y0 - 0.5, y1 + 0.5, y1 + 0.5])
        return np.column_stack(self.to_det(x, y))


class Geometry:
    """The CCDs of an exposure on the sky."""

    def __init__(self, events: EventList) -> None:
        self.camera = events.camera.name
        if self.camera not in FIELD:
            raise ScienceError(
                f"{events.path.name} is a list of {events.keyword('TELESCOP', '')} {self.camera}, whose detectors are "
                "not known here: cut-outs, images, light curves, spectra and hardness ratios can be made of it, but "
                "nothing that needs an exposure map."
            )
        self.field = FIELD[self.camera]
        # a quarter of a million events fix six numbers well enough
        step = max(1, len(events) // 250_000)
        columns = {
            name: events.sample.column(name)[::step] for name in ("RAWX", "RAWY", "DETX", "DETY", "X", "Y", "CCDNR")
        }
        self.chips = tuple(Chip(ccd, self._to_det(ccd, columns), _window(events, ccd)) for ccd in events.ccds)
        self.to_sky = self._to_sky(events, columns, events.sample.placed[::step])

    def _to_det(self, ccd: int, columns: dict[str, NDArray[np.int64]]) -> Affine:
        mine = columns["CCDNR"] == ccd
        nominal = nominal_to_det(self.camera, ccd)
        if np.count_nonzero(mine) < ENOUGH:
            return nominal
        raw = columns["RAWX"][mine].astype(float), columns["RAWY"][mine].astype(float)
        if min(np.std(raw[0]), np.std(raw[1])) < 10:
            return nominal
        return Affine.fit(raw, (columns["DETX"][mine].astype(float), columns["DETY"][mine].astype(float)))

    def _to_sky(self, events: EventList, columns: dict[str, NDArray[np.int64]], placed: NDArray[np.bool_]) -> Affine:
        det = columns["DETX"][placed].astype(float), columns["DETY"][placed].astype(float)
        if len(det[0]) < ENOUGH or min(np.std(det[0]), np.std(det[1])) < 2000:
            pointing = events.projection.to_pixel(events.number("RA_PNT"), events.number("DEC_PNT"))
            return nominal_to_sky(self.camera, (float(pointing[0]), float(pointing[1])), events.number("PA_PNT"))
        return Affine.fit(det, (columns["X"][placed].astype(float), columns["Y"][placed].astype(float)))

    def in_field(self, detx: Floats, dety: Floats) -> NDArray[np.bool_]:
        """Tell which camera positions see the sky."""
        seen = np.zeros(len(detx), dtype=bool)
        for part in self.field:
            seen |= part.contains(detx, dety)
        return seen

    def sees(self, box: tuple[float, float, float, float]) -> bool:
        """Tell whether all of a box on the sky is in the field: its corners are in one part, and each is convex."""
        corners = self.to_sky.inverse(np.array([box[0], box[0], box[1], box[1]]), np.array([*box[2:], *box[2:]]))
        return any(bool(part.contains(*corners).all()) for part in self.field)

    def touches(self, chip: Chip, box: tuple[float, float, float, float]) -> bool:
        """Tell whether the rectangle around a CCD on the sky meets a box: X from and to, Y from and to."""
        x, y = self.to_sky(*chip.corners().T)
        # a pixel of pn more, so that rounding decides nothing
        edge = 83.0
        return bool(
            x.min() - edge <= box[1]
            and x.max() + edge >= box[0]
            and y.min() - edge <= box[3]
            and y.max() + edge >= box[2]
        )

    def outlines(self) -> list[Floats]:
        """Return what the CCDs see of the sky as convex polygons in X, Y, each of shape (n, 2)."""
        polygons: list[Floats] = []
        for chip in self.chips:
            for part in self.field:
                corners = clip(part.outline(), chip.corners())
                if len(corners) >= 3:
                    polygons.append(np.column_stack(self.to_sky(corners[:, 0], corners[:, 1])))
        return polygons


def _window(events: EventList, ccd: int) -> tuple[int, int, int, int]:
    """The part of a CCD that was read out: WINDOWX0, ... of EXPOSUnn, which count from 1."""
    width, height = (64, 200) if events.camera.name == "PN" else (600, 600)
    name = f"EXPOSU{ccd:02d}"
    header = events.header_of(name)
    asked = [header.get(f"WINDOW{key}", usual) for key, usual in (("X0", 1), ("Y0", 1), ("DX", width), ("DY", height))]
    try:
        x0, y0, dx, dy = (int(value) for value in asked)
    except (TypeError, ValueError, OverflowError):
        dx = dy = 0
    if dx < 1 or dy < 1:
        words = ", ".join(map(str, asked))
        raise EventFileError(
            f"{events.path.name}[{name}]: the window of the CCD makes no sense: WINDOWX0, WINDOWY0, WINDOWDX, "
            f"WINDOWDY = {words}; whole numbers of pixels are needed; take the list as the pipeline wrote it"
        )
    x0, y0 = max(1, x0), max(1, y0)
    return x0, min(width, x0 + dx - 1), y0, min(height, y0 + dy - 1)


def clip(subject: Floats, window: Floats) -> Floats:
    """Return the part of a convex polygon inside another, shape (n, 2) (Sutherland & Hodgman 1974)."""
    following = np.roll(window, -1, 0)
    area = np.sum(window[:, 0] * following[:, 1] - following[:, 0] * window[:, 1])
    edges = window if area > 0 else window[::-1]
    corners = subject
    for a, b in zip(edges, np.roll(edges, -1, 0), strict=True):
        if not len(corners):
            break
        side = (b[0] - a[0]) * (corners[:, 1] - a[1]) - (b[1] - a[1]) * (corners[:, 0] - a[0])
        kept: list[Floats] = []
        for i, here in enumerate(corners):
            before = corners[i - 1]
            if (side[i] >= 0) != (side[i - 1] >= 0):
                kept.append(before + (here - before) * side[i - 1] / (side[i - 1] - side[i]))
            if side[i] >= 0:
                kept.append(here)
        corners = np.array(kept)
    return corners
