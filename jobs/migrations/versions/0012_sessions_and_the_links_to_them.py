"""sessions and the links to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "session",
        sa.Column("id", sa.String(length=64), nullable=False, comment="the run id of its jobs"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), comment="as it was given"),
        sa.Column(
            "datasets", sa.Text(), nullable=False, comment="the ids of the datasets chosen in it, separated by blanks"
        ),
        sa.Column("owner", sa.String(length=255), comment="the user whose it is"),
        sa.Column(
            "visitor",
            sa.String(length=64),
            comment="or the SHA-256 of the secret by which its anonymous owner is known",
        ),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("session_by_owner", "session", ["owner", "modified"])
    op.create_index("session_by_visitor", "session", ["visitor", "modified"])
    op.create_index("session_by_expiry", "session", ["expires"])
    op.create_table(
        "share",
        sa.Column(
            "id", sa.String(length=16), nullable=False, comment="what it is called where it is listed and revoked"
        ),
        sa.Column("session_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False, comment="the SHA-256 of its secret, in hexadecimal"),
        sa.Column("access", sa.String(length=8), nullable=False, comment="read or run"),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("revoked", sa.BigInteger(), comment="when its owner took it back"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index(op.f("ix_share_session_id"), "share", ["session_id"])
    op.create_index("job_by_run", "job", ["run_id", "created", "serial"])


def downgrade() -> None:
    op.drop_index("job_by_run", "job")
    op.drop_table("share")
    op.drop_table("session")
