"""The parameters of a request."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import Request

from jobs.errors import ParameterError, RequestError
from uws.dali import Form, Format, MultiValuedError, read, response_format

FORM = "application/x-www-form-urlencoded"


def _read(body: bytes = b"", content_type: str = FORM, query: bytes = b"", method: str = "POST") -> Form:
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode("latin-1"))]
    scope = {"type": "http", "method": method, "path": "/", "query_string": query, "headers": headers}
    return asyncio.run(read(Request(scope, receive)))


def test_query_and_body_are_one_form():
    form = _read(b"B=2&c=+x%2B&A=", query=b"a=1")
    assert form.pairs == (("a", "1"), ("B", "2"), ("c", " x+"), ("A", ""))
    assert form.all("A") == ["1", ""]
    assert form.without(["A", "C"]) == [("B", "2")]
    assert form.one("NOSUCH") is None
    with pytest.raises(MultiValuedError, match=r"MultiValuedParamNotSupported.* A "):
        form.one("A")


def test_the_body_of_a_get_is_not_read():
    assert _read(b"A=1", method="GET").pairs == ()


@given(st.dictionaries(st.from_regex(r"[A-Za-z_]{1,20}", fullmatch=True), st.text(max_size=50), max_size=5))
def test_multipart_says_what_was_written_or_is_refused(values: dict[str, str]):
    parts = (
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + value.encode("utf-8", "surrogatepass")
        + b"\r\n"
        for name, value in values.items()
    )
    body = b"".join(parts) + b"--b--\r\n"
    try:
        form = _read(body, "multipart/form-data; boundary=b")
    except RequestError:
        return
    assert dict(form.pairs) == values


@given(st.binary(max_size=200), st.sampled_from([FORM, "multipart/form-data; boundary=b", "multipart/form-data"]))
def test_any_bytes_are_a_form_or_an_error_of_the_request(body: bytes, content_type: str):
    with suppress(RequestError):
        _read(body, content_type)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/mixed; boundary=b", "text/plain", "é"])
def test_other_bodies_are_415(content_type: str):
    with pytest.raises(HTTPException) as refused:
        _read(b"{}", content_type)
    assert refused.value.status_code == 415


@pytest.mark.parametrize(("text", "value"), [("0", 0), (" 12 ", 12), ("-1", -1), ("+7", 7)])
def test_integers(text: str, value: int):
    assert Form((("Wait", text),)).integer("WAIT", -1, 100) == value


@pytest.mark.parametrize("text", ["", "-2", "101", "1.0", "1e1", "1_0", "٣", "0x1", "9" * 10_000])
def test_bad_integers(text: str):
    with pytest.raises(ParameterError, match="WAIT"):
        Form((("WAIT", text),)).integer("WAIT", -1, 100)


OFFERED = (
    Format("json", "application/json"),
    Format("votable", "application/x-votable+xml", ("text/xml",)),
    Format("votable/b2", "application/x-votable+xml;serialization=BINARY2"),
)


@pytest.mark.parametrize(
    ("asked", "name", "content_type"),
    [
        (None, "json", "application/json"),
        ("", "json", "application/json"),
        ("VOTable", "votable", "application/x-votable+xml"),
        ("application/x-votable+xml;serialization=TABLEDATA", "votable", "application/x-votable+xml"),
        ("text/xml", "votable", "text/xml"),
        ("votable/b2", "votable/b2", "application/x-votable+xml;serialization=BINARY2"),
        (
            'application/x-votable+xml; serialization="binary2"',
            "votable/b2",
            "application/x-votable+xml;serialization=BINARY2",
        ),
        ("application/x-votable xml;x=y", "votable", "application/x-votable+xml"),
    ],
)
def test_response_format(asked: str | None, name: str, content_type: str):
    form = Form(()) if asked is None else Form((("ResponseFormat", asked),))
    chosen = response_format(form, OFFERED)
    assert (chosen.name, chosen.content_type) == (name, content_type)


def test_an_unknown_response_format_names_those_that_there_are():
    with pytest.raises(ParameterError, match=r"json.*votable"):
        response_format(Form((("RESPONSEFORMAT", "fits"),)), OFFERED)
