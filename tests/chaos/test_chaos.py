"""A short fault run; the long one is ``make chaos``."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos.__main__ import show
from tests.chaos.run import run


@pytest.mark.timeout(400)
def test_nothing_is_lost() -> None:
    # not in pytest's own folder: PostgreSQL runs as nobody, who may not look into it
    with tempfile.TemporaryDirectory(prefix="amora-chaos-") as folder:
        report = run(Path(folder), seed=5, seconds=20, jobs=40, tasks=160)
        told = io.StringIO()
        show(report, Console(file=told, width=160))
        assert report.verdict.clean, told.getvalue()
        assert len(report.promises.accepted) == 40
        assert sum(report.struck.values()) >= 5, told.getvalue()
