"""Pictures as PNG (ISO/IEC 15948), true colour without interlacing.

Pillow's own writer tries five filters on each line and is slower than all of the drawing; a plot packs well
without any.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray


def write(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a picture; the same pixels give the same bytes.

    :param pixels: shape (rows, columns, 3), the first row at the top.
    """
    rows, columns, _ = pixels.shape
    # each line begins with the number of its filter, 0 for none
    lines = np.zeros((rows, 1 + 3 * columns), dtype=np.uint8)
    lines[:, 1:] = pixels.reshape(rows, -1)
    header = struct.pack(">2I5B", columns, rows, 8, 2, 0, 0, 0)
    packed = isal_zlib.compress(lines.tobytes(), 1)
    chunks = b"".join(_chunk(*one) for one in ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
