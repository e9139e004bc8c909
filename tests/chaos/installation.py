"""A production installation on one machine, each part of which can be killed: a supervisor starts it again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from index.database import Database
from jobs.database import upgrade
from tests.leash import Leash
from tests.servers import PostgreSQL, RedisServer, Server, free_port

LEASE = 3.0
MIN_FREE = 32 * 2**20
"""The watermark, in bytes."""
DISK = 512 * 2**20
"""The size of the disk for products, where one can be made."""


class Process:
    """An ``amora`` process that is started again, as systemd would, whenever it has ended."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name = name
        self._command = [sys.executable, "-c", "from uws.cli import main; main()", *command]
        self._environment = environment
        self._log = log
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = True
        self._leash: Leash | None = None
        self.starts = 0

    def supervise(self) -> None:
        """Start the process if it is not there."""
        with self._lock:
            if self._wanted and (self._process is None or self._process.poll() is not None):
                self.starts += 1
                with self._log.open("ab") as log:
                    self._process = subprocess.Popen(
                        self._command, env=self._environment, stdout=log, stderr=log, start_new_session=True
                    )
                self._free()
                self._leash = Leash(self._process.pid)

    def _free(self) -> None:
        if self._leash is not None:
            self._leash.free()
            self._leash = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(number)

    def stop(self) -> None:
        """Stop it for good, by SIGTERM."""
        with self._lock:
            self._wanted = False
            if self._process is None:
                return
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                raise
            finally:
                self._free()


class Installation:
    """PostgreSQL, a Redis-protocol server, web servers and workers, for the length of a block."""

    def __init__(self, folder: Path, *, web: int = 2, workers: int = 2, slots: int = 2) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.disk = _mount(self.home)
        """Whether the home folder is a small disk of its own."""
        self.postgresql = PostgreSQL(folder / "postgresql")
        self.redis = RedisServer(folder / "redis")
        self._ports = [free_port() for _ in range(web)]
        self._numbers = (workers, slots)
        self.web: list[Process] = []
        self.workers: list[Process] = []
        self._stop = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._servers = threading.Lock()

    @property
    def addresses(self) -> list[str]:
        """The addresses of the web servers."""
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    def __enter__(self) -> Self:
        self.postgresql.start()
        self.redis.start()
        self.url = self.postgresql.create()
        database = Database(self.url)
        upgrade(database)
        database.close()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AMORA_")} | {
            "AMORA_HOME": str(self.home),
            "AMORA_DATABASE_URL": self.url,
            "AMORA_REDIS_URL": self.redis.url(),
            "AMORA_LEASE": str(LEASE),
            "AMORA_ATTEMPTS": "1000",  # that a task is given up after some losses is tested elsewhere
            "AMORA_MIN_FREE": str(MIN_FREE),
            "AMORA_LOG_FORMAT": "json",
            "AMORA_ACCESS_LOG": "false",
        }
        for number, port in enumerate(self._ports, 1):
            own = environment | {"AMORA_PORT": str(port)}
            self.web.append(Process(f"web {number}", ["serve"], own, self.folder / f"web{number}.log"))
        workers, slots = self._numbers
        for number in range(1, workers + 1):
            command = ["worker", "--slots", str(slots)]
            self.workers.append(Process(f"worker {number}", command, environment, self.folder / f"worker{number}.log"))
        self._supervisor.start()
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self.close()
        self.redis.stop()
        self.postgresql.stop()
        if self.disk:
            subprocess.run(["umount", "--lazy", self.home], check=False)

    def close(self) -> None:
        """Stop web servers and workers as an operator does."""
        self._stop.set()
        self._supervisor.join()
        for process in (*self.workers, *self.web):
            process.stop()

    def _supervise(self) -> None:
        while not self._stop.wait(0.2):
            for process in (*self.web, *self.workers):
                process.supervise()

    # ------------------------------------------------------------------ what can go wrong

    def crash_server(self, server: Server, seconds: float) -> None:
        """Kill a server with -9, and start it again after some seconds."""
        with self._servers:
            server.kill()
            time.sleep(seconds)  # the time for which it is away
            _start(server)

    def restart_server(self, server: Server, seconds: float) -> None:
        """Stop a server, and start it again after some seconds."""
        with self._servers:
            server.stop()
            time.sleep(seconds)  # the same
            _start(server)

    def flush(self) -> None:
        """Make the broker forget all it has."""
        with self.redis.client() as client:
            client.flushall()

    def fill_disk(self, seconds: float) -> None:
        """Fill the disk to just above the watermark, so that nothing is accepted, for some seconds."""
        ballast = self.home / "ballast"
        state = os.statvfs(self.home)
        size = state.f_bavail * state.f_frsize - MIN_FREE + 2**20
        try:
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(size, 1))
            time.sleep(seconds)  # the time for which it is full
        finally:
            ballast.unlink(missing_ok=True)

    def left(self) -> set[int]:
        """Return the pids of all scripts and guardians: their working folders lie in the home folder."""
        found = set()
        for path in Path("/proc").glob("[0-9]*/cwd"):
            with contextlib.suppress(OSError):  # it has just ended
                if path.readlink().is_relative_to(self.home):
                    found.add(int(path.parent.name))
        return found


def _start(server: Server) -> None:
    """Start a server again; PostgreSQL refuses while orphans of its killed parent have not noticed yet."""
    for attempt in range(50):
        try:
            server.start()
        except AssertionError:
            if attempt == 49:
                raise
            time.sleep(0.2)  # other processes are seen only by trying
        else:
            return


def _mount(home: Path) -> bool:
    """Make the home folder a small disk in memory; False where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(home)]
    return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
