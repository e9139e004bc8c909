"""What is ADQL, what is not, and what the columns of a result are."""

# ruff: noqa: S608 - the queries are what is tested

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.uws.tap.conftest import COLUMNS, OBSCORE, TABLES, UPLOAD
from uws.tap.adql import MAX_DEPTH, MAX_LENGTH, read
from uws.tap.errors import QueryError
from uws.tap.published import Published
from uws.tap.translate import translate

ALL = Published([OBSCORE, TABLES, COLUMNS, UPLOAD])


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("SELECT TOP 3 obs_id, s_ra FROM ivoa.obscore", ["obs_id unicodeChar", "s_ra double deg"]),
        ("select OBS_ID from IVOA.ObsCore", ["obs_id unicodeChar"]),
        ("SELECT o.s_ra AS RA FROM ivoa.obscore AS o", ["RA double deg"]),
        ('SELECT "s_ra" FROM obscore', ["s_ra double deg"]),
        ("SELECT count(*) FROM ivoa.obscore", ["col_1 long"]),
        ("SELECT max(t_exptime) AS longest FROM ivoa.obscore", ["longest double s"]),
        ("SELECT sum(calib_level), avg(t_exptime) FROM ivoa.obscore", ["col_1 long", "col_2 double s"]),
        (
            "SELECT calib_level/2, calib_level*t_min, 1.5 FROM ivoa.obscore",
            ["col_1 int", "col_2 double", "col_3 double"],
        ),
        ("SELECT s_ra, s_ra FROM ivoa.obscore", ["s_ra double deg", "s_ra_2 double deg"]),
        ("SELECT x.a FROM (SELECT s_ra AS a FROM ivoa.obscore) AS x", ["a double deg"]),
        ("WITH x AS (SELECT s_dec FROM ivoa.obscore) SELECT * FROM x", ["s_dec double deg"]),
        ("SELECT RA, name FROM TAP_UPLOAD.mine", ["RA double deg", "name unicodeChar"]),
        ("SELECT upper(obs_id)||'x', cast(s_ra AS integer) FROM ivoa.obscore", ["col_1 unicodeChar", "s_ra int"]),
        ("SELECT contains(point(s_ra,s_dec),circle(1,2,3)) AS i FROM ivoa.obscore", ["i int"]),
        ("SELECT distance(point(s_ra,s_dec),point(1,2)) AS d FROM ivoa.obscore", ["d double"]),
        ("SELECT table_name FROM TAP_SCHEMA.tables NATURAL JOIN TAP_SCHEMA.columns", ["table_name unicodeChar"]),
        ("SELECT s_ra FROM ivoa.obscore UNION SELECT RA FROM TAP_UPLOAD.mine", ["s_ra double deg"]),
        ("SELECT obs_id FROM ivoa.obscore WHERE s_ra IN (SELECT RA FROM TAP_UPLOAD.mine)", ["obs_id unicodeChar"]),
        ("SELECT size FROM TAP_SCHEMA.columns -- a comment\n ORDER BY 1 DESC", ["size int"]),
    ],
)
def test_a_query_and_its_columns(text: str, columns: list[str]) -> None:
    query = read(text, ALL)
    assert [f"{c.name} {c.datatype} {c.unit}".strip() for c in query.columns] == columns


def test_all_columns_keep_what_is_said_of_them(published: Published) -> None:
    assert read("SELECT * FROM ivoa.obscore", published).columns == OBSCORE.columns


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "one query is wanted"),
        ("SELECT", "none"),
        ("hello", "only a SELECT"),
        ("DELETE FROM ivoa.obscore", "only a SELECT"),
        ("DROP TABLE dataset", "only a SELECT"),
        ("INSERT INTO ivoa.obscore VALUES (1)", "only a SELECT"),
        ("UPDATE ivoa.obscore SET s_ra = 1", "only a SELECT"),
        ("ATTACH DATABASE 'x' AS y", ""),
        ("PRAGMA writable_schema=1", "only a SELECT"),
        ("SELECT 1 FROM ivoa.obscore; DROP TABLE dataset", "one query"),
        ("SELECT * INTO x FROM ivoa.obscore", "not part of ADQL"),
        ("SELECT * FROM ivoa.obscore FOR UPDATE", "not part of ADQL"),
        ("SELECT load_extension('x') FROM ivoa.obscore", "no function LOAD_EXTENSION"),
        ("SELECT pg_sleep(9) FROM ivoa.obscore", "no function PG_SLEEP"),
        ("SELECT * FROM generate_series(1, 9)", ""),
        ("SELECT * FROM sqlite_master", "no table sqlite_master"),
        ("SELECT * FROM main.dataset", "no table main.dataset"),
        ("SELECT * FROM account", "no table account"),
        ("SELECT * FROM a.b.c", "no table"),
        ("SELECT nosuch FROM ivoa.obscore", "nosuch"),
        ("SELECT __key FROM ivoa.obscore", "__key"),
        ("SELECT rowid FROM ivoa.obscore", "rowid"),
        ("SELECT o.s_ra FROM ivoa.obscore", "o"),
        ("SELECT TOP 1.5 s_ra FROM ivoa.obscore", "whole number"),
        ("SELECT round(1, 2, 3) FROM ivoa.obscore", "ROUND takes 1 to 2 arguments, not 3"),
        ("SELECT cast(s_ra AS blob) FROM ivoa.obscore", "CAST can make"),
        ("SELECT CASE WHEN 1=1 THEN 2 END FROM ivoa.obscore", "not part of ADQL"),
        ("SELECT s_ra FROM ivoa.obscore WHERE s_ra = :x", "not part of ADQL"),
        ("SELECT s_ra FROM ivoa.obscore WHERE s_ra = ?", "not part of ADQL"),
        ("SELECT s_ra FROM ivoa.obscore WHERE obs_id = 'x", "tokenizing"),
        ("SELECT row_number() OVER (ORDER BY s_ra) FROM ivoa.obscore", "not part of ADQL"),
        ("WITH RECURSIVE x AS (SELECT 1 AS a UNION SELECT a+1 FROM x) SELECT * FROM x", "RECURSIVE"),
        ("SELECT point(s_ra, s_dec) FROM ivoa.obscore", "cannot be a column"),
        ("SELECT s_ra FROM ivoa.obscore CROSS APPLY x", "not part of ADQL"),
        ("SELECT s_ra FRM ivoa.obscore", "line 1, column 20: SELECT s_ra FRM >>ivoa<<.obscore"),
        ("SELECT s_ra FROM ivoa.obscore WHERE", "Where is not complete"),
        (
            "SELECT s_ra FROM ivoa.obscore WHERE t_exptime > '10 ks'",
            "t_exptime is a number in s, and '10 ks' is a text",
        ),
        ("SELECT s_ra FROM ivoa.obscore WHERE '1' = s_ra", "s_ra is a number in deg"),
        ("SELECT s_ra FROM ivoa.obscore WHERE s_dec BETWEEN '1 arcmin' AND 2", "s_dec is a number in deg"),
        ("SELECT s_ra FROM ivoa.obscore WHERE calib_level IN (1, 'two')", "calib_level is a number, and 'two'"),
        (
            "SELECT s_ra FROM ivoa.obscore AS o WHERE EXISTS (SELECT 1 FROM TAP_SCHEMA.tables WHERE o.s_ra = 'x')",
            "s_ra",
        ),
    ],
)
def test_everything_else_is_refused(text: str, words: str, published: Published) -> None:
    with pytest.raises(QueryError) as caught:
        read(text, published)
    assert str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "(" * 10_000 + "1" + ")" * 10_000 + " FROM ivoa.obscore",
        "SELECT 1 FROM ivoa.obscore WHERE " + "NOT " * 20_000 + "1=1",
        "SELECT " + "-" * 1 + "- " * 20_000 + "1 FROM ivoa.obscore",
        "SELECT 1 FROM ivoa.obscore WHERE " + " OR ".join(["s_ra=1"] * 10_000),
        "SELECT 1 FROM ivoa.obscore WHERE " + "EXISTS (SELECT 1 FROM ivoa.obscore WHERE " * 500 + "1=1" + ")" * 500,
        "SELECT 1 FROM ivoa.obscore " + "UNION SELECT 1 FROM ivoa.obscore " * 5_000,
        "SELECT '" + "x" * MAX_LENGTH + "' FROM ivoa.obscore",
    ],
)
def test_a_bomb_is_refused_or_read_at_once(text: str, published: Published) -> None:
    with suppress(QueryError):
        assert translate(read(text, published), published, "sqlite", 10).text


def test_as_deep_as_is_allowed(published: Published) -> None:
    read("SELECT " + "(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH + " FROM ivoa.obscore", published)


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_query_or_an_error(text: str) -> None:
    for start in ("", "SELECT ", "SELECT * FROM ivoa.obscore WHERE "):
        try:
            translate(read(start + text, ALL), ALL, "sqlite", 10)
        except QueryError as error:
            assert str(error)  # noqa: PT017 - that it is one or the other is the point


WORDS = st.sampled_from(
    (
        *("SELECT", "FROM", "WHERE", "ivoa.obscore", "obscore", "o", "s_ra", "s_region", ",", "(", ")", "=", "<", "1"),
        *("0.5", "'x'", "'", "*", "AND", "OR", "NOT", "TOP", "5", "JOIN", "ON", "UNION", "CONTAINS", "POINT", "CIRCLE"),
        *("INTERSECTS", "DISTANCE", "POLYGON", "ORDER", "BY", "GROUP", "HAVING", "COUNT", "AS", "IN", "EXISTS", "NULL"),
        *("IS", "LIKE", "WITH", "--", ";", "DISTINCT", "NATURAL", "BETWEEN", "CAST", "ESCAPE"),
    )
)


@given(st.lists(WORDS, max_size=25))
@settings(max_examples=500, deadline=None)
def test_any_words_of_the_language_are_a_query_or_an_error(words: list[str]) -> None:
    for start in ("", "SELECT s_ra FROM ivoa.obscore WHERE "):
        try:
            translate(read(start + " ".join(words), ALL), ALL, "postgresql", 10)
        except QueryError as error:
            assert str(error)  # noqa: PT017 - that it is one or the other is the point
