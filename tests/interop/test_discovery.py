"""From a search to a product, as a stranger with pyvo or STILTS goes: SIA 2.0, cone search, TAP, links, scripts."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import pyvo
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from tests.conftest import missing
from tests.service import Service

SOURCE = SkyCoord(150.236, 2.268, unit="deg")
NEAR = "CIRCLE 150.236 2.268 0.01"


def stilts(*arguments: str, code: int = 0) -> str:
    program = shutil.which("stilts")
    if program is None:
        missing("the program stilts")
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_sia2_leads_to_the_product_of_a_script(here: Service) -> None:
    service = pyvo.dal.SIA2Service(f"{here.base_url}/sia2")
    found = service.search(pos=(SOURCE.ra, SOURCE.dec, 0.01 * u.deg), instrument="EMOS1", res_format=None, maxrec=10)
    assert {row["instrument_name"] for row in found} == {"EMOS1"}
    assert len(found) == 2
    assert found[0].obs_publisher_did.startswith("ivo://")
    links = found[0].getdatalink()
    assert any(link["semantics"] == "#this" for link in links)
    image = next(proc for proc in links.iter_procs() if proc["service_def"] == "script_image")
    stream = image.process(pos=NEAR, pixel=2.0, emin=1, emax=2)
    with fits.open(io.BytesIO(stream.read())) as made:
        assert made[0].data.sum() > 10
        assert abs(made[0].header["CDELT2"] * 3600 - 2.0) < 1e-6


def test_sia2_takes_what_pyvo_sends_for_each_parameter(here: Service) -> None:
    service = pyvo.dal.SIA2Service(f"{here.base_url}/sia2")
    whole = service.search()
    assert len(whole) == 6
    row = whole[0]
    narrowed = service.search(
        band=(1e-10 * u.m, 1e-9 * u.m),
        time=(Time(row["t_min"], format="mjd"), Time(row["t_max"], format="mjd")),
        field_of_view=(0.1 * u.deg, 2 * u.deg),
        spatial_resolution=(0 * u.arcsec, 60 * u.arcsec),
        exptime=(1 * u.s, 1e7 * u.s),
        calib_level=[1, 2],
        data_type="event",
        collection=row["obs_collection"],
        facility="XMM-Newton",
    )
    assert row["obs_publisher_did"] in list(narrowed["obs_publisher_did"])
    assert len(service.search(pos=[(SOURCE.ra, SOURCE.dec, 0.01 * u.deg), (10 * u.deg, 10 * u.deg, 1 * u.deg)])) == 6
    assert len(service.search(pos=(10 * u.deg, 10 * u.deg, 1 * u.deg))) == 0
    with pytest.raises(pyvo.dal.DALQueryError, match="UsageFault: Parameter POS"):
        pyvo.dal.DALResults.from_result_url(f"{here.base_url}/sia2/query?POS=SQUARE+1")


def test_a_cone_search_leads_to_a_cut_out(here: Service) -> None:
    service = pyvo.dal.SCSService(f"{here.base_url}/scs")
    found = service.search(pos=SOURCE, radius=1 * u.arcsec)
    assert len(found) == 6
    assert found[0].id == found[0]["obs_publisher_did"]
    assert found[0].pos.separation(SOURCE) < 1 * u.deg
    (this,) = [link for link in found[0].getdatalink() if link["semantics"] == "#this"]
    with fits.open(io.BytesIO(this.processed(circle=(SOURCE.ra, SOURCE.dec, 0.01 * u.deg)).read())) as made:
        assert len(made["EVENTS"].data) > 50
    with pytest.raises(pyvo.dal.DALQueryError, match="RA is missing"):
        pyvo.dal.SCSQuery(f"{here.base_url}/scs").execute()


@pytest.mark.parametrize("way", ["run_sync", "run_async"])
def test_tap_with_a_table_of_ones_own_leads_to_a_product(here: Service, way: str) -> None:
    service = pyvo.dal.TAPService(f"{here.base_url}/tap")
    mine = Table({"name": ["source", "elsewhere"], "ra": [150.236, 10.0], "dec": [2.268, 10.0]})
    query = (
        "SELECT mine.name, o.obs_publisher_did, o.access_url, o.access_format FROM TAP_UPLOAD.mine AS mine "
        "JOIN ivoa.obscore AS o ON 1 = CONTAINS(POINT('ICRS', mine.ra, mine.dec), o.s_region) ORDER BY o.obs_id"
    )
    found = getattr(service, way)(query, uploads={"mine": mine})
    assert list(found["name"]) == ["source"] * 6
    links = pyvo.dal.adhoc.DatalinkResults.from_result_url(str(found[0]["access_url"]))
    spectrum = next(proc for proc in links.iter_procs() if proc["service_def"] == "script_spectrum")
    with fits.open(io.BytesIO(spectrum.process(pos=NEAR).read())) as made:
        assert made["SPECTRUM"].header["TOTCTS"] > 100


@pytest.mark.parametrize(("path", "kind"), [("scs", "cone"), ("sia2", "sia2")])
def test_stilts_searches_alone_and_for_a_table(here: Service, tmp_path: Path, path: str, kind: str) -> None:
    service = [f"serviceurl={here.base_url}/{path}", f"servicetype={kind}"]
    out = tmp_path / "out.fits"
    stilts("cone", *service, "lon=150.236", "lat=2.268", "radius=0.01", f"out={out}")
    assert len(Table.read(out)) == 6
    Table({"name": ["source", "elsewhere"], "ra": [150.236, 10.0], "dec": [2.268, 10.0]}).write(tmp_path / "in.csv")
    given = [f"in={tmp_path / 'in.csv'}", "ifmt=csv", "ra=ra", "dec=dec", "sr=0.5", "find=all", "fixcols=all"]
    stilts("coneskymatch", *given, *service, f"out={out}")
    matched = Table.read(out)
    assert len(matched) == 6
    assert set(np.char.strip(np.asarray(matched["name_0"], dtype=str))) == {"source"}


def test_votlint_finds_nothing_in_the_tables(here: Service) -> None:
    for query in (
        "sia2/query?POS=CIRCLE+150.236+2.268+0.01",
        "sia2/query?POS=nonsense",
        "scs?RA=150.236&DEC=2.268&SR=0.1",
        "scs?RA=150.236&DEC=2.268&SR=0.1&VERB=1",
        "scs?RA=150.236&DEC=2.268&SR=0",
        "scs?RA=150.236",
        "tap/sync?LANG=ADQL&QUERY=SELECT+TOP+3+*+FROM+ivoa.obscore",
    ):
        answer = here.http.get(f"/{query}")
        done = subprocess.run(
            [shutil.which("stilts") or missing("the program stilts"), "votlint", "votable=-", "ucd=true", "unit=true"],
            input=answer.content,
            capture_output=True,
            timeout=100,
            check=False,
        )
        assert (done.stdout + done.stderr).decode().strip() == "", query


def test_what_is_wrong_with_a_cone_is_shown_by_stilts(here: Service) -> None:
    said = stilts("cone", f"serviceurl={here.base_url}/scs", "lon=1", "lat=91", "radius=1", "omode=count", code=1)
    assert "-90 to 90" in said
