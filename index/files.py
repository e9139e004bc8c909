"""The coverages on disk: segments, and manifests of which segments make a generation.

::

    manifest-GENERATION.json    format and number, and for each segment, the oldest first, its file, bytes and SHA-256
    segment-NAME                postings and what of the older segments they replace (``index.segment``)
    lock                        held by the one that writes

What is added, replaced or removed goes to a segment of its own, so that the time follows what is new. Small segments
are merged: each has several times the bytes of all that are newer, or they become one (size-tiered), so that there
are few of them, and what is written is written some times the logarithm of the size.

Both kinds of files are written whole and never changed. A generation counts from the moment the SQL database names
it, not before (``index.service``); whatever no generation names is left over from one that was replaced, or that died
on its way. The name of a generation has the checksum of its manifest, and that has those of the segments.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from index.errors import DamagedIndexError
from index.healpix import Ranges
from index.merging import MAX_RANGES, Lengths, Part, merge
from index.postings import NO_OVERLAPS, U32, Asked, Overlaps, Postings
from index.segment import NewSegment, Segment, Written, open_segment, verify_segment

FORMAT = 2
NOTHING = "0"
"""The generation before the first."""
TIER = 4
"""How many times the bytes of all newer segments together a segment has at least."""
LEAST = 1 << 18
"""Bytes; smaller segments are always merged: that takes some milliseconds."""
GONE = 4
"""All is merged when one in so many coverages was removed or replaced."""

_MANIFEST = re.compile(r"manifest-\d{10}-[0-9a-f]{16}\.json")
# and the names of an older format
_OURS = re.compile(r"(manifest-\d{10}-([0-9a-f]{8}){1,2}\.json|segment-\d{10}-[0-9a-f]{8})")


@dataclass(frozen=True)
class Snapshot:
    """One generation, open for reading. It stays readable after its files are removed."""

    generation: str
    segments: tuple[Segment, ...]
    """The oldest first."""

    def overlaps(self, region: Ranges) -> Overlaps:
        """Find the coverages that overlap a region, and by how much; in no order."""
        asked = Asked(region)
        found = [segment.overlaps(asked) for segment in self.segments]
        found = [one for one in found if len(one.key)] or [NO_OVERLAPS]
        if len(found) == 1:
            return found[0]
        return Overlaps(*(np.concatenate(columns) for columns in zip(*found, strict=True)))

    def ranges(self, key: int) -> Ranges:
        """Give back the ranges of a coverage, exactly. Raises KeyError if there is none with that key."""
        for segment in reversed(self.segments):  # the newest counts
            if segment.postings.has(key):
                return segment.postings.ranges(key)
        raise KeyError(key)

    def keys(self) -> U32:
        """Give all keys."""
        return np.concatenate([np.zeros(0, np.uint32), *(segment.keys() for segment in self.segments)])

    @property
    def range_count(self) -> int:
        """How many ranges there are, also of coverages that count no more."""
        return _ranges(self.segments)

    @property
    def bytes(self) -> int:
        """Of the segments."""
        return sum(segment.written.bytes for segment in self.segments)


class CoverageFiles:
    """The folder of the coverages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other writers out, of this process and others. The lock goes when its holder dies."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def write(self, before: Snapshot, added: Postings, gone: Collection[int] = (), *, whole: bool = False) -> str:
        """Write the generation that follows another one, down to the disk, and give its name.

        :param gone: keys of the other one that are removed, or replaced by what is added.
        :param whole: merge all segments.
        """
        removed = np.fromiter(gone, np.uint32, len(gone))
        removed.sort()
        kept = _kept(before.segments, added, len(removed), whole=whole)
        oldest, merged = before.segments[:kept], before.segments[kept:]
        remaining = np.unique(np.concatenate([removed, *(segment.gone for segment in merged)]))
        there = np.zeros(len(remaining), bool)
        for segment in oldest:
            there |= np.isin(remaining, segment.postings.key)
        name = f"segment-{_number(before.generation) + 1:010d}-{secrets.token_hex(4)}"
        parts = [
            *(Part(segment.postings, np.union1d(segment.removed(), removed)) for segment in merged),
            Part(added, removed[:0]),
        ]
        new = self._write_segment(name, parts, remaining[there])
        # nothing that removes nothing is kept
        written = [segment.written for segment in oldest] + ([new] if new else [])
        return self._write_manifest(_number(before.generation) + 1, written)

    def open(self, generation: str) -> Snapshot:
        """Map a generation into memory; takes the same time at any size. Raises DamagedIndexError."""
        if generation == NOTHING:
            return Snapshot(generation, ())
        segments = [open_segment(self._folder, written) for written in self._read_manifest(generation)]
        gone = [segment.gone for segment in segments]
        newer = (tuple(keys for keys in gone[at:] if len(keys)) for at in range(1, len(gone) + 1))
        together = zip(segments, newer, strict=True)
        return Snapshot(generation, tuple(replace(segment, without=without) for segment, without in together))

    def verify(self, generation: str) -> None:
        """Read every file of a generation and compare its checksum. Raises DamagedIndexError, naming the file."""
        for segment in self.open(generation).segments:
            verify_segment(self._folder, segment.written)

    def litter(self, generation: str) -> list[Path]:
        """Give the files that do not belong to a generation."""
        keep = {self._manifest(generation).name}
        if generation != NOTHING:
            keep |= {written.name for written in self._read_manifest(generation)}
        return [path for path in self._folder.iterdir() if _OURS.fullmatch(path.name) and path.name not in keep]

    def sweep(self, generation: str) -> None:
        """Remove what does not belong to a generation that stays. Only for the holder of the lock."""
        for path in self.litter(generation):
            path.unlink()

    def _manifest(self, generation: str) -> Path:
        return self._folder / f"manifest-{generation}.json"

    def _write_manifest(self, number: int, segments: Sequence[Written]) -> str:
        manifest = {"format": FORMAT, "number": number, "segments": list(map(asdict, segments))}
        content = json.dumps(manifest, indent=1).encode()
        generation = f"{number:010d}-{hashlib.sha256(content).hexdigest()[:16]}"
        with self._manifest(generation).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # the names of the files
        finally:
            os.close(descriptor)
        return generation

    def _read_manifest(self, generation: str) -> list[Written]:
        path = self._manifest(generation)
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise DamagedIndexError(f"{path} is missing; the database says that the index is there") from error
        except OSError as error:
            raise DamagedIndexError(f"{path} cannot be read: {error.strerror}") from error
        try:
            manifest = json.loads(content)
            written_as = manifest["format"]
            if written_as != FORMAT:
                raise DamagedIndexError(f"{path} has format {written_as!r}, and this version reads format {FORMAT}")
            segments = [Written(**told) for told in manifest["segments"]]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedIndexError(f"{path} is damaged: {error}") from error
        if hashlib.sha256(content).hexdigest()[:16] != generation.partition("-")[2]:
            raise DamagedIndexError(f"{path} is damaged: its checksum is not the one in its name")
        return segments

    def _write_segment(self, name: str, parts: Sequence[Part], gone: U32) -> Written | None:
        """Write what is merged of parts; nothing if that is nothing."""
        if not len(gone) and all(np.isin(part.postings.key, part.without).all() for part in parts):
            return None
        new: list[NewSegment] = []

        def allocate(lengths: Lengths) -> Postings:
            new.append(NewSegment(self._folder / name, {**lengths, "gone": len(gone)}))
            arrays = dict(new[0].arrays)
            arrays.pop("gone")[:] = gone
            return Postings(**arrays)

        merge(parts, allocate)
        return new[0].close()


def _kept(segments: Sequence[Segment], added: Postings, removed: int, *, whole: bool) -> int:
    """Tell how many of the oldest segments are left as they are when something is added to them."""
    kept = len(segments)
    coverages = sum(len(segment.postings.key) for segment in segments)
    if whole or GONE * (removed + sum(len(segment.gone) for segment in segments)) >= coverages:
        kept = 0
    newer = sum(int(getattr(added, field.name).nbytes) for field in fields(added))
    while kept and segments[kept - 1].written.bytes < max(TIER * newer, LEAST):
        kept -= 1
        newer += segments[kept].written.bytes
    # what is full stays alone
    while kept < len(segments) and _ranges(segments[kept:]) + len(added.start) > MAX_RANGES:
        kept += 1
    return kept


def _ranges(segments: Sequence[Segment]) -> int:
    return sum(len(segment.postings.start) for segment in segments)


def _number(generation: str) -> int:
    return int(generation.partition("-")[0])
