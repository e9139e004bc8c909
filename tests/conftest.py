"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import index.store
import jobs.tables
import uws.tables
from index.database import Database
from tests.production import Production, production
from tests.service import VARIANT

# No test fails for being slow: the machine may have something else to do.
settings.register_profile("untimed", parent=settings(), deadline=None)
settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared"
REAL = SHARED / "data" / "xmm" / "0002970201"


def missing(what: str) -> None:
    """Skip with a reason where something outside the project is absent; on CI its absence is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is not here, and CI must have it")
    pytest.skip(f"{what} is not here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what waits for servers and browsers, or long: where several run at once, the short fill up the end."""
    items.sort(key=lambda item: "unit" in item.path.parts and item.get_closest_marker("timeout") is None)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("AMORA_")]:
        monkeypatch.delenv(name)
    for name, value in VARIANT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """What tests start hears SIGINT, also where the shell that started the tests in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def servers() -> Iterator[Production]:
    """PostgreSQL and Redis for all tests of this run; each test has a database of its own in them."""
    with production() as running:
        yield running


@pytest.fixture(params=["embedded", "production"])
def installation(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The settings that tell an installation where its database and its queue are: the test runs with each."""
    if request.param == "embedded":
        yield {}
        return
    servers: Production = request.getfixturevalue("servers")
    settings = servers.settings()
    yield settings
    servers.postgresql.drop(settings["database_url"])


@pytest.fixture
def database_url(installation: dict[str, str], tmp_path: Path) -> str:
    """The address of a database with all tables, SQLite and then PostgreSQL."""
    if "database_url" in installation:
        return installation["database_url"]
    url = f"sqlite:///{tmp_path / 'home' / 'amora.sqlite'}"
    database = Database(url)
    index.store.metadata.create_all(database.engine)
    jobs.tables.metadata.create_all(database.engine)
    uws.tables.metadata.create_all(database.engine)
    database.close()
    return url


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
