"""VOTable 1.4 documents: tables of plain values, and the error document of DALI 1.1, section 4.2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from uws.markup import add, clean, serialise

NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"
"""That of 1.4 too: the namespace kept its name."""
CONTENT_TYPE = "application/x-votable+xml"

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Column:
    """A column: what VOTable calls a FIELD."""

    name: str
    datatype: Literal["char", "unicodeChar", "int", "long", "double", "boolean"]
    description: str
    unit: str = ""
    ucd: str = ""
    utype: str = ""


def table(
    name: str,
    description: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    overflow: bool = False,
) -> bytes:
    """Return a document with one table, and QUERY_STATUS OK; a cell of None is left empty.

    :param overflow: whether there are more rows than were wanted (DALI 1.1, section 4.4.1).
    """
    root, resource = _results()
    _info(resource, "QUERY_STATUS", "OK")
    element = add(resource, "TABLE", name=name)
    add(element, "DESCRIPTION", description)
    for column in columns:
        _field(element, column)
    data = add(add(element, "DATA"), "TABLEDATA")
    for row in rows:
        line = add(data, "TR")
        for cell in row:
            add(line, "TD", cell_text(cell))
    if overflow:
        _info(resource, "QUERY_STATUS", "OVERFLOW")
    return serialise(root)


def error(message: str) -> bytes:
    """Return the document that says a request failed, and why."""
    root, resource = _results()
    _info(resource, "QUERY_STATUS", "ERROR").text = clean(message)
    return serialise(root)


def _results() -> tuple[etree._Element, etree._Element]:
    root = etree.Element("VOTABLE", {"version": "1.4"}, {None: NAMESPACE})  # type: ignore[dict-item]
    return root, add(root, "RESOURCE", type="results")


def _info(parent: etree._Element, name: str, value: str) -> etree._Element:
    return add(parent, "INFO", name=name, value=value)


def _field(parent: etree._Element, column: Column) -> None:
    attributes = {"name": column.name, "datatype": column.datatype}
    if column.datatype in ("char", "unicodeChar"):
        attributes["arraysize"] = "*"
    for key in ("unit", "ucd", "utype"):
        if getattr(column, key):
            attributes[key] = getattr(column, key)
    add(add(parent, "FIELD", **attributes), "DESCRIPTION", column.description)


def cell_text(cell: Cell) -> str:
    """Return a cell as text, in VOTable and in CSV; empty for None."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return repr(cell) if isinstance(cell, float) else str(cell)
