"""running tasks of single users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("user_limit") as table:
        table.add_column(sa.Column("running", sa.BigInteger(), comment="tasks that may run; NULL and 0 as above"))


def downgrade() -> None:
    with op.batch_alter_table("user_limit") as table:
        table.drop_column("running")
