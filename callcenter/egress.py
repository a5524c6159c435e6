"""Requests of flows to other systems: JSON over HTTP, bounded in time and size, and never into our own network.

The guard is at the connection: a host's addresses are judged as they are resolved, and the connection goes to one of
the judged addresses, so a name that changes its mind between the two (DNS rebinding) gains nothing. Redirects are not
followed at all, proxies of the environment are not used, and cookies are not kept.
"""

import asyncio
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from callcenter.errors import CallCenterError
from ivr.expression import Value
from ivr.turn import Request

ANSWER_BYTES_MAX: Final = 65_536
CONNECTIONS_MAX: Final = 100
CONNECTIONS_PER_HOST_MAX: Final = 20
CONNECT_S: Final = 2.0

# Addresses that carry an IPv4 address inside, which a gateway may unpack: mapped, NAT64, 6to4, Teredo.
_TRANSLATED: Final = tuple(
    map(ip_network, ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
)
_NOT_FOUND: Final = frozenset({404, 410})


class NoAnswer(CallCenterError):
    """There is no answer that a flow could use.

    `why` is private_address, no_credential, unsafe_credential, unreachable, redirect, status_<n>, too_large,
    wrong_content_type, not_json or wrong_type.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"no answer: {why}")
        self.why = why


class _Private(OSError):
    """The host has an address that is not of the public internet."""


class Egress:
    """One client for all flows; `close` it. `allowed` are host:port that may be anywhere, as the operator says.

    `credentials` is a folder of files: each is named like a credential and holds its Authorization header.
    """

    def __init__(self, allowed: Collection[str] = (), credentials: Path | None = None) -> None:
        self._allowed = frozenset(allowed)
        self._credentials = credentials
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request, key: str) -> Mapping[str, Value] | None:
        """The values at the request's paths, as far as they are there; None if the thing asked for does not exist.

        `key` goes along with a POST, so that who answers can tell a repeated one (Idempotency-Key). Raises NoAnswer.
        The time is the caller's to limit.
        """
        url = URL(request.url, encoded=True).update_query({name: _text(each) for name, each in request.query.items()})
        self._judge_literal(url)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "callcenter"}
        if request.credential is not None:
            headers["Authorization"] = await self._credential(url, request.credential)
        options: dict[str, Any] = {}
        if request.body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": key}
            options["data"] = msgspec.json.encode(request.body)
        method = "GET" if request.body is None else "POST"
        try:
            async with self._client().request(
                method, url, headers=headers, allow_redirects=False, **options
            ) as response:
                return await _read(response, request.paths)
        except aiohttp.ClientConnectorError as error:
            raise NoAnswer("private_address" if isinstance(error.os_error, _Private) else "unreachable") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswer("unreachable") from error

    async def close(self) -> None:
        """Give all connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=CONNECTIONS_MAX,
                limit_per_host=CONNECTIONS_PER_HOST_MAX,
                resolver=_Judge(self._allowed),
                use_dns_cache=False,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def _credential(self, url: URL, name: str) -> str:
        """What logs us in; it goes over TLS, or to where the operator allows it."""
        if url.scheme != "https" and f"{url.host}:{url.port}" not in self._allowed:
            raise NoAnswer("unsafe_credential")
        try:
            assert self._credentials is None or "/" not in name, "the check lets no flow name another folder"
            text = "" if self._credentials is None else await asyncio.to_thread((self._credentials / name).read_text)
        except (OSError, UnicodeDecodeError) as error:
            raise NoAnswer("no_credential") from error
        if not text.strip().isprintable() or not text.strip().isascii() or not text.strip():
            raise NoAnswer("no_credential")
        return text.strip()

    def _judge_literal(self, url: URL) -> None:
        """An address written as such is not resolved, so the resolver does not see it."""
        try:
            address = ip_address(url.host or "")
        except ValueError:
            return
        if not is_public(address) and f"{url.host}:{url.port}" not in self._allowed:
            raise NoAnswer("private_address")


class _Judge(AbstractResolver):
    """Resolves like the system does, and refuses hosts of which any address is not public."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = allowed
        self._system = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """The host's addresses; raises OSError if there are none or they are not ours to reach."""
        found = await self._system.resolve(host, port, family)
        if f"{host}:{port}" not in self._allowed and not all(is_public(ip_address(each["host"])) for each in found):
            raise _Private(f"{host} is not in the public internet")
        return found

    async def close(self) -> None:
        """Nothing is held."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address is of the public internet: not private, loopback, link-local, reserved or multicast."""
    inside = isinstance(address, IPv6Address) and (
        address.scope_id is not None or any(address in network for network in _TRANSLATED)
    )
    return not inside and address.is_global and not address.is_multicast


def at(document: object, path: str) -> Value | None:
    """What lies at a path such as order.items.0.price; None where nothing is. Raises NoAnswer for a whole object."""
    for part in path.split("."):
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and len(part) < 6 and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    if document is None or isinstance(document, str | int | float | bool):
        return document
    raise NoAnswer("wrong_type")


async def _read(response: aiohttp.ClientResponse, paths: tuple[str, ...]) -> Mapping[str, Value] | None:
    if response.status in _NOT_FOUND:
        return None
    if 300 <= response.status < 400:
        raise NoAnswer("redirect")
    if not 200 <= response.status < 300:
        raise NoAnswer(f"status_{response.status}")
    if not paths:
        return {}  # that it went well is all there is to know
    kind = response.content_type
    if (kind != "application/json" and not kind.endswith("+json")) or "Content-Encoding" in response.headers:
        raise NoAnswer("wrong_content_type")
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise NoAnswer("too_large")
    try:
        document = msgspec.json.decode(bytes(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoAnswer("not_json") from error
    return {path: value for path in paths if (value := at(document, path)) is not None}


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
