"""whose scripts run in a sandbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "worker",
        sa.Column(
            "sandboxed",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="whether its scripts run in a sandbox",
        ),
    )


def downgrade() -> None:
    op.drop_column("worker", "sandboxed")
