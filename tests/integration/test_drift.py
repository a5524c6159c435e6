"""One event of a healthy connection never reaches us: the look beside the running service finds what it said."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from callcenter import drift
from callcenter.asterisk import events as ari
from callcenter.asterisk.decode import Unknown
from callcenter.asterisk.telephony import AsteriskTelephony
from callcenter.asterisk.translate import is_leg
from callcenter.contact.model import Phase
from tests.integration.conftest import Figure
from tests.kit.behaviour import Answer
from tests.kit.hotline import AGENT_HZ, CALLER_HZ, VIP, Hotline, brisk_site, data, hear_each_other, open_hotline
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

EVERY_S, GRACE_S = 1.0, 0.5
FOUND_S = 5.0  # two looks, and a busy machine
TALKER, WAITER = "0912000001", "0912000002"

Swallow = Callable[[type[ari.Event], bool], None]


@pytest.fixture(autouse=True)  # before any call center is opened
def swallow(monkeypatch: pytest.MonkeyPatch) -> Swallow:
    """`swallow(ari.StasisEnd, leg=False)`: the next event of that type, about a leg or about a caller, is not heard."""
    due: list[tuple[type[ari.Event], bool]] = []
    sound = AsteriskTelephony._heard

    def heard(self: AsteriskTelephony, event: ari.Event | Unknown) -> None:
        channel = getattr(event, "channel", None)
        about = (type(event), channel is not None and is_leg(channel.id))
        if about in due:
            due.remove(about)
        else:
            sound(self, event)

    monkeypatch.setattr(AsteriskTelephony, "_heard", heard)
    return lambda kind, leg: due.append((kind, leg))


@pytest.fixture
async def looking(
    var: Path, asterisk: RealAsterisk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Hotline]:
    """The call center with a look every second."""
    monkeypatch.setattr(drift, "EVERY_S", EVERY_S)
    monkeypatch.setattr(drift, "GRACE_S", GRACE_S)
    async with open_hotline(var, asterisk, database_url, brisk_site()) as running:
        await running.log_out_all()
        yield running


async def test_a_caller_whose_departure_is_lost_leaves_the_queue(
    looking: Hotline, trunk: Phone, swallow: Swallow, figure: Figure
) -> None:
    call = trunk.call(VIP, caller=WAITER)
    await looking.until_phase(Phase.QUEUED)
    swallow(ari.StasisEnd, False)
    await call.hang_up()
    found_s = await until(lambda: not looking.contacts, "the departure is found", FOUND_S)
    figure("a lost departure is found after (looks every 1 s), s", found_s)
    (story,) = await looking.stories()
    assert data(story[-1])["end_state"] == "abandoned_queue"
    assert looking.center.drift.mended == 1


async def test_a_caller_whose_arrival_is_lost_is_served(looking: Hotline, trunk: Phone, swallow: Swallow) -> None:
    swallow(ari.StasisStart, False)
    call = trunk.call(VIP, caller=WAITER)
    await looking.until_phase(Phase.QUEUED, within_s=FOUND_S)
    await call.hears_sound()
    assert looking.center.drift.mended == 1
    await call.hang_up()
    await looking.nothing_left()


async def test_an_agent_whose_answer_is_lost_is_joined(
    looking: Hotline, trunk: Phone, phones: Mapping[str, Phone], swallow: Swallow
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    await looking.log_in(phones["agent01"], "agent01")
    swallow(ari.StasisStart, True)
    call = trunk.call(VIP, caller=WAITER, tone_hz=CALLER_HZ)
    desk = await phones["agent01"].next_call()
    await hear_each_other(call, desk)
    assert looking.center.drift.mended == 1
    await call.hang_up()
    await looking.nothing_left()


async def test_an_agent_whose_hang_up_is_lost_is_free_and_the_caller_let_go(
    looking: Hotline, trunk: Phone, phones: Mapping[str, Phone], swallow: Swallow
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    await looking.log_in(phones["agent01"], "agent01")
    call, desk = await looking.talk(trunk, phones["agent01"])
    swallow(ari.ChannelDestroyed, True)
    await desk.hang_up()
    await call.ended(FOUND_S)
    await looking.nothing_left()
    assert looking.center.drift.mended == 1


async def test_a_prompt_whose_end_is_lost_is_followed_by_what_comes_next(
    var: Path,
    asterisk: RealAsterisk,
    database_url: str,
    trunk: Phone,
    swallow: Swallow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drift, "EVERY_S", EVERY_S)
    monkeypatch.setattr(drift, "GRACE_S", GRACE_S)
    async with open_hotline(var, asterisk, database_url) as hotline:
        await hotline.log_out_all()
        swallow(ari.PlaybackFinished, False)
        call = trunk.call(VIP, caller=WAITER)
        contact = await hotline.until_phase(Phase.QUEUED)
        assert contact.playback_id is not None, "an announcement comes before the music"
        await until(lambda: hotline.contacts[0].music_on, "the music begins", 20.0)
        await call.hears_sound()
        assert hotline.center.drift.mended == 1
        await call.hang_up()
        await hotline.nothing_left()


async def test_where_nothing_is_lost_nothing_is_found_however_often_one_looks(
    looking: Hotline, trunk: Phone, phones: Mapping[str, Phone], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "EVERY_S", 0.05)
    for agent_id in ("agent01", "agent02"):
        phones[agent_id].behaviour = Answer(tone_hz=AGENT_HZ, hang_up_after_s=0.5)
        await looking.log_in(phones[agent_id], agent_id)
    callers = [trunk.call(VIP, caller=f"09120000{number}") for number in range(10, 30)]
    for call in callers[::5]:
        call.begin_hang_up()
    await asyncio.gather(*(call.ended(40.0) for call in callers))
    await looking.nothing_left()
    assert looking.center.drift.mended == 0
