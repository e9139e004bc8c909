"""What the figures of the index are measured on: real pointings, their MOCs, moc-set's file of them, and queries."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
from astropy.coordinates import Angle, Latitude, Longitude
from mocpy import MOC

from index.healpix import Ints, Ranges, ranges_of, shift
from index.region import Region

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "observations"
OBSERVATIONS = 14_000
"""Times three cameras: 42,000 datasets."""
DEPTH = 13
MOCSET = Path(sys.executable).with_name("mocset")
SIZES = {"position": (0.0, 29), "1'": (1 / 60, 14), "10'": (1 / 6, 13), "1 deg": (1.0, 12), "10 deg": (10.0, 10)}
"""Radius in degrees, and order of the query's MOC."""

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """A circle, or a position."""

    ra: float
    dec: float
    radius: float
    moc: MOC


def observations(folder: Path) -> Path:
    """Write a list of 14,000 observations, three cameras each: the real ones, and the first some again, elsewhere."""
    with (SHARED / "xmm_observations_joined.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[: OBSERVATIONS - len(rows)]:
        rows.append({**row, "obs_id": f"9{row['obs_id'][1:]}", "ra_pnt": str((float(row["ra_pnt"]) + 7) % 360)})
    path = folder / "observations.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def pointings() -> list[tuple[float, float]]:
    """Give where the telescope pointed."""
    with (SHARED / "xmm_observations_joined.csv").open(encoding="utf-8-sig", newline="") as file:
        return [(float(row["ra_pnt"]) % 360, float(row["dec_pnt"])) for row in csv.DictReader(file)]


def questions(size: str, number: int, seed: int = 1) -> list[Question]:
    """Give circles of a size, half of them around real pointings, half anywhere."""
    random = np.random.default_rng(seed)
    radius, order = SIZES[size]
    real = pointings()
    asked = []
    for at in range(number):
        if at % 2:
            ra, dec = real[random.integers(len(real))]
        else:
            ra, dec = random.uniform(0, 360), float(np.degrees(np.arcsin(random.uniform(-1, 1))))
        ra, dec = float(ra + random.uniform(-0.1, 0.1)) % 360, float(np.clip(dec + random.uniform(-0.1, 0.1), -90, 90))
        text = f"CIRCLE {ra!r} {dec!r} {radius!r}" if radius else f"POSITION {ra!r} {dec!r}"
        asked.append(Question(ra, dec, radius, Region.parse(text).moc(order)))
    return asked


def write_mocset(path: Path, copies: Sequence[int], ranges: Sequence[Ranges]) -> None:
    """Write moc-set's file, the identifiers counting from 1.

    Its layout is: the number of blocks of 128, then per MOC flag, depth and identifier in 64 bits; where the ranges
    of each begin; for depths up to 13 ranges as 32-bit cells of order 13.

    :param copies: of all the MOCs, each moved by so many cells of order 8 around the sky, to wrap at its end.
    """
    blocks = -(-(len(copies) * len(ranges) + 1) // 128)
    count = np.array([len(one) for one in ranges], np.int64)
    cells = (np.concatenate(ranges) >> shift(DEPTH)).astype(np.int64)
    meta = np.zeros(128 * blocks, np.uint64)
    number = len(copies) * len(ranges)
    meta[0] = blocks
    meta[1 : number + 1] = np.arange(1, number + 1, dtype=np.uint64) | np.uint64(3 << 56 | DEPTH << 48)
    index = np.zeros(128 * blocks, np.uint64)
    moved = [moved_by(cells, count, copy, shift(8) - shift(DEPTH), 12 << 2 * DEPTH) for copy in copies]
    lengths = np.concatenate([its for _, its in moved])
    index[: number + 1] = 16 * 128 * blocks + 8 * np.concatenate(([0], np.cumsum(lengths)))
    with path.open("wb") as file:
        file.write(meta.tobytes())
        file.write(index.tobytes())
        for its, _ in moved:
            file.write(its.astype("<u4").tobytes())


def moved_by(ranges: Ranges, count: Ints, offset: int, bits: int, sky: int) -> tuple[Ranges, Ints]:
    """Move all coverages by cells of order 8; one that passes the end of the sky is cut, and goes on at its start.

    Gives the ranges, and how many each coverage has now.
    """
    if not offset:
        return ranges, count
    row = np.repeat(np.arange(len(count)), count)
    begin, end = ranges[:, 0] + (offset << bits), ranges[:, 1] + (offset << bits)
    beyond = begin >= sky
    cut = ~beyond & (end > sky)
    rows = np.concatenate((row, row[cut]))
    begins = np.concatenate((np.where(beyond, begin - sky, begin), np.zeros(int(cut.sum()), np.int64)))
    ends = np.concatenate((np.where(beyond, end - sky, np.minimum(end, sky)), end[cut] - sky))
    order = np.lexsort((begins, rows))
    return np.stack((begins[order], ends[order]), axis=1), np.bincount(rows, minlength=len(count))


def ask_mocset(file: Path, question: Question, rounds: int) -> tuple[float, set[int]]:
    """Give the seconds of a query, the best of some rounds, and the identifiers that it finds."""
    kind = ["cone", "--precision", "6"] if question.radius else ["pos"]
    if question.radius >= 10:
        kind[-1] = "4"
    where = [f"{question.ra!r}", f"{question.dec!r}", *([f"{3600 * question.radius!r}"] if question.radius else [])]
    command = [str(MOCSET), "query", str(file), *kind, "--", *where]
    best, found = timed(lambda: subprocess.run(command, capture_output=True, text=True, check=True).stdout, rounds)
    return best, {int(word) for word in found.split()[1:]}


def timed(call: Callable[[], T], rounds: int) -> tuple[float, T]:
    """Give the seconds of a call, the best of some, and what it gives."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - start)
    return best, result


def middle(call: Callable[[Question], object], asked: Sequence[Question], rounds: int = 5) -> float:
    """Give the median over questions of the seconds of a call, for each the best of some."""
    return median(timed(lambda one=question: call(one), rounds)[0] for question in asked)


def ranges_of_all(mocs: Sequence[MOC]) -> list[Ranges]:
    """Give the ranges of MOCs."""
    return list(map(ranges_of, mocs))


def make_mocset(folder: Path, mocs: Sequence[Ranges]) -> Path:
    """Have moc-set make its file from a FITS file for each MOC, the identifiers counting from 1."""
    sample = folder / "sample.fits"
    MOC.from_string(f"{DEPTH}/100 200").save(str(sample), format="fits", overwrite=True)
    content = sample.read_bytes()
    at = content.index(b"NAXIS2  =")
    header = 2880 * -(-content.index(b"END ", at) // 2880)
    if b"'RANGE" not in content[:header]:
        raise RuntimeError("mocpy writes no ranges any more")
    fits = folder / "fits"
    fits.mkdir()
    for number, ranges in enumerate(mocs, 1):
        data = ranges.astype(">i8").tobytes()
        told = f"NAXIS2  = {2 * len(ranges):>20}".ljust(80).encode()
        padding = bytes(-len(data) % 2880)
        (fits / f"{number}").write_bytes(content[:at] + told + content[at + 80 : header] + data + padding)
    listed = "".join(f"{number} {fits / str(number)}\n" for number in range(1, len(mocs) + 1))
    path = folder / "made.mocset"
    blocks = str(len(mocs) // 128 + 1)
    subprocess.run([str(MOCSET), "make", "-n", blocks, str(path)], input=listed, text=True, check=True)
    return path


def cone(question: Question, order: int) -> MOC:
    """Have mocpy build a circle."""
    ra, dec, radius = (Angle(value, "deg") for value in (question.ra, question.dec, question.radius))
    return MOC.from_cone(Longitude(ra), Latitude(dec), radius=radius, max_depth=order)
