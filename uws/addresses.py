"""The absolute addresses that the service hands out, built from the configured base and from nothing else.

A client's Host header is never looked at: behind a proxy it is wrong, and from a stranger it is a lie. Java
clients resolve nothing, so each address is absolute (UWS 1.1, section 2.2.3).
"""

from __future__ import annotations

from urllib.parse import quote

TAP = "tap"
"""The script whose jobs are queries: its place is where clients of TAP look for it."""
SODA = "soda"
"""The script whose jobs are cut-outs; its blocking form must be one segment beside its capabilities (SODA 1.0, 2.1)."""


class Addresses:
    """Builds addresses below ``base``."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")

    def at(self, *parts: str) -> str:
        """Return the address of the path made of ``parts``."""
        return "/".join((self.base, *(quote(part, safe="") for part in parts)))

    def script(self, script: str, *parts: str) -> str:
        """Return the address of a script's documentation, or of something below it."""
        return self.at(*([] if script in (TAP, SODA) else ["scripts"]), script, *parts)

    def jobs(self, script: str) -> str:
        """Return the address of a script's job list."""
        return self.script(script, "async")

    def job(self, script: str, job_id: str, *parts: str) -> str:
        """Return the address of a job, or of something below it."""
        return self.script(script, "async", job_id, *parts)

    def result(self, script: str, job_id: str, result_id: str) -> str:
        """Return the address of one result of a job."""
        return self.job(script, job_id, "results", result_id)

    def details(self, job_id: str) -> str:
        """Return the address of a job as JSON."""
        return self.at("api", "jobs", job_id)

    def log(self, job_id: str, task: int) -> str:
        """Return the address at which the log of a task can be followed."""
        return self.at("api", "jobs", job_id, "tasks", str(task), "log")

    def open_result(self, capability: str, result_id: str) -> str:
        """Return the address of a result for whoever has a capability (:mod:`uws.signing`) and nothing else."""
        return self.at("c", capability, result_id)

    def session(self, session_id: str) -> str:
        """Return the address of the page of a session."""
        return self.at("sessions", session_id)

    def share(self, secret: str) -> str:
        """Return the address of a link to a session."""
        return self.at("s", secret)

    @property
    def stylesheet(self) -> str:
        """The address of what makes the XML documents readable in a browser."""
        return self.at("static", "uws.css")
