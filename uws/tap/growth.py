"""How large a query becomes for a database, which puts into each place what a WITH or a subquery stands for.

``t1 AS (SELECT x || x AS x FROM t0), t2 AS (SELECT x || x AS x FROM t1), ...`` doubles with each line, and so do tables
that are joined with themselves and ``*`` of them. No time-out stops a database while it plans such a query.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from uws.tap.errors import QueryError
from uws.tap.published import Published, Table

MAX_SIZE = 200_000
"""Names, values and operators, all put in."""
MAX_CHARACTERS = 2**20
"""What the texts of a row may have together, those of the conditions included."""
NUMBER = 25
"""Characters of a number that is made a text."""
MAX_WIDTH = 1000
"""Columns of a result, also of one within the query; SQLite takes 2000, PostgreSQL 1600."""


def refuse_wide(tree: exp.Query, published: Published) -> None:
    """Refuse a query one of whose results has too many columns.

    :param tree: as it was read, with each published table under its full name.
    """
    widths: dict[int, int] = {}
    for scope in traverse_scope(tree):
        expression = scope.expression
        if isinstance(expression, exp.Select):
            sources = {
                name: widths.get(id(source.expression), 1)
                if isinstance(source, Scope)
                else len(published.find(source.db, source.name).columns)
                for name, (_, source) in scope.selected_sources.items()
            }
            width = sum(_width(item, sources) for item in expression.selects)
        elif isinstance(expression, exp.SetOperation):
            width = max(widths.get(id(one.unnest()), 1) for one in (expression.left, expression.right))
        else:
            continue
        if width > MAX_WIDTH:
            raise QueryError(f"one of its results has {width:.7g} columns; {MAX_WIDTH} are allowed")
        widths[id(expression)] = width


def _width(item: exp.Expr, sources: dict[str, int]) -> int:
    if isinstance(item, exp.Star):
        return sum(sources.values())
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        named = {name.lower(): width for name, width in sources.items()}
        return named.get(item.table.lower(), 1)
    return 1


class Size(NamedTuple):
    """What a part of a query grows to."""

    names: int
    """Names, values and operators."""
    characters: int
    """Characters that the texts in it may have together: the most that a text made of them may have."""


_NOTHING = Size(0, 0)


def refuse_growing(tree: exp.Query, published: Published) -> int:
    """Refuse a query that becomes too large; return how many characters the texts of one of its rows may have.

    :param tree: with all names resolved.
    """
    weights: dict[int, Size] = {}
    """What the node of a column or of a table stands for, by the id of the node."""
    columns: dict[int, dict[str, Size]] = {}
    """What each column of a result stands for, by the id of the query."""
    sizes: dict[int, Size] = {}

    def size(node: exp.Expr) -> Size:
        found = node.walk(prune=lambda each: isinstance(each, exp.With))  # which counts where its tables stand
        kept = [each for each in found if not isinstance(each, exp.Identifier | exp.Alias)]
        stood_for = [weights.get(id(each), _NOTHING) for each in kept]
        return Size(
            len(kept) + sum(one.names for one in stood_for),
            sum(_characters(each) for each in kept if isinstance(each, exp.Literal))
            + sum(one.characters for one in stood_for),
        )

    for scope in traverse_scope(tree):
        expression = scope.expression
        for node, source in scope.selected_sources.values():
            if isinstance(node, exp.Table) and isinstance(source, Scope):
                weights[id(node)] = Size(sizes.get(id(source.expression), _NOTHING).names, 0)
        for column in scope.columns:
            found = scope.sources.get(column.table)
            if isinstance(found, Scope):
                weights[id(column)] = columns.get(id(found.expression), {}).get(column.name, _NOTHING)
            elif isinstance(found, exp.Table):
                weights[id(column)] = Size(0, _longest(column.name, published.find(found.db, found.name)))
        if isinstance(expression, exp.SetOperation):
            both = [columns.get(id(one.unnest()), {}) for one in (expression.left, expression.right)]
            columns[id(expression)] = {
                name: Size(one.names + other.names, max(one.characters, other.characters))
                for (name, one), other in zip(both[0].items(), both[1].values(), strict=False)
            }
        elif isinstance(expression, exp.Select):
            columns[id(expression)] = {item.alias_or_name: size(item) for item in expression.selects}
        sizes[id(expression)] = found_size = size(expression)
        _refuse(found_size)
    return sum(one.characters for one in columns[id(tree.unnest())].values())


def _characters(literal: exp.Literal) -> int:
    """Return the length of a value; for the length in a CAST that length, to which it fills a text."""
    return int(literal.name) if isinstance(literal.parent, exp.DataTypeParam) else len(literal.name)


def _longest(name: str, table: Table) -> int:
    column = next((column for column in table.columns if column.name.lower() == name), None)
    return table.longest if column is not None and column.is_text else NUMBER


def _refuse(size: Size) -> None:
    if size.names > MAX_SIZE:
        raise QueryError(
            f"the query is {size.names:.3g} names and values long once all that a WITH or a subquery "
            f"stands for is put in its places; {MAX_SIZE} are allowed"
        )
    if size.characters > MAX_CHARACTERS:
        raise QueryError(
            f"the texts that are put together for one row may have {size.characters:.3g} characters; "
            f"{MAX_CHARACTERS} are allowed"
        )
