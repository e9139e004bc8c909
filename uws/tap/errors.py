"""What is wrong with a query."""

from __future__ import annotations

from jobs.errors import RequestError


class QueryError(RequestError):
    """The query is not ADQL, or asks for what this service does not have; the message says which."""
