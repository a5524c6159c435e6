"""Our telephony port on a real Asterisk with real phones: commands asked, signals heard, sound that arrives."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from callcenter.asterisk.quiet import QUIET_S
from callcenter.asterisk.telephony import AsteriskTelephony
from callcenter.contact.commands import (
    CapLease,
    DropBridge,
    HangUp,
    HoldLease,
    Join,
    RingDesk,
    Say,
    SendToFallback,
    StartMusic,
    StartRecording,
    StopMusic,
    StopRecording,
    StopSaying,
    TakeCall,
)
from callcenter.contact.signals import (
    AgentAnswered,
    AgentLegEnded,
    AgentRinging,
    CallerLeft,
    CommandFailed,
    DigitPressed,
    PromptEnded,
    Signal,
)
from callcenter.ports import CallerAtTheDoor, DeviceSeen
from tests.contract.line import Sink, eventually, telephony_on
from tests.kit.behaviour import Answer, RingForEver
from tests.kit.call import Call
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone

pytestmark = pytest.mark.integration

TALK_S = 0.5  # long enough that something of it is recorded

CONTACT = "0193cccc-0000-7000-8000-00000000000"


@pytest.fixture
async def sink() -> Sink:
    return Sink()


@pytest.fixture
async def telephony(asterisk: RealAsterisk, sink: Sink) -> AsyncIterator[AsteriskTelephony]:
    async with telephony_on(asterisk, sink) as telephony:
        yield telephony


@pytest.fixture
async def trunk(asterisk: RealAsterisk) -> AsyncIterator[Phone]:
    async with asterisk.trunk() as phone:
        yield phone


@pytest.fixture
async def agent(asterisk: RealAsterisk) -> AsyncIterator[Phone]:
    async with asterisk.phone("agent01", Answer(tone_hz=700)) as phone:
        await phone.register()
        yield phone


class Visit:
    """One caller on the way: their call, their channel, and ids for what belongs to them."""

    def __init__(self, telephony: AsteriskTelephony, call: Call, caller: CallerAtTheDoor, number: int) -> None:
        self.telephony = telephony
        self.call = call
        self.channel_id = caller.channel_id
        self.contact_id = f"{CONTACT}{number}"
        self.leg_id = f"{self.contact_id}.o1"
        self.bridge_id = f"{self.contact_id}.b1"

    def ring(self, agent_id: str, ring_s: float = 10.0) -> None:
        self.telephony.submit(
            RingDesk(self.leg_id, agent_id, self.contact_id, self.channel_id, "0910000001", '王 "小明" <x>', ring_s)
        )


async def visit(telephony: AsteriskTelephony, sink: Sink, trunk: Phone, number: int, tone_hz: float = 400) -> Visit:
    """A caller who has arrived and was taken."""
    call = trunk.call("0800000100", caller=f"091000000{number}", tone_hz=tone_hz)
    caller = await sink.caller(f"091000000{number}")
    one = Visit(telephony, call, caller, number)
    telephony.submit(TakeCall(one.channel_id, one.contact_id))
    await call.answered()
    return one


async def idle(telephony: AsteriskTelephony) -> None:
    """Every command has been carried out."""

    async def is_idle() -> bool:
        return telephony.in_flight == 0

    await eventually(is_idle)


async def test_a_caller_is_served_and_both_hear_each_other(
    asterisk: RealAsterisk, telephony: AsteriskTelephony, sink: Sink, trunk: Phone, agent: Phone
) -> None:
    one = await visit(telephony, sink, trunk, 1)
    telephony.submit(StartMusic(one.channel_id, "default"))
    one.ring("agent01")
    await sink.heard(one.leg_id, AgentRinging(one.leg_id), AgentAnswered(one.leg_id))
    files = (f"contract/{one.contact_id}-caller.wav", f"contract/{one.contact_id}-agent.wav")
    telephony.submit(StopMusic(one.channel_id))
    telephony.submit(Join(one.bridge_id, (one.channel_id, one.leg_id)))
    telephony.submit(StartRecording(f"{one.contact_id}.r1", one.channel_id, *files))
    ringing = await agent.next_call()
    await one.call.hears(700)
    await ringing.hears(400)
    assert [round(peak.hz, -1) for peak in one.call.heard(0.3)] == [700], "the music went on under the talk"
    assert (ringing.caller, ringing.display) == ("0910000001", "王 小明 x")
    assert await telephony.bridges() == [one.bridge_id]
    seen = {channel.channel_id: channel for channel in await telephony.survey()}
    assert {seen[one.channel_id].role, seen[one.leg_id].role} == {"caller", "agent"}
    assert {channel.contact_id for channel in seen.values()} == {one.contact_id}
    assert all(channel.up and channel.in_stasis for channel in seen.values())
    assert seen[one.channel_id].dialed == "0800000100"
    await asyncio.sleep(TALK_S)
    telephony.submit(StopRecording(f"{one.contact_id}.r1", one.channel_id))
    await one.call.hang_up()
    await sink.heard(one.channel_id, CallerLeft("caller"))
    telephony.submit(HangUp(one.leg_id))
    telephony.submit(DropBridge(one.bridge_id))
    await sink.heard(one.leg_id, AgentLegEnded(one.leg_id, cause=16))
    await idle(telephony)
    assert not [signal for _, signal in sink.signals if isinstance(signal, CommandFailed)]
    assert (await telephony.survey(), await telephony.bridges()) == ([], [])
    sizes = {(asterisk.companion.recordings_dir / file).stat().st_size for file in files}
    assert len(sizes) == 1, "both sides are equally long"
    assert sizes.pop() > 1_000


async def test_keys_and_prompts_come_back_as_signals_and_a_lane_keeps_its_order(
    telephony: AsteriskTelephony, sink: Sink, trunk: Phone
) -> None:
    one = await visit(telephony, sink, trunk, 2)
    prompts = [f"{one.contact_id}.p{number}" for number in range(1, 6)]
    for playback_id in prompts:
        telephony.submit(Say(one.channel_id, playback_id, ("fallback_please_hold",), "en"))
        telephony.submit(StopSaying(one.channel_id, playback_id))
    for playback_id in prompts:
        await sink.heard(playback_id, PromptEnded(playback_id))
    ended = [signal.playback_id for _, signal in sink.signals if isinstance(signal, PromptEnded)]
    assert ended == prompts
    telephony.submit(Say(one.channel_id, f"{one.contact_id}.p9", ("no_such_prompt",), "en"))
    await sink.heard(f"{one.contact_id}.p9", PromptEnded(f"{one.contact_id}.p9", failed=True))
    await one.call.press("5")
    await sink.heard(one.channel_id, DigitPressed("5"))
    await one.call.hang_up()
    await sink.heard(one.channel_id, CallerLeft("caller"))


async def test_a_withdrawn_offer_stops_ringing_and_says_answered_elsewhere(
    telephony: AsteriskTelephony, sink: Sink, trunk: Phone, agent: Phone
) -> None:
    agent.behaviour = RingForEver()
    one = await visit(telephony, sink, trunk, 3)
    one.ring("agent01")
    ringing = await agent.next_call()
    telephony.submit(HangUp(one.leg_id, "answered_elsewhere"))
    await ringing.ended()
    await sink.heard(one.leg_id, AgentLegEnded(one.leg_id, cause=26))
    await one.call.hang_up()


async def test_failures_come_back_to_the_contact(telephony: AsteriskTelephony, sink: Sink, trunk: Phone) -> None:
    one = await visit(telephony, sink, trunk, 4)
    one.ring("agent08")
    await sink.heard(one.leg_id, CommandFailed("RingDesk", one.leg_id, "unreachable"))
    await one.call.hang_up()
    await sink.heard(one.channel_id, CallerLeft("caller"))

    async def gone() -> bool:
        return await telephony.survey() == []

    await eventually(gone)  # who has hung up is still there for a moment, and may still be answered
    playback_id = f"{one.contact_id}.p1"
    lost: list[tuple[str, Signal]] = [
        (one.channel_id, CommandFailed("TakeCall", one.channel_id, "gone", gone=True)),
        (playback_id, CommandFailed("Say", playback_id, "gone", gone=True)),
    ]
    telephony.submit(TakeCall(one.channel_id, one.contact_id))
    telephony.submit(Say(one.channel_id, playback_id, ("goodbye",), "en"))
    for resource_id, failure in lost:
        await sink.heard(resource_id, failure)
    one.ring("agent08")
    await sink.until(lambda: _late_ring_failed(sink, one))
    telephony.submit(HangUp(one.channel_id))
    telephony.submit(StopSaying(one.channel_id, playback_id))
    telephony.submit(DropBridge(one.bridge_id))
    telephony.submit(StopRecording(f"{one.contact_id}.r1", one.channel_id))
    telephony.submit(HoldLease(one.channel_id))
    telephony.submit(CapLease(one.channel_id))
    await idle(telephony)
    assert [kind for kind in telephony.counts if kind.startswith("failed.")] == [
        "failed.RingDesk", "failed.TakeCall", "failed.Say"
    ], "to end what has ended is no failure"  # fmt: skip
    assert telephony.leases_held == 0


def _late_ring_failed(sink: Sink, one: Visit) -> bool:
    """RingDesk for a caller who is gone says `gone`, so that nobody takes the desk for unreachable."""
    failures = [signal for to, signal in sink.signals if to == one.leg_id and isinstance(signal, CommandFailed)]
    return len(failures) == 2 and failures[1].gone


async def test_a_held_lease_outlasts_its_term_and_one_that_is_not_renewed_does_not(
    asterisk: RealAsterisk, sink: Sink, trunk: Phone
) -> None:
    async with telephony_on(asterisk, sink, lease_s=1.5) as telephony:
        one = await visit(telephony, sink, trunk, 5)
        telephony._leases.hurry()
        other = await visit(telephony, sink, trunk, 6)
        await telephony._ami.absolute_timeout(one.channel_id, 1)
        await telephony._ami.absolute_timeout(other.channel_id, 2)
        telephony._leases.forget(other.channel_id)
        await sink.heard(other.channel_id, CallerLeft("fallback"))
        left = [to for to, signal in sink.signals if isinstance(signal, CallerLeft)]
        assert left == [other.channel_id]
        telephony.submit(CapLease(one.channel_id))
        await idle(telephony)
        assert telephony.leases_held == 0
        await one.call.hang_up()
        await other.call.hang_up()


async def test_a_caller_sent_to_the_fallback_hears_it(telephony: AsteriskTelephony, sink: Sink, trunk: Phone) -> None:
    one = await visit(telephony, sink, trunk, 7)

    async def hears_something() -> bool:
        return bool(one.call.heard(0.5))

    telephony.submit(SendToFallback(one.channel_id))
    await sink.heard(one.channel_id, CallerLeft("fallback"))
    await eventually(hears_something)
    assert one.call.is_up
    await one.call.hang_up()


@pytest.mark.usefixtures("telephony")
async def test_phones_that_come_and_go_are_told(asterisk: RealAsterisk, sink: Sink) -> None:
    async with asterisk.phone("agent07") as phone:
        await phone.register()
        await sink.until(lambda: DeviceSeen("agent07", True) in sink.devices)
    await sink.until(lambda: [seen.reachable for seen in sink.devices if seen.agent_id == "agent07"] == [True, False])


async def test_an_agent_who_dials_out_is_shown_out(asterisk: RealAsterisk, telephony: AsteriskTelephony) -> None:
    async with asterisk.phone("agent06") as phone:
        await phone.register()
        call = phone.call("0800000100")
        await call.ended()
        assert call.status == 503
        assert telephony.counts["strangers"] == 1


async def test_commands_wait_for_the_link_and_then_fail(
    telephony: AsteriskTelephony, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callcenter.asterisk.telephony.GATE_S", 0.1)
    telephony._up.clear()
    telephony.submit(StartMusic("n1-1.1", "default"))
    await sink.heard("n1-1.1", CommandFailed("StartMusic", "n1-1.1", "timeout"))


async def test_while_we_care_for_a_caller_there_is_quiet_behind_a_prompt_and_music_once_nobody_does(
    asterisk: RealAsterisk, sink: Sink, trunk: Phone
) -> None:
    async with telephony_on(asterisk, sink) as telephony:
        one = await visit(telephony, sink, trunk, 3)
        playback_id = f"{one.contact_id}.p1"
        telephony.submit(Say(one.channel_id, playback_id, ("welcome",), "en"))
        await sink.heard(playback_id, PromptEnded(playback_id))
        await one.call.hears_silence()
        until_at = asyncio.get_running_loop().time() + 2 * QUIET_S
        while asyncio.get_running_loop().time() < until_at:
            assert not one.call.heard(0.2), "a caller whom we care for hears the music of who was left"
            await asyncio.sleep(0.05)
    await one.call.hears_sound(within_s=QUIET_S + 2.0)
    await one.call.hang_up()


async def test_no_music_comes_up_behind_a_prompt_under_the_talk_that_follows_it(
    telephony: AsteriskTelephony, sink: Sink, trunk: Phone, agent: Phone
) -> None:
    one = await visit(telephony, sink, trunk, 4)
    playback_id = f"{one.contact_id}.p1"
    telephony.submit(Say(one.channel_id, playback_id, ("welcome",), "en"))
    one.ring("agent01")
    await sink.heard(one.leg_id, AgentAnswered(one.leg_id))
    telephony.submit(StopSaying(one.channel_id, playback_id))
    telephony.submit(Join(one.bridge_id, (one.channel_id, one.leg_id), cut_prompt=True))
    await one.call.hears(700)
    until_at = asyncio.get_running_loop().time() + QUIET_S + 1.0
    while asyncio.get_running_loop().time() < until_at:
        await asyncio.sleep(0.3)
        assert {round(peak.hz, -2) for peak in one.call.heard(0.3)} == {700.0}
    await one.call.hang_up()
