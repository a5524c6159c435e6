"""The main job: a caller is served end to end on real Asterisk, and every step is in the database."""

from collections.abc import Mapping

import pytest

from callcenter.contact.model import Phase
from tests.integration.conftest import Figure
from tests.kit.behaviour import Answer
from tests.kit.hotline import AGENT_HZ, CALLER_HZ, CLOSED, MENU, NOBODY, Hotline, data, hears_only, ms, one, types
from tests.kit.phone import Phone

pytestmark = pytest.mark.integration


async def test_a_caller_is_served_end_to_end_and_the_whole_story_is_in_the_database(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(after_s=0.3, tone_hz=700.0)
    await hotline.log_in(agent, "agent01")
    call = trunk.call("0800000100", caller="0910000003")
    await call.answered()
    call.speak_tone(400.0)
    await call.hears_sound()
    await call.press("1")
    await hotline.until_phase(Phase.TALKING)
    desk = await agent.next_call()
    await desk.hears(400.0)
    await call.hears(700.0)
    await call.hang_up()
    await desk.ended()
    await hotline.until_ended(within_s=20.0)
    contact = await hotline.latest()
    story = await hotline.story(contact.contact.contact_id)
    assert types(story)[0] == "contact.started"
    assert types(story)[-13:] == [
        "queue.entered",
        "offer.made",
        "offer.ringing",
        "offer.settled",
        "queue.left",
        "talk.started",
        "recording.started",
        "recording.stopped",
        "talk.ended",
        "caller.left",
        "wrap_up.started",
        "wrap_up.ended",
        "contact.ended",
    ]
    assert contact.contact.end_state == "agent"
    await hotline.nothing_left()


async def test_a_vip_hotline_leads_straight_to_its_queue_and_the_agent_rings_at_once(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone], figure: Figure
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    await hotline.log_in(agent, "agent01")
    call, desk = await hotline.talk(trunk, agent)
    figure("caller INVITE → agent INVITE, ms", ms(call.times.invited_at, desk.times.invited_at))
    await call.hang_up()
    await desk.ended()
    assert desk.ended_by == "them"
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert types(story)[:4] == ["contact.started", "routing.decided", "queue.entered", "offer.made"]
    assert (data(story[-1])["end_state"], data(story[-1])["ended_by"]) == ("agent", "caller")


async def test_a_closed_hotline_says_so_and_hangs_up(hotline: Hotline, trunk: Phone) -> None:
    call = trunk.call(CLOSED, caller=NOBODY)
    await call.answered()
    await call.hears_sound()
    await call.press("0")
    await call.ended(within_s=12.0)
    assert call.ended_by == "them"
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert (data(story[-1])["end_state"], data(story[-1])["ended_by"]) == ("closed", "system")
    assert "queue.entered" not in types(story)


async def test_an_agent_who_hangs_up_ends_the_call_wraps_up_and_is_idle_again(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    await hotline.log_in(agent, "agent01")
    call, desk = await hotline.talk(trunk, agent)
    await desk.hang_up()
    await call.ended()
    assert call.ended_by == "them"
    await hotline.until_phase(Phase.WRAP_UP)
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    end = data(story[-1])
    assert (end["end_state"], end["ended_by"]) == ("agent", "agent")
    assert data(one(story, "wrap_up.ended"))["wrap_up_s"] == pytest.approx(0.5, abs=0.4)
    changes = await hotline.agent_changes("agent01")
    assert [change["activity"] for change in changes][-4:] == ["reserved", "talking", "wrap_up", "idle"]
    assert hotline.ready("agent01")


async def test_a_known_customer_is_shown_to_the_agent_and_meets_the_one_who_served_them_last(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    for agent_id in ("agent01", "agent02"):
        phones[agent_id].behaviour = Answer(tone_hz=AGENT_HZ)
        await hotline.log_in(phones[agent_id], agent_id)
    # agent01 is the more proficient, but the site says that agent02 served c0002 last.
    call, desk = await hotline.talk(trunk, phones["agent02"], caller="0910000002")
    assert (desk.caller, desk.display) == ("+886910000002", "鄭雅文")
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    offer = data(one(story, "offer.made"))
    assert offer["card"] == {
        "customer_id": "c0002",
        "name": "鄭雅文",
        "value_tier": "vip",
        "language": "zh-TW",
        "caller": "+886910000002",
        "last_agent": "agent02",
        "verified_by": None,
    }
    # Now agent01 serves them, and is the last one from then on.
    hotline.center.floor.log_out("agent02")
    for _ in range(2):
        call, _ = await hotline.talk(trunk, phones["agent01"], caller="+886910000002")
        await call.hang_up()
        await hotline.nothing_left()
    *_, story = await hotline.stories()
    card = data(one(story, "offer.made"))["card"]
    assert isinstance(card, dict)
    assert card["last_agent"] == "agent01"


async def test_a_customer_is_greeted_in_their_language_and_given_to_an_agent_who_speaks_it(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    for agent_id in ("agent03", "agent06"):
        phones[agent_id].behaviour = Answer(tone_hz=AGENT_HZ)
        await hotline.log_in(phones[agent_id], agent_id)
    call = trunk.call(MENU, caller="0910000010", tone_hz=CALLER_HZ)  # Kenji Sato, basic, en
    await call.answered()
    await call.press("1")
    # agent03 is the better at product advice and idle, but speaks no English.
    desk = await phones["agent06"].next_call()
    await desk.hears(CALLER_HZ)
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert (data(story[0])["value_tier"], data(story[0])["language"]) == ("basic", "en")
    assert data(one(story, "queue.entered"))["needs"] == {"en": 1, "product": 1}


async def test_a_customer_on_hold_hears_music_until_the_agent_takes_them_back(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    await hotline.log_in(agent, "agent01")
    call, desk = await hotline.talk(trunk, agent)
    await desk.hold()
    await hotline.until_phase(Phase.HELD)
    await call.hears_no_more(AGENT_HZ)
    held_at = await call.hears_sound()
    await desk.resume()
    await hotline.until_phase(Phase.TALKING)
    resumed_at = await hears_only(call, AGENT_HZ)
    await hears_only(desk, CALLER_HZ)
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert "hold.started" in types(story)
    hold_s = data(one(story, "hold.ended"))["hold_s"]
    end = data(story[-1])
    assert end["hold_s"] == hold_s
    assert 0.0 < float(str(hold_s)) < resumed_at - held_at + 2.0
    talked_s = one(story, "talk.ended").at - one(story, "talk.started").at
    assert float(str(end["talk_s"])) + float(str(hold_s)) == pytest.approx(talked_s, abs=0.01)
