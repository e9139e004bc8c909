"""Clients that cost so little that the server is what is measured: HTTP/1.1 on plain sockets."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterable
from urllib.parse import urlsplit


class Client:
    """One connection, kept open."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host = parts.hostname
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, url: str, method: str = "GET", body: bytes = b"") -> None:
        """Send a request; the answer is to be received before the next one."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        form = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n" if body else ""
        self.socket.sendall(f"{method} {target} HTTP/1.1\r\nHost: {self._host}\r\n{form}\r\n".encode() + body)

    def receive(self) -> tuple[int, dict[bytes, bytes], bytes]:
        """Return status, headers (names in lower case) and body of the answer."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        first, *lines = data[:end].split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        rest = bytearray(data[end + 4 :])
        if b"content-length" in headers:
            while len(rest) < int(headers[b"content-length"]):
                rest += self._more()
        elif headers.get(b"transfer-encoding") == b"chunked":
            while not rest.endswith(b"0\r\n\r\n"):
                rest += self._more()
        return int(first.split()[1]), headers, bytes(rest)

    def ask(self, url: str, method: str = "GET", body: bytes = b"") -> tuple[int, dict[bytes, bytes], bytes]:
        """Send a request and return its answer."""
        self.send(url, method, body)
        return self.receive()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def _more(self) -> bytes:
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server hung up")
        return data


def _is_whole(data: bytearray, end: int) -> bool:
    """Tell whether an answer whose head ends there has come in."""
    at = data.lower().find(b"content-length: ", 0, end)
    if at < 0:
        return data.endswith(b"\r\n0\r\n\r\n")
    return len(data) >= end + 4 + int(data[at + 16 : data.find(b"\r", at)])


def rate_of(urls: Iterable[str], connections: int, seconds: float) -> float:
    """Return how many GETs a second are answered, each connection asking for the next URL once it has its answer."""
    left = iter(urls)
    first = next(left)
    clients = {client.socket: client for client in (Client(first) for _ in range(connections))}
    received = {socket: bytearray() for socket in clients}
    answered = 0
    with selectors.DefaultSelector() as selector:
        for connection, client in clients.items():
            selector.register(connection, selectors.EVENT_READ)
            client.send(first)
        begin = time.perf_counter()
        while (now := time.perf_counter()) < begin + seconds:
            for key, _ in selector.select(1):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                data = received[connection]
                data += connection.recv(1 << 18)
                end = data.find(b"\r\n\r\n")
                if end < 0:
                    continue
                if not _is_whole(data, end):
                    continue
                if not data.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(f"an answer was {bytes(data[:100])!r}")
                answered += 1
                data.clear()
                clients[connection].send(next(left))
    for client in clients.values():
        client.close()
    return answered / (now - begin)


def rate(url: str, connections: int, seconds: float) -> float:
    """Return how many GETs a second are answered, each connection asking again once it has its answer."""
    clients = [Client(url) for _ in range(connections)]
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.hostname}\r\n\r\n".encode()
    body = clients[0].ask(url)[2]
    answered = 0
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ)
            client.socket.sendall(request)
        begin = time.perf_counter()
        while (now := time.perf_counter()) < begin + seconds:
            for key, _ in selector.select(1):
                answer = key.fileobj.recv(4096)  # type: ignore[union-attr]
                if not answer.startswith((b"HTTP/1.1 200", body)):
                    raise RuntimeError(f"an answer was {answer[:100]!r}")
                if answer.endswith(body):  # the head may come on its own
                    answered += 1
                    key.fileobj.sendall(request)  # type: ignore[union-attr]
    for client in clients:
        client.close()
    return answered / (now - begin)
