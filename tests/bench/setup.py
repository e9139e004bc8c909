"""How long a newcomer waits: a fresh clone, its first and its second ``make demo``."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figure import Figure

ROOT = Path(__file__).resolve().parents[2]


def _timed(*command: str, cwd: Path) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def figures() -> Iterator[Figure]:
    """Clone what is committed and follow the README."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "amora"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        setup = _timed("make", "setup", cwd=clone)
        first = _timed("make", "demo", cwd=clone)
        second = _timed("make", "demo", cwd=clone)
    yield Figure("make setup, warm package cache", f"{setup:.1f} s", "-", f"{setup:.1f} s", "< 120 s")
    yield Figure("make demo, first", f"{first:.1f} s", "-", f"{first:.1f} s", "-")
    yield Figure("make demo, second", f"{second:.1f} s", "-", f"{second:.1f} s", "< 20 s")
