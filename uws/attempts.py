"""Slows down whoever guesses passwords."""

from __future__ import annotations

import time
from collections import OrderedDict

FREE = 5
"""Failures in a row that cost nothing: people mistype."""
LONGEST = 60.0
"""The longest pause that is asked for, in seconds."""
CAPACITY = 10_000
"""How many guessers are kept in mind."""


class Attempts:
    """Counts the failures in a row of each user at each address; each one past the free ones doubles the pause.

    What is kept is bounded and in memory: a restart forgives.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def pause(self, user: str, address: str) -> float:
        """Return the seconds that are still to pass before the next attempt; 0 where it may come."""
        count, last = self._failures.get((user, address), (0, 0.0))
        if count < FREE:
            return 0.0
        return max(0.0, last + min(2.0 ** (count - FREE), LONGEST) - time.monotonic())

    def failed(self, user: str, address: str) -> None:
        """Count a failure."""
        count, _ = self._failures.pop((user, address), (0, 0.0))
        self._failures[user, address] = (min(count + 1, 64), time.monotonic())
        if len(self._failures) > CAPACITY:
            self._failures.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        """Forget the failures."""
        self._failures.pop((user, address), None)
