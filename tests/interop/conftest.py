"""Outside clients run against the same service as the protocol tests."""

from __future__ import annotations

from tests.protocol.conftest import base_url, probe, service

__all__ = ["base_url", "probe", "service"]
