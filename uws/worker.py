"""The process that does tasks and nothing else: an engine without a web server."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

from prometheus_client import start_http_server

from jobs import logs
from jobs.errors import AmoraError
from jobs.identity import Identity
from jobs.meters import REGISTRY
from uws.engine import open_engine
from uws.settings import Settings


class NoQueueError(AmoraError):
    """There is no queue that a process of its own could take tasks from."""


class WorkerPortError(AmoraError):
    """The worker cannot show its figures where it was told to."""


def work(settings: Settings, slots: int) -> None:
    """Do tasks until SIGTERM or SIGINT; print one line once it is ready, and hand back what runs at the end.

    :raises NoQueueError: the settings name no Redis.
    """
    if settings.redis_url is None:
        raise NoQueueError(
            "amora worker takes its tasks from Redis, and AMORA_REDIS_URL does not say where that is; without it "
            "amora serve does them itself"
        )
    logs.configure(settings.log_format, settings.log_level)
    stopped = threading.Event()

    def leave(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    engine = open_engine(settings)
    try:
        engine.start(slots)
        if settings.worker_port:
            _show_figures(settings.host, settings.worker_port)
        sys.stdout.write(f"Amora does {slots} tasks at once as {Identity.of()}\n")
        sys.stdout.flush()
        stopped.wait()
    finally:
        engine.stop()


def _show_figures(host: str, port: int) -> None:
    """Show what this process measures at ``/metrics``, which tells a supervisor too that it lives.

    :raises WorkerPortError: nobody can listen there.
    """
    try:
        start_http_server(port, host, REGISTRY)
    except OSError as error:
        raise WorkerPortError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; AMORA_WORKER_PORT says where"
        ) from error
