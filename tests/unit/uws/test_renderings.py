"""A document is made once for each version, whoever asks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from jobs.models import JobState
from jobs.phases import Phase
from uws import renderings
from uws.renderings import Renderings


def _state(version: int, phase: Phase = Phase.COMPLETED) -> JobState:
    return JobState("probe", phase, version, None)


class _Maker:
    """Makes documents of the version it has, when it may."""

    def __init__(self) -> None:
        self.version = 1
        self.made = 0
        self.may = threading.Event()
        self.may.set()

    def __call__(self) -> tuple[int, bytes]:
        version = self.version
        self.may.wait(5)
        self.made += 1
        return version, f"v{version}".encode()


def test_all_who_come_together_get_one_document():
    async def run() -> None:
        kept, make = Renderings(), _Maker()
        found = await asyncio.gather(*(kept.get("xml", "j", _state(1), make) for _ in range(100)))
        assert {document.content for document in found} == {b"v1"}
        assert make.made == 1
        await kept.get("xml", "j", _state(1), make)
        assert make.made == 1
        assert (await kept.get("json", "j", _state(1), make)).tag == found[0].tag
        assert make.made == 2

    asyncio.run(run())


def test_who_comes_after_a_change_never_gets_what_was_before():
    async def run() -> None:
        kept, make = Renderings(), _Maker()
        make.may.clear()
        early = asyncio.ensure_future(kept.get("xml", "j", _state(1), make))
        await asyncio.sleep(0.05)  # the thread must have read the old version
        make.version = 2
        late = asyncio.ensure_future(kept.get("xml", "j", _state(2), make))
        await asyncio.sleep(0)
        make.may.set()
        assert (await early).version == 1
        assert (await late).content == b"v2"

    asyncio.run(run())


def test_an_active_job_is_made_anew_after_a_while(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        kept, make = Renderings(), _Maker()
        for phase, expected in ((Phase.EXECUTING, 2), (Phase.COMPLETED, 2)):
            for _ in range(2):
                await kept.get("xml", "j", _state(1, phase), make)
            assert make.made == expected

    monkeypatch.setattr(renderings, "FRESH", -1.0)
    asyncio.run(run())


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch):
    def of(job: str) -> Callable[[], tuple[int, bytes]]:
        return lambda: (1, job.encode() * 100)

    async def run() -> None:
        kept = Renderings()
        for number in range(50):
            await kept.get("xml", f"{number:03}", _state(1), of(f"{number:03}"))
        assert len(kept._kept) == 3
        assert kept._size == 900
        assert (await kept.get("xml", "000", _state(1), of("000"))).content == b"000" * 100

    monkeypatch.setattr(renderings, "KEPT", 1000)
    asyncio.run(run())


def test_a_failure_is_told_to_all_and_forgotten():
    async def run() -> None:
        kept = Renderings()

        def fail() -> tuple[int, bytes]:
            raise LookupError("gone")

        found = await asyncio.gather(*(kept.get("xml", "j", _state(1), fail) for _ in range(3)), return_exceptions=True)
        assert [type(error) for error in found] == [LookupError] * 3
        assert (await kept.get("xml", "j", _state(1), _Maker())).content == b"v1"

    asyncio.run(run())
