"""The service dies in the middle of its work; Asterisk keeps the calls, and the next process takes them up."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from callcenter.clock import AnchoredClock
from callcenter.contact.model import Phase
from callcenter.learned import SAVE_S
from tests.integration.conftest import Figure
from tests.kit.behaviour import Answer, RingForEver
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    MENU,
    NOBODY,
    VIP,
    data,
    hear_each_other,
    one,
    open_hotline,
    outcomes,
    types,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

GAP_MS_MAX = 500.0
SECOND = "0912000002"


async def test_after_a_crash_who_waits_keeps_age_and_music_and_who_talks_never_notices(
    var: Path,
    asterisk: RealAsterisk,
    database_url: str,
    trunk: Phone,
    phones: Mapping[str, Phone],
    figure: Figure,
) -> None:
    for agent_id in ("agent01", "agent02"):
        phones[agent_id].behaviour = Answer(tone_hz=AGENT_HZ)
    async with open_hotline(var, asterisk, database_url) as before:
        await before.log_in(phones["agent01"], "agent01")
        talking, desk = await before.talk(trunk, phones["agent01"])
        waiting = trunk.call(VIP, caller=SECOND, tone_hz=CALLER_HZ)
        queued = await before.until_phase(Phase.QUEUED)
        queued_call_at = await waiting.hears_sound()
        talk = (await before.until_phase(Phase.TALKING)).talk
        assert talk is not None
        await before.kill()
    await hear_each_other(talking, desk)
    await waiting.hears_sound()
    async with open_hotline(var, asterisk, database_url) as after:
        contact = await after.until_phase(Phase.QUEUED)
        assert (contact.contact_id, contact.queued_at) == (queued.contact_id, queued.queued_at)
        resumed = await after.until_phase(Phase.TALKING)
        assert resumed.talk == talk
        await waiting.hears_sound()
        gap_ms = waiting.longest_gap_ms(queued_call_at)
        figure("longest silence of a waiting caller over a crash, ms", gap_ms)
        assert gap_ms < GAP_MS_MAX
        await phones["agent02"].register()
        after.center.floor.log_in("agent02")
        await hear_each_other(waiting, await phones["agent02"].next_call())
        await hear_each_other(talking, desk)
        await talking.hang_up()
        await desk.ended()
        await waiting.hang_up()
        await after.nothing_left()
        await after.written()
        talked, waited = [await after.whole_story(c) for c in (resumed.contact_id, queued.contact_id)]
    for story, phase in ((talked, "talking"), (waited, "queued")):
        assert data(one(story, "contact.resumed")) == {"phase": phase}
        assert (data(story[-1])["end_state"], data(story[-1])["ended_by"]) == ("agent", "caller")
    span_s = one(talked, "talk.ended").at - one(talked, "talk.started").at
    assert data(talked[-1])["talk_s"] == pytest.approx(span_s, abs=0.01)
    wait_s = one(waited, "talk.started").at - one(waited, "queue.entered").at
    assert data(waited[-1])["wait_s"] == pytest.approx(wait_s, abs=0.01)


async def test_what_callers_and_agents_did_while_the_service_was_dead_is_found_when_it_is_back(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    for agent_id in ("agent01", "agent02"):
        phones[agent_id].behaviour = Answer(tone_hz=AGENT_HZ)
    async with open_hotline(var, asterisk, database_url) as before:
        await before.log_in(phones["agent01"], "agent01")
        left_by_agent, desk = await before.talk(trunk, phones["agent01"])
        await before.log_in(phones["agent02"], "agent02")
        left_by_caller, other_desk = await before.talk(trunk, phones["agent02"], caller=SECOND)
        gave_up = trunk.call(VIP, caller="0912000003")
        await before.until_phase(Phase.QUEUED)
        contacts = [contact.contact_id for contact in before.contacts]
        await before.kill()
    await desk.hang_up()
    await left_by_caller.hang_up()
    await gave_up.hang_up()
    async with open_hotline(var, asterisk, database_url) as after:
        await left_by_agent.ended()
        assert left_by_agent.ended_by == "them"
        await other_desk.ended()
        await after.nothing_left()
        await after.written()
        stories = [await after.whole_story(contact_id) for contact_id in contacts]
    ends = sorted((str(data(story[0])["caller"])[-1], data(story[-1])["end_state"]) for story in stories)
    assert ends == [("2", "agent"), ("3", "abandoned_queue"), ("8", "agent")]


async def test_a_ringing_phone_is_let_go_after_a_crash_and_the_caller_is_offered_anew(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent01"]
    agent.behaviour = RingForEver()
    async with open_hotline(var, asterisk, database_url) as before:
        await before.log_in(agent, "agent01")
        call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
        ringing = await agent.next_call()
        connecting = await before.until_phase(Phase.CONNECTING)
        await before.kill()
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    async with open_hotline(var, asterisk, database_url) as after:
        await ringing.ended()
        assert ringing.cancel is not None
        await hear_each_other(call, await agent.next_call())
        await call.hang_up()
        await after.nothing_left()
        await after.written()
        story = await after.whole_story(connecting.contact_id)
    assert outcomes(story) == [("agent01", "rescinded"), ("agent01", "accepted")]
    assert types(story).count("queue.entered") == 1


async def test_a_caller_in_the_menu_hears_it_again_after_a_crash_and_their_key_counts(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with open_hotline(var, asterisk, database_url) as before:
        call = trunk.call(MENU, caller=NOBODY)
        await call.hears_sound()
        await call.press("7")  # past the welcome, to the menu
        await before.until_phase(Phase.IVR)
        await before.kill()
    async with open_hotline(var, asterisk, database_url) as after:
        await after.until_phase(Phase.IVR)
        await call.hears_sound()
        await call.press("2")
        contact = await after.until_phase(Phase.QUEUED)
        assert contact.queue == "orders"
        await call.hang_up()
        await after.nothing_left()
        await after.written()
        story = await after.whole_story(contact.contact_id)
    assert data(one(story, "contact.resumed")) == {"phase": "ivr"}


class Ahead(AnchoredClock):
    """A clock that can be set forward."""

    def __init__(self) -> None:
        super().__init__()
        self.by_s = 0.0

    def now(self) -> float:
        return super().now() + self.by_s


async def test_after_a_kill_estimates_rest_on_the_talks_before_it(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    clock = Ahead()
    async with open_hotline(var, asterisk, database_url, clock=clock) as before:
        await before.log_in(phones["agent01"], "agent01")
        call, desk = await before.talk(trunk, phones["agent01"])
        await call.hang_up()
        await desk.ended()
        await before.nothing_left()
        clock.by_s = SAVE_S
        before.center.floor.log_out("agent01")  # whatever happens next on the floor
        learned = {queue: known for queue, known, *_ in before.center.floor.snapshot().learned}
        await until(lambda: before.center.journal.idle, "the journal is on disk")
        await before.kill()
    handling = learned["vip"].handling
    assert handling is not None
    assert handling.weight >= 1.0
    async with open_hotline(var, asterisk, database_url) as after:
        found = {queue: known for queue, known, *_ in after.center.floor.snapshot().learned}
        assert found["vip"] == learned["vip"]
