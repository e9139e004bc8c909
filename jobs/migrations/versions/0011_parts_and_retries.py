"""parts and retries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("role", sa.String(length=8), "", "part or gather; empty where a job has no such steps"),
    ("failures", sa.Integer(), "0", "how many attempts have failed and were done again"),
    ("bytes_read", sa.BigInteger(), "0", "what its scripts read"),
    ("bytes_written", sa.BigInteger(), "0", "what its scripts wrote"),
)


def upgrade() -> None:
    op.create_table(
        "part",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "task", "name"),
        comment="the files that the parts of a job hand to the task that gathers them",
    )
    with op.batch_alter_table("task") as batch_op:
        for name, kind, default, comment in _COLUMNS:
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=default, comment=comment))


def downgrade() -> None:
    with op.batch_alter_table("task") as batch_op:
        for name, *_ in reversed(_COLUMNS):
            batch_op.drop_column(name)
    op.drop_table("part")
