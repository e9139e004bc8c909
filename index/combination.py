"""Several shapes as one region: their union, their intersection, one without the other, all but one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from index.errors import RegionError
from index.healpix import MAX_ORDER, SKY_AREA
from index.orders import finest_order, suited_order
from index.shapes import Shape

if TYPE_CHECKING:
    from mocpy import MOC

MAX_PARTS = 300
"""Shapes in one region."""
MAX_DEPTH = 32
"""Regions in one another."""

_OPERATIONS: dict[str, Callable[[MOC, MOC], MOC]] = {
    "union": lambda a, b: a.union(b),
    "intersection": lambda a, b: a.intersection(b),
    "difference": lambda a, b: a.difference(b),
}
OPERATIONS = (*_OPERATIONS, "not")


@dataclass(frozen=True)
class Combination:
    """A union or intersection of parts, a difference of two, or what is not one.

    Each shape is cut into cells of the order that suits it, so that small ones beside large ones are as good as
    alone; what lies at the border of a shape taken away is in doubt by a cell.
    """

    name: ClassVar[str] = "compound"

    operation: str
    parts: tuple[Shape, ...]

    @classmethod
    def of(cls, operation: str, parts: list[Shape]) -> Shape:
        """Give a sound combination; the union or intersection of one is that one. Raises RegionError."""
        if operation == "not" and len(parts) != 1:
            raise RegionError(f"Not takes one region, not {len(parts)}")
        if operation == "difference" and len(parts) != 2:
            raise RegionError(f"Difference takes two regions, not {len(parts)}")
        if not parts:
            raise RegionError(f"{operation.capitalize()} takes at least one region, not 0")
        if operation in ("union", "intersection") and len(parts) == 1:
            return parts[0]
        combination = cls(operation, tuple(parts))
        if combination.depth > MAX_DEPTH:
            raise RegionError(f"regions can lie at most {MAX_DEPTH} deep in one another, not {combination.depth}")
        if len(combination.shapes) > MAX_PARTS:
            raise RegionError(f"a region can have at most {MAX_PARTS} shapes, not {len(combination.shapes)}")
        return combination

    @cached_property
    def depth(self) -> int:
        """How deep the parts lie in one another."""
        return 1 + max(part.depth if isinstance(part, Combination) else 0 for part in self.parts)

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """All shapes that are no combination."""
        return tuple(self._shapes())

    def _shapes(self) -> Iterator[Shape]:
        for part in self.parts:
            if isinstance(part, Combination):
                yield from part.shapes
            else:
                yield part

    @property
    def corners(self) -> int:
        """Of all shapes."""
        return sum(shape.corners for shape in self.shapes)

    @property
    def perimeter(self) -> float:
        """Of all shapes, degrees."""
        return sum(shape.perimeter for shape in self.shapes)

    @property
    def area(self) -> float:
        """Square degrees, of the cells."""
        return float(self._suited[1].sky_fraction) * SKY_AREA

    @property
    def finest_order(self) -> int:
        """The finest order that all shapes can be built at."""
        return min(finest_order(shape, len(self.shapes)) for shape in self.shapes)

    def as_dict(self) -> dict[str, Any]:
        """Give the operation and the parts, each with its shape and its numbers."""
        return {
            "operation": self.operation,
            "parts": [{"shape": part.name, **part.as_dict()} for part in self.parts],
        }

    def build(self, order: int) -> MOC:
        """Give the cells; at ``self.order``, each shape has the order that suits it."""
        return self._suited[1] if order == self.order else self._build({id(shape): order for shape in self.shapes})

    def _orders(self, least: int) -> list[int]:
        """Give the order of each shape: the one that suits it, or at least that, as long as it can be had."""
        return [
            min(max(suited_order(shape.area, shape.perimeter), least), finest_order(shape, len(self.shapes)))
            for shape in self.shapes
        ]

    def _at(self, orders: list[int]) -> MOC:
        return self._build(dict(zip(map(id, self.shapes), orders, strict=True)))

    @property
    def order(self) -> int:
        """Of the finest cells."""
        return max(self._suited[0])

    @cached_property
    def _suited(self) -> tuple[list[int], MOC]:
        """The order of each shape, and the cells; what remains of large shapes can be narrow and ask for finer ones."""
        orders = self._orders(0)
        moc = self._at(orders)
        if self.operation == "union" and len(self.shapes) == len(self.parts):
            return orders, moc
        remains = float(moc.sky_fraction) * SKY_AREA
        finer = self._orders(suited_order(remains, self.perimeter) if remains else MAX_ORDER)
        return (orders, moc) if finer == orders else (finer, self._at(finer))

    def _build(self, orders: dict[int, int]) -> MOC:
        mocs = [
            part._build(orders) if isinstance(part, Combination) else part.build(orders[id(part)])
            for part in self.parts
        ]
        if self.operation == "not":
            return mocs[0].complement()
        whole = mocs[0]
        for moc in mocs[1:]:
            whole = _OPERATIONS[self.operation](whole, moc)
        return whole
