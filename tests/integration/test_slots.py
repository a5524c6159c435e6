"""Callbacks at a time of the caller's choice, on real phones: offered while free, kept over a crash, called in time."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from callcenter.clock import AnchoredClock
from callcenter.config.model import Hotline as Dialed
from callcenter.config.site import Site
from callcenter.contact.model import Phase
from callcenter.contact.slots import SlotRules
from ivr.model import Flow, QueueNode, SlotsNode
from ivr.sub_flows import link
from tests.kit.behaviour import Answer
from tests.kit.dialing_out import CUSTOMER_FIRST, TAIWAN, at_work, calling
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    NOBODY,
    Hotline,
    brisk_site,
    data,
    hears_only,
    one,
    types,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

LINE, OTHER = "0800000800", "0912345679"
PLAIN = brisk_site()
NOW, FIRST, SECOND = (
    datetime.fromisoformat(f"2026-11-19 {clock}").replace(tzinfo=PLAIN.zone).timestamp()
    for clock in ("16:40", "17:00", "17:30")
)


def site() -> Site:
    """The demo site with a number that offers times of half an hour, one callback in each."""
    flow = Flow(
        id="later",
        version="1",
        start="later",
        nodes={"later": SlotsNode("product", ("wrong_key",), "person", "person"), "person": QueueNode("product")},
        agent_node="person",
    )
    product = replace(
        PLAIN.queues["product"],
        slots=SlotRules(1_800.0, 1),
        hours="always",
        callback=replace(CUSTOMER_FIRST, expires_s=600.0),
    )
    return replace(
        PLAIN,
        flows=link({**PLAIN.flows, "later": flow}),
        hotlines={**PLAIN.hotlines, LINE: Dialed(LINE, "later", None, "zh-TW")},
        queues={**PLAIN.queues, "product": product},
        dial_out=TAIWAN,
        rules=(),
    )


def opened(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, now: float
) -> AbstractAsyncContextManager[Hotline]:
    """The call center at that instant, with nobody at work."""
    return calling(var, asterisk, database_url, trunk, site(), clock=AnchoredClock(now))


async def books(hotline: Hotline, trunk: Phone, caller: str) -> str:
    """A caller who takes the first time that they are offered, and is let go; the contact's id."""
    known = {contact.contact_id for contact in hotline.contacts}
    call = trunk.call(LINE, caller=caller, tone_hz=CALLER_HZ)
    await call.answered()
    await until(lambda: any(c.playback_id for c in hotline.contacts), "times are offered")
    await call.press("1")
    await call.ended()
    assert call.ended_by == "them"
    await until(lambda: all(c.phase is Phase.CALLBACK for c in hotline.contacts), "waits to be called back")
    (contact_id,) = {contact.contact_id for contact in hotline.contacts} - known
    return contact_id


async def test_a_time_is_offered_while_it_is_free_kept_over_a_crash_and_the_customer_is_called_in_it(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with opened(var, asterisk, database_url, trunk, NOW) as before:
        first, second = await books(before, trunk, NOBODY), await books(before, trunk, OTHER)
        await before.written()
        booked = [data(one(await before.story(each), "callback.promised"))["slot_begin"] for each in (first, second)]
        assert booked == [FIRST, SECOND], "one callback in each"
        await at_work(before, phones["agent01"])
        await until(lambda: before.ready("agent01"), "an agent is free, and it is not time yet")
        await before.kill()
    trunk.behaviour = Answer(tone_hz=CALLER_HZ)
    async with opened(var, asterisk, database_url, trunk, FIRST - 1.0) as after:
        (waiting,) = [queue.waiting for queue in after.center.floor.snapshot().queues if queue.waiting]
        assert len(waiting) == 2
        await at_work(after, phones["agent01"])
        customer, desk = await trunk.next_call(), await phones["agent01"].next_call()
        await asyncio.gather(hears_only(customer, AGENT_HZ), hears_only(desk, CALLER_HZ))
        await customer.hang_up()
        await until(lambda: [contact.contact_id for contact in after.contacts] == [second], "the other waits on")
        await after.written()
        story = await after.whole_story(first)
        dialed = one(story, "callback.dialed")
        assert FIRST <= dialed.at < SECOND
        assert types(story).count("callback.promised") == 1
        after.center.switchboard.abandon(second, "the test is over")
        await after.nothing_left()
