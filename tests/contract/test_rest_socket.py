"""REST over WebSocket against a real Asterisk: the same answers as by HTTP, and HTTP while a socket is away."""

import asyncio
import random
from collections.abc import AsyncIterator

import aiohttp
import pytest

from callcenter.asterisk.ari import Ari
from callcenter.asterisk.faults import TelephonyTimeout
from callcenter.errors import ChannelGone, TelephonyError
from tests.contract.line import background, eventually
from tests.kit.parts import RealAsterisk
from tests.kit.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture
async def ari(asterisk: RealAsterisk) -> AsyncIterator[Ari]:
    companion = asterisk.companion
    async with (
        # A hundred at once wait for each other, however slow the machine: what is answered counts here, not when.
        Ari(companion.ari_url, companion.ari_user, companion.ari_password, app="rest-socket", request_s=20.0) as client,
        background(client.keep_sockets(random.Random(1))),
    ):
        await until(lambda: client.sockets_up == 2, "both sockets are up")
        yield client


async def test_a_bridge_is_made_once_and_gone_for_good(ari: Ari) -> None:
    for _ in range(2):
        await ari.create_bridge("rest-socket-b1")
    assert "rest-socket-b1" in [bridge.id for bridge in await ari.bridges()]
    for _ in range(2):
        await ari.delete_bridge("rest-socket-b1")

    async def gone() -> bool:
        return "rest-socket-b1" not in [bridge.id for bridge in await ari.bridges()]

    await eventually(gone)


async def test_refusals_keep_their_kind(ari: Ari) -> None:
    with pytest.raises(ChannelGone):
        await ari.answer("nobody")
    with pytest.raises(TelephonyError, match="500"):
        await ari.create_bridge("rest-socket-b2", kind="no such kind")


async def test_a_hundred_requests_at_once_are_all_answered(ari: Ari) -> None:
    ids = [f"rest-socket-many-{n}" for n in range(100)]
    try:
        await asyncio.gather(*map(ari.create_bridge, ids))
        assert {bridge.id for bridge in await ari.bridges()} >= set(ids)
    finally:
        await asyncio.gather(*map(ari.delete_bridge, ids))


async def test_a_socket_whose_application_asterisk_forgot_is_found_by_its_silence_and_made_anew(
    asterisk: RealAsterisk,
) -> None:
    companion = asterisk.companion
    async with (
        Ari(companion.ari_url, companion.ari_user, companion.ari_password, app="rest-socket-deaf") as client,
        background(client.keep_sockets(random.Random(1))),
        aiohttp.ClientSession(headers={"Authorization": client.authorization}) as session,
    ):
        await until(lambda: client.sockets_up == 2, "both sockets are up")
        async with session.get(f"{client.url}/applications") as answer:
            names = [one["name"] for one in await answer.json() if one["name"].startswith("rest-socket-deaf")]
        assert len(names) == 2
        for name in names:
            # Whoever connects by that name takes it over; when they end, it ends, and the former is told no answer.
            other = await session.ws_connect(f"{client.url}/events?app={name}")
            await other.close()
        with pytest.raises(TelephonyTimeout):
            await client.create_bridge("rest-socket-b4")  # it was made all the same
        await until(lambda: client.sockets_up < 2, "the deaf socket is given up")

        async def answered() -> bool:
            try:
                for n in range(8):  # some on each of the two
                    await client.delete_bridge(f"rest-socket-b{n}")
            except TelephonyError:
                return False
            return client.sockets_up == 2

        await eventually(answered)


async def test_without_a_socket_requests_go_by_http(asterisk: RealAsterisk) -> None:
    companion = asterisk.companion
    async with Ari(companion.ari_url, companion.ari_user, companion.ari_password, app="rest-socket") as client:
        assert client.sockets_up == 0
        await client.create_bridge("rest-socket-b3")
        await client.delete_bridge("rest-socket-b3")
