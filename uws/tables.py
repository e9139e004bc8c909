"""The tables of ``uws``: who has an account, and the tokens made for it. The statements are in :mod:`uws.store`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, MetaData, String, Table, Text

metadata = MetaData()

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
