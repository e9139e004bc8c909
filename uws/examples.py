"""Examples of calls of SIA 2.0, cone search and SODA on a dataset that is there (DALI 1.1, section 2.1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from uws import context, pages
from uws.context import call
from uws.markup import is_clean
from uws.routing import Handler

if TYPE_CHECKING:
    from index.dataset import Dataset
    from index.service import Index

RADIUS = 0.02
"""Degrees."""


class Example(NamedTuple):
    """A call, by its parameters."""

    id: str
    name: str
    text: str
    parameters: tuple[tuple[str, str], ...]
    query: str = ""


def _place(dataset: Dataset) -> tuple[str, str]:
    return f"{dataset.s_ra:.5f}", f"{dataset.s_dec:.5f}"


def of(service: str, dataset: Dataset) -> list[Example]:
    """Return the examples of a service, made of a dataset."""
    ra, dec = _place(dataset)
    if service == "scs":
        where = (("RA", ra), ("DEC", dec), ("SR", str(RADIUS)))
        return [Example("cone", "Datasets around a position", "Whose coverage touches a small cone.", where)]
    pos = ("POS", f"CIRCLE {ra} {dec} {RADIUS}")
    if service == "sia2":
        name = dataset.instrument_name or ""
        instrument = (("INSTRUMENT", name),) if name and is_clean(name) else ()
        narrow = (pos, *instrument, ("MAXREC", "10"))
        of_one = "At most ten of one instrument." if instrument else "At most ten."
        return [
            Example("region", "Datasets that cover a region", of_one, narrow),
            Example("itself", "What the service says of itself", "Its columns and parameters.", (("MAXREC", "0"),)),
        ]
    cut = (("ID", dataset.ivoid), pos, ("BAND", "4e-10 8e-10"))
    return [Example("cutout", "A part of a dataset", "The events of a small circle and of 1.5 to 3 keV.", cut)]


def _first(index: Index) -> Dataset | None:
    return next(index.datasets(), None)


def shown(service: str, path: tuple[str, ...]) -> Handler:
    """Return what shows the examples of a service.

    :param path: where it is called.
    """

    async def show(request: Request) -> Response:
        """Show examples of calls."""
        here = context.of(request)
        dataset = await call(_first, here.engine.index)
        return pages.examples(request, of(service, dataset) if dataset else [], path)

    return show
