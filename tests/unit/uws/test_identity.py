"""Who the client is, asked of the whole application from any address."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from index.errors import DatabaseError
from jobs.engine import Engine
from tests.issuer import AUDIENCE, LocalIssuer
from uws import passwords
from uws.accounts import Accounts
from uws.app import create_app
from uws.settings import Settings
from uws.store import AccountStore

ALICE = ("alice", "correct horse")
PROXY = "192.0.2.7"
TRUST = {"proxy_header": "X-Remote-User", "proxy_networks": f"{PROXY}/32, 2001:db8::/32"}


class House:
    """An application with accounts, and requests to it from any address."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.accounts = Accounts(AccountStore(engine.database))
        self.app = self.build()

    def build(self, **changes: object) -> Starlette:
        self.app = create_app(self.engine, Settings(home=self.engine.settings.home, **changes))
        return self.app

    def ask(self, path: str = "/scripts", method: str = "GET", peer: str = "127.0.0.1", **more: object):
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(peer, 1), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
                return await http.request(method, path, **more)

        return asyncio.run(send())

    def name(self, **more: object) -> str | None:
        """Return whom the service takes the client for."""
        response = self.ask(**more)
        assert response.status_code == 200, response.text
        return response.headers.get("X-VO-Authenticated")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    engine = Engine(Settings(home=tmp_path_factory.mktemp("house")))
    house = House(engine)
    house.accounts.add(*ALICE)
    house.accounts.add("carol", None, admin=True)
    yield house
    engine.stop()


@pytest.fixture
def house(whole: House) -> House:
    whole.build()
    return whole


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stored hashes with which a password was compared."""
    compared: list[str] = []
    verify = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda stored, given: (compared.append(stored), verify(stored, given))[1])
    return compared


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_each_way_in(house: House):
    assert house.name() is None
    assert house.name(auth=ALICE) == "alice"
    assert house.name(headers=_bearer(house.accounts.add_token("alice", 1))) == "alice"


def test_the_same_work_whether_there_is_such_a_user_or_not(house: House, hashed: list[str]):
    for user in ("alice", "carol", "nobody", "x" * 300, "a\0b"):
        before = len(hashed)
        response = house.ask(auth=(user, "wrong password"))
        assert response.status_code == 401
        assert response.text == "The user name or the password is wrong\n"
        assert len(hashed) == before + 1


def test_a_right_password_is_hashed_once_and_no_more_once_it_is_changed(house: House, hashed: list[str]):
    house.accounts.add("dave", "first password")
    for _ in range(3):
        assert house.name(auth=("dave", "first password")) == "dave"
    assert len(hashed) == 1
    house.accounts.set_password("dave", "second password")
    assert house.ask(auth=("dave", "first password")).status_code == 401
    assert house.name(auth=("dave", "second password")) == "dave"
    house.accounts.remove("dave")
    assert house.ask(auth=("dave", "second password")).status_code == 401


def test_guessing_is_slowed_down_for_the_guesser_alone(house: House):
    assert house.name(auth=ALICE, peer="192.0.2.50") == "alice"
    answers = [house.ask(auth=("alice", "guess"), peer="192.0.2.66") for _ in range(7)]
    assert [answer.status_code for answer in answers[:5]] == [401] * 5
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert house.name(auth=ALICE, peer="192.0.2.66") == "alice", "a password that is known to be right comes in"
    assert house.ask(auth=("bob", "guess"), peer="192.0.2.66").status_code == 401


def test_bad_credentials_are_refused_where_none_are_needed(house: House):
    for path in ("/", "/scripts", "/capabilities", "/static/amora.css", "/nosuch"):
        response = house.ask(path, headers=_bearer("wrong"))
        assert response.status_code == 401
        assert [challenge.split()[0] for challenge in response.headers.get_list("WWW-Authenticate")] == [
            "Basic",
            "Bearer",
        ]
        assert "X-VO-Authenticated" not in response.headers


def test_two_authorizations_are_refused(house: House):
    headers = [("Authorization", "Basic YTpi"), ("Authorization", "Basic YTpi")]
    assert house.ask(headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/scripts", "/nosuch", "/static/amora.css", "/scripts/probe/async?LAST=-1", "/"])
def test_each_answer_says_for_whom_it_is(house: House, path: str):
    response = house.ask(path, auth=ALICE)
    assert response.headers["X-VO-Authenticated"] == "alice"
    assert response.headers["Cache-Control"].startswith("private")
    assert "X-VO-Authenticated" not in house.ask(path).headers


def test_a_fault_of_the_service_says_it_too(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(house.engine.jobs, "health", None)
    response = house.ask("/availability", auth=ALICE)
    assert response.status_code == 500
    assert response.headers["X-VO-Authenticated"] == "alice"
    assert "X-VO-Authenticated" not in house.ask("/availability").headers


def test_capabilities_challenge_whoever_is_anonymous(house: House):
    assert len(house.ask("/capabilities").headers.get_list("WWW-Authenticate")) == 2
    assert len(house.ask("/capabilities", "HEAD").headers.get_list("WWW-Authenticate")) == 2
    assert "WWW-Authenticate" not in house.ask("/capabilities", auth=ALICE).headers


def test_without_its_database_the_service_says_so(house: House, monkeypatch: pytest.MonkeyPatch):
    def down(*_: object) -> None:
        raise DatabaseError("the database at /secret/place cannot be used")

    monkeypatch.setattr(AccountStore, "get", down)
    monkeypatch.setattr(AccountStore, "use_token", down)
    for response in (house.ask(auth=ALICE), house.ask(headers=_bearer("amora_x"))):
        assert response.status_code == 503
        assert "/secret" not in response.text


# ---------------------------------------------------------------------- the proxy


def test_the_proxy_is_believed_from_where_it_is_and_nowhere_else(house: House):
    house.build(**TRUST)
    said = {"X-Remote-User": "erin"}
    for peer in (PROXY, "2001:db8::1", f"::ffff:{PROXY}"):
        assert house.name(peer=peer, headers=said) == "erin"
    for peer in ("127.0.0.1", "192.0.2.8", "::1", "not an address"):
        assert house.name(peer=peer, headers={**said, "X-Forwarded-For": PROXY, "Forwarded": f"for={PROXY}"}) is None
    assert house.name(peer=PROXY) is None
    assert house.name(peer=PROXY, headers={"X-Remote-User": " "}) is None
    assert house.name(peer=PROXY, auth=ALICE) == "alice"
    assert house.name(peer=PROXY, auth=ALICE, headers=said) == "erin"


def test_without_the_setting_no_header_is_believed(house: House):
    assert house.name(peer=PROXY, headers={"X-Remote-User": "erin"}) is None


@pytest.mark.parametrize("name", [b"\xff", b"a\tb", b"x" * 256, "a\u200b".encode(), b"erin\x7f"])
def test_a_name_that_cannot_be_one(house: House, name: bytes):
    house.build(**TRUST)
    assert house.ask(peer=PROXY, headers=[(b"X-Remote-User", name)]).status_code == 401


def test_two_names_are_refused(house: House):
    house.build(**TRUST)
    headers = [("X-Remote-User", "erin"), ("X-Remote-User", "carol")]
    assert house.ask(peer=PROXY, headers=headers).status_code == 401


def test_a_name_beyond_ascii_is_quoted_in_the_header(house: House):
    house.build(**TRUST)
    assert house.name(peer=PROXY, headers=[(b"X-Remote-User", "Zoë".encode())]) == "Zo%C3%AB"


def test_behind_the_proxy_each_client_has_its_own_guesses(house: House):
    house.build(**TRUST)
    for _ in range(7):
        last = house.ask(peer=PROXY, auth=("alice", "guess"), headers={"X-Forwarded-For": "spoofed, 203.0.113.1"})
    assert last.status_code == 429
    other = house.ask(peer=PROXY, auth=("alice", "guess"), headers={"X-Forwarded-For": "spoofed, 203.0.113.2"})
    assert other.status_code == 401


# ---------------------------------------------------------------------- OpenID Connect


def test_a_token_of_the_issuer_names_the_user_and_an_account_gives_rights(house: House):
    with LocalIssuer() as local:
        house.build(oidc_issuer=local.address, oidc_audience=AUDIENCE)
        job = house.ask("/scripts/probe/async", "POST", auth=ALICE).headers["Location"]
        assert house.name(headers=_bearer(local.token(sub="frank"))) == "frank"
        assert house.ask(job, headers=_bearer(local.token(sub="frank"))).status_code == 403
        assert house.ask(job, headers=_bearer(local.token(sub="carol"))).status_code == 200
        refused = house.ask(headers=_bearer(local.token(exp=1)))
        assert refused.status_code == 401
        assert "expired" in refused.text
        assert 'error="invalid_token"' in refused.headers.get_list("WWW-Authenticate")[1]
        assert "ivo://ivoa.net/sso#OAuth" in house.ask("/capabilities").text
        local.up = False
        house.build(oidc_issuer=local.address, oidc_audience=AUDIENCE)
        assert house.ask(headers=_bearer(local.token())).status_code == 503
    house.build()
    assert house.ask(headers=_bearer(local.token())).status_code == 401
    assert "OAuth" not in house.ask("/capabilities").text


# ---------------------------------------------------------------------- other sites


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8000"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "http://127.0.0.1:8000"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://evil.org"}, False),
        ({"Origin": "null"}, False),
    ],
)
def test_a_page_of_another_site_cannot_act_in_a_users_name(house: House, headers: dict[str, str], allowed: bool):
    house.build(**TRUST)
    address = "/scripts/probe/async"
    expected = 303 if allowed else 403
    assert house.ask(address, "POST", auth=ALICE, headers=headers).status_code == expected
    proxied = house.ask(address, "POST", peer=PROXY, headers={**headers, "X-Remote-User": "alice"})
    assert proxied.status_code == expected
    token = house.accounts.add_token("alice", 1)
    assert house.ask(address, "POST", headers={**headers, **_bearer(token)}).status_code == 303
    assert house.ask(address, auth=ALICE, headers=headers).status_code == 200
    blocking = house.ask("/scripts/probe/sync?SECONDS=soon", auth=ALICE, headers=headers)  # a GET that makes a job
    assert blocking.status_code == (400 if allowed else 403)


# ---------------------------------------------------------------------- anything at all


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.binary(max_size=80)
    | st.tuples(
        st.sampled_from([b"Basic ", b"Bearer ", b"Bearer amora_"]),
        st.binary(max_size=40) | st.binary(max_size=40).map(b64encode),
    ).map(b"".join)
)
def test_no_header_is_a_fault_of_the_service(house: House, monkeypatch: pytest.MonkeyPatch, header: bytes):
    monkeypatch.setattr(passwords, "_verify", lambda *_: False)
    response = house.ask(headers=[(b"Authorization", header)])
    assert response.status_code in (401, 429)
    assert response.headers.get("WWW-Authenticate") or response.headers.get("Retry-After")
