"""TAP as its clients and its judge see it: pyvo, and taplint with all stages that concern this service."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvo
from astropy.table import Table

from tests.conftest import missing
from tests.service import Service

STAGES = "TMV TME TMS TMC CPV CAP AVV QGE QPO QAS UWS MDQ OBS UPL EXA"
"""All but LOC, which is about plans of observations."""


@pytest.fixture(scope="module")
def address(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that fetches tables too, as TAP wants; it holds two simulated observations."""
    home = tmp_path_factory.mktemp("tap") / "home"
    command = [sys.executable, "-c", "from uws.cli import main; main()", "index", "add", str(archive)]
    subprocess.run(command, env={**os.environ, "AMORA_HOME": str(home)}, check=True, capture_output=True)
    with Service(home, UPLOAD_URLS="true") as service:
        yield service.base_url + "/tap"


def test_taplint_finds_nothing(address: str) -> None:
    program = shutil.which("stilts")
    if program is None:
        missing("the program stilts")
    command = [program, "taplint", f"tapurl={address}", f"stages={STAGES}", "report=EWF"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert "Totals: Errors: 0; Warnings: 0; Failures: 0" in done.stdout, done.stdout


def test_the_tables_have_rows(address: str) -> None:
    """Without any, taplint would have little to judge."""
    service = pyvo.dal.TAPService(address)
    for table in ("ivoa.obscore", "amora.datasets"):
        assert int(service.search(f"SELECT COUNT(*) AS n FROM {table}")["n"][0]) == 6  # noqa: S608


def test_pyvo_asks_at_once_and_by_a_job(address: str) -> None:
    service = pyvo.dal.TAPService(address)
    query = "SELECT table_name, description FROM TAP_SCHEMA.tables"
    assert "ivoa.obscore" in service.search(query)["table_name"]
    assert set(service.run_async(query)["table_name"]) == set(service.search(query)["table_name"])
    assert service.tables["ivoa.obscore"].columns
    assert len(service.examples) > 3
    assert service.hardlimit


def test_pyvo_sends_a_table_along(address: str) -> None:
    service = pyvo.dal.TAPService(address)
    mine = Table({"ra": [10.0, 20.0], "name": ["a", "b"]})
    query = "SELECT name, ra * 2 AS twice FROM TAP_UPLOAD.mine ORDER BY ra DESC"
    for answer in (service.run_sync(query, uploads={"mine": mine}), service.run_async(query, uploads={"mine": mine})):
        assert answer["name"].tolist() == ["b", "a"]
        assert answer["twice"].tolist() == [40.0, 20.0]


def test_pyvo_is_told_what_is_wrong(address: str) -> None:
    service = pyvo.dal.TAPService(address)
    with pytest.raises(pyvo.dal.DALQueryError, match="nosuch"):
        service.search("SELECT nosuch FROM ivoa.obscore")
    with pytest.raises(pyvo.dal.DALQueryError, match="nosuch"):
        service.run_async("SELECT nosuch FROM ivoa.obscore")
