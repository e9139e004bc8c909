"""What is looked at in a stranger's VOTable before a library reads it: that this takes bounded time and memory.

The file is gone through once by expat, which keeps nothing of it: no document type, no data elsewhere or in another
form, few columns, rows and elements, none of them long or deep. What a field says its texts are long is reserved for
each row, so rows are counted, those of a binary stream too, and what they will take is known before it is taken.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from uws.tap.errors import QueryError

MAX_ROWS = 100_000
MAX_COLUMNS = 200
MAX_CELLS = 2_000_000
MAX_MEMORY = 128 * 2**20
"""Bytes that are reserved for the rows of a table."""
MAX_ELEMENTS = 20_000
"""Elements beside rows and cells."""
MAX_DEPTH = 50
MAX_MARKUP = 2**20
"""Bytes of a tag with its attributes, or of a comment."""
MAX_TEXT = 2**20
"""Characters of a text, such as a cell. A library holds a text several times over while it reads it; a query could not
have a longer one in its result anyway."""

SIZES = {"unsignedByte": 1, "short": 2, "int": 4, "long": 8, "boolean": 1, "float": 4, "double": 8}
"""Bytes of each type of one value in a binary stream."""
TEXTS = {"char": 1, "unicodeChar": 2}
"""The same of a character."""
TYPES = (*SIZES, *TEXTS)

_ROWS = ("TR", "TD")
_PIECE = 2**16
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PK\x03\x04")
_LENGTH = struct.Struct(">i")
_IN_MEMORY = 4
"""Bytes that are reserved for each character of a text."""


def screen(path: Path) -> None:
    """Go through a file.

    :raises QueryError: it is no VOTable, or one that is not read; says why.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    watch = _Watch()
    parser.StartDoctypeDeclHandler = watch.doctype
    parser.StartElementHandler = watch.start
    parser.EndElementHandler = watch.end
    parser.CharacterDataHandler = watch.text
    sent = 0
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                if not sent and piece.startswith(_COMPRESSED):
                    raise QueryError("it is compressed; a VOTable is taken as it is when it has been unpacked")
                parser.Parse(piece, False)
                sent += len(piece)
                if sent - parser.CurrentByteIndex > MAX_MARKUP:
                    raise QueryError(f"one of its tags or comments has more than {MAX_MARKUP} bytes")
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: an encoding that is none
        raise QueryError(f"it is no VOTable: {error}") from error


@dataclass(frozen=True)
class Field:
    """A column, as it lies in a binary stream and in memory."""

    datatype: str
    length: int | None = None
    """Characters of a text, None where each text has its own."""
    prefixed: bool = False
    """Whether the stream says the length of each text."""

    @property
    def size(self) -> int:
        """Bytes of a cell in a stream, of each character where the stream says how many."""
        if self.datatype in SIZES:
            return SIZES[self.datatype]
        return TEXTS[self.datatype] * (1 if self.prefixed else self.length or 0)

    @property
    def reserved(self) -> int:
        """Bytes of memory for each row; a text of its own length takes what it is long."""
        return 8 if self.datatype in SIZES else _IN_MEMORY * (self.length or 16)


class _Watch:
    """Counts what there is, and ends where it is too much."""

    def __init__(self) -> None:
        self._fields: list[Field] = []
        self._columns = self._rows = self._cells = self._elements = self._depth = 0
        self._told_rows = 0
        self._in_row = self._characters = 0
        self._stream: list[str] | None = None
        self._actions = {
            **{"TR": self._add_row, "TD": self._add_cell, "TABLE": self._begin_table, "FIELD": self._add_field},
            **{"PARAM": self._refuse_array, "DATA": self._begin_data, "STREAM": self._begin_stream},
            **dict.fromkeys(("FITS", "PARQUET"), self._refuse_foreign),
        }

    def doctype(self, *_: object) -> None:
        raise QueryError("a VOTable with a document type or entities is not read")

    def start(self, tag: str, given: dict[str, str]) -> None:
        kind = tag.rpartition(":")[2]
        self._characters = 0
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise QueryError(f"it has more than {MAX_DEPTH} elements in one another")
        if kind not in _ROWS:
            self._elements += 1
            if self._elements > MAX_ELEMENTS:
                raise QueryError(f"it has more than {MAX_ELEMENTS} elements beside rows and cells")
        if action := self._actions.get(kind):
            action(given)

    def end(self, tag: str) -> None:
        self._characters = 0
        self._depth -= 1
        kind = tag.rpartition(":")[2]
        if kind in ("BINARY", "BINARY2") and self._stream is not None:
            try:
                raw = base64.b64decode("".join(self._stream).encode("ascii"))
            except (binascii.Error, UnicodeEncodeError) as error:
                raise QueryError(f"its {kind} is not base64: {error}") from error
            self._stream = None
            self._add_rows(count(raw, self._fields, flagged=kind == "BINARY2"))

    def text(self, text: str) -> None:
        if self._stream is not None:
            self._stream.append(text)
            return
        self._characters += len(text)
        if self._characters > MAX_TEXT:
            raise QueryError(f"one of its texts has more than {MAX_TEXT} characters")

    def _begin_table(self, given: dict[str, str]) -> None:
        self._fields = []
        told = given.get("nrows", "0").strip()
        if not re.fullmatch(r"[0-9]{1,9}", told, re.ASCII) or int(told) > MAX_ROWS:
            raise QueryError(f"it says that it has {told[:40]} rows; {MAX_ROWS} are allowed")
        self._told_rows = int(told)

    def _add_row(self, _: dict[str, str]) -> None:
        self._in_row = 0
        self._add_rows(1)

    def _add_cell(self, _: dict[str, str]) -> None:
        self._in_row += 1
        if self._in_row > len(self._fields):
            raise QueryError(f"row {self._rows} has more cells than there are columns ({len(self._fields)})")

    def _begin_data(self, _: dict[str, str]) -> None:
        self._refuse_large(self._told_rows)

    def _refuse_array(self, given: dict[str, str]) -> None:
        if not re.fullmatch(r"[0-9]{0,4}\*?", length := given.get("arraysize", "1"), re.ASCII):
            raise QueryError(f"a PARAM has the arraysize {length[:40]}; up to 9999 is allowed")

    def _refuse_foreign(self, _: dict[str, str]) -> None:
        raise QueryError("TABLEDATA, BINARY and BINARY2 are read, and data in no other form")

    def _add_field(self, given: dict[str, str]) -> None:
        self._columns += 1
        if self._columns > MAX_COLUMNS:
            raise QueryError(f"it has more than {MAX_COLUMNS} columns")
        name, datatype = given.get("name", "")[:64], given.get("datatype", "")
        if datatype not in TYPES:
            raise QueryError(f"column {name} is of the type {datatype[:40]!r}; allowed are {', '.join(TYPES)}")
        length = given.get("arraysize", "1")
        if not re.fullmatch(r"\*|[0-9]{1,5}\*?" if datatype in TEXTS else r"1?", length, re.ASCII):
            raise QueryError(
                f"column {name} has the arraysize {length[:40]}; one value or text for each row is allowed"
            )
        number = length.removesuffix("*")
        self._fields.append(Field(datatype, int(number) if number else None, length.endswith("*")))

    def _begin_stream(self, given: dict[str, str]) -> None:
        if "href" in given:
            raise QueryError("the data must be in the VOTable, not elsewhere")
        if (encoding := given.get("encoding", "")) != "base64":
            raise QueryError(f"its STREAM has the encoding {encoding[:40]!r}; base64 is allowed")
        self._stream = []

    def _add_rows(self, number: int) -> None:
        self._rows += number
        if self._rows > MAX_ROWS:
            raise QueryError(f"it has more than {MAX_ROWS} rows")
        self._cells += number * len(self._fields)
        if self._cells > MAX_CELLS:
            raise QueryError(f"it has more than {MAX_CELLS} cells in all its rows")
        if number > 1 or self._rows % 1000 == 0:
            self._refuse_large(self._rows)

    def _refuse_large(self, rows: int) -> None:
        needed = rows * sum(field.reserved for field in self._fields)
        if needed > MAX_MEMORY:
            raise QueryError(
                f"{rows} rows of the arraysizes that its columns have take {needed} bytes; {MAX_MEMORY} are allowed. "
                'A text with arraysize="*" takes no more than it is long'
            )


def count(raw: bytes, fields: list[Field], *, flagged: bool) -> int:
    """Return how many rows there are in a stream (VOTable 1.4, sections 5.3 and 5.4), or some number over MAX_ROWS.

    :param flagged: whether each row begins with the bits of what is unknown.
    :raises QueryError: it does not end with a row.
    """
    fixed = (len(fields) + 7) // 8 if flagged else 0
    steps: list[tuple[int, int]] = []
    """Bytes up to a text that has a length of its own, and of each of its characters."""
    for one in fields:
        if one.prefixed:
            steps.append((fixed, one.size))
            fixed = 0
        else:
            fixed += one.size
    if not steps and not fixed:
        raise QueryError("its rows have no bytes")
    place = rows = 0
    if not steps:
        rows, rest = divmod(len(raw), fixed)
        if rest:
            rows, place = rows + 1, -1
        else:
            place = len(raw)
    while steps and 0 <= place < len(raw) and rows <= MAX_ROWS:
        rows += 1
        place = _after(raw, place, steps)
        place = place + fixed if place >= 0 else place
    if rows <= MAX_ROWS and place != len(raw):
        raise QueryError(f"its data end within a row, after {rows - 1} others: columns or lengths are not as it says")
    return rows


def _after(raw: bytes, place: int, steps: list[tuple[int, int]]) -> int:
    """Return where a row's last text ends, -1 where that is not in the stream."""
    for gap, size in steps:
        place += gap
        if place + _LENGTH.size > len(raw):
            return -1
        (length,) = _LENGTH.unpack_from(raw, place)
        if length < 0:
            return -1
        place += _LENGTH.size + size * length
    return place
