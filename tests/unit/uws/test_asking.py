"""The parameters by which datasets are asked for, the pages of an answer and its formats, over a small archive."""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from astropy.io.votable import parse_single_table
from astropy.table import Table
from starlette.applications import Starlette

from index.columns import COLUMNS
from index.readers.found import Found
from index.region import Region
from jobs.engine import Engine
from tests.conftest import missing
from tests.schemas import valid
from uws import asking, observations, querying
from uws.app import create_app
from uws.dali import Form
from uws.settings import Settings
from uws.tabular import CSV, FITS, VOTABLE

HEADER = [column.name for column in COLUMNS]


class Client:
    """Asks the application without a server between."""

    def __init__(self, app: Starlette, engine: Engine) -> None:
        self.app, self.engine = app, engine

    def _ask(self, method: str, url: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return await client.request(method, url, **options)

        return asyncio.run(ask())

    def get(self, *path: str, **query: Any) -> httpx.Response:
        return self._ask("GET", "/" + "/".join(path), params=query)

    def follow(self, url: str) -> httpx.Response:
        assert url.startswith("https://amora.example/x/observations?")
        return self._ask("GET", url.removeprefix("https://amora.example/x"))

    def post(self, **options: Any) -> httpx.Response:
        return self._ask("POST", "/observations", **options)


def found(number: int) -> Found:
    camera = ("M1", "M2", "PN")[number % 3]
    ra, dec = 10.0 + number % 50 / 10, -20.0 + number // 50 / 10
    return Found(
        obs_collection="Toys",
        obs_id=f"{number:010}",
        camera=camera,
        exposure_id="S001",
        s_ra=ra,
        s_dec=dec,
        coverage=Region.parse(f"CIRCLE {ra} {dec} 0.2").moc(10),
        instrument_name=f"E{camera}",
        facility_name="XMM-Newton",
        target_name=None if number == 4 else f"Sgr A✱ <{number}> & more",
        t_min=52000.0 + number,
        t_max=52000.5 + number,
        t_exptime=1000.0 * (number % 5),
        simulated=number % 2 == 0,
        em_min=1e-10,
        em_max=8e-9,
        calib_level=2,
        dataproduct_type="event",
        s_region="Polygon ICRS 1 2 3 4 5 6",
        pol_states="/I/Q/",
        s_xel1=3 * 10**9,
    )


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), public_url="https://amora.example/x")
    engine = Engine(settings)
    engine.index.add(map(found, range(7)))
    yield Client(create_app(engine, settings), engine)
    engine.stop()


@pytest.fixture(scope="module")
def everything(probe: Client) -> list[dict[str, Any]]:
    return list(probe.get("observations").json()["observations"])


def test_filters_narrow_the_answer(probe: Client, everything: list[dict[str, Any]]):
    one = everything[0]
    asked = {
        "camera": one["camera"].lower(),
        "OBS_ID": one["obs_id"],
        "TARGET": "*" + (one["target_name"] or "")[1:].replace(" ", "").upper(),
        "TIME": f"{one['t_min']} {one['t_max']}",
        "EXPTIME": f"{one['t_exptime']} +Inf",
        "COLLECTION": one["obs_collection"],
        "BAND": f"{one['em_min']} {one['em_max']}",
    }
    for name, value in asked.items():
        found = probe.get("observations", **{name: value}).json()["observations"]
        assert one["id"] in [row["id"] for row in found], name
    assert probe.get("observations", **asked).json()["count"] >= 1
    assert probe.get("observations", CAMERA="nothing").json()["total"] == 0
    both = probe.get("observations", CAMERA=sorted({row["camera"] for row in everything})).json()
    assert both["total"] == len(everything)


@pytest.mark.parametrize("order", ["id", "-id", "time", "-time", "-exposure", "target"])
def test_pages_follow_one_another_to_the_end(probe: Client, everything: list[dict[str, Any]], order: str):
    whole = [row["id"] for row in probe.get("observations", ORDER=order).json()["observations"]]
    assert sorted(whole) == sorted(row["id"] for row in everything)
    seen, response = [], probe.get("observations", ORDER=order, MAXREC="1")
    while True:
        page = response.json()
        assert page["total"] == len(everything)
        seen += [row["id"] for row in page["observations"]]
        assert page["overflow"] == (page["next"] is not None) == (len(seen) < len(everything))
        if page["next"] is None:
            break
        assert response.headers["link"] == f'<{page["next"]}>; rel="next"'
        response = probe.follow(page["next"])
    assert seen == whole
    by_number = [
        probe.get("observations", ORDER=order, MAXREC="1", OFFSET=str(n)).json()["observations"][0]["id"]
        for n in range(len(everything))
    ]
    assert by_number == whole


def test_counting(probe: Client, everything: list[dict[str, Any]], shared: Path):
    assert probe.get("observations", COUNT="true").json() == {"total": len(everything)}
    answer = probe.get("observations", COUNT="1", RESPONSEFORMAT="csv").text.split()
    assert answer == ["total", str(len(everything))]
    root = valid(probe.get("observations", COUNT="1", RESPONSEFORMAT="votable").content, shared, "VOTable1.4.xsd")
    assert [cell.text for cell in root.iter("{*}TD")] == [str(len(everything))]


@pytest.mark.filterwarnings("ignore:Column .* contains NULL")
def test_fits(probe: Client, everything: list[dict[str, Any]], tmp_path: Path):
    response = probe.get("observations", RESPONSEFORMAT="fits")
    assert response.headers["content-type"] == "application/fits"
    file = tmp_path / "observations.fits"
    file.write_bytes(response.content)
    table = Table.read(file)
    assert [row.strip() for row in table["id"]] == [row["id"] for row in everything]
    for name in ("s_ra", "t_min", "area"):
        assert table[name].tolist() == [row[name] for row in everything]
    assert table["t_exptime"].unit == "s"
    program = shutil.which("fitsverify")
    if program is None:
        missing("the program fitsverify")
    done = subprocess.run([str(program), "-q", str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("verification OK"), done.stdout


@pytest.mark.parametrize("upload", [{}, {"UPLOAD": "REGION,param:here"}])
def test_a_file_is_a_region(probe: Client, everything: list[dict[str, Any]], upload: dict[str, str]):
    one = everything[0]
    moc = Region.parse(f"CIRCLE {one['s_ra']} {one['s_dec']} 0.05").moc()
    buffer = io.BytesIO()
    moc.serialize("fits").writeto(buffer)
    texts = (f'fk5\ncircle({one["s_ra"]},{one["s_dec"]},180")\n', moc.to_string("json"), moc.to_string("ascii"))
    for content in (buffer.getvalue(), *(text.encode() for text in texts)):
        part = "here" if upload else "REGION"
        response = probe.post(data=upload, files={part: ("region", content)})
        assert response.status_code == 200, response.text
        assert one["id"] in [row["id"] for row in response.json()["observations"]]
    for bad in (b"", b"\xff\xfe", b"SIMPLE" + bytes(3000), b"3/768", buffer.getvalue()[:3000]):
        response = probe.post(data=upload, files={part: ("region", bad)})
        assert response.status_code == 400
        assert response.json()["error"]
    with_pos = {"POS": "CIRCLE 1 2 3"}
    response = probe.post(data=with_pos, files={"REGION": ("r", b"3/1")})
    assert response.status_code == 400
    assert probe.post(files={"OTHER": ("r", b"3/1")}).status_code == 400


@pytest.mark.parametrize("parameter", asking.FILTERS, ids=lambda parameter: parameter.name)
def test_each_example_is_allowed_and_each_parameter_an_option(probe: Client, parameter: asking.Parameter):
    assert probe.get("observations", **{parameter.name: parameter.example}).status_code == 200
    option = parameter.name.lower().replace("_", "-")
    assert option in querying._MANY
    example = querying._MANY[option][0].strip('"')
    assert parameter.read([example])
    operation = probe.get("openapi.json").json()["paths"]["/observations"]["get"]
    assert parameter.name in [one["name"] for one in operation["parameters"]]


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({"TIME": "2001-04-01 2001-04-03T06:00:00Z"}, [0, 1, 2]),
        ({"TIME": "52000.7"}, []),
        ({"TIME": ["52000.2", "52003.1/+Inf"]}, [0, 3, 4, 5, 6]),
        ({"TIME": "-Inf 52001"}, [0, 1]),
        ({"EXPTIME": "2000"}, [2]),
        ({"EXPTIME": "1500 +inf", "CAMERA": "m1"}, [3]),
        ({"SIMULATED": "false"}, [1, 3, 5]),
        ({"SIMULATED": "1", "APPROXIMATE": "false"}, [0, 2, 4, 6]),
        ({"TARGET": "sgra✱<3>&more"}, [3]),
        ({"TARGET": "*<1*"}, [1]),
        ({"POL": "Q"}, list(range(7))),
        ({"POL": "V"}, []),
        ({"BAND": "1e-8 1"}, []),
        ({"CALIB": ["1", "2"], "DPTYPE": "EVENT", "OBS_ID": "*5"}, [5]),
        ({"CIRCLE": "10.05 -20 0.01", "RELATION": "contains"}, [0, 1, 2]),
        ({"CIRCLE": "10 -20 0.35", "RELATION": "inside"}, [0, 1]),
        ({"CIRCLE": "10 -20 0.3", "ORDER": "overlap", "INSTRUMENT": ["EM1", "EM2"]}, [4, 3, 1, 0]),
    ],
    ids=str,
)
def test_filters(probe: Client, asked: dict[str, Any], ids: list[int]):
    answer = probe.get("observations", **{"ORDER": "id", **asked}).json()
    assert [int(row["obs_id"]) for row in answer["observations"]] == ids


def test_a_votable_has_what_obscore_wants(probe: Client, shared: Path, tmp_path: Path):
    content = probe.get("observations", RESPONSEFORMAT="votable", CIRCLE="10 -20 1", MAXREC="5", ORDER="id").content
    root = valid(content, shared, "VOTable1.4.xsd")
    assert [info.get("value") for info in root.iter("{*}INFO")][::3] == ["OK", "OVERFLOW"]
    names = {field.name: field for field in parse_single_table(io.BytesIO(content)).fields}
    for name in MANDATORY:
        assert names[name].utype.startswith("obscore:")
    table = parse_single_table(io.BytesIO(content)).to_table()
    assert len(table) == 5
    assert table["target_name"][0] == "Sgr A✱ <0> & more"
    assert table["access_url"][0].startswith("https://amora.example/x/datalink/links?ID=ivo%3A%2F%2F")
    stilts = shutil.which("stilts")
    if stilts is None:
        missing("the program stilts")
    file = tmp_path / "observations.vot"
    file.write_bytes(content)
    command = [str(stilts), "votlint", f"votable={file}", "ucd=true", "unit=true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout + done.stderr == ""


MANDATORY = (
    *("dataproduct_type", "calib_level", "obs_collection", "obs_id", "obs_publisher_did", "access_url"),
    *("access_format", "access_estsize", "target_name", "s_ra", "s_dec", "s_fov", "s_region", "s_resolution"),
    *("s_xel1", "s_xel2", "t_min", "t_max", "t_exptime", "t_resolution", "t_xel", "em_min", "em_max"),
    *("em_res_power", "em_xel", "o_ucd", "pol_states", "pol_xel", "facility_name", "instrument_name"),
)
"""ObsCore 1.1, table 1."""


@pytest.mark.parametrize("chosen", [VOTABLE, CSV, FITS, observations.JSON], ids=lambda chosen: chosen.name)
def test_a_long_answer_is_written_in_constant_memory(tmp_path: Path, chosen: observations.Format):
    engine = Engine(Settings(home=tmp_path))
    engine.index.add(map(found, range(4000)))
    peaks = []
    for most in ("1000", "4000"):
        answer = engine.index.answer(asking.query_of(Form((("MAXREC", most),)), None))
        tracemalloc.start()
        size = sum(map(len, observations.document(None, answer, chosen)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert size > 250 * int(most)
    engine.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.filterwarnings("ignore:Column .* contains NULL")
def test_a_dataset_that_goes_while_its_row_is_written_leaves_a_sound_file(tmp_path: Path):
    engine = Engine(Settings(home=tmp_path / "home"))
    engine.index.add(map(found, range(4)))
    answer = engine.index.answer(asking.query_of(Form(()), None))
    engine.index.remove(["0000000002/PN/S001"])
    file = tmp_path / "left.fits"
    file.write_bytes(b"".join(observations.document(None, answer, FITS)))
    engine.stop()
    table = Table.read(file)
    assert [str(row).strip() for row in table["obs_id"].filled("")] == ["0000000000", "0000000001", "0000000003", ""]


def test_a_page_shows_what_is_asked_for(probe: Client):
    page = probe.get("observations", RESPONSEFORMAT="html", CAMERA="PN").text
    assert "<h1>2 datasets</h1>" in page
    assert "CAMERA=PN&amp;RESPONSEFORMAT=fits" in page
