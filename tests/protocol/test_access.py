"""Who may see what (UWS 1.1, section 3; items 10, 16, 34, 56, 64): over HTTP, against services with accounts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from lxml import etree

from tests.protocol.client import NAMES, NIL, Job
from tests.schemas import valid
from tests.service import Service

WHO = ("anonymous", "alice", "bob", "admin")
WORDS = "correct horse of {}"
LIST = "/scripts/probe/async"

BELOW = (
    "phase",
    "executionduration",
    "destruction",
    "quote",
    "owner",
    "parameters",
    "parameters/SECONDS",
    "results",
    "results/result",
)


def _amora(home: Path, *words: str, line: str = "") -> str:
    command = [sys.executable, "-c", "from uws.cli import main; main()", "users", *words]
    environment = {"AMORA_HOME": str(home)}
    done = subprocess.run(
        command, env=environment, input=line, cwd=home, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with the accounts alice, bob and admin."""
    folder = tmp_path_factory.mktemp("access")
    for name in WHO[1:]:
        _amora(folder, "add", name, *(["--admin"] if name == "admin" else []), line=WORDS.format(name) + "\n")
    return folder


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[Service]:
    with Service(home) as running:
        yield running


Clients = dict[str, httpx.Client]


def _clients(base: str) -> Clients:
    return {
        who: httpx.Client(
            base_url=base, timeout=60, auth=None if who == "anonymous" else (who, WORDS.format(who)), trust_env=False
        )
        for who in WHO
    }


@pytest.fixture(scope="module")
def clients(service: Service) -> Iterator[Clients]:
    made = _clients(service.base_url)
    yield made
    for http in made.values():
        http.close()


@pytest.fixture(scope="module")
def create(clients: Clients) -> Callable[..., str]:
    """A function that has somebody make a job and returns its address."""

    def make(who: str, **data: str) -> str:
        response = clients[who].post(LIST, data=data)
        assert response.status_code == 303, response.text
        return response.headers["Location"]

    return make


@pytest.fixture(scope="module")
def jobs(clients: Clients, create: Callable[..., str]) -> dict[str, str]:
    """Two jobs that have ended, an anonymous one and one of alice's."""
    made = {who: create(who, SECONDS="0", PHASE="RUN") for who in ("anonymous", "alice")}
    for who, address in made.items():
        Job(clients[who], address).until("COMPLETED")
    return made


def _expected(who: str, owner: str) -> int:
    if owner == "anonymous" or who in (owner, "admin"):
        return 200
    return 401 if who == "anonymous" else 403


def _check(response: httpx.Response, who: str, expected: int) -> None:
    assert response.status_code == expected, response.text
    assert response.headers.get("X-VO-Authenticated") == (None if who == "anonymous" else who)
    schemes = [challenge.split()[0] for challenge in response.headers.get_list("WWW-Authenticate")]
    assert schemes == (["Basic", "Bearer"] if expected == 401 else [])
    if expected in (401, 403):
        assert "probe.txt" not in response.text
        assert "COMPLETED" not in response.text


@pytest.mark.parametrize("owner", ["anonymous", "alice"])
@pytest.mark.parametrize("who", WHO)
def test_10_16_64_reading(clients: Clients, jobs: dict[str, str], who: str, owner: str):
    expected = _expected(who, owner)
    address = jobs[owner]
    as_json = f"{address.partition('/scripts/')[0]}/api/jobs/{address.rpartition('/')[2]}"
    products = [
        result.get("{http://www.w3.org/1999/xlink}href")
        for result in etree.fromstring(clients[owner].get(address).content).iterfind("uws:results/uws:result", NAMES)
    ]
    assert len(products) >= 2
    pages = [
        address,
        *(f"{address}/{name}" for name in BELOW),
        *products,
        as_json,
        f"{as_json}/phase",
        f"{as_json}/tasks/1/log",
    ]
    for page in pages:
        _check(clients[who].get(page), who, expected)
        head = clients[who].head(page)
        assert head.status_code == expected
    _check(clients[who].get(address, params={"WAIT": "5"}), who, expected)
    # What is not there is not there, and what is not allowed is not told whether it is.
    _check(clients[who].get(f"{address}/results/nosuch"), who, 404 if expected == 200 else expected)


@pytest.mark.parametrize("owner", ["anonymous", "alice"])
@pytest.mark.parametrize("who", WHO)
def test_10_16_changing(clients: Clients, create: Callable[..., str], who: str, owner: str):
    allowed = _expected(who, owner) == 200
    expected = 303 if allowed else _expected(who, owner)
    address = create(owner, SECONDS="0")
    before = clients[owner].get(address).content
    http = clients[who]
    for path, data in (
        ("/parameters", {"SECONDS": "0.1"}),
        ("/parameters", {"RUNID": "mine"}),
        ("/executionduration", {"EXECUTIONDURATION": "11"}),
        ("/destruction", {"DESTRUCTION": "2999-01-01"}),
        ("/phase", {"PHASE": "ABORT"}),
    ):
        _check(http.post(address + path, data=data), who, expected)
    assert (clients[owner].get(address).content == before) is not allowed
    _check(http.post(address, data={"ACTION": "DELETE"}), who, expected)
    assert clients[owner].get(address).status_code == (404 if allowed else 200)
    _check(http.delete(create(owner)), who, expected)


def test_09_a_job_that_is_not_there_is_404_for_all(clients: Clients):
    for http in clients.values():
        assert http.get(f"{LIST}/nosuchjob").status_code == 404


def test_34_the_owner_is_in_the_documents(clients: Clients, jobs: dict[str, str], shared: Path):
    for owner, address in jobs.items():
        root = valid(clients[owner].get(address).content, shared, "UWS-v1.1.xsd")
        element = root.find("uws:ownerId", NAMES)
        told = (element.text, element.get(NIL))
        assert told == ((None, "true") if owner == "anonymous" else ("alice", None))
        assert clients[owner].get(f"{address}/owner").text == ("" if owner == "anonymous" else "alice")


def _listed(http: httpx.Client, **query: str) -> set[str]:
    response = http.get(LIST, params=query)
    assert response.status_code == 200
    return {ref.get("{http://www.w3.org/1999/xlink}href") for ref in etree.fromstring(response.content)}


def test_56_each_lists_what_is_its_own(clients: Clients, jobs: dict[str, str], create: Callable[..., str]):
    of_bob = create("bob")
    everything = {*jobs.values(), of_bob}
    expected = {
        "anonymous": {jobs["anonymous"]},
        "alice": {jobs["alice"]},
        "bob": {of_bob},
        "admin": everything,
    }
    for who, http in clients.items():
        assert _listed(http) & everything == expected[who]
        assert _listed(http, PHASE="COMPLETED", LAST="1000") & everything == expected[who] - {of_bob}
        refs = http.get("/api/jobs", params={"LAST": "1000"}).json()["jobs"]
        assert {ref["address"] for ref in refs} & everything == expected[who]
        page = http.get("/jobs").text
        assert {address for address in everything if address.rpartition("/")[2] in page} <= expected[who]
    page = clients["bob"].get("/jobs").text
    assert of_bob.rpartition("/")[2] in page
    assert jobs["alice"].rpartition("/")[2] not in page


def test_16_bad_credentials_are_401_where_none_are_needed(service: Service, jobs: dict[str, str]):
    for headers in (
        {"Authorization": "Basic YWxpY2U6d3Jvbmc="},
        {"Authorization": "Bearer amora_nosuch"},
        {"Authorization": "Digest x"},
    ):
        for path in ("/", LIST, jobs["anonymous"], "/capabilities"):
            _check(service.http.get(path, headers=headers), "anonymous", 401)


def test_64_capabilities_tell_the_methods(clients: Clients, shared: Path):
    response = clients["anonymous"].head("/scripts/probe/capabilities")
    assert response.status_code == 200
    assert len(response.headers.get_list("WWW-Authenticate")) == 2
    root = valid(clients["alice"].get("/scripts/probe/capabilities").content, shared, "capabilities")
    (interface,) = root.xpath("capability[contains(@standardID, 'UWS')]/interface")
    methods = [method.get("standardID") for method in interface.iterfind("securityMethod")]
    assert methods == [None, "ivo://ivoa.net/sso#BasicAA"]


def test_a_token_comes_in_until_it_is_revoked(service: Service, home: Path, create: Callable[..., str]):
    address = create("alice")
    headers = {"Authorization": "Bearer " + _amora(home, "token", "add", "alice", "--days", "1", "--label", "test")}
    response = service.http.get(address, headers=headers)
    assert response.headers["X-VO-Authenticated"] == "alice"
    (listed,) = _amora(home, "token", "list", "alice").splitlines()[1:]
    assert listed.endswith("test")
    _amora(home, "token", "revoke", listed.split()[0])
    _check(service.http.get(address, headers=headers), "anonymous", 401)


def test_a_changed_password_and_a_removed_account_hold_at_once(service: Service, home: Path):
    _amora(home, "add", "dave", line="first password\n")

    def ask(password: str) -> int:
        return service.http.get(LIST, auth=("dave", password)).status_code

    assert ask("first password") == 200
    _amora(home, "passwd", "dave", line="second password\n")
    assert ask("first password") == 401
    assert ask("second password") == 200
    _amora(home, "remove", "dave")
    assert ask("second password") == 401


def test_a_service_for_users_only(home: Path, service: Service, create: Callable[..., str]):
    anonymous = create("anonymous")
    with Service(home, ANONYMOUS="false", ANONYMOUS_LIST="false") as closed:
        clients = _clients(closed.base_url)
        _check(clients["anonymous"].post(LIST), "anonymous", 401)
        assert clients["alice"].post(LIST).status_code == 303
        assert _listed(clients["anonymous"]) == set()
        assert anonymous.replace(service.base_url, closed.base_url) in _listed(clients["admin"])
        capabilities = etree.fromstring(clients["anonymous"].get("/capabilities").content)
        methods = {method.get("standardID") for method in capabilities.iter("securityMethod")}
        assert methods == {"ivo://ivoa.net/sso#BasicAA"}
        for http in clients.values():
            http.close()


def test_no_secret_is_ever_logged(home: Path, tmp_path: Path):
    log = tmp_path / "log"
    secrets = ["hunter2-hunter2", "amora_hunter3", "hunter4.hunter4.hunter4"]
    with log.open("w") as file, Service(home, stderr=file) as service:
        service.http.get("/", auth=("alice", secrets[0]))
        service.http.get("/", auth=(secrets[0], "x"))
        for token in secrets[1:]:
            service.http.get("/", headers={"Authorization": f"Bearer {token}"})
        service.http.get("/", headers={"Authorization": secrets[0]})
        assert service.http.get("/", auth=("alice", WORDS.format("alice"))).status_code == 200
    said = log.read_text()
    assert "hunter" not in said
    assert WORDS.format("alice") not in said
