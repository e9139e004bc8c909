"""The phases of a job and of a task, and every move that is allowed between them (UWS 1.1, section 2.1.3).

This is the only place that says which move is legal; the store turns each move into a compare-and-set.
"""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """An execution phase, spelled as in the UWS schema."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"
    UNKNOWN = "UNKNOWN"
    HELD = "HELD"
    SUSPENDED = "SUSPENDED"
    ARCHIVED = "ARCHIVED"


ACTIVE = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})
"""The phases in which a WAIT blocks (UWS 1.1, section 2.2.1.2)."""

FINAL = frozenset({Phase.COMPLETED, Phase.ERROR, Phase.ABORTED, Phase.ARCHIVED})
"""The phases that no work follows."""

JOB_MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.PENDING: frozenset({Phase.QUEUED, Phase.ERROR, Phase.ABORTED}),
    Phase.QUEUED: frozenset({Phase.EXECUTING, Phase.COMPLETED, Phase.ERROR, Phase.ABORTED}),
    Phase.EXECUTING: frozenset({Phase.COMPLETED, Phase.ERROR, Phase.ABORTED}),
    # At its destruction, where the service keeps a memory of its jobs; work under way is aborted first.
    Phase.COMPLETED: frozenset({Phase.ARCHIVED}),
    Phase.ERROR: frozenset({Phase.ARCHIVED}),
    Phase.ABORTED: frozenset({Phase.ARCHIVED}),
}
"""From each phase of a job, the phases it may move to. A phase that is absent is left by no move."""

TASK_MOVES: dict[Phase, frozenset[Phase]] = {
    # The task that gathers what the others hand on, until these have ended.
    Phase.PENDING: frozenset({Phase.QUEUED, Phase.ABORTED}),
    Phase.QUEUED: frozenset({Phase.EXECUTING, Phase.ERROR, Phase.ABORTED}),
    # Back to QUEUED: the worker died or handed the task back; the next attempt has a higher number.
    Phase.EXECUTING: frozenset({Phase.QUEUED, Phase.COMPLETED, Phase.ERROR, Phase.ABORTED}),
}
"""The same for a task. A task is made QUEUED or PENDING, together with its job's move to QUEUED."""


def sources(moves: dict[Phase, frozenset[Phase]], target: Phase) -> frozenset[Phase]:
    """Return the phases from which ``moves`` allow a move to ``target``."""
    return frozenset(origin for origin, targets in moves.items() if target in targets)
