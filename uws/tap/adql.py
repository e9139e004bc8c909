"""Reads ADQL 2.0 (with the OFFSET, WITH, ILIKE, CAST and set operations of 2.1) and refuses everything else.

sqlglot parses; what it understands beyond ADQL is not asked for here, so only the kinds of node in :data:`ALLOWED` may
be in a query, only the functions of :data:`FUNCTIONS`, and only published tables. Names are resolved: each column of
the result knows the published column it comes from, and with it its unit and UCD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import Dialect, exp, parser, tokens
from sqlglot.dialects.dialect import NormalizationStrategy
from sqlglot.errors import OptimizeError, ParseError, SqlglotError, TokenError
from sqlglot.optimizer.qualify import qualify
from sqlglot.tokenizer_core import TokenType

from index.columns import Column
from uws.tap.errors import QueryError
from uws.tap.growth import refuse_growing, refuse_wide
from uws.tap.published import Published, Table
from uws.tap.types import CASTS, Types

MAX_LENGTH = 200_000
"""Characters of a query."""
MAX_DEPTH = 30
"""Parentheses in one another."""
MAX_WORDS = 20_000
MAX_OPERATORS = 1000
MAX_CAST = 4096
"""Characters of the texts that CAST makes."""

_NUMERIC = (
    *("ABS", "CEILING", "DEGREES", "EXP", "FLOOR", "LOG", "LOG10", "MOD", "PI", "POWER", "RADIANS", "RAND", "ROUND"),
    *("SQRT", "TRUNCATE", "ACOS", "ASIN", "ATAN", "ATAN2", "COS", "COT", "SIN", "TAN"),
)
ARGUMENTS = {
    **dict.fromkeys(_NUMERIC, (1, 1)),
    **{"ATAN2": (2, 2), "MOD": (2, 2), "POWER": (2, 2), "PI": (0, 0), "RAND": (0, 1), "ROUND": (1, 2)},
    **{"TRUNCATE": (1, 2), "LOWER": (1, 1), "UPPER": (1, 1), "CONTAINS": (2, 2), "INTERSECTS": (2, 2)},
    **{"DISTANCE": (2, 4), "AREA": (1, 1), "COORD1": (1, 1), "COORD2": (1, 1), "COORDSYS": (1, 1)},
    **{"POINT": (2, 3), "CIRCLE": (2, 4), "BOX": (3, 5), "POLYGON": (3, 2001), "REGION": (1, 1), "CENTROID": (1, 1)},
}
"""The least and the most arguments of each function (ADQL 2.1, sections 2.3 and 4.2)."""
SHAPES = ("POINT", "CIRCLE", "BOX", "POLYGON")
_OF_TEXTS = ("LOWER", "UPPER", "REGION")
FUNCTIONS = tuple(ARGUMENTS)

ALLOWED = (
    *(exp.Select, exp.Union, exp.Intersect, exp.Except, exp.With, exp.CTE, exp.Subquery, exp.Limit, exp.Offset),
    *(exp.From, exp.Join, exp.Table, exp.TableAlias, exp.Alias, exp.Column, exp.Identifier, exp.Star),
    *(exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Distinct),
    *(exp.Literal, exp.Null, exp.Paren, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.DPipe),
    *(exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseNot, exp.And, exp.Or, exp.Not),
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is, exp.Like, exp.ILike),
    *(exp.Escape, exp.Exists, exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Coalesce, exp.Cast, exp.DataType),
    *(exp.Anonymous, exp.DataTypeParam),
)
_KEPT = ("COUNT", "SUM", "AVG", "MIN", "MAX", "COALESCE")


class ADQL(Dialect):
    """What sqlglot needs to know of the language."""

    NORMALIZATION_STRATEGY = NormalizationStrategy.CASE_INSENSITIVE
    TYPED_DIVISION = True

    class Tokenizer(tokens.Tokenizer):
        """TOP is a word of ADQL."""

        KEYWORDS = {**tokens.Tokenizer.KEYWORDS, "TOP": TokenType.TOP}  # noqa: RUF012 - sqlglot's own manner

    class Parser(parser.Parser):
        """Only aggregates are special; every other function is a name with arguments."""

        FUNCTIONS = {name: parser.Parser.FUNCTIONS[name] for name in _KEPT}  # noqa: RUF012
        FUNCTION_PARSERS = {"CAST": parser.Parser.FUNCTION_PARSERS["CAST"]}  # noqa: RUF012
        NO_PAREN_FUNCTIONS = {}  # noqa: RUF012


@dataclass(frozen=True)
class Query:
    """A query that may be run: its tree, with all names resolved, and the columns of its result."""

    tree: exp.Query
    columns: tuple[Column, ...]
    top: int | None
    """The rows that it asks for itself."""
    width: int
    """Characters that the texts of a row may have."""


def read(text: str, published: Published) -> Query:
    """Read a query.

    :raises QueryError: it is not ADQL, too large, or names what is not published.
    """
    try:
        return _read(text, published)
    except RecursionError:
        raise QueryError("the query is nested too deeply") from None


def _read(text: str, published: Published) -> Query:
    tree = _parsed(text)
    _refuse_foreign(tree)
    for table, spec in _tables(tree, published):
        table.set("db", exp.to_identifier(spec.schema.lower()))
        table.set("this", exp.to_identifier(spec.name.lower()))
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(spec.name.lower())))
    shown = _names_as_written(tree)
    refuse_wide(tree, published)
    try:
        tree = qualify(tree, schema=_schema(published), dialect=ADQL, quote_identifiers=True)
    except OptimizeError as error:
        raise QueryError(_tidy(error)) from error
    if not tree.selects:
        raise QueryError("a SELECT asks for columns, and this one for none")
    width = refuse_growing(tree, published)
    for item in tree.selects:  # a column of a table keeps its name, whatever that is
        if isinstance(item.unalias(), exp.Column) and not item.alias_or_name.isidentifier():
            shown.setdefault(item.alias_or_name, item.alias_or_name)
    types = Types(published)
    columns = tuple(_named(types.of_query(tree), shown))
    _refuse_texts_for_numbers(tree, types)
    return Query(tree, columns, _top(tree), width)


def _parsed(text: str) -> exp.Query:
    if len(text) > MAX_LENGTH:
        raise QueryError(f"the query has {len(text)} characters; {MAX_LENGTH} are allowed")
    try:
        words = ADQL().tokenize(text)
        _refuse_large(words)
        trees = [tree for tree in ADQL.Parser(dialect=ADQL()).parse(words, text) if tree is not None]
    except (ParseError, TokenError) as error:
        raise QueryError(_tidy(error)) from error
    if len(trees) != 1:
        raise QueryError(f"one query is wanted, not {len(trees)}")
    if not isinstance(trees[0], exp.Select | exp.SetOperation):
        raise QueryError("only a SELECT can be asked")
    return trees[0]


def _refuse_large(words: list[Any]) -> None:
    """Refuse what would take long to read: its time goes with the square of what is chained or nested."""
    depth = operators = 0
    for word in words:
        depth += (word.token_type == TokenType.L_PAREN) - (word.token_type == TokenType.R_PAREN)
        operators += word.token_type in _OPERATORS
        if depth > MAX_DEPTH:
            raise QueryError(f"the query has more than {MAX_DEPTH} parentheses in one another")
    if len(words) > MAX_WORDS or operators > MAX_OPERATORS:
        raise QueryError(
            f"the query has {len(words)} words, {operators} of them AND, OR, NOT, + and the like; {MAX_WORDS} and "
            f"{MAX_OPERATORS} are allowed. A long list of values is quicker as IN (...), or as an uploaded table"
        )


_OPERATORS = {
    *(TokenType.AND, TokenType.OR, TokenType.NOT, TokenType.PLUS, TokenType.DASH, TokenType.STAR, TokenType.SLASH),
    *(TokenType.DPIPE, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.JOIN),
}


def _refuse_foreign(tree: exp.Expr) -> None:
    """Let only ADQL pass."""
    for node in tree.walk():
        if not isinstance(node, ALLOWED):
            raise QueryError(f"{_spelt(node)} is not part of ADQL")
        if isinstance(node, exp.Anonymous):
            _refuse_unknown_function(node)
        elif reason := _foreign(node):
            raise QueryError(reason)


def _foreign(node: exp.Expr) -> str:
    """Say what is wrong with a node whose kind is allowed, if anything."""
    reason = ""
    if isinstance(node, exp.Join):
        words = {str(node.args.get(key) or "").upper() for key in ("method", "side", "kind")} - {""}
        if words - {"NATURAL", "LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS"}:
            reason = f"a join cannot be {' '.join(sorted(words))} in ADQL"
    elif isinstance(node, exp.Limit | exp.Offset) and not _is_count(node.expression):
        reason = "TOP and OFFSET take a whole number"
    elif isinstance(node, exp.Distinct) and node.args.get("on"):
        reason = "DISTINCT ON is not part of ADQL"
    elif isinstance(node, exp.With) and node.args.get("recursive"):
        reason = "WITH RECURSIVE is not part of ADQL"
    elif isinstance(node, exp.Cast) and node.to.this.value not in CASTS:
        reason = f"CAST can make one of {', '.join(CASTS)}, not {_spelt(node.to)}"
    elif isinstance(node, exp.DataTypeParam) and not 1 <= _whole(node.this) <= MAX_CAST:
        reason = f"CAST makes texts of 1 to {MAX_CAST} characters, not of {_spelt(node)}"
    elif isinstance(node, exp.Table) and (node.args.get("catalog") or not isinstance(node.this, exp.Identifier)):
        reason = f"there is no table {_spelt(node)}"
    return reason


def _refuse_unknown_function(node: exp.Anonymous) -> None:
    name = str(node.this).upper()
    if name not in ARGUMENTS:
        raise QueryError(f"there is no function {name}; there are {', '.join((*FUNCTIONS, *_KEPT, 'CAST'))}")
    least, most = ARGUMENTS[name]
    given = len(node.expressions)
    if not least <= given <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise QueryError(f"{name} takes {wanted} arguments, not {given}")
    # SQLite would call each number smaller than a text; the first argument of a shape may be a system of coordinates
    texts = [item for item in node.expressions[name in SHAPES :] if isinstance(item, exp.Literal) and item.is_string]
    if texts and name not in _OF_TEXTS:
        raise QueryError(
            f"{name} takes numbers, degrees where they are angles on the sky, and {_spelt(texts[0])} is a text"
        )
    node.set("this", name)


_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)


def _refuse_texts_for_numbers(tree: exp.Expr, types: Types) -> None:
    """Refuse to hold a column of numbers against a text, such as '10 ks': SQLite would call each number smaller."""
    for node in tree.find_all(*_COMPARISONS):
        sides = [side for side in (node.this, *(node.args.get(key) for key in ("expression", "low", "high"))) if side]
        sides += node.expressions
        texts = [side for side in sides if isinstance(side, exp.Literal) and side.is_string]
        for side in sides if texts else ():
            if isinstance(side, exp.Column) and isinstance(node.parent_select, exp.Select):
                column = types.of(side, node.parent_select)
                if not column.is_text:
                    unit = f" in {column.unit}" if column.unit else ""
                    raise QueryError(f"{side.name} is a number{unit}, and {_spelt(texts[0])} is a text")


def _whole(node: exp.Expr) -> int:
    return int(node.name) if _is_count(node) else -1


def _is_count(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit() and len(node.name) < 16


def _tables(tree: exp.Expr, published: Published) -> Iterator[tuple[exp.Table, Table]]:
    """Yield each table that is no WITH of the query's own, with what is published of it."""
    for table in list(tree.find_all(exp.Table)):
        if table.db or table.name.lower() not in _withs(table):
            yield table, published.find(table.db, table.name)


def _withs(table: exp.Table) -> set[str]:
    names: set[str] = set()
    node: exp.Expr | None = table
    while node is not None:
        if (found := node.args.get("with_") or node.args.get("with")) is not None:
            names.update(cte.alias.lower() for cte in found.expressions)
        node = node.parent
    return names


def _schema(published: Published) -> dict[str, object]:
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for table in published.values():
        columns: dict[str, str] = {column.name.lower(): column.datatype for column in table.columns}
        schema.setdefault(table.schema.lower(), {})[table.name.lower()] = columns
    return {**schema}


def _names_as_written(tree: exp.Query) -> dict[str, str]:
    """Give the names that a query gives to columns of its result, by their lower case."""
    return {item.alias.lower(): item.alias for item in tree.selects if isinstance(item, exp.Alias)}


def _named(columns: list[Column], shown: dict[str, str]) -> Iterator[Column]:
    """Give each column a name of its own."""
    taken: set[str] = set()
    for number, column in enumerate(columns, 1):
        name = shown.get(column.name.lower()) or column.name
        if column.name not in shown and (name.startswith("_col_") or not name.isidentifier()):
            name = f"col_{number}"
        stem, count = name, 1
        while name.lower() in taken:
            count += 1
            name = f"{stem}_{count}"
        taken.add(name.lower())
        yield replace(column, name=name)


def _top(tree: exp.Query) -> int | None:
    limit = tree.args.get("limit")
    return int(limit.expression.name) if isinstance(limit, exp.Limit) else None


def _spelt(node: exp.Expr) -> str:
    text = node.sql(dialect=ADQL, comments=False) or node.key.upper()
    return text if len(text) <= 60 else text[:60] + "..."


def _tidy(error: SqlglotError) -> str:
    """Say what sqlglot found wrong, and where, on one line."""
    found = getattr(error, "errors", None)
    if not found:
        return " ".join(_PLAIN.sub("", str(error)).split())[:300]
    first = found[0]
    what = _INCOMPLETE.sub(r"\1 is not complete", str(first["description"])).removesuffix(".")
    what = _TOKEN.sub("", what)
    near = f"{first['start_context'][-30:]}>>{first['highlight']}<<{first['end_context'][:30]}"
    return " ".join(f"{what}, in line {first['line']}, column {first['col']}: {near}".split())


_PLAIN = re.compile(r"\x1b\[[0-9]*m")
_TOKEN = re.compile(r" but got <Token .*", re.DOTALL)
_INCOMPLETE = re.compile(r"Required keyword: '\w+' missing for <class '[\w.]*?(\w+)'>")
