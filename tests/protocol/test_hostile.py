"""What a stranger might try at the doors of the Virtual Observatory: each try gets an error document that says why.

The service stays up, within its memory, and its log tells of no fault of its own.
"""

# ruff: noqa: S608 - the queries are what is tested

from __future__ import annotations

import gzip
import io
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import pytest
from astropy.io.votable import parse
from lxml import etree

from tests.production import Production
from tests.service import Service
from uws.errors import SCS_TYPE

MEMORY = 500 * 2**20
"""Bytes that the service may take at most. It takes some 120 MB for its first query; what is tried here would take
gigabytes if nothing stopped it."""
SECONDS = 2
ONE = "SELECT schema_name FROM TAP_SCHEMA.schemas WHERE schema_name = 'ivoa'"
MULTIPART = "multipart/form-data; boundary=b"


@dataclass
class Door:
    """A service to knock at, and what it logs."""

    http: httpx.Client
    pid: int
    log: IO[str]

    def query(self, query: str, **more: str) -> httpx.Response:
        return self.http.post("/tap/sync", data={"LANG": "ADQL", "QUERY": query, **more})

    def upload(self, table: bytes | str) -> httpx.Response:
        return self.http.post(
            "/tap/sync",
            data={"LANG": "ADQL", "QUERY": "SELECT * FROM TAP_UPLOAD.mine", "UPLOAD": "mine,param:t"},
            files={"t": ("t.vot", table, "application/x-votable+xml")},
        )

    def peak(self) -> int:
        """Return the most memory that the service has had, bytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@pytest.fixture(scope="module", params=["embedded", "production"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    servers: Production | None = None if request.param == "embedded" else request.getfixturevalue("servers")
    settings = {"MAX_BODY": str(2**20), "TAP_SECONDS": str(SECONDS)} | (servers.settings() if servers else {})
    home = tmp_path_factory.mktemp("hostile")
    with (home / "log").open("w+") as log, Service(home / "home", stderr=log, **settings) as service:
        yield Door(service.http, service.process.pid, log)


@pytest.fixture
def door(running: Door) -> Iterator[Door]:
    """The service, which must be as well after a test as before."""
    running.log.seek(0, io.SEEK_END)
    before = running.log.tell()
    yield running
    answer = running.query(ONE)
    assert answer.status_code == 200
    assert b"<TD>ivoa</TD>" in answer.content
    assert running.peak() < MEMORY
    running.log.seek(before)
    assert "Traceback" not in running.log.read()


def told(answer: httpx.Response, *allowed: int) -> str:
    """Return what an error document of DALI 1.1, section 4.2, says."""
    assert answer.status_code in (allowed or (400,)), answer.text[:500]
    info = etree.fromstring(answer.content).find(".//{*}RESOURCE[@type='results']/{*}INFO[@name='QUERY_STATUS']")
    assert info is not None
    assert info.get("value") == "ERROR"
    text = info.text or ""
    assert "Token" not in text
    assert 10 < len(text) < 700
    return text


# ---------------------------------------------------------------------- queries


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO ivoa.obscore (obs_id) VALUES ('x')",
        "UPDATE ivoa.obscore SET obs_id = 'x'",
        "DELETE FROM dataset",
        "DROP TABLE ivoa.obscore",
        "CREATE TABLE mine (a INTEGER)",
        "PRAGMA writable_schema = 1",
        "COPY dataset TO '/tmp/x'",
        "EXPLAIN SELECT 1",
    ],
)
def test_only_a_select_is_taken(door: Door, query: str) -> None:
    assert told(door.query(query)) == "only a SELECT can be asked"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("ATTACH 'x' AS y", "ATTACH"),
        (f"{ONE}; DELETE FROM dataset", "one query is wanted, not 2"),
        (f"{ONE} -- a comment\n; DROP TABLE dataset", "one query is wanted, not 2"),
        ("SELECT schema_name INTO x FROM TAP_SCHEMA.schemas", "INTO x is not part of ADQL"),
        ("WITH d AS (DELETE FROM dataset RETURNING *) SELECT * FROM d", "DELETE"),
        *(
            (f"SELECT * FROM {table}", f"there is no table {table}; there are ivoa.obscore, amora.datasets")
            for table in (
                *("sqlite_master", "sqlite_temp_master", "pg_catalog.pg_tables", "pg_shadow"),
                *("information_schema.tables", "job", "task", "account", "dataset", "public.job", "main.job"),
            )
        ),
        ("SELECT * FROM pragma_table_info('job')", "there is no table"),
        ("SELECT * FROM other.public.job", "there is no table"),
        (f"{ONE} AND EXISTS (SELECT 1 FROM job)", "there is no table job"),
        (f"{ONE} UNION SELECT owner FROM job", "there is no table job"),
        *(
            (f"SELECT {call} AS x FROM ivoa.obscore", f"there is no function {call.partition('(')[0].upper()}; there")
            for call in (
                *("load_extension('x')", "readfile('/etc/passwd')", "pg_sleep(100)", "pg_read_file('x')"),
                *("current_setting('x')", "randomblob(1000000000)", "zeroblob(1000000000)", "REPEAT('x', 1000000000)"),
            )
        ),
    ],
)
def test_nothing_but_the_published_tables_can_be_read(door: Door, query: str, words: str) -> None:
    assert words in told(door.query(query))


_COLUMNS = "TAP_SCHEMA.columns"
_ENDLESS = ", ".join(f"{_COLUMNS} AS c{n}" for n in range(9))


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT COUNT(*) AS n FROM {_ENDLESS} WHERE c1.column_index < c2.column_index",
        f"SELECT c1.column_name, c2.description FROM {_ENDLESS} ORDER BY c1.column_index * c2.column_index",
        f"SELECT DISTINCT c1.description || c2.description || c3.description AS x FROM {_ENDLESS} ORDER BY x",
    ],
)
def test_a_query_that_runs_for_ever_is_stopped(door: Door, query: str) -> None:
    assert f"stopped: {SECONDS} s are allowed here, more as a job at /tap/async" in told(door.query(query))


def _chain(step: str, number: int, last: str) -> str:
    first = f"t0 AS (SELECT column_name AS x FROM {_COLUMNS})"
    return f"WITH {', '.join([first, *(f't{n} AS ({step.format(n - 1)})' for n in range(1, number))])} {last}"


_CIRCLES = " OR ".join(f"1=INTERSECTS(s_region, CIRCLE({n}, 43, 80))" for n in range(101))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT " + "(" * 10_000 + "1" + ")" * 10_000 + " AS x", "more than 30 parentheses in one another"),
        (f"{ONE} AND " + "(" * 10_000 + "1=1" + ")" * 10_000, "more than 30 parentheses in one another"),
        ("SELECT " + "ABS(" * 10_000 + "1" + ")" * 10_000 + " AS x", "more than 30 parentheses in one another"),
        ("(" * 10_000, "more than 30 parentheses in one another"),
        (f"{ONE} AND " + "NOT " * 10_000 + "1=1", "10001 of them AND, OR, NOT"),
        ("SELECT " + "1+" * 10_000 + "1 AS x", "10000 of them AND, OR, NOT"),
        ("SELECT " + "CASE WHEN 1=1 THEN " * 2000 + "1" + " END" * 2000 + " AS x", "nested too deeply"),
        ("SELECT " + "{" * 10_000, "nested too deeply"),
        (f"{ONE} AND 1 IN ({','.join(map(str, range(30_000)))})", "words"),
        ("SELECT " + " " * 250_000 + "1", "250008 characters; 200000 are allowed"),
        (_chain("SELECT x || x AS x FROM t{}", 25, "SELECT x FROM t24"), "may have"),
        (_chain("SELECT x || x AS x FROM t{}", 25, "SELECT MAX(x) AS x FROM t24"), "may have"),
        (_chain("SELECT a.x FROM t{0} AS a, t{0} AS b", 60, "SELECT COUNT(*) AS n FROM t59"), "put in its places"),
        (
            f"WITH t AS (SELECT '{'a' * 150_000}' AS x) SELECT {', '.join(f'x AS x{n}' for n in range(999))} FROM t",
            "may",
        ),
        ("SELECT " + ", ".join(f"schema_name AS x{n}" for n in range(1001)) + " FROM TAP_SCHEMA.schemas", "1000 are"),
        (f"SELECT CAST(column_name AS CHAR(10000000)) AS x FROM {_COLUMNS}", "CAST makes texts of 1 to 4096"),
        (f"SELECT obs_id FROM ivoa.obscore WHERE {_CIRCLES}", "101 regions; 100 are allowed"),
        ("SELECT * FROM", "Expected table name, in line 1, column 13"),
    ],
    ids=lambda value: value[:30],
)
def test_a_query_that_grows_is_refused(door: Door, query: str, words: str) -> None:
    assert words in told(door.query(query))


def test_long_texts_are_written_few_at_a_time(door: Door) -> None:
    """A gigabyte of cells, each within bounds, of which the client reads as much as it likes."""
    query = f"SELECT '{'a' * 150_000}' || a.column_name AS x FROM {_COLUMNS} AS a, {_COLUMNS} AS b"
    for form in ("votable", "votable/b2", "csv", "json"):
        data = {"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": form}
        with door.http.stream("POST", "/tap/sync", data=data) as answer:
            assert answer.status_code == 200
            read = 0
            with suppress(httpx.RemoteProtocolError):  # on a busy machine its time is over before
                for piece in answer.iter_raw():
                    read += len(piece)
                    if read > 50 * 2**20:
                        break
        assert read > 2**20


@pytest.mark.parametrize("form", ["votable", "csv", "json"])
def test_an_answer_whose_time_is_over_ends(door: Door, form: str) -> None:
    """A VOTable says so at its end; any other document is broken off, so that nobody takes it for whole."""
    query = f"SELECT '{'a' * 150_000}' || a.column_name AS x FROM {_COLUMNS} AS a, {_COLUMNS} AS b"
    data = {"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": form}
    with door.http.stream("POST", "/tap/sync", data=data) as answer:
        pieces = answer.iter_raw()
        last = next(pieces)
        time.sleep(SECONDS + 0.5)  # it is the reader who is slow
        if form == "votable":
            for piece in pieces:
                last = (last + piece)[-4096:]
            assert b'name="QUERY_STATUS" value="ERROR"' in last
            assert b"longer than it may" in last
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                for _ in pieces:
                    pass


@pytest.mark.parametrize("form", ["votable", "votable/b2", "csv", "tsv", "json", "fits"])
@pytest.mark.parametrize(
    "column",
    [
        'schema_name AS "é ü"',
        'schema_name AS "a\nb"',
        f'schema_name AS "{"n" * 5000}"',
        "'\U0001f600' AS x",
        "NULL AS x",
    ],
    ids=["letters", "line", "long", "emoji", "null"],
)
def test_odd_names_and_values_are_written_in_every_form(door: Door, form: str, column: str) -> None:
    answer = door.query(f"SELECT {column} FROM TAP_SCHEMA.schemas /* é\n */", RESPONSEFORMAT=form)
    assert answer.status_code == 200
    assert answer.content


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("t_exptime > '10 ks'", "t_exptime is a number in s"),
        ("t_min > '2002-01-01'", "t_min is a number in d"),
        ("1=CONTAINS(POINT(s_ra, s_dec), CIRCLE('ICRS', 10, 20, '5 arcmin'))", "'5 arcmin' is a text"),
        ("1=INTERSECTS(s_region, CIRCLE('10h', 20, 1))", "CIRCLE"),
        ("1=INTERSECTS(s_region, CIRCLE(600, 1200, 60))", "1200"),
        ("1=CONTAINS(POINT('FK9', 1, 2), s_region)", "FK9"),
        ("DISTANCE('a', s_dec, 1, 2) < 1", "DISTANCE takes numbers"),
        ("SQRT('4') = 2", "SQRT takes numbers"),
    ],
)
def test_wrong_units_in_a_query(door: Door, where: str, words: str) -> None:
    assert words in told(door.query(f"SELECT obs_id FROM ivoa.obscore WHERE {where}"))


def test_a_hostile_query_as_a_job_ends_in_error(door: Door) -> None:
    data = {"LANG": "ADQL", "QUERY": "SELECT * FROM sqlite_master", "PHASE": "RUN"}
    job = door.http.post("/tap/async", data=data).headers["location"]
    while (phase := door.http.get(f"{job}/phase").text) in ("QUEUED", "EXECUTING"):
        door.http.get(job, params={"WAIT": "5", "PHASE": phase})
    assert phase == "ERROR"
    assert "there is no table sqlite_master" in told(door.http.get(f"{job}/error"), 200)


# ---------------------------------------------------------------------- uploads

TABLE = """<?xml version="1.0" encoding="{}"?>{}
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE><FIELD name="a" datatype="int"/>
<DATA><TABLEDATA>{}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""
ROW = "<TR><TD>1</TD></TR>"
GOOD = TABLE.format("UTF-8", "", ROW)
LAUGHS = "<!DOCTYPE a [<!ENTITY e0 'x'>"
LAUGHS += "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10)) + "]>"
LAUGH = ROW.replace("1", "&e9;")


def _zeros(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * 2**20) for _ in range(size // 2**20)) + packer.flush()


BOMB = _zeros(2**30)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TABLE.format("UTF-8", LAUGHS, LAUGH), "document type or entities"),
        (TABLE.format("UTF-16", LAUGHS, LAUGH).encode("utf-16"), "document type or entities"),
        (("\ufeff" + TABLE.format("UTF-16", LAUGHS, LAUGH)).encode("utf-16-be"), "document type or entities"),
        (TABLE.format("UTF-7", LAUGHS, LAUGH).encode("utf-7"), "no VOTable"),
        (TABLE.format("UTF-8", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', ROW), "document type"),
        (BOMB, "compressed"),
        (gzip.compress(GOOD.encode(), mtime=0), "compressed"),
        ("<VOTABLE>" + "<RESOURCE>" * 200_000, "more than 50 elements in one another"),
        (TABLE.format("UTF-8", "", ROW * 1_000_000), "more than 100000 rows"),
        (TABLE.format("UTF-8", "", " " * 33 * 2**20), "33554432 are allowed"),
        (GOOD.replace('name="a"', 'name="a" ' + "x" * 20_000_000), "more than 1048576 bytes"),
        ("<VOTABLE><RESOURCE><TABLE>" + '<FIELD name="a" datatype="int"/>' * 300_000, "more than 200 columns"),
        (GOOD.replace('"int"', '"char" arraysize="99999"').replace(ROW, ROW * 90_000), "are allowed"),
        (GOOD.replace('"int"', '"char" arraysize="*"').replace(">1<", f">{'x' * 30_000_000}<"), "more than 1048576"),
        (GOOD.replace("<TABLEDATA>", '<BINARY><STREAM href="file:///etc/passwd"/></BINARY><TABLEDATA>'), "elsewhere"),
        (GOOD.replace(">1<", f">{'9' * 100_000}<"), "cannot be read"),
        (GOOD.replace(">1<", ">one<"), "'one'"),
        (GOOD.replace(">1<", ">&#0;<"), "no VOTable"),
        ("<html><body>hello</body></html>", "cannot be read as a VOTable: line 1: "),
        (b"", "no VOTable"),
        (b"\0" * 1000, "no VOTable"),
    ],
    ids=lambda value: str(value[:25]),
)
def test_an_upload_that_harms_is_refused(door: Door, table: bytes | str, words: str) -> None:
    text = told(door.upload(table))
    assert text.startswith("UPLOAD MINE: ")
    assert words in text


def test_an_upload_with_an_odd_name_is_taken(door: Door) -> None:
    answer = door.upload(GOOD.replace('name="a"', 'name="é \U0001f600"'))
    assert answer.status_code == 200
    assert "é \U0001f600" in answer.text


@pytest.mark.parametrize("address", ["http://169.254.169.254/latest", "file:///etc/passwd", "ftp://example.org/x"])
def test_nothing_is_fetched_unless_the_operator_allows_it(door: Door, address: str) -> None:
    assert "fetches no files" in told(door.query(ONE, UPLOAD=f"mine,{address}"))


# ---------------------------------------------------------------------- bodies

DOORS = ("/tap/sync", "/sia2/query", "/scs", "/datalink/links")
PART = b'--b\r\nContent-Disposition: form-data; name="A"\r\n\r\n1\r\n'
FILE = PART.replace(b'"A"', b'"A"; filename="x"')


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({"Content-Type": MULTIPART}, PART * 1_000_000 + b"--b--\r\n", "too many parts; at most 5000"),
        ({"Content-Type": MULTIPART}, FILE * 900_000 + b"--b--\r\n", "files"),
        ({"Content-Type": MULTIPART}, PART.replace(b'"A"', b'"' + b"A" * 30_000_000 + b'"'), "multipart body"),
        ({"Content-Encoding": "gzip"}, BOMB, "not compressed"),
        ({}, b"QUERY=" + b"x" * 2_000_000, "too large"),
        ({}, b"POS=%FF%FE", "UTF-8"),
        ({}, b"ID=a%00b", "control characters"),
        ({"Content-Type": "text/xml"}, TABLE.format("UTF-8", LAUGHS, LAUGH).encode(), "text/xml"),
    ],
    ids=["parts", "files", "header", "gzip", "long", "bytes", "nul", "xml"],
)
def test_a_body_that_harms_is_refused_at_every_door(
    door: Door, path: str, headers: dict[str, str], body: bytes, words: str
) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = door.http.post(path, content=body, headers=form | headers)
    assert words in told(answer, 400, 413, 415, *([200] if path == "/scs" else []))


# ---------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("POS", "CIRCLE 10 20 5arcmin", "must be a finite number of degrees, not '5arcmin'"),
        ("POS", "CIRCLE 10h 20d 1", "must be a finite number of degrees, not '10h'"),
        ("POS", "CIRCLE 10 20 0.1 deg", "CIRCLE takes 3 numbers"),
        ("POS", "CIRCLE 10 20 1e999", "finite"),
        ("POS", "POLYGON 1 2 3", "at least 3 points"),
        ("POS", "Not (" * 5000, "was given"),
        ("BAND", "0.3 keV", "numbers (m)"),
        ("BAND", "5 1", "the smaller first"),
        ("TIME", "2002-13-45", "dates such as"),
        ("EXPTIME", "10 ks", "numbers (s)"),
        ("FOV", "1 deg", "numbers (deg)"),
        ("SPATRES", "1'", "numbers (arcsec)"),
        ("CALIB", "9", "0 to 4"),
        ("MAXREC", "1e3", "an integer from 0"),
        ("RESPONSEFORMAT", "exe", "allowed are votable"),
    ],
)
def test_wrong_values_for_sia2(door: Door, name: str, value: str, words: str) -> None:
    text = told(door.http.get("/sia2/query", params={name: value}))
    assert text.startswith(f"UsageFault: Parameter {name}: ")
    assert words in text


def sia2(door: Door, **given: str | list[str]) -> httpx.Response:
    return door.http.post("/sia2/query", data=given)


def test_too_many_values_for_sia2(door: Door) -> None:
    wide = [f"CIRCLE {n % 360} 10 100" for n in range(4000)]
    allowed = "at most 300 of 50000 characters together are allowed"
    assert f"POS: '4000 values of 66740 characters' was given; {allowed}" in told(sia2(door, POS=wide))
    assert allowed in told(sia2(door, POS=["POLYGON " + "12.34567 " * 2000] * 3))
    union = "UNION ICRS (CIRCLE 1 2 3 CIRCLE 3 4 5)"
    assert "Parameter POS: '200 values' was given; a region can have at most 300 shapes, not 400" in told(
        sia2(door, POS=[union] * 200)
    )
    assert "BAND: '900 values' was given; at most 200 are allowed" in told(sia2(door, BAND=["1 2"] * 900))
    assert "TARGET: '4000 values' was given; at most 1000 are allowed" in told(sia2(door, TARGET=["x"] * 4000))
    assert "at most 50 texts with *, not 60" in told(sia2(door, TARGET=["x*"] * 30, COLLECTION=["*"] * 30))
    assert "at most 200 intervals, not 300" in told(sia2(door, BAND=["1 2"] * 150, TIME=["1 2"] * 150))
    assert "at most 1000 characters in a text, not 9000" in told(sia2(door, TARGET="*x" * 4500))


def test_as_many_values_as_are_allowed_are_answered(door: Door) -> None:
    many = {"POS": [f"CIRCLE {n} 10 0.1" for n in range(300)], "BAND": ["1 2"] * 200, "TARGET": ["x"] * 1000}
    assert sia2(door, **many).status_code == 200


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Parameter RA is missing"),
        ({"RA": "10h"}, "Parameter RA: '10h' was given; decimal degrees from 0 to 360"),
        ({"RA": "nan"}, "decimal degrees"),
        ({"DEC": "91"}, "decimal degrees from -90 to 90"),
        ({"SR": "5 arcmin"}, "Parameter SR: '5 arcmin' was given"),
        ({"SR": "181"}, "from 0 to 180"),
        ({"VERB": "7"}, "from 1 to 3"),
    ],
)
def test_wrong_values_for_a_cone_search(door: Door, given: dict[str, str], words: str) -> None:
    cone = {"RA": "10", "DEC": "20", "SR": "1"} if given else {}
    answer = door.http.get("/scs", params=cone | given)
    assert answer.headers["content-type"] == SCS_TYPE
    assert words in told(answer, 200)
    assert words in parse(io.BytesIO(answer.content)).infos[0].value  # where clients of old look (SCS 1.03, 2.3)


@pytest.mark.parametrize("given", ["x", "../../etc/passwd", "ivo://elsewhere/x?1", "1' OR '1'='1", "0" * 60_000])
def test_ids_that_are_none_have_a_row_that_says_so(door: Door, given: str) -> None:
    answer = door.http.get("/datalink/links", params={"ID": given})
    assert answer.status_code == 200
    (row,) = parse(io.BytesIO(answer.content)).get_first_table().to_table()
    assert row["ID"] == given
    assert "Fault: " in row["error_message"]


def test_ids_without_end_overflow(door: Door) -> None:
    answer = door.http.post("/datalink/links", data={"ID": [f"x{n}" for n in range(4990)]})
    assert len(parse(io.BytesIO(answer.content)).get_first_table().array) == 1000
    assert b'value="OVERFLOW"' in answer.content


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "UsageError: Parameter ID is missing"),
        ({"ID": "x"}, "UsageError: Parameter ID: 'x' was given"),
        ({"ID": "../../etc/passwd"}, "UsageError: Parameter ID"),
        ({"CIRCLE": "1 2 3arcmin"}, "UsageError: Parameter CIRCLE: '1 2 3arcmin' was given"),
        ({"POLYGON": "1 2 3 4"}, "at least 3 points"),
        ({"POS": "banana"}, "a region must begin with"),
        ({"BAND": "0.5 2 keV"}, "two numbers separated by a blank are wanted, the smaller first (in m)"),
        ({"BAND": "nan nan"}, "two numbers"),
        ({"BAND": "inf inf"}, "two numbers"),
        ({"TIME": "yesterday"}, "(in d)"),
        ({"CIRCLE": ["150.12 2.21 0.1"] * 300}, "MultiValuedParamNotSupported: Parameter CIRCLE"),
    ],
)
def test_wrong_values_for_soda(door: Door, given: dict[str, str | list[str]], words: str) -> None:
    """Errors of SODA 1.0 are texts that begin with one of its words (section 5.2)."""
    identified = {"ID": "9999000101/M1/S001"} if given else {}
    answer = door.http.get("/soda/sync", params=identified | given)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert words in answer.text
