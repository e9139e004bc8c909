"""A figure and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """Something measured, and what it is held against in the same run."""

    name: str
    measured: str
    against: str
    result: str
    bar: str

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the cells of its row."""
        return self.name, self.measured, self.against, self.result, self.bar


Part = Callable[[], Iterator[Figure]]
