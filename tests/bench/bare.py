"""The bare routes: fixed answers from the framework and the web server of the service, and nothing of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from uws.server import listen
from uws.settings import Settings


async def _answer(_request: Request) -> Response:
    return PlainTextResponse("COMPLETED")


def main() -> None:
    """Serve on a free port until killed; print the port when ready to be connected to.

    With a file of JSON, an array, ``/json`` answers with its elements in turn, each written anew.
    """
    documents = cycle(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")) if sys.argv[1:] else [{}])

    async def answer_json(_request: Request) -> Response:
        return JSONResponse(next(documents))

    listening = listen(Settings(port=0))
    print(listening.getsockname()[1], flush=True)
    app = Starlette(routes=[Route("/phase", _answer), Route("/json", answer_json)])
    config = uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def bare_server(*arguments: str) -> Iterator[tuple[str, int]]:
    """Run them as a process of its own; give its address and its pid."""
    command = [sys.executable, "-m", "tests.bench.bare", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}", server.pid
        finally:
            server.kill()


@contextmanager
def bare_route() -> Iterator[str]:
    """Run them as a process of its own; give the address of the route that answers with a word."""
    with bare_server() as (address, _):
        yield f"{address}/phase"


if __name__ == "__main__":
    main()
