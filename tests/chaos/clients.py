"""Clients that post jobs whatever happens, and remember what they were promised."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field

import httpx


@dataclass(frozen=True)
class Wish:
    """A job to be posted, and what is to become of it."""

    parameters: dict[str, str]
    then: str
    """``leave`` it alone, ``abort`` or ``delete`` it."""

    @property
    def tasks(self) -> int:
        """How many tasks it has."""
        return int(self.parameters["TASKS"])


@dataclass
class Promises:
    """What the service has promised, by job."""

    accepted: dict[str, Wish] = field(default_factory=dict)
    aborted: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    refused: dict[int, int] = field(default_factory=dict)
    """How often each status was answered instead of a promise."""
    broken: int = 0
    """Requests that got no answer."""
    lock: threading.Lock = field(default_factory=threading.Lock)


def wishes(dice: random.Random, jobs: int, tasks: int) -> list[Wish]:
    """Return so many jobs with so many tasks together."""
    counts = [1] * jobs
    while sum(counts) < tasks:
        counts[min(int(dice.random() ** 2 * jobs), jobs - 1)] += 1
    dice.shuffle(counts)
    made = []
    for count in counts:
        parameters = {"TASKS": str(count), "SECONDS": f"{dice.choice((0, 0, 0.1, 0.5)):g}", "PHASE": "RUN"}
        if dice.random() < 0.5:
            parameters["SIZE"] = str(dice.randrange(1, 20000))
        if dice.random() < 0.05:
            parameters["FAIL"] = "as it was told"
        if dice.random() < 0.02:
            parameters |= {"SECONDS": "5"}
        made.append(Wish(parameters, dice.choices(("leave", "abort", "delete"), (90, 5, 5))[0]))
    return made


def post_all(wanted: list[Wish], addresses: list[str], promises: Promises, seed: int, pause: float) -> None:
    """Post jobs one after the other, each until it is accepted; abort and delete those that are to be."""
    dice = random.Random(seed)
    with httpx.Client(timeout=20) as http:
        for wish in wanted:
            job = _insist(http, dice, addresses, promises, "POST", "/scripts/probe/async", wish.parameters)
            path = httpx.URL(job.headers["Location"]).path
            name = path.rpartition("/")[2]
            with promises.lock:
                promises.accepted[name] = wish
            time.sleep(dice.random() * pause)  # a client is no machine gun
            if wish.then == "abort":
                _insist(http, dice, addresses, promises, "POST", f"{path}/phase", {"PHASE": "ABORT"})
                with promises.lock:
                    promises.aborted.add(name)
            elif wish.then == "delete":
                _insist(http, dice, addresses, promises, "DELETE", path, None)
                with promises.lock:
                    promises.deleted.add(name)


def _insist(
    http: httpx.Client,
    dice: random.Random,
    addresses: list[str],
    promises: Promises,
    method: str,
    path: str,
    data: dict[str, str] | None,
) -> httpx.Response:
    """Send a request, to whichever server answers, until it is granted, or was granted before without an answer."""
    while True:
        try:
            answer = http.request(method, dice.choice(addresses) + path, data=data)
        except httpx.HTTPError:
            with promises.lock:
                promises.broken += 1
        else:
            # 403 to an abort: it has ended already; 404 to a deletion: an earlier try has done it
            if answer.status_code in (303, 403) or (answer.status_code == 404 and method == "DELETE"):
                return answer
            with promises.lock:
                promises.refused[answer.status_code] = promises.refused.get(answer.status_code, 0) + 1
        time.sleep(0.1 + 0.4 * dice.random())  # what has gone away is not back at once
