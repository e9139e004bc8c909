"""Print the figures as a table: ``python -m tests.bench [PART]``."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from tests.bench import (
    answers,
    browser,
    doors,
    engine,
    http,
    index,
    jobs,
    large,
    page,
    production,
    science,
    setup,
    truth,
)
from tests.bench.figure import Part

PARTS: dict[str, Part] = {
    "http": http.figures,
    "jobs": jobs.figures,
    "engine": engine.figures,
    "production": production.figures,
    "answers": answers.figures,
    "doors": doors.figures,
    "science": science.figures,
    "index": index.figures,
    "index-large": large.figures,
    "setup": setup.figures,
    "truth": truth.figures,
    "page": browser.figures,
    "page-server": page.figures,
}


def main(words: list[str]) -> int:
    """Measure the parts named, or all."""
    unknown = set(words) - set(PARTS)
    if unknown:
        print(f"there is no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    table = Table("figure", "measured", "held against", "result", "bar")
    for name in words or PARTS:
        for figure in PARTS[name]():
            table.add_row(*figure.cells())
    Console(width=140).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
