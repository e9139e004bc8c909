"""Where the sky of the first page is opened: on what the datasets cover."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from index.cells import places
from index.healpix import ranges_of
from index.query import Query

if TYPE_CHECKING:
    from mocpy import MOC

    from index.service import Index
    from uws.unions import Unions

ORDER = 7
"""Cells of 27 arcmin, fine enough to look at what there is."""
FAR = 60.0
"""Degrees from the middle of the coverage: where it reaches farther, nothing may be at its middle."""


def first_view(index: Index, unions: Unions) -> str:
    """Return ``ra dec width``, degrees, of what datasets cover together; nothing where there is no dataset.

    It is the middle of the coverage; where that is all over the sky, the covered place next to it.
    """

    def make() -> tuple[str, bytes]:
        generation, moc = index.union(Query(), ORDER)
        return generation, b"" if moc is None else " ".join(f"{degrees:.4f}" for degrees in _seen(moc)).encode()

    return unions.get(index.generation(), "first view", make).decode()


def _seen(moc: MOC) -> tuple[float, float, float]:
    from mocpy import mocpy  # noqa: PLC0415 - slow to load: a service without datasets does without

    # the functions behind MOC.barycenter and so on, without the coordinates of astropy
    lon, lat = mocpy.get_barycenter(moc.store_index)
    far = math.degrees(mocpy.get_largest_distance_from_coo_to_moc_vertices(moc.store_index, lon, lat))
    if far > FAR:
        ra, dec = map(np.radians, places(ranges_of(moc)))
        near = np.argmax(np.sin(dec) * math.sin(lat) + np.cos(dec) * math.cos(lat) * np.cos(ra - lon))
        lon, lat = float(ra[near]), float(dec[near])
    return math.degrees(lon) % 360, math.degrees(lat), min(180.0, 2 * far)
