"""What is told of datasets, made once for all answers that have them: as JSON, and as a row of a VOTable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from index.columns import DATASET
from uws.votable import cells_text

if TYPE_CHECKING:
    from index.answers import Answer, Link

HELD = 16_000
"""Datasets of which it is kept, some 2 kB each."""

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

_NAMES = tuple(column.name for column in DATASET)
_DID = "obs_publisher_did"

Write = Callable[["Answer", Sequence[Any], "Link | None"], str]
"""Writes what is told of a dataset, from its cells as they are in SQL."""


def as_json(answer: Answer, cells: Sequence[Any], link: Link | None) -> str:
    """Return the members of the object of a dataset, with a brace before and a comma behind them."""
    told = dict(zip(_NAMES, answer.of_dataset(cells, link), strict=False))
    return _encode({**told, "ivoid": told[_DID]})[:-1] + ", "


def as_row(answer: Answer, cells: Sequence[Any], link: Link | None) -> str:
    """Return the beginning of a row: the cells of ``index.columns.DATASET``."""
    return "<TR>" + cells_text(answer.of_dataset(cells, link))


class Fragments:
    """What is told of the datasets asked for of late, for as long as the index stays as it is."""

    def __init__(self, write: Write = as_json) -> None:
        self._write = write
        self._held: tuple[str | None, dict[int, str]] = (None, {})

    def of(self, answer: Answer, key: int, cells: Sequence[Any], link: Link | None) -> str:
        """Return what is told of a dataset."""
        generation, held = self._held
        if generation == answer.generation is not None:
            if (fragment := held.get(key)) is not None:
                return fragment
        else:
            held = {}
        fragment = self._write(answer, cells, link)
        if answer.generation is not None:
            if len(held) >= HELD:
                held = dict(islice(list(held.items()), HELD // 2, None))  # the older half goes
            held[key] = fragment
            self._held = (answer.generation, held)
        return fragment


def lines(answer: Answer, link: Link | None, fragments: Fragments) -> Iterator[str]:
    """Yield the rows of a VOTable whose columns are ``index.columns.COLUMNS``, written out.

    :param fragments: of former answers with the same links, written by :func:`as_row`.
    """
    for key, cells in answer.cells():
        yield fragments.of(answer, key, cells, link) + cells_text(answer.of_match(key, cells)) + "</TR>\n"
