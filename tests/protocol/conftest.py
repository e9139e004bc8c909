"""The service under test: a process of its own, or the one at AMORA_TEST_URL."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.production import Production
from tests.protocol.client import Probe
from tests.service import Service

# Read before the fixture that clears the environment of each test.
TEST_URL = os.environ.get("AMORA_TEST_URL")


@pytest.fixture(scope="session", params=["embedded", "production"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int | None]]:
    """The address of a running service, and its process where it is ours: each test runs with each kind of it."""
    if TEST_URL:
        if request.param == "production":
            pytest.skip("the service at AMORA_TEST_URL is what it is")
        yield TEST_URL, None
        return
    servers: Production | None = None if request.param == "embedded" else request.getfixturevalue("servers")
    installation = servers.settings() if servers else {}
    with Service(tmp_path_factory.mktemp("service") / "home", **installation, MAX_BODY=str(2**20)) as service:
        yield service.base_url, service.process.pid


@pytest.fixture(scope="session")
def base_url(service: tuple[str, int | None]) -> str:
    """The address of a running service."""
    return service[0]


@pytest.fixture(scope="session")
def probe(base_url: str) -> Iterator[Probe]:
    """The job list that takes jobs of a given length and outcome."""
    client = Probe(base_url)
    yield client
    client.http.close()
