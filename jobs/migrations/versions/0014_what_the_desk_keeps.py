"""what the desk keeps: keys, places, the audit trail, an announcement, notifications, switched off scripts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _keep_the_trail() -> None:
    """Have the database itself refuse to change the audit trail."""
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{action.lower()} BEFORE {action} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit trail is never changed'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept()"
    )


def upgrade() -> None:
    op.create_table(
        "service_key",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column(
            "value",
            sa.String(length=64),
            nullable=False,
            comment="256 random bits, in hexadecimal; all processes sign with them",
        ),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "place",
        sa.Column("name", sa.String(length=200), nullable=False, comment="without blanks, in lower case"),
        sa.Column("label", sa.Text(), nullable=False, comment="as it was asked for"),
        sa.Column("ra", sa.Double(), nullable=False),
        sa.Column("dec", sa.Double(), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        comment="where a name of the sky lies, as a resolver has told",
    )
    op.create_table(
        "audit",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="what administrators have done; nothing in it is ever changed",
    )
    op.create_index("audit_by_time", "audit", ["at"])
    _keep_the_trail()
    op.create_table(
        "announcement",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="1: there is one at most"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("who", sa.String(length=255), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), comment="when it is shown no more; NULL: when somebody takes it down"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "notification",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("job_id", sa.String(length=64), comment="the job whose end is told"),
        sa.Column("session_id", sa.String(length=64), comment="or the session of its jobs"),
        sa.Column("kind", sa.String(length=8), nullable=False, comment="mail or webhook"),
        sa.Column("target", sa.Text(), nullable=False, comment="the address to which it is sent"),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_notification_job_id"), "notification", ["job_id"])
    op.create_index(op.f("ix_notification_session_id"), "notification", ["session_id"])
    op.create_table(
        "delivery",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("notification_id", sa.String(length=16), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), comment="when it is tried next; NULL: it has been delivered, or given up"),
        sa.Column("delivered", sa.BigInteger()),
        sa.Column("error", sa.Text(), nullable=False, comment="why the last try failed"),
        sa.ForeignKeyConstraint(["notification_id"], ["notification.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("notification_id", "job_id"),
    )
    op.create_index(op.f("ix_delivery_job_id"), "delivery", ["job_id"])
    op.create_index("delivery_by_due", "delivery", ["due"])
    op.create_table(
        "script_switch",
        sa.Column("script", sa.String(length=100), nullable=False, comment="a script that takes no new jobs"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("script"),
    )


def downgrade() -> None:
    for table in ("script_switch", "delivery", "notification", "announcement", "audit", "place", "service_key"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_is_kept()")
