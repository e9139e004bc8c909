"""Queries on real datasets, in SQLite and in PostgreSQL: what they answer, and what they cannot do."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from index.database import Database
from index.errors import StatementError, StatementTimeError
from index.readonly import PAGE, session
from index.service import Index
from tests.unit.index.conftest import make_found
from uws.addresses import Addresses
from uws.tap.errors import QueryError
from uws.tap.published import Published
from uws.tap.service import Answering
from uws.tap.tables import READ, tables
from uws.tap.uploads import MAX_BYTES, MAX_TABLES, check

# ruff: noqa: S608 - the queries are what is tested

UPLOAD = """<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>
<FIELD name="Name" datatype="char" arraysize="*"/><FIELD name="RA" datatype="double"/>
<FIELD name="dec" datatype="float"/><FIELD name="r" datatype="double"/><FIELD name="n" datatype="int"/>
<DATA><TABLEDATA>
<TR><TD>a</TD><TD>35.0</TD><TD>43.0</TD><TD>0.1</TD><TD>1</TD></TR>
<TR><TD>b</TD><TD>36.0</TD><TD>43.0</TD><TD>1.0</TD><TD/></TR>
<TR><TD>c</TD><TD/><TD>43.0</TD><TD>1.0</TD><TD>3</TD></TR>
</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""


@pytest.fixture
def index(database_url: str, tmp_path: Path) -> Iterator[Index]:
    """Three datasets: 1 at 35, 2 at 36, and 3 at 50 degrees, each with a radius of 0.25 degrees."""
    database = Database(database_url)
    index = Index(tmp_path / "index", database, "example.org")
    index.add([make_found("1", 35.0), make_found("2", 36.0), make_found("3", 50.0)])
    yield index
    database.close()


@pytest.fixture
def published() -> Published:
    return tables(Addresses("https://example.org"), "example.org", [])


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "upload.vot"
    path.write_text(UPLOAD)
    return path


class Asking:
    def __init__(self, index: Index, published: Published, upload: Path) -> None:
        self.index, self.published, self.upload = index, published, upload

    def __call__(self, text: str, limit: int = 100, seconds: float = 20.0) -> list[tuple[Any, ...]]:
        with Answering(self.index, self.published, limit, seconds) as answering:
            files = {"MINE": self.upload} if "MINE" in text.upper() else {}
            return list(answering.ask(text, files))


@pytest.fixture
def ask(index: Index, published: Published, upload: Path) -> Asking:
    return Asking(index, published, upload)


OBS = "SELECT obs_id FROM ivoa.obscore WHERE {} ORDER BY obs_id"


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("1=CONTAINS(POINT('ICRS', 35.1, 43.0), s_region)", "1"),
        ("CONTAINS(POINT(35.1, 43.0), s_region)=0", "23"),
        ("1=INTERSECTS(s_region, CIRCLE(35.5, 43.0, 0.3))", "12"),
        ("1=INTERSECTS(CIRCLE(35.5, 43.0, 18/60.), s_region)", "12"),
        ("1=CONTAINS(s_region, CIRCLE(35.5, 43.0, 1))", "12"),
        ("1=CONTAINS(s_region, CIRCLE(35.0, 43.0, 0.3))", "1"),
        ("1=CONTAINS(CIRCLE('', 35.0, 43.0, 0.1), s_region)", "1"),
        ("1=INTERSECTS(s_region, POLYGON(34.5, 42.5, 35.5, 42.5, 35.5, 43.5, 34.5, 43.5))", "1"),
        ("1=INTERSECTS(s_region, BOX('ICRS', 35.5, 43.0, 3, 1))", "12"),
        ("1=CONTAINS(POINT(s_ra, s_dec), POLYGON(34, 42, 35.5, 42, 35.5, 44, 34, 44))", "1"),
        ("0=CONTAINS(POINT(s_ra, s_dec), POLYGON(34, 42, 35.5, 42, 35.5, 44, 34, 44))", "23"),
        ("1=CONTAINS(POINT(s_ra, s_dec), CIRCLE(35.5, 43.0, 0.4))", "12"),
        ("1=CONTAINS(POINT(s_ra, s_dec), CIRCLE(35.0, 43.0, 0.4))", "1"),
        ("1=CONTAINS(POINT('GALACTIC', 139.49, -16.87), s_region)", "1"),
        ("DISTANCE(POINT(s_ra, s_dec), POINT(50, 43)) < 1e-9", "3"),
        ("DISTANCE(s_ra, s_dec, 35, 43) BETWEEN 0.7 AND 0.8", "2"),
        ("1=INTERSECTS(s_region, CIRCLE(35, 43, 0.1)) OR 1=INTERSECTS(s_region, CIRCLE(50, 43, 0.1))", "13"),
        ("obs_id LIKE '_' AND target_name LIKE '3C%'", "123"),
        ("target_name LIKE '3c%'", ""),
        ("target_name ILIKE '3c%'", "123"),
        ("obs_id IN ('1', '3')", "13"),
        ("EXISTS (SELECT 1 FROM amora.datasets d WHERE d.obs_id = obscore.obs_id AND d.s_ra > 40)", "3"),
        ("s_ra = (SELECT MAX(s_ra) FROM ivoa.obscore)", "3"),
        ("em_min IS NULL AND NOT s_ra < 35.5", "23"),
        ("ROUND(s_ra / 10, 1) = 3.6 AND TRUNCATE(s_ra / 10, 0) = 3 AND MOD(s_ra, 5) = 1", "2"),
        ("COT(RADIANS(45)) BETWEEN 0.999 AND 1.001 AND RAND() BETWEEN 0 AND 1 AND PI() > 3", "123"),
        ("LOG10(1000) BETWEEN 2.999 AND 3.001 AND LOG(EXP(2)) BETWEEN 1.99 AND 2.01 AND CEILING(1.2)=2", "123"),
        ("UPPER('a') || LOWER('B') = 'Ab' AND 7/2 = 3 AND ATAN2(0, 1) = 0", "123"),
        ("CAST(s_ra AS INTEGER) = 35 AND COALESCE(filter_is_null, 'x') = 'x'", None),
    ],
)
def test_what_a_condition_finds(ask: Asking, where: str, found: str | None) -> None:
    if found is None:
        with pytest.raises(QueryError, match="filter_is_null"):
            ask(OBS.format(where))
        return
    assert "".join(row[0] for row in ask(OBS.format(where))) == found


def test_uploads_are_held_against_coverages_row_by_row(ask: Asking) -> None:
    join = "SELECT m.Name, o.obs_id FROM TAP_UPLOAD.mine AS m JOIN ivoa.obscore AS o ON {} ORDER BY 1, 2"
    touching = ask(join.format("1=CONTAINS(POINT(m.RA, m.dec), o.s_region)"))
    assert touching == [("a", "1"), ("b", "2")]
    wide = ask(join.format("1=INTERSECTS(CIRCLE(m.RA, m.dec, m.r), o.s_region)"))
    assert wide == [("a", "1"), ("b", "1"), ("b", "2")]
    near = ask(join.format("1=CONTAINS(POINT(o.s_ra, o.s_dec), CIRCLE(m.RA, m.dec, 0.2))"))
    assert near == [("a", "1"), ("b", "2")]
    inside = ask("SELECT Name FROM TAP_UPLOAD.MINE WHERE 1=CONTAINS(POINT(ra, dec), BOX(35, 43, 1, 1))")
    assert inside == [("a",)]


def test_an_upload_comes_back_as_it_was_sent(ask: Asking) -> None:
    assert ask("SELECT * FROM TAP_UPLOAD.mine ORDER BY Name") == [
        ("a", 35.0, 43.0, 0.1, 1),
        ("b", 36.0, 43.0, 1.0, None),
        ("c", None, 43.0, 1.0, 3),
    ]


def test_the_schema_describes_itself(ask: Asking) -> None:
    told = ask("SELECT table_name, COUNT(*) FROM TAP_SCHEMA.columns GROUP BY table_name", limit=1000)
    for name, count in told:
        with Answering(ask.index, ask.published, 1, 20) as answering:
            list(answering.ask(f"SELECT * FROM {name}", {}))
            assert len(answering.columns) == count
    assert {name for name, _ in told} == {name for (name,) in ask("SELECT table_name FROM TAP_SCHEMA.tables")}


def test_rows_beyond_the_limit_are_an_overflow_unless_nobody_asked(index: Index, published: Published) -> None:
    def overflow(text: str, limit: int) -> tuple[int, bool]:
        with Answering(index, published, limit, 20) as answering:
            return len(list(answering.ask(text, {}))), answering.overflow

    assert overflow("SELECT obs_id FROM ivoa.obscore", 2) == (2, True)
    assert overflow("SELECT obs_id FROM ivoa.obscore", 3) == (3, False)
    assert overflow("SELECT obs_id FROM ivoa.obscore", 0) == (0, True)
    assert overflow("SELECT TOP 2 obs_id FROM ivoa.obscore", 2) == (2, False)
    assert overflow("SELECT TOP 3 obs_id FROM ivoa.obscore", 2) == (2, True)
    assert overflow("SELECT TOP 0 obs_id FROM ivoa.obscore", 2) == (0, False)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("CAST(calib_level + 99999 AS SMALLINT)", "does not fit|out of range"),
        ("99999999999 * 99999999999 * calib_level", "does not fit|out of range"),
    ],
)
def test_a_number_that_its_column_cannot_take_is_an_error_and_no_broken_table(
    ask: Asking, expression: str, words: str
) -> None:
    with pytest.raises(QueryError, match=words):
        ask(f"SELECT {expression} AS x FROM ivoa.obscore")


def test_a_query_for_many_regions_is_refused(ask: Asking) -> None:
    regions = " OR ".join(f"1=INTERSECTS(s_region, CIRCLE({n}, 43, 1))" for n in range(101))
    with pytest.raises(QueryError, match="101 regions; 100 are allowed"):
        ask(f"SELECT obs_id FROM ivoa.obscore WHERE {regions}")


_MANY = ", ".join(f"TAP_SCHEMA.columns AS c{n}" for n in range(9))
ENDLESS = f"SELECT COUNT(*) FROM {_MANY} WHERE c1.column_index < c2.column_index"


def test_a_query_that_takes_too_long_is_stopped(ask: Asking) -> None:
    with pytest.raises(StatementTimeError):
        ask(ENDLESS, seconds=0.5)


def test_a_query_that_would_fill_the_disk_is_stopped(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    if ask.index.database.backend != "sqlite":
        pytest.skip("PostgreSQL has its own limit")
    monkeypatch.setattr("index.readonly._ROOM", 2**62)
    with pytest.raises(QueryError, match="room for on the disk"):
        ask(ENDLESS)


def test_a_query_can_be_cancelled_from_another_thread(index: Index, published: Published) -> None:
    with Answering(index, published, 10, 60) as answering:
        timer = threading.Timer(0.5, answering.cancel)
        timer.start()
        began = time.monotonic()
        with pytest.raises(StatementTimeError):
            answering.ask(ENDLESS, {})
        assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO dataset (key) VALUES (99)",
        "DELETE FROM dataset",
        "DROP TABLE dataset",
        "UPDATE dataset SET s_ra = 0",
        "CREATE TABLE mine (a integer)",
    ],
)
def test_a_session_cannot_write(index: Index, statement: str) -> None:
    """Whatever slipped through the parser."""
    with session(index.database, 10, READ) as opened:
        opened.seal()
        with pytest.raises(StatementError):
            list(opened.rows(statement))
    assert index.count() == 3


def test_a_session_on_sqlite_reads_only_what_it_may(index: Index) -> None:
    if index.database.backend != "sqlite":
        pytest.skip("PostgreSQL has no authorizer; there the parser alone says what is read")
    with session(index.database, 10, READ) as opened:
        opened.seal()
        for statement in (
            "SELECT * FROM source",
            "SELECT * FROM sqlite_master",
            "ATTACH ':memory:' AS x",
            "PRAGMA page_size",
        ):
            with pytest.raises(StatementError):
                list(opened.rows(statement))
        assert len(list(opened.rows("SELECT s_ra FROM dataset"))) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("hello", "no VOTable"),
        ("<VOTABLE/>", ""),
        (UPLOAD[:300], "no VOTable"),
        ('<!DOCTYPE x [<!ENTITY a "b">]>' + UPLOAD, "entities"),
        (
            UPLOAD.replace('name="r" datatype="double"', 'name="r" datatype="double" arraysize="1000000000"'),
            "arraysize",
        ),
        (UPLOAD.replace('datatype="int"', 'datatype="floatComplex"'), "floatComplex"),
        (UPLOAD.replace('name="n"', 'name="NAME"'), "differ"),
        (UPLOAD.replace("<TABLEDATA>", '<BINARY><STREAM href="http://127.0.0.1:1/x"/></BINARY><!--'), ""),
    ],
)
def test_a_table_that_cannot_be_used_is_told_why(ask: Asking, upload: Path, content: str, words: str) -> None:
    upload.write_text(content)
    with pytest.raises(QueryError, match="UPLOAD") as caught:
        ask("SELECT * FROM TAP_UPLOAD.mine")
    assert words in str(caught.value)


def test_tables_that_are_too_many_or_too_large_together_are_not_read(tmp_path: Path) -> None:
    """One part of a request can be named as often as one likes."""
    (tmp_path / "large").write_bytes(b"x" * (MAX_BYTES // 4 + 1))
    (tmp_path / "small").write_bytes(b"x")
    with pytest.raises(QueryError, match=f"UPLOAD: 5000 tables were sent; {MAX_TABLES} are allowed"):
        check({f"T{number}": tmp_path / "small" for number in range(5000)})
    with pytest.raises(QueryError, match=r"UPLOAD T0, T1, T2, T3: \d+ bytes were sent"):
        check({f"T{number}": tmp_path / "large" for number in range(4)})
    check({f"T{number}": tmp_path / "large" for number in range(3)})


def test_too_many_tables_are_refused_before_the_query(index: Index, published: Published, upload: Path) -> None:
    with Answering(index, published, 10, 20.0) as answering, pytest.raises(QueryError, match="17 tables were sent"):
        list(answering.ask("SELECT 1 FROM TAP_UPLOAD.T0", {f"T{number}": upload for number in range(17)}))


def test_rows_that_nobody_read_to_their_end_do_not_touch_the_next_query(database_url: str) -> None:
    """They are let go of whenever memory is cleared up, and their connection may be that of another query then."""
    database = Database(database_url)
    statement = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {3 * PAGE}) SELECT i FROM n"
    with session(database, 60, READ) as first:
        left = first.rows(statement)
        assert next(left) == (1,)
    with session(database, 60, READ) as second:
        rows = second.rows(statement)
        assert next(rows) == (1,)
        del left
        gc.collect()
        assert sum(1 for _ in rows) == 3 * PAGE - 1
    database.close()
