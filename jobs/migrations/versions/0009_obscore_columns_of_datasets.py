"""ObsCore columns of datasets."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_COLUMNS: dict[str, Any] = {
    "dataproduct_type": sa.Text,
    "s_fov": sa.Double,
    "s_region": sa.Text,
    "s_resolution": sa.Double,
    "s_xel1": sa.BigInteger,
    "s_xel2": sa.BigInteger,
    "t_resolution": sa.Double,
    "t_xel": sa.BigInteger,
    "em_min": sa.Double,
    "em_max": sa.Double,
    "em_res_power": sa.Double,
    "em_xel": sa.BigInteger,
    "o_ucd": sa.Text,
    "pol_states": sa.Text,
    "pol_xel": sa.BigInteger,
    "access_format": sa.Text,
    "access_estsize": sa.BigInteger,
}


def upgrade() -> None:
    with op.batch_alter_table("dataset", schema=None) as batch_op:
        batch_op.add_column(sa.Column("calib_level", sa.SmallInteger(), server_default="1", nullable=False))
        for name, kind in _COLUMNS.items():
            batch_op.add_column(sa.Column(name, kind(), nullable=True))
        batch_op.create_index("dataset_by_observation", ["obs_id"])
        batch_op.create_index("dataset_by_time", ["t_min"])


def downgrade() -> None:
    with op.batch_alter_table("dataset", schema=None) as batch_op:
        batch_op.drop_index("dataset_by_time")
        batch_op.drop_index("dataset_by_observation")
        for name in ("calib_level", *_COLUMNS):
            batch_op.drop_column(name)
