"""Two clients at once send whatever comes to their minds, legal or not; a model of the phase machine watches.

Whatever they do: no 500, no move that the phase machine does not have, no document that is not valid
(UWS 1.1, sections 2.1.3, 2.2 and 2.2.3; items 4, 10, 24, 37, 47 and 48).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from tests.protocol.client import FINAL, NAMES, Job, Probe
from tests.schemas import valid

NEXT = {
    "PENDING": {"PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED"},
    "QUEUED": {"QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED"},
    "EXECUTING": {"EXECUTING", "COMPLETED", "ERROR", "ABORTED"},
    **{phase: {phase} for phase in FINAL},
}
"""From each phase seen, the phases that may be seen next; a client may miss those in between."""

ALLOWED = {
    "RUN": {"PENDING"},
    "ABORT": {"PENDING", "QUEUED", "EXECUTING"},
    "PARAMETERS": {"PENDING"},
    "DESTRUCTION": {"PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED"},
    "DURATION": {"PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED"},
}
"""The phases in which a request is granted; in others it is 403."""

REQUESTS = {
    "RUN": ("phase", {"PHASE": "RUN"}),
    "ABORT": ("phase", {"PHASE": "ABORT"}),
    "PARAMETERS": ("parameters", {"SECONDS": "0.05"}),
    "DESTRUCTION": ("destruction", {"DESTRUCTION": "2999-01-01"}),
    "DURATION": ("executionduration", {"EXECUTIONDURATION": "100"}),
}
"""How each request is sent."""

BAD = [
    ("phase", {"PHASE": "COMPLETED"}),
    ("phase", {}),
    ("parameters", {"SECONDS": "soon"}),
    ("parameters", {}),
    ("destruction", {"DESTRUCTION": "yesterday"}),
    ("executionduration", {"EXECUTIONDURATION": "-1"}),
]
"""Requests that make sense in no phase."""


@dataclass
class Known:
    """What the model knows of a job."""

    job: Job
    phase: str = "PENDING"
    fails: bool = False
    deleted: bool = False
    ran: bool = False

    def see(self, phase: str) -> None:
        assert phase in NEXT[self.phase], f"{self.job.url} went from {self.phase} to {phase}"
        assert phase != "ERROR" or self.fails
        assert self.ran or phase in ("PENDING", "ABORTED"), f"{self.job.url} is {phase} and nobody ran it"
        self.phase = phase


class Clients(RuleBasedStateMachine):
    """Two clients and their jobs."""

    probe: Probe
    shared: Path
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.known: list[Known] = []
        self.pool = ThreadPoolExecutor(2)

    def teardown(self) -> None:
        self.pool.shutdown()
        for known in self.known:
            known.job.delete()

    def both(self, *requests: tuple[Job, str, dict[str, str]]) -> list[httpx.Response]:
        """Send the requests at the same time."""

        def send(request: tuple[Job, str, dict[str, str]]) -> httpx.Response:
            job, path, data = request
            return job.delete() if path == "DELETE" else job.post(path, **data)

        answers = list(self.pool.map(send, requests))
        for answer in answers:
            assert answer.status_code < 500, answer.text
        return answers

    @rule(target=jobs, seconds=st.sampled_from(["0", "0.1", "30"]), fails=st.booleans(), run=st.booleans())
    def create(self, seconds: str, fails: bool, run: bool) -> Known:
        data = {"SECONDS": seconds, **({"FAIL": "x"} if fails else {}), **({"PHASE": "RUN"} if run else {})}
        known = Known(self.probe.create(**data), fails=fails, ran=run)
        self.known.append(known)
        phase = known.job.phase
        assert (phase == "PENDING") == (not run)
        known.see(phase)
        return known

    @rule(known=jobs, first=st.sampled_from(sorted(REQUESTS)), second=st.sampled_from(sorted(REQUESTS)))
    def two_requests_at_once(self, known: Known, first: str, second: str) -> None:
        before = known.phase
        answers = self.both((known.job, *REQUESTS[first]), (known.job, *REQUESTS[second]))
        codes = [answer.status_code for answer in answers]
        if known.deleted:
            assert codes == [404, 404]
            return
        known.ran = known.ran or "RUN" in (first, second)
        known.see(known.job.phase)
        # Which of the two came first cannot be known, but each came in a phase between these two.
        between = {phase for phase in NEXT[before] if known.phase in NEXT[phase]}
        for name, code in zip((first, second), codes, strict=True):
            assert code in (303, 403)
            granting = between & ALLOWED[name] if code == 303 else between - ALLOWED[name]
            assert granting, f"{name} was answered {code} between {before} and {known.phase}"
        if first == second and first in ("RUN", "ABORT"):
            assert codes.count(303) <= 1, f"two {first} were granted"

    @rule(known=jobs, request=st.sampled_from(BAD))
    def a_bad_request(self, known: Known, request: tuple[str, dict[str, str]]) -> None:
        (answer,) = self.both((known.job, *request))
        if known.deleted:
            assert answer.status_code == 404
        elif request[0] == "parameters":
            assert answer.status_code in (400, 403)
        else:
            assert answer.status_code == 400

    @rule(known=consumes(jobs), other=st.sampled_from(["RUN", "ABORT", "PARAMETERS", "DELETE"]))
    def delete_while_the_other_wants_something(self, known: Known, other: str) -> None:
        path, data = REQUESTS.get(other, ("DELETE", {}))
        deleted, answer = self.both((known.job, "DELETE", {}), (known.job, path, data))
        codes = {deleted.status_code, answer.status_code}
        if known.deleted:
            assert codes == {404}
        elif other == "DELETE":
            assert 303 in codes
            assert codes <= {303, 404}
        else:
            assert deleted.status_code == 303
            assert answer.status_code in (303, 403, 404)
        known.deleted = True
        assert known.job.get().status_code == 404

    @rule(known=jobs, wait=st.sampled_from(["0", "1"]))
    def look(self, known: Known, wait: str) -> None:
        answer = known.job.get(WAIT=wait) if known.phase in ("QUEUED", "EXECUTING") else known.job.get()
        if known.deleted:
            assert answer.status_code == 404
            return
        root = valid(answer.content, self.shared, "UWS-v1.1.xsd")
        known.see(root.findtext("uws:phase", namespaces=NAMES))
        valid(known.job.get("parameters").content, self.shared, "UWS-v1.1.xsd")
        valid(known.job.get("results").content, self.shared, "UWS-v1.1.xsd")
        if known.phase in FINAL:
            assert known.job.get("error").status_code == (200 if known.phase == "ERROR" else 404)

    @rule(query=st.sampled_from(["", "?LAST=1", "?PHASE=PENDING&PHASE=ABORTED", "?LAST=x", "?AFTER=2015", "?PHASE=x"]))
    def list(self, query: str) -> None:
        answer = self.probe.http.get(self.probe.url + query)
        if query.endswith("x"):
            assert answer.status_code == 400
        else:
            valid(answer.content, self.shared, "UWS-v1.1.xsd")

    @invariant()
    def the_list_has_what_is_there(self) -> None:
        shown = {
            ref.get("id"): ref.findtext("uws:phase", namespaces=NAMES)
            for ref in self.probe.list(f"?LAST={len(self.known) + 1}")
        }
        for known in self.known:
            assert (known.job.id in shown) != known.deleted
            if not known.deleted:
                known.see(shown[known.job.id])


def test_04_10_24_37_47_48_two_clients_at_once(probe: Probe, shared: Path):
    Clients.probe, Clients.shared = probe, shared
    run_state_machine_as_test(
        Clients,
        settings=settings(
            max_examples=35,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # what hangs on the workers' pace does not shrink
            suppress_health_check=list(HealthCheck),
        ),
    )
