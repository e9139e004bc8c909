"""list jobs by creation time."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index("job_by_script")
        batch_op.drop_index("job_by_owner")
        batch_op.create_index("job_by_script", ["script", "created", "serial"], unique=False)
        batch_op.create_index("job_by_owner", ["owner", "script", "created", "serial"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index("job_by_owner")
        batch_op.drop_index("job_by_script")
        batch_op.create_index("job_by_script", ["script", "serial"], unique=False)
        batch_op.create_index("job_by_owner", ["owner", "script", "serial"], unique=False)
