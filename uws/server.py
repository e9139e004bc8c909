"""The running service: an engine, the application and a web server around them."""

from __future__ import annotations

import gc
import logging
import resource
import signal
import socket
import sys
from importlib.metadata import version
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.applications import Starlette

from jobs import logs
from jobs.errors import AmoraError
from uws.app import create_app
from uws.engine import open_engine
from uws.notifier import Notifier
from uws.settings import Settings

CONNECTIONS = 65536
"""How many files and connections the process asks to be let have; many systems give 1024, and waiting clients stay."""
PATIENCE = 5
"""Seconds that answers under way may take once the service is told to stop."""


class ListenError(AmoraError):
    """The service cannot listen where it was told to."""


def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT; print one line with its address once it is ready.

    A script that is broken is named on standard error, and the others are offered all the same.

    :raises ListenError: the address cannot be listened on.
    """
    logs.configure(settings.log_format, settings.log_level)
    # The same, with the id of the request, is in the log already.
    logging.getLogger("uvicorn.error").addFilter(lambda record: not record.msg.startswith("Exception in ASGI"))
    _raise_limit()
    listening = listen(settings)
    if settings.port == 0:
        settings = settings.model_copy(update={"port": listening.getsockname()[1]})
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    engine, notifier = open_engine(settings), None
    try:
        engine.start()
        app = create_app(engine, settings)
        notifier = Notifier(engine, settings, app.state.context.signer)
        notifier.start()
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,  # it goes where all else goes
            log_level="warning",
            access_log=False,
            server_header=False,
            headers=[("Server", f"Amora/{version('amora')}")],
            proxy_headers=False,
            timeout_graceful_shutdown=PATIENCE,
        )
        # What is here now stays: to look through it would stop all answers for a tenth of a second, time and again.
        gc.collect()
        gc.freeze()
        _Server(config, app, settings.base).run(sockets=[listening])
    finally:
        if notifier is not None:
            notifier.stop()
        engine.stop()
        listening.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: Starlette, address: str) -> None:
        super().__init__(config)
        self._context = app.state.context
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(f"Amora is ready at {self._address}\n")
            sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._context.jobs.let_go()
        await super().shutdown(sockets)


def _raise_limit() -> None:
    """Take as many open files as the system lets this process have, up to ``CONNECTIONS``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, CONNECTIONS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """End the program through its ``finally`` blocks; uvicorn raises its signals again when it has stopped."""
    sys.exit(0)


def listen(settings: Settings) -> socket.socket:
    """Return a socket that listens where the settings say.

    :raises ListenError: nobody can listen there.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio switches Nagle's delay off only where the protocol is named; it would cost 40 ms an answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        where = f"{settings.host} port {settings.port}"
        raise ListenError(
            f"cannot listen on {where}: {error.strerror or error}; AMORA_HOST and AMORA_PORT say where"
        ) from error
    return listening
