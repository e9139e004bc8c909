"""VOTable 1.4 documents: tables of plain values, and the error document of DALI 1.1, section 4.2."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from index.columns import Cell, Column
from uws.markup import add, clean, serialise

__all__ = [
    "CONTENT_TYPE",
    "NAMESPACE",
    "Cell",
    "Column",
    "cell_text",
    "cells_text",
    "document",
    "error",
    "row_text",
    "table",
]

NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"
"""That of 1.4 too: the namespace kept its name."""
CONTENT_TYPE = "application/x-votable+xml"
ROWS = 500
"""In one piece of a document."""
MAX_TEMPLATES = 1000
_TRUTH = {True: "true", False: "false"}

_BETWEEN = "\x1f"
_ROW = "\x1e"
_SPECIAL = re.compile("[^\t\n\r\u001e-%'-;=?-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot carry as it is, or not at all."""


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
    return b"".join(document(name, description, columns, rows, overflow=overflow))


def document(
    name: str,
    description: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    overflow: bool = False,
    status: Callable[[], tuple[str, str] | None] | None = None,
    binary: Callable[[Sequence[Column], Iterable[Sequence[Cell]]], Iterator[bytes]] | None = None,
    page: int = ROWS,
    written: Iterable[str] | None = None,
    infos: Iterable[tuple[str, str]] = (),
    resources: Iterable[etree._Element] = (),
    identified: Collection[str] = (),
) -> Iterator[bytes]:
    """Give the same document as :func:`table` piece by piece, some rows at a time.

    :param status: asked when the rows are out: a value of QUERY_STATUS and its text, None for nothing more to say.
    :param binary: writes the rows in another form than TABLEDATA, as an element with its tags.
    :param page: how many rows are written at once, where neither ``binary`` nor ``written`` is given.
    :param written: the rows as TR elements, instead of ``rows``.
    :param infos: further INFO elements, names and values.
    :param resources: further RESOURCE elements, after the one with the table.
    :param identified: the columns whose FIELD has its name as XML ID too, to be referred to.
    """
    root, resource = _results()
    _info(resource, "QUERY_STATUS", "OK")
    for key, value in infos:
        _info(resource, key, value)
    element = add(resource, "TABLE", name=name)
    add(element, "DESCRIPTION", description)
    for column in columns:
        _field(element, column, identified=column.name in identified)
    add(add(element, "DATA"), "TABLEDATA")
    _info(resource, "QUERY_STATUS", "LATER")
    root.extend(resources)
    head, _, tail = serialise(root).partition(b"<TABLEDATA/>")
    yield head
    if written is not None:
        yield from _rows_written(written)
    else:
        yield from binary(columns, rows) if binary else _tabledata(rows, page)
    said = status() if status else ("OVERFLOW", "") if overflow else None
    before, _, after = tail.partition(b'<INFO name="QUERY_STATUS" value="LATER"/>')
    yield before + (_status(*said) if said else b"") + after


def cells_text(cells: Iterable[Cell]) -> str:
    """Return cells as TD elements."""
    texts = [TEXTS[type(cell)](cell) for cell in cells]
    text = "".join(texts)
    if _is_special(text):
        texts = [escape(clean(cell)) for cell in texts]
    return f"<TD>{'</TD><TD>'.join(texts)}</TD>"


_PLACES: dict[type, str] = {type(None): "%.0s", float: "%r", int: "%d", str: "%s", bool: "%s"}
_templates: dict[tuple[type, ...], str] = {}
"""Rows have few patterns of types."""


def row_text(row: tuple[Cell, ...]) -> str:
    """Return the same as :func:`cells_text`, in half the time for a long row like others."""
    if _is_special("".join([cell for cell in row if type(cell) is str])):
        return cells_text(row)
    types = tuple(map(type, row))
    template = _templates.get(types)
    if template is None:
        if len(_templates) > MAX_TEMPLATES:
            return cells_text(row)
        template = "".join(f"<TD>{_PLACES[each]}</TD>" for each in types)
        _templates[types] = template
    if bool in types:
        row = tuple([_TRUTH[cell] if type(cell) is bool else cell for cell in row])
    return template % row


def _is_special(text: str) -> bool:
    return _SPECIAL.search(text) is not None or _BETWEEN in text or _ROW in text


def _tabledata(rows: Iterable[Sequence[Cell]], page: int) -> Iterator[bytes]:
    yield b"<TABLEDATA>\n"
    left = iter(rows)
    while some := list(islice(left, page)):
        yield _lines(some).encode()
    yield b"</TABLEDATA>"


def _rows_written(lines: Iterable[str]) -> Iterator[bytes]:
    yield b"<TABLEDATA>\n"
    left = iter(lines)
    while some := list(islice(left, ROWS)):
        yield "".join(some).encode()
    yield b"</TABLEDATA>"


def _status(value: str, text: str) -> bytes:
    info = etree.Element("INFO", name="QUERY_STATUS", value=value)
    info.text = clean(text) or None
    return etree.tostring(info)


def _lines(rows: Sequence[Sequence[Cell]]) -> str:
    """Write rows; the whole is looked through at once for what must be escaped, which is rare."""
    cells = [[TEXTS[type(cell)](cell) for cell in row] for row in rows]
    text = _ROW.join(map(_BETWEEN.join, cells))
    whole = text.count(_ROW) == len(rows) - 1 and text.count(_BETWEEN) == sum(len(row) - 1 for row in rows)
    if not whole or _SPECIAL.search(text):
        text = _ROW.join(_BETWEEN.join(escape(clean(cell)) for cell in row) for row in cells)
    body = text.replace(_BETWEEN, "</TD><TD>").replace(_ROW, "</TD></TR>\n<TR><TD>")
    return f"<TR><TD>{body}</TD></TR>\n"


def error(message: str) -> bytes:
    """Return the document that says a request failed, and why."""
    root, resource = _results()
    _info(resource, "QUERY_STATUS", "ERROR").text = clean(message)
    return serialise(root)


def cone_search_error(message: str) -> bytes:
    """Return the same as Simple Cone Search 1.03, section 2.3, has it, which puts an INFO in front (erratum 3)."""
    root, resource = _results()
    said = etree.Element("INFO", ID="Error", name="Error", value=clean(message))
    root.insert(0, said)
    _info(resource, "QUERY_STATUS", "ERROR").text = clean(message)
    return serialise(root)


def _results() -> tuple[etree._Element, etree._Element]:
    root = etree.Element("VOTABLE", {"version": "1.4"}, {None: NAMESPACE})  # type: ignore[dict-item]
    return root, add(root, "RESOURCE", type="results")


def _info(parent: etree._Element, name: str, value: str) -> etree._Element:
    return add(parent, "INFO", name=name, value=value)


def _field(parent: etree._Element, column: Column, *, identified: bool) -> None:
    attributes = ({"ID": column.name} if identified else {}) | {"name": column.name, "datatype": column.datatype}
    if column.is_text:
        attributes["arraysize"] = "*"
    for key in ("unit", "ucd", "utype", "xtype"):
        if getattr(column, key):
            attributes[key] = getattr(column, key)
    add(add(parent, "FIELD", **attributes), "DESCRIPTION", column.description)


TEXTS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: _TRUTH.__getitem__,
    float: repr,
    int: str,
    str: str,
}
"""How each kind of cell is written, in VOTable and in CSV."""


def cell_text(cell: Cell) -> str:
    """Return a cell as text, in VOTable and in CSV; empty for None."""
    return TEXTS[type(cell)](cell)
