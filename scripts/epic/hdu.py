"""The parts of a FITS file that a product is written of, with their checksums (FITS standard 4.0, appendix J)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.epic.header import BLOCK, Header

_BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
_BYTES = 0xFFFFFFFF


class HDU(NamedTuple):
    """A header with its data, as they stand in a file."""

    header: Header
    content: Any = b""
    """The data without what fills up the last block: bytes, or an array, big-endian and in one piece."""

    def tobytes(self, when: str) -> tuple[bytes, Any, bytes]:
        """Return header, data and what fills up the last block; the header has DATASUM and CHECKSUM.

        :param when: their comment.
        """
        data = memoryview(self.content).cast("B") if len(self.content) else memoryview(b"")
        total = _sum(data)
        self.header["CHECKSUM"] = ("0" * 16, when)
        self.header["DATASUM"] = (str(total), when)
        unsigned = self.header.tobytes()
        self.header["CHECKSUM"] = _encoded(_folded(_sum(memoryview(unsigned)) + total))
        signed = unsigned.replace(b"CHECKSUM= '" + b"0" * 16, f"CHECKSUM= '{self.header['CHECKSUM']}".encode(), 1)
        return signed, data, b"\0" * (-len(data) % BLOCK)


def primary(values: NDArray[Any] | None = None) -> HDU:
    """Return the first part of a file: an image, or nothing."""
    header = Header()
    header["SIMPLE"] = (True, "conforms to FITS standard")
    unit = _image(header, values)
    header["EXTEND"] = True
    return unit


def image(values: NDArray[Any], name: str) -> HDU:
    """Return an image as an extension."""
    header = Header()
    header["XTENSION"] = ("IMAGE", "Image extension")
    unit = _image(header, values)
    header.update([("PCOUNT", 0, "number of parameters"), ("GCOUNT", 1, "number of groups")])
    header["EXTNAME"] = (name, "extension name")
    return unit


def _image(header: Header, values: NDArray[Any] | None) -> HDU:
    shape = () if values is None else values.shape[::-1]
    header["BITPIX"] = (8 if values is None else _BITPIX[values.dtype.str[1:]], "array data type")
    header["NAXIS"] = (len(shape), "number of array dimensions")
    for axis, length in enumerate(shape, 1):
        header[f"NAXIS{axis}"] = length
    if values is None:
        return HDU(header)
    return HDU(header, np.ascontiguousarray(values, dtype=values.dtype.newbyteorder(">")).ravel().view("u1"))


def _sum(data: memoryview) -> int:
    """Return the sum of big-endian 32 bit words in ones' complement."""
    whole = len(data) // 4 * 4
    total = int(np.frombuffer(data[:whole], dtype=">u4").sum(dtype=np.uint64))
    return _folded(total + int.from_bytes(bytes(data[whole:]).ljust(4, b"\0"), "big"))


def _folded(total: int) -> int:
    while total > _BYTES:
        total = (total & _BYTES) + (total >> 32)
    return total


def _encoded(total: int) -> str:
    """Return the complement of a sum as sixteen letters and digits."""
    text = [0] * 16
    for place, byte in enumerate((_BYTES - total).to_bytes(4, "big")):
        four = [byte // 4 + byte % 4 + 48, *[byte // 4 + 48] * 3]
        while any(58 <= one <= 64 or 91 <= one <= 96 for one in four):
            for i in (0, 2):
                if any(58 <= one <= 64 or 91 <= one <= 96 for one in four[i : i + 2]):
                    four[i] += 1
                    four[i + 1] -= 1
        text[place::4] = four
    return bytes(text[-1:] + text[:-1]).decode()
