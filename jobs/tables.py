"""The tables of ``jobs``. The statements on them are in :mod:`jobs.store`, the steps from one form of the tables to the
next in ``jobs/migrations``.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

metadata = MetaData()

# SQLite counts up by itself only in a column of exactly the type INTEGER.
_Serial = BigInteger().with_variant(Integer, "sqlite")

# Of what has ended, which is nearly all, nobody asks in which order it was to be done.
_WAITING: ColumnElement[bool] = literal_column("phase = 'QUEUED'")

job = Table(
    "job",
    metadata,
    Column("serial", _Serial, primary_key=True, autoincrement=True, comment="orders jobs made in one millisecond"),
    Column("id", String(64), nullable=False, unique=True),
    Column("script", String(100), nullable=False),
    Column("phase", String(16), nullable=False),
    Column("run_id", String(64)),
    Column("owner", String(255)),
    Column("created", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    Column("duration", Integer, nullable=False),
    Column("destruction", BigInteger),
    Column("error", Text),
    Column("error_transient", Integer, nullable=False, default=0),
    Column("version", Integer, nullable=False, default=1),
    Index("job_by_script", "script", "created", "serial"),
    Index("job_by_owner", "owner", "script", "created", "serial"),
    Index("job_by_phase", "phase", "serial"),
    Index("job_by_destruction", "destruction"),
    Index("job_by_run", "run_id", "created", "serial"),
)

parameter = Table(
    "parameter",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("content_type", Text, comment="this and the rest: of a file that was sent as the value"),
    Column("size", BigInteger),
    Column("checksum", String(64)),
    Column("key", Text),
)

task = Table(
    "task",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("script", String(100), nullable=False, comment="the script of its job, to look up past run times"),
    Column("number", Integer, nullable=False),
    Column("datasets", Text, nullable=False, comment="the short ids of its datasets, separated by blanks"),
    Column("phase", String(16), nullable=False),
    Column("attempt", Integer, nullable=False, default=1),
    Column("losses", Integer, nullable=False, default=0, comment="how many workers were lost while they did it"),
    Column(
        "role", String(8), nullable=False, default="", comment="part or gather; empty where a job has no such steps"
    ),
    Column("failures", Integer, nullable=False, default=0, comment="how many attempts have failed and were done again"),
    Column("queue", String(64), nullable=False, comment="the resource class whose workers do it"),
    Column("owner", String(255), nullable=False, comment="who made its job; empty for anybody"),
    Column("session", String(64), nullable=False, comment="the run id of its job, or the job itself"),
    Column("turn", BigInteger, nullable=False, default=0, comment="its place among the waiting tasks of all users"),
    Column("place", BigInteger, nullable=False, default=0, comment="its place among those of its user"),
    Column("worker", String(200), comment="the identity of the process that has claimed it"),
    Column("lease", BigInteger, comment="until when the worker may be silent"),
    Column("progress", Float, nullable=False, default=0.0),
    Column("message", Text, nullable=False, default=""),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    Column("cpu", Float, nullable=False, default=0.0, comment="seconds of processor time of its scripts"),
    Column("memory", BigInteger, nullable=False, default=0, comment="peak memory of its largest process, in bytes"),
    Column("bytes_read", BigInteger, nullable=False, default=0, comment="what its scripts read"),
    Column("bytes_written", BigInteger, nullable=False, default=0, comment="what its scripts wrote"),
    UniqueConstraint("job_id", "number"),
    Index("task_by_phase", "phase", "lease"),
    Index("task_by_job", "job_id", "phase"),
    Index("task_by_turn", "queue", "turn", "place", "owner", sqlite_where=_WAITING, postgresql_where=_WAITING),
    Index(
        "task_by_place", "queue", "owner", "place", "session", "turn", sqlite_where=_WAITING, postgresql_where=_WAITING
    ),
    Index("task_by_script", "script", "phase", "ended"),
)

part = Table(
    "part",
    metadata,
    Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("task", Integer, primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("key", Text, nullable=False),
    comment="the files that the parts of a job hand to the task that gathers them",
)

product = Table(
    "product",
    metadata,
    Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("task", Integer, nullable=False),
    Column("dataset", Text),
    Column("content_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("checksum", String(64), nullable=False),
    Column("description", Text, nullable=False),
    Column("key", Text, nullable=False),
)

record = Table(
    "record",
    metadata,
    Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("task", Integer, primary_key=True),
    Column("content", Text, nullable=False, comment="JSON: what the attempt that completed the task used"),
)

file_checksum = Table(
    "file_checksum",
    metadata,
    Column("path", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False, comment="time of change, ns"),
    Column("checksum", String(64), nullable=False),
)

phase_change = Table(
    "phase_change",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    # No foreign key: the trail outlives the job.
    Column("job_id", String(64), nullable=False, index=True),
    Column("task", Integer, comment="the task's number; NULL for the job itself"),
    Column("origin", String(16), nullable=False),
    Column("target", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)

worker = Table(
    "worker",
    metadata,
    Column("id", String(200), primary_key=True, comment="the identity of the process"),
    Column("slots", Integer, nullable=False, comment="how many tasks it does at once"),
    Column("since", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False, comment="when it last said that it lives, by the database's clock"),
    Column("sandboxed", Integer, nullable=False, server_default="0", comment="whether its scripts run in a sandbox"),
)

office = Table(
    "office",
    metadata,
    Column("name", String(32), primary_key=True, comment="what only one process at a time is to do"),
    Column("holder", String(200), nullable=False, comment="the identity of the process that does it"),
    Column("until", BigInteger, nullable=False, comment="when another may take over, by the database's clock"),
)

session = Table(
    "session",
    metadata,
    Column("id", String(64), primary_key=True, comment="the run id of its jobs"),
    Column("name", Text, nullable=False),
    Column("region", Text, comment="as it was given"),
    Column("datasets", Text, nullable=False, comment="the ids of the datasets chosen in it, separated by blanks"),
    Column("owner", String(255), comment="the user whose it is"),
    Column("visitor", String(64), comment="or the SHA-256 of the secret by which its anonymous owner is known"),
    Column("created", BigInteger, nullable=False),
    Column("modified", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("session_by_owner", "owner", "modified"),
    Index("session_by_visitor", "visitor", "modified"),
    Index("session_by_expiry", "expires"),
)

share = Table(
    "share",
    metadata,
    Column("id", String(16), primary_key=True, comment="what it is called where it is listed and revoked"),
    Column("session_id", ForeignKey("session.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True, comment="the SHA-256 of its secret, in hexadecimal"),
    Column("access", String(8), nullable=False, comment="read or run"),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("revoked", BigInteger, comment="when its owner took it back"),
)

notification = Table(
    "notification",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), index=True, comment="the job whose end is told"),
    Column(
        "session_id", ForeignKey("session.id", ondelete="CASCADE"), index=True, comment="or the session of its jobs"
    ),
    Column("kind", String(8), nullable=False, comment="mail or webhook"),
    Column("target", Text, nullable=False, comment="the address to which it is sent"),
    Column("created", BigInteger, nullable=False),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("notification_id", ForeignKey("notification.id", ondelete="CASCADE"), nullable=False),
    Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("tries", Integer, nullable=False, default=0),
    Column("due", BigInteger, comment="when it is tried next; NULL: it has been delivered, or given up"),
    Column("delivered", BigInteger),
    Column("error", Text, nullable=False, default="", comment="why the last try failed"),
    UniqueConstraint("notification_id", "job_id"),
    Index("delivery_by_due", "due"),
)

user_limit = Table(
    "user_limit",
    metadata,
    Column("owner", String(255), primary_key=True, comment="a user with limits of his own; empty for all anonymous"),
    Column("queued", BigInteger, comment="tasks that may wait; NULL: as the settings say for everybody, 0: any number"),
    Column("disk", BigInteger, comment="bytes with which more jobs are run; NULL and 0 as above"),
    Column("running", BigInteger, comment="tasks that may run; NULL and 0 as above"),
)

script_switch = Table(
    "script_switch",
    metadata,
    Column("script", String(100), primary_key=True, comment="a script that takes no new jobs"),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
