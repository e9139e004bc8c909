"""Reads a FITS file once, from front to back, plain or compressed, and keeps of its tables only what is asked for.

A list of ten million events is larger than the memory a task may have, and a compressed one cannot be read at a place
of choice. Rows pass through one buffer that fits into the processor's cache; a *sieve* says which are kept.
"""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from isal import igzip, isal_zlib
from numpy.typing import NDArray

from scripts.epic.errors import EventFileError

Rows = NDArray[np.void]
Sieve = Callable[[Rows], Any]
"""Takes rows, gives an index of those that are kept; the rows are gone after the call."""

UNPACKING: type[Exception] = isal_zlib.error  # type: ignore[assignment]
BLOCK = 2880
CHUNK = 1 << 20
"""Bytes of rows that are looked at together."""

DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, fits.VerifyError)
"""What astropy raises, at opening or later, on a file with a damaged header."""

_FORMS = {"L": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_WIDTHS = {"X": 1, "C": 8, "M": 16, "P": 8, "Q": 16, "A": 1}
_FORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])")


@dataclass
class Unit:
    """A header with what was kept of its data."""

    header: fits.Header
    raw: bytes
    """The header as it stands in the file."""
    content: bytes = b""
    rows: Rows | None = None

    @property
    def name(self) -> str:
        """EXTNAME, or PRIMARY."""
        return str(self.header.get("EXTNAME", "PRIMARY")).strip().upper()

    def hdu(self) -> Any:
        """Return the table as astropy has it."""
        return fits.BinTableHDU.fromstring(self.raw + self.content + b"\0" * (-len(self.content) % BLOCK))


def read(path: Path, table: str, sieve: Callable[[fits.Header], Sieve | None]) -> list[Unit]:
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

    def units(self, table: str, sieve: Callable[[fits.Header], Sieve | None]) -> list[Unit]:
        units: list[Unit] = []
        while (unit := self._header(units)) is not None:
            units.append(unit)
            try:
                size = _size(unit.header)
            except (TypeError, ValueError, KeyError) as error:
                raise EventFileError(f"{self.path.name}: is not a readable FITS file ({error})") from error
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
                raise EventFileError(f"{self.path.name}: is not a FITS file")
            return None
        while not _END.search(raw, max(0, len(raw) - BLOCK)):
            block = self.stream.read(BLOCK)
            raw += block
            if len(block) < BLOCK or len(raw) % BLOCK:
                last = before[-1].name if before else "the beginning"
                raise EventFileError(f"{self.path.name}: the file is cut off or damaged in the header after {last}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # harmless quirks of the pipeline's headers
            try:
                return Unit(fits.Header.fromstring(raw.decode("ascii")), raw)
            except (UnicodeDecodeError, *DAMAGED) as error:
                raise EventFileError(f"{self.path.name}: is not a readable FITS file ({error})") from error

    def _take(self, size: int, unit: Unit) -> bytes:
        parts: list[bytes] = []
        left = size
        while left and (part := self.stream.read(min(left, 1 << 24))):
            parts.append(part)
            left -= len(part)
        if left:
            self._cut(unit, size - left, size)
        return b"".join(parts)

    def _cut(self, unit: Unit, there: int, size: int) -> None:
        raise EventFileError(
            f"{self.path.name}[{unit.name}]: the file is cut off: {there} of {size} bytes of data are there; "
            "fetch it again"
        )

    def _pad(self, size: int) -> None:
        self.stream.read(-size % BLOCK)

    def _rows(self, unit: Unit, size: int, sieve: Sieve | None) -> None:
        dtype = row_type(unit.header, self.path)
        number = int(unit.header["NAXIS2"])
        buffer = bytearray(max(1, CHUNK // max(1, dtype.itemsize)) * dtype.itemsize)
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
            kept.append(rows.copy() if sieve is None else rows[sieve(rows)])
        unit.rows = joined(kept, dtype)
        unit.content = b""
        self._take(size - whole, unit)


def joined(parts: list[Rows], dtype: np.dtype[np.void]) -> Rows:
    """Join rows; ``np.concatenate`` by itself would turn their bytes into the machine's order."""
    rows: Rows = np.empty(sum(map(len, parts)), dtype=dtype)
    start = 0
    for part in parts:
        rows[start : start + len(part)] = part
        start += len(part)
    return rows


_END = re.compile(rb"END {77}")


def _size(header: fits.Header) -> int:
    """Return the bytes of data that a header announces (FITS standard 4.0, section 4.4.1)."""
    axes = int(header["NAXIS"])
    if not axes:
        return 0
    size = abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1))
    elements = 1
    for axis in range(1, axes + 1):
        elements *= int(header[f"NAXIS{axis}"])
    if elements < 0:
        raise ValueError("an axis has a negative length")
    return size * (int(header.get("PCOUNT", 0)) + elements)


def row_type(header: fits.Header, path: Path) -> np.dtype[np.void]:
    """Return the rows of a binary table, big-endian, names in capitals.

    :raises EventFileError: the columns do not fill the row.
    """
    names: list[str] = []
    forms: list[Any] = []
    for n in range(1, int(header["TFIELDS"]) + 1):
        found = _FORM.match(str(header.get(f"TFORM{n}", "")))
        if found is None:
            raise EventFileError(
                f"{path.name}[EVENTS]: the form of column {n}, '{header.get(f'TFORM{n}')}', is unknown"
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
            f"{path.name}[EVENTS]: a row has {header['NAXIS1']} bytes, its columns have {dtype.itemsize}"
        )
    return np.dtype(list(zip(names, (dtype[name] for name in names), strict=True)))
