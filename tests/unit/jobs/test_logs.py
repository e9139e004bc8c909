"""What is logged: one event a line, whatever is in it, and no secret."""

from __future__ import annotations

import json
import logging
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.logs import JsonFormatter, TextFormatter, about, configure


def record(message: str, *, error: Exception | None = None, **fields: object) -> logging.LogRecord:
    trace = (type(error), error, None) if error else None
    made = logging.LogRecord("jobs.test", logging.INFO, __file__, 1, "%s", (message,), trace)  # type: ignore[arg-type]
    made.about = fields
    return made


@given(st.text(), st.text())
def test_one_event_is_one_line_of_json(message: str, value: str):
    line = JsonFormatter().format(record(message, error=ValueError(value), value=value))
    assert len(line.splitlines()) == 1
    told = json.loads(line)
    if "amora_" not in message and "://" not in message and " " not in message:
        assert told["message"] == message
    assert told["level"] == "info"


@given(st.text(), st.text())
def test_no_text_can_look_like_another_event(message: str, value: str):
    first, *rest = TextFormatter().format(record(message, error=ValueError(value), value=value)).splitlines()
    assert "INFO jobs.test: " in first
    assert all(line.startswith("  | ") for line in rest)


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://amora:hunter2@db/amora",
        "redis://:hunter2@host:6379/0",
        "Authorization: Bearer hunter2hunter2",
        "Authorization: Basic hunter2hunter2==",
        "amora_hunter2-hunter2_hunter2x",
    ],
)
def test_no_secret_is_logged(formatter: logging.Formatter, text: str):
    made = record(text, error=ValueError(text), value=text)
    assert "hunter2" not in formatter.format(made)


def test_what_it_is_about_is_told_and_ends_with_the_block():
    formatter = JsonFormatter()
    with about(job="j1"), about(task=2):
        inside = json.loads(formatter.format(record("x", task=3)))
    outside = json.loads(formatter.format(record("x")))
    assert (inside["job"], inside["task"]) == ("j1", 3)
    assert "job" not in outside
    assert "task" not in outside


def test_threads_do_not_mix():
    seen = []
    with about(job="mine"):
        thread = threading.Thread(target=lambda: seen.append(JsonFormatter().format(record("x"))))
        thread.start()
        thread.join()
    assert "mine" not in seen[0]


@pytest.fixture
def restored():
    root = logging.root
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in ("uws", "jobs", "index")}
    yield
    root.handlers[:], root.level = before[:2]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("restored")
def test_libraries_are_quiet(capsys: pytest.CaptureFixture[str]):
    configure("json", "info")
    logging.root.handlers[0].setStream(sys.stderr)
    logging.getLogger("httpx").info("quiet")
    logging.getLogger("httpx").warning("loud")
    logging.getLogger("jobs.worker").info("ours")
    logging.getLogger("jobs.worker").debug("too much")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == ["loud", "ours"]
