"""limits of single users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_limit",
        sa.Column(
            "owner",
            sa.String(length=255),
            nullable=False,
            comment="a user with limits of his own; empty for all anonymous",
        ),
        sa.Column(
            "queued",
            sa.BigInteger(),
            comment="tasks that may wait; NULL: as the settings say for everybody, 0: any number",
        ),
        sa.Column("disk", sa.BigInteger(), comment="bytes with which more jobs are run; NULL and 0 as above"),
        sa.PrimaryKeyConstraint("owner"),
    )


def downgrade() -> None:
    op.drop_table("user_limit")
