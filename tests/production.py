"""What a production installation stands on, for as many services under test as wanted."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from index.database import Database
from jobs.database import upgrade
from tests.servers import PostgreSQL, RedisServer


@dataclass
class Production:
    """The servers."""

    postgresql: PostgreSQL
    redis: RedisServer
    template: str
    """The name of a database that has the tables."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def settings(self) -> dict[str, str]:
        """Return where a new installation has its database and its queue, by the names of the settings."""
        return {
            "database_url": self.postgresql.create(self.template),
            "redis_url": self.redis.url(next(self.numbers)),
        }


@contextmanager
def production() -> Iterator[Production]:
    """Start the servers for the length of a block."""
    with (
        tempfile.TemporaryDirectory(prefix="amora-servers-") as folder,
        PostgreSQL(Path(folder) / "postgresql") as postgresql,
        RedisServer(Path(folder) / "redis") as redis,
    ):
        url = postgresql.create()
        database = Database(url)
        upgrade(database)
        database.close()
        yield Production(postgresql, redis, url.rpartition("/")[2])
