"""The geometry of ADQL: which of its predicates are arithmetic, and which the index answers.

A point in a circle is arithmetic on any columns. What involves the coverage of a dataset, or a polygon, is answered
before the query runs: as the keys of the rows for which it is true or, where both sides have rows, as pairs of keys.
The query then joins these. So a cone on 42,000 coverages costs what the index takes, not a look at each row.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from sqlglot import exp

from index.errors import CoverageError
from index.query import Relation
from index.region import Region
from uws.tap.errors import QueryError
from uws.tap.names import GEOMETRY, OF_GEOMETRY, PREDICATES
from uws.tap.published import Table

MAX_SHOWN = 200
"""Characters of a region in a message."""
KEY = "__key"
"""The name under which the key of a table is known in the query that runs; no query can write it."""

_SYSTEMS = ("", "ICRS")
NO_RADIUS = 1e-7
"""Degrees: the radius of a point where the index is asked with a circle."""
_SMALL = exp.Literal.number(repr(NO_RADIUS))


@dataclass(frozen=True)
class Point:
    """A position, of any expressions."""

    ra: exp.Expr
    dec: exp.Expr


@dataclass(frozen=True)
class Circle:
    """A circle, of any expressions."""

    centre: Point
    radius: exp.Expr


@dataclass(frozen=True)
class Coverage:
    """The coverage of the rows of a table, under its name in the query."""

    alias: str
    table: Table


Geometry: TypeAlias = Point | Circle | Region | Coverage


@dataclass(frozen=True)
class Positions:
    """The position of each row of a table, by two of its columns, with a radius where it is a circle."""

    table: Table
    ra: str
    dec: str
    radius: str | float
    """A column, or degrees."""


@dataclass(frozen=True)
class Rows:
    """The rows of one table for which a predicate on a fixed region is true.

    :param relation: ``overlaps``, ``contains`` or ``inside``, as in :mod:`index.query`.
    """

    name: str
    of: Table | Positions
    """A table with a coverage, or positions."""
    region: Region
    relation: Relation


@dataclass(frozen=True)
class Pairs:
    """The rows of a table with positions, each with the rows of a table with coverages that it touches."""

    name: str
    positions: Positions
    table: Table
    relation: Relation


Question: TypeAlias = Rows | Pairs

Known: TypeAlias = Callable[[exp.Column], tuple[str, Table] | None]
"""Finds the published table that a column comes from straight, and the name it has in the query."""


class Rewriter:
    """Puts arithmetic and joins in the place of geometry, and collects what the index is to be asked.

    :param by_list: whether pairs are joined by a list for each row, which SQLite is quick with; PostgreSQL is with an
        EXISTS.
    """

    def __init__(self, known: Known, *, by_list: bool) -> None:
        self._known = known
        self._by_list = by_list
        self.questions: list[Question] = []

    def rewrite(self, tree: exp.Expr) -> None:
        """Rewrite all geometry in a query, in place.

        :raises QueryError: a region is not sound, or a combination of geometries cannot be answered.
        """
        for test in list(tree.find_all(exp.EQ)):
            if found := _test_of(test):
                predicate, wanted = found
                condition = self._condition(predicate)
                test.replace(condition if wanted else exp.not_(condition))
        for node in [found for found in tree.find_all(exp.Anonymous) if found.this in OF_GEOMETRY]:
            node.replace(self._value(node))
        for node in tree.find_all(exp.Anonymous):
            if node.this in GEOMETRY:
                raise QueryError(f"{node.this}(...) can stand only in {', '.join(OF_GEOMETRY)}")

    # ------------------------------------------------------------------ values

    def _value(self, node: exp.Anonymous) -> exp.Expr:
        name, given = str(node.this), node.expressions
        if name in PREDICATES:
            one, none = exp.Literal.number(1), exp.Literal.number(0)
            return exp.Case(ifs=[exp.If(this=self._condition(node), true=one)], default=none)
        if name == "DISTANCE":
            return _distance(*self._two_points(given))
        if name == "COORDSYS":
            return exp.Literal.string("ICRS")
        if name == "AREA":
            return self._area(self._geometry(given[0]))
        point = self._geometry(given[0])
        if not isinstance(point, Point):
            raise QueryError(f"{name} takes a POINT")
        return (point.ra if name == "COORD1" else point.dec).copy()

    def _two_points(self, given: list[exp.Expr]) -> tuple[Point, Point]:
        if len(given) == 4:
            return Point(given[0], given[1]), Point(given[2], given[3])
        points = [self._geometry(item) for item in given]
        if len(points) != 2 or not all(isinstance(point, Point) for point in points):
            raise QueryError("DISTANCE takes two POINTs, or four numbers")
        return points[0], points[1]  # type: ignore[return-value]

    def _area(self, geometry: Geometry) -> exp.Expr:
        if isinstance(geometry, Region):
            return exp.Literal.number(repr(geometry.geometry.area))
        if isinstance(geometry, Circle):  # 4 pi sin^2(r/2), in square degrees
            half = exp.Sin(this=_radians(_half(geometry.radius)))
            return exp.Mul(this=exp.Literal.number("41252.96124941927"), expression=_square(half))
        raise QueryError("AREA takes a CIRCLE, BOX, POLYGON or REGION")

    # ------------------------------------------------------------------ predicates

    def _condition(self, node: exp.Anonymous) -> exp.Expr:
        """Return a predicate as a condition."""
        first, second = (self._geometry(item) for item in node.expressions)
        if node.this == "CONTAINS":
            return self._contains(first, second)
        if isinstance(second, Point):
            first, second = second, first
        return self._intersects(first, second)

    def _contains(self, inner: Geometry, outer: Geometry) -> exp.Expr:
        if isinstance(outer, Point):
            raise QueryError("CONTAINS takes the region second: CONTAINS(POINT(...), CIRCLE(...))")
        if isinstance(inner, Point):
            return self._intersects(inner, outer)
        if isinstance(inner, Circle) and isinstance(outer, Circle):
            reach = exp.Sub(this=exp.Paren(this=outer.radius.copy()), expression=exp.Paren(this=inner.radius.copy()))
            return exp.LTE(this=_distance(inner.centre, outer.centre), expression=reach)
        if isinstance(inner, Coverage) and (region := self._fixed(outer)):
            return self._rows(inner, region, "inside")
        if isinstance(outer, Coverage) and (region := self._fixed(inner)):
            return self._rows(outer, region, "contains")
        if isinstance(outer, Coverage) and isinstance(inner, Circle):
            return self._pairs(inner.centre, inner.radius, outer, "contains")
        raise QueryError(f"CONTAINS cannot be answered for {_kind(inner)} in {_kind(outer)}")

    def _intersects(self, first: Geometry, second: Geometry) -> exp.Expr:
        if isinstance(second, Circle) and isinstance(first, Point | Circle):
            return self._near(first, second)
        if isinstance(first, Point) and isinstance(second, Region):
            return self._in_region(first, second)
        coverage, other = (first, second) if isinstance(first, Coverage) else (second, first)
        if isinstance(coverage, Coverage) and not isinstance(other, Coverage):
            if isinstance(other, Point):
                other = Circle(other, _SMALL)
            if region := self._fixed(other):
                return self._rows(coverage, region, "overlaps")
            if isinstance(other, Circle):
                return self._pairs(other.centre, other.radius, coverage, "overlaps")
        raise QueryError(f"INTERSECTS cannot be answered for {_kind(first)} and {_kind(second)}")

    def _near(self, first: Point | Circle, second: Circle) -> exp.Expr:
        if isinstance(first, Point):
            return _within(first, second.centre, second.radius)
        reach = exp.Add(this=exp.Paren(this=first.radius.copy()), expression=exp.Paren(this=second.radius.copy()))
        return _within(first.centre, second.centre, reach)

    def _in_region(self, point: Point, region: Region) -> exp.Expr:
        alias, positions = self._positions(point, exp.Literal.number("0"))
        name = self._name()
        self.questions.append(Rows(name, positions, region, "inside"))
        return _member(alias, name)

    def _rows(self, coverage: Coverage, region: Region, relation: Relation) -> exp.Expr:
        name = self._name()
        self.questions.append(Rows(name, coverage.table, region, relation))
        return _member(coverage.alias, name)

    def _pairs(self, centre: Point, radius: exp.Expr, coverage: Coverage, relation: Relation) -> exp.Expr:
        alias, positions = self._positions(centre, radius)
        name = self._name()
        self.questions.append(Pairs(name, positions, coverage.table, relation))
        first = exp.EQ(this=_column("first", name), expression=_column(KEY, alias))
        if self._by_list:
            of_row = exp.select(_column("second", name)).from_(name).where(first)
            return exp.In(this=_column(KEY, coverage.alias), query=exp.Subquery(this=of_row))
        second = exp.EQ(this=_column("second", name), expression=_column(KEY, coverage.alias))
        return exp.Exists(this=exp.select("1").from_(name).where(exp.and_(first, second)))

    def _positions(self, point: Point, radius: exp.Expr) -> tuple[str, Positions]:
        """Return the rows that a position belongs to: it must be two columns of one table that has a key."""
        fixed = _number(radius)
        parts = [point.ra, point.dec, *([] if fixed is not None else [radius])]
        columns = [part for part in parts if isinstance(part, exp.Column)]
        found = [origin for column in columns if (origin := self._known(column)) and origin[1].key]
        if len(found) != len(parts) or len({alias for alias, _ in found}) != 1:
            raise QueryError(
                "in a geometry that is held against s_region or a polygon, position and radius must be columns of one "
                "published or uploaded table, in ICRS; or all of them numbers"
            )
        alias, table = found[0]
        ra, dec, *rest = (column.name for column in columns)
        return alias, Positions(table, ra, dec, fixed if fixed is not None else rest[0])

    def _name(self) -> str:
        return f"geometry_{len(self.questions) + 1}"

    # ------------------------------------------------------------------ geometries

    def _geometry(self, node: exp.Expr) -> Geometry:
        """Read an expression as a geometry."""
        if isinstance(node, exp.Paren):
            return self._geometry(node.this)
        if isinstance(node, exp.Column):
            found = self._known(node)
            if found is None or found[1].coverage != node.name:
                raise QueryError(f"{node.name} is not a geometry that the index knows; that of a dataset is s_region")
            return Coverage(*found)
        if not isinstance(node, exp.Anonymous) or node.this not in GEOMETRY:
            raise QueryError(f"a geometry is wanted: one of {', '.join(GEOMETRY)}, or the column s_region")
        if node.this == "CENTROID":
            return self._centroid(self._geometry(node.expressions[0]))
        if node.this in ("POINT", "CIRCLE"):
            values = self._values(node)
            if values is not None:
                self._fixed(values if isinstance(values, Circle) else Circle(values, _SMALL))  # if it can be
                return values
        return _region(node)

    def _values(self, node: exp.Anonymous) -> Point | Circle | None:
        """Return a POINT or CIRCLE in ICRS, None for one in another frame."""
        given = list(node.expressions)
        if isinstance(given[0], exp.Literal) and given[0].is_string:
            system = given.pop(0).name.split()
            if (system[0].upper() if system else "") not in _SYSTEMS:
                return None
        if node.this == "POINT":
            if len(given) != 2:
                raise QueryError("POINT takes a right ascension and a declination")
            return Point(*given)
        if len(given) == 2:
            centre = self._geometry(given[0])
            if not isinstance(centre, Point):
                raise QueryError("CIRCLE takes a centre and a radius")
            return Circle(centre, given[1])
        if len(given) != 3:
            raise QueryError("CIRCLE takes a right ascension, a declination and a radius")
        return Circle(Point(given[0], given[1]), given[2])

    def _centroid(self, geometry: Geometry) -> Point:
        if isinstance(geometry, Point):
            return geometry
        if isinstance(geometry, Circle):
            return geometry.centre
        raise QueryError("CENTROID takes a CIRCLE")

    def _fixed(self, geometry: Geometry) -> Region | None:
        """Return a geometry of nothing but numbers as a region."""
        if isinstance(geometry, Region):
            return geometry
        if isinstance(geometry, Circle):
            numbers = [_number(part) for part in (geometry.centre.ra, geometry.centre.dec, geometry.radius)]
            if None not in numbers:
                return _parse("CIRCLE " + " ".join(map(repr, numbers)))
        return None


def _test_of(node: exp.EQ) -> tuple[exp.Anonymous, bool] | None:
    """Return the predicate of ``1 = CONTAINS(...)`` or ``CONTAINS(...) = 0``, and whether it is to be true."""
    for one, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(one, exp.Anonymous) and one.this in PREDICATES and _number(other) in (0.0, 1.0):
            return one, _number(other) == 1.0
    return None


def _number(node: exp.Expr) -> float | None:
    """Return the value of an expression of numbers, None if there is anything else in it."""
    found: float | None = None
    if isinstance(node, exp.Paren):
        found = _number(node.this)
    elif isinstance(node, exp.Neg):
        value = _number(node.this)
        found = None if value is None else -value
    elif isinstance(node, exp.Literal) and not node.is_string:
        found = float(node.name)
    elif isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div):
        left, right = _number(node.left), _number(node.right)
        if left is not None and right is not None:
            if isinstance(node, exp.Div) and right == 0:
                raise QueryError("a number of a geometry is divided by 0")
            found = _OPERATIONS[type(node)](left, right)
    return found


_OPERATIONS: dict[type[exp.Expr], Callable[[float, float], float]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: operator.truediv,
}


def _region(node: exp.Anonymous) -> Region:
    """Read a geometry of nothing but numbers, in any frame."""
    words = []
    for item in _flat(node):
        number = _number(item)
        if number is not None:
            words.append(repr(number))
        elif isinstance(item, exp.Literal):
            words.append(item.sql())
        else:
            raise QueryError(f"{node.this}(...) takes numbers here, not {item.sql()}")
    return _parse(f"{node.this}({', '.join(words)})")


def _flat(node: exp.Anonymous) -> list[exp.Expr]:
    """Return the arguments, those of a POINT in its place; its frame stands first."""
    frames: list[exp.Expr] = []
    values: list[exp.Expr] = []
    for item in node.expressions:
        inner = item.expressions if isinstance(item, exp.Anonymous) and item.this == "POINT" else [item]
        for value in inner:
            (frames if isinstance(value, exp.Literal) and value.is_string else values).append(value)
    return frames[:1] + values


def _parse(text: str) -> Region:
    try:
        return Region.parse(text)
    except CoverageError as error:
        shown = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."
        raise QueryError(f"{shown}: {str(error).replace(text, shown)[:1000]}") from error


def _kind(geometry: Geometry) -> str:
    return {Point: "a point", Circle: "a circle of columns", Region: "a region", Coverage: "s_region"}[type(geometry)]


# ---------------------------------------------------------------------- expressions


def _column(name: str, table: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(table, quoted=True))


def _member(alias: str, name: str) -> exp.Expr:
    return exp.In(this=_column(KEY, alias), query=exp.Subquery(this=exp.select(_column("first", name)).from_(name)))


def _radians(node: exp.Expr) -> exp.Expr:
    return exp.func("RADIANS", exp.Paren(this=node.copy()))


def _half(node: exp.Expr) -> exp.Expr:
    return exp.Div(this=exp.Paren(this=node.copy()), expression=exp.Literal.number("2.0"))


def _square(node: exp.Expr) -> exp.Expr:
    return exp.func("POWER", node, exp.Literal.number(2))


def _distance(first: Point, second: Point) -> exp.Expr:
    """Return the angle between two positions in degrees, by the haversine formula, exact for small ones too."""

    def difference(one: exp.Expr, other: exp.Expr) -> exp.Expr:
        return exp.Paren(this=exp.Sub(this=exp.Paren(this=one.copy()), expression=exp.Paren(this=other.copy())))

    def half_sine(one: exp.Expr, other: exp.Expr) -> exp.Expr:
        return _square(exp.func("SIN", _radians(_half(difference(one, other)))))

    cosines = exp.Mul(this=exp.func("COS", _radians(first.dec)), expression=exp.func("COS", _radians(second.dec)))
    along = exp.Mul(this=cosines, expression=half_sine(first.ra, second.ra))
    total = exp.Add(this=half_sine(first.dec, second.dec), expression=along)
    sine = exp.func("SQRT", exp.Least(this=exp.Literal.number("1.0"), expressions=[total]))
    return exp.Mul(this=exp.Literal.number("2.0"), expression=exp.func("DEGREES", exp.func("ASIN", sine)))


def _within(point: Point, centre: Point, radius: exp.Expr) -> exp.Expr:
    """Say that a point is at most so far from another; the declination is looked at first, because it is cheap."""
    north = exp.Add(this=exp.Paren(this=centre.dec.copy()), expression=exp.Paren(this=radius.copy()))
    south = exp.Sub(this=exp.Paren(this=centre.dec.copy()), expression=exp.Paren(this=radius.copy()))
    near = exp.Between(this=exp.Paren(this=point.dec.copy()), low=south, high=north)
    return exp.Paren(
        this=exp.and_(near, exp.LTE(this=_distance(point, centre), expression=exp.Paren(this=radius.copy())))
    )
