"""The process that does tasks and nothing else: an engine without a web server."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

from jobs.errors import AmoraError
from jobs.identity import Identity
from uws.engine import open_engine
from uws.settings import Settings


class NoQueueError(AmoraError):
    """There is no queue that a process of its own could take tasks from."""


def work(settings: Settings, slots: int) -> None:
    """Do tasks until SIGTERM or SIGINT; print one line once it is ready, and hand back what runs at the end.

    :raises NoQueueError: the settings name no Redis.
    """
    if settings.redis_url is None:
        raise NoQueueError(
            "amora worker takes its tasks from Redis, and AMORA_REDIS_URL does not say where that is; without it "
            "amora serve does them itself"
        )
    stopped = threading.Event()

    def leave(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    engine = open_engine(settings)
    for reason in engine.jobs.scripts.broken.values():
        sys.stderr.write(f"amora: left out: {reason}\n")
    try:
        engine.start(slots)
        sys.stdout.write(f"Amora does {slots} tasks at once as {Identity.of()}\n")
        sys.stdout.flush()
        stopped.wait()
    finally:
        engine.stop()
