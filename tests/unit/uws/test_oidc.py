"""Tokens of an OpenID Connect issuer."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import LimitError
from tests.issuer import AUDIENCE, LocalIssuer
from uws import oidc
from uws.client import BadTokenError
from uws.oidc import Issuer

KEYS = "/keys"


@pytest.fixture
def local() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(local: LocalIssuer) -> Issuer:
    return Issuer(local.address, AUDIENCE, "sub", 10.0)


def test_a_good_token(local: LocalIssuer, issuer: Issuer):
    assert issuer.user(local.token()) == "alice"
    assert issuer.user(local.token(aud=["x", AUDIENCE], sub="bob")) == "bob"
    assert issuer.user(local.token(exp=int(time.time()) - 5)) == "alice", "the clocks may differ"
    assert local.asked[KEYS] == 1, "the keys are kept"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"nbf": 2**40},
        {"aud": "https://elsewhere.org"},
        {"aud": None},
        {"iss": "https://evil.org"},
        {"iss": None},
        {"sub": None},
        {"sub": 3},
    ],
)
def test_a_bad_claim(local: LocalIssuer, issuer: Issuer, claims: dict[str, object]):
    with pytest.raises(BadTokenError):
        issuer.user(local.token(**claims))


def test_algorithms_are_pinned(local: LocalIssuer, issuer: Issuer):
    claims = {"iss": local.address, "aud": AUDIENCE, "sub": "alice", "exp": int(time.time()) + 60}
    public = local.key_set()["keys"][0]["x"]
    for algorithm, key in (("none", None), ("HS256", public.ljust(64, "x"))):
        with pytest.raises(BadTokenError):
            issuer.user(jwt.encode(claims, key, algorithm, headers={"kid": "first"}))


def test_a_token_of_another_key(local: LocalIssuer, issuer: Issuer):
    local.add_key("second")
    forged = local.token("second", header={"kid": "first"})
    with pytest.raises(BadTokenError, match="Signature"):
        issuer.user(forged)


def test_a_new_key_is_fetched_but_strangers_do_not_have_it_asked_for(
    local: LocalIssuer, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
):
    issuer.user(local.token())
    local.add_key("second")
    for _ in range(5):
        with pytest.raises(BadTokenError, match="no key"):
            issuer.user(local.token(header={"kid": "made up"}))
    assert local.asked[KEYS] == 1
    monkeypatch.setattr(oidc, "PAUSE", 0.0)
    assert issuer.user(local.token("second", sub="bob")) == "bob"
    assert local.asked[KEYS] == 2


def test_a_token_without_key_id_is_of_the_only_key(local: LocalIssuer, issuer: Issuer):
    assert issuer.user(local.token(header={"kid": None})) == "alice"


def test_while_the_issuer_is_down_its_known_keys_are_good(
    local: LocalIssuer, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
):
    issuer.user(local.token())
    monkeypatch.setattr(oidc, "LIFETIME", 0.0)
    monkeypatch.setattr(oidc, "PAUSE", 0.0)
    local.up = False
    assert issuer.user(local.token()) == "alice"
    assert sum(local.asked.values()) > 2


def test_without_keys_nothing_can_be_said(local: LocalIssuer, issuer: Issuer):
    local.up = False
    with pytest.raises(LimitError, match="issuer"):
        issuer.user(local.token())


def test_a_document_of_another_issuer_is_not_believed(local: LocalIssuer, issuer: Issuer):
    local.claims_to_be = "https://evil.org"
    with pytest.raises(LimitError):
        issuer.user(local.token())
    assert local.asked[KEYS] == 0


def test_an_unverified_email_address_is_no_name(local: LocalIssuer):
    issuer = Issuer(local.address, AUDIENCE, "email", 10.0)
    assert issuer.user(local.token(email="a@x.org", email_verified=True)) == "a@x.org"
    with pytest.raises(BadTokenError, match="verified"):
        issuer.user(local.token(email="a@x.org"))


def _part(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


@given(
    st.lists(st.binary(max_size=60).map(_part) | st.binary(max_size=60), max_size=5).map(b".".join)
    | st.sampled_from([_part(b'{"alg":' + b"[" * 30000) + b".e30.x", _part(b'{"kid":[],"alg":"ES256"}') + b".e30.x"])
)
def test_any_other_text_is_a_bad_token(text: bytes):
    issuer = Issuer("http://127.0.0.1:9", AUDIENCE, "sub", 10.0)
    issuer._tried = time.monotonic()
    with pytest.raises((BadTokenError, LimitError)):
        issuer.user(text.decode("latin-1"))
