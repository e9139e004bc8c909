"""The maps over HTTP: what each file comes as, to whom, and what is told where there is none."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from mocpy import MOC
from PIL import Image

from index.hips.build import build
from index.hips.layers import Exposure
from jobs.engine import Engine
from tests.unit.uws.test_asking import Client, found
from tests.unit.uws.test_cli import _amora
from uws import maps
from uws.app import create_app
from uws.settings import Settings

BASE = "https://amora.example/x"


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, public_url=BASE, authority="amora.example", publisher="The archive")
    engine = Engine(settings)
    engine.index.add(map(found, range(6)))
    snapshot, seconds = engine.index.exposures()
    layer = Exposure(snapshot.segments, seconds, snapshot.generation)
    told = maps.properties(engine.index, settings, layer)
    build(layer, 3, home / "hips", told, lambda _done, _total: None)
    yield Client(create_app(engine, settings), engine)
    engine.stop()


def told(text: str) -> dict[str, str]:
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in text.splitlines())}


def test_properties_tell_where_and_what_it_is(probe: Client) -> None:
    answer = probe.get("hips", "exposure", "properties")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    properties = told(answer.text)
    assert properties["hips_service_url"] == f"{BASE}/hips/exposure"
    assert properties["creator_did"] == "ivo://amora.example/hips/exposure"
    assert properties["hips_creator"] == "The archive"
    assert properties["obs_collection"] == "Toys"
    assert "SIMULATED" in properties["obs_description"]


def test_the_list_has_a_record_for_each_map(probe: Client) -> None:
    answer = probe.get("hipslist")
    assert answer.headers["content-type"].startswith("text/plain")
    (record,) = answer.text.strip().split("\n\n")
    assert (
        told(record).items()
        >= {
            "creator_did": "ivo://amora.example/hips/exposure",
            "hips_service_url": f"{BASE}/hips/exposure",
            "hips_status": "public master clonableOnce",
        }.items()
    )
    assert told(record)["hips_release_date"].endswith("Z")


def test_tiles_come_as_what_they_are(probe: Client) -> None:
    home = probe.engine.settings.folder / "hips" / "exposure"
    tile = next(home.glob("Norder3/Dir*/Npix*.fits"))
    place = tile.relative_to(home).as_posix().split("/")
    packed = probe._ask("GET", "/hips/exposure/" + "/".join(place), headers={"Accept-Encoding": "gzip"})
    plain = probe._ask("GET", "/hips/exposure/" + "/".join(place), headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding, Origin"
    assert packed.headers["content-type"] == plain.headers["content-type"] == "application/fits"
    assert packed.content == plain.content == gzip.decompress(tile.read_bytes())
    assert np.nanmax(fits.getdata(io.BytesIO(plain.content))) > 0
    tag = {"If-None-Match": plain.headers["etag"], "Accept-Encoding": "identity"}
    assert probe._ask("GET", "/hips/exposure/" + "/".join(place), headers=tag).status_code == 304
    picture = probe.get("hips", "exposure", *place[:-1], place[-1].replace("fits", "png"))
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (512, 512)
    moc = probe.get("hips", "exposure", "Moc.fits")
    assert moc.headers["content-type"] == "application/fits"
    assert not MOC.from_fits(io.BytesIO(moc.content)).empty()


def test_the_page_of_a_map_is_where_its_files_are_below(probe: Client) -> None:
    answer = probe.get("hips", "exposure")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{BASE}/hips/exposure/")
    page = probe.get("hips", "exposure", "")
    assert page.headers["content-type"].startswith("text/html")
    assert f"{BASE}/hips/exposure" in page.text


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("counts/properties", "There is no map counts yet; whoever runs the service makes it with `amora index hips"),
        ("counts/", "There is no map counts yet"),
        ("nosuch/properties", "There is no map nosuch; there can be exposure and counts."),
        ("nosuch/", "There is no map nosuch; there can be"),
        ("exposure/Norder3/Dir0/Npix767.png", "The map exposure has nothing there."),
        ("exposure/.mark", "A HiPS has no file .mark."),
        ("exposure/..%2F..%2Famora.sqlite", "A HiPS has no file ../../amora.sqlite."),
    ],
)
def test_what_is_not_there(probe: Client, path: str, message: str) -> None:
    answer = probe._ask("GET", f"/hips/{path}")
    assert answer.status_code == 404
    assert message in answer.text


def test_the_command(tmp_path: Path) -> None:
    empty = _amora(tmp_path, "index", "hips")
    assert empty.returncode == 2
    assert empty.stderr == "amora: the index is empty: add observations first, `amora index add FOLDER`\n"
    subprocess.run([sys.executable, "-m", "scripts.epic.simulate", tmp_path / "data"], check=True, capture_output=True)
    _amora(tmp_path, "index", "add", str(tmp_path / "data"))
    next((tmp_path / "data").glob("*101M2*")).write_bytes(b"no FITS")
    done = _amora(tmp_path, "index", "hips", "--order", "3", "--processes", "1")
    assert done.returncode == 0, done.stderr
    exposure, counts = done.stdout.splitlines()
    assert exposure.startswith("exposure: 1 tile of order 3; ")
    assert counts.startswith("counts: 1 tile of order 3; ")
    (skipped,) = done.stderr.splitlines()
    assert skipped.startswith("skipped /")
    assert "is not a FITS file" in skipped
    wrong = _amora(tmp_path, "index", "hips", "counts", AMORA_POSITIONS="nosuch.module:positions")
    assert wrong.returncode == 2
    assert "there is no module 'nosuch'" in wrong.stderr
    for path in (tmp_path / "data").glob("P*"):
        path.unlink()
    gone = _amora(tmp_path, "index", "hips", "counts")
    assert gone.returncode == 2
    assert "an event list that is here" in gone.stderr
