"""The tables of ``uws``: who has an account, the tokens made for it, and what the service keeps for its pages.

The statements are in :mod:`uws.store`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

# SQLite counts up by itself only in a column of exactly the type INTEGER.
_Serial = BigInteger().with_variant(Integer, "sqlite")

account = Table(
    "account",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("password", Text, comment="its argon2id hash; NULL: nobody comes in by password"),
    Column("admin", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("id", String(16), primary_key=True, comment="what it is called where it is listed and revoked"),
    Column("digest", String(64), nullable=False, unique=True, comment="its SHA-256, in hexadecimal"),
    Column("account", ForeignKey("account.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("used", BigInteger, comment="when it was used last, to the hour"),
)

service_key = Table(
    "service_key",
    metadata,
    Column("name", String(32), primary_key=True),
    Column(
        "value", String(64), nullable=False, comment="256 random bits, in hexadecimal; all processes sign with them"
    ),
)

place = Table(
    "place",
    metadata,
    Column("name", String(200), primary_key=True, comment="without blanks, in lower case"),
    Column("label", Text, nullable=False, comment="as it was asked for"),
    Column("ra", Double, nullable=False),
    Column("dec", Double, nullable=False),
    Column("found", BigInteger, nullable=False),
    comment="where a name of the sky lies, as a resolver has told",
)

audit = Table(
    "audit",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("audit_by_time", "at"),
    comment="what administrators have done; nothing in it is ever changed",
)

announcement = Table(
    "announcement",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="1: there is one at most"),
    Column("text", Text, nullable=False),
    Column("who", String(255), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger, comment="when it is shown no more; NULL: when somebody takes it down"),
)
