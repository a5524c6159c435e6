"""Trunk reservation on the real hotline (S293): the last trunks are for valuable customers, others hear busy."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.config.site import Site
from callcenter.contact.model import Phase
from routing.model import CallbackRules
from tests.kit.behaviour import Answer
from tests.kit.dialing_out import AGENT_FIRST, CUSTOMER_FIRST, at_work, callback_site, calling, promised
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    MENU,
    NOBODY,
    VIP,
    Hotline,
    brisk_site,
    data,
    hears_only,
    open_hotline,
    types,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

VALUED = "0910000002"  # a VIP of the demo site
PLATINUM = "0910000001"


def scarce(trunks: int | None, reserve: int) -> Site:
    """The demo site with so many trunks, of which so many are kept for everybody above the two lowest tiers."""
    site = brisk_site()
    *above, standard, basic = site.policy.tiers
    tiers = (
        *(replace(tier, trunk_reserve=0) for tier in above),
        *(replace(tier, trunk_reserve=reserve) for tier in (standard, basic)),
    )
    return replace(site, trunks=trunks, policy=replace(site.policy, tiers=tiers))


@pytest.fixture
async def hotline(var: Path, asterisk: RealAsterisk, database_url: str) -> AsyncIterator[Hotline]:
    """The call center on a site with two trunks, one of them kept for VIP customers."""
    async with open_hotline(var, asterisk, database_url, site=scarce(trunks=2, reserve=1)) as running:
        await running.log_out_all()
        await running.nothing_left()
        yield running


async def test_the_last_trunk_is_kept_for_a_vip_and_others_are_busy_before_they_are_answered(
    hotline: Hotline, trunk: Phone
) -> None:
    first = trunk.call(MENU, caller=NOBODY)
    await first.answered()
    refused = trunk.call(MENU, caller=NOBODY)
    await refused.ended()
    assert refused.status == 503
    assert refused.times.answered_at is None
    vip = trunk.call(MENU, caller=VALUED)
    await vip.answered()
    nobody_left = trunk.call(MENU, caller=PLATINUM)
    await nobody_left.ended()
    assert nobody_left.status == 503
    assert hotline.center.switchboard.trunks_in_use == 2
    for call in (first, vip):
        await call.hang_up()
    await hotline.nothing_left()
    stories = await hotline.stories()
    blocked = [story for story in stories if "contact.blocked" in types(story)]
    assert [types(story) for story in blocked] == [
        ["contact.started", "contact.blocked", "caller.left", "contact.ended"]
    ] * 2
    assert [data(story[1])["why"] for story in blocked] == [
        "1 trunk is free, 1 kept for more valuable tiers",
        "no trunk is free",
    ]
    assert {data(story[-1])["end_state"] for story in blocked} == {"blocked"}
    assert len(stories) == 4


async def test_a_trunk_is_free_again_as_its_caller_leaves_not_as_the_agent_ends_wrap_up(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    await hotline.log_in(agent, "agent01")
    call, desk = await hotline.talk(trunk, agent, dialed=VIP)
    assert hotline.center.switchboard.trunks_in_use == 1
    await call.hang_up()
    await desk.ended()
    await hotline.until_phase(Phase.WRAP_UP)
    assert hotline.center.switchboard.trunks_in_use == 0
    again = trunk.call(MENU, caller=NOBODY)
    await again.answered()
    await again.hang_up()
    await hotline.nothing_left()


async def test_a_change_of_the_site_holds_for_who_arrives_next(hotline: Hotline, trunk: Phone) -> None:
    patient = trunk.call(MENU, caller=NOBODY)
    await patient.answered()
    hotline.center.switchboard.reconfigure(scarce(trunks=3, reserve=1))
    next_one = trunk.call(MENU, caller=NOBODY)
    await next_one.answered()
    hotline.center.switchboard.reconfigure(scarce(trunks=None, reserve=1))
    for call in (trunk.call(MENU, caller=NOBODY), patient, next_one):
        await call.answered()
        await call.hang_up()
    await hotline.nothing_left()


@pytest.mark.parametrize("rules", [CUSTOMER_FIRST, AGENT_FIRST], ids=["customer first", "agent first"])
async def test_nobody_is_called_back_on_a_trunk_that_is_kept_for_others_and_everybody_is_once_there_is_another(
    var: Path,
    asterisk: RealAsterisk,
    database_url: str,
    trunk: Phone,
    phones: Mapping[str, Phone],
    rules: CallbackRules,
) -> None:
    trunk.behaviour = Answer(tone_hz=CALLER_HZ)
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    site = replace(callback_site(rules), trunks=5)  # of which the demo keeps four for better tiers
    async with calling(var, asterisk, database_url, trunk, site) as hotline:
        contact_id = await promised(hotline, trunk)
        patient = trunk.call(MENU, caller=VALUED)
        await patient.answered()
        await at_work(hotline, phones["agent01"])
        await until(lambda: hotline.ready("agent01"), "agent01 is ready")
        explained = hotline.center.floor.explain(contact_id)
        assert explained is not None
        assert explained.situation == "held_back"
        assert (len(trunk.calls), phones["agent01"].calls) == (2, [])
        await patient.hang_up()
        customer, desk = await trunk.next_call(), await phones["agent01"].next_call()
        await asyncio.gather(hears_only(customer, AGENT_HZ), hears_only(desk, CALLER_HZ))
        await customer.hang_up()
        await hotline.nothing_left()


async def test_after_a_restart_the_callers_on_the_line_still_take_their_trunks(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    site = scarce(trunks=2, reserve=1)
    async with open_hotline(var, asterisk, database_url, site=site) as before:
        await before.nothing_left()
        patient = trunk.call(MENU, caller=NOBODY)
        await patient.answered()
        await before.kill()
    async with open_hotline(var, asterisk, database_url, site=site) as after:
        assert after.center.switchboard.trunks_in_use == 1
        refused = trunk.call(MENU, caller=NOBODY)
        await refused.ended()
        assert refused.status == 503
        vip = trunk.call(MENU, caller=VALUED)
        await vip.answered()
        for call in (patient, vip):
            await call.hang_up()
        await after.nothing_left()


async def test_who_waited_in_the_fallback_for_us_to_come_back_is_never_refused(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    call = trunk.call(MENU, caller=NOBODY)
    await call.answered()  # by the dialplan, for nobody else is there
    async with open_hotline(var, asterisk, database_url, site=scarce(trunks=1, reserve=1)) as running:
        await running.until_phase(Phase.IVR)
        refused = trunk.call(MENU, caller=NOBODY)
        await refused.ended()
        assert refused.status == 503
        await call.hang_up()
        await running.nothing_left()
