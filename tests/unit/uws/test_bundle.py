"""All products of a job at once: the archive, the script that downloads them, and links for desktop tools."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from index.database import Database
from jobs.models import Job
from jobs.storage import Content
from tests.conftest import missing
from tests.s3 import S3Server
from tests.service import Service
from uws import bundle
from uws.accounts import Accounts
from uws.addresses import Addresses
from uws.signing import Signer
from uws.store import AccountStore, ServiceStore

ALICE = ("alice", "correct horse")
SIZE = 3_000_000


@pytest.fixture(scope="module", params=["folder", "bucket"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with an account, whose products are in a folder, or in S3."""
    home = tmp_path_factory.mktemp("bundle") / "home"
    if request.param == "folder":
        with Service(home) as running:
            yield _with_alice(running)
        return
    with S3Server() as s3, Service(home, environment=s3.environment, storage_url="s3://amora/here") as running:
        yield _with_alice(running)


def _with_alice(service: Service) -> Service:
    database = Database(service.database_url)
    Accounts(AccountStore(database)).add(*ALICE)
    database.close()
    return service


def _job(service: Service, auth: tuple[str, str] | None = None, **parameters: object) -> dict[str, object]:
    answer = service.http.post("/api/scripts/probe/jobs", json={"PHASE": "RUN", **parameters}, auth=auth)
    job = dict(answer.json())
    while job["phase"] in ("QUEUED", "EXECUTING"):
        wait = {"WAIT": "5", "PHASE": str(job["phase"])}
        job = dict(service.http.get(f"/api/jobs/{job['id']}", params=wait, auth=auth).json())
    return job


def test_the_archive_holds_every_product(service: Service):
    job = _job(service, SIZE=SIZE, TASKS=2)
    answer = service.http.get(f"/api/jobs/{job['id']}/products.zip")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert f'filename="amora-probe-{job["id"]}.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        folder = f"amora-probe-{job['id']}/"
        for product in job["products"]:  # type: ignore[attr-defined]
            data = archive.read(folder + product["name"])
            assert hashlib.sha256(data).hexdigest() == product["checksum"]
        assert b"<VOTABLE" in archive.read(folder + "products.vot")
        assert archive.read(folder + "provenance.json").startswith(b"{")
        assert b"<svg" in archive.read(folder + "provenance.svg")
        assert len(archive.namelist()) == len(job["products"]) + 3  # type: ignore[arg-type]
    assert int(answer.headers["content-length"]) == len(answer.content)
    again = service.http.get(f"/api/jobs/{job['id']}/products.zip")
    assert again.content == answer.content, "the same job makes the same archive"
    head = service.http.head(f"/api/jobs/{job['id']}/products.zip")
    assert (head.status_code, head.headers["content-length"]) == (200, answer.headers["content-length"])


def test_without_products_there_is_nothing_to_bundle(service: Service):
    job = service.http.post("/api/scripts/probe/jobs", json={}).json()
    for name in ("products.zip", "download.sh"):
        answer = service.http.get(f"/api/jobs/{job['id']}/{name}")
        assert answer.status_code == 404
        assert "no products" in answer.json()["error"]


class _Zeros(Content):
    path = None
    size = 400 * 2**20

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        piece = bytes(2**18)
        for _ in range((stop - start) // len(piece)):
            yield piece


def test_a_large_archive_is_never_in_memory(make_job: Callable[..., Job]):
    job = make_job()
    jobs = SimpleNamespace(product=lambda *_: (None, _Zeros()))
    here = SimpleNamespace(jobs=jobs, addresses=Addresses("http://x"))
    tracemalloc.start()
    size = sum(map(len, bundle._zipped(here, job, [])))  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > len(job.products) * _Zeros.size
    assert peak < 4 * 2**20


@pytest.mark.parametrize("limit", [zipfile.ZIP64_LIMIT, 5000, 1000, 100])
def test_its_length_is_known_before(make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, limit: int):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)  # what is large is written otherwise
    job = make_job()
    sizes = {"a.fits": 0, "b.fits": 999, "c.fits": 1000, "d.fits": 1001, "e.fits": 7000, "f.fits": 10}
    job = replace(job, products=tuple(replace(job.products[0], name=name, size=size) for name, size in sizes.items()))

    class Bytes(Content):
        path = None

        def __init__(self, size: int) -> None:
            self.size = size

        def read(self, start: int, stop: int) -> Iterator[bytes]:
            yield bytes(stop - start)

    here = SimpleNamespace(jobs=SimpleNamespace(product=lambda _script, _job, name: (None, Bytes(sizes[name]))))
    added = [("list \N{LATIN SMALL LETTER E WITH ACUTE}.vot", b"text")]
    made = b"".join(bundle._zipped(here, job, added))  # type: ignore[arg-type]
    entries = [(name, len(data)) for name, data in added] + list(sizes.items())
    folder = bundle._folder(job)
    assert bundle.length([(f"{folder}/{name}", size) for name, size in entries]) == len(made)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert [(info.filename.partition("/")[2], info.file_size) for info in archive.infolist()] == entries


@pytest.mark.parametrize("auth", [None, ALICE])
def test_the_script_downloads_and_checks(service: Service, tmp_path: Path, auth: tuple[str, str] | None):
    job = _job(service, auth, SIZE=1000)
    answer = service.http.get(f"/api/jobs/{job['id']}/download.sh", auth=auth)
    assert answer.status_code == 200
    script = tmp_path / "download.sh"
    script.write_bytes(answer.content)
    curl = shutil.which("curl")
    if curl is None:
        missing("the program curl")
    command = ["sh", str(script), "a folder"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
    for product in job["products"]:  # type: ignore[attr-defined]
        data = (tmp_path / "a folder" / product["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == product["checksum"]
    again = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert again.stdout.count("is there") == len(job["products"])  # type: ignore[arg-type]
    forged = script.read_text().replace(job["products"][0]["checksum"], "0" * 64)  # type: ignore[index]
    script.write_text(forged)
    failed = subprocess.run([*command[:2], "other"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "has not arrived" in failed.stderr


def test_a_name_is_no_command(make_job: Callable[..., Job]):
    job = make_job()
    product = replace(job.products[0], name="'; rm -rf ~; echo '$(id)`id`.fits")
    here = SimpleNamespace(addresses=Addresses("http://x"))
    line = bundle._line(here, job, product, None)  # type: ignore[arg-type]
    said = subprocess.run(
        ["sh", "-c", 'get() { printf "%s\\n" "$1"; }; ' + line], capture_output=True, text=True, check=True
    )
    assert said.stdout == product.name + "\n"


def test_a_link_opens_a_result_for_a_short_time(service: Service):
    job = _job(service, ALICE)
    address = f"/api/jobs/{job['id']}/links"
    assert service.http.get(address).status_code == 401
    answer = service.http.get(address, auth=ALICE)
    assert answer.headers["cache-control"] == "no-store"
    links = {link["name"]: link["href"] for link in answer.json()["links"]}
    assert {"result", "probe_1.vot", "provenance.json"} <= links.keys()
    with httpx.Client() as tool:
        for name, link in links.items():
            got = tool.get(link)
            assert got.status_code == 200, name
        direct = service.http.get(str(job["products"][0]["address"]), auth=ALICE)  # type: ignore[index]
        opened = tool.get(links["probe_1.vot"])
        assert opened.content == direct.content
        assert opened.headers["content-type"] == direct.headers["content-type"]
        capability = links["result"].split("/")[-2]
        other = _job(service, ALICE)["id"]
        for forged in (
            capability[:-4] + "AAAA",
            capability.replace(str(job["id"]), str(other)),
            "x",
            "a.b.c",
            "%C3%A9",
        ):
            assert tool.get(links["result"].replace(capability, forged)).status_code == 404, forged
        assert tool.get(links["result"].replace("/result", "/none")).status_code == 404


def test_a_link_expires(service: Service):
    job = _job(service, ALICE)
    database = Database(service.database_url)
    capability, _ = Signer(ServiceStore(database)).capability(str(job["id"]), -1)
    database.close()
    answer = service.http.get(f"/c/{capability}/result")
    assert answer.status_code == 410
    assert "short time" in answer.text
