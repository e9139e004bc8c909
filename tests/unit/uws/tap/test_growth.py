"""Short queries that grow when a database puts into each place what a name stands for."""

from __future__ import annotations

import pytest

from uws.addresses import Addresses
from uws.tap.adql import read
from uws.tap.errors import QueryError
from uws.tap.growth import MAX_WIDTH
from uws.tap.tables import tables

# ruff: noqa: S608 - the queries are what is tested

PUBLISHED = tables(Addresses("https://example.org"), "example.org", [])


def _chain(first: str, then: str, number: int, last: str) -> str:
    steps = [f"t0 AS ({first})", *(f"t{n} AS ({then.format(n - 1)})" for n in range(1, number))]
    return f"WITH {', '.join(steps)} {last.format(number - 1)}"


def _nested(number: int) -> str:
    query = "SELECT obs_id AS x FROM ivoa.obscore"
    for step in range(number):
        query = f"SELECT x || x AS x FROM ({query}) AS s{step}"
    return query


ONE = "SELECT obs_id AS x FROM ivoa.obscore"
GROWING = {
    "texts": _chain(ONE, "SELECT x || x || x AS x FROM t{}", 20, "SELECT x FROM t{}"),
    "numbers": _chain("SELECT 1 AS x FROM ivoa.obscore", "SELECT x + x AS x FROM t{}", 40, "SELECT x FROM t{}"),
    "tables": _chain(ONE, "SELECT a.x FROM t{0} AS a, t{0} AS b", 60, "SELECT COUNT(*) AS n FROM t{}"),
    "subqueries": _nested(25),
    "unions": _chain(ONE, "SELECT x FROM t{0} UNION SELECT x FROM t{0}", 40, "SELECT x FROM t{}"),
    "conditions": _chain(ONE, "SELECT x FROM t{0} WHERE x IN (SELECT x FROM t{0})", 40, "SELECT x FROM t{}"),
    "scalars": _chain(ONE, "SELECT (SELECT MAX(x || x) FROM t{0}) AS x FROM ivoa.obscore", 40, "SELECT x FROM t{}"),
    "outer names": _chain(
        ONE, "SELECT (SELECT MAX(o.x || o.x) FROM ivoa.obscore) AS x FROM t{} AS o", 40, "SELECT x FROM t{}"
    ),
}
WIDE = {
    "stars": _chain("SELECT * FROM ivoa.obscore", "SELECT a.*, b.* FROM t{0} AS a, t{0} AS b", 60, "SELECT * FROM t{}"),
    "columns": f"SELECT {', '.join(f's_ra AS c{n}' for n in range(MAX_WIDTH + 1))} FROM ivoa.obscore",
}


@pytest.mark.parametrize("name", GROWING)
def test_what_grows_is_refused(name: str) -> None:
    with pytest.raises(QueryError, match=r"put in its places|put together for one row"):
        read(GROWING[name], PUBLISHED)


@pytest.mark.parametrize("name", WIDE)
def test_what_is_wide_is_refused(name: str) -> None:
    with pytest.raises(QueryError, match="columns; 1000 are allowed"):
        read(WIDE[name], PUBLISHED)


@pytest.mark.parametrize(
    "query",
    [
        _chain("SELECT * FROM ivoa.obscore", "SELECT * FROM t{}", 60, "SELECT * FROM t{}"),
        _chain(ONE, "SELECT x || 'a' AS x FROM t{}", 60, "SELECT x FROM t{}"),
        "SELECT a.*, b.* FROM ivoa.obscore AS a JOIN amora.datasets AS b ON a.obs_id = b.obs_id",
        _nested(5),
    ],
)
def test_what_people_ask_is_not(query: str) -> None:
    assert read(query, PUBLISHED).columns


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (f"{ONE} UNION SELECT s_ra FROM ivoa.obscore", "column x of UNION is a number in one place and a text"),
        (f"{ONE} EXCEPT SELECT obs_id, s_ra FROM ivoa.obscore", "of 1 columns on one side and of 2 on the other"),
        ("SELECT COALESCE(s_ra, 'none') AS x FROM ivoa.obscore", "COALESCE is a number"),
        ("SELECT SUM(target_name) AS x FROM ivoa.obscore", "SUM takes numbers"),
    ],
)
def test_a_column_is_of_one_type(query: str, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        read(query, PUBLISHED)


@pytest.mark.parametrize(
    ("query", "datatype"),
    [
        ("SELECT calib_level AS x FROM ivoa.obscore UNION SELECT s_ra FROM ivoa.obscore", "double"),
        (f"{ONE} UNION SELECT target_name FROM ivoa.obscore", None),
        ("SELECT COALESCE(s_ra, NULL, 1) AS x FROM ivoa.obscore", "double"),
        ("SELECT calib_level * calib_level AS x FROM ivoa.obscore", "long"),
    ],
)
def test_which_takes_all_values(query: str, datatype: str | None) -> None:
    [column] = read(query, PUBLISHED).columns
    assert column.is_text if datatype is None else column.datatype == datatype
