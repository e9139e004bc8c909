"""Work that the service does itself."""

from __future__ import annotations

import threading
from pathlib import Path

from jobs.native import Made, Native, perform


class Deaf:
    """Work that does not hear the first time that it is cancelled, as a database does between two statements."""

    def __init__(self) -> None:
        self.cancelled = 0
        self._ended = threading.Event()

    def run(self, path: Path) -> Made:
        self._ended.wait(60)
        path.write_bytes(b"")
        return Made("text/plain", "ended")

    def cancel(self) -> None:
        self.cancelled += 1
        if self.cancelled > 1:
            self._ended.set()


def test_work_is_cancelled_until_it_has_ended(tmp_path: Path) -> None:
    work = Deaf()
    script = Native.model_construct(name="deaf", perform=lambda *_: work)

    outcome, _ = perform(script, [], {}, tmp_path, 60, lambda _: False, 0.01)

    assert outcome.code == 0
    assert work.cancelled == 2
