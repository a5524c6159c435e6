"""The kit proved on a real Asterisk with a plain dialplan: what later tests rely on, shown once for itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.kit.behaviour import BUSY, DECLINE, UNAVAILABLE, Answer, AnswerDespiteCancel, Reject, RingForEver
from tests.kit.call import CallEnded
from tests.kit.g711 import ULAW
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.registration import RegistrationRefused

pytestmark = pytest.mark.integration


@pytest.fixture
async def caller(plain_asterisk: RealAsterisk) -> AsyncIterator[Phone]:
    async with plain_asterisk.trunk() as trunk:
        yield trunk


@pytest.fixture
async def agent(plain_asterisk: RealAsterisk) -> AsyncIterator[Phone]:
    async with plain_asterisk.phone("agent01") as phone:
        await phone.register()
        yield phone


async def test_a_phone_registers_with_digest_and_takes_it_back(plain_asterisk: RealAsterisk, caller: Phone) -> None:
    async with plain_asterisk.phone("agent02") as phone:
        await phone.register()
        call = caller.call("agent02")
        await call.answered()
        await call.hang_up()
        await phone.unregister()
        unreachable = caller.call("agent02")
        with pytest.raises(CallEnded):
            await unreachable.answered()
        assert unreachable.status >= 400
        assert len(phone.calls) == 1


async def test_a_wrong_password_is_refused(plain_asterisk: RealAsterisk) -> None:
    async with Phone("agent01", plain_asterisk.sip_address, password="wrong") as stranger:
        with pytest.raises(RegistrationRefused) as refused:
            await stranger.register()
        assert refused.value.status in {401, 403}
        assert not stranger.registered


async def test_a_tone_comes_back_through_asterisk(caller: Phone) -> None:
    call = caller.call("echo", tone_hz=400)
    await call.hears(400)
    began_at = await call.hears(400)
    call.speak_tone(1000)
    await call.hears(1000)
    await call.hears_no_more(400)
    assert [round(peak.hz, -1) for peak in call.heard(0.2)] == [1000]
    assert call.longest_gap_ms(began_at) < 200
    await call.hang_up()
    assert (call.status, call.ended_by) == (200, "us")


async def test_a_tone_comes_back_in_the_other_law_too(plain_asterisk: RealAsterisk) -> None:
    async with Phone("0910000002", plain_asterisk.sip_address, laws=(ULAW,)) as phone:
        call = phone.call("echo", tone_hz=400)
        await call.hears(400)
        assert call.audio.heard.law is ULAW


async def test_tones_of_asterisk_are_heard_after_the_answer_and_before_it(caller: Phone) -> None:
    call = caller.call("tone")
    await call.hears(600)
    early = caller.call("early")
    await early.hears(600)
    assert early.times.ringing_at is not None
    assert early.times.answered_at is None
    await early.hang_up()
    assert early.status == 487


async def test_pressed_digits_are_read_by_asterisk_and_its_own_are_heard(caller: Phone) -> None:
    call = caller.call("digits")
    await call.answered()
    await call.press("1093")
    assert await call.hears_digits(8) == "10931093"


async def test_asterisk_hangs_up_with_a_reason(caller: Phone) -> None:
    call = caller.call("bye")
    await call.answered()
    await call.ended()
    assert call.ended_by == "them"
    assert "cause=17" in call.reason.replace(" ", "")


async def test_caller_and_agent_hear_each_other_and_either_hangs_up(caller: Phone, agent: Phone) -> None:
    agent.behaviour = Answer(after_s=0.1, tone_hz=700)
    for who in ("caller", "agent"):
        call = caller.call("agent01", caller="0910000007", display="王小明", tone_hz=400)
        desk = await agent.next_call()
        await asyncio.gather(call.hears(700), desk.hears(400))
        assert (desk.caller, desk.display) == ("0910000007", "王小明")
        assert call.times.ringing_at is not None
        await (call if who == "caller" else desk).hang_up()
        await asyncio.gather(call.ended(), desk.ended())
        assert (call.ended_by, desk.ended_by) == (("us", "them") if who == "caller" else ("them", "us"))


@pytest.mark.parametrize(("refusal", "seen"), [(BUSY, {486}), (DECLINE, {503}), (UNAVAILABLE, {480})])
async def test_a_refusal_of_the_agent_reaches_the_caller(
    caller: Phone, agent: Phone, refusal: Reject, seen: set[int]
) -> None:
    agent.behaviour = refusal
    call = caller.call("agent01")
    with pytest.raises(CallEnded):
        await call.answered()
    assert call.status in seen
    assert (await agent.next_call()).status == refusal.status


async def test_a_caller_who_hangs_up_stops_the_ringing_at_the_agent(caller: Phone, agent: Phone) -> None:
    agent.behaviour = RingForEver()
    call = caller.call("agent01")
    desk = await agent.next_call()
    await call.ringing()
    await call.hang_up()
    await desk.ended()
    assert desk.cancel is not None
    assert desk.times.cancelled_at is not None
    assert call.times.cancelled_at is not None
    assert desk.times.cancelled_at >= call.times.cancelled_at


async def test_an_answer_that_crosses_asterisks_cancel_is_ended_by_a_bye(caller: Phone, agent: Phone) -> None:
    agent.behaviour = AnswerDespiteCancel()
    call = caller.call("agent01")
    desk = await agent.next_call()
    await call.ringing()
    await call.hang_up()
    await desk.ended()
    assert desk.times.answered_at is not None
    assert desk.ended_by == "them"


async def test_a_held_caller_stops_hearing_the_agent_until_resumed(caller: Phone, agent: Phone) -> None:
    agent.behaviour = Answer(tone_hz=700)
    call = caller.call("agent01")
    desk = await agent.next_call()
    await call.hears(700)
    await desk.hold()
    await call.hears_no_more(700)
    await desk.resume()
    await call.hears(700)


async def test_a_registered_phone_that_calls_answers_the_challenge(plain_asterisk: RealAsterisk, agent: Phone) -> None:
    call = agent.call("echo", tone_hz=400)
    await call.hears(400)
    assert [answer.status for answer in call.answers if answer.status >= 200] == [401, 200]


async def test_an_unplugged_phone_leaves_the_caller_ringing_nowhere(
    plain_asterisk: RealAsterisk, caller: Phone
) -> None:
    async with plain_asterisk.phone("agent03") as phone:
        await phone.register()
        phone.unplug()
        call = caller.call("agent03")
        await call.trying()
        assert call.times.ringing_at is None
        await call.hang_up()
        assert call.status == 487


async def test_absurd_headers_reach_asterisk_without_harm(caller: Phone) -> None:
    huge = (("X-Huge", "x" * 40_000), ("X-Markup", "<script>\x01\x02"))
    call = caller.call("echo", display="<b>'\x07", extra_headers=huge)
    caller.send_raw(b"INVITE sip:echo@127.0.0.1 SIP/2.0\r\nVia: \xff\xfe\r\n\r\n")
    sane = caller.call("echo", tone_hz=400)
    await sane.hears(400)
    call.cut()
