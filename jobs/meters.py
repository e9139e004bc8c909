"""What this process measures of itself, for Prometheus; what is in SQL is counted in SQL (:mod:`uws.metrics`).

Each process has its own figures and shows them at its own address; Prometheus adds them up.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from index.meters import SEARCH_SECONDS

disable_created_metrics()  # type: ignore[no-untyped-call]  # when a series began, for each one of them again

REGISTRY = CollectorRegistry()
"""All figures of this process."""
REGISTRY.register(SEARCH_SECONDS)

TASK_SECONDS = Histogram(
    "amora_task_seconds",
    "Wall-clock time of an attempt at a task in this process, by script and by how it ended.",
    ["script", "end"],
    buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000),
    registry=REGISTRY,
)
TASK_CPU = Counter(
    "amora_task_cpu_seconds_total",
    "Processor time that the scripts run by this process took.",
    ["script"],
    registry=REGISTRY,
)
FAILURES = Counter(
    "amora_failures_total",
    "What went wrong in this process, by cause.",
    ["cause"],
    registry=REGISTRY,
)
CAUSES = ("script", "limit", "lost", "files", "products", "storage", "database", "internal")
"""The causes: the script failed, it ran into a limit, a worker was lost, its files are not there, its products cannot
be used, the storage or the database was away, or it is a fault of the service itself."""
for _cause in CAUSES:
    FAILURES.labels(_cause)

HTTP_SECONDS = Histogram(
    "amora_http_seconds",
    "Time from a request to the end of its answer, by method, route and status; requests that WAIT have a route of "
    "their own.",
    ["method", "route", "status"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
    registry=REGISTRY,
)
