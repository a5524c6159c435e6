"""Callbacks on real phones: the line is let go, the place is kept, and the customer's phone rings when it is time."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.contact.model import Phase
from routing.model import CallbackRules
from tests.kit.behaviour import BUSY, Answer, RingForEver
from tests.kit.dialing_out import (
    AGENT_FIRST,
    CUSTOMER_FIRST,
    NUMBER,
    TAIWAN,
    at_work,
    callback_site,
    calling,
    promised,
)
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    NOBODY,
    VIP,
    data,
    hears_only,
    one,
    types,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration


async def test_customer_first_the_customer_is_called_waits_among_the_first_and_talks_with_an_agent(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    trunk.behaviour = Answer(after_s=0.3, tone_hz=CALLER_HZ)
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with calling(var, asterisk, database_url, trunk, callback_site(CUSTOMER_FIRST)) as hotline:
        contact_id = await promised(hotline, trunk)
        (view,) = hotline.center.floor.snapshot().queues[-1].waiting
        assert (view.entered.contact_id, view.entered.callback) == (contact_id, True)
        assert hotline.center.switchboard.trunks_in_use == 0
        await at_work(hotline, phones["agent01"])
        customer, desk = await trunk.next_call(), await phones["agent01"].next_call()
        assert (customer.invite.uri.partition("@")[0], "0800000100" in customer.header("From")) == (
            f"sip:{NUMBER}",
            True,
        )
        await asyncio.gather(hears_only(customer, AGENT_HZ), hears_only(desk, CALLER_HZ))
        await customer.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert [kind for kind in types(story) if kind.startswith(("callback", "talk", "recording", "queue"))] == [
        "queue.entered",
        "queue.estimated",
        "queue.left",
        "callback.promised",
        "callback.waiting",
        "callback.dialed",
        "callback.answered",
        "talk.started",
        "recording.started",
        "recording.stopped",
        "talk.ended",
    ]
    assert data(one(story, "queue.left"))["outcome"] == "callback"
    assert (data(story[-1])["end_state"], data(story[-1])["ended_by"]) == ("agent", "caller")


async def test_agent_first_the_agent_hears_music_while_the_customers_phone_rings_and_then_the_customer(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    trunk.behaviour = RingForEver()
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with calling(var, asterisk, database_url, trunk, callback_site(AGENT_FIRST)) as hotline:
        await promised(hotline, trunk)
        await at_work(hotline, phones["agent01"])
        desk, customer = await phones["agent01"].next_call(), await trunk.next_call()
        assert NUMBER in desk.header("From")
        await desk.hears_sound()
        assert hotline.center.switchboard.trunks_in_use == 1
        customer.speak_tone(CALLER_HZ)
        customer.answer()
        await asyncio.gather(hears_only(customer, AGENT_HZ), hears_only(desk, CALLER_HZ))
        await desk.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
        detail = await hotline.latest()
    told = types(story)
    assert told.index("offer.settled") < told.index("callback.dialed") < told.index("talk.started")
    assert data(one(story, "callback.dialed"))["agent_id"] == "agent01"
    assert (data(story[-1])["end_state"], data(story[-1])["ended_by"]) == ("agent", "agent")
    assert [(each.kind, each.outcome) for each in detail.segments] == [
        ("queue", "callback"),
        ("callback", "answered"),
        ("ring", "accepted"),
        ("talk", "ended"),
        ("wrap_up", "done"),
    ]
    assert [recording.state for recording in detail.recordings] == ["done"]


@pytest.mark.parametrize("rules", [CUSTOMER_FIRST, AGENT_FIRST], ids=["customer first", "agent first"])
async def test_who_does_not_pick_up_is_tried_again_and_given_up_after_the_last_attempt(
    var: Path,
    asterisk: RealAsterisk,
    database_url: str,
    trunk: Phone,
    phones: Mapping[str, Phone],
    rules: CallbackRules,
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    brief = callback_site(rules, replace(TAIWAN, ring_s=1.0))
    async with calling(var, asterisk, database_url, trunk, brief) as hotline:
        await promised(hotline, trunk)
        trunk.behaviour = RingForEver()
        await at_work(hotline, phones["agent01"])
        rang_out = await trunk.next_call()
        await rang_out.ended()
        assert rang_out.times.cancelled_at is not None
        await hotline.until_phase(Phase.CALLBACK)
        trunk.behaviour = BUSY
        await (await trunk.next_call()).ended()
        await hotline.nothing_left()
        assert hotline.ready("agent01")
        (story,) = await hotline.stories()
    failed = [data(event) for event in story if event.type == "callback.failed"]
    assert [(each["attempt"], each["outcome"]) for each in failed] == [(1, "no_answer"), (2, "busy")]
    assert data(one(story, "callback.over"))["why"] == "unreached"
    assert (data(story[-1])["end_state"], data(story[-1])["ended_by"]) == ("callback_failed", "system")


async def test_a_callback_that_nobody_came_to_expires(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    short = replace(CUSTOMER_FIRST, expires_s=4.0)
    async with calling(var, asterisk, database_url, trunk, callback_site(short)) as hotline:
        await promised(hotline, trunk)
        await hotline.nothing_left(within_s=8.0)
        (story,) = await hotline.stories()
    assert data(one(story, "callback.over")) == {"why": "expired", "taken_up_by": None}
    assert len(trunk.calls) == 1, "only their own call"


async def test_a_customer_who_calls_again_takes_up_the_callback_with_the_age_it_had(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    patient = callback_site(AGENT_FIRST, exit_after_s=3.0)
    async with calling(var, asterisk, database_url, trunk, patient) as hotline:
        first = await promised(hotline, trunk)
        entered_at = next(contact.waiting_since for contact in hotline.contacts)
        again = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
        second = (await hotline.until_phase(Phase.QUEUED)).contact_id
        await until(lambda: len(hotline.contacts) == 1, "the callback is over")
        (waiting,) = hotline.center.floor.snapshot().queues[-1].waiting
        assert (waiting.entered.contact_id, waiting.entered.entered_at) == (second, entered_at)
        await at_work(hotline, phones["agent01"])
        desk = await phones["agent01"].next_call()
        await asyncio.gather(hears_only(again, AGENT_HZ), hears_only(desk, CALLER_HZ))
        await again.hang_up()
        await hotline.nothing_left()
        stories = await hotline.stories()
    over = one(stories[0], "callback.over")
    assert (over.stream, data(over)) == (f"contact/{first}", {"why": "returned", "taken_up_by": second})
    assert [data(story[-1])["end_state"] for story in stories] == ["callback_returned", "agent"]


async def test_a_number_that_may_not_be_dialed_is_promised_nothing(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    nowhere = callback_site(CUSTOMER_FIRST, replace(TAIWAN, allow=("+81",)))
    async with calling(var, asterisk, database_url, trunk, nowhere) as hotline:
        call = trunk.call(VIP, caller=NOBODY)
        await call.ended()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert data(one(story, "callback.refused")) == {"queue": "vip", "number": NUMBER, "why": "not_allowed"}
    assert data(story[-1])["end_state"] == "closed"


async def test_a_number_that_may_be_dialed_no_more_is_not_dialed_and_the_agent_is_free_again(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with calling(var, asterisk, database_url, trunk, callback_site(AGENT_FIRST)) as hotline:
        await promised(hotline, trunk)
        hotline.center.switchboard.reconfigure(callback_site(AGENT_FIRST, replace(TAIWAN, refuse=(NUMBER,))))
        await at_work(hotline, phones["agent01"])
        await (await phones["agent01"].next_call()).ended()
        await hotline.nothing_left()
        assert hotline.ready("agent01")
        (story,) = await hotline.stories()
    assert (data(one(story, "callback.refused"))["why"], data(one(story, "callback.over"))["why"]) == (
        "not_allowed",
        "refused",
    )
    assert len(trunk.calls) == 1, "only their own call"


async def test_who_presses_the_key_while_waiting_is_called_back(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    trunk.behaviour = Answer(tone_hz=CALLER_HZ)
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    keyed = callback_site(CUSTOMER_FIRST, exit_to=None, exit_after_s=0.0, callback_key="1")
    async with calling(var, asterisk, database_url, trunk, keyed) as hotline:
        call = trunk.call(VIP, caller=NOBODY)
        await call.answered()
        await hotline.until_phase(Phase.QUEUED)
        await call.press("2")
        await call.press("1")
        await call.ended()
        await hotline.until_phase(Phase.CALLBACK)
        await at_work(hotline, phones["agent01"])
        customer, desk = await trunk.next_call(), await phones["agent01"].next_call()
        await asyncio.gather(hears_only(customer, AGENT_HZ), hears_only(desk, CALLER_HZ))
        await customer.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    promised = {"queue": "vip", "number": NUMBER, "why": "key", "slot_begin": None, "slot_end": None}
    assert data(one(story, "callback.promised")) == promised


async def test_whoever_hangs_up_while_a_callback_is_under_way_leaves_nothing_behind(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    once = replace(AGENT_FIRST, attempts_max=1)
    async with calling(var, asterisk, database_url, trunk, callback_site(once)) as hotline:
        # The caller, while they are told that they will be called back: that is a promise too.
        call = trunk.call(VIP, caller=NOBODY)
        await call.answered()
        await hotline.until_phase(Phase.GOODBYE)
        await call.hang_up()
        await hotline.until_phase(Phase.CALLBACK)
        # The agent, while the customer's phone rings.
        trunk.behaviour = RingForEver()
        await at_work(hotline, phones["agent01"])
        desk, customer = await phones["agent01"].next_call(), await trunk.next_call()
        await desk.answered()
        await hotline.until_phase(Phase.DIALING)
        await desk.hang_up()
        await customer.ended()
        assert customer.times.cancelled_at is not None
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert data(one(story, "callback.failed"))["outcome"] == "agent_gone"
    assert data(story[-1])["end_state"] == "callback_failed"


async def test_a_called_customer_who_gives_up_before_an_agent_is_there_is_no_abandoned_visit(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    trunk.behaviour = Answer()
    phones["agent01"].behaviour = RingForEver()
    async with calling(var, asterisk, database_url, trunk, callback_site(CUSTOMER_FIRST)) as hotline:
        await promised(hotline, trunk)
        await at_work(hotline, phones["agent01"])
        customer, desk = await trunk.next_call(), await phones["agent01"].next_call()
        await customer.answered()
        await customer.hang_up()
        await desk.ended()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert [data(event)["outcome"] for event in story if event.type == "queue.left"] == ["callback"]
    assert (data(story[-1])["end_state"], data(story[-1])["ended_by"]) == ("abandoned_queue", "caller")
