"""What a caller says, as audio, on real Asterisk: it is theirs alone, and whenever one stops, nothing is left of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import numpy as np
import pytest

from callcenter.asterisk.ari import Ari
from callcenter.asterisk.ears import AsteriskEars
from callcenter.contact.model import Phase
from callcenter.errors import TelephonyError
from tests.integration.test_speech_by_phone import listening_asterisk
from tests.kit.hotline import CALLER_HZ, VIP, Hotline, access
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.tones import peaks

pytestmark = pytest.mark.integration

__all__ = ["listening_asterisk"]  # a fixture


@pytest.fixture(params=[8_000, 16_000])
async def ears(request: pytest.FixtureRequest, listening_asterisk: RealAsterisk) -> AsyncIterator[AsteriskEars]:
    made = AsteriskEars(access(listening_asterisk.companion), "callcenter", request.param)
    yield made
    await made.close()


async def only_the_caller_is_left(asterisk: RealAsterisk, channel_id: str, what: str) -> None:
    """Wait until there is no other channel, and no bridge; a hang-up takes Asterisk a moment."""
    companion = asterisk.companion
    deadline = time.monotonic() + 5.0
    async with Ari(companion.ari_url, companion.ari_user, companion.ari_password, app="look") as ari:
        while True:
            left = {each.id for each in await ari.channels()} | {each.id for each in await ari.bridges()}
            if left == {channel_id}:
                return
            assert time.monotonic() < deadline, f"{what}: {left}"
            await asyncio.sleep(0.01)


async def test_the_caller_alone_is_heard_while_music_plays_to_them(
    hotline: Hotline, trunk: Phone, ears: AsteriskEars, request: pytest.FixtureRequest
) -> None:
    rate: int = request.node.callspec.params["ears"]
    await hotline.log_out_all()
    call = trunk.call(VIP, tone_hz=CALLER_HZ)
    contact = await hotline.until_phase(Phase.QUEUED)
    await call.hears_sound()
    listening_id, heard = f"{contact.contact_id}.l1", b""
    async with aclosing(ears.hear(listening_id, contact.channel_id)) as audio:
        async for frame in audio:
            heard += frame
            if len(heard) >= 2 * rate:
                break
    found = peaks(np.frombuffer(heard, dtype="<i2")[rate // 2 :], rate)
    assert [round(each.hz / 10) * 10 for each in found] == [CALLER_HZ]
    await ears.shut(listening_id)
    await only_the_caller_is_left(hotline.asterisk, contact.channel_id, "after a second")
    await call.hang_up()
    await hotline.nothing_left()


async def test_whenever_one_stops_listening_nothing_is_left_and_the_caller_stays(
    hotline: Hotline, trunk: Phone, ears: AsteriskEars
) -> None:
    await hotline.log_out_all()
    call = trunk.call(VIP, tone_hz=CALLER_HZ)
    contact = await hotline.until_phase(Phase.QUEUED)
    made: set[str] = set()

    async def hear(listening_id: str) -> None:
        async with aclosing(ears.hear(listening_id, contact.channel_id)) as audio:
            async for _ in audio:
                made.add(listening_id)

    for n in range(60):
        listening_id = f"{contact.contact_id}.l{n}"
        hearing = asyncio.create_task(hear(listening_id))
        await asyncio.sleep(n / 2000)
        hearing.cancel()
        with suppress(asyncio.CancelledError, TelephonyError):
            await hearing
        await ears.shut(listening_id)
        await only_the_caller_is_left(hotline.asterisk, contact.channel_id, f"after {n / 2} ms")
    assert 0 < len(made) < 60, "some were stopped before they heard anything, and some after"
    await call.hang_up()
    await hotline.nothing_left()
