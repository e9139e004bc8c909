"""The table of ``docs/conformance.md`` and the tests it names: a test is of item 7 if 07 leads its name.

``python -m tests.conformance`` writes the names into the table.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "conformance.md"
ITEMS = range(1, 67)
NOT_YET = "Not yet."
"""The note of an item that nothing is built for; it goes with the first test."""
_TEST = re.compile(r"^(?:async )?def (test_((?:\d\d_)+)\w*)\(", re.MULTILINE)
_ROW = re.compile(r"\| (\d+) \| (.*) \| (.*) \| (.*) \| (.*) \|")


def tests() -> dict[int, list[str]]:
    """Return the tests of each item, as ``file: test``, in the order of the files."""
    found: dict[int, list[str]] = {item: [] for item in ITEMS}
    for path in sorted((ROOT / "tests" / "protocol").glob("test_*.py")):
        for name, numbers in _TEST.findall(path.read_text(encoding="utf-8")):
            for number in numbers.strip("_").split("_"):
                found[int(number)].append(f"{path.stem}: {name}")
    return found


def rows() -> dict[int, tuple[str, str, str, list[str]]]:
    """Return what the table says of each item: section, requirement, note and tests."""
    matches = map(_ROW.fullmatch, TABLE.read_text(encoding="utf-8").splitlines())
    return {
        int(row[1]): (row[2], row[3], row[4], re.findall(r"`([^`]+)`", row[5])) for row in matches if row is not None
    }


def write() -> None:
    """Write the names of the tests into the table."""
    found = tests()

    def filled(line: str) -> str:
        row = _ROW.fullmatch(line)
        names = "<br>".join(f"`{name}`" for name in found[int(row[1])]) if row else ""
        note = "" if row and names and row[4] == NOT_YET else row and row[4]
        return f"| {row[1]} | {row[2]} | {row[3]} | {note} | {names} |" if row else line

    lines = TABLE.read_text(encoding="utf-8").splitlines()
    TABLE.write_text("".join(filled(line) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    write()
