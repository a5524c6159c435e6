"""What the ACD decides, on real phones: several ring at once, steps and ways out are taken, the closed stay closed."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callcenter.asterisk.ari import Ari
from callcenter.config.site import Site
from callcenter.contact.model import Phase
from routing.model import Exit, ExitKind, Step
from routing.requirement import ANYONE, Held
from tests.kit.behaviour import Answer, AnswerDespiteCancel, RingForEver
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

GOODBYE, VOICEMAIL = Exit(ExitKind.GOODBYE), Exit(ExitKind.VOICEMAIL)
ORDERS = Exit(ExitKind.QUEUE, "orders")
GAP_MS_MAX = 250.0


def site(**vip: Any) -> Site:
    """The demo site without rules, whose VIP queue takes any agent, and has these settings besides."""
    plain = without_announcement(replace(brisk_site(), rules=()))
    whole: dict[str, Any] = {
        "requires": ANYONE,
        "needs": {},
        "steps": (Step(),),
        "exit_to": None,
        "exit_after_s": 0.0,
    } | vip
    return replace(plain, queues={**plain.queues, "vip": replace(plain.queues["vip"], **whole)})


async def agents_in(hotline: Hotline, phones: Mapping[str, Phone], *agent_ids: str) -> None:
    """These agents and nobody else are at work."""
    await hotline.log_out_all()
    for agent_id in agent_ids:
        await hotline.log_in(phones[agent_id], agent_id)


async def until_in_context(hotline: Hotline, context: str, within_s: float = 5.0) -> None:
    """Wait until Asterisk's only channel is in this context of the dialplan."""
    companion, app = hotline.asterisk.companion, hotline.center.settings.app
    async with (
        asyncio.timeout(within_s),
        Ari(companion.ari_url, companion.ari_user, companion.ari_password, app=app) as ari,
    ):
        while True:
            if [channel.dialplan.context for channel in await ari.channels()] == [context]:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("auto_answer", [True, False])
async def test_a_phone_is_asked_to_pick_up_by_itself_only_where_the_queue_says_so(
    var: Path,
    asterisk: RealAsterisk,
    database_url: str,
    trunk: Phone,
    phones: Mapping[str, Phone],
    auto_answer: bool,
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with open_hotline(var, asterisk, database_url, site(auto_answer=auto_answer)) as hotline:
        await agents_in(hotline, phones, "agent01")
        call, desk = await hotline.talk(trunk, phones["agent01"])
        told = ("answer-after=0" in desk.header("Call-Info"), "alert-autoanswer" in desk.header("Alert-Info"))
        assert told == (auto_answer, auto_answer)
        await call.hang_up()
        await hotline.nothing_left()


async def test_of_several_phones_that_ring_the_first_answer_wins_and_the_others_log_no_missed_call(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = RingForEver()
    phones["agent02"].behaviour = Answer(after_s=0.5, tone_hz=AGENT_HZ)
    async with open_hotline(var, asterisk, database_url, site(ring_several=2)) as hotline:
        await agents_in(hotline, phones, "agent01", "agent02")
        call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
        rung, desk = await phones["agent01"].next_call(), await phones["agent02"].next_call()
        await hear_each_other(call, desk)
        await rung.ended()
        assert rung.cancel is not None
        assert "cause=200" in rung.reason, "the call was completed elsewhere"
        await until(lambda: hotline.ready("agent01"), "agent01 can be offered the next contact")
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
        assert sorted(map(str, outcomes(story))) == ["('agent01', 'rescinded')", "('agent02', 'accepted')"]
        assert types(story).count("offer.made") == 2
        page = await hotline.center.queries.contact(story[0].stream.removeprefix("contact/"))
        assert page is not None
        rings = {each.agent_id: each.outcome for each in page.segments if each.kind == "ring"}
        assert rings == {"agent01": "rescinded", "agent02": "accepted"}


async def test_two_agents_who_pick_up_at_the_same_time_are_not_both_joined_with_the_caller(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = AnswerDespiteCancel()
    phones["agent02"].behaviour = Answer(after_s=0.3, tone_hz=AGENT_HZ)
    async with open_hotline(var, asterisk, database_url, site(ring_several=2)) as hotline:
        await agents_in(hotline, phones, "agent01", "agent02")
        call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
        late, desk = await phones["agent01"].next_call(), await phones["agent02"].next_call()
        late.speak_tone(1000.0)
        await late.answered()
        await late.ended()
        assert late.ended_by == "them"
        await hear_each_other(call, desk)
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
        assert types(story).count("talk.started") == 1


async def test_a_caller_who_hangs_up_stops_every_phone_that_rings(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    async with open_hotline(var, asterisk, database_url, site(ring_several=3)) as hotline:
        agents = ("agent01", "agent02", "agent03")
        for agent_id in agents:
            phones[agent_id].behaviour = RingForEver()
        await agents_in(hotline, phones, *agents)
        call = trunk.call(VIP, caller=NOBODY)
        ringing = [await phones[agent_id].next_call() for agent_id in agents]
        await call.hang_up()
        await asyncio.gather(*(each.ended() for each in ringing))
        await hotline.nothing_left()
        (story,) = await hotline.stories()
        assert [outcome for _, outcome in outcomes(story)] == ["caller_gone"] * 3


async def test_who_may_serve_widens_with_the_wait_and_the_estimate_was_told_before(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    steps = (Step(Held("no-such-skill")), Step(after_s=1.0))
    async with open_hotline(var, asterisk, database_url, site(steps=steps)) as hotline:
        await agents_in(hotline, phones, "agent01")
        call, _ = await hotline.talk(trunk, phones["agent01"])
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
        assert types(story)[1:5] == ["queue.entered", "queue.estimated", "queue.step_taken", "offer.made"]
        taken = one(story, "queue.step_taken")
        assert (data(taken)["step"], data(taken)["why"]) == (1, "time")
        assert taken.at - one(story, "queue.entered").at == pytest.approx(1.0, abs=0.2)
        assert data(one(story, "queue.estimated"))["position"] == 1
        assert data(one(story, "offer.made"))["trace"]["step"] == 1  # type: ignore[index]


async def test_an_overflow_takes_the_caller_along_with_age_and_music(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    async with open_hotline(var, asterisk, database_url, site(exit_to=ORDERS, exit_after_s=1.0)) as hotline:
        await agents_in(hotline, phones)
        call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
        answered_at = await call.answered()
        await until(lambda: [contact.queue for contact in hotline.contacts] == ["orders"], "the caller has moved on")
        (contact,) = hotline.contacts
        await call.hears_sound()
        assert call.longest_gap_ms(answered_at) < GAP_MS_MAX
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
        first, second = (event for event in story if event.type == "queue.left")
        assert (data(first)["outcome"], data(first)["why"]) == ("diverted", "last_step")
        assert (data(first)["exit_to"], data(second)["outcome"]) == ("queue:orders", "abandoned")
        entered = [event.at for event in story if event.type == "queue.entered"]
        assert contact.waiting_since == pytest.approx(entered[0], abs=1e-5)
        assert contact.queued_at == pytest.approx(entered[1], abs=1e-5)
        waits = [data(event)["wait_s"] for event in (first, second)]
        assert data(story[-1])["wait_s"] == pytest.approx(sum(waits))  # type: ignore[arg-type]


async def test_whom_nobody_serves_hears_a_goodbye_and_is_let_go(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    brief = replace(site(exit_to=GOODBYE, exit_after_s=0.5), closed_prompts=("goodbye",))
    async with open_hotline(var, asterisk, database_url, brief) as hotline:
        await agents_in(hotline, phones)
        call = trunk.call(VIP, caller=NOBODY)
        await hotline.until_phase(Phase.GOODBYE)
        await call.hears_sound()
        await call.ended()
        assert call.ended_by == "them"
        await hotline.nothing_left()
        (story,) = await hotline.stories()
        assert (data(story[-1])["end_state"], data(story[-1])["ended_by"]) == ("closed", "system")


async def test_a_way_out_to_voicemail_leads_into_the_dialplan_that_takes_messages(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    async with open_hotline(var, asterisk, database_url, site(exit_to=VOICEMAIL, exit_after_s=0.5)) as hotline:
        await agents_in(hotline, phones)
        call = trunk.call(VIP, caller=NOBODY)
        await hotline.until_ended()
        await until_in_context(hotline, "message")
        await call.hears_sound()
        assert call.is_up
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
        assert data(story[-1])["end_state"] == "voicemail"


async def test_a_closed_queue_takes_nobody_over_a_restart_until_the_last_reason_is_taken_back(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    silent = replace(site(), closed_prompts=())
    async with open_hotline(var, asterisk, database_url, silent) as before:
        await agents_in(before, phones)
        waiting = trunk.call(VIP, caller=NOBODY)
        await before.until_phase(Phase.QUEUED)
        before.center.floor.close_queue("vip", "fire alarm", GOODBYE, GOODBYE)
        await waiting.ended()
        before.center.floor.close_queue("vip", "training", GOODBYE)
        await before.nothing_left()
        (story,) = await before.stories()
        assert data(one(story, "queue.left"))["why"] == "fire alarm"
    async with open_hotline(var, asterisk, database_url, silent) as after:
        floor = after.center.floor
        assert [each.reason for each in floor.closings("vip")] == ["fire alarm", "training"]
        await agents_in(after, phones, "agent01")
        floor.open_queue("vip", "training")
        turned_away = trunk.call(VIP, caller=NOBODY)
        await turned_away.ended()
        floor.open_queue("vip")
        call, _ = await after.talk(trunk, phones["agent01"])
        await call.hang_up()
        await after.nothing_left()
        await after.written()
        told = [(each.seq, each.type, data(each)) for each in await after.happened() if each.stream == "queue/vip"]
    assert told == [
        (3, "queue.opened", {"queue": "vip", "reason": "training", "still_closed_for": ["fire alarm"]}),
        (4, "queue.opened", {"queue": "vip", "reason": "all", "still_closed_for": []}),
    ]
