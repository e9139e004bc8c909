"""What a client sees when something goes wrong.

The UWS resources answer with the message as plain text, resources for programs with ``{"error": message}``. Whoever
asks for a VOTable gets the error document of DALI 1.1, section 4.2, whoever asks for a page a page.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from index.errors import CoverageError, DamagedIndexError, DatabaseError, UnknownDatasetError
from jobs.combinations import NOTHING
from jobs.errors import (
    AmoraError,
    DescriptorError,
    GoneError,
    LimitError,
    NotFoundError,
    PhaseError,
    QuotaError,
    RevokedError,
    StorageError,
    TooLargeError,
)
from uws import pages, votable
from uws.client import (
    CHALLENGES,
    AttemptsError,
    ForbiddenError,
    UnauthenticatedError,
    client_of,
    headers_for,
)
from uws.context import for_programs
from uws.limits import may_hold_files

STATUS: dict[type[Exception], int] = {
    NotFoundError: 404,
    GoneError: 410,
    RevokedError: 403,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    PhaseError: 403,
    AttemptsError: 429,
    QuotaError: 429,
    LimitError: 503,
    DescriptorError: 503,
    TooLargeError: 413,
    AmoraError: 400,
    CoverageError: 400,
    UnknownDatasetError: 404,
    DamagedIndexError: 500,
    DatabaseError: 503,
}
"""The status of each error; one that is not here has the status of its nearest base."""

SCS_TYPE = "text/xml;content=x-votable"
"""What Simple Cone Search 1.03 answers with (section 2.2)."""

log = logging.getLogger(__name__)

ErrorForm = Literal["text", "json", "votable", "html", "fault", "scs", "soda"]
"""The last three: as SIA 2.0 and DataLink, cone search, and SODA have it."""

_FAULT = {503: "TransientFault", 429: "TransientFault", 500: "FatalFault"}
"""What an error begins with (SIA 2.0, section 4.2; DataLink 1.1, section 3.4), by status; else UsageFault."""
_SODA = {401: "AuthenticationError", 403: "AuthorizationError", 429: "ServiceUnavailable", 503: "ServiceUnavailable"}
"""What an error of SODA 1.0 begins with (section 5.2), by status; else UsageError, or Error where it is our fault."""


def set_form(request: Request, form: ErrorForm) -> None:
    """Say in which form an error of this request is wanted."""
    request.state.error_form = form


def respond(request: Request, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return the error in the form the request wants."""
    if may_hold_files(request.scope):
        # The rest of a large body may still be on its way, and nobody reads it.
        headers = {**(headers or {}), "Connection": "close"}
    default: ErrorForm = "json" if for_programs(request) else "text"
    form: ErrorForm = getattr(request.state, "error_form", default)
    if form == "soda":
        return PlainTextResponse(soda_error(status, message) + "\n", status, headers=headers)
    if form == "scs":  # the standard knows no other status: clients read what it says in a document with this one alone
        headers = {**(headers or {}), "Content-Type": SCS_TYPE}
        return Response(votable.cone_search_error(message), 200 if status == 400 else status, headers)
    if form == "fault":
        message, form = f"{_FAULT.get(status, 'UsageFault')}: {message}", "votable"
    if form == "votable":
        return Response(votable.error(message), status, headers=headers, media_type="application/x-votable+xml")
    if form == "html":
        page = pages.error(request, status, message)
        page.headers.update(headers or {})
        return page
    if form == "json":
        return JSONResponse({"error": message}, status, headers=headers)
    return PlainTextResponse(message + "\n", status, headers=headers)


def soda_error(status: int, message: str) -> str:
    """Return a message as SODA 1.0 wants it to begin (section 5.2)."""
    if message.startswith(("MultiValuedParamNotSupported: ", "AuthenticationError: ", "AuthorizationError: ")):
        return message
    if message.startswith(NOTHING):
        status = 400
    return f"{_SODA.get(status, 'Error' if status >= 500 else 'UsageError')}: {message}"


async def expected(request: Request, error: Exception) -> Response:
    """Answer an error that the user can mend."""
    status = next(STATUS[base] for base in type(error).__mro__ if base in STATUS)
    if isinstance(error, DatabaseError):  # where it lies is nobody's business
        log.error("%s %s: %s", request.method, request.url.path, error)
        message = "The service cannot use its database at the moment; please try again in a minute"
        return respond(request, status, message, {"Retry-After": "60"})
    if isinstance(error, StorageError):  # the same
        log.error("%s %s: %s", request.method, request.url.path, error)
        message = "The service cannot use the storage of its files at the moment; please try again in a minute"
        return respond(request, status, message, {"Retry-After": "60"})
    response = respond(request, status, str(error))
    if isinstance(error, UnauthenticatedError):
        challenge(response, error.challenges)
    elif isinstance(error, AttemptsError):
        response.headers["Retry-After"] = str(error.seconds)
    return response


def challenge(response: Response, challenges: Sequence[str] = CHALLENGES) -> None:
    """Add challenges to a response: one line each, since few clients can take apart a line with two."""
    for one in challenges:
        response.headers.append("WWW-Authenticate", one)


async def http(request: Request, error: Exception) -> Response:
    """Answer what the routing or the reading of the request refused."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for this class alone
    message = error.detail
    if error.status_code == 404:
        message = f"There is nothing at {request.url.path}"
        if "text/html" in request.headers.get("accept", "") and not for_programs(request):
            set_form(request, "html")  # somebody has mistyped an address; programs do not ask for that
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{request.method} is not allowed at {request.url.path}; allowed: {allowed}"
    return respond(request, error.status_code, message, dict(error.headers or {}))


async def left(_request: Request, _error: Exception) -> Response:
    """Answer nobody: the client went away before its request had come in as a whole."""
    return Response(status_code=400)


async def unexpected(request: Request, _error: Exception) -> Response:
    """Answer a fault of the service itself; the server logs it, and closes the connection, which is only said here."""
    # Starlette answers these outside of all middleware, so nobody else adds the client's headers.
    headers = {"Connection": "close", "X-Content-Type-Options": "nosniff", **headers_for(client_of(request))}
    if request_id := request.scope.get("amora.request"):
        headers["X-Request-ID"] = request_id
    return respond(request, 500, "The service failed at this request; its log says why", headers)


HANDLERS = {
    AmoraError: expected,
    CoverageError: expected,
    HTTPException: http,
    ClientDisconnect: left,
    Exception: unexpected,
}
