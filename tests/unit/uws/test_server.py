"""Where the service listens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

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


def test_it_takes_as_many_open_files_as_it_may():
    program = (
        "import resource; from uws import server; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512)); "
        "server._raise_limit(); print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "512 512\n"


def test_a_script_left_out_is_said_at_the_start(tmp_path: Path):
    settings = {"AMORA_HOME": str(tmp_path / "home"), "AMORA_PORT": "0", "AMORA_SCRIPTS": str(tmp_path / "nowhere")}
    service = subprocess.Popen(
        [sys.executable, "-c", "from uws.cli import main; main()", "serve"],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert service.stdout is not None
    assert service.stdout.readline().startswith("Amora is ready at ")
    service.terminate()
    _, said = service.communicate(timeout=30)
    (line,) = [line for line in said.splitlines() if " WARNING " in line]
    assert line.endswith(f": a script is broken: The folder of scripts {tmp_path / 'nowhere'} does not exist.")
