"""Signatures of the service: what it has signed, any of its processes knows to be its own, and nobody else can make.

The key is made with the database and kept in it, so that a restart and another process change nothing.
"""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta

from jobs.errors import GoneError, NotFoundError
from uws.store import ServiceStore

LINKS = 15 * 60
"""Seconds for which a link to a result is good that a desktop tool is given: it has none of the browser's cookies."""
DOWNLOADS = 24 * 3600
"""The same of those in a script that downloads everything."""


class Signer:
    """Signs with the key of the installation."""

    def __init__(self, store: ServiceStore) -> None:
        self._store = store
        self._key = b""

    def sign(self, purpose: str, text: str) -> str:
        """Return the signature of a text for a purpose: 43 characters that an address can hold."""
        if not self._key:
            self._key = bytes.fromhex(self._store.key("signing"))
        digest = hmac.digest(self._key, f"{purpose}\0{text}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def signed(self, purpose: str, text: str, signature: str) -> bool:
        """Whether a signature is that of a text for a purpose."""
        return hmac.compare_digest(self.sign(purpose, text).encode(), signature.encode())

    def capability(self, job_id: str, seconds: int) -> tuple[str, datetime]:
        """Return what lets whoever has it read the results of a job, and until when."""
        until = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
        text = f"{job_id}.{int(until.timestamp())}"
        return f"{text}.{self.sign('results', text)}", until

    def job_of(self, capability: str) -> str:
        """Return the job whose results a capability lets one read.

        :raises NotFoundError: this service has not made it.
        :raises GoneError: its time is over.
        """
        text, _, signature = capability.rpartition(".")
        if not self.signed("results", text, signature):
            raise NotFoundError("This link leads nowhere: it is mistyped, or another service has made it.")
        job_id, _, until = text.partition(".")
        if int(until) < datetime.now(UTC).timestamp():
            raise GoneError("This link was good for a short time, which is over; ask the page for another one.")
        return job_id
