"""What the user asks about: a part of the sky, kept as it was given and as a MOC.

:mod:`index.forms` has a parser for each form, and says how they are told apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from index import mocs
from index.combination import Combination
from index.errors import RegionError
from index.figures import Cells
from index.forms import adql, dali, ds9, named, stcs
from index.forms.detect import form_of
from index.forms.named import Targets
from index.healpix import MAX_ORDER
from index.inside import inside
from index.orders import finest_order, suited_order
from index.shapes import Shape

if TYPE_CHECKING:
    from mocpy import MOC

MAX_TEXT = 50_000
"""Characters."""
_LINE_ENDS = re.compile(r"[\r\n]+")
MAX_FILE = 8 * 2**20
"""Bytes of a MOC or a region file."""


@dataclass(frozen=True)
class Region:
    """A part of the sky."""

    text: str
    """As it was given, on one line; ``Region.parse`` reads it back, but that of a MOC too large to be a text."""
    geometry: Shape

    @classmethod
    def parse(cls, text: str, targets: Targets = named.no_targets) -> Region:
        """Read a region in any of the forms. Raises RegionError.

        :param targets: gives the pointings towards a target by its name.
        """
        _refuse_long(text)
        given = _LINE_ENDS.sub(" ", text.strip())
        form, rest = form_of(text.strip())
        if form == "TARGET":
            return cls(given, named.target(rest, targets))
        if form == "DS9":
            given = "DS9 " + "; ".join(ds9.statements(rest))
        return cls(given, _READERS[form](rest))

    @classmethod
    def circle(cls, text: str) -> Region:
        """Read ``ra dec radius`` in degrees, ICRS. Raises RegionError."""
        return cls._dali(f"CIRCLE {text.strip()}")

    @classmethod
    def polygon(cls, text: str) -> Region:
        """Read ``ra1 dec1 ra2 dec2 ra3 dec3 ...`` in degrees, ICRS. Raises RegionError."""
        return cls._dali(f"POLYGON {text.strip()}")

    @classmethod
    def read(cls, content: bytes) -> Region:
        """Read a file: a MOC in FITS, JSON or ASCII, a region file of DS9, or any other form. Raises RegionError."""
        if len(content) > MAX_FILE:
            raise RegionError(f"a file with a region can have at most {MAX_FILE} bytes, not {len(content)}")
        text = ""
        if content[:6] != b"SIMPLE":
            try:
                text = content.decode()
            except UnicodeDecodeError as error:
                raise RegionError("a file with a region must be a MOC in FITS, or UTF-8 text") from error
            form, text = form_of(text.strip())
            if form != "MOC":
                return cls.parse(content.decode())
        moc = mocs.from_text(text) if text else mocs.from_fits(content)
        cells = len(moc.to_depth29_ranges)
        shown = f"MOC {mocs.to_ascii(moc)}" if cells < MAX_TEXT / 8 else ""
        return cls(shown if 0 < len(shown) <= MAX_TEXT else f"MOC of order {moc.max_order}, {cells} ranges", Cells(moc))

    @classmethod
    def _dali(cls, text: str) -> Region:
        _refuse_long(text)
        return cls(text.strip(), dali.read(text))

    @property
    def shape(self) -> str:
        """Give ``circle``, ``polygon``, ``range``, ``ellipse``, ``point``, ``compound`` or ``moc``."""
        return self.geometry.name

    def as_dict(self) -> dict[str, Any]:
        """Give text, shape and what the shape says of itself, all finite numbers, in ICRS degrees.

        circle: ra, dec and radius; polygon: vertices; range: ra and dec as pairs; ellipse: ra, dec, semi_major,
        semi_minor, angle, vertices; point: ra and dec; compound: operation and parts; moc: order and area.
        """
        return {"text": self.text, "shape": self.shape, **self.geometry.as_dict()}

    @cached_property
    def order(self) -> int:
        """The order of the MOC: its cells are a 64th of the region's width, but at most 51 arcsec.

        A region with a very long border gets a coarser one. A MOC has its own, a compound that of its finest part.
        """
        if isinstance(self.geometry, Cells | Combination):
            return self.geometry.order
        return min(suited_order(self.geometry.area, self.geometry.perimeter), self.finest_order)

    @cached_property
    def finest_order(self) -> int:
        """The finest order that the region is built at."""
        return self.geometry.finest_order if isinstance(self.geometry, Combination) else finest_order(self.geometry)

    def moc(self, order: int | None = None) -> MOC:
        """Give the cells that the region touches, at the order given or ``self.order``.

        Slivers thinner than a quarter of a cell may be missing at the border of a circle. Raises RegionError if the
        order is not one, or would cost too much for a region of this size.
        """
        if order is None:
            return self._moc
        if not 0 <= order <= MAX_ORDER:
            raise RegionError(f"the order of a MOC must be from 0 to {MAX_ORDER}, not {order}")
        if order == self.order:
            return self._moc
        if order > self.finest_order:
            raise RegionError(
                f"a {self.shape} of this size can be cut into cells of order {self.finest_order} at most, not {order}"
            )
        return self._build(order)

    @cached_property
    def _moc(self) -> MOC:
        return self._build(None)

    def contains(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say of each position, in ICRS degrees, whether it lies in the region, exactly (:mod:`index.inside`)."""
        return inside(self.geometry, ra, dec)

    def _build(self, given: int | None) -> MOC:
        order = given
        try:
            # the order of a compound is known only when it has been built
            order = self.order if given is None else given
            moc = self.geometry.build(order)
        except BaseException as error:
            # a panic of mocpy is an exception that no module exports, and no Exception
            if not isinstance(error, ValueError | OSError) and type(error).__name__ != "PanicException":
                raise
            raise RegionError(f"the {self.shape} cannot be cut into cells of order {order}: {error}") from error
        if moc.empty():
            raise RegionError(f"the {self.shape} covers nothing at order {order}")
        return moc


_READERS: dict[str, Callable[[str], Shape]] = {
    "DALI": dali.read,
    "STC": stcs.read,
    "ADQL": adql.read,
    "DS9": ds9.read,
    "MOC": lambda text: Cells(mocs.from_text(text)),
    "PLACE": named.place,
}


def _refuse_long(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise RegionError(f"the text of a region can have at most {MAX_TEXT} characters, not {len(text)}")
