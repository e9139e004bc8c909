"""What the columns of a result are: their types, and the units and meanings of what they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from index.columns import Column, Datatype
from uws.tap.errors import QueryError
from uws.tap.names import GEOMETRY, PREDICATES
from uws.tap.published import Published

CASTS: dict[str, Datatype] = {
    **{"SMALLINT": "short", "INT": "int", "BIGINT": "long", "FLOAT": "double", "DOUBLE": "double"},
    **{"CHAR": "unicodeChar", "VARCHAR": "unicodeChar", "TEXT": "unicodeChar"},
}
"""The types that CAST can make."""
_WHOLE = {"short", "int", "long"}
_TEXT = {"char", "unicodeChar"}


class Types:
    """Finds out what each column of a result is."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._known: dict[int, list[Column]] = {}

    def of_query(self, query: exp.Expr) -> list[Column]:
        while isinstance(query, exp.Subquery):
            query = query.this
        if id(query) not in self._known:  # each column of a WITH asks again, and so on from one to the next
            self._known[id(query)] = self._of_query(query)
        return self._known[id(query)]

    def _of_query(self, query: exp.Expr) -> list[Column]:
        if isinstance(query, exp.SetOperation):
            return self._of_both(query)
        assert isinstance(query, exp.Select)  # noqa: S101 - ADQL has no other
        found = []
        for item in query.selects:
            column = self.of(item.unalias(), query)
            name = item.alias_or_name
            same = isinstance(item.unalias(), exp.Column) and column.name.lower() == name.lower()
            found.append(column if same else replace(column, name=name))
        return found

    def _of_both(self, query: exp.SetOperation) -> list[Column]:
        what = query.key.upper()
        left, right = self.of_query(query.left), self.of_query(query.right)
        if len(left) != len(right):
            raise QueryError(f"{what} is of {len(left)} columns on one side and of {len(right)} on the other")
        found = []
        for one, other in zip(left, right, strict=True):
            datatype = _common(f"column {one.name} of {what}", (one.datatype, other.datatype))
            same = one.datatype == other.datatype
            found.append(one if same else Column(one.name, datatype, "", unit=one.unit))
        return found

    def of(self, node: exp.Expr, scope: exp.Select) -> Column:
        """Give name, type, unit and meaning of an expression; a computed one has only a type, and at times a unit."""
        if isinstance(node, exp.Paren):
            found = self.of(node.this, scope)
        elif isinstance(node, exp.Column):
            found = self._of_column(node, scope)
        elif isinstance(node, exp.Subquery):
            found = self.of_query(node)[0]
        elif isinstance(node, exp.Min | exp.Max | exp.Neg | exp.Coalesce | exp.Sum | exp.Avg):
            inner = self.of(node.this, scope)
            datatype = _of_aggregate(node, inner.datatype)
            if isinstance(node, exp.Coalesce):
                others = [
                    self.of(other, scope).datatype for other in node.expressions if not isinstance(other, exp.Null)
                ]
                datatype = _common("COALESCE", (datatype, *others))
            found = Column("", datatype, "", unit=inner.unit)
        else:
            found = Column("", self._type(node, scope), "")
        return found

    def _of_column(self, node: exp.Column, scope: exp.Select) -> Column:
        select: exp.Expr | None = scope
        while select is not None:
            for source in _sources(select):
                if source.alias_or_name == node.table:
                    return self._in_source(node, source)
            select = select.parent_select  # a correlated subquery sees the tables around it
        raise QueryError(f"there is no table {node.table} for the column {node.name}")

    def _in_source(self, node: exp.Column, source: exp.Expr) -> Column:
        if isinstance(source, exp.Table):
            if source.db:
                table = self._published.find(source.db, source.name)
                return next(column for column in table.columns if column.name.lower() == node.name)
            query: exp.Expr = _cte(source)
        else:
            query = source
        return next(column for column in self.of_query(query) if column.name.lower() == node.name)

    def _type(self, node: exp.Expr, scope: exp.Select) -> Datatype:
        found: Datatype = "int"
        if isinstance(node, exp.Literal):
            found = _of_literal(node)
        elif isinstance(node, exp.Cast):
            found = CASTS[node.to.this.value]
        elif isinstance(node, exp.Count):
            found = "long"
        elif isinstance(node, exp.Anonymous):
            found = _of_function(str(node.this))
        elif isinstance(node, exp.DPipe | exp.Null):
            found = "unicodeChar"
        elif isinstance(node, exp.BitwiseNot):
            found = self.of(node.this, scope).datatype
        elif isinstance(node, exp.Binary) and not isinstance(node, exp.Predicate | exp.Connector):
            both = {self.of(side, scope).datatype for side in (node.left, node.right)}
            small = both <= _WHOLE - {"long"} and not isinstance(node, exp.Add | exp.Sub | exp.Mul)
            found = "int" if small else "long" if both <= _WHOLE else "double"
        return found


def _common(what: str, datatypes: Sequence[Datatype]) -> Datatype:
    """Return the type that takes the values of all of these."""
    if len(set(datatypes)) == 1:
        return datatypes[0]
    if not _TEXT.isdisjoint(datatypes):
        if not _TEXT.issuperset(datatypes):
            raise QueryError(f"{what} is a number in one place and a text in another")
        return "unicodeChar"
    return "long" if _WHOLE.issuperset(datatypes) else "double"


def _of_literal(node: exp.Literal) -> Datatype:
    if node.is_string:
        return "unicodeChar"
    return ("int" if len(node.name) < 10 else "long") if node.name.isdigit() else "double"


def _of_aggregate(node: exp.Expr, inner: Datatype) -> Datatype:
    if isinstance(node, exp.Avg | exp.Sum | exp.Neg) and inner in _TEXT:
        raise QueryError(f"{node.key.upper()} takes numbers, and not a text")
    if isinstance(node, exp.Avg):
        return "double"
    if isinstance(node, exp.Sum):
        return "long" if inner in _WHOLE else "double"
    return inner


def _of_function(name: str) -> Datatype:
    if name in ("LOWER", "UPPER", "COORDSYS"):
        return "unicodeChar"
    if name in GEOMETRY:
        raise QueryError(f"{name}(...) cannot be a column of the result; its coordinates can")
    return "int" if name in PREDICATES else "double"


def _sources(select: exp.Expr) -> Iterator[exp.Expr]:
    from_ = select.args.get("from_") or select.args.get("from")
    if from_ is not None:
        yield from _joined(from_.this)
    for join in select.args.get("joins") or ():
        yield from _joined(join.this)


def _joined(source: exp.Expr) -> Iterator[exp.Expr]:
    yield source
    for join in source.args.get("joins") or ():
        yield from _joined(join.this)


def _cte(table: exp.Table) -> exp.Expr:
    node: exp.Expr | None = table
    while node is not None:
        found = node.args.get("with_") or node.args.get("with")
        for cte in found.expressions if found is not None else ():
            if cte.alias == table.name:
                return cte.this  # type: ignore[no-any-return]
        node = node.parent
    raise QueryError(f"there is no table {table.name}")
