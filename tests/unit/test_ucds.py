"""Each UCD in the software is one of the vocabulary (UCD1+ 1.5), with primary and secondary words in their places."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from astropy.io.votable.ucd import parse_ucd

ROOT = Path(__file__).resolve().parents[2]
_WORD = r"(?:arith|em|instr|meta|obs|phot|phys|pos|spect|src|stat|time)"
_UCD = re.compile(rf"{_WORD}(?:\.\w+)+(?:;{_WORD}(?:\.\w+)*)*|{_WORD}(?:;{_WORD}(?:\.\w+)*)+")


def _in_programs() -> Iterator[tuple[Path, str]]:
    for folder in ("uws", "index", "jobs", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found = [node.value] if _UCD.fullmatch(node.value) else re.findall(r'ucd="([^"{]+)"', node.value)
                    yield from ((path, ucd) for ucd in found)


def _in_descriptors() -> Iterator[tuple[Path, str]]:
    for path in (ROOT / "scripts").glob("*/script.toml"):
        for parameter in tomllib.loads(path.read_text(encoding="utf-8")).get("parameters", ()):
            if "ucd" in parameter:
                yield path, parameter["ucd"]


def test_ucds_are_of_the_vocabulary() -> None:
    found = [*_in_programs(), *_in_descriptors()]
    assert len(found) > 150
    for path, ucd in found:
        try:
            parse_ucd(ucd, check_controlled_vocabulary=True)
        except ValueError as error:
            raise AssertionError(f"{path}: {ucd}: {error}") from error
