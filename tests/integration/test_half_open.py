"""A link to Asterisk goes silent and stays open: nobody says that it is lost, so we have to find out ourselves."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.asterisk.link import LinkState
from callcenter.asterisk.telephony import Access
from callcenter.contact.model import Phase
from tests.contract.line import Relay
from tests.integration.conftest import Figure
from tests.kit.behaviour import Answer
from tests.kit.call import Call
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    MENU,
    NOBODY,
    VIP,
    Hotline,
    access,
    data,
    hear_each_other,
    one,
    open_hotline,
    outcomes,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

FOUND_S = 10.0
BACK_S = 8.0
SECOND, THIRD = "0912000002", "0912000003"


@asynccontextmanager
async def relayed(asterisk: RealAsterisk) -> AsyncIterator[tuple[Access, Relay, Relay]]:
    """A way to Asterisk whose ARI and AMI can stall."""
    direct = access(asterisk.companion)
    async with (
        Relay("127.0.0.1", asterisk.plan.http_port).open() as ari,
        Relay(direct.ami_host, direct.ami_port).open() as ami,
    ):
        yield replace(direct, ari_url=f"http://127.0.0.1:{ari.port}/ari", ami_port=ami.port), ari, ami


async def nothing_on_its_way(hotline: Hotline, *callers: Call) -> None:
    """All who wait hear their music, and no request is unanswered: only what comes from now on meets the silence."""
    for caller in callers:
        await caller.hears_sound()
    await until(lambda: hotline.center.telephony.in_flight == 0, "every request is answered")


async def test_a_silent_ari_link_is_found_within_10_s_and_what_was_missed_is_made_up_for(
    var: Path,
    asterisk: RealAsterisk,
    database_url: str,
    trunk: Phone,
    phones: Mapping[str, Phone],
    figure: Figure,
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with relayed(asterisk) as (way, ari, _), open_hotline(var, asterisk, database_url, way=way) as hotline:
        telephony = hotline.center.telephony
        await hotline.log_out_all()
        await hotline.log_in(phones["agent01"], "agent01")
        talking, desk = await hotline.talk(trunk, phones["agent01"])
        waiting = trunk.call(VIP, caller=SECOND, tone_hz=CALLER_HZ)
        queued = await hotline.until_phase(Phase.QUEUED)
        impatient = trunk.call(VIP, caller=THIRD)
        await hotline.until_phase(Phase.QUEUED, count=2)
        await nothing_on_its_way(hotline, waiting, impatient)
        ari.stall()
        found_s = await until(lambda: telephony.state is not LinkState.UP, "the silence is noticed", FOUND_S)
        figure("a silent ARI link is found after, s", found_s)
        await hear_each_other(talking, desk)
        await impatient.hang_up()  # which nobody tells us
        newcomer = trunk.call(MENU, caller=NOBODY)
        await asyncio.sleep(1.0)
        ari.flowing.set()
        back_s = await until(lambda: telephony.state is LinkState.UP, "the link is made again", BACK_S)
        figure("a link that flows again is up after, s", back_s)
        await until(lambda: len(hotline.contacts) == 3, "the caller who gave up is let go", FOUND_S)
        assert {contact.phase for contact in hotline.contacts} >= {Phase.TALKING, Phase.QUEUED}
        kept = next(contact for contact in hotline.contacts if contact.phase is Phase.QUEUED)
        assert (kept.contact_id, kept.queued_at) == (queued.contact_id, queued.queued_at)
        await talking.hang_up()
        await hear_each_other(waiting, await phones["agent01"].next_call())
        await waiting.hang_up()
        await newcomer.hang_up()
        await hotline.nothing_left()
        stories = {str(data(story[0])["caller"])[-1]: story for story in await hotline.stories()}
    assert data(one(stories["3"], "contact.ended"))["end_state"] == "abandoned_queue"
    assert outcomes(stories["2"]) == [("agent01", "accepted")]


async def test_a_silent_ami_link_is_found_within_10_s_and_no_lease_lapses_meanwhile(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, figure: Figure
) -> None:
    async with relayed(asterisk) as (way, _, ami), open_hotline(var, asterisk, database_url, way=way) as hotline:
        telephony = hotline.center.telephony
        await hotline.log_out_all()
        await until(lambda: telephony.ami_up, "AMI is up")
        waiting = trunk.call(VIP, caller=SECOND)
        queued = await hotline.until_phase(Phase.QUEUED)
        await nothing_on_its_way(hotline, waiting)
        ami.stall()
        found_s = await until(lambda: not telephony.ami_up, "the silence is noticed", FOUND_S)
        figure("a silent AMI link is found after, s", found_s)
        ami.flowing.set()
        await until(lambda: telephony.ami_up, "AMI is up again", BACK_S)
        assert [contact.contact_id for contact in hotline.contacts] == [queued.contact_id]
        await waiting.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert data(story[-1])["ended_by"] == "caller"


async def test_requests_on_a_silent_link_end_by_their_own_time_out(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone], figure: Figure
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with relayed(asterisk) as (way, ari, _), open_hotline(var, asterisk, database_url, way=way) as hotline:
        telephony = hotline.center.telephony
        await hotline.log_out_all()
        waiting = trunk.call(VIP, caller=SECOND, tone_hz=CALLER_HZ)
        await hotline.until_phase(Phase.QUEUED)
        await phones["agent01"].register()
        await until(lambda: hotline.agent("agent01").reachable, "the phone is reachable")
        await nothing_on_its_way(hotline, waiting)
        ari.stall()
        hotline.center.floor.log_in("agent01")  # whose phone can't be rung now
        await until(lambda: telephony.in_flight > 0, "the phone is to be rung")
        gone_s = await until(lambda: telephony.in_flight == 0, "the request has ended", FOUND_S)
        figure("a request on a silent link ends after, s", gone_s)
        ari.flowing.set()
        late = await phones["agent01"].next_call()  # the request arrives after all, and nobody wants it any more
        await late.ended()
        assert late.ended_by == "them"
        hotline.center.floor.log_in("agent01")
        await hear_each_other(waiting, await phones["agent01"].next_call(within_s=FOUND_S))
        await waiting.hang_up()
        await hotline.nothing_left()
