"""``/metrics``: what Prometheus reads.

What is in SQL is counted there at the moment of the question, so each process tells the same of it; the rest is what
this process has measured (:mod:`jobs.meters`). Who may read it is said here and not in :mod:`uws.access`: the names of
scripts and the load are nobody's secret, but nobody's business either.
"""

from __future__ import annotations

import ipaddress
import logging
import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from index.errors import DatabaseError
from jobs.meters import REGISTRY
from jobs.phases import Phase
from uws import context
from uws.context import call
from uws.settings import Settings

if TYPE_CHECKING:
    from jobs.engine import Engine

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")
"""Any of these on a request means that a proxy has passed it on."""

log = logging.getLogger(__name__)
_process = CollectorRegistry()
ProcessCollector(registry=_process)


async def show(request: Request) -> Response:
    """Show all figures to those who may see them."""
    here = context.of(request)
    if not _may_read(request, here.settings):
        # 401 would have a browser ask for a password, and a user's is of no use here.
        return PlainTextResponse(
            "The figures are for the operator's networks (AMORA_METRICS_NETWORKS) and token (AMORA_METRICS_TOKEN)\n",
            403,
        )
    return Response(await call(render, here.engine), headers={"Content-Type": CONTENT_TYPE})


def render(engine: Engine) -> bytes:
    """Return all figures in the text format of Prometheus."""
    counted = CollectorRegistry()
    counted.register(_Counted(engine))
    return b"".join(generate_latest(registry) for registry in (counted, REGISTRY, _process))


class _Counted:
    """What is the same for all processes: read from SQL, and found out by the checks of ``/availability``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> list[Metric]:
        """Return nothing: all is found out at the question."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the figures; without a database, only that it is away."""
        up = GaugeMetricFamily(
            "amora_up", "Whether a part of the service is well, as /availability says.", None, ["part"]
        )
        checks = self._engine.jobs.health()
        for check in checks:
            up.add_metric([check.name], float(check.ok))
        yield up
        for check in checks:
            for name, (description, value) in check.figures.items():
                yield GaugeMetricFamily(f"amora_{name}", description, value)
        try:
            census = self._engine.jobs.census()
        except DatabaseError as error:
            log.warning("no figures of the jobs: %s", error)
            return
        jobs = GaugeMetricFamily("amora_jobs", "Jobs that are known, by script and phase.", None, ["script", "phase"])
        for (script, phase), number in sorted(census.jobs.items()):
            jobs.add_metric([script, phase], number)
        yield jobs
        tasks = GaugeMetricFamily("amora_tasks", "Tasks that wait or run, by queue.", None, ["queue", "phase"])
        age = GaugeMetricFamily(
            "amora_queue_age_seconds", "For how long the task that has waited longest waits, by queue.", None, ["queue"]
        )
        for name, queue in sorted(census.queues.items()):
            tasks.add_metric([name, Phase.QUEUED], queue.waiting)
            tasks.add_metric([name, Phase.EXECUTING], queue.running)
            age.add_metric([name], max(0.0, time.time() - queue.oldest.timestamp()) if queue.oldest else 0.0)
        yield tasks
        yield age
        yield GaugeMetricFamily("amora_datasets", "Datasets in the index.", self._engine.index.count())


def _may_read(request: Request, settings: Settings) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    wanted = settings.metrics_token
    if wanted and scheme.lower() == "bearer":
        return secrets.compare_digest(token.strip().encode(), wanted.get_secret_value().encode())
    try:
        peer = ipaddress.ip_address(request.client.host if request.client else "")
        if any(name in request.headers for name in _FORWARDED):
            if not _within(peer, settings.trusted_networks):
                return False
            peer = ipaddress.ip_address(request.headers.getlist("x-forwarded-for")[-1].rpartition(",")[2].strip())
    except (ValueError, IndexError):
        return False
    return _within(peer, settings.metrics_from)


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: tuple[object, ...]) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)  # type: ignore[operator]
