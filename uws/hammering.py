"""Slows down, gently, who asks back to back for a job that has not changed.

Aladin 12 takes ``version="1.1"`` for leave not to sleep between two GETs of a job, and then forgets the WAIT. An error
would end its view of the job, so it gets its answer, half a second later or as soon as there is something new.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic

from jobs.models import JobState
from jobs.phases import ACTIVE

HOLD = 0.5
"""Seconds that an answer is held back at most."""
PAUSE = 0.5
"""Seconds between an answer and the next question after which nobody speaks of hammering."""
FREE = 8
"""Questions without such a pause that are answered at once: pyvo asks for the whole job for each of its properties."""
CLIENTS = 1000
"""How many are remembered."""


@dataclass
class _Streak:
    """What a client has lately asked of a job."""

    version: int
    answered: float
    questions: int


class Hammering:
    """Remembers who asks how fast, for the coroutines of one event loop; a client is named by any text."""

    def __init__(self) -> None:
        self._streaks: OrderedDict[tuple[str, str], _Streak] = OrderedDict()

    def is_due(self, client: str, job_id: str, state: JobState) -> bool:
        """Count a question; return whether its answer is to be held back."""
        before = self._streaks.pop((client, job_id), None)
        if state.phase not in ACTIVE:
            return False
        if before is None or monotonic() - before.answered >= PAUSE:
            before = _Streak(-1, 0.0, 0)
        self._streaks[client, job_id] = before
        before.questions += 1
        if len(self._streaks) > CLIENTS:
            self._streaks.popitem(last=False)
        return before.questions > FREE and before.version == state.version

    def answered(self, client: str, job_id: str, state: JobState) -> None:
        """Take down what the client is told now."""
        if streak := self._streaks.get((client, job_id)):
            streak.version, streak.answered = state.version, monotonic()
