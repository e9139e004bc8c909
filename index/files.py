"""The coverages on disk: segments of postings as plain .npy files, and manifests of which segments make a generation.

::

    manifest-GENERATION.json    format, generation, and for each segment its folder, files, bytes and SHA-256
    segment-GENERATION/*.npy    one file for each array of Postings, by its name
    lock                        held by the one that writes

A generation is written whole and never changed. It counts from the moment the SQL database names it, not before
(``index.service``); whatever no generation names is left over from one that was replaced, or that died on its way.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from index.errors import DamagedIndexError
from index.postings import Postings

FORMAT = 1
NOTHING = "0"
"""The generation before the first."""

_OURS = re.compile(r"(manifest-\d{10}-[0-9a-f]{8}\.json|segment-\d{10}-[0-9a-f]{8})")
_DTYPES = {
    "key": "<u4",
    "area": "<i8",
    "order": "|u1",
    "cell": "<u4",
    "entry": "<u4",
    "row": "<u4",
    "inside": "<u4",
    "first": "<u4",
    "start": "<u2",
    "last": "<u2",
}


@dataclass(frozen=True)
class Snapshot:
    """One generation, open for reading. It stays readable after its files are removed."""

    generation: str
    segments: tuple[Postings, ...]


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

    def write(self, segments: Sequence[Postings], after: str) -> str:
        """Write a generation that follows another one, down to the disk, and give its name."""
        generation = f"{int(after.partition('-')[0]) + 1:010d}-{secrets.token_hex(4)}"
        described = [self._write_segment(f"segment-{generation}", segment) for segment in segments]
        manifest = {"format": FORMAT, "generation": generation, "segments": described}
        path = self._manifest(generation)
        with path.open("w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        _folder_to_disk(self._folder)
        return generation

    def open(self, generation: str) -> Snapshot:
        """Map a generation into memory; takes the same time at any size. Raises DamagedIndexError."""
        if generation == NOTHING:
            return Snapshot(generation, ())
        segments = self._read_manifest(generation)["segments"]
        return Snapshot(generation, tuple(map(self._open_segment, segments)))

    def verify(self, generation: str) -> None:
        """Read every file of a generation and compare its checksum. Raises DamagedIndexError, naming the file."""
        if generation == NOTHING:
            return
        self.open(generation)
        for segment in self._read_manifest(generation)["segments"]:
            for name, told in segment["files"].items():
                path = self._folder / segment["folder"] / name
                with path.open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != told["sha256"]:
                        raise DamagedIndexError(f"{path} is damaged: its checksum is not the one it was written with")

    def size(self, generation: str) -> int:
        """Give the bytes of the segments of a generation. Raises DamagedIndexError."""
        segments = [] if generation == NOTHING else self._read_manifest(generation)["segments"]
        return sum(told["bytes"] for segment in segments for told in segment["files"].values())

    def sweep(self, generation: str) -> None:
        """Remove what does not belong to a generation. Only for the holder of the lock."""
        keep = {self._manifest(generation).name}
        if generation != NOTHING:
            keep |= {segment["folder"] for segment in self._read_manifest(generation)["segments"]}
        for path in self._folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in keep:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def _manifest(self, generation: str) -> Path:
        return self._folder / f"manifest-{generation}.json"

    def _read_manifest(self, generation: str) -> Any:
        path = self._manifest(generation)
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            written_as, named = manifest["format"], manifest["generation"]
        except FileNotFoundError as error:
            raise DamagedIndexError(f"{path} is missing; the database says that the index is there") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedIndexError(f"{path} is damaged: {error}") from error
        if written_as != FORMAT:
            raise DamagedIndexError(f"{path} has format {written_as!r}, and this version reads format {FORMAT}")
        if named != generation:
            raise DamagedIndexError(f"{path} is damaged: it is the manifest of generation {named!r}")
        return manifest

    def _write_segment(self, name: str, postings: Postings) -> dict[str, Any]:
        folder = self._folder / name
        folder.mkdir()
        files = {}
        for field in fields(postings):
            array = getattr(postings, field.name)
            path = folder / f"{field.name}.npy"
            with path.open("w+b") as file:
                np.save(file, array.astype(_DTYPES[field.name], copy=False))
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[path.name] = {"bytes": path.stat().st_size, "sha256": digest}
        _folder_to_disk(folder)
        return {"folder": name, "files": files}

    def _open_segment(self, segment: dict[str, Any]) -> Postings:
        arrays = {}
        for field in fields(Postings):
            path = self._folder / segment["folder"] / f"{field.name}.npy"
            told = segment["files"][path.name]["bytes"]
            try:
                size = path.stat().st_size
                if size != told:
                    raise DamagedIndexError(f"{path} is damaged: it has {size:,} bytes and was written with {told:,}")
                array = np.load(path, mmap_mode="r")
            except FileNotFoundError as error:
                raise DamagedIndexError(f"{path} is missing; the manifest names it") from error
            except ValueError as error:
                raise DamagedIndexError(f"{path} is damaged: {error}") from error
            if array.dtype.str != _DTYPES[field.name]:
                raise DamagedIndexError(f"{path} is damaged: it holds {array.dtype.str}, not {_DTYPES[field.name]}")
            arrays[field.name] = array.view(np.ndarray)  # the class memmap itself is slow
        return Postings(**arrays)


def _folder_to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
