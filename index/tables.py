"""The tables of the index."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy import Index as TableIndex

metadata = MetaData()

dataset = Table(
    "dataset",
    metadata,
    # given by the writer, who has put it into the coverages before the row is there
    Column("key", Integer, primary_key=True, autoincrement=False),
    Column("id", String(200), nullable=False, unique=True),
    Column("obs_collection", Text, nullable=False),
    Column("facility_name", Text),
    Column("instrument_name", Text),
    Column("obs_id", String(64), nullable=False),
    Column("camera", String(64), nullable=False),
    Column("exposure_id", String(64), nullable=False),
    Column("target_name", Text),
    Column("s_ra", Double, nullable=False),
    Column("s_dec", Double, nullable=False),
    Column("position_angle", Double),
    Column("t_min", Double),
    Column("t_max", Double),
    Column("t_exptime", Double),
    Column("filter", Text),
    Column("mode", Text),
    Column("simulated", Boolean, nullable=False),
    Column("approximate", Boolean, nullable=False, server_default=false()),
    Column("area", Double, nullable=False),
    Column("order", SmallInteger, nullable=False),
    Column("degraded_from", SmallInteger),
    Column("added", BigInteger, nullable=False),  # milliseconds since 1970, UTC
    Column("fingerprint", String(64), nullable=False),
    Column("source", Text),  # the file it was read from
    # what ObsCore asks for beyond the above
    Column("dataproduct_type", Text),
    Column("calib_level", SmallInteger, nullable=False, server_default="1"),
    Column("s_fov", Double),
    Column("s_region", Text),
    Column("s_resolution", Double),
    Column("s_xel1", BigInteger),
    Column("s_xel2", BigInteger),
    Column("t_resolution", Double),
    Column("t_xel", BigInteger),
    Column("em_min", Double),
    Column("em_max", Double),
    Column("em_res_power", Double),
    Column("em_xel", BigInteger),
    Column("o_ucd", Text),
    Column("pol_states", Text),
    Column("pol_xel", BigInteger),
    Column("access_format", Text),
    Column("access_estsize", BigInteger),
    TableIndex("dataset_by_observation", "obs_id"),
    TableIndex("dataset_by_time", "t_min"),
)

source = Table(
    "source",
    metadata,
    Column("path", Text, primary_key=True),
    Column("reader", Text, nullable=False),
    Column("stamp", Text, nullable=False),
    Column("checksum", String(64), nullable=False),
)

dataset_file = Table(
    "dataset_file",
    metadata,
    Column("key", ForeignKey(dataset.c.key, ondelete="CASCADE"), primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("content_type", Text, nullable=False),
)

coverage = Table(
    "coverage",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),  # 1: there is one row at most
    Column("generation", String(32), nullable=False),
)
