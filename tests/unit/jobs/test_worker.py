"""The worker: what it hands a script, and what it makes of each way in which a script can end."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.engine import Engine
from jobs.models import Job
from jobs.phases import Phase
from jobs.settings import Settings
from tests.unit.jobs.conftest import Found

HEAD = """
title = "Test"
summary = "For tests."
version = "1"
command = ["sh", "run.sh"]
"""
ALONE = HEAD + '[accepts]\nregion = "none"\ndatasets = false\n'
MADE = '[[products]]\nname = "{dataset}_made.txt"\ncontent_type = "text/plain"\ndescription = "What is made."\n'

Do = Callable[..., Job]


@pytest.fixture
def do(tmp_path: Path) -> Iterator[Do]:
    """A function that runs a shell script as a job and returns the job when it has ended."""
    engines: list[Engine] = []

    def run(program: str, descriptor: str = ALONE, found: tuple[Found, ...] = (), **parameters: str) -> Job:
        folder = tmp_path / "scripts" / "test"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "script.toml").write_text(descriptor)
        (folder / "README.md").write_text("# Test")
        (folder / "run.sh").write_text(program)
        engine = Engine(Settings(home=tmp_path / "home", scripts=str(tmp_path / "scripts"), grace=0.1))
        engines.append(engine)
        engine.index.add(found)
        engine.start()
        job = engine.jobs.create("test", list(parameters.items()), run=True)
        pause = threading.Event()
        while job.active:
            pause.wait(0.02)
            job = engine.jobs.get("test", job.id)
        return job

    yield run
    for engine in engines:
        engine.stop()


def test_products_and_log(do: Do, tmp_path: Path) -> None:
    job = do("echo hello; echo content > products/task_1_made.txt; echo more > products/extra.csv", ALONE + MADE)
    assert job.phase is Phase.COMPLETED
    made, extra = sorted(job.products, key=lambda product: product.name, reverse=True)
    assert (made.name, made.content_type, made.description) == ("task_1_made.txt", "text/plain", "What is made.")
    assert (made.size, made.checksum) == (8, hashlib.sha256(b"content\n").hexdigest())
    assert (extra.name, extra.content_type) == ("extra.csv", "text/csv")
    assert (tmp_path / "home" / "jobs" / job.id / "1.log").read_text() == "hello\n"


def test_what_a_script_says_last_is_kept(do: Do) -> None:
    """Also when it ends before anybody looked."""
    job = do("echo progress 0.5 half; echo progress 1 done, with care")
    assert [(task.progress, task.message) for task in job.tasks] == [(1.0, "done, with care")]


@pytest.mark.parametrize(
    ("program", "descriptor", "message"),
    [
        ("true", ALONE + MADE, "The script ended, but it wrote no task_1_made.txt, which its descriptor promises."),
        ("> products/task_1_made.txt", ALONE + MADE, "The script ended, but its product task_1_made.txt is empty."),
        ("mkdir products/task_1_made.txt", ALONE + MADE, "it wrote no task_1_made.txt"),
        ("mkdir products/deep", ALONE, "deep in products/ is not a plain file"),
        ("ln -s /etc/passwd products/password", ALONE, "password in products/ is not a plain file"),
        ("echo x > 'products/a b'", ALONE, "the name of its product 'a b' is not allowed"),
        ("echo x > products/result", ALONE, "the name of its product 'result' is not allowed"),
        ("rm -r products; ln -s /etc products", ALONE, "The script ended, but it removed its folder products/."),
        ("rm -r products", ALONE, "The script ended, but it removed its folder products/."),
        ("echo too hot >&2; echo >&2; exit 1", ALONE, "too hot"),
        ("echo x >&2; printf 'no newline' >&2; exit 1", ALONE, "no newline"),
        ("exit 3", ALONE, "The script ended with exit code 3 and said nothing on standard error."),
        ("kill -SEGV $$", ALONE, "The script was killed by signal 11 and said nothing on standard error."),
        ("sleep 60", ALONE + "[limits]\nwall = 1\n", "The script took longer than its limit of 1 s and was stopped."),
        (
            "true",
            ALONE.replace('"sh"', '"no-such"'),
            "the program no-such cannot be started: No such file or directory",
        ),
    ],
)
def test_a_script_that_fails(do: Do, program: str, descriptor: str, message: str, tmp_path: Path) -> None:
    job = do(program, descriptor)
    assert job.phase is Phase.ERROR
    assert message in str(job.error)
    assert job.products == ()
    assert list((tmp_path / "home" / "work").iterdir()) == []
    assert [path.name for path in (tmp_path / "home" / "jobs" / job.id).iterdir()] == ["1.log"]


def test_what_a_script_is_told(do: Do, tmp_path: Path) -> None:
    events = tmp_path / "events.fits"
    events.write_bytes(b"events")
    descriptor = HEAD + (
        '[accepts]\nfiles = ["events"]\n'
        '[[parameters]]\nname = "EMIN"\ntype = "real"\ndefault = 0.5\ndescription = "Low."\n'
        '[[parameters]]\nname = "TIME"\ntype = "interval"\ndescription = "When."\n'
    )
    found = (Found("1", "M1", 10, 20, (("events", events, "application/fits"),)),)
    program = (
        "cp task.json products/; cp region.fits products/; env > products/environment.txt; ls -A > products/ls.txt"
    )
    job = do(program, descriptor, found, pos="CIRCLE 10 20 0.1", time="50000 +Inf")
    assert job.phase is Phase.COMPLETED, job.error
    files = {product.name: (tmp_path / "home" / "jobs" / product.key) for product in job.products}
    task: dict[str, Any] = json.loads(files["task.json"].read_text())
    (dataset,) = task.pop("datasets")
    assert task.pop("date") == f"{job.created:%Y-%m-%dT%H:%M:%SZ}"
    assert task == {
        "contract": 1,
        "job": job.id,
        "task": 1,
        "attempt": 1,
        "dataset_slug": "1_M1_S001",
        "parameters": {"EMIN": 0.5, "TIME": [50000.0, None]},
        "region": {
            "text": "CIRCLE 10 20 0.1",
            "shape": "circle",
            "ra": 10,
            "dec": 20,
            "radius": 0.1,
            "moc": "region.fits",
        },
    }
    assert (dataset["id"], dataset["camera"], dataset["simulated"]) == ("1/M1/S001", "M1", True)
    assert dataset["ivoid"] == "ivo://amora.local/amora?1/M1/S001"
    assert dataset["files"] == [{"kind": "events", "path": str(events), "content_type": "application/fits"}]
    assert files["ls.txt"].read_text().split() == ["products", "region.fits", "task.json"]
    environment = dict(line.split("=", 1) for line in files["environment.txt"].read_text().splitlines())
    assert environment["SOURCE_DATE_EPOCH"] == str(int(job.created.timestamp()))
    names = set(environment)
    assert names <= {"PATH", "HOME", "TMPDIR", "LANG", "SOURCE_DATE_EPOCH", "PWD", "SHLVL", "_", "OLDPWD"} | {
        name for name in names if name.startswith(("PYTHON", "OMP_", "OPENBLAS_", "MALLOC_"))
    }


def test_a_script_for_all_datasets_runs_once(do: Do, tmp_path: Path) -> None:
    events = tmp_path / "events.fits"
    events.write_bytes(b"events")
    files = (("events", events, "application/fits"),)
    found = (Found("1", "M1", 10, 20, files), Found("2", "M1", 10, 20, files))
    job = do("cp task.json products/", HEAD.replace("version", 'scope = "job"\nversion'), found, pos="CIRCLE 10 20 0.1")
    assert job.phase is Phase.COMPLETED, job.error
    (task,) = job.tasks
    assert (task.datasets, task.dataset) == (("1/M1/S001", "2/M1/S001"), None)
    told = json.loads((tmp_path / "home" / "jobs" / job.products[0].key).read_text())
    assert [dataset["id"] for dataset in told["datasets"]] == ["1/M1/S001", "2/M1/S001"]


def test_a_file_that_has_gone_is_named(do: Do, tmp_path: Path) -> None:
    found = (Found("1", "M1", 10, 20, (("events", tmp_path / "gone.fits", "application/fits"),)),)
    job = do("true", HEAD, found, pos="CIRCLE 10 20 0.1")
    assert job.error == "The file gone.fits of dataset 1/M1/S001 is not where it was indexed."


def test_parameters_never_pass_through_a_shell(do: Do, tmp_path: Path) -> None:
    descriptor = ALONE + '[[parameters]]\nname = "NOTE"\ntype = "text"\ndescription = "Any."\n'
    evil = f"$(touch {tmp_path}/evil); `touch {tmp_path}/evil` '\"\\"
    job = do("cp task.json products/", descriptor, note=evil)
    assert json.loads((tmp_path / "home" / "jobs" / job.products[0].key).read_text())["parameters"]["NOTE"] == evil
    assert not (tmp_path / "evil").exists()


def test_no_secret_is_in_the_environment(do: Do, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(os.environ, "AMORA_DATABASE_PASSWORD", "xyzzy")
    job = do("env > products/e.txt; cat /proc/$PPID/environ >> products/e.txt")
    assert "xyzzy" not in (tmp_path / "home" / "jobs" / job.products[0].key).read_text()
