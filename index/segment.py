"""A segment: postings in one file, to be mapped into memory, laid out as docs/index.md tells byte by byte.

The layout is that of safetensors: the length of the header in 8 bytes, little-endian; the header, JSON, which names
the arrays with type, shape and place; the arrays one after the other.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.errors import DamagedIndexError
from index.healpix import Ints, Ranges
from index.merging import Lengths
from index.postings import U32, Asked, Overlaps, Postings

FORMAT = "2"

_TYPES: dict[str, np.dtype[Any]] = {
    "I64": np.dtype("<i8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
}
_ARRAYS = {
    # wide ones first, so that each lies at a multiple of its width
    "area": "I64",
    **dict.fromkeys(("gone", "key", "cell", "entry", "row", "inside", "first"), "U32"),
    "start": "U16",
    "last": "U16",
    "order": "U8",
}


@dataclass(frozen=True)
class Written:
    """A file as it was written."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Segment:
    """Postings, and the keys of older segments that count no more."""

    written: Written
    postings: Postings
    gone: U32
    """Sorted keys, of which all but those in this segment and newer ones are removed."""
    without: tuple[U32, ...] = ()
    """``gone`` of each newer segment."""

    def overlaps(self, region: Ranges | Asked) -> Overlaps:
        """Find the coverages that overlap a region and count here, and by how much."""
        found = self.postings.overlaps(region if isinstance(region, Asked) else Asked(region))
        for gone in self.without:
            if len(found.key) and len(gone):
                at = gone.searchsorted(found.key.astype(np.uint32))
                kept = gone.take(at, mode="clip") != found.key
                found = Overlaps(*(column[kept] for column in found))
        return found

    def keys(self) -> U32:
        """Give the keys that count here, sorted."""
        removed = self.removed()
        return self.postings.key[~np.isin(self.postings.key, removed)] if len(removed) else self.postings.key

    def among(self, keys: Ints | None) -> Ints | None:
        """Give those of some keys, or of all, that count here; None where all in the postings do."""
        if not self.without:
            return keys
        mine = self.keys().astype(np.int64)
        return mine if keys is None else np.intersect1d(mine, keys)

    def removed(self) -> U32:
        """Give the keys of older segments, or of this one, that newer ones have removed."""
        return np.unique(np.concatenate([self.gone[:0], *self.without]))


class NewSegment:
    """A segment file that is written through a memory map: its arrays can be larger than memory.

    :raises OSError: there is no room for it.
    """

    def __init__(self, path: Path, lengths: Lengths) -> None:
        self._path = path
        header = _header(lengths)
        size = len(header) + sum(lengths[name] * _TYPES[kind].itemsize for name, kind in _ARRAYS.items())
        with path.open("x+b") as file:
            # a map onto a disk that is full would end the process
            os.posix_fallocate(file.fileno(), 0, size)
            self._map = mmap.mmap(file.fileno(), size)
        self._map[: len(header)] = header
        self.arrays = _views(self._map, len(header), lengths)

    def close(self) -> Written:
        """Bring it down to the disk."""
        self._map.flush()
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        return Written(self._path.name, len(self._map), digest)


def open_segment(folder: Path, written: Written) -> Segment:
    """Map a segment into memory; takes the same time at any size. Raises DamagedIndexError."""
    path = folder / written.name
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != written.bytes:
                raise DamagedIndexError(
                    f"{path} is damaged: it has {size:,} bytes and was written with {written.bytes:,}"
                )
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise DamagedIndexError(f"{path} is missing; the manifest names it") from error
    except (OSError, ValueError) as error:
        raise DamagedIndexError(f"{path} cannot be read: {error}") from error
    try:
        length = 8 + int.from_bytes(mapped[:8], "little")
        told = json.loads(mapped[8:length])
        lengths = {name: told[name]["shape"][0] for name in _ARRAYS}
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError) as error:
        raise DamagedIndexError(f"{path} is damaged: its header cannot be read: {error}") from error
    # written anew from the lengths, the header must be the same to the byte
    if not all(isinstance(n, int) and n >= 0 for n in lengths.values()) or _header(lengths) != mapped[:length]:
        raise DamagedIndexError(f"{path} is damaged: its header is not that of a segment of format {FORMAT}")
    try:
        arrays = _views(mapped, length, lengths)
    except ValueError as error:
        raise DamagedIndexError(f"{path} is damaged: {error}") from error
    gone = arrays.pop("gone")
    postings = Postings(**arrays)
    if not _agree(postings):
        raise DamagedIndexError(f"{path} is damaged: its arrays do not agree with each other")
    return Segment(written, postings, gone)


def verify_segment(folder: Path, written: Written) -> None:
    """Read a segment and compare its checksum. Raises DamagedIndexError, naming the file."""
    path = folder / written.name
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != written.sha256:
            raise DamagedIndexError(f"{path} is damaged: its checksum is not the one it was written with")


def _lengths_of(postings: Postings) -> Lengths:
    """Give the lengths of the arrays of postings."""
    return {field.name: len(getattr(postings, field.name)) for field in fields(postings)}


def _header(lengths: Lengths) -> bytes:
    told: dict[str, Any] = {"__metadata__": {"format": f"amora postings {FORMAT}"}}
    at = 0
    for name, kind in _ARRAYS.items():
        end = at + lengths[name] * _TYPES[kind].itemsize
        told[name] = {"dtype": kind, "shape": [lengths[name]], "data_offsets": [at, end]}
        at = end
    text = json.dumps(told, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _views(mapped: mmap.mmap, at: int, lengths: Lengths) -> dict[str, NDArray[Any]]:
    arrays = {}
    for name, kind in _ARRAYS.items():
        arrays[name] = np.frombuffer(mapped, _TYPES[kind], lengths[name], at)
        at += arrays[name].nbytes
    if at != len(mapped):
        raise ValueError(f"its arrays end at {at:,}, and it at {len(mapped):,}")
    return arrays


def _agree(postings: Postings) -> bool:
    n = _lengths_of(postings)
    return (
        n["key"] == n["area"] == n["order"]
        and n["cell"] + 1 == n["entry"]
        and n["row"] == n["inside"] == n["first"] - 1
        and n["start"] == n["last"]
        and postings.entry[[0, -1]].tolist() == [0, n["row"]]
        and postings.first[[0, -1]].tolist() == [0, n["start"]]
    )
