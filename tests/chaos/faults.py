"""What is done to an installation, drawn from a seed."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.installation import LEASE, Installation, Process


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    name: str
    weight: int
    strike: Callable[[Installation, random.Random], None]


def _of_a(kind: str, number: signal.Signals) -> Callable[[Installation, random.Random], None]:
    def strike(installation: Installation, dice: random.Random) -> None:
        processes: list[Process] = getattr(installation, kind)
        dice.choice(processes).signal(number)

    return strike


def _freeze(installation: Installation, dice: random.Random) -> None:
    """Stop a worker for longer than its lease: it comes back and finds its task with another."""
    worker = dice.choice(installation.workers)
    worker.signal(signal.SIGSTOP)
    time.sleep(LEASE * dice.uniform(0.3, 2))  # the time for which it is frozen
    worker.signal(signal.SIGCONT)


FAULTS = (
    Fault("worker killed", 6, _of_a("workers", signal.SIGKILL)),
    Fault("worker stopped", 2, _of_a("workers", signal.SIGTERM)),
    Fault("worker frozen", 2, _freeze),
    Fault("web server killed", 4, _of_a("web", signal.SIGKILL)),
    Fault("web server stopped", 1, _of_a("web", signal.SIGTERM)),
    Fault("PostgreSQL killed", 2, lambda inst, dice: inst.crash_server(inst.postgresql, dice.uniform(0, 2))),
    Fault("PostgreSQL restarted", 2, lambda inst, dice: inst.restart_server(inst.postgresql, dice.uniform(0, 2))),
    Fault("broker killed", 2, lambda inst, dice: inst.crash_server(inst.redis, dice.uniform(0, 3))),
    Fault("broker restarted", 2, lambda inst, dice: inst.restart_server(inst.redis, dice.uniform(0, 3))),
    Fault("broker flushed", 3, lambda inst, _: inst.flush()),
    Fault("disk full to the watermark", 1, lambda inst, dice: inst.fill_disk(dice.uniform(1, 3))),
)


def strike_until(
    installation: Installation, seed: int, seconds: float, ended: threading.Event, struck: Counter[str]
) -> None:
    """Let things go wrong for some seconds, at least each of them once."""
    dice = random.Random(seed)
    possible = [fault for fault in FAULTS if installation.disk or fault.strike is not FAULTS[-1].strike]
    plan = list(possible)
    dice.shuffle(plan)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not ended.wait(dice.uniform(0.5, 3)):
        fault = plan.pop() if plan else dice.choices(possible, [one.weight for one in possible])[0]
        struck[fault.name] += 1
        fault.strike(installation, dice)
