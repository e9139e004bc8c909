"""What may be asked about: tables, and all that TAP_SCHEMA and VOSI tables say of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from index.columns import Column
from uws.tap.errors import QueryError


@dataclass(frozen=True)
class Table:
    """A table that may be asked about.

    :param source: a SELECT in the language of the database that has each column under its name; with ``key``, a column
        of that name too, which a query cannot name.
    :param key: the column by which the answers of the index are joined.
    :param coverage: the column that stands for the coverage of a dataset in ADQL's geometry.
    :param longest: how many characters its texts have at most, roughly.
    """

    schema: str
    name: str
    description: str
    columns: tuple[Column, ...]
    source: str = ""
    utype: str = ""
    key: str | None = None
    coverage: str | None = None
    longest: int = 500

    @property
    def full_name(self) -> str:
        """``schema.name``."""
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column:
        """Return the column of that name, in lower case."""
        return next(column for column in self.columns if column.name == name)


class Published(Mapping[str, Table]):
    """The tables by their full names, in lower case."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._tables = {table.full_name.lower(): table for table in tables}

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def find(self, schema: str, name: str) -> Table:
        """Return the table of that name, in any case; without a schema the only one of its name.

        :raises QueryError: there is none.
        """
        if schema:
            found = [self._tables[key] for key in [f"{schema}.{name}".lower()] if key in self._tables]
        else:
            found = [table for table in self._tables.values() if table.name.lower() == name.lower()]
        if len(found) == 1:
            return found[0]
        given = f"{schema}.{name}" if schema else name
        raise QueryError(
            f"there is no table {given}; there are {', '.join(t.full_name for t in self._tables.values())}"
        )
