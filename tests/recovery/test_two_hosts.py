"""A worker on another host, in a network and process namespace of its own, is cut off and comes back."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.store import JobStore
from tests.conftest import missing
from tests.production import Production
from tests.recovery.test_kill_9 import processes, until
from tests.service import Service

LEASE = 3.0


class Network:
    """Two hosts and the cable between them: this one, and a namespace that sees nothing else."""

    def __init__(self) -> None:
        number = os.getpid() % 250
        self.name = f"amora{number}"
        self.near, self.far = f"amo{number}a", f"amo{number}b"
        self.here, self.there = f"10.203.{number}.1", f"10.203.{number}.2"

    def __enter__(self) -> Network:
        self.ip("netns", "add", self.name)
        self.ip("link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.name)
        self.ip("addr", "add", f"{self.here}/24", "dev", self.near)
        self.ip("link", "set", self.near, "up")
        for words in (("addr", "add", f"{self.there}/24", "dev", self.far), ("link", "set", self.far, "up")):
            self.ip("-netns", self.name, *words)
        self.ip("-netns", self.name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=False)
        subprocess.run(["ip", "link", "del", self.near], check=False, capture_output=True)

    @staticmethod
    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    def cut(self) -> None:
        """Pull the cable: what is sent is lost, and nobody is told."""
        self.ip("link", "set", self.near, "down")

    def mend(self) -> None:
        """Plug it in again."""
        self.ip("link", "set", self.near, "up")

    @contextlib.contextmanager
    def reach(self, port: int) -> Iterator[int]:
        """Pass on to a port of loopback what comes from the other host; give the port to ask."""
        with socket.create_server((self.here, 0)) as door:
            threading.Thread(target=_accept, args=(door, port), daemon=True).start()
            yield door.getsockname()[1]


def _accept(door: socket.socket, port: int) -> None:
    with contextlib.suppress(OSError):  # the door is closed
        while True:
            far, _ = door.accept()
            try:
                near = socket.create_connection(("127.0.0.1", port))
            except ConnectionRefusedError:
                far.close()
                continue
            for one, other in ((far, near), (near, far)):
                threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def network() -> Iterator[Network]:
    if os.geteuid() != 0:
        pytest.skip("only root makes network namespaces")
    made = Network()
    try:
        made.__enter__()
    except FileNotFoundError:
        missing("the program ip")
    except subprocess.CalledProcessError:
        made.__exit__()
        pytest.skip("network namespaces cannot be made here")
    yield made
    made.__exit__()


class Hosts:
    """A web server here, and a worker there."""

    def __init__(self, home: Path, network: Network, servers: Production) -> None:
        self.network, self.servers, self.home = network, servers, home
        self.settings = servers.settings() | {"lease": str(LEASE)}

    @contextlib.contextmanager
    def running(self) -> Iterator[Service]:
        """Run both."""
        service = Service(self.home, **self.settings)
        service.alone = True
        sql, redis = self.servers.postgresql.port, self.servers.redis.port
        with self.network.reach(sql) as far_sql, self.network.reach(redis) as far_redis, contextlib.ExitStack() as end:
            there = dict(service.environment)
            there["AMORA_DATABASE_URL"] = self._moved("database_url", sql, far_sql)
            there["AMORA_REDIS_URL"] = self._moved("redis_url", redis, far_redis)
            web = end.enter_context(service)
            # a process namespace too: nobody here can see or kill what runs there, as on another machine
            command = ["ip", "netns", "exec", self.network.name, "unshare", "--pid", "--fork", "--kill-child"]
            command += ["--mount-proc", "--uts", sys.executable, "-c", "from uws.cli import main; main()", "worker"]
            worker = subprocess.Popen(command, env=there, stdout=subprocess.PIPE, text=True)
            try:
                assert worker.stdout is not None
                assert worker.stdout.readline().startswith("Amora does")
                yield web
            finally:
                self.network.mend()
                worker.kill()  # and with it, by --kill-child, all processes of that host
                worker.wait(60)
                worker.stdout.close()  # type: ignore[union-attr]

    def _moved(self, name: str, port: int, to: int) -> str:
        return self.settings[name].replace(f"127.0.0.1:{port}", f"{self.network.here}:{to}")


@pytest.fixture
def hosts(tmp_path: Path, network: Network, servers: Production) -> Hosts:
    return Hosts(tmp_path / "home", network, servers)


def _begin(service: Service, seconds: str) -> str:
    job = service.post("probe", SECONDS=seconds)
    until(lambda: service.phase(job) == "EXECUTING", "the job runs", 30)
    until(lambda: len(processes(service.home)) >= 2, "its script runs", 30)
    return job


def test_a_host_that_is_cut_off(hosts: Hosts) -> None:
    """It stops its script when the lease is over; the task is done once more and its product published once."""
    with hosts.running() as service:
        job = _begin(service, "6")
        hosts.network.cut()
        until(lambda: not processes(service.home), "the cut-off worker has stopped its script", 2 * LEASE + 5)
        until(lambda: service.detail(job)["tasks"][0]["attempt"] == 2, "the task is given to another", 30)
        assert service.detail(job)["tasks"][0]["phase"] == "QUEUED"
        hosts.network.mend()
        assert service.end(job) == "COMPLETED"
        detail = service.detail(job)
        assert detail["tasks"][0]["attempt"] == 2
        assert [product["name"] for product in detail["products"]] == ["probe_1.vot"]
        job_id = job.rpartition("/")[2]
        until(lambda: not list((service.home / "work").iterdir()), "nothing is left in the working folders", 30)
        assert {path.name for path in (service.home / "jobs" / job_id).glob("1.*")} - {"1.log"} == {"1.2"}
        reasons = [reason for number, _, _, reason in _trail(hosts, job_id) if number == 1]
        assert reasons.count("script ended") == 1


def _trail(hosts: Hosts, job_id: str) -> list[tuple[int | None, object, object, str]]:
    from index.database import Database

    database = Database(hosts.settings["database_url"])
    try:
        return list(JobStore(database).trail(job_id))
    finally:
        database.close()


@pytest.mark.parametrize("way", ["abort", "delete"])
@pytest.mark.parametrize("broker", ["up", "down"])
def test_an_abort_reaches_the_other_host(hosts: Hosts, way: str, broker: str) -> None:
    with hosts.running() as service:
        job = _begin(service, "60")
        if broker == "down":
            hosts.servers.redis.kill()
        try:
            begin = time.monotonic()
            if way == "abort":
                answer = service.http.post(f"{job}/phase", data={"PHASE": "ABORT"})
            else:
                answer = service.http.delete(job)
            assert answer.status_code == 303
            until(lambda: not processes(service.home), "no process is left", 10)
            print(f"{way}, broker {broker}: no process after {time.monotonic() - begin:.2f} s")
        finally:
            if broker == "down":
                hosts.servers.redis.start()
