"""What the index measures of itself; whoever shows figures registers them."""

from __future__ import annotations

from prometheus_client import Histogram

SEARCH_SECONDS = Histogram(
    "amora_index_search_seconds",
    "Time of a search for the datasets of a region, in this process.",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
    registry=None,
)
