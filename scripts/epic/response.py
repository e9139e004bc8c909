"""Redistribution matrices (RMF) and ancillary responses (ARF) that the archive has, put beside a spectrum.

The pipeline's spectra of sources (SRSPEC) say at which place (SRC_RA, SRC_DEC) and for which circle (EXTRRAD) their ARF
was made, and which matrix goes with them: those of the nearest source are taken, the ARF if it lies within :data:`NEAR`
of the region's centre. An archive without such spectra may have one ARF and one RMF for the dataset.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scripts.epic.errors import EventFileError
from scripts.epic.events import EventList
from scripts.epic.header import Header
from scripts.epic.region import Shape, bounding_circle

NEAR = 15.0
"""Arcsec from the centre of the region to the source that an ARF was made for: the telescopes' half energy width."""

Files = Sequence[Mapping[str, Any]]


class Folded(NamedTuple):
    """What a spectrum is to be folded with."""

    rmf: Path | None
    arf: Path | None
    told: tuple[str, ...]
    """What there is to know of them, for the log and as HISTORY."""


def choose(files: Files, events: EventList, source: Shape, channels: int) -> Folded:
    """Choose among a dataset's files of the kinds ``response``, ``arf`` and ``source_spectrum``.

    :param channels: DETCHANS of the spectrum; a matrix of other channels is not taken.
    :raises EventFileError: one of them cannot be read.
    """
    by_kind = {
        kind: [Path(str(file["path"])) for file in files if file.get("kind") == kind]
        for kind in ("response", "arf", "source_spectrum")
    }
    matrices, areas, told = by_kind["response"], by_kind["arf"], []
    if by_kind["source_spectrum"] and source.outlines:
        x, y, _ = bounding_circle(source)
        distance, nearest = min((_distance(path, events, x, y), path) for path in by_kind["source_spectrum"])
        header = _header(nearest)
        named = {key: _stem(str(header.get(key, ""))) for key in ("ANCRFILE", "RESPFILE")}
        # another source's matrix is right too where no other is there; its ARF is not
        matrices = [path for path in matrices if _stem(path.name) == named["RESPFILE"]] or matrices
        areas = [path for path in areas if _stem(path.name) == named["ANCRFILE"]]
        if distance > NEAR:
            if areas:
                told.append(f'no ARF: the nearest source that the pipeline made one for lies {distance:.0f}" away')
            areas = []
        elif areas:
            radius = float(header.get("EXTRRAD", 0.0)) * 0.05
            told.append(f'ARF {areas[0].name}: made by the pipeline for a circle of {radius:g}", {distance:.1f}" away')
    usable = []
    for path in matrices:
        found = _header(path, "DETCHANS").get("DETCHANS")
        if found is None or int(found) != channels:
            told.append(f"{path.name} is not linked: it has {found} channels, the spectrum {channels}")
        else:
            usable.append(path)
    if len(areas) > 1:
        told.append(f"no ARF: there are {len(areas)}, and no source spectrum says which is for this place")
    return Folded(usable[0] if usable else None, areas[0] if len(areas) == 1 else None, tuple(told))


def link(header: Header, chosen: Folded, product: Callable[[str], Path]) -> None:
    """Copy the files beside the spectrum, unpacked, and name them in its header."""
    for key, path, name in (("RESPFILE", chosen.rmf, "rmf.fits"), ("ANCRFILE", chosen.arf, "arf.fits")):
        if path is None:
            continue
        try:
            content = path.read_bytes()
            content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        except (OSError, EOFError, zlib.error) as error:
            raise EventFileError(f"{path.name}: cannot be read ({error})") from error
        product(name).write_bytes(content)
        header[key] = product(name).name
    for line in chosen.told:
        print(line)
        header["HISTORY"] = line


def _stem(name: str) -> str:
    """The name without what only says how it is packed."""
    lower = name.strip().lower()
    return lower.removesuffix(".gz").removesuffix(".ftz").removesuffix(".fits").removesuffix(".fit")


def _header(path: Path, wanted: str = "SRC_RA") -> Mapping[str, Any]:
    """The first header with a keyword, else that of the first extension."""
    from astropy.io import fits  # noqa: PLC0415 - slow to import, and few datasets have responses

    try:
        with fits.open(path) as hdus:
            known = [hdu.header for hdu in hdus if wanted in hdu.header]
            return dict((known or [hdus[-1].header])[0])
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise EventFileError(f"{path.name}: cannot be read ({error})") from error


def _distance(path: Path, events: EventList, x: float, y: float) -> float:
    header = _header(path)
    try:
        u, v = events.projection.to_pixel(float(header["SRC_RA"]), float(header["SRC_DEC"]))
    except (KeyError, TypeError, ValueError):
        return np.inf
    away = float(np.hypot(u - x, v - y)) * events.projection.unit
    return away if np.isfinite(away) else np.inf
