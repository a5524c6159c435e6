"""What happened while nobody of ours heard it, told by Asterisk's own account: when a call ended, why, and by whom."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from callcenter.audit import witnessed_in
from callcenter.clock import AnchoredClock
from callcenter.contact.model import Phase
from callcenter.db.queries import EventRow
from tests.integration.conftest import Figure
from tests.integration.test_audit_on_asterisk import audited
from tests.kit.behaviour import Answer
from tests.kit.call import Call
from tests.kit.hotline import AGENT_HZ, MENU, VIP, brisk_site, data, one, open_hotline
from tests.kit.parts import DEMO_SITE, RealAsterisk, plan_for, running
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

TALKER, TALKER_LEFT, WAITER, CHOOSER = "0912000001", "0912000002", "0912000003", "0912000004"
AWAY_S = 3.0  # so long nobody is there after the last of them has gone: a time of discovery is far from the truth
TRUE_S = 1.0


async def hung_up(call: Call) -> float:
    """Hang up; the instant of it."""
    at = time.time()
    await call.hang_up()
    return at


async def test_calls_that_ended_while_the_service_was_dead_have_their_true_end(
    var: Path,
    asterisk: RealAsterisk,
    database_url: str,
    trunk: Phone,
    phones: Mapping[str, Phone],
    figure: Figure,
) -> None:
    from_at, cel = AnchoredClock().now(), asterisk.companion.cel_path
    for agent_id in ("agent01", "agent02"):
        phones[agent_id].behaviour = Answer(tone_hz=AGENT_HZ)
    async with open_hotline(var, asterisk, database_url) as before:
        await before.log_in(phones["agent01"], "agent01")
        talker, _ = await before.talk(trunk, phones["agent01"], caller=TALKER)
        await before.log_in(phones["agent02"], "agent02")
        left_alone, desk = await before.talk(trunk, phones["agent02"], caller=TALKER_LEFT)
        waiter = trunk.call(VIP, caller=WAITER)
        await before.until_phase(Phase.QUEUED)
        await before.kill()
    await asyncio.sleep(1.0)
    gone_at = {WAITER: await hung_up(waiter), TALKER: await hung_up(talker), TALKER_LEFT: await hung_up(desk)}
    await until(lambda: len(hang_ups(cel, from_at)) == 3, "Asterisk has told of them")
    await asyncio.sleep(AWAY_S)
    async with open_hotline(var, asterisk, database_url) as after:
        await left_alone.ended()
        await after.nothing_left()
        await after.until_ended()
        events = await after.center.queries.events_after("n1", 0, 500)
    stories = by_caller(events)
    for caller, end_state, ended_by in (
        (WAITER, "abandoned_queue", "caller"),
        (TALKER, "agent", "caller"),
        (TALKER_LEFT, "agent", "agent"),
    ):
        left = one(stories[caller], "caller.left")
        assert (data(left)["end_state"], data(left)["ended_by"]) == (end_state, ended_by)
        figure("the end of a call that nobody heard, s off", abs(left.at - gone_at[caller]))
        assert left.at == pytest.approx(gone_at[caller], abs=TRUE_S)
    assert data(one(stories[TALKER], "caller.left"))["cause"] == 16
    assert data(one(stories[WAITER], "queue.left"))["outcome"] == "abandoned"
    for caller in (TALKER, TALKER_LEFT):
        span_s = gone_at[caller] - one(stories[caller], "talk.started").at
        assert data(stories[caller][-1])["talk_s"] == pytest.approx(span_s, abs=TRUE_S)
        assert data(one(stories[caller], "recording.stopped"))["duration_s"] == pytest.approx(span_s, abs=TRUE_S)
    wait_s = gone_at[WAITER] - one(stories[WAITER], "queue.entered").at
    assert data(stories[WAITER][-1])["wait_s"] == pytest.approx(wait_s, abs=TRUE_S)
    for story in stories.values():
        assert [event.at for event in story] == sorted(event.at for event in story), "nothing happens before its cause"
    report = await audited(cel, var / "main" / "journal.sqlite", database_url, from_at)
    assert report.findings == []
    assert (report.contacts, report.open) == (3, 0)


def hang_ups(cel: Path, from_at: float) -> list[float]:
    told = witnessed_in(cel, from_at, from_at + 3600.0) or []
    return [one.at for one in told if one.kind == "HANGUP" and one.at >= from_at]


def by_caller(events: Sequence[EventRow]) -> Mapping[str, Sequence[EventRow]]:
    """Each contact's events, by its caller as they dial."""
    stories: dict[str, list[EventRow]] = {}
    for event in events:
        stories.setdefault(event.stream, []).append(event)
    return {
        "0" + str(data(story[0])["caller"]).removeprefix("+886"): story
        for stream, story in stories.items()
        if stream.startswith("contact/")
    }


async def test_asterisk_killed_closes_every_contact_as_lost_with_it_and_agents_are_available_again(
    tmp_path: Path, database_url: str
) -> None:
    async with (
        running(plan_for(tmp_path / "asterisk", "dies", prompts_dir=DEMO_SITE / "prompts")) as asterisk,
        asterisk.trunk() as trunk,
        asterisk.phone("agent01") as agent,
        open_hotline(tmp_path, asterisk, database_url, brisk_site()) as hotline,
    ):
        agent.behaviour = Answer(tone_hz=AGENT_HZ)
        await hotline.log_in(agent, "agent01")
        await hotline.talk(trunk, agent, caller=TALKER)
        trunk.call(VIP, caller=WAITER)
        await hotline.until_phase(Phase.QUEUED)
        trunk.call(MENU, caller=CHOOSER)
        await hotline.until_phase(Phase.IVR)
        await asyncio.sleep(1.0)
        companion = asterisk.companion
        assert companion.pid is not None
        os.kill(companion.pid, signal.SIGKILL)
        died_at = time.time()
        await asyncio.sleep(AWAY_S)
        await companion.leave()
        await companion.start()
        await until(lambda: not hotline.contacts, "all contacts are closed", 30.0)
        await agent.register()
        await until(lambda: hotline.ready("agent01"), "the agent is available again", 30.0)
        stories = by_caller([event for story in await hotline.stories() for event in story])
    for caller, end_state in ((TALKER, "agent"), (WAITER, "failed"), (CHOOSER, "failed")):
        left = one(stories[caller], "caller.left")
        assert (data(left)["end_state"], data(left)["ended_by"]) == (end_state, "system")
        assert left.at == pytest.approx(died_at, abs=TRUE_S)
    assert data(one(stories[WAITER], "queue.left"))["outcome"] == "system", "nobody abandoned"
    span_s = died_at - one(stories[TALKER], "talk.started").at
    assert data(stories[TALKER][-1])["talk_s"] == pytest.approx(span_s, abs=TRUE_S)
