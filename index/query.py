"""What can be asked about datasets: a region, what its overlap must be, metadata, an order, and one page of it all."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from index.errors import QueryError
from index.region import Region

Relation = Literal["overlaps", "contains", "inside"]
"""The dataset overlaps the region; it covers all of it; all of it lies in the region."""
RELATIONS: tuple[str, ...] = get_args(Relation)

MAX_VALUES = 1000
"""Values of one filter."""
MAX_INTERVALS = 200
"""Intervals of all filters together: each is held against each dataset."""
MAX_PATTERNS = 50
"""Texts with ``*`` of all filters together, for the same reason; others are looked up."""
MAX_TEXT = 1000
"""Characters of a text of a filter: a database takes no longer patterns."""


@dataclass(frozen=True)
class AnyOf:
    """The texts of a column, any of which will do: in either case, and ``*`` stands for any characters or none."""

    column: str
    texts: tuple[str, ...]
    folded: bool = False
    """Whether blanks do not matter."""


@dataclass(frozen=True)
class Numbers:
    """The whole numbers of a column, any of which will do."""

    column: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Within:
    """Closed intervals, any of which the interval from one column to another touches; a value has one column twice.

    Where a column is not known, nothing is touched; where one end is not known, the other stands for both.
    """

    low: str
    high: str
    intervals: tuple[tuple[float, float], ...]


Filter = AnyOf | Numbers | Within

ORDERS: dict[str, str | None] = {
    "overlap": None,
    "id": "id",
    "time": "t_min",
    "exposure": "t_exptime",
    "target": "target_name",
}
"""By what rows can be ordered, and the column; what is not known comes last either way."""


@dataclass(frozen=True)
class Order:
    """An order of rows; of rows with the same value, by id."""

    by: str = "id"
    descending: bool = False

    @classmethod
    def parse(cls, text: str) -> Order:
        """Read ``time`` or, for a descending order, ``-time``. Raises QueryError."""
        word = text.strip().lower()
        by = word.removeprefix("-")
        if by not in ORDERS:
            raise QueryError(
                f"the order must be one of {', '.join(ORDERS)}, with - before it to descend, not {text[:40]!r}"
            )
        return cls(by, word.startswith("-"))


@dataclass(frozen=True)
class Mark:
    """A row, by its value in an order and its id: the next page begins after it, whatever has changed before it."""

    value: float | str | None
    """None where it is not known, or the order is that of the ids."""
    id: str

    @classmethod
    def parse(cls, text: str, order: Order) -> Mark:
        """Read back a mark of that order. Raises QueryError."""
        value, _, id_ = text.strip().rpartition(" ")
        if not value or order.by == "id":
            return cls(None, id_)
        if order.by == "target":
            return cls(value, id_)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise QueryError(f"a page begins after what the page before it told, which is not {text[:80]!r}")
        return cls(number, id_)

    def __str__(self) -> str:
        if self.value is None:
            return self.id
        return f"{self.value if isinstance(self.value, str) else repr(self.value)} {self.id}"


@dataclass(frozen=True)
class Query:
    """A question; a dataset answers it if it fits all that is asked."""

    region: Region | None = None
    relation: Relation = "overlaps"
    ids: frozenset[str] = field(default=frozenset())
    """Short or full; empty for all. One that is not there is not in the answer."""
    filters: tuple[Filter, ...] = ()
    order: Order | None = None
    """Without one, by decreasing overlap, or by id where there is no region."""
    limit: int | None = None
    offset: int = 0
    after: Mark | None = None

    def __post_init__(self) -> None:
        """Raise QueryError for what asks about the overlap with no region, or for too much at once."""
        if self.region is None and self.ordered.by == "overlap":
            raise QueryError("an order by overlap takes a region, and none was given")
        if self.region is None and self.relation != "overlaps":
            raise QueryError(f"whether a dataset {self.relation} a region takes a region, and none was given")
        if self.after and self.offset:
            raise QueryError("a page begins after a row or at a number of rows, not both")
        texts = [text for given in self.filters if isinstance(given, AnyOf) for text in given.texts]
        intervals = [each for given in self.filters if isinstance(given, Within) for each in given.intervals]
        for what, number, most in (
            ("intervals", len(intervals), MAX_INTERVALS),
            ("texts with *", sum("*" in text for text in texts), MAX_PATTERNS),
            ("characters in a text", max(map(len, texts), default=0), MAX_TEXT),
        ):
            if number > most:
                raise QueryError(f"what is asked of metadata can have at most {most} {what}, not {number}")

    @property
    def ordered(self) -> Order:
        """The order, in any case."""
        return self.order or (Order("overlap", descending=True) if self.region else Order())
