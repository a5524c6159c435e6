"""Whose turn it is: the highest value tier first, and within a tier whoever has waited longest."""

from collections.abc import Mapping

import pytest

from callcenter.contact.model import Phase
from tests.kit.behaviour import Answer
from tests.kit.hotline import AGENT_HZ, VIP, Hotline, data
from tests.kit.phone import Phone

pytestmark = pytest.mark.integration

BRISK = Answer(hang_up_after_s=0.2, tone_hz=AGENT_HZ)


async def served(hotline: Hotline) -> list[object]:
    """The callers in the order in which their talks began."""
    talks = sorted(
        (event.at, data(story[0])["caller"])
        for story in await hotline.stories()
        for event in story
        if event.type == "talk.started"
    )
    return [caller for _, caller in talks]


@pytest.mark.parametrize(
    ("callers", "order"),
    [
        (("0910000004", "0910000001"), ("+886910000001", "+886910000004")),  # basic waits longer, platinum is first
        (("0912000001", "0912000002"), ("+886912000001", "+886912000002")),
        (
            ("0910000008", "0912000003", "0910000002", "0912000004", "0910000001"),
            ("+886910000001", "+886910000002", "+886912000003", "+886912000004", "+886910000008"),
        ),
    ],
    ids=["by tier", "by age", "by tier, then by age"],
)
async def test_callers_who_wait_for_one_agent_are_served_by_tier_then_by_age(
    hotline: Hotline,
    trunk: Phone,
    phones: Mapping[str, Phone],
    callers: tuple[str, ...],
    order: tuple[str, ...],
) -> None:
    calls = []
    for waiting, caller in enumerate(callers, 1):
        calls.append(trunk.call(VIP, caller=caller))
        await hotline.until_phase(Phase.QUEUED, waiting)
    agent = phones["agent01"]
    agent.behaviour = BRISK
    await agent.register()
    hotline.center.floor.log_in("agent01")
    for call in calls:
        await call.ended(within_s=15.0)
    await hotline.nothing_left()
    assert await served(hotline) == list(order)


async def test_who_calls_while_the_only_agent_talks_is_next_by_tier(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    await hotline.log_in(agent, "agent01")
    first, _ = await hotline.talk(trunk, agent)
    agent.behaviour = BRISK
    standard = trunk.call(VIP, caller="0912000005")
    await hotline.until_phase(Phase.QUEUED, 1)
    platinum = trunk.call(VIP, caller="0910000001")
    await hotline.until_phase(Phase.QUEUED, 2)
    await first.hang_up()
    for call in (platinum, standard):
        await call.ended()
    await hotline.nothing_left()
    assert (await served(hotline))[1:] == ["+886910000001", "+886912000005"]
