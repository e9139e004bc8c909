"""The service under test: a process of its own, or the one at AMORA_TEST_URL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.client import Probe

# Read before the fixture that clears the environment of each test.
TEST_URL = os.environ.get("AMORA_TEST_URL")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int | None]]:
    """The address of a running service, and its process where it is ours."""
    if TEST_URL:
        yield TEST_URL, None
        return
    folder = tmp_path_factory.mktemp("service")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMORA_")}
    environment |= {"AMORA_HOME": str(folder / "home"), "AMORA_PORT": "0", "AMORA_MAX_BODY": str(2**20)}
    amora = str(Path(sys.executable).with_name("amora"))
    with subprocess.Popen([amora, "serve"], env=environment, cwd=folder, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            ready = service.stdout.readline()
            assert ready.startswith("Amora is ready at http://"), ready
            yield ready.split()[-1], service.pid
        finally:
            service.terminate()


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
