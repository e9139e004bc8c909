"""The JSON of datasets, made once for all answers that have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from index.columns import DATASET

if TYPE_CHECKING:
    from index.answers import Answer, Link

HELD = 16_000
"""Datasets of which the JSON is kept, some 2 kB each."""

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
