"""Where the service listens."""

from __future__ import annotations

import socket

import pytest

from uws.server import ListenError, listen
from uws.settings import Settings


def test_any_free_port():
    with listen(Settings(port=0)) as listening:
        assert listening.getsockname()[1] > 0
        assert listening.proto == socket.IPPROTO_TCP  # without it each answer comes 40 ms late


@pytest.mark.parametrize("host", ["192.0.2.1", "nosuchhost.invalid", "999.1.1.1"])
def test_where_it_cannot_listen_is_said(host: str):
    with pytest.raises(ListenError, match=host):
        listen(Settings(host=host, port=0))
