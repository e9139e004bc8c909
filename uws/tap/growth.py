"""How large a query becomes for a database, which puts into each place what a WITH or a subquery stands for.

``t1 AS (SELECT x || x AS x FROM t0), t2 AS (SELECT x || x AS x FROM t1), ...`` doubles with each line, and so do tables
that are joined with themselves and ``*`` of them. No time-out stops a database while it plans such a query.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from uws.tap.errors import QueryError
from uws.tap.published import Published

MAX_SIZE = 200_000
"""Names, values and operators, all put in."""
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


def refuse_growing(tree: exp.Query) -> None:
    """Refuse a query that becomes too large.

    :param tree: with all names resolved.
    """
    weights: dict[int, int] = {}
    """What the node of a column or of a table stands for, by the id of the node."""
    sizes: dict[int, int] = {}
    columns: dict[int, dict[str, int]] = {}
    """What each column of a result stands for, by the id of the query."""

    def size(node: exp.Expr) -> int:
        found = node.walk(prune=lambda each: isinstance(each, exp.With))  # which counts where its tables stand
        return sum(1 + weights.get(id(each), 0) for each in found if not isinstance(each, exp.Identifier | exp.Alias))

    for scope in traverse_scope(tree):
        expression = scope.expression
        for node, source in scope.selected_sources.values():
            if isinstance(node, exp.Table) and isinstance(source, Scope):
                weights[id(node)] = sizes.get(id(source.expression), 0)
        for column in scope.columns:
            if isinstance(found := scope.sources.get(column.table), Scope):
                weights[id(column)] = columns.get(id(found.expression), {}).get(column.name, 0)
        if isinstance(expression, exp.SetOperation):
            both = [columns.get(id(one.unnest()), {}) for one in (expression.left, expression.right)]
            columns[id(expression)] = {
                name: one + other for (name, one), other in zip(both[0].items(), both[1].values(), strict=False)
            }
        elif isinstance(expression, exp.Select):
            columns[id(expression)] = {item.alias_or_name: size(item) for item in expression.selects}
        sizes[id(expression)] = size(expression)
        if sizes[id(expression)] > MAX_SIZE:
            raise QueryError(
                f"the query is {sizes[id(expression)]:.3g} names and values long once all that a WITH or a subquery "
                f"stands for is put in its places; {MAX_SIZE} are allowed"
            )
