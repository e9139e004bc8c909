"""The bare route: one fixed answer from the framework and the web server of the service, and nothing of ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from uws.server import listen
from uws.settings import Settings


async def _answer(_request: Request) -> Response:
    return PlainTextResponse("COMPLETED")


def main() -> None:
    """Serve on a free port until killed; print the port when ready to be connected to."""
    listening = listen(Settings(port=0))
    print(listening.getsockname()[1], flush=True)
    app = Starlette(routes=[Route("/phase", _answer)])
    config = uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def bare_route() -> Iterator[str]:
    """Run it as a process of its own; give the address of the route."""
    with subprocess.Popen([sys.executable, "-m", "tests.bench.bare"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/phase"
        finally:
            server.kill()


if __name__ == "__main__":
    main()
