"""Waiting for a change: woken at once from any thread, and by other processes' changes at the next look."""

from __future__ import annotations

import asyncio
import threading

from jobs.changes import Changes


def test_a_change_in_another_thread_wakes() -> None:
    async def wait() -> None:
        changes = Changes()
        with changes.watch("job") as event:
            threading.Thread(target=changes.publish, args=("job",)).start()
            await asyncio.wait_for(event.wait(), 5)

    asyncio.run(wait())


def test_other_jobs_do_not_wake() -> None:
    async def wait() -> None:
        changes = Changes()
        with changes.watch("job") as event, changes.watch("other") as other:
            changes.publish("job")
            await asyncio.wait_for(event.wait(), 5)
            assert not other.is_set()

    asyncio.run(wait())


def test_another_process_is_noticed() -> None:
    async def wait() -> None:
        changes = Changes()
        versions = {"job": 1}
        with changes.watch("job") as event:
            changes.poll(lambda ids: {id_: versions[id_] for id_ in ids})
            await asyncio.wait_for(event.wait(), 5)  # the first look cannot know what the waiter has seen
            event.clear()
            changes.poll(lambda ids: {id_: versions[id_] for id_ in ids})
            await asyncio.sleep(0)
            assert not event.is_set()
            versions["job"] = 2
            changes.poll(lambda ids: {id_: versions[id_] for id_ in ids})
            await asyncio.wait_for(event.wait(), 5)
            event.clear()
            changes.poll(lambda _: {})  # deleted
            await asyncio.wait_for(event.wait(), 5)

    asyncio.run(wait())


def test_nobody_is_asked_about_when_nobody_waits() -> None:
    async def wait() -> None:
        changes = Changes()
        with changes.watch("job"):
            pass
        changes.poll(lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
        changes.publish("job")

    asyncio.run(wait())


def test_closing_wakes_everybody() -> None:
    async def wait() -> None:
        changes = Changes()
        with changes.watch("a") as a, changes.watch("b") as b:
            changes.close()
            await asyncio.wait_for(asyncio.gather(a.wait(), b.wait()), 5)
        assert changes.closed

    asyncio.run(wait())
