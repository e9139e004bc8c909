"""The examples in docs/index.md run, and read what the index writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from index.healpix import ranges_of
from index.region import Region
from index.service import Index

PAGE = Path(__file__).resolve().parents[3] / "docs" / "index.md"
LIBRARY, NUMPY = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - the page is ours
    return names


def test_the_library_is_used_as_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run(LIBRARY)
    name, *numbers = capsys.readouterr().out.split()
    assert name == "0001/CAM1/E1"
    assert [0 < float(number) <= 1 for number in numbers] == [True] * 3


def test_a_segment_is_read_as_told(tmp_path: Path, index: Index, found: Callable[..., Any]) -> None:
    index.add([found("a"), found("b", radius=0.02), found("far", ra=90.0)])
    (path,) = (tmp_path / "index").glob("segment-*")
    told = run(NUMPY)
    segment = told["arrays"](path)
    for ra, dec in ((35.0, 43.0), (35.1, 43.0), (90.0, 43.2), (90.0, 43.3), (200.0, 0.0)):
        point = Region.parse(f"POSITION {ra} {dec}")
        expected = {match.dataset.id for match in index.search(point)}
        keys = told["keys_at"](segment, int(ranges_of(point.moc(16))[0, 0]) >> 26)
        assert {index._store.by_key([key])[1][key].id for key in keys} == expected
