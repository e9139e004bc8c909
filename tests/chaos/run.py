"""One fault run, from a seed to a verdict."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx

from index.database import Database
from index.errors import DatabaseError
from jobs.settings import Settings
from jobs.sweeper import Sweeper
from tests.chaos.clients import Promises, post_all, wishes
from tests.chaos.faults import strike_until
from tests.chaos.installation import LEASE, Installation
from tests.chaos.verdict import Verdict, judge, unfinished

CLIENTS = 8


@dataclass
class Report:
    """What happened in a run, and what was found."""

    seed: int
    jobs: int
    tasks: int
    promises: Promises
    struck: Counter[str]
    starts: Counter[str]
    seconds: float
    settled: float
    """Seconds from the last fault to the end of the last job."""
    verdict: Verdict


def run(folder: Path, seed: int, seconds: float, jobs: int = 500, tasks: int = 2000, settle: float = 240) -> Report:
    """Post the jobs while things go wrong, wait for the end of the last one, and judge.

    :param seconds: for how long things go wrong; at least until all jobs are posted.
    :param settle: how long the last job may take to end after the last fault.
    """
    wanted = wishes(Random(seed), jobs, tasks)
    promises, struck, ended = Promises(), Counter[str](), threading.Event()
    begin = time.monotonic()
    with Installation(folder) as installation:
        _ready(installation)
        pause = 1.5 * seconds * CLIENTS / jobs  # on the whole the jobs come as long as things go wrong
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            posting = [
                pool.submit(post_all, wanted[one::CLIENTS], installation.addresses, promises, seed + one, pause)
                for one in range(CLIENTS)
            ]
            striking = pool.submit(strike_until, installation, seed, seconds, ended, struck)
            striking.result()
            last = time.monotonic()
            for client in posting:
                client.result()
        _settle(installation.url, settle)
        settled = time.monotonic() - last
        _clear(installation)
        installation.close()
        starts = Counter({process.name: process.starts for process in (*installation.web, *installation.workers)})
        verdict = judge(installation, promises)
    count = sum(wish.tasks for wish in wanted)
    return Report(seed, jobs, count, promises, struck, starts, time.monotonic() - begin, settled, verdict)


def _ready(installation: Installation) -> None:
    for address in installation.addresses:
        for _ in range(300):
            try:
                if httpx.get(f"{address}/healthz").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)  # it starts
        else:
            raise AssertionError(f"{address} does not start; see {installation.folder}")


def _settle(url: str, seconds: float) -> None:
    """Wait until every job has ended, or for so many seconds."""
    from jobs.store import JobStore

    database = Database(url)
    store = JobStore(database)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if not unfinished(store):
                break
        except DatabaseError:
            pass
        time.sleep(0.2)  # other processes are seen only by looking
    time.sleep(LEASE)  # what ended just now is still being cleared up
    database.close()


def _clear(installation: Installation) -> None:
    """Do what a sweeper does every ten minutes: nobody wants to wait for that."""
    from jobs.engine import Engine

    engine = Engine(
        Settings(home=installation.home, database_url=installation.url, redis_url=installation.redis.url(), lease=LEASE)
    )
    sweeper: Sweeper = engine._sweeper
    sweeper.sweep()
    sweeper.clear_workspaces(0.0)
    sweeper.clear_orphans()
    engine.stop()
