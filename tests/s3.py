"""A server that speaks S3, in this process (moto), which fails, is slow, or goes away when told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

Answer = Callable[..., Any]


class _Silent(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


class S3Server:
    """The server, as a context. Its one bucket is there from the start."""

    bucket = "amora"

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Silent)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.failing = 0
        """How many requests are answered with 500, from now on."""
        self.delay = 0.0
        """Seconds before each answer."""
        self.asked = 0
        """Requests so far."""
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that tell a client of it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def keys(self) -> list[str]:
        """Return the keys of all objects."""
        return sorted(self._backend.buckets[self.bucket].keys.keys())

    def _answer(self, environ: dict[str, Any], start: Answer) -> Iterable[bytes]:
        self.asked += 1
        time.sleep(self.delay)  # it is this that is tested
        if self.failing:
            self.failing -= 1
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("500 Internal Server Error", [("Content-Length", "0")])
            return [b""]
        return list(self._app(environ, start))

    @property
    def _backend(self) -> Any:
        return get_backend("s3")["123456789012"]["aws"]

    def __enter__(self) -> Self:
        self._backend.reset()
        self._backend.create_bucket(self.bucket, "us-east-1")
        self._thread.start()
        return self

    def away(self) -> None:
        """Go away for good."""
        self._server.shutdown()
        self._server.server_close()

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self.away()
