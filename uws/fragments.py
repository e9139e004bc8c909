"""What is told of datasets, made once for all answers that have them: as JSON, and as a row of a VOTable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from index.columns import DATASET
from uws.votable import cells_text, row_text

if TYPE_CHECKING:
    from index.answers import Answer, Link

HELD = 16_000
"""Datasets of which it is kept, some 2 kB each."""

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

_NAMES = tuple(column.name for column in DATASET)
_DID = "obs_publisher_did"


class Fragments:
    """What is told in JSON of the datasets asked for of late, for as long as the index stays as it is."""

    def __init__(self) -> None:
        self._held: tuple[str | None, dict[int, str]] = (None, {})

    def of(self, answer: Answer, key: int, cells: Sequence[Any], link: Link | None) -> str:
        """Return the members of the object of a dataset, with a brace before and a comma behind them."""
        generation, held = self._held
        if generation == answer.generation is not None:
            if (fragment := held.get(key)) is not None:
                return fragment
        else:
            held = {}
        told = dict(zip(_NAMES, answer.of_dataset(cells, link), strict=False))
        fragment = _encode({**told, "ivoid": told[_DID]})[:-1] + ", "
        if answer.generation is not None:
            if len(held) >= HELD:
                held = dict(islice(list(held.items()), HELD // 2, None))  # the older half goes
            held[key] = fragment
            self._held = (answer.generation, held)
        return fragment


Written = tuple[int, str]
"""The order of a dataset, and the beginning of its row: the cells of ``index.columns.DATASET``."""


class Rows:
    """The rows of VOTables, as far as they tell of the datasets asked for of late; those are not even read again."""

    def __init__(self) -> None:
        self._held: tuple[str | None, dict[int, Written]] = (None, {})

    def lines(self, answer: Answer, link: Link | None) -> Iterator[str]:
        """Yield the rows of a VOTable whose columns are ``index.columns.COLUMNS``, written out.

        :param link: the same for all answers.
        """
        generation, held = self._held
        known = held if generation == answer.generation is not None else {}
        new: dict[int, Written] = {}
        for key, cells in answer.cells(known):
            if key in known:
                begin = known[key][1]
            else:
                begin = "<TR>" + row_text(answer.of_dataset(cells, link))
                if answer.generation is not None and len(new) < HELD // 2:
                    new[key] = (cells[0], begin)
            # of the cells only the first is looked at, which is the order
            yield f"{begin}{cells_text(answer.of_match(key, cells))}</TR>\n"
        if new:
            self._keep(answer.generation, new)

    def _keep(self, generation: str | None, new: dict[int, Written]) -> None:
        before, held = self._held
        kept = held if before == generation else {}
        if len(kept) + len(new) > HELD:
            kept = dict(islice(kept.items(), HELD // 2, None))  # the older half goes
        self._held = (generation, {**kept, **new})
