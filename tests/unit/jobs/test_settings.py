"""Settings that lead to something else than what they say, were they taken as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.engine import Engine
from jobs.settings import Settings


@pytest.mark.parametrize("name", ["a%20b", "100%", "what?", "a#b", "a b", "é:@x"])
def test_a_home_folder_of_any_name(tmp_path: Path, name: str) -> None:
    """The address of a database is an address, and some characters mean something in it."""
    engine = Engine(Settings(home=tmp_path / name))
    engine.stop()
    assert (tmp_path / name / "amora.sqlite").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
