"""Offers that come to nothing go to the next agent at once; the caller keeps place, age and music."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from callcenter.contact.model import Phase
from callcenter.ports import DeviceSeen
from routing.model import RONA, Activity, Presence
from tests.integration.conftest import Figure
from tests.kit.behaviour import (
    BUSY,
    DECLINE,
    UNAVAILABLE,
    Answer,
    AnswerDespiteCancel,
    Behaviour,
    Reject,
    RingForEver,
    StaySilent,
)
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    NOBODY,
    VIP,
    Hotline,
    brisk_site,
    data,
    hear_each_other,
    one,
    open_hotline,
    outcomes,
    types,
    without_announcement,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

RING_S = 1.0
GAP_MS_MAX = 250.0  # a pause that nobody hears as an interruption, and room for a busy machine
AT_ONCE_S = 0.1


@dataclass(frozen=True, slots=True)
class Refusal:
    """What agent01's phone does, what becomes of the offer, and of the agent."""

    behaviour: Behaviour
    outcome: str
    presence: Presence = Presence.AVAILABLE
    aux_code: str | None = None


REFUSALS = {
    "refused": Refusal(DECLINE, "rejected"),
    "refused after ringing": Refusal(Reject(603, after_s=0.2), "rejected"),
    "busy": Refusal(BUSY, "busy"),
    "unavailable": Refusal(UNAVAILABLE, "unreachable"),
    "unanswered": Refusal(RingForEver(), "no_answer", Presence.AUX, RONA),
    "silent": Refusal(StaySilent(), "no_answer", Presence.AUX, RONA),
}


@pytest.fixture
async def short_rings(var: Path, asterisk: RealAsterisk, database_url: str) -> AsyncIterator[Hotline]:
    """The call center with phones that ring for a second, and music at once."""
    async with open_hotline(var, asterisk, database_url, without_announcement(brisk_site(ring_s=RING_S))) as running:
        await running.log_out_all()
        yield running


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_an_offer_that_comes_to_nothing_goes_to_the_next_agent_at_once_and_the_caller_keeps_age_and_music(
    short_rings: Hotline, trunk: Phone, phones: Mapping[str, Phone], refusal: Refusal
) -> None:
    hotline = short_rings
    phones["agent01"].behaviour = refusal.behaviour
    phones["agent02"].behaviour = Answer(after_s=0.2, tone_hz=AGENT_HZ)
    for agent_id in ("agent01", "agent02"):
        await hotline.log_in(phones[agent_id], agent_id)
    call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
    answered_at = await call.answered()
    desk = await phones["agent02"].next_call()
    assert call.longest_gap_ms(answered_at) < GAP_MS_MAX
    contact = await hotline.until_phase(Phase.TALKING)
    await hear_each_other(call, desk)
    assert (await phones["agent01"].next_call()).times.answered_at is None
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert outcomes(story) == [("agent01", refusal.outcome), ("agent02", "accepted")]
    entered = one(story, "queue.entered")
    assert contact.queued_at == pytest.approx(entered.at, abs=1e-5), "the same instant, in whole microseconds"
    waited_s = one(story, "talk.started").at - entered.at
    assert data(one(story, "queue.left"))["wait_s"] == pytest.approx(waited_s, abs=0.01)
    settled, offered = (next(e for e in story if e.type == t) for t in ("offer.settled", "queue.left"))
    again = [event for event in story if event.type == "offer.made"][1]
    assert again.at - settled.at < AT_ONCE_S
    assert offered.at > again.at
    # Music was begun once and never interrupted.
    counts = hotline.center.telephony.counts
    assert (counts["command.StartMusic"], counts["command.StopMusic"]) == (1, 1)
    last = (await hotline.agent_changes("agent01"))[-1]
    assert (last["activity"], last["presence"], last["aux_code"]) == ("idle", refusal.presence, refusal.aux_code)


async def test_a_phone_that_unregistered_is_not_offered_and_one_believed_registered_is_found_unreachable(
    short_rings: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    hotline = short_rings
    phones["agent02"].behaviour = Answer(tone_hz=AGENT_HZ)
    for agent_id in ("agent01", "agent02"):
        await hotline.log_in(phones[agent_id], agent_id)
    await phones["agent01"].unregister()
    await until(lambda: not hotline.agent("agent01").reachable, "the floor hears of it")
    call, _ = await hotline.talk(trunk, phones["agent02"])
    await call.hang_up()
    await hotline.nothing_left()
    # The news of its going may be on its way while the offer is made.
    hotline.center.floor.device(DeviceSeen("agent01", reachable=True))
    call, _ = await hotline.talk(trunk, phones["agent02"])
    await call.hang_up()
    await hotline.nothing_left()
    first, second = await hotline.stories()
    assert outcomes(first) == [("agent02", "accepted")]
    assert outcomes(second) == [("agent01", "unreachable"), ("agent02", "accepted")]
    assert hotline.agent("agent01").presence is Presence.AVAILABLE
    assert hotline.agent("agent01").activity is Activity.IDLE


async def test_a_caller_whom_nobody_takes_keeps_the_place_and_the_music_until_somebody_comes(
    short_rings: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    hotline = short_rings
    phones["agent01"].behaviour = DECLINE
    phones["agent02"].behaviour = RingForEver()
    phones["agent08"].behaviour = Answer(tone_hz=AGENT_HZ)
    for agent_id in ("agent01", "agent02"):
        await hotline.log_in(phones[agent_id], agent_id)
    call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
    answered_at = await call.answered()
    await until(lambda: hotline.agent("agent02").aux_code == RONA, "agent02 missed the offer")
    waiting = await hotline.until_phase(Phase.QUEUED)
    await call.hears_sound()
    assert call.longest_gap_ms(answered_at) < GAP_MS_MAX
    await phones["agent08"].register()
    hotline.center.floor.log_in("agent08")
    await hear_each_other(call, await phones["agent08"].next_call())
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert outcomes(story) == [("agent01", "rejected"), ("agent02", "no_answer"), ("agent08", "accepted")]
    assert one(story, "queue.entered").at == pytest.approx(waiting.queued_at, abs=1e-5)


async def test_an_agent_who_picks_up_as_the_offer_is_withdrawn_is_let_go_and_nobody_is_joined_with_them(
    short_rings: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    hotline = short_rings
    phones["agent01"].behaviour = AnswerDespiteCancel()
    phones["agent02"].behaviour = Answer(after_s=0.5, tone_hz=AGENT_HZ)
    for agent_id in ("agent01", "agent02"):
        await hotline.log_in(phones[agent_id], agent_id)
    call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
    late = await phones["agent01"].next_call()
    late.speak_tone(1000.0)
    await late.answered()
    await late.ended()
    assert late.ended_by == "them"
    await hear_each_other(call, await phones["agent02"].next_call())
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert outcomes(story) == [("agent01", "no_answer"), ("agent02", "accepted")]
    assert types(story).count("talk.started") == 1


async def test_the_next_agent_rings_within_moments_of_a_refusal(
    short_rings: Hotline, trunk: Phone, phones: Mapping[str, Phone], figure: Figure
) -> None:
    hotline = short_rings
    phones["agent01"].behaviour = BUSY
    phones["agent02"].behaviour = RingForEver()
    for agent_id in ("agent01", "agent02"):
        await hotline.log_in(phones[agent_id], agent_id)
    call = trunk.call(VIP, caller=NOBODY)
    refused = await phones["agent01"].next_call()
    ringing = await phones["agent02"].next_call()
    gap_s = ringing.times.invited_at - await refused.ended()
    figure("busy → next agent's INVITE, ms", gap_s * 1000)
    assert gap_s < 1.0
    await call.hang_up()
    await ringing.ended()
    await hotline.nothing_left()
