"""MOCs in their three forms (IVOA MOC 2.0, section 4.3): ASCII, JSON and FITS, of the sky and nothing else.

mocpy 0.21 takes cells off the sky from ASCII and JSON, gives an empty MOC for JSON that is wrong in other ways, takes
a part of a FITS file for the whole, and aborts the process over a row count that no memory could hold.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from index.errors import RegionError
from index.healpix import MAX_ORDER, SKY_PIXELS, Ints, bits_of, merged, moc_of, shift

if TYPE_CHECKING:
    from mocpy import MOC

MAX_RANGES = 1_000_000
"""Cells or ranges in one MOC; the largest of the sky surveys have fewer."""

MAX_ASCII = 500_000
"""The same of a MOC in ASCII, which is read word by word: in some 0.5 s."""

_TOKEN = re.compile(r"[\s,]*(?:s?(\d{1,2})/|(\d{1,19})(?:-(\d{1,19}))?(?=[\s,]|$))", re.ASCII)
_BLOCK, _CARD = 2880, 80
_MAX_HEADER = 50 * _BLOCK
_INTEGERS: dict[str, np.dtype[np.signedinteger[Any]]] = {"J": np.dtype(">i4"), "K": np.dtype(">i8")}


def read(content: bytes) -> MOC:
    """Read a MOC in any of the three forms. Raises RegionError."""
    if content[:6] == b"SIMPLE":
        return from_fits(content)
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise RegionError("a MOC must be FITS, JSON or ASCII text, and this is none of them") from error
    return from_text(text)


def from_text(text: str) -> MOC:
    """Read a MOC as JSON, if it begins with a brace, or ASCII. Raises RegionError."""
    return from_json(text) if text.lstrip().startswith("{") else from_ascii(text)


def from_ascii(text: str) -> MOC:
    """Read ``order/cell first-last ... order/...``, separated by blanks or commas. Raises RegionError."""
    at, order, finest = 0, -1, 0
    end = len(text.rstrip().rstrip(","))
    found: dict[int, list[tuple[int, int]]] = {}
    count = 0
    while at < end:
        token = _TOKEN.match(text, at, len(text))
        if token is None:
            raise RegionError(f"MOC: order/ or a cell or first-last is wanted, not {text[at : at + 20].strip()!r}")
        at = token.end()
        if token[1] is not None:
            order = _order(int(token[1]))
            finest = max(finest, order)
            continue
        if order < 0:
            raise RegionError("MOC: it must begin with an order, such as 3/")
        count += 1
        if count > MAX_ASCII:
            raise RegionError(f"a MOC can have at most {MAX_ASCII:,} cells or ranges in ASCII")
        first = int(token[2])
        found.setdefault(order, []).append((first, int(token[3]) if token[3] else first))
    return _of_cells(found, finest)


def from_json(text: str) -> MOC:
    """Read ``{"order": [cell, cell, ...], ...}``. Raises RegionError."""
    try:
        told = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RegionError(f"MOC: this is no JSON: {str(error)[:100]}") from error
    if not isinstance(told, dict):
        raise RegionError("MOC: JSON must be an object with orders and lists of cells")
    found = {}
    for name, cells in told.items():
        if not re.fullmatch(r"\d{1,2}", name, re.ASCII) or not isinstance(cells, list):
            raise RegionError(f"MOC: JSON must have orders with lists of cells, not {name[:20]!r}: {str(cells)[:20]}")
        if wrong := [cell for cell in cells if type(cell) is not int]:
            raise RegionError(f"MOC: a cell must be a whole number, not {str(wrong[0])[:40]}")
        found[_order(int(name))] = [(cell, cell) for cell in cells]
    if sum(map(len, found.values())) > MAX_RANGES:
        raise RegionError(f"a MOC can have at most {MAX_RANGES:,} cells or ranges")
    return _of_cells(found, max(found, default=0))


def from_fits(content: bytes) -> MOC:
    """Read the first binary table of a FITS file: ORDERING NUNIQ or RANGE, equatorial. Raises RegionError."""
    primary, at = _header(content, 0)
    if _number(primary, "NAXIS", 0) != 0:
        raise RegionError("MOC: the primary HDU of the FITS file must be empty")
    header, at = _header(content, at)
    _check_table(header)
    order = _number(header, "MOCORD_S", _number(header, "MOCORDER", -1))
    if order >= 0:
        _order(order)
    form = str(header.get("TFORM1", "")).strip()
    dtype, rows = _INTEGERS.get(form.removeprefix("1")), _number(header, "NAXIS2")
    if dtype is None:
        raise RegionError(f"MOC: TFORM1 must be 1J or 1K, not {form[:20]!r}")
    if _number(header, "NAXIS1") != dtype.itemsize:
        raise RegionError(f"MOC: NAXIS1 of the FITS table must be {dtype.itemsize}, not {header['NAXIS1']}")
    if not 0 <= rows <= 2 * MAX_RANGES:
        raise RegionError(f"MOC: NAXIS2 must be from 0 to {2 * MAX_RANGES}, not {rows}")
    if at + rows * dtype.itemsize > len(content):
        raise RegionError(f"MOC: the FITS file is cut: its table has {rows} rows, and it ends before them")
    values = np.frombuffer(content, dtype=dtype, count=rows, offset=at).astype(np.int64)
    ordering = str(header.get("ORDERING", "")).strip()
    if ordering == "NUNIQ":
        return _of_nuniq(values, order)
    if ordering in ("RANGE", "RANGE29") and dtype.itemsize == 8:
        return _of_ranges(values, order)
    raise RegionError(f"MOC: ORDERING must be NUNIQ, or RANGE with TFORM1 1K, not {ordering[:20]!r} with {form}")


def _check_table(header: dict[str, Any]) -> None:
    if header.get("XTENSION") != "BINTABLE":
        raise RegionError("MOC: the FITS file must have a binary table after its primary HDU")
    for name, wanted in (("BITPIX", 8), ("NAXIS", 2), ("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", 1)):
        if _number(header, name) != wanted:
            raise RegionError(f"MOC: {name} of the FITS table must be {wanted}, not {header[name]}")
    if header.get("MOCDIM", "SPACE") != "SPACE":
        raise RegionError(f"MOC: MOCDIM must be SPACE, not {str(header['MOCDIM'])[:20]}")
    if header.get("COORDSYS", "C") not in ("C", "ICRS"):
        raise RegionError(f"MOC: COORDSYS must be C (equatorial), not {str(header['COORDSYS'])[:20]}")
    if unwanted := [name for name in ("TZERO1", "TSCAL1", "TNULL1") if name in header]:
        raise RegionError(f"MOC: a table with {unwanted[0]} is not taken")


def fits_keywords(content: bytes) -> dict[str, Any]:
    """Give the keywords of the first two headers of a FITS file, those of the second first; none of another file."""
    if content[:6] != b"SIMPLE":
        return {}
    primary, at = _header(content, 0)
    return {**primary, **_header(content, at)[0]}


def to_ascii(moc: MOC) -> str:
    """Write a MOC on one line."""
    return " ".join(str(moc.to_string("ascii")).split())


def _of_cells(found: dict[int, list[tuple[int, int]]], finest: int) -> MOC:
    """Make a MOC of first and last cells of orders."""
    begin: list[Ints] = []
    end: list[Ints] = []
    for order, pairs in found.items():
        cells = 12 * 4**order
        for first, last in pairs:
            if not 0 <= first <= last < cells:
                shown = f"{first}" if first == last else f"{first}-{last}"
                raise RegionError(f"MOC: order {order} has the cells 0 to {cells - 1}, not {shown[:40]}")
        both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        begin.append(both[:, 0] << shift(order))
        end.append((both[:, 1] + 1) << shift(order))
    return _made(begin, end, finest)


def _of_nuniq(values: Ints, told: int) -> MOC:
    if values.size and values.min() < 4:
        raise RegionError(f"MOC: a NUNIQ number must be at least 4, not {values.min()}")
    # the numbers of an order begin at a power of 4
    orders = (bits_of(values) - 1) // 2 - 1
    cells = values - (np.int64(4) << (2 * orders))
    if values.size and (orders.max() > MAX_ORDER or bool((cells >= 12 << (2 * np.minimum(orders, MAX_ORDER))).any())):
        raise RegionError("MOC: a NUNIQ number lies beyond the last cell of order 29")
    finest = int(orders.max()) if values.size else 0
    if 0 <= told < finest:
        raise RegionError(f"MOC: the header names the order {told}, and a cell has order {finest}")
    up = 2 * (MAX_ORDER - orders)
    return _made([cells << up], [(cells + 1) << up], max(finest, told))


def _of_ranges(values: Ints, told: int) -> MOC:
    if len(values) % 2:
        raise RegionError(f"MOC: ranges come in pairs, and the FITS table has {len(values)} rows")
    if values.size and (values.min() < 0 or values.max() > SKY_PIXELS):
        raise RegionError("MOC: a range leaves the sky")
    if not bool((np.diff(values) > 0).all()):
        raise RegionError("MOC: the ranges must be in order, and these are not")
    bits = int(np.bitwise_or.reduce(values)) if values.size else 0
    finest = next((order for order in range(MAX_ORDER) if bits & ((1 << shift(order)) - 1) == 0), MAX_ORDER)
    if 0 <= told < finest:
        raise RegionError(f"MOC: the header names the order {told}, and the ranges are those of order {finest}")
    return _made([values[::2]], [values[1::2]], max(finest, told))


def _made(begin: list[Ints], end: list[Ints], order: int) -> MOC:
    if not sum(map(len, begin)):
        raise RegionError("MOC: it has no cell")
    return moc_of(merged(np.concatenate(begin), np.concatenate(end)), order)


def _order(order: int) -> int:
    if not 0 <= order <= MAX_ORDER:
        raise RegionError(f"the order of a MOC must be from 0 to {MAX_ORDER}, not {order}")
    return order


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("an order is there twice")
    return told


def _header(content: bytes, at: int) -> tuple[dict[str, Any], int]:
    """Give the cards of a FITS header and where it ends (FITS 4.0, section 4)."""
    cards: dict[str, Any] = {}
    for place in range(at, min(len(content), at + _MAX_HEADER) - _CARD + 1, _CARD):
        card = content[place : place + _CARD].decode("latin-1")
        name = card[:8].rstrip()
        if name == "END":
            return cards, at + -(-(place + _CARD - at) // _BLOCK) * _BLOCK
        if card[8:10] == "= ":
            cards[name] = _value(card[10:])
    raise RegionError("MOC: the FITS file is cut in a header, or is no FITS file")


def _value(text: str) -> Any:
    quoted = re.match(r"\s*'((?:[^']|'')*)'", text)
    if quoted:
        return quoted[1].replace("''", "'").rstrip()
    plain = text.partition("/")[0].strip()
    return int(plain) if re.fullmatch(r"[+-]?\d{1,18}", plain, re.ASCII) else plain


def _number(header: dict[str, Any], name: str, default: int | None = None) -> int:
    value = header.get(name, default)
    if not isinstance(value, int):
        raise RegionError(f"MOC: {name} of the FITS header must be a whole number, not {str(value)[:40]!r}")
    return value
