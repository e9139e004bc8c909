"""Each error has a status, and a form for each kind of client."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from starlette.requests import Request

import index.errors
import jobs.errors
from uws import errors

ALL = [
    error
    for module in (index.errors, jobs.errors)
    for _, error in inspect.getmembers(module, inspect.isclass)
    if issubclass(error, Exception)
]
OURS = {"DamagedIndexError": 500, "DatabaseError": 503, "DescriptorError": 503, "LimitError": 503, "StorageError": 503}


@pytest.mark.parametrize("kind", ALL)
def test_whose_fault_an_error_is(kind: type[Exception]):
    error = kind("NAME", "given", "allowed") if kind is jobs.errors.ParameterError else kind("Why")
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})
    response = asyncio.run(errors.expected(request, error))
    wanted = OURS.get(kind.__name__)
    assert response.status_code == wanted if wanted else 400 <= response.status_code < 500
    if kind not in (index.errors.DatabaseError, jobs.errors.StorageError):  # where they are is nobody's business
        assert response.body.decode() == f"{error}\n"


def test_a_stranger_is_not_told_where_the_database_is():
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})
    response = asyncio.run(errors.expected(request, index.errors.DatabaseError("the database sqlite:////srv/amora")))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "60")
    assert response.body.decode() == "The service cannot use its database at the moment; please try again in a minute\n"


@pytest.mark.parametrize(
    ("form", "path", "body"),
    [
        (None, "/x", b"Why\n"),
        (None, "/api/x", b'{"error":"Why"}'),
        ("json", "/x", b'{"error":"Why"}'),
        ("votable", "/x", b"QUERY_STATUS"),
    ],
)
def test_forms(form: errors.ErrorForm | None, path: str, body: bytes):
    request = Request({"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""})
    if form:
        errors.set_form(request, form)
    assert body in bytes(errors.respond(request, 400, "Why").body)
