"""Work that the service does itself as a job: a worker does it in a thread of its own, without a program.

Everything else about such a job is as with any other: it waits for its turn, its lease is kept, it can be aborted, its
result is published once. What it does must end soon after it is told to, and must not outlive its worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from index.errors import CoverageError, DatabaseError
from jobs.descriptor import Script
from jobs.errors import AmoraError
from jobs.runner import Outcome

RESULT = "result"
"""The name of the one product, which takes the place of the product list."""


@dataclass(frozen=True)
class Made:
    """What came of it."""

    content_type: str
    message: str
    """What there is to say to whoever waits."""


class Performance(Protocol):
    """One run."""

    def run(self, path: Path) -> Made:
        """Do the work and write the result to a file.

        :raises AmoraError: it cannot be done, and why.
        """

    def cancel(self) -> None:
        """Have it end soon; from another thread, and more than once."""


class Native(Script):
    """A script that is part of the service."""

    perform: Callable[[Sequence[tuple[str, str]], Mapping[str, Path], float], Any]
    """Gives a :class:`Performance` for the parameters as they were given, the files by name, and the seconds it may
    take. It raises what :meth:`Performance.run` does."""


def perform(
    script: Native,
    parameters: Sequence[tuple[str, str]],
    files: Mapping[str, Path],
    folder: Path,
    seconds: float,
    going_on: Callable[[tuple[float, str] | None], bool],
    interval: float,
) -> tuple[Outcome, Made | None]:
    """Do the work of a task.

    :param folder: for the products.
    :param going_on: asked every ``interval`` seconds; when it answers False the work is stopped.
    """
    try:
        performance: Performance = script.perform(parameters, files, seconds)
    except AmoraError as error:
        return Outcome(1, stopped=False, last_error=str(error)), None
    stopped = False
    with ThreadPoolExecutor(1, script.name) as pool:
        future = pool.submit(performance.run, folder / RESULT)
        while not wait([future], interval).done:
            if stopped or not going_on(None):
                stopped = True
                performance.cancel()  # again and again: one that comes just before a statement stops nothing
        try:
            made = future.result()
        except DatabaseError:
            raise
        except (AmoraError, CoverageError) as error:
            return Outcome(1, stopped, str(error)), None
    return Outcome(0, stopped, "", made.message), made
