"""Regions that cost a lot, or would if they were taken as they come; run as a program, it builds each within limits.

It reads nothing, and prints one line of JSON for each: its name, what became of it, and seconds of processor time.
"""

from __future__ import annotations

import json
import math
import resource
import time
from pathlib import Path

import numpy as np

from index.errors import RegionError
from index.healpix import SKY_PIXELS, ranges_of
from index.region import Region

MEGABYTES = 300
"""Of address space, beyond what the process has once it has built a region."""


def _ring(count: int, dec: float, wobble: float = 0.0) -> str:
    return " ".join(f"{360 * k / count} {dec + wobble * math.sin(37 * k)}" for k in range(count))


def _many(form: str, count: int = 290) -> str:
    random = np.random.default_rng(5)
    return " ".join(
        form.format(random.uniform(0, 360), random.uniform(-85, 85), random.uniform(20, 60), random.uniform(1, 20))
        for _ in range(count)
    )


def _fits(rows: int, values: bytes) -> bytes:
    def header(*cards: tuple[str, object]) -> bytes:
        lines = [f"{name:8}= {value!s:>20}" for name, value in cards] + ["END"]
        text = "".join(line.ljust(80) for line in lines)
        return text.ljust(-(-len(text) // 2880) * 2880).encode()

    first = header(("SIMPLE", "T"), ("BITPIX", 8), ("NAXIS", 0))
    second = header(
        *(("XTENSION", "'BINTABLE'"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 8), ("NAXIS2", rows), ("PCOUNT", 0)),
        *(("GCOUNT", 1), ("TFIELDS", 1), ("TFORM1", "'1K'"), ("ORDERING", "'NUNIQ'"), ("MOCORDER", 29)),
    )
    return first + second + values


TEXTS = {
    "circle of 10 degrees": "CIRCLE 10 20 10",
    "circle of 180 degrees": "CIRCLE 10 20 180",
    "circle of 90 degrees": "CIRCLE 0 0 90",
    "tiny circle": "CIRCLE 10 20 1e-9",
    "square of 10 degrees": "POLYGON 0 0 10 0 10 10 0 10",
    "polygon of 1,000 corners around a pole": f"POLYGON {_ring(1000, 20)}",
    "star of 1,000 corners": f"POLYGON {_ring(1000, 40, 15)}",
    "thin zone around the sky": "RANGE -Inf +Inf 10 10.0001",
    "whole sky": "RANGE -Inf +Inf -Inf +Inf",
    "union of 290 circles": f"Union ICRS ({_many('Circle {:.3f} {:.3f} {:.3f}')})",
    "intersection of 290 circles": f"Intersection ICRS ({_many('Circle {:.3f} {:.3f} {:.3f}')})",
    "union of 290 boxes": f"Union ICRS ({_many('Box {:.3f} {:.3f} {:.3f} {:.3f}')})",
    "union of 290 ellipses": f"Union ICRS ({_many('Ellipse {:.3f} {:.3f} {:.3f} {:.3f} 30')})",
    "20,000 circles": f"Union ICRS ({'Circle 1 2 3 ' * 20_000})",
    "20,000 times Not": "Not (" * 20_000 + "Circle 1 1 1" + ")" * 20_000,
    "20,000 corners": f"Polygon ICRS {_ring(20_000, 80)}",
    "annulus of 100 rings": f"DS9 icrs;annulus(10,20,{','.join(str(n / 10) for n in range(1, 101))})",
    "no corner": "POLYGON",
    "NaN in a polygon": "POLYGON nan 0 4 0 4 4",
    "NaN in a circle": "CIRCLE nan 1 1",
    "zone upside down": "RANGE 1 2 5 -5",
    "cell off the sky": "3/768",
    "order 30": "30/1",
    "cells backwards": "3/4-1",
    "half a cell in JSON": '{"3":[1.5]}',
    "MOC of 9,000 cells": "29/" + " ".join(str(4 * n) for n in range(9000))[:49_000].rpartition(" ")[0],
    "widest range of a MOC": f"29/0-{SKY_PIXELS - 1}",
}
FILES = {
    "NAXIS2 of 99999999999999": _fits(99999999999999, bytes(2880)),
    "NAXIS2 of -1": _fits(-1, bytes(2880)),
    "data of 0xFF": _fits(360, b"\xff" * 2880),
    "a million cells": _fits(999_999, (4**30 + 4 * np.arange(999_999)).astype(">i8").tobytes()),
    "cut": _fits(3000, bytes(6000)),
    "500,000 cells in ASCII": ("10/" + " ".join(map(str, range(0, 2_000_000, 4)))).encode(),
    "more cells in ASCII than are taken": ("10/" + " ".join(map(str, range(0, 4_000_000, 4)))).encode(),
    "8 MB of cells in JSON": b'{"10":[' + ",".join(map(str, range(0, 4_000_000, 4))).encode() + b"]}",
    "8 MB of brackets": b"[" * (8 * 2**20),
    "8 MB of digits": b"3/" + b"1" * (8 * 2**20 - 2),
    "8 MB of blanks": b"fk5;circle(1,2,3)" + b" " * (8 * 2**20 - 17),
}


def main() -> None:
    """Build each region under a limit of memory."""
    Region.parse("Union ICRS (Circle GALACTIC 10 20 1 Box 10 20 1 1)").moc()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEGABYTES * 2**20,) * 2)
    for name, given in (TEXTS | FILES).items():
        start = time.process_time()
        try:
            region = Region.read(given) if isinstance(given, bytes) else Region.parse(given)
            ranges = ranges_of(region.moc())
            assert len(ranges) > 0
            assert 0 <= ranges.min() < ranges.max() <= SKY_PIXELS
            became = f"{len(ranges)} ranges"
        except RegionError as error:
            became = f"error: {str(error)[:200]}"
        print(json.dumps([name, became, time.process_time() - start]), flush=True)


if __name__ == "__main__":
    main()
