"""The provenance of a job, read by the PROV library, and its picture."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree
from prov.model import ProvActivity, ProvAgent, ProvAssociation, ProvDocument, ProvEntity, ProvGeneration, ProvUsage
from starlette.testclient import TestClient

from jobs.descriptor import load
from jobs.engine import Engine
from jobs.models import Job, Parameter, Upload
from jobs.phases import Phase
from jobs.record import Record, UsedFile
from jobs.settings import BUILT_IN_SCRIPTS
from tests.unit.jobs.conftest import Found
from uws.addresses import Addresses
from uws.app import create_app
from uws.picture import as_svg
from uws.provenance import Provenance, as_json, has_ended
from uws.settings import Settings

AT = Addresses("http://amora.example")


def provenance(job: Job, **changes: object) -> Provenance:
    records = {
        task.number: Record(
            "1.0",
            "ab" * 32,
            {"EMIN": 0.5, "EMAX": 10.0, "GTI": "none", "FLARE_RATE": None},
            {"Amora": "0.1.0", "Python": "3.12.1", "numpy": "2.4.0"},
            tuple(UsedFile(id_, "events", f"P{id_[:10]}.FTZ", 1234567, "cd" * 32) for id_ in task.datasets),
        )
        for task in job.tasks
        if task.phase is Phase.COMPLETED
    }
    return replace(Provenance(job, records, load(BUILT_IN_SCRIPTS / "image"), "example.org"), **changes)  # type: ignore[arg-type]


def read(content: bytes) -> ProvDocument:
    return ProvDocument.deserialize(io.StringIO(content.decode()), format="json")


def test_the_prov_library_reads_it_and_finds_every_step(make_job: Callable[..., Job]) -> None:
    document = read(as_json(provenance(make_job(owner="alice")), AT))
    uris = {
        kind: {record.identifier.uri for record in document.get_records(kind)} for kind in (ProvEntity, ProvActivity)
    }
    base = "http://amora.example/scripts/image/async/j1"
    assert uris[ProvActivity] == {base, f"{base}/tasks/1", f"{base}/tasks/2"}
    assert {
        "ivo://example.org/amora?0002970201/M1/S001",
        "ivo://example.org/amora?0002970201/M1/S001/P0002970201.FTZ",
        f"{base}/results/image%201.fits",
        f"{base}/parameters/EMIN",
        "http://amora.example/scripts/image",
    } <= uris[ProvEntity]
    assert len(list(document.get_records(ProvAgent))) == 2
    generated = {
        tuple(str(value) for _, value in record.formal_attributes[:2])
        for record in document.get_records(ProvGeneration)
    }
    assert ("job:j1/results/image%201.fits", "job:j1/tasks/1") in generated
    used = {
        tuple(str(value) for _, value in record.formal_attributes[:2]) for record in document.get_records(ProvUsage)
    }
    assert ("job:j1/tasks/2", "dataset:0002970201/M2/S002") in used
    associated = {str(record.args[1]) for record in document.get_records(ProvAssociation)}
    assert associated == {"amora:service", "amora:users/alice"}
    again = document.serialize(format="json")
    assert ProvDocument.deserialize(io.StringIO(again), format="json") == document
    everything = {id_ for kind in ("entity", "activity", "agent") for id_ in json.loads(again)[kind]}
    for relation, records in json.loads(again).items():
        if relation not in {"prefix", "entity", "activity", "agent"}:
            ends = {
                value
                for record in records.values()
                for key, value in record.items()
                if key not in {"prov:time", "prov:role", "prov:type"}
            }
            assert ends <= everything, relation  # nothing hangs in the air


def test_given_and_defaults_are_told_apart(make_job: Callable[..., Job]) -> None:
    job = make_job(parameters=(Parameter("EMIN", "2"), Parameter("ID", "a"), Parameter("ID", "b")))
    entities = json.loads(as_json(provenance(job), AT))["entity"]
    found = {
        name.removeprefix("job:j1/parameters/"): (entity["prov:value"], entity["amora:given"])
        for name, entity in entities.items()
        if name.startswith("job:j1/parameters/")
    }
    assert found == {
        "EMIN": ("2", True),
        "ID/1": ("a", True),
        "ID/2": ("b", True),
        "EMAX": ("10.0", False),
        "GTI": ("none", False),
    }
    assert entities["script:image/parameters/EMIN"]["voprov:unit"] == "keV"
    assert entities["script:image"]["amora:sha256"] == "ab" * 32


def test_a_file_that_was_sent_has_its_checksum(make_job: Callable[..., Job]) -> None:
    job = make_job(parameters=(Parameter("TABLE", "", Upload("text/csv", 5, "ef" * 32, "k")),))
    document = json.loads(as_json(provenance(job), AT))
    assert document["entity"]["job:j1/parameters/TABLE"]["amora:sha256"] == "ef" * 32
    roles = [record for record in document["used"].values() if record["prov:role"] == "TABLE"]
    assert len(roles) == 2


def test_it_is_there_once_the_job_has_ended(make_job: Callable[..., Job]) -> None:
    assert has_ended(make_job())
    assert has_ended(make_job(phase=Phase.ERROR))
    for phase in (Phase.EXECUTING, Phase.ARCHIVED, Phase.QUEUED):
        assert not has_ended(make_job(phase=phase))


def test_of_many_tasks_the_picture_shows_some(make_job: Callable[..., Job]) -> None:
    job = make_job()
    many = replace(job, tasks=tuple(replace(job.tasks[0], number=n, id=str(n)) for n in range(1, 51)), owner="<b>&")
    svg = as_svg(provenance(many))
    texts = " ".join(etree.fromstring(svg).itertext())
    assert "and 38 more tasks" in texts
    assert "for <b>&" in texts
    assert "image 1.fits" in texts
    assert "EMAX = 10.0  (default)" in texts


def test_a_failed_task_is_in_both(make_job: Callable[..., Job]) -> None:
    job = make_job()
    failed = replace(job.tasks[1], phase=Phase.ERROR, message="No events & no <light>.")
    job = replace(job, tasks=(job.tasks[0], failed), products=job.products[:1])
    found = provenance(job)
    assert json.loads(as_json(found, AT))["activity"]["job:j1/tasks/2"]["amora:phase"] == "ERROR"
    assert "ERROR: No events & no <light>." in " ".join(etree.fromstring(as_svg(found)).itertext())


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    folder = tmp_path / "scripts" / "test"
    folder.mkdir(parents=True)
    (folder / "script.toml").write_text(
        'title = "Test"\nsummary = "For tests."\nversion = "1.5"\ncommand = ["sh", "run.sh"]\n'
        '[accepts]\nfiles = ["events"]\n[[parameters]]\nname = "EMIN"\n'
        'type = "real"\ndefault = 0.5\ndescription = "Low."\n'
    )
    (folder / "README.md").write_text("# Test")
    (folder / "run.sh").write_text("cp task.json products/copy.json")
    (tmp_path / "events.fits").write_bytes(b"events")
    settings = Settings(home=tmp_path / "home", scripts=str(tmp_path / "scripts"), public_url="http://amora.example")
    engine = Engine(settings)
    engine.index.add([Found("1", "M1", 10, 20, (("events", tmp_path / "events.fits", "application/fits"),))])
    engine.start()
    yield TestClient(create_app(engine, settings), base_url="http://amora.example")
    engine.stop()


def test_over_http(client: TestClient) -> None:
    made = client.post(
        "/scripts/test/async", data={"POS": "CIRCLE 10 20 0.1", "PHASE": "RUN"}, follow_redirects=False
    ).headers["Location"]
    pause = threading.Event()
    while client.get(f"{made}/phase").text != "COMPLETED":
        pause.wait(0.02)
    listed = etree.fromstring(client.get(f"{made}/results").content)
    assert [result.get("id") for result in listed] == [
        *("result", "copy.json", "provenance.json", "provenance.svg"),
        "1_M1_S001.log",
    ]
    first = client.get(f"{made}/results/provenance.json")
    assert first.headers["content-type"] == "application/json"
    assert first.content == client.get(f"{made}/results/provenance.json").content
    document = read(first.content)
    assert any("copy.json" in str(entity.identifier) for entity in document.get_records(ProvEntity))
    entities = json.loads(first.content)["entity"]
    assert entities["dataset:1/M1/S001/events.fits"]["amora:size"] == 6
    picture = client.get(f"{made}/results/provenance.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in picture.headers["content-security-policy"]
    assert etree.fromstring(picture.content).tag.endswith("svg")
    pending = client.post("/scripts/test/async", follow_redirects=False).headers["Location"]
    missing = client.get(f"{pending}/results/provenance.json")
    assert missing.status_code == 404
    assert "when it has ended" in missing.text
