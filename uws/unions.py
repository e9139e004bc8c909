"""The MOCs made of late, for all who ask the same while the index stays as it is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

KEPT = 16 * 2**20
"""Bytes of MOCs that are kept."""


class Unions:
    """The MOCs of the newest generation of the index."""

    def __init__(self) -> None:
        self._generation = ""
        self._made: OrderedDict[object, bytes] = OrderedDict()

    def get(self, generation: str, key: object, make: Callable[[], tuple[str, bytes]]) -> bytes:
        """Return what was made for a key, or make it now; ``make`` tells the generation that it is of."""
        made = self._made  # other threads exchange it
        if generation == self._generation and (found := made.get(key)) is not None:
            return found
        now, content = make()
        if now != self._generation:
            self._generation, self._made = now, OrderedDict()
        made = self._made
        made[key] = content
        while sum(map(len, list(made.values()))) > KEPT and len(made) > 1:
            made.popitem(last=False)
        return content
