"""Server-sent events of jobs and sessions: what a browser hears, and what it hears when it comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.service import Service
from uws.feeds import BACKLOG, Mailbox, Position, _lines

LINES = 1_000_000
CHATTY = """
import json, sys, time
task = json.load(open("task.json"))["parameters"]
if task.get("HOSTILE"):
    print("<script>alert(1)</script>\\r\\n\\r\\nevent: end\\ndata: {}\\n\\x1b[31mred\\u2028", flush=True)
for number in range(int(task.get("LINES") or 0)):
    print(f"line {number}")
sys.stdout.flush()
for number in range(int(task.get("SLOW") or 0)):
    print(f"slow {number}", flush=True)
    time.sleep(0.3)
print("progress 0.5 half", flush=True)
"""
DESCRIPTOR = """
title = "Chatty"
summary = "Says much."
version = "1.0"
command = ["python", "chatty.py"]
[accepts]
region = "none"
datasets = false
[limits]
wall = 600
log = 100000000
[[parameters]]
name = "LINES"
type = "integer"
default = 0
description = "Lines said at once."
[[parameters]]
name = "SLOW"
type = "integer"
default = 0
description = "Lines said one after the other."
[[parameters]]
name = "HOSTILE"
type = "text"
default_description = "nothing"
description = "Whether what is said is hostile."
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a script that says much."""
    folder = tmp_path_factory.mktemp("events")
    script = folder / "scripts" / "chatty"
    script.mkdir(parents=True)
    (script / "script.toml").write_text(DESCRIPTOR)
    (script / "chatty.py").write_text(CHATTY)
    (script / "README.md").write_text("# Chatty\n")
    with Service(folder / "home", scripts=str(folder / "scripts")) as running:
        yield running


Event = tuple[str, dict[str, object]]


class Stream:
    """An EventSource."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.last = ""
        """The id of the last event that had one."""
        self.positions = False
        """Whether an id that comes alone is told of as an event."""
        self._lines = answer.iter_lines()

    def __iter__(self) -> Iterator[Event]:
        event, data = "message", None
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.last = value
            elif name == "event":
                event = value
            elif name == "data":
                data = json.loads(value)
            elif not line and data is not None:
                yield event, data
                event, data = "message", None
            elif not line and self.positions:
                yield "position", {}

    def until(self, wanted: str) -> dict[str, object]:
        """Return what the next event of a kind says."""
        return next(data for event, data in self if event == wanted)


@contextmanager
def _listen(service: Service, path: str, last: str = "", **query: str) -> Iterator[Stream]:
    headers = {"Last-Event-ID": last} if last else {}
    with service.http.stream("GET", path, headers=headers, params=query) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        yield Stream(answer)


def _job(service: Service, script: str = "chatty", **parameters: object) -> str:
    answer = service.http.post(f"/api/scripts/{script}/jobs", json={"PHASE": "RUN", **parameters})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _said(events: list[Event]) -> list[str]:
    return [line for event, data in events if event == "log" for line in data["lines"]]  # type: ignore[attr-defined]


def test_a_job_is_told_from_its_beginning_to_its_end(service: Service):
    job = _job(service, SLOW=10)  # so long that it has not ended before it is listened to, on a busy machine either
    with _listen(service, f"/api/jobs/{job}/events") as stream:
        events = list(stream)
    kinds = [event for event, _ in events]
    assert kinds[0] == "job"
    assert kinds[-1] == "end"
    assert events[-1][1] == {"job": job, "phase": "COMPLETED"}
    tasks = [data for event, data in events if event == "task"]
    assert tasks[-1]["phase"] == "COMPLETED"
    assert (tasks[-1]["id"], tasks[-1]["job"], tasks[-1]["number"]) == (f"{job}.1", job, 1)
    assert "progress" in tasks[-1]
    said = _said(events)
    assert said == [f"slow {number}" for number in range(10)]
    jobs = [data for event, data in events if event == "job"]
    assert jobs[-1]["phase"] == "COMPLETED"
    assert jobs[-1].keys() == service.http.get(f"/api/jobs/{job}").json().keys()


def test_a_client_that_comes_back_misses_nothing_and_hears_nothing_twice(service: Service):
    job = _job(service, SLOW=12)
    said: list[str] = []
    last, rounds, ended = "", 0, False
    while not ended:
        rounds += 1
        with _listen(service, f"/api/jobs/{job}/events", last) as stream:
            stream.positions, heard = True, False
            for event, data in stream:
                if event == "log":
                    said += data["lines"]  # type: ignore[misc]
                heard, ended = heard or event == "log", event == "end"
                if ended or (heard and event == "position"):  # here the connection breaks
                    break
            last = stream.last
    assert rounds > 2
    assert said == [f"slow {number}" for number in range(12)]


def test_one_who_knows_everything_is_told_only_that_it_is_over(service: Service):
    job = _job(service, LINES=5)
    with _listen(service, f"/api/jobs/{job}/events") as stream:
        list(stream)
        last = stream.last
    with _listen(service, f"/api/jobs/{job}/events", last) as stream:
        assert [event for event, _ in stream] == ["end"]


@pytest.mark.parametrize("forged", ["x", "1-2-3", "1", "9" * 50, "1-1" + ".1-1" * 2000, "-", "1-1.a-b"])
def test_a_forged_id_is_no_id(service: Service, forged: str):
    job = _job(service)
    assert Position.parse(forged) is None
    with _listen(service, f"/api/jobs/{job}/events", forged) as stream:
        assert [event for event, _ in stream][-1] == "end"


def test_of_a_million_lines_the_end_is_told_and_the_rest_can_be_asked_for(service: Service):
    job = _job(service, LINES=LINES)
    with _listen(service, f"/api/jobs/{job}/events") as stream:
        events = list(stream)
    logs = [data for event, data in events if event == "log"]
    assert _said(events)[-1] == f"line {LINES - 1}"
    assert all(line.startswith("line ") for line in _said(events)), "lines are whole"
    assert sum(len(line) for line in _said(events)) < 8_000_000
    first = logs[-1]
    log = f"/api/jobs/{job}/tasks/1/log"
    piece = service.http.get(log, params={"OFFSET": str(first["offset"])})
    assert piece.text.startswith(first["lines"][0])  # type: ignore[index]
    tail = service.http.get(log, params={"OFFSET": "-100"})
    assert len(tail.content) == 100
    assert tail.text.endswith(f"line {LINES - 1}\n")
    assert tail.headers["amora-log-ended"] == "true"
    size = int(tail.headers["amora-log-size"])
    assert int(tail.headers["amora-log-offset"]) + len(tail.content) == size == int(tail.headers["amora-log-next"])
    assert size == sum(len(f"line {number}\n") for number in range(LINES))


def test_what_a_script_says_is_data(service: Service):
    job = _job(service, HOSTILE="yes")
    with _listen(service, f"/api/jobs/{job}/events") as stream:
        events = list(stream)
    assert [event for event, _ in events].count("end") == 1
    assert "<script>alert(1)</script>" in _said(events)
    assert "event: end" in _said(events)
    assert any("\x1b[31mred" in line for line in _said(events))


def test_logs_are_told_as_wanted(service: Service):
    job = _job(service, "probe", TASKS=3)
    for wanted, numbers in (("none", set()), ("2", {2}), ("all", {1, 2, 3})):
        with _listen(service, f"/api/jobs/{job}/events", LOG=wanted) as stream:
            assert {data["task"] for event, data in stream if event == "log"} == numbers
    assert service.http.get(f"/api/jobs/{job}/events", params={"LOG": "some"}).status_code == 400
    assert service.http.get("/api/jobs/none/events").status_code == 404
    assert service.http.head(f"/api/jobs/{job}/events").status_code == 200


def test_a_deleted_job_is_over(service: Service):
    job = _job(service, "probe", SECONDS=60)
    with _listen(service, f"/api/jobs/{job}/events") as stream:
        stream.until("job")
        assert service.http.delete(f"/api/jobs/{job}").status_code == 204
        assert stream.until("end") == {"job": job, "phase": None}


def test_a_session_is_told_with_the_jobs_made_in_it_later(service: Service):
    session = service.http.post("/api/sessions", json={"name": "first"}).json()
    before = _job(service, RUNID=session["id"])
    with _listen(service, f"/api/sessions/{session['id']}/events") as stream:
        assert stream.until("session")["name"] == "first"
        assert stream.until("job")["id"] == before
        later = _job(service, "probe", RUNID=session["id"], SECONDS=0.5)
        phases = set()
        for event, data in stream:
            assert event in ("job", "task")
            if later in (data["id"], data.get("job")):
                phases.add(data["phase"])
                if event == "job" and data["phase"] == "COMPLETED":
                    break
        assert "EXECUTING" in phases
        service.http.patch(f"/api/sessions/{session['id']}", json={"name": "second"})
        assert stream.until("session")["name"] == "second"
        long = _job(service, "probe", RUNID=session["id"], SECONDS=60)
        assert stream.until("job")["id"] == long
        service.http.delete(f"/api/jobs/{long}")
        assert stream.until("gone") == {"job": long}
        service.http.delete(f"/api/sessions/{session['id']}")
        assert list(stream) == []


def test_whoever_loses_the_right_to_listen_hears_no_more(service: Service):
    session = service.http.post("/api/sessions", json={}).json()
    shares = f"/api/sessions/{session['id']}/shares"
    link = service.http.post(shares, json={}).json()
    with httpx.Client(base_url=service.base_url, timeout=30) as viewer:
        assert viewer.get(link["href"]).status_code == 303
        with viewer.stream("GET", f"/api/sessions/{session['id']}/events") as answer:
            stream = Stream(answer)
            stream.until("session")
            service.http.delete(f"{shares}/{link['id']}")
            assert list(stream) == []
        assert viewer.get(f"/api/sessions/{session['id']}/events").status_code == 403


def test_a_listener_that_falls_behind_is_told_anew():
    mailbox = Mailbox()
    for _ in range(BACKLOG + 1):
        mailbox.put(b"x")
    assert mailbox._behind
    assert not mailbox._waiting


def test_lines_are_whole():
    assert _lines(10, b"one\ntwo\nthr", whole=False) == (10, ["one", "two"], 18)
    assert _lines(10, b"one\ntwo\nthr", whole=True) == (10, ["one", "two", "thr"], 21)
    assert _lines(0, b"a\r\n\xff\n", whole=False) == (0, ["a", "\ufffd"], 5)
    assert _lines(0, b"", whole=True) == (0, [], 0)
    endless = b"x" * 70_000
    assert _lines(0, endless, whole=False) == (0, [endless.decode()], 70_000)
