"""A UWS client that does what the standard says and nothing more."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from lxml import etree

NAMES = {
    "uws": "http://www.ivoa.net/xml/UWS/v1.0",
    "xlink": "http://www.w3.org/1999/xlink",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
HREF = f"{{{NAMES['xlink']}}}href"
NIL = f"{{{NAMES['xsi']}}}nil"
FINAL = {"COMPLETED", "ERROR", "ABORTED", "ARCHIVED"}


class Job:
    """A job, known by its address alone."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self.http = http
        self.url = url
        self.id = url.rsplit("/", 1)[1]

    def get(self, *path: str, **query: str) -> httpx.Response:
        return self.http.get("/".join((self.url, *path)), params=query)

    def post(self, *path: str, **data: str) -> httpx.Response:
        return self.http.post("/".join((self.url, *path)), data=data)

    def delete(self) -> httpx.Response:
        return self.http.delete(self.url)

    def document(self, **query: str) -> etree._Element:
        response = self.get(**query)
        assert response.status_code == 200, response.text
        return etree.fromstring(response.content)

    def value(self, name: str) -> str | None:
        return self.document().findtext(f"uws:{name}", namespaces=NAMES)

    @property
    def phase(self) -> str:
        return self.get("phase").text

    def run(self) -> Job:
        assert self.post("phase", PHASE="RUN").status_code == 303
        return self

    def until(self, *phases: str) -> Job:
        """Wait until the job is in one of ``phases``; it must not end in another."""
        while (phase := self.phase) not in phases:
            assert phase not in FINAL, f"the job ended {phase}: {self.get().text}"
            self.get(WAIT="10", PHASE=phase)
        return self


class Probe:
    """The job list of the script ``probe``."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self.url = f"{self.base}/scripts/probe/async"
        self.http = httpx.Client(timeout=60.0)

    def get(self, *path: str, **query: str) -> httpx.Response:
        return self.http.get("/".join((self.base, *path)), params=query)

    def post(self, **data: str | Sequence[str]) -> httpx.Response:
        return self.http.post(self.url, data=data)

    def create(self, **data: str | Sequence[str]) -> Job:
        response = self.post(**data)
        assert response.status_code == 303, response.text
        return Job(self.http, response.headers["location"])

    def list(self, query: str = "") -> etree._Element:
        response = self.http.get(self.url + query)
        assert response.status_code == 200, response.text
        return etree.fromstring(response.content)

    def ids(self, query: str = "") -> list[str]:
        """The ids of the jobs in the list, in its order."""
        return [ref.get("id") for ref in self.list(query).iterfind("uws:jobref", NAMES)]
