"""Tells whoever wants to know that a job has ended: by mail, or by a POST to an address of his.

A thread of each web process looks every two seconds for what is owed; whoever takes a delivery tries it, and if it
fails it is due again later. What is owed is in SQL (:mod:`jobs.store.notifications`): nothing is lost by a restart, and
a process that dies between sending and writing it down sends once more.

A webhook gets JSON with two headers: ``Amora-Delivery`` names it, the same at each try, and ``Amora-Signature`` is
``t=SECONDS,v1=HEX``: the HMAC-SHA256 of ``SECONDS.BODY`` with the secret that was shown when it was asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import smtplib
import ssl
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING

from index.errors import CoverageError
from jobs.engine import Engine
from jobs.errors import AmoraError, NotFoundError, ParameterError
from jobs.models import Job
from jobs.store.notifications import Delivery, NotificationStore
from jobs.store.sessions import Holder
from uws.addresses import Addresses
from uws.settings import Settings
from uws.signing import Signer
from uws.times import format_instant

if TYPE_CHECKING:
    from uws.fetch import Address

log = logging.getLogger(__name__)

LOOK = 2.0
"""Seconds between two looks for what is owed."""
PATIENCE = (30.0, 120.0, 600.0, 3600.0, 6 * 3600.0)
"""Seconds from each try to the next; after the last there is none."""
SECONDS = 15.0
"""The longest that one try may take."""
MAX_TARGET = 2000
"""Characters in the address of a webhook."""

_MAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}", re.ASCII)


def check(kind: str, target: str, settings: Settings, *, anonymous: bool) -> str:
    """Return the address to which a notification is sent, if it may be.

    :raises ParameterError: it may not; says why.
    """
    if kind == "mail":
        if settings.mail_server is None:
            raise ParameterError("mail", target, "this service sends no mail; a webhook is possible.")
        if anonymous and not settings.mail_anonymous:
            raise ParameterError("mail", target, "mail is sent for users alone; log in, or use a webhook.")
        if not _MAIL.fullmatch(target):
            raise ParameterError("mail", target, "one plain address is wanted, such as alice@example.org.")
        return target
    if len(target) > MAX_TARGET:
        raise ParameterError("webhook", target, f"at most {MAX_TARGET} characters are taken.")
    from uws.fetch import FetchError, target_of  # noqa: PLC0415 - 10 MB that a service which fetches nothing does without

    try:
        return str(target_of(target))
    except FetchError as error:
        raise ParameterError("webhook", target, f"an address of a public host is wanted. {error}") from error


def secret_of(signer: Signer, notification_id: str) -> str:
    """Return the secret with which what is sent to a webhook is signed; it is not kept, but made again."""
    return signer.sign("webhook", notification_id)


class Notifier:
    """The thread.

    :param permitted: says which addresses a webhook may have; public ones where nothing says so.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        signer: Signer,
        permitted: Callable[[Address], bool] | None = None,
    ) -> None:
        self._jobs = engine.jobs
        self._sessions = engine.sessions
        self._store = NotificationStore(engine.database)
        self._settings = settings
        self._signer = signer
        self._permitted = permitted
        self._addresses = Addresses(settings.base)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is being sent is waited for."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(SECONDS)

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            try:
                self.work()
            except Exception:  # the database may be away for a while; the next look tries again
                log.exception("notifications are late")

    def work(self) -> None:
        """Send all that is due."""
        self._store.owe()
        while not self._stop.is_set() and (delivery := self._store.due(PATIENCE)) is not None:
            try:
                self._send(delivery)
            except NotFoundError:  # the job is gone, and so is what was owed
                continue
            except (OSError, smtplib.SMTPException, AmoraError, CoverageError) as error:
                why = _said(error)
                last = delivery.tries > len(PATIENCE) or _for_ever(error)
                log.warning("try %d to tell of job %s by %s: %s", delivery.tries, delivery.job_id, _kind(delivery), why)
                self._store.failed(delivery.id, why, last=last)
            else:
                self._store.delivered(delivery.id)

    def _send(self, delivery: Delivery) -> None:
        job = self._jobs.get(self._jobs.state(None, delivery.job_id).script, delivery.job_id)
        if delivery.notification.kind == "mail":
            self._mail(delivery, job)
        else:
            self._post(delivery, job)

    def _post(self, delivery: Delivery, job: Job) -> None:
        """POST to a webhook.

        :raises FetchError: it does not answer with a 2xx.
        """
        from uws.fetch import is_public, post  # noqa: PLC0415 - as above

        body = json.dumps(self._told(job)).encode()
        secret, at = secret_of(self._signer, delivery.notification.id), int(time.time())
        digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Amora",
            "Amora-Delivery": f"{delivery.notification.id}-{delivery.id}",
            "Amora-Signature": f"t={at},v1={digest}",
        }
        permitted = self._permitted or is_public
        asyncio.run(post(delivery.notification.target, body, headers, SECONDS, permitted=permitted))

    def _told(self, job: Job) -> dict[str, object]:
        return {
            "event": "job.ended",
            "job": job.id,
            "script": job.script,
            "phase": job.phase,
            "run_id": job.run_id,
            "ended": format_instant(job.ended),
            "error": job.error,
            "products": len(job.products),
            "address": self._addresses.job(job.script, job.id),
            "details": self._addresses.details(job.id),
        }

    def _session_of(self, job: Job) -> list[str]:
        """Return what a mail says of the session of a job; a run id need not be one's."""
        found, _ = self._sessions.rights(job.run_id, Holder())
        return [f"Its session: {self._addresses.session(job.run_id)}"] if found and job.run_id else []

    def _mail(self, delivery: Delivery, job: Job) -> None:
        settings = self._settings
        message = EmailMessage()
        message["From"] = settings.mail_from or f"amora@{settings.mail_server}"
        message["To"] = delivery.notification.target
        message["Subject"] = f"Amora: {job.script} job {job.phase.lower()}"
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(f"{delivery.notification.id}-{delivery.id}", "amora.invalid")
        message["Auto-Submitted"] = "auto-generated"
        failed = sum(task.phase == "ERROR" for task in job.tasks)
        lines = [
            f"The {job.script} job {job.id} has ended: {job.phase}.",
            f"{len(job.products)} products of {len(job.tasks)} tasks"
            + (f", {failed} of which failed." if failed else "."),
            *([f"It said: {' '.join(job.error.split())[:500]}"] if job.error else []),
            "",
            self._addresses.at("jobs", job.id),
            *self._session_of(job),
            f"It is kept until {format_instant(job.destruction)}." if job.destruction else "",
            "",
            "You get this once, because you, or somebody with your address, asked for it.",
        ]
        message.set_content("\n".join(lines))
        context = ssl.create_default_context()
        assert settings.mail_server is not None  # noqa: S101 - without one none is asked for
        if settings.mail_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.mail_server, settings.mail_port, timeout=SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(settings.mail_server, settings.mail_port, timeout=SECONDS)
        with server:
            if settings.mail_security == "starttls":
                server.starttls(context=context)
            if settings.mail_user and settings.mail_password:
                server.login(settings.mail_user, settings.mail_password.get_secret_value())
            server.send_message(message)


def _said(error: Exception) -> str:
    """Return why something was not sent, in words; what a mail server says of an address is a number and bytes."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{name} is refused: {code} {_text(said)}" for name, (code, said) in error.recipients.items())
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return str(error) or type(error).__name__


def _text(said: bytes | str) -> str:
    return said.decode("ascii", "replace") if isinstance(said, bytes) else said


def _for_ever(error: Exception) -> bool:
    """Whether a mail server refuses the address for good (a code from 500, RFC 5321, 4.2.1)."""
    if not isinstance(error, smtplib.SMTPRecipientsRefused):
        return False
    return all(code >= 500 for code, _ in error.recipients.values())


def _kind(delivery: Delivery) -> str:
    return delivery.notification.kind
