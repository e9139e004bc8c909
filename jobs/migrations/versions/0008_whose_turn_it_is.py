"""whose turn it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WAITING = {name: sa.text("phase = 'QUEUED'") for name in ("sqlite_where", "postgresql_where")}


def upgrade() -> None:
    # The defaults are for the rows that are there already.
    with op.batch_alter_table("task") as batch_op:
        batch_op.drop_column("queue")
    with op.batch_alter_table("task") as batch_op:
        batch_op.add_column(
            sa.Column(
                "queue",
                sa.String(length=64),
                nullable=False,
                server_default="default",
                comment="the resource class whose workers do it",
            )
        )
        batch_op.add_column(
            sa.Column(
                "owner",
                sa.String(length=255),
                nullable=False,
                server_default="",
                comment="who made its job; empty for anybody",
            )
        )
        batch_op.add_column(
            sa.Column(
                "session",
                sa.String(length=64),
                nullable=False,
                server_default="",
                comment="the run id of its job, or the job itself",
            )
        )
        for name, comment in (
            ("turn", "its place among the waiting tasks of all users"),
            ("place", "its place among those of its user"),
        ):
            batch_op.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0", comment=comment))
        batch_op.create_index("task_by_job", ["job_id", "phase"], unique=False)
        batch_op.create_index("task_by_turn", ["queue", "turn", "place", "owner"], unique=False, **_WAITING)
        batch_op.create_index("task_by_place", ["queue", "owner", "place", "session", "turn"], unique=False, **_WAITING)


def downgrade() -> None:
    with op.batch_alter_table("task") as batch_op:
        for name in ("task_by_place", "task_by_turn", "task_by_job"):
            batch_op.drop_index(name)
        for name in ("place", "turn", "session", "owner", "queue"):
            batch_op.drop_column(name)
    with op.batch_alter_table("task") as batch_op:
        batch_op.add_column(
            sa.Column("queue", sa.String(length=200), nullable=True, comment="the queue its message was sent to")
        )
