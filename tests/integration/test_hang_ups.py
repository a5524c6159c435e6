"""A caller who hangs up, whenever it is, ends cleanly: the agent's phone stops at once and nothing is left behind."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from callcenter.contact.model import Phase
from tests.integration.conftest import Figure
from tests.kit.behaviour import Answer, AnswerDespiteCancel, RingForEver
from tests.kit.hotline import (
    AGENT_HZ,
    MENU,
    NOBODY,
    VIP,
    Hotline,
    brisk_site,
    data,
    ms,
    one,
    open_hotline,
    outcomes,
    quick_menu,
    types,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

CANCEL_MS_MAX = 1000.0  # what a noisy machine may add; the figure is told, 200 ms is the aim
ROUNDS = 3


@pytest.fixture
async def patient(var: Path, asterisk: RealAsterisk, database_url: str) -> AsyncIterator[Hotline]:
    """The call center with a short menu prompt and half a minute's patience for a key."""
    async with open_hotline(var, asterisk, database_url, quick_menu(brisk_site(), timeout_s=30.0)) as running:
        await running.log_out_all()
        yield running


async def end_of(hotline: Hotline) -> tuple[object, object]:
    """How the only contact ended, and by whom."""
    (story,) = await hotline.stories()
    end = data(story[-1])
    return end["end_state"], end["ended_by"]


async def test_a_caller_who_gives_up_before_the_answer_leaves_nothing(hotline: Hotline, trunk: Phone) -> None:
    for _ in range(ROUNDS):
        call = trunk.call(MENU, caller=NOBODY)
        await call.trying()
        await call.hang_up()
    await hotline.nothing_left()
    for story in await hotline.stories():
        assert data(story[-1])["end_state"] in {"abandoned_ivr", "abandoned_queue"}


async def test_a_caller_leaves_while_a_prompt_plays(hotline: Hotline, trunk: Phone) -> None:
    call = trunk.call(MENU, caller=NOBODY)
    await call.hears_sound()
    await call.hang_up()
    await hotline.nothing_left()
    assert await end_of(hotline) == ("abandoned_ivr", "caller")


async def test_a_caller_leaves_while_the_menu_listens(patient: Hotline, trunk: Phone) -> None:
    call = trunk.call(MENU, caller=NOBODY)
    await call.answered()

    def listening() -> bool:
        cursor = patient.contacts[0].cursor if patient.contacts else None
        return cursor is not None and cursor.node == "menu" and not cursor.saying

    await until(listening, "the menu listens", 10.0)
    await call.hang_up()
    await patient.nothing_left()
    assert await end_of(patient) == ("abandoned_ivr", "caller")


async def test_a_caller_leaves_the_queue(hotline: Hotline, trunk: Phone) -> None:
    call = trunk.call(VIP, caller=NOBODY)
    await call.hears_sound()
    await hotline.until_phase(Phase.QUEUED)
    await call.hang_up()
    await hotline.nothing_left()
    assert await end_of(hotline) == ("abandoned_queue", "caller")


async def test_a_caller_leaves_while_the_agents_phone_rings_and_it_stops_at_once(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone], figure: Figure
) -> None:
    agent = phones["agent01"]
    agent.behaviour = RingForEver()
    await hotline.log_in(agent, "agent01")
    for _ in range(3 * ROUNDS):
        call = trunk.call(VIP, caller=NOBODY)
        await call.answered()
        desk = await agent.next_call()
        await desk.ringing()
        figure("caller INVITE → agent INVITE, ms", ms(call.times.invited_at, desk.times.invited_at))
        await call.hang_up()
        await desk.ended()
        stopped_ms = ms(call.times.bye_at, desk.times.cancelled_at)
        figure("caller's BYE → agent's CANCEL, ms", stopped_ms)
        assert stopped_ms < CANCEL_MS_MAX
        await until(lambda: hotline.ready("agent01"), "agent01 is idle again")
    await hotline.nothing_left()
    for story in await hotline.stories():
        assert outcomes(story) == [("agent01", "caller_gone")]
        assert data(story[-1])["end_state"] == "abandoned_queue"


@pytest.mark.parametrize("later_s", [-0.05, -0.001, 0.0, 0.001, 0.005, 0.05])
async def test_a_caller_leaves_at_the_moment_of_the_answer(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone], later_s: float
) -> None:
    agent = phones["agent01"]
    agent.behaviour = RingForEver()
    await hotline.log_in(agent, "agent01")
    for _ in range(ROUNDS):
        call = trunk.call(VIP, caller=NOBODY)
        await call.answered()
        desk = await agent.next_call()
        await desk.ringing()
        first, second = (desk.answer, call.begin_hang_up) if later_s >= 0 else (call.begin_hang_up, desk.answer)
        first()
        if later_s:
            await asyncio.sleep(abs(later_s))
        second()
        await asyncio.gather(call.ended(), desk.ended())
        await until(lambda: hotline.ready("agent01"), "agent01 is idle again")
    await hotline.nothing_left()
    stories = await hotline.stories()
    assert len(stories) == ROUNDS
    for story in stories:
        end = data(story[-1])
        talked = "talk.started" in types(story)
        assert (end["end_state"], end["ended_by"]) == ("agent" if talked else "abandoned_queue", "caller")
        assert outcomes(story) == [("agent01", "accepted" if talked else "caller_gone")]


async def test_a_caller_leaves_the_talk_and_the_agents_phone_hears_of_it(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone], figure: Figure
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    await hotline.log_in(agent, "agent01")
    call, desk = await hotline.talk(trunk, agent)
    await call.hang_up()
    await desk.ended()
    figure("caller's BYE → agent's BYE, ms", ms(call.times.bye_at, desk.times.bye_at))
    await hotline.nothing_left()
    assert await end_of(hotline) == ("agent", "caller")


async def test_a_caller_leaves_while_on_hold(hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    await hotline.log_in(agent, "agent01")
    call, desk = await hotline.talk(trunk, agent)
    await desk.hold()
    await hotline.until_phase(Phase.HELD)
    await call.hang_up()
    await desk.ended()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert types(story).index("hold.ended") < types(story).index("talk.ended")
    assert await end_of(hotline) == ("agent", "caller")


@pytest.mark.parametrize("after_s", [0.001, 0.02, 0.1])
async def test_an_agent_who_hangs_up_right_after_the_answer_ends_the_call(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone], after_s: float
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(after_s=0.1, hang_up_after_s=after_s)
    await hotline.log_in(agent, "agent01")
    call = trunk.call(VIP, caller=NOBODY)
    await call.ended(within_s=8.0)
    assert call.ended_by == "them"
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert outcomes(story) == [("agent01", "accepted")]
    assert await end_of(hotline) == ("agent", "agent")
    assert hotline.ready("agent01")


async def test_an_agent_who_picks_up_after_the_caller_left_is_let_go(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent01"]
    agent.behaviour = AnswerDespiteCancel()
    await hotline.log_in(agent, "agent01")
    call = trunk.call(VIP, caller=NOBODY)
    await call.answered()
    desk = await agent.next_call()
    await desk.ringing()
    await call.hang_up()
    await desk.answered()
    await desk.ended()
    assert desk.ended_by == "them"
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert data(one(story, "offer.settled"))["outcome"] == "caller_gone"
    assert "talk.started" not in types(story)
    assert hotline.ready("agent01")
