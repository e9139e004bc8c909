"""Some published tables, none of which exists."""

from __future__ import annotations

import pytest

from index.columns import Column
from uws.tap.published import Published, Table

OBSCORE = Table(
    "ivoa",
    "obscore",
    "Observations",
    (
        Column("obs_id", "unicodeChar", "", ucd="meta.id"),
        Column("instrument_name", "unicodeChar", ""),
        Column("calib_level", "int", ""),
        Column("s_ra", "double", "", unit="deg", ucd="pos.eq.ra"),
        Column("s_dec", "double", "", unit="deg", ucd="pos.eq.dec"),
        Column("t_min", "double", "", unit="d"),
        Column("t_exptime", "double", "Exposure time", unit="s"),
        Column("access_estsize", "long", "", unit="kbyte"),
        Column("s_region", "unicodeChar", "", xtype="adql:REGION"),
    ),
    source="SELECT *, 2 AS calib_level, 10 AS access_estsize, '' AS s_region FROM dataset",
    key="key",
    coverage="s_region",
)
TABLES = Table(
    "TAP_SCHEMA",
    "tables",
    "Tables",
    (Column("schema_name", "unicodeChar", ""), Column("table_name", "unicodeChar", "")),
    source="SELECT 'a' AS schema_name, 'b' AS table_name",
)
COLUMNS = Table(
    "TAP_SCHEMA",
    "columns",
    "Columns",
    (Column("table_name", "unicodeChar", ""), Column("column_name", "unicodeChar", ""), Column("size", "int", "")),
    source="SELECT 'b' AS table_name, 'c' AS column_name, 1 AS size",
)
UPLOAD = Table(
    "TAP_UPLOAD",
    "mine",
    "Mine",
    (
        Column("RA", "double", "", unit="deg"),
        Column("Dec", "double", "", unit="deg"),
        Column("name", "unicodeChar", ""),
    ),
    source='SELECT * FROM "upload_1"',
    key="__row",
)


@pytest.fixture
def published() -> Published:
    return Published([OBSCORE, TABLES, COLUMNS, UPLOAD])
