"""Requests of flows to other systems: what a hostile one can answer, and where a request never goes."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult

from callcenter.egress import ANSWER_BYTES_MAX, Egress, NoAnswer, _Judge, at, is_public
from ivr.turn import Request
from tests.kit.ports import free_port

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class OtherSystem:
    """A server that answers as the test says; `place` is its host:port."""

    def __init__(self) -> None:
        self.handler: Handler
        self.seen: list[web.Request] = []
        self.bodies: list[Any] = []
        self.place = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        self.bodies.append(await request.json() if request.can_read_body else None)
        return await self.handler(request)

    def says(self, **given: Any) -> None:
        async def handler(_: web.Request) -> web.StreamResponse:
            return web.Response(**given)

        self.handler = handler

    def answers(self, document: object) -> None:
        async def handler(_: web.Request) -> web.StreamResponse:
            return web.json_response(document)

        self.handler = handler


@pytest.fixture
async def other() -> AsyncIterator[OtherSystem]:
    system = OtherSystem()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", system.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    system.place = f"127.0.0.1:{port}"
    yield system
    await runner.cleanup()


@pytest.fixture
async def egress(other: OtherSystem) -> AsyncIterator[Egress]:
    made = Egress([other.place])
    yield made
    await made.close()


def get(other: OtherSystem, *paths: str, path: str = "/orders") -> Request:
    return Request(f"http://{other.place}{path}", {}, None, paths)


async def why_not(egress: Egress, request: Request, within_s: float = 5.0) -> str:
    with pytest.raises(NoAnswer) as told:
        async with asyncio.timeout(within_s):
            await egress.send(request, "k1")
    return told.value.why


async def test_values_are_taken_from_where_they_lie_in_the_answer(other: OtherSystem, egress: Egress) -> None:
    other.answers({"order": {"status": "已出貨", "items": [{"price": 12.5}], "note": None, "open": True}})
    paths = ("order.status", "order.items.0.price", "order.items.1.price", "order.note", "order.open", "nowhere.at.all")
    assert await egress.send(get(other, *paths), "k1") == {
        "order.status": "已出貨",
        "order.items.0.price": 12.5,
        "order.open": True,
    }


async def test_what_the_caller_keyed_goes_into_query_and_body_as_it_is(other: OtherSystem, egress: Egress) -> None:
    other.answers({})
    await egress.send(Request(f"http://{other.place}/o/a%2Fb", {"n": "1&x=2 中", "yes": True}, None, ()), "k1")
    await egress.send(Request(f"http://{other.place}/o", {}, {"amount": 3, "text": '"}'}, ()), "contact.q1")
    first, second = other.seen
    assert (first.method, first.raw_path.partition("?")[0]) == ("GET", "/o/a%2Fb")
    assert dict(first.query) == {"n": "1&x=2 中", "yes": "true"}
    assert (second.method, other.bodies[1]) == ("POST", {"amount": 3, "text": '"}'})
    assert second.headers["Idempotency-Key"] == "contact.q1"
    assert "Cookie" not in second.headers


async def test_a_credential_is_read_from_its_file_and_goes_where_it_is_safe(other: OtherSystem, tmp_path: Path) -> None:
    other.answers({})
    (tmp_path / "shop").write_text("Bearer abc\n")
    (tmp_path / "broken").write_text("Bearer a\nX-Other: b")
    egress = Egress([other.place], tmp_path)
    request = get(other)
    await egress.send(replace(request, credential="shop"), "k1")
    assert other.seen[0].headers["Authorization"] == "Bearer abc"
    for name in ("gone", "broken"):
        assert await why_not(egress, replace(request, credential=name)) == "no_credential"
    plain = Request("http://shop.example/", {}, None, (), "shop")
    assert await why_not(egress, plain) == "unsafe_credential"
    assert await why_not(Egress([other.place]), replace(request, credential="shop")) == "no_credential"
    assert len(other.seen) == 1
    await egress.close()


@pytest.mark.parametrize("status", [404, 410])
async def test_what_does_not_exist_is_no_error(other: OtherSystem, egress: Egress, status: int) -> None:
    other.says(status=status, text="<h1>no</h1>", content_type="text/html")
    assert await egress.send(get(other, "a"), "k1") is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"status": 500}, "status_500"),
        ({"status": 401}, "status_401"),
        ({"status": 302, "headers": {"Location": "http://169.254.169.254/latest/meta-data"}}, "redirect"),
        ({"status": 307, "headers": {"Location": "http://10.0.0.1/"}}, "redirect"),
        ({"text": "<html></html>", "content_type": "text/html"}, "wrong_content_type"),
        ({"text": '{"a": 1', "content_type": "application/json"}, "not_json"),
        ({"text": '{"a": NaN}', "content_type": "application/json"}, "not_json"),
        ({"body": b'{"a": "\xff\xfe"}', "content_type": "application/json"}, "not_json"),
        ({"text": "[" * 50_000, "content_type": "application/json"}, "not_json"),
        ({"text": '{"a": {"b": 1}}', "content_type": "application/json"}, "wrong_type"),
        ({"text": " " * (ANSWER_BYTES_MAX + 1), "content_type": "application/json"}, "too_large"),
        ({"body": gzip.compress(b'{"a": 1}'), "content_type": "application/json",
          "headers": {"Content-Encoding": "gzip"}}, "wrong_content_type"),
    ],
)  # fmt: skip
async def test_an_answer_that_no_flow_could_use_is_an_error_with_its_reason(
    other: OtherSystem, egress: Egress, answer: dict[str, Any], why: str
) -> None:
    other.says(**answer)
    assert await why_not(egress, get(other, "a")) == why


async def test_an_endless_answer_is_cut_off_at_its_bound(other: OtherSystem, egress: Egress) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while sent < 100 * ANSWER_BYTES_MAX:
            await response.write(b" " * 4096)
            sent += 4096
        return response

    other.handler = endless
    assert await why_not(egress, get(other, "a")) == "too_large"
    assert sent < 100 * ANSWER_BYTES_MAX


async def test_an_answer_that_trickles_takes_no_longer_than_the_caller_waits(
    other: OtherSystem, egress: Egress
) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)

    other.handler = trickle
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await egress.send(get(other, "a"), "k1")


async def test_a_broken_server_and_one_that_is_not_there_are_unreachable() -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"\x00\x01 you\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(garbage, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    nowhere = free_port()
    egress = Egress([f"127.0.0.1:{port}", f"127.0.0.1:{nowhere}"])
    for each in (port, nowhere):
        assert await why_not(egress, Request(f"http://127.0.0.1:{each}/", {}, None, ())) == "unreachable"
    await egress.close()
    server.close()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[::ffff:8.8.8.8]",
     "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::]",
     "localhost", "127.1", "2130706433", "0x7f000001"],
)  # fmt: skip
async def test_no_request_goes_into_our_own_network_however_the_address_is_written(
    other: OtherSystem, host: str
) -> None:
    other.answers({})
    egress = Egress()
    why = await why_not(egress, Request(f"http://{host}:{other.place.partition(':')[2]}/", {}, None, ()))
    await egress.close()
    odd = {"127.1", "2130706433"}  # no address and no name either: the client refuses to look for it
    assert why == ("unreachable" if host in odd else "private_address")
    assert other.seen == []


async def test_a_name_with_one_private_address_among_its_addresses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def system(host: str, port: int, family: Any) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=each, port=port, family=socket.AF_INET, proto=0, flags=0)
            for each in ("93.184.216.34", "10.0.0.1")
        ]

    judge = _Judge([])
    monkeypatch.setattr(judge._system, "resolve", system)
    with pytest.raises(OSError, match="not in the public internet"):
        await judge.resolve("two-faced.example", 80)
    assert len(await _allowing(judge, "two-faced.example:80").resolve("two-faced.example", 80)) == 2


def _allowing(judge: _Judge, place: str) -> _Judge:
    judge._allowed = [place]
    return judge


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "1.1.1.1"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_path_leads_through_objects_and_lists_only() -> None:
    document = {"a": [{"b": "x"}], "n": 0, "s": "text", "": 1}
    assert (at(document, "a.0.b"), at(document, "n"), at(document, "s.0"), at(document, "a.1")) == ("x", 0, None, None)
    assert at(document, "a.-1") is None
    assert at([1], "999999999999") is None
