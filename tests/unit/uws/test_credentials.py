"""The Authorization header: read as RFC 7617 and 6750 say, or refused; never anything else."""

from __future__ import annotations

import contextlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uws.client import BadTokenError, UnauthenticatedError
from uws.credentials import Basic, Bearer, parse

ANYTHING = st.binary(max_size=200) | st.tuples(
    st.sampled_from([b"Basic ", b"basic", b"Bearer ", b"BEARER  ", b"Digest ", b" "]),
    st.binary(max_size=200) | st.binary(max_size=100).map(b64encode),
).map(b"".join)


@given(ANYTHING)
def test_it_is_read_or_refused(header: bytes):
    with contextlib.suppress(UnauthenticatedError):
        assert isinstance(parse(header), Basic | Bearer)


@given(st.text(st.characters(exclude_characters=":", codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_basic_gives_back_what_was_sent(user: str, password: str):
    header = b"Basic " + b64encode(f"{user}:{password}".encode())
    assert parse(header) == Basic(user, password)


def test_basic_in_latin_1_is_understood_too():
    assert parse(b"Basic " + b64encode("jörg:müller".encode("latin-1"))) == Basic("jörg", "müller")


def test_schemes_have_no_case():
    assert parse(b"bEARER  abc.DEF-1~+/==") == Bearer("abc.DEF-1~+/==")
    assert parse(b"BASIC " + b64encode(b"a:b:c")) == Basic("a", "b:c")


@pytest.mark.parametrize(
    "header", [b"", b"Basic", b"Basic !!!", b"Basic YWJj", b"Digest x", b"secret", b"Negotiate YII="]
)
def test_what_cannot_be_read_is_not_repeated(header: bytes):
    with pytest.raises(UnauthenticatedError) as refused:
        parse(header)
    assert header.partition(b" ")[2].decode() not in str(refused.value) or b" " not in header
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("header", [b"Bearer", b"Bearer a b", b"Bearer \xff", b"Bearer ="])
def test_a_token_that_cannot_be_read_is_a_bad_token(header: bytes):
    with pytest.raises(BadTokenError):
        parse(header)


def test_secrets_are_not_shown():
    assert "pw" not in repr(Basic("u", "pw"))
    assert "tok" not in repr(Bearer("tok"))
