"""What regions cost is bounded: hostile and dear ones are built, or refused, in a process that gets 300 MB for each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.unit.index.dear import FILES, TEXTS

ROOT = Path(__file__).resolve().parents[3]
REFUSED = (
    "20,000",
    "no corner",
    "NaN",
    "off the sky",
    "order 30",
    "backwards",
    "upside",
    "half a cell",
    "NAXIS2",
    "0xFF",
)


def test_each_is_built_or_refused_within_300_megabytes() -> None:
    command = [sys.executable, "-m", "tests.unit.index.dear"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in rows] == [*TEXTS, *FILES], done.stderr[-2000:]
    assert done.returncode == 0, done.stderr[-2000:]
    for name, became, _ in rows:
        if any(word in name for word in REFUSED):
            assert became.startswith("error: "), name
        elif "circle" in name.partition(" ")[0] or "polygon" in name:
            assert became.endswith(" ranges"), name
