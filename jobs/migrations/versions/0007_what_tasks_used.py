"""what tasks used: their records, and the checksums of the archive's files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "record",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("task", sa.Integer(), primary_key=True),
        sa.Column("content", sa.Text(), nullable=False, comment="JSON: what the attempt that completed the task used"),
    )
    op.create_table(
        "file_checksum",
        sa.Column("path", sa.Text(), primary_key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False, comment="time of change, ns"),
        sa.Column("checksum", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("file_checksum")
    op.drop_table("record")
