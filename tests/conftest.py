"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
REAL = SHARED / "data" / "xmm" / "0002970201"


def missing(what: str) -> None:
    """Skip with a reason where something outside the project is absent; on CI its absence is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is not here, and CI must have it")
    pytest.skip(f"{what} is not here")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("AMORA_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and XML schemas beside the checkout."""
    if not SHARED.is_dir():
        missing(f"the folder of reference data {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def real(shared: Path) -> Path:
    """The real event lists of observation 0002970201 and the SAS products made from them."""
    folder = shared / "data" / "xmm" / "0002970201"
    if not folder.is_dir():
        missing(f"the real observation {folder}")
    return folder
