"""Reads a FITS file once, from front to back, plain or compressed, and keeps of its tables only what is asked for.

A list of ten million events is larger than the memory a task may have, and a compressed one cannot be read at a place
of choice. Rows pass through one buffer that fits into the processor's cache; a *sieve* says which are kept.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip, isal_zlib
from numpy.typing import NDArray

from scripts.epic.errors import EventFileError
from scripts.epic.hdu import HDU
from scripts.epic.header import BLOCK, CARD, Header

Rows = NDArray[np.void]
Sieve = Callable[[Rows], Any]
"""Takes rows, gives an index of those that are kept, None for all; the rows are gone after the call."""

UNPACKING: type[Exception] = isal_zlib.error  # type: ignore[assignment]
CHUNK = 1 << 21
"""Bytes of rows that are looked at together."""

DAMAGED = (OSError, ValueError, KeyError, TypeError)
"""What is raised on a damaged header, when it is read or when its keywords are used."""

_FORMS = {"L": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_WIDTHS = {"X": 1, "C": 8, "M": 16, "P": 8, "Q": 16, "A": 1}
_FORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])")


class Unit:
    """A header with what was kept of its data.

    :param file: the file's name, for messages.
    :param raw: the header as it stands in the file.
    """

    def __init__(self, file: str, raw: bytes) -> None:
        self.file, self.raw = file, raw
        self.content: bytes | bytearray = b""
        self.rows: Rows | None = None
        self._whole: Rows | None = None

    @cached_property
    def header(self) -> Header:
        """The header; a list has some sixty, of which few are looked at.

        :raises EventFileError: it is damaged.
        """
        try:
            return Header.parse(self.raw)
        except UnicodeDecodeError as error:
            raise EventFileError(f"{self.file}: is not a readable FITS file ({error}); fetch it again") from error

    @cached_property
    def name(self) -> str:
        """EXTNAME, or PRIMARY."""
        at = self.raw.find(b"EXTNAME ")
        while at > 0 and at % CARD:
            at = self.raw.find(b"EXTNAME ", at + 1)
        card = self.raw[at : at + CARD].decode("latin-1").partition("=")[2] if at > 0 else "'PRIMARY'"
        return card.split("'")[1].strip().upper() if card.count("'") > 1 else card.partition("/")[0].strip().upper()

    @cached_property
    def shape(self) -> dict[str, int]:
        """The mandatory keywords, which come first: BITPIX, NAXIS, NAXISn, PCOUNT, GCOUNT.

        :raises ValueError: one is no whole number.
        """
        found: dict[str, int] = {}
        for at in range(CARD, len(self.raw), CARD):
            name = self.raw[at : at + 8].decode("latin-1").rstrip()
            if not _MANDATORY.fullmatch(name):
                break
            found[name] = int(self.raw[at + 10 : at + CARD].decode("latin-1").partition("/")[0])
        return found

    @property
    def size(self) -> int:
        """The bytes of data that the header announces (FITS standard 4.0, section 4.4.1).

        :raises ValueError, KeyError: it does not say.
        """
        axes = self.shape["NAXIS"]
        if not axes:
            return 0
        elements = 1
        for axis in range(1, axes + 1):
            elements *= self.shape[f"NAXIS{axis}"]
        if elements < 0:
            raise ValueError("an axis has a negative length")
        whole = self.shape.get("PCOUNT", 0) + elements
        return abs(self.shape["BITPIX"]) // 8 * self.shape.get("GCOUNT", 1) * whole

    def table(self, path: Path) -> Rows:
        """Return the rows of a table that was kept whole, as they stand in the file.

        :raises EventFileError: the columns do not fill the row.
        """
        if self._whole is None:  # a column is asked for at a time
            self._whole = np.frombuffer(self.content, row_type(self.header, path), count=self.shape["NAXIS2"])
        return self._whole

    def hdu(self) -> HDU:
        """Return it to be written again."""
        return HDU(self.header.copy(), self.content)


def read(path: Path, table: str, sieve: Callable[[Header], Sieve | None]) -> list[Unit]:
    """Read a file.

    :param table: the extension whose rows are sieved; all others are kept whole.
    :param sieve: asked with that extension's header; None keeps all rows.
    :raises EventFileError: the file cannot be read, is cut off or is no FITS file.
    """
    try:
        with path.open("rb") as opened:
            compressed = opened.read(2) == b"\x1f\x8b"
            opened.seek(0)
            if not compressed:
                return _Reader(path, opened).units(table, sieve)
            with igzip.IGzipFile(fileobj=opened, mode="rb") as unpacked:  # type: ignore[no-untyped-call]
                return _Reader(path, unpacked).units(table, sieve)
    except (EOFError, zlib.error, UNPACKING, igzip.BadGzipFile) as error:
        raise EventFileError(
            f"{path.name}: the compressed file is cut off or damaged ({error}); fetch it again"
        ) from error
    except OSError as error:
        raise EventFileError(f"{path.name}: cannot be read ({error.strerror or error})") from error


class _Reader:
    def __init__(self, path: Path, stream: Any) -> None:
        self.path, self.stream = path, stream

    def units(self, table: str, sieve: Callable[[Header], Sieve | None]) -> list[Unit]:
        units: list[Unit] = []
        while (unit := self._header(units)) is not None:
            units.append(unit)
            try:
                size = unit.size
            except (TypeError, ValueError, KeyError) as error:
                raise EventFileError(
                    f"{self.path.name}: is not a readable FITS file ({error}); fetch it again"
                ) from error
            if unit.name == table:
                self._rows(unit, size, sieve(unit.header))
            else:
                unit.content = self._take(size, unit)
            self._pad(size)
        return units

    def _header(self, before: list[Unit]) -> Unit | None:
        """Read the next header; None at the end of the file, or where what follows is no extension."""
        raw = self.stream.read(BLOCK)
        begin = b"XTENSION" if before else b"SIMPLE  ="
        if not raw.startswith(begin[: len(raw)]) or not raw:
            if not before:
                raise EventFileError(f"{self.path.name}: is not a FITS file; fetch it again")
            return None
        while not _END.search(raw, max(0, len(raw) - BLOCK)):
            block = self.stream.read(BLOCK)
            raw += block
            if len(block) < BLOCK or len(raw) % BLOCK:
                last = before[-1].name if before else "the beginning"
                raise EventFileError(
                    f"{self.path.name}: the file is cut off or damaged in the header after {last}; fetch it again"
                )
        return Unit(self.path.name, raw)

    def _take(self, size: int, unit: Unit) -> bytearray:
        content = bytearray()  # grows in its place; the size announced may be that of no file
        while (left := size - len(content)) and (part := self.stream.read(min(left, 1 << 24))):
            content += part
        if left:
            self._cut(unit, len(content), size)
        return content

    def _cut(self, unit: Unit, there: int, size: int) -> None:
        raise EventFileError(
            f"{self.path.name}[{unit.name}]: the file is cut off: {there} of {size} bytes of data are there; "
            "fetch it again"
        )

    def _pad(self, size: int) -> None:
        self.stream.read(-size % BLOCK)

    def _rows(self, unit: Unit, size: int, sieve: Sieve | None) -> None:
        dtype = row_type(unit.header, self.path)
        plain = f"V{dtype.itemsize}"
        number = int(unit.header["NAXIS2"])
        width = max(1, dtype.itemsize)
        buffer = bytearray(max(1, min(number, CHUNK // width)) * dtype.itemsize)
        kept: list[Rows] = []
        done, whole = 0, number * dtype.itemsize
        while done < whole:
            view = memoryview(buffer)[: min(len(buffer), whole - done)]
            filled = 0
            while filled < len(view) and (got := self.stream.readinto(view[filled:])):
                filled += got
            if filled < len(view):
                self._cut(unit, done + filled, size)
            done += filled
            rows = np.frombuffer(view, dtype=dtype)
            index = None if sieve is None else sieve(rows)
            kept.append(copied(rows) if index is None else rows.view(plain)[index].view(dtype))
        unit.rows = joined(kept, dtype)
        unit.content = b""
        self._take(size - whole, unit)


def copied(rows: Rows) -> Rows:
    """Return a copy; as plain bytes rows are copied whole, not field by field."""
    return rows.view(f"V{rows.dtype.itemsize}").copy().view(rows.dtype)


def joined(parts: list[Rows], dtype: np.dtype[np.void]) -> Rows:
    """Join rows as plain bytes; ``np.concatenate`` by itself would turn their fields into the machine's order."""
    if not parts:
        return np.empty(0, dtype=dtype)
    return np.concatenate([part.view(f"V{dtype.itemsize}") for part in parts]).view(dtype)


_END = re.compile(rb"END {77}")
_MANDATORY = re.compile(r"BITPIX|NAXIS\d{0,3}|PCOUNT|GCOUNT")


def physical(values: NDArray[Any], header: Mapping[str, Any], column: int) -> NDArray[Any]:
    """Return a column in the machine's byte order, scaled as TSCALn and TZEROn say."""
    native = values.astype(values.dtype.newbyteorder("="))
    scale, zero = (header.get(f"{key}{column}", plain) for key, plain in (("TSCAL", 1), ("TZERO", 0)))
    return native if (scale, zero) == (1, 0) else native * scale + zero


def row_type(header: Header, path: Path) -> np.dtype[np.void]:
    """Return the rows of a binary table, big-endian, names in capitals.

    :raises EventFileError: the columns do not fill the row.
    """
    names: list[str] = []
    forms: list[Any] = []
    for n in range(1, int(header["TFIELDS"]) + 1):
        found = _FORM.match(str(header.get(f"TFORM{n}", "")))
        if found is None:
            raise EventFileError(
                f"{path.name}[EVENTS]: the form of column {n}, '{header.get(f'TFORM{n}')}', is unknown; take the list "
                "as the pipeline wrote it"
            )
        repeat, letter = int(found[1] or 1), found[2]
        names.append(str(header.get(f"TTYPE{n}", f"COLUMN{n}")).strip().upper())
        if letter in _FORMS:
            forms.append(_FORMS[letter] if repeat == 1 else (_FORMS[letter], (repeat,)))
        else:
            forms.append(f"V{(repeat + 7) // 8 if letter == 'X' else repeat * _WIDTHS[letter]}")
    dtype = np.dtype({"names": names, "formats": forms})
    if dtype.itemsize != int(header["NAXIS1"]):
        raise EventFileError(
            f"{path.name}[EVENTS]: a row has {header['NAXIS1']} bytes, its columns have {dtype.itemsize}; "
            "take the list as the pipeline wrote it"
        )
    return np.dtype(list(zip(names, (dtype[name] for name in names), strict=True)))
