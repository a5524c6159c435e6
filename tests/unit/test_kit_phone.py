"""Two phones of the kit on loopback: every way a call begins and ends, before Asterisk joins in."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.kit.behaviour import BUSY, DECLINE, UNAVAILABLE, Answer, AnswerDespiteCancel, Reject, RingForEver
from tests.kit.call import CallEnded, CallTimeout
from tests.kit.listener import NotHeard
from tests.kit.phone import Phone
from tests.kit.waiting import until


@dataclass(frozen=True, slots=True)
class Pair:
    caller: Phone
    agent: Phone


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    nowhere = ("127.0.0.1", 9)
    async with Phone("agent01", nowhere) as agent, Phone("trunk", agent.stack.address) as caller:
        yield Pair(caller, agent)
        assert agent.faults == caller.faults == []


async def test_both_sides_of_an_answered_call_hear_each_other(pair: Pair) -> None:
    pair.agent.behaviour = Answer(tone_hz=700)
    call = pair.caller.call("agent01", caller="0910000001", display="王小明", tone_hz=400)
    desk = await pair.agent.next_call()
    await call.answered()
    await desk.hears(400)
    await call.hears(700)
    assert [round(peak.hz) for peak in call.heard(0.2)] == [700]
    assert (desk.caller, desk.display) == ("0910000001", "王小明")
    assert desk.longest_gap_ms() < 500
    await call.hang_up()
    await desk.ended()
    assert (call.ended_by, desk.ended_by) == ("us", "them")
    assert desk.times.bye_at is not None


async def test_the_side_that_answered_can_hang_up_too(pair: Pair) -> None:
    pair.agent.behaviour = Answer(after_s=0.05, hang_up_after_s=0.05)
    call = pair.caller.call("agent01")
    await call.ringing()
    await call.answered()
    await call.ended()
    assert call.ended_by == "them"
    assert call.times.ringing_at is not None
    assert call.times.answered_at is not None
    assert call.times.ringing_at <= call.times.answered_at


@pytest.mark.parametrize("refusal", [BUSY, DECLINE, UNAVAILABLE])
async def test_a_refused_call_ends_with_the_status_of_the_refusal(pair: Pair, refusal: Reject) -> None:
    pair.agent.behaviour = refusal
    call = pair.caller.call("agent01")
    with pytest.raises(CallEnded):
        await call.answered()
    assert call.status == refusal.status
    assert call.ended_by == "them"


async def test_a_caller_who_gives_up_cancels_the_ringing_phone(pair: Pair) -> None:
    pair.agent.behaviour = RingForEver()
    call = pair.caller.call("agent01")
    await call.ringing()
    with pytest.raises(CallTimeout):
        await call.answered(within_s=0.05)
    await call.hang_up()
    desk = await pair.agent.next_call()
    await desk.ended()
    assert desk.cancel is not None
    assert desk.times.cancelled_at is not None
    assert (call.status, desk.status, desk.ended_by) == (487, 487, "them")


async def test_an_answer_that_crosses_the_cancel_is_followed_by_a_bye(pair: Pair) -> None:
    pair.agent.behaviour = AnswerDespiteCancel()
    call = pair.caller.call("agent01")
    await call.ringing()
    await call.hang_up()
    desk = await pair.agent.next_call()
    await desk.ended()
    assert desk.times.answered_at is not None
    assert desk.times.bye_at is not None


async def test_pressed_digits_arrive_once_each_and_in_order(pair: Pair) -> None:
    call = pair.caller.call("agent01")
    await call.answered()
    desk = await pair.agent.next_call()
    await call.press("10#")
    assert await desk.hears_digits(3) == "10#"


async def test_a_held_party_hears_nothing_until_resumed(pair: Pair) -> None:
    pair.agent.behaviour = Answer(tone_hz=700)
    call = pair.caller.call("agent01")
    await call.hears(700)
    desk = await pair.agent.next_call()
    await desk.hold()
    assert call.held_by_them
    await call.hears_no_more(700)
    with pytest.raises(NotHeard):
        await call.hears(700, within_s=0.1)
    await desk.resume()
    await call.hears(700)
    assert not call.held_by_them


async def test_a_repeated_invite_is_answered_alike_and_makes_one_call(pair: Pair) -> None:
    pair.agent.behaviour = RingForEver()
    call = pair.caller.call("agent01")
    await call.ringing()
    pair.caller.send_raw(call.sent_invite.to_bytes())
    await until(lambda: len(call.answers) == 2, "the repeated INVITE is answered again")
    assert [answer.status for answer in call.answers] == [180, 180]
    assert len(pair.agent.calls) == 1


async def test_a_lost_ack_is_sent_again_when_the_answer_is_repeated(pair: Pair) -> None:
    call = pair.caller.call("agent01")
    await call.answered()
    repeated = next(answer for answer in call.answers if answer.status == 200)
    pair.agent.stack.send_raw(repeated.to_bytes(), pair.caller.stack.address)
    await until(lambda: [answer.status for answer in call.answers].count(200) == 2, "the 200 comes twice")
    desk = await pair.agent.next_call()
    await until(lambda: desk.acks == 2, "both are acknowledged")
    assert call.is_up


async def test_bytes_that_are_not_sip_are_counted_and_harm_nobody(pair: Pair) -> None:
    pair.caller.send_raw(b"INVITE nonsense\r\n\r\n")
    call = pair.caller.call("agent01")
    await call.answered()
    assert pair.agent.stack.malformed == 1


async def test_closing_a_phone_ends_its_calls_and_frees_its_port() -> None:
    async with Phone("agent01", ("127.0.0.1", 9)) as agent:
        async with Phone("trunk", agent.stack.address) as caller:
            port = caller.stack.address[1]
            await caller.call("agent01").answered()
        desk = await agent.next_call()
        await desk.ended()
        async with Phone("trunk", agent.stack.address, port=port):
            pass
    assert asyncio.all_tasks() == {asyncio.current_task()}
