"""A promise to call back outlives the service: killed while it waits, dials or is answered, it is kept all the same."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.asterisk.rescue import rescue
from callcenter.clock import AnchoredClock
from callcenter.companions.postgres import PostgresCompanion
from callcenter.contact.model import Phase
from tests.integration.test_audit_on_asterisk import audited, cel_says
from tests.kit.behaviour import Answer, RingForEver
from tests.kit.dialing_out import AGENT_FIRST, CUSTOMER_FIRST, NUMBER, at_work, callback_site, calling, promised
from tests.kit.hotline import AGENT_HZ, CALLER_HZ, VIP, Hotline, access, data, hears_only, one, settings_for, types
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

LEASE_S = 5


async def ended_well(hotline: Hotline, contact_id: str) -> list[str]:
    """The types of the contact's events, once nothing of it is left."""
    await hotline.nothing_left()
    await hotline.written()
    story = await hotline.whole_story(contact_id)
    assert data(story[-1])["end_state"] == "agent"
    return types(story)


async def test_a_callback_that_waits_keeps_its_age_over_a_crash_and_is_kept(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    trunk.behaviour = Answer(tone_hz=CALLER_HZ)
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with calling(var, asterisk, database_url, trunk, callback_site(CUSTOMER_FIRST)) as before:
        contact_id = await promised(before, trunk)
        (waiting,) = before.center.floor.snapshot().queues[-1].waiting
        await before.kill()
    async with calling(var, asterisk, database_url, trunk, callback_site(CUSTOMER_FIRST)) as after:
        (again,) = after.center.floor.snapshot().queues[-1].waiting
        assert again.entered == waiting.entered
        assert again.expires_at == pytest.approx(waiting.expires_at, abs=0.001)
        await at_work(after, phones["agent01"])
        customer, desk = await trunk.next_call(), await phones["agent01"].next_call()
        await asyncio.gather(hears_only(customer, AGENT_HZ), hears_only(desk, CALLER_HZ))
        await customer.hang_up()
        assert "contact.resumed" in await ended_well(after, contact_id)


async def test_phones_that_rang_as_the_service_died_are_let_go_and_rung_again(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    trunk.behaviour = RingForEver()
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    once = callback_site(replace(AGENT_FIRST, attempts_max=1))
    async with calling(var, asterisk, database_url, trunk, once) as before:
        contact_id = await promised(before, trunk)
        await at_work(before, phones["agent01"])
        desk, ringing = await phones["agent01"].next_call(), await trunk.next_call()
        await before.until_phase(Phase.DIALING)
        await before.kill()
    trunk.behaviour = Answer(tone_hz=CALLER_HZ)
    async with calling(var, asterisk, database_url, trunk, once, at_home=False) as after:
        await asyncio.gather(ringing.ended(), desk.ended())
        assert ringing.times.cancelled_at is not None
        desk, customer = await phones["agent01"].next_call(), await trunk.next_call()
        await asyncio.gather(hears_only(customer, AGENT_HZ), hears_only(desk, CALLER_HZ))
        await desk.hang_up()
        told = await ended_well(after, contact_id)
        story = await after.whole_story(contact_id)
    assert [data(event)["outcome"] for event in story if event.type == "callback.failed"] == ["restarted"]
    assert told.count("callback.dialed") == 2


async def test_a_customer_who_picked_up_while_the_service_was_dead_is_called_again(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    trunk.behaviour = RingForEver()
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with calling(var, asterisk, database_url, trunk, callback_site(CUSTOMER_FIRST)) as before:
        contact_id = await promised(before, trunk)
        await at_work(before, phones["agent01"])
        customer = await trunk.next_call()
        await before.until_phase(Phase.DIALING)
        await before.kill()
    customer.answer()
    await customer.ended()
    assert customer.ended_by == "them", "Asterisk has nobody to give them to"
    trunk.behaviour = Answer(tone_hz=CALLER_HZ)
    async with calling(var, asterisk, database_url, trunk, callback_site(CUSTOMER_FIRST), at_home=False) as after:
        again, desk = await trunk.next_call(), await phones["agent01"].next_call()
        await asyncio.gather(hears_only(again, AGENT_HZ), hears_only(desk, CALLER_HZ))
        await again.hang_up()
        await ended_well(after, contact_id)
        story = await after.whole_story(contact_id)
    assert data(one(story, "callback.failed"))["outcome"] == "failed"
    assert data(one(story, "callback.answered"))["attempt"] == 2


async def test_an_audit_with_asterisk_as_the_witness_misses_nobody_while_a_callback_is_awaited_and_after_it(
    tmp_path: Path, asterisk: RealAsterisk, postgres: PostgresCompanion, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    url, journal = await postgres.database("audit_of_callbacks"), tmp_path / "main" / "journal.sqlite"
    cel, from_at = asterisk.companion.cel_path, AnchoredClock().now()
    trunk.behaviour = Answer(tone_hz=CALLER_HZ)
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with calling(tmp_path, asterisk, url, trunk, callback_site(AGENT_FIRST)) as hotline:
        await promised(hotline, trunk)
        await hotline.written()
        await hotline.kill()
    await until(lambda: cel_says(cel, "LINKEDID_END", 1, from_at), "their line is free")
    awaited = await audited(cel, journal, url, from_at)
    assert (awaited.findings, awaited.open, awaited.callers_witnessed) == ([], 1, 1)
    async with calling(tmp_path, asterisk, url, trunk, callback_site(AGENT_FIRST)) as hotline:
        await at_work(hotline, phones["agent01"])
        customer, desk = await trunk.next_call(), await phones["agent01"].next_call()
        await asyncio.gather(hears_only(customer, AGENT_HZ), hears_only(desk, CALLER_HZ))
        await customer.hang_up()
        await hotline.nothing_left()
        await hotline.written()
    kept = await audited(cel, journal, url, from_at)
    assert (kept.findings, kept.contacts, kept.open) == ([], 1, 0)


async def test_a_called_customer_whom_nobody_cares_for_is_rescued_as_every_caller_is(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    trunk.behaviour = Answer(tone_hz=CALLER_HZ)
    phones["agent01"].behaviour = RingForEver()
    async with calling(var, asterisk, database_url, trunk, callback_site(CUSTOMER_FIRST, ring_s=60.0)) as hotline:
        first = await promised(hotline, trunk)
        await at_work(hotline, phones["agent01"])
        customer = await trunk.next_call()
        await hotline.until_phase(Phase.CONNECTING)
        assert await rescue(access(asterisk.companion), hotline.center.settings.app) == 1
        await customer.hears_sound()
        # The fallback tries us again: the customer is a caller of the hotline that they had called, under their number.
        again = await hotline.until_phase(Phase.CONNECTING, within_s=25.0)
        assert (again.contact_id != first, again.caller, again.hotline) == (True, NUMBER, VIP)
        await customer.hang_up()
        await hotline.nothing_left()
        stories = await hotline.stories()
    assert [data(story[-1])["ended_by"] for story in stories] == ["fallback", "caller"]


async def test_a_called_customer_whose_lease_lapses_while_we_are_dead_is_cut_off_and_called_again(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    """Asterisk has no dialplan for whom we called; without a guard, their lease ends the call."""
    trunk.behaviour = Answer(tone_hz=CALLER_HZ)
    phones["agent01"].behaviour = RingForEver()
    ours, brief = callback_site(CUSTOMER_FIRST, ring_s=60.0), settings_for(var, lease_s=LEASE_S)
    async with calling(var, asterisk, database_url, trunk, ours, settings=brief) as before:
        contact_id = await promised(before, trunk)
        await at_work(before, phones["agent01"])
        customer = await trunk.next_call()
        await phones["agent01"].next_call()
        await customer.hears_sound()
        await before.kill()
    await customer.ended(within_s=4 * LEASE_S)
    assert customer.ended_by == "them"
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with calling(var, asterisk, database_url, trunk, ours, at_home=False, settings=brief) as after:
        again, desk = await trunk.next_call(), await phones["agent01"].next_call()
        await asyncio.gather(hears_only(again, AGENT_HZ), hears_only(desk, CALLER_HZ))
        await again.hang_up()
        await ended_well(after, contact_id)
        story = await after.whole_story(contact_id)
    assert data(one(story, "callback.failed"))["outcome"] == "cut_off"
    assert data(story[-1])["end_state"] == "agent"
