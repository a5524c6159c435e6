"""A flow connects a caller with a phone outside, on real phones: it rings, it is answered or not, nobody is lost."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.config.model import Hotline as Dialed
from callcenter.config.site import Site
from callcenter.contact.dial_policy import DialPolicy
from callcenter.contact.model import Phase
from ivr.expression_text import parse_expression
from ivr.model import Flow, OutsideNode, QueueNode, SayNode
from ivr.sub_flows import link
from tests.kit.behaviour import BUSY, Answer, RingForEver
from tests.kit.dialing_out import TAIWAN, calling
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    NOBODY,
    brisk_site,
    data,
    hears_only,
    one,
    types,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone

pytestmark = pytest.mark.integration

BRANCH, OFFICE = "0800000700", "+886223456789"


def site(policy: DialPolicy | None = TAIWAN, number: str = OFFICE, ring_s: float = 20.0) -> Site:
    """The demo site with a number that leads to a phone outside, and to the queue if nobody answers there."""
    plain = brisk_site()
    flow = Flow(
        id="branch",
        version="1",
        start="office",
        nodes={
            "office": OutsideNode(
                parse_expression(f"'{number}'"), on_failed="person", on_busy="busy", ring_s=ring_s, recorded=True
            ),
            "busy": SayNode(prompts=("wrong_key",), next="person"),
            "person": QueueNode(queue="product"),
        },
        agent_node="person",
    )
    flows = link({**plain.flows, "branch": flow})
    hotlines = {**plain.hotlines, BRANCH: Dialed(BRANCH, "branch", None, "zh-TW")}
    return replace(plain, flows=flows, hotlines=hotlines, dial_out=policy, rules=())


@pytest.mark.parametrize("first", ["caller", "outside"])
async def test_the_caller_hears_it_ring_and_talks_with_who_answers_until_one_of_them_hangs_up(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, first: str
) -> None:
    trunk.behaviour = RingForEver()
    async with calling(var, asterisk, database_url, trunk, site()) as hotline:
        call = trunk.call(BRANCH, caller=NOBODY, tone_hz=CALLER_HZ)
        office = await trunk.next_call()
        assert office.invite.uri.partition("@")[0] == f"sip:{OFFICE}"
        assert "0800000100" in office.header("From")
        await call.hears_sound()
        assert (await hotline.until_phase(Phase.IVR)).outside is not None
        office.speak_tone(AGENT_HZ)
        office.answer()
        await asyncio.gather(hears_only(call, AGENT_HZ), hears_only(office, CALLER_HZ))
        assert (await hotline.until_phase(Phase.OUTSIDE)).channel_id
        await (call if first == "caller" else office).hang_up()
        await (office if first == "caller" else call).ended()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
        detail = await hotline.latest()
    kinds = [kind for kind in types(story) if kind.startswith(("transfer", "recording", "ivr.left", "caller"))]
    assert kinds == [
        "transfer.dialed",
        "ivr.left",
        "transfer.answered",
        "recording.started",
        "recording.stopped",
        "transfer.ended",
        "caller.left",
    ]
    assert data(one(story, "ivr.left"))["exit"] == "transfer"
    assert (data(story[-1])["end_state"], data(story[-1])["ended_by"]) == ("transferred", first)
    assert [(each.kind, each.outcome) for each in detail.segments] == [("ivr", "transfer"), ("transfer", "ended")]
    assert [recording.state for recording in detail.recordings] == ["done"]


async def test_busy_and_unanswered_lead_on_in_the_flow_and_the_caller_stays(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with calling(var, asterisk, database_url, trunk, site(ring_s=1.0)) as hotline:
        for behaviour, outcome in ((BUSY, "busy"), (RingForEver(), "no_answer")):
            trunk.behaviour = behaviour
            call = trunk.call(BRANCH, caller=NOBODY, tone_hz=CALLER_HZ)
            await (await trunk.next_call()).ended()
            await hotline.until_phase(Phase.QUEUED)
            await call.hears_sound()
            await call.hang_up()
            await hotline.nothing_left()
            story = (await hotline.stories())[-1]
            assert data(one(story, "transfer.failed"))["outcome"] == outcome
            nodes = [data(event)["node"] for event in story if event.type == "ivr.node_entered"]
            assert nodes == (["office", "busy", "person"] if outcome == "busy" else ["office", "person"])


@pytest.mark.parametrize(
    ("policy", "number", "why"),
    [
        (None, OFFICE, "no_dial_out"),
        (TAIWAN, "+886204555666", "not_allowed"),
        (TAIWAN, "+15551234567", "not_allowed"),
        (TAIWAN, "2001", "not_allowed"),
    ],
)
async def test_what_may_not_be_dialed_never_rings(
    var: Path,
    asterisk: RealAsterisk,
    database_url: str,
    trunk: Phone,
    policy: DialPolicy | None,
    number: str,
    why: str,
) -> None:
    async with calling(var, asterisk, database_url, trunk, site(policy, number)) as hotline:
        call = trunk.call(BRANCH, caller=NOBODY, tone_hz=CALLER_HZ)
        await hotline.until_phase(Phase.QUEUED)
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert data(one(story, "transfer.refused")) == {"number": number, "why": why}
    assert len(trunk.calls) == 1, "only the caller's own call"


async def test_a_phone_outside_takes_a_trunk_of_its_own_and_never_one_that_is_kept_for_others(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    """The demo keeps four for better tiers: of six, the caller has one and the phone another; of five it gets none."""
    trunk.behaviour = RingForEver()
    async with calling(var, asterisk, database_url, trunk, replace(site(), trunks=6)) as hotline:
        call = trunk.call(BRANCH, caller=NOBODY, tone_hz=CALLER_HZ)
        office = await trunk.next_call()
        assert hotline.center.switchboard.trunks_in_use == 2
        await call.hang_up()
        await office.ended()
        await hotline.nothing_left()
        assert hotline.center.switchboard.trunks_in_use == 0
        hotline.center.switchboard.reconfigure(replace(site(), trunks=5))
        call = trunk.call(BRANCH, caller=NOBODY, tone_hz=CALLER_HZ)
        await hotline.until_phase(Phase.QUEUED)
        await call.hang_up()
        await hotline.nothing_left()
        story = (await hotline.stories())[-1]
    assert data(one(story, "transfer.refused")) == {"number": OFFICE, "why": "no_trunk"}
    assert len(trunk.calls) == 3, "two callers' own calls, and the phone outside once"


async def test_an_extension_of_the_house_is_dialed_as_it_is(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    trunk.behaviour = Answer(tone_hz=AGENT_HZ)
    allowed = site(replace(TAIWAN, extensions=("20",)), "2001")
    async with calling(var, asterisk, database_url, trunk, allowed) as hotline:
        call = trunk.call(BRANCH, caller=NOBODY, tone_hz=CALLER_HZ)
        phone = await trunk.next_call()
        assert phone.invite.uri.partition("@")[0] == "sip:2001"
        await hears_only(call, AGENT_HZ)
        await call.hang_up()
        await hotline.nothing_left()


async def test_the_caller_who_hangs_up_while_it_rings_stops_it(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    trunk.behaviour = RingForEver()
    async with calling(var, asterisk, database_url, trunk, site()) as hotline:
        call = trunk.call(BRANCH, caller=NOBODY, tone_hz=CALLER_HZ)
        office = await trunk.next_call()
        await call.hears_sound()
        await call.hang_up()
        await office.ended()
        assert office.times.cancelled_at is not None
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert data(one(story, "transfer.failed"))["outcome"] == "caller_gone"
    assert data(story[-1])["end_state"] == "abandoned_ivr"


async def test_killed_while_it_rings_it_is_rung_again_and_killed_in_the_talk_the_talk_goes_on(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    trunk.behaviour = RingForEver()
    async with calling(var, asterisk, database_url, trunk, site()) as first:
        call = trunk.call(BRANCH, caller=NOBODY, tone_hz=CALLER_HZ)
        rings = await trunk.next_call()
        await first.kill()
    async with calling(var, asterisk, database_url, trunk, site()) as second:
        office = await trunk.next_call()
        await rings.ended()
        office.speak_tone(AGENT_HZ)
        office.answer()
        await asyncio.gather(hears_only(call, AGENT_HZ), hears_only(office, CALLER_HZ))
        await second.until_phase(Phase.OUTSIDE)
        await second.written()
        await second.kill()
    await asyncio.gather(hears_only(call, AGENT_HZ), hears_only(office, CALLER_HZ))
    async with calling(var, asterisk, database_url, trunk, site()) as third:
        contact = await third.until_phase(Phase.OUTSIDE)
        await asyncio.gather(hears_only(call, AGENT_HZ), hears_only(office, CALLER_HZ))
        await office.hang_up()
        await call.ended()
        await third.nothing_left()
        await third.written()
        story = await third.whole_story(contact.contact_id)
    assert [data(each)["outcome"] for each in story if each.type == "transfer.failed"] == ["restarted"]
    assert types(story).count("contact.resumed") == 2
    assert (data(story[-1])["end_state"], data(story[-1])["ended_by"]) == ("transferred", "outside")
