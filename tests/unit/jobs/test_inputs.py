"""The files of datasets on a machine that has them not: fetched once, whole, from where the settings say."""

from __future__ import annotations

import base64
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import obstore
import pytest

from index.database import Database
from index.dataset import Dataset
from index.readers import obscore
from index.service import Index
from jobs.bucket import connect
from jobs.engine import Engine
from jobs.errors import StorageError
from jobs.inputs import Inputs, NoInputError
from jobs.phases import Phase
from jobs.settings import Settings
from tests.s3 import S3Server
from tests.unit.index.test_readers import read
from tests.unit.jobs.conftest import Found


@pytest.fixture
def dataset(tmp_path: Path, database: Database) -> Dataset:
    index = Index(tmp_path / "index", database, "example.org")
    files = tuple(("events", Path(f"/archive/xmm/{name}"), "application/fits") for name in ("a b.fits", "c.fits"))
    index.add([Found("1", "M1", 10, 20, files)])
    return index.get("1/M1/S001")


@pytest.fixture(params=["file", "http", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A place that has the two files of the dataset."""
    folder = tmp_path / "source" / "xmm"
    folder.mkdir(parents=True)
    contents = {"a b.fits": b"A" * 1000, "c.fits": b"C" * 3_000_000}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    if request.param == "file":
        yield folder.as_uri()
    elif request.param == "http":
        handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "source"))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/xmm/"
            server.shutdown()
    else:
        with S3Server() as s3:
            for name, value in s3.environment.items():
                monkeypatch.setenv(name, value)
            for name, content in contents.items():
                obstore.put(connect("amora"), f"xmm/{name}", content)
            yield "s3://amora/xmm"


def workspace(tmp_path: Path, name: str = "one") -> Path:
    folder = tmp_path / "home" / "work" / name / "run"
    folder.mkdir(parents=True)
    return folder


def test_what_is_not_here_is_fetched(dataset: Dataset, url: str, tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "home", "/archive/xmm", url, 10**9)
    first, second = (inputs.provide(dataset, workspace(tmp_path, name)) for name in ("one", "two"))
    assert [file.path.name for file in first.files] == ["a b.fits", "c.fits"]
    assert [file.path.stat().st_size for file in first.files] == [1000, 3_000_000]
    for one, other in zip(first.files, second.files, strict=True):
        assert one.path != other.path
        assert one.path.stat().st_ino == other.path.stat().st_ino, "it was fetched once"
    assert not list((tmp_path / "home" / "cache").glob("*.part"))


def test_a_file_that_is_nowhere(dataset: Dataset, url: str, tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "home", "/archive", url, 10**9)
    with pytest.raises(NoInputError, match=r"a b\.fits of dataset 1/M1/S001 is not where the service fetches it"):
        inputs.provide(dataset, workspace(tmp_path))


@pytest.mark.parametrize("folder", [None, "/archive/other", "/archive/xm"])
def test_nothing_else_is_fetched(dataset: Dataset, folder: str | None, tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "home", folder, "file:///", 10**9)
    with pytest.raises(NoInputError, match="is not where it was indexed"):
        inputs.provide(dataset, workspace(tmp_path))


def test_the_cache_is_bounded_and_who_has_a_file_keeps_it(dataset: Dataset, url: str, tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "home", "/archive/xmm", url, 2_999_999)
    found = inputs.provide(dataset, workspace(tmp_path))
    assert [path.name for path in (tmp_path / "home" / "cache").glob("*/*")] == ["c.fits"]
    assert [file.path.stat().st_size for file in found.files] == [1000, 3_000_000]


def test_the_longest_unused_goes_first(dataset: Dataset, url: str, tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "home", "/archive/xmm", url, 10**9)
    inputs.provide(dataset, workspace(tmp_path))
    for path in (tmp_path / "home" / "cache").glob("*/c.fits"):
        os.utime(path, (1, 1))
    Inputs(tmp_path / "home", "/archive/xmm", url, 2_000_000).shrink()
    assert [path.name for path in (tmp_path / "home" / "cache").glob("*/*")] == ["a b.fits"]


def test_a_source_that_is_away(dataset: Dataset, tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "home", "/archive/xmm", "http://127.0.0.1:1/xmm", 10**9)
    with pytest.raises(StorageError, match="could not be read"):
        inputs.provide(dataset, workspace(tmp_path))
    assert not list((tmp_path / "home" / "cache").iterdir())


class Answering(http.server.BaseHTTPRequestHandler):
    """Says of what it sends what it is told to say."""

    headers_of: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in self.headers_of.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"content")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


SHA256 = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
MD5 = base64.b64encode(hashlib.md5(b"content", usedforsecurity=False).digest()).decode()
OTHER = base64.b64encode(hashlib.sha256(b"another").digest()).decode()


@pytest.mark.parametrize(
    ("told", "right"),
    [
        ({"Repr-Digest": f"sha-256=:{SHA256}:"}, True),
        ({"Digest": f"MD5={MD5},SHA-256={SHA256}"}, True),
        ({"Content-MD5": MD5}, True),
        ({"Digest": "sha-256=no base64, unixsum=30637"}, True),
        ({"Repr-Digest": f"md5=:{MD5}:, sha-256=:{OTHER}:"}, False),
        ({"Content-MD5": OTHER[:22] + "=="}, False),
    ],
)
def test_what_arrives_damaged_is_not_kept(
    tmp_path: Path, database: Database, told: dict[str, str], right: bool
) -> None:
    handler = type("Handler", (Answering,), {"headers_of": told})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/archive"
        index = Index(tmp_path / "index", database, "example.org")
        index.add([Found("1", "M1", 10, 20, (("events", Path(f"{url}/a.fits"), "application/fits"),))])
        inputs = Inputs(tmp_path / "home", None, url, 10**9)
        if right:
            found = inputs.provide(index.get("1/M1/S001"), workspace(tmp_path))
            assert found.files[0].path.read_bytes() == b"content"
        else:
            for _ in range(2):
                with pytest.raises(StorageError, match=r"arrived damaged: its (sha256|md5) is "):
                    inputs.provide(index.get("1/M1/S001"), workspace(tmp_path, str(_)))
            assert not list((tmp_path / "home" / "cache").iterdir())
        server.shutdown()


def test_a_tag_in_s3_that_is_no_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is held for one until the same content has come twice."""
    inputs = Inputs(tmp_path / "home", "/archive", "s3://amora/xmm", 10**9)
    with S3Server() as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        obstore.put(connect("amora"), "xmm/a.fits", b"content")
        monkeypatch.setattr("jobs.bucket.describe", lambda *_: (7, "0" * 32))
        with pytest.raises(StorageError, match="arrived damaged: its md5 is "):
            inputs._fetch("s3://amora/xmm/a.fits", tmp_path / "home" / "cache" / "one" / "a.fits")
        inputs._fetch("s3://amora/xmm/a.fits", tmp_path / "home" / "cache" / "one" / "a.fits")
    assert (tmp_path / "home" / "cache" / "one" / "a.fits").read_bytes() == b"content"


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://archive.example/xmm/a.fits", None),
        ("https://archive.example/xmm/a.fits", "https://archive.example/xm"),
        ("https://archive.example/xmm/../a.fits", "https://archive.example/xmm"),
        ("https://archive.example/xmm/%2e%2e/a.fits", "https://archive.example/xmm"),
        ("https://archive.example@evil.example/a.fits", "https://archive.example"),
        ("s3://other/a.fits", "s3://archive"),
    ],
)
def test_addresses_elsewhere_are_not_asked(tmp_path: Path, database: Database, address: str, place: str | None) -> None:
    index = Index(tmp_path / "index", database, "example.org")
    index.add([Found("1", "M1", 10, 20, (("events", Path(address), "application/fits"),))])
    dataset = index.get("1/M1/S001")
    with pytest.raises(NoInputError, match=r"a\.fits of dataset 1/M1/S001 is where the service fetches nothing from"):
        Inputs(tmp_path / "home", "/archive", place, 10**9).provide(dataset, workspace(tmp_path))


def test_a_dataset_of_another_archive_from_its_table_to_the_product(tmp_path: Path) -> None:
    """Indexed by the address in its ObsCore table, fetched by the worker, named with its checksum in the record."""
    folder = tmp_path / "scripts" / "test"
    folder.mkdir(parents=True)
    (folder / "script.toml").write_text(
        'title = "T"\nsummary = "T."\nversion = "1"\ncommand = ["sh", "run.sh"]\n'
        '[accepts]\nregion = "none"\nfiles = ["events"]\n'
    )
    (folder / "README.md").write_text("# T")
    (folder / "run.sh").write_text("cp inputs/*/*.fits products/copy.fits")
    handler = type("Handler", (Answering,), {"headers_of": {"Repr-Digest": f"sha-256=:{SHA256}:"}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/archive"
        table = tmp_path / "table.csv"
        table.write_text(
            "obs_id,camera,exposure_id,s_region,dataproduct_type,access_url,access_format\n"
            f"1,M1,S001,CIRCLE 10 20 0.2,event,{url}/a%20b.fits,application/fits\n"
            f"2,M1,S001,CIRCLE 10 20 0.2,event,{url}/links?ID=2,application/x-votable+xml;content=datalink\n"
            "3,M1,S001,CIRCLE 10 20 0.2,event,https://elsewhere.example/a.fits,application/fits\n"
        )
        engine = Engine(Settings(home=tmp_path / "home", scripts=str(tmp_path / "scripts"), input_url=url))
        found, _ = read(obscore.read, table)
        engine.index.add(found)
        engine.start()
        try:
            jobs = [engine.jobs.create("test", [("ID", f"{number}/M1/S001")], run=True) for number in (1, 2, 3)]
            pause = threading.Event()
            while any(engine.jobs.get("test", one.id).active for one in jobs):
                pause.wait(0.02)
            first, second, third = (engine.jobs.get("test", one.id) for one in jobs)
            assert first.phase is Phase.COMPLETED, first.error
            assert first.products[0].checksum == hashlib.sha256(b"content").hexdigest()
            (used,) = engine.jobs.records("test", first.id)[1].files
            assert (used.name, used.size, used.checksum) == ("a%20b.fits", 7, hashlib.sha256(b"content").hexdigest())
            assert second.phase is Phase.ERROR, "links are no file"
            assert "where the service fetches nothing from" in str(third.error)
        finally:
            engine.stop()
            server.shutdown()
