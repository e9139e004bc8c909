"""Two services on one home folder: what one does wakes those who wait at the other."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.service import Service


@pytest.mark.parametrize("change", ["ABORT", "DELETE"])
def test_a_change_by_another_process_wakes_within_a_second(
    tmp_path: Path, installation: dict[str, str], change: str
) -> None:
    with Service(tmp_path, **installation) as one, Service(tmp_path, **installation) as other:
        job = one.http.post("/scripts/probe/async").headers["Location"].removeprefix(one.base_url)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(one.http.get, job, params={"WAIT": "20"})
            time.sleep(0.8)  # the request must be waiting, and have been looked after once, before the phase changes
            begin = time.monotonic()
            if change == "ABORT":
                other.http.post(f"{job}/phase", data={"PHASE": "ABORT"})
            else:
                other.http.delete(job)
            answer = waiting.result()
        assert time.monotonic() - begin < 1.5
        assert answer.status_code == (200 if change == "ABORT" else 404)
        assert change == "DELETE" or "ABORTED" in answer.text


def test_tags_hold_for_changes_by_another_process(tmp_path: Path, installation: dict[str, str]) -> None:
    with Service(tmp_path, **installation) as one, Service(tmp_path, **installation) as other:
        tag = one.http.get("/scripts/probe/async").headers["ETag"]
        other.http.post("/scripts/probe/async")
        answer = one.http.get("/scripts/probe/async", headers={"If-None-Match": tag})
        assert answer.status_code == 200
        assert "PENDING" in answer.text
