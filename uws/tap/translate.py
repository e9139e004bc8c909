"""Writes a query in the language of the database: published tables, functions and limits of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from index.columns import Column
from uws.tap.adql import Query
from uws.tap.geometry import KEY, Question, Rewriter
from uws.tap.published import Published, Table

DIALECTS = {"sqlite": "sqlite", "postgresql": "postgres"}
"""The languages, by what SQLAlchemy calls the database."""


@dataclass(frozen=True)
class Statement:
    """A query that is ready to run, once the answers to its questions are in temporary tables of their names."""

    text: str
    columns: tuple[Column, ...]
    questions: tuple[Question, ...]


def translate(query: Query, published: Published, backend: str, limit: int | None) -> Statement:
    """Write a query for a database.

    :param backend: a key of :data:`DIALECTS`.
    :param limit: the most rows that are to be fetched, None for all.
    :raises uws.tap.errors.QueryError: its geometry cannot be answered.
    """
    dialect = DIALECTS[backend]
    tree = query.tree.copy()
    rewriter = Rewriter(lambda column: _origin(column, published), by_list=dialect == "sqlite")
    rewriter.rewrite(tree)
    for node in list(tree.find_all(exp.Anonymous)):
        node.replace(_function(node, dialect))
    used = {}
    for table in list(tree.find_all(exp.Table)):
        if table.db:
            spec = published.find(table.db, table.name)
            used[spec.full_name] = spec
            table.set("db", None)
            table.set("this", exp.to_identifier(spec.full_name, quoted=True))
    if limit is not None and (query.top is None or limit < query.top):
        tree = tree.limit(limit, copy=False)
    text = tree.sql(dialect=dialect, comments=False)
    return Statement(_with_sources(text, used.values()), query.columns, tuple(rewriter.questions))


def _origin(column: exp.Column, published: Published) -> tuple[str, Table] | None:
    node = column.parent_select
    while node is not None:
        for table in node.find_all(exp.Table):
            if table.parent_select is node and table.alias_or_name == column.table:
                return (column.table, published.find(table.db, table.name)) if table.db else None
        node = node.parent_select
    return None


def _with_sources(text: str, tables: Iterable[Table]) -> str:
    """Say before a query what its published tables are made from."""
    sources = ", ".join(f"{_quoted(table.full_name)} AS NOT MATERIALIZED ({source_of(table)})" for table in tables)
    if not sources:
        return text
    return f"WITH {sources}, {text[5:]}" if text.startswith("WITH ") else f"WITH {sources} {text}"


def source_of(table: Table) -> str:
    """Return a SELECT of the columns of a table, in lower case, and of its key."""
    names = ", ".join(f"{_quoted(column.name)} AS {_quoted(column.name.lower())}" for column in table.columns)
    key = f", {_quoted(table.key)} AS {_quoted(KEY)}" if table.key else ""
    return f"SELECT {names}{key} FROM ({table.source}) AS t"  # noqa: S608 - all of it is ours


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# ---------------------------------------------------------------------- functions


def _function(node: exp.Anonymous, dialect: str) -> exp.Expr:
    name, given = str(node.this), [exp.Paren(this=item) for item in node.expressions]
    return _SPECIAL.get(name, _plain)(_NAMES.get(name, name), given, dialect)


def _plain(name: str, given: list[exp.Paren], _: str) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=given)


def _double(node: exp.Expr) -> exp.Expr:
    return exp.Mul(this=node.copy(), expression=exp.Literal.number("1.0"))


def _mod(_name: str, given: list[exp.Paren], _: str) -> exp.Expr:
    """x - y * trunc(x / y): the remainder of neither database takes every number."""
    x, y = given
    whole = exp.Anonymous(this="TRUNC", expressions=[exp.Div(this=_double(x), expression=y.copy())])
    return exp.Paren(this=exp.Sub(this=x.copy(), expression=exp.Mul(this=y.copy(), expression=whole)))


def _rounded(name: str, given: list[exp.Paren], _: str) -> exp.Expr:
    """Round to digits, which PostgreSQL does not for a double."""
    if len(given) == 1:
        return exp.Anonymous(this=name, expressions=[_double(given[0])])
    ten = exp.Anonymous(this="POWER", expressions=[exp.Literal.number("10.0"), given[1].copy()])
    whole = exp.Anonymous(this=name, expressions=[exp.Mul(this=_double(given[0]), expression=ten)])
    return exp.Paren(this=exp.Div(this=whole, expression=ten.copy()))


def _cot(_name: str, given: list[exp.Paren], _: str) -> exp.Expr:
    tangent = exp.Anonymous(this="TAN", expressions=given)
    return exp.Paren(this=exp.Div(this=exp.Literal.number("1.0"), expression=tangent))


def _rand(_name: str, _given: list[exp.Paren], dialect: str) -> exp.Expr:
    """Return a number from 0 to 1; SQLite's own is any integer of 64 bits. A seed is taken and not heeded."""
    number = exp.Anonymous(this="RANDOM")
    if dialect != "sqlite":
        return number
    share = exp.Div(this=number, expression=exp.Literal.number("18446744073709551616.0"))
    return exp.Paren(this=exp.Add(this=share, expression=exp.Literal.number("0.5")))


_NAMES: Mapping[str, str] = {"CEILING": "CEIL", "LOG": "LN", "TRUNCATE": "TRUNC"}
_SPECIAL: Mapping[str, Callable[[str, list[exp.Paren], str], exp.Expr]] = {
    "MOD": _mod,
    "ROUND": _rounded,
    "TRUNCATE": _rounded,
    "COT": _cot,
    "RAND": _rand,
}
