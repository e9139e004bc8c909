"""The tables that are published: the observations, as ObsCore and with all that is known of them, the scripts, and
TAP_SCHEMA, which describes them all and itself (TAP 1.1, section 4; ObsCore 1.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from index.columns import DATASET, Cell, Column
from uws.addresses import Addresses
from uws.tap.published import Published, Table

if TYPE_CHECKING:
    from jobs.descriptor import Script

READ = ("dataset",)
"""The tables of the database that the published ones are made from."""

SCHEMAS = {
    "ivoa": "Tables that the IVOA defines",
    "amora": "What this service knows beyond what the IVOA defines",
    "TAP_SCHEMA": "The tables that describe the tables",
}
OBSCORE = "ivo://ivoa.net/std/ObsCore#core-1.1"
_LINKS = "application/x-votable+xml;content=datalink"
_FLAGS = ("simulated", "approximate")

SCRIPTS = (
    Column("name", "unicodeChar", "Name of the script", ucd="meta.id;meta.main"),
    Column("title", "unicodeChar", "What it is", ucd="meta.title"),
    Column("summary", "unicodeChar", "What it does", ucd="meta.note"),
    Column("version", "unicodeChar", "Its version", ucd="meta.version"),
    Column("scope", "unicodeChar", "Whether it works on each dataset by itself, or on all at once", ucd="meta.code"),
    Column("async_url", "char", "Its UWS job list", ucd="meta.ref.url"),
    Column("sync_url", "char", "Its blocking form", ucd="meta.ref.url"),
    Column("documentation_url", "char", "Its documentation", ucd="meta.ref.url"),
)

_TEXT = "unicodeChar"
_TAP_SCHEMA: dict[str, tuple[str, tuple[tuple[str, str, str], ...]]] = {
    "schemas": (
        "The schemas",
        (
            ("schema_name", _TEXT, "Name of the schema"),
            ("utype", _TEXT, "Its utype"),
            ("description", _TEXT, "What is in it"),
            ("schema_index", "int", "Its place in an order"),
        ),
    ),
    "tables": (
        "The tables",
        (
            ("schema_name", _TEXT, "Schema that the table is in"),
            ("table_name", _TEXT, "Name of the table, with its schema"),
            ("table_type", _TEXT, "table or view"),
            ("utype", _TEXT, "Its utype"),
            ("description", _TEXT, "What is in it"),
            ("table_index", "int", "Its place in an order"),
        ),
    ),
    "columns": (
        "The columns",
        (
            ("table_name", _TEXT, "Table that the column is in"),
            ("column_name", _TEXT, "Name of the column"),
            ("datatype", _TEXT, "Its type in VOTable"),
            ("arraysize", _TEXT, "Its length in VOTable"),
            ("xtype", _TEXT, "Its extended type"),
            ("size", "int", "Its length, as TAP 1.0 has it"),
            ("description", _TEXT, "What is in it"),
            ("utype", _TEXT, "Its utype"),
            ("unit", _TEXT, "Its unit"),
            ("ucd", _TEXT, "Its UCD"),
            ("indexed", "int", "1 if a search by it is quick"),
            ("principal", "int", "1 if it is among the most useful ones"),
            ("std", "int", "1 if a standard defines it"),
            ("column_index", "int", "Its place in an order"),
        ),
    ),
    "keys": (
        "The tables that belong together",
        (
            ("key_id", _TEXT, "Name of the key"),
            ("from_table", _TEXT, "Table that refers"),
            ("target_table", _TEXT, "Table that is referred to"),
            ("utype", _TEXT, "Its utype"),
            ("description", _TEXT, "What it joins"),
        ),
    ),
    "key_columns": (
        "The columns by which they are joined",
        (
            ("key_id", _TEXT, "Name of the key"),
            ("from_column", _TEXT, "Column in the table that refers"),
            ("target_column", _TEXT, "Column in the table that is referred to"),
        ),
    ),
}
KEYS = {
    "datasets": ("ivoa.obscore", "amora.datasets", "obs_publisher_did", "obs_publisher_did"),
    "schema": ("TAP_SCHEMA.tables", "TAP_SCHEMA.schemas", "schema_name", "schema_name"),
    "table": ("TAP_SCHEMA.columns", "TAP_SCHEMA.tables", "table_name", "table_name"),
    "from": ("TAP_SCHEMA.keys", "TAP_SCHEMA.tables", "from_table", "table_name"),
    "target": ("TAP_SCHEMA.keys", "TAP_SCHEMA.tables", "target_table", "table_name"),
    "key": ("TAP_SCHEMA.key_columns", "TAP_SCHEMA.keys", "key_id", "key_id"),
}
"""Which table refers to which, and the columns."""
_RESERVED = ("area", "size")
"""Names of columns that are words of ADQL too."""
_INDEXED = ("obs_id", "s_region", "t_min", "id", "obs_publisher_did")
_PRINCIPAL = (
    *("id", "obs_publisher_did", "obs_id", "instrument_name", "target_name", "s_ra", "s_dec", "t_min", "t_max"),
    *("t_exptime", "access_url", "name", "title", "summary"),
)


def tables(addresses: Addresses, authority: str, scripts: Iterable[Script]) -> Published:
    """Return what this service publishes.

    :param authority: of the ids of datasets.
    """
    known = [
        Table(
            "ivoa",
            "obscore",
            "The observations, as ObsCore 1.1 has them",
            tuple(map(_as_number, filter(_is_obscore, DATASET))),
            _datasets(addresses, authority),
            utype=OBSCORE,
            key="key",
            coverage="s_region",
        ),
        Table(
            "amora",
            "datasets",
            "The observations, with all that is known of them",
            tuple(map(_as_number, DATASET)),
            _datasets(addresses, authority),
            key="key",
            coverage="s_region",
        ),
        Table("amora", "scripts", "The scripts that can be run on them", SCRIPTS, _scripts(addresses, scripts)),
    ]
    described = [
        Table("TAP_SCHEMA", name, text, tuple(Column(*column) for column in columns))  # type: ignore[arg-type]
        for name, (text, columns) in _TAP_SCHEMA.items()
    ]
    return Published([*known, *_described([*known, *described])])


def spelt(column: Column) -> str:
    """Return the name of a column as it must be written in a query."""
    return f'"{column.name}"' if column.name in _RESERVED else column.name


def is_indexed(table: Table, column: Column) -> bool:
    """Whether a search by a column is quick."""
    return table.key is not None and column.name in _INDEXED


def is_principal(column: Column) -> bool:
    """Whether a column is among those that most people want."""
    return column.name in _PRINCIPAL


def is_standard(table: Table, column: Column) -> bool:
    """Whether a standard defines the column."""
    return _is_obscore(column) or table.schema == "TAP_SCHEMA"


def _is_obscore(column: Column) -> bool:
    return column.utype.startswith("obscore:")


def _as_number(column: Column) -> Column:
    """ADQL 2.0 has no truth values: they are 1 and 0."""
    if column.datatype != "boolean":
        return column
    return Column(column.name, "int", f"{column.description}: 1 or 0", column.unit, column.ucd, column.utype)


def _datasets(addresses: Addresses, authority: str) -> str:
    did = f"ivo://{authority}/amora?"
    made = {
        "obs_publisher_did": f"{_text(did)} || id",
        "access_url": f"{_text(addresses.at('datalink', 'links') + '?ID=' + did.replace('?', '%3F'))} || id",
        "access_format": _text(_LINKS),
        **{name: f"CASE WHEN {name} THEN 1 ELSE 0 END" for name in _FLAGS},
    }
    columns = (f"{made.get(column.name, _quoted(column.name))} AS {_quoted(column.name)}" for column in DATASET)
    return f"SELECT key, {', '.join(columns)} FROM dataset"  # noqa: S608 - all of it is ours


def _scripts(addresses: Addresses, scripts: Iterable[Script]) -> str:
    rows = [
        (
            *(script.name, script.title, script.summary, script.version, script.scope),
            *(addresses.jobs(script.name), addresses.script(script.name, "sync"), addresses.script(script.name)),
        )
        for script in scripts
    ]
    return _values(SCRIPTS, rows)


def _described(known: Sequence[Table]) -> list[Table]:
    """Return the tables of TAP_SCHEMA, which describe all tables."""
    columns = [
        (
            *(table.full_name, spelt(column), column.datatype, "*" if column.is_text else None, column.xtype or None),
            *(None, column.description, column.utype or None, column.unit or None, column.ucd or None),
            *(int(is_indexed(table, column)), int(is_principal(column)), int(is_standard(table, column)), number),
        )
        for table in known
        for number, column in enumerate(table.columns, 1)
    ]
    rows: dict[str, Sequence[Sequence[Cell]]] = {
        "schemas": [(name, None, text, number) for number, (name, text) in enumerate(SCHEMAS.items(), 1)],
        "tables": [
            (table.schema, table.full_name, "table", table.utype or None, table.description, number)
            for number, table in enumerate(known, 1)
        ],
        "columns": columns,
        "keys": [(key, source, target, None, None) for key, (source, target, _, _) in KEYS.items()],
        "key_columns": [(key, one, other) for key, (_, _, one, other) in KEYS.items()],
    }
    return [
        Table(table.schema, table.name, table.description, table.columns, _values(table.columns, rows[table.name]))
        for table in known
        if table.schema == "TAP_SCHEMA"
    ]


def _values(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a SELECT of rows that are nowhere but in it."""
    names = ", ".join(f"column{number} AS {_quoted(column.name)}" for number, column in enumerate(columns, 1))
    given = rows or [[None] * len(columns)]
    lines = ", ".join(f"({', '.join(map(_literal, row))})" for row in given)
    return f"SELECT {names} FROM (VALUES {lines}) AS v" + ("" if rows else " WHERE 1=0")  # noqa: S608


def _literal(cell: Cell) -> str:
    if cell is None:
        return "NULL"
    return _text(cell) if isinstance(cell, str) else repr(cell)


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
