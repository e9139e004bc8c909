"""An OpenID Connect issuer of one's own, on this machine, with keys made for the test."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

AUDIENCE = "https://amora.example.org"


class LocalIssuer:
    """Answers with its discovery document and its keys for the length of a block, and signs tokens."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.up = True
        self.claims_to_be: str | None = None
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked[self.path] += 1
                documents = {"/.well-known/openid-configuration": issuer.discovery, "/keys": issuer.key_set}
                self.send_response(200 if issuer.up else 500)
                self.end_headers()
                self.wfile.write(json.dumps(documents[self.path]()).encode() if issuer.up else b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.add_key("first")

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add_key(self, name: str) -> None:
        """Make a further key."""
        self.keys[name] = ec.generate_private_key(ec.SECP256R1())

    def discovery(self) -> dict[str, str]:
        return {"issuer": self.claims_to_be or self.address, "jwks_uri": self.address + "/keys"}

    def key_set(self) -> dict[str, Any]:
        algorithm = jwt.get_algorithm_by_name("ES256")
        return {
            "keys": [
                {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": name, "use": "sig"}
                for name, key in self.keys.items()
            ]
        }

    def token(self, key: str = "first", *, header: dict[str, Any] | None = None, **claims: object) -> str:
        """Return a token for ``sub`` alice, good for a minute, with other claims as given; None leaves one out."""
        at = int(time.time())
        whole = {"iss": self.address, "aud": AUDIENCE, "sub": "alice", "iat": at, "exp": at + 60, **claims}
        given = {name: value for name, value in whole.items() if value is not None}
        headers = {name: value for name, value in {"kid": key, **(header or {})}.items() if value is not None}
        return jwt.encode(given, self.keys[key], "ES256", headers=headers)
