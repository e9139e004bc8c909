"""guardians in files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("task") as batch_op:
        batch_op.drop_column("processes")


def downgrade() -> None:
    with op.batch_alter_table("task") as batch_op:
        batch_op.add_column(
            sa.Column(
                "processes",
                sa.Text(),
                nullable=True,
                comment="identities of the processes that the worker started for it",
            )
        )
