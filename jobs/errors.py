"""What can go wrong, for whoever calls ``jobs``.

::

    AmoraError
     +-- ParameterError     a parameter's value is not allowed: which one, what was given, what is allowed
     +-- RequestError       the request as a whole makes no sense (e.g. two regions)
     |    +-- TooLargeError  it is more than the service reads
     +-- NotFoundError      there is no such job, script, dataset, product or session
     +-- GoneError          there was one, and its time is over
     +-- RevokedError       it was allowed once, and is not any more
     +-- PhaseError         the job's phase does not allow the move that was asked for
     +-- DescriptorError    a script's folder does not follow the script contract
     +-- LimitError         a limit of the service is reached
     |    +-- StorageError  the storage of the files of jobs does not answer
     |    +-- QuotaError     it is one of this user
     +-- ConflictError      two tasks of a job want the same name for their products

Each message is written for a stranger; ``uws`` gives it its place in HTTP and XML.
"""

from __future__ import annotations


class AmoraError(Exception):
    """The base of every error that a user can mend."""


class RequestError(AmoraError):
    """The request as a whole makes no sense."""


class ParameterError(RequestError):
    """A parameter's value is not allowed."""

    def __init__(self, name: str, given: object, allowed: str) -> None:
        self.name = name
        self.given = given
        self.allowed = allowed
        shown = str(given)
        shown = shown if len(shown) <= 200 else shown[:200] + "..."
        super().__init__(f"Parameter {name}: {shown!r} was given; {allowed}")


class TooLargeError(RequestError):
    """The request is more than the service reads."""


class NotFoundError(AmoraError):
    """There is no such thing; the message says what was looked for."""


class GoneError(AmoraError):
    """The time of what was asked for is over."""


class RevokedError(AmoraError):
    """What was asked for has been taken back."""


class PhaseError(AmoraError):
    """The job's phase does not allow what was asked for."""


class DescriptorError(AmoraError):
    """A script's folder does not follow the script contract; the message names file and key."""


class LimitError(AmoraError):
    """A limit of the service is reached; the message says which and when to try again."""


class QuotaError(LimitError):
    """A user has reached a limit of his own; the message says which, how much is used, and what helps."""


class ConflictError(AmoraError):
    """Two tasks of a job want the same name for their products; the message says which."""


class StorageError(LimitError):
    """The storage of the files of jobs does not answer, or not now; the message is for the operator."""
