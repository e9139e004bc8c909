"""workers and offices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worker",
        sa.Column("id", sa.String(length=200), nullable=False, comment="the identity of the process"),
        sa.Column("slots", sa.Integer(), nullable=False, comment="how many tasks it does at once"),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column(
            "seen", sa.BigInteger(), nullable=False, comment="when it last said that it lives, by the database's clock"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "office",
        sa.Column("name", sa.String(length=32), nullable=False, comment="what only one process at a time is to do"),
        sa.Column("holder", sa.String(length=200), nullable=False, comment="the identity of the process that does it"),
        sa.Column(
            "until", sa.BigInteger(), nullable=False, comment="when another may take over, by the database's clock"
        ),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    op.drop_table("office")
    op.drop_table("worker")
