"""Fetches a file from an address that a stranger gave, without lending the stranger this machine's view of the network.

Only public hosts are asked: the name is resolved once, *every* address it has must be public, and the connection goes
to one of those addresses itself, so that a name that resolves to something else a moment later (DNS rebinding) changes
nothing. Redirects are not followed, proxies and credentials of the environment are not used, and size and time are
limited.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx
from starlette.concurrency import run_in_threadpool

from jobs.errors import RequestError
from jobs.uploads import Inbox, Incoming
from uws.multipart import OCTETS, acceptable

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[Address]]]

_UNICAST = ip_network("2000::/3")
"""All public IPv6 addresses there are so far (RFC 4291, section 2.4)."""
_REFUSED = (  # what Python's is_global lets pass, depending on its version
    ip_network("192.0.0.0/24"),  # protocol assignments; a cloud keeps its metadata there
    ip_network("168.63.129.16/32"),  # a cloud's own services under a public address
    ip_network("192.88.99.0/24"),  # 6to4 relays
    ip_network("3fff::/20"),  # documentation
)
_EMBEDDED = (
    (ip_network("64:ff9b::/96"), 0),  # NAT64: the last 32 bits are an IPv4 address (RFC 6052)
    (ip_network("2002::/16"), 80),  # 6to4: bits 16 to 48 (RFC 3056)
)


class FetchError(RequestError):
    """The file cannot be had from that address."""


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, also the IPv4 address that an IPv6 one may stand for."""
    if isinstance(address, IPv6Address):
        for network, shift in _EMBEDDED:
            if address in network:
                return is_public(IPv4Address((int(address) >> shift) & 0xFFFFFFFF))
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _REFUSED)


async def resolve(host: str, port: int) -> list[Address]:
    """Return all addresses of a host.

    :raises OSError: it has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


async def fetch(
    url: str,
    inbox: Inbox,
    seconds: float,
    resolve: Resolve = resolve,
    permitted: Callable[[Address], bool] = is_public,
) -> Incoming:
    """Fetch a file into the inbox of a request.

    :param seconds: how long it may take in all.
    :param resolve: finds the addresses of a host.
    :param permitted: says which addresses may be asked.
    :raises FetchError: it cannot be had; says why.
    :raises TooLargeError: it is larger than the inbox takes.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _fetch(url, inbox, resolve, permitted)
    except TimeoutError as error:
        raise FetchError(f"{url} did not send its file within {seconds:g} s") from error
    except (OSError, httpx.HTTPError) as error:
        raise FetchError(f"{url} could not be read ({type(error).__name__})") from error


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    seconds: float,
    resolve: Resolve = resolve,
    permitted: Callable[[Address], bool] = is_public,
) -> None:
    """POST something to an address, under the same conditions; what it answers besides its status is not read.

    :raises FetchError: it does not answer with a status from 200 to 299; says why.
    """
    try:
        async with asyncio.timeout(seconds), httpx.AsyncClient(trust_env=False, follow_redirects=False) as client:
            request = await _pinned("POST", url, headers, resolve, permitted, body)
            answer = await client.send(request, stream=True)
            await answer.aclose()
    except TimeoutError as error:
        raise FetchError(f"{url} did not answer within {seconds:g} s") from error
    except (OSError, httpx.HTTPError) as error:
        raise FetchError(f"{url} could not be reached ({type(error).__name__})") from error
    if not answer.is_success:
        raise FetchError(f"{url} answered {answer.status_code}")


async def _pinned(
    method: str,
    url: str,
    headers: Mapping[str, str],
    resolve: Resolve,
    permitted: Callable[[Address], bool],
    body: bytes | None = None,
) -> httpx.Request:
    """Return a request to one of the addresses that the host has now, all of which are public."""
    target = target_of(url)
    port = target.port or (443 if target.scheme == "https" else 80)
    addresses = await resolve(target.host, port)
    if not addresses or not all(map(permitted, addresses)):
        raise FetchError(f"The host of {url} is not a public one; only public hosts are asked")
    # The name stays in the Host header and in the check of the certificate.
    return httpx.Request(
        method,
        target.copy_with(host=str(addresses[0])),
        headers={"Host": target.netloc.decode("ascii"), **headers},
        content=body,
        extensions={"sni_hostname": target.raw_host.decode("ascii"), "timeout": httpx.Timeout(None).as_dict()},
    )


async def _fetch(url: str, inbox: Inbox, resolve: Resolve, permitted: Callable[[Address], bool]) -> Incoming:
    request = await _pinned("GET", url, {"Accept": "*/*", "Accept-Encoding": "identity"}, resolve, permitted)
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as client:
        answer = await client.send(request, stream=True)
        try:
            if answer.is_redirect:
                raise FetchError(f"{url} redirects to another place; give the address of the file itself")
            if answer.status_code != 200:
                raise FetchError(f"{url} answered {answer.status_code}")
            writer = inbox.open(acceptable(answer.headers.get("content-type", OCTETS)))
            async for piece in answer.aiter_raw(65536):
                await run_in_threadpool(writer.write, piece)
        finally:
            await answer.aclose()
    return await run_in_threadpool(writer.close)


def target_of(url: str) -> httpx.URL:
    """Return an address that may be asked, as far as can be told before its host is looked up.

    :raises FetchError: it is none; says why.
    """
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise FetchError(f"{url[:200]!r} is not an address") from error
    if target.scheme not in ("http", "https") or not target.host:
        raise FetchError(f"{url[:200]!r} was given; only http and https addresses are asked")
    if target.userinfo:
        raise FetchError("An address with a user name was given; only public addresses are asked")
    return target
