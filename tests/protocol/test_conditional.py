"""Entity tags and conditional requests on jobs and job lists (RFC 9110, sections 8.8.3 and 13.1.2)."""

from __future__ import annotations

import httpx
import pytest

from tests.protocol.client import Job, Probe


def _resources(probe: Probe, job: Job) -> dict[str, str]:
    return {
        "job": job.url,
        "json": f"{probe.base}/api/jobs/{job.id}",
        "list": probe.url,
        "filtered": f"{probe.url}?PHASE=PENDING&PHASE=ABORTED&LAST=5",
        "json list": f"{probe.base}/api/jobs?LAST=5",
    }


def _again(probe: Probe, url: str, *tags: str) -> httpx.Response:
    return probe.http.get(url, headers=[("If-None-Match", tag) for tag in tags])


def _settled(probe: Probe, url: str) -> httpx.Response:
    """The answer once the jobs that earlier tests left have ended: each change of one is a change of its list."""
    for phase in ("QUEUED", "EXECUTING"):
        for left in probe.ids(f"?PHASE={phase}"):
            Job(probe.http, f"{probe.url}/{left}").post("phase", PHASE="ABORT")
    response = probe.http.get(url)
    for _ in range(20):
        # The end of an aborted job's process is written down after its phase.
        if (again := _again(probe, url, response.headers["ETag"])).status_code == 304:
            break
        response = again
    return response


@pytest.mark.parametrize("name", ["job", "json", "list", "filtered", "json list"])
def test_what_has_not_changed_is_304_until_it_changes(probe: Probe, name: str):
    job = probe.create()
    url = _resources(probe, job)[name]
    first = _settled(probe, url)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "no-cache"
    assert tag.startswith('W/"' if "list" in name or name == "filtered" else '"')
    for asked in (tag, f'"other", {tag}', tag.removeprefix("W/"), f"W/{tag.removeprefix('W/')}", "*"):
        response = _again(probe, url, asked)
        assert response.status_code == 304
        assert response.content == b""
        assert response.headers["ETag"] == tag
    assert _again(probe, url, '"other"', tag).status_code == 304
    assert _again(probe, url, '"other"').status_code == 200
    job.post("phase", PHASE="ABORT")
    changed = _again(probe, url, tag)
    assert changed.status_code == 200
    assert b"ABORTED" in changed.content
    assert changed.headers["ETag"] != tag


def test_the_list_changes_with_each_creation_and_deletion(probe: Probe):
    seen = set()
    for _ in range(3):
        job = probe.create()
        response = _again(probe, probe.url, *seen)
        assert response.status_code == 200
        assert job.id in response.text
        seen.add(response.headers["ETag"])
        job.delete()
        response = _again(probe, probe.url, *seen)
        assert response.status_code == 200
        assert job.id not in response.text
        seen.add(response.headers["ETag"])
    assert len(seen) == 6


def test_a_deleted_job_is_404_whatever_the_client_has(probe: Probe):
    job = probe.create()
    tag = job.get().headers["ETag"]
    job.delete()
    assert _again(probe, job.url, tag).status_code == 404
    assert _again(probe, job.url, "*").status_code == 404


def test_head_has_the_tag_too(probe: Probe):
    job = probe.create()
    assert probe.http.head(job.url).headers["ETag"] == job.get().headers["ETag"]
