"""Scenarios of UWS 1.1, section by section, as an outside validator walks through them.

A row of ``scenarios.txt`` is a section, a title and the steps. ``new A X=1`` makes job A, ``A is P`` wants phase P
in /phase, job and list alike, ``A until P`` waits for it, ``A POST phase PHASE=RUN = 303`` sends and wants that code,
``list ?LAST=1 = A`` wants exactly these of the scenario's jobs in this order, ``list ?LAST=x ! 400`` wants that code,
``A wait ?WAIT=1 P soon`` wants the job in phase P before a second is over, ``blocks`` after one, ``A has NAME TEXT``
wants this text (``nil``: none) in the job, ``hog`` keeps all workers busy. ``{A}`` stands for the creationTime of A,
``{+2}`` for the instant in two days.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from tests.protocol.client import NAMES, NIL, Job, Probe


def _rows() -> list[object]:
    lines = Path(__file__).with_name("scenarios.txt").read_text(encoding="utf-8").splitlines()
    rows = [[word.strip() for word in line.split("|")] for line in lines if "|" in line]
    return [pytest.param(steps, id=re.sub(r"\s+", " ", title)) for title, *steps in rows]


class Walk:
    """One scenario on its way."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.jobs: dict[str, Job] = {}

    def step(self, text: str) -> None:
        text = re.sub(r"{(.+?)(-?)}", lambda match: self._instant(match[1], match[2]), text)
        first, _, rest = text.partition(" ")
        if first == "new":
            name, *pairs = rest.split()
            self.jobs[name] = self.probe.create(**_data(pairs))
        elif first == "hog":
            self.jobs["hog"] = self.probe.create(SECONDS="60", TASKS="500", PHASE="RUN").until("EXECUTING")
        elif first == "list":
            self._list(rest)
        else:
            verb, _, rest = rest.partition(" ")
            verbs: dict[str, Callable[[Job, list[str]], object]] = {
                "is": self._is,
                "until": lambda job, words: job.until(*words),
                "has": self._has,
                "wait": self._wait,
            }
            if verb in verbs:
                verbs[verb](self.jobs[first], rest.split())
            else:
                self._send(self.jobs[first].url, verb, rest)

    def _instant(self, name: str, bare: str) -> str:
        if name in self.jobs:
            text = self.jobs[name].value("creationTime") or ""
        else:
            day = datetime.now(UTC) + timedelta(days=int(name))
            text = f"{day:%Y-%m-%dT00:00:00.000Z}"
        return text.removesuffix("Z") if bare else text

    def _send(self, url: str, method: str, text: str) -> None:
        words, _, code = text.rpartition("= ")
        path, *pairs = words.split() or [""]
        where = url if path in ("", "/") else url + path if path.startswith("?") else f"{url}/{path}"
        response = self.probe.http.request(method, where, data=_data(pairs) or None)
        assert response.status_code == int(code), f"{method} {where}: {response.status_code} {response.text}"
        if code == "303":
            assert response.headers["location"].startswith(self.probe.url)

    def _list(self, text: str) -> None:
        query, sign, wanted = re.fullmatch(r"(\S+) ([=!])\s?(.*)", text).groups()
        if sign == "!":
            method = query if query.isalpha() else "GET"
            url = self.probe.url if query.isalpha() else self.probe.url + query
            response = self.probe.http.request(method, url)
            assert response.status_code == int(wanted), f"{query}: {response.status_code} {response.text}"
            return
        names = {job.id: name for name, job in self.jobs.items() if name != "hog"}
        found = [names[job] for job in self.probe.ids(query.replace("+", "%2B")) if job in names]
        assert found == wanted.split(), query

    def _is(self, job: Job, words: list[str]) -> None:
        (phase,) = words
        assert job.phase == job.value("phase") == phase
        refs = {ref.get("id"): ref.findtext("uws:phase", namespaces=NAMES) for ref in self.probe.list("?LAST=50")}
        assert refs[job.id] == phase

    def _has(self, job: Job, words: list[str]) -> None:
        name, wanted = words
        element = job.document().find(f"uws:{name}", NAMES)
        if wanted == "nil":
            assert element.get(NIL) == "true"
        elif name == "parameters":
            assert [f"{item.get('id')}={item.text}" for item in element] == [wanted]
        elif wanted == "Z":
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", element.text)
        else:
            assert wanted in "".join(element.itertext())

    def _wait(self, job: Job, words: list[str]) -> None:
        query, phase, how = words
        began = time.monotonic()
        document = etree.fromstring(self.probe.http.get(job.url + query).content)
        seconds = time.monotonic() - began
        assert document.findtext("uws:phase", namespaces=NAMES) == phase
        assert seconds >= 1 if how == "blocks" else seconds < 5  # where WAIT is 9 or -1


def _data(pairs: list[str]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in pairs)


@pytest.mark.parametrize("steps", _rows())
def test_scenario(probe: Probe, steps: list[str]):
    walk = Walk(probe)
    try:
        for step in steps:
            walk.step(step)
    finally:
        for job in walk.jobs.values():
            job.delete()
