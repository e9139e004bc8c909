"""uploads, resource use and run times."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("parameter") as batch_op:
        batch_op.add_column(
            sa.Column(
                "content_type",
                sa.Text(),
                nullable=True,
                comment="this and the rest: of a file that was sent as the value",
            )
        )
        batch_op.add_column(sa.Column("size", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("checksum", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("key", sa.Text(), nullable=True))

    # The defaults are for the rows that are there already.
    with op.batch_alter_table("task") as batch_op:
        batch_op.add_column(
            sa.Column(
                "script",
                sa.String(length=100),
                nullable=False,
                server_default="",
                comment="the script of its job, to look up past run times",
            )
        )
        batch_op.add_column(
            sa.Column(
                "cpu",
                sa.Float(),
                nullable=False,
                server_default="0",
                comment="seconds of processor time of its scripts",
            )
        )
        batch_op.add_column(
            sa.Column(
                "memory",
                sa.BigInteger(),
                nullable=False,
                server_default="0",
                comment="peak memory of its largest process, in bytes",
            )
        )
        batch_op.create_index("task_by_script", ["script", "phase", "ended"], unique=False)
    op.execute("UPDATE task SET script = (SELECT job.script FROM job WHERE job.id = task.job_id)")


def downgrade() -> None:
    with op.batch_alter_table("task") as batch_op:
        batch_op.drop_index("task_by_script")
        batch_op.drop_column("memory")
        batch_op.drop_column("cpu")
        batch_op.drop_column("script")

    with op.batch_alter_table("parameter") as batch_op:
        batch_op.drop_column("key")
        batch_op.drop_column("checksum")
        batch_op.drop_column("size")
        batch_op.drop_column("content_type")
