"""While our service is stopped, hung or unable to write, callers hear a prompt or music and reach a person."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from api.serving import health_of
from callcenter.asterisk.ami import AmiClient
from callcenter.asterisk.ari import Ari
from callcenter.asterisk.quiet import QUIET_S
from callcenter.contact.model import Phase
from callcenter.ports import Append, Entry
from tests.integration.conftest import Figure
from tests.kit.behaviour import Answer, RingForEver
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    MENU,
    NOBODY,
    VIP,
    Hotline,
    data,
    hear_each_other,
    hears_only,
    open_hotline,
    settings_for,
    types,
)
from tests.kit.parts import AGENTS, DEMO_SITE, RealAsterisk, plan_for, running
from tests.kit.phone import Phone
from tests.kit.tones import tone, tones_in, write_wav
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

HOLD_HZ, MESSAGE_HZ, GOODBYE_HZ = 600.0, 640.0, 680.0  # what the dialplan's own prompts are here, half a second each
TRIES_MAX = 14
LEASE_S = 5
GAP_MS_MAX = 1000.0  # between a prompt and the next music, on a busy machine
LATE_S = 2.0  # on a busy machine
VIP_SECOND = "0912000002"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def brief(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealAsterisk]:
    """A real Asterisk whose first lease is 3 s and whose own prompts are short tones."""
    prompts = tmp_path_factory.mktemp("brief") / "prompts"
    shutil.copytree(DEMO_SITE / "prompts", prompts)
    spoken = {"fallback_please_hold": HOLD_HZ, "fallback_leave_message": MESSAGE_HZ, "goodbye": GOODBYE_HZ}
    for language in ("zh-TW", "en"):
        for prompt, hz in spoken.items():
            write_wav(prompts / language / f"{prompt}.wav", [tone(hz, 0.5)])
    plan = plan_for(prompts.parent, "brief", prompts_dir=prompts, lease_s=3)
    async with running(plan) as started:
        yield started


@pytest.fixture
async def caller(brief: RealAsterisk) -> AsyncIterator[Phone]:
    """The trunk of this module's Asterisk."""
    async with brief.trunk() as phone:
        yield phone


@pytest.fixture
async def desks(brief: RealAsterisk) -> AsyncIterator[Mapping[str, Phone]]:
    """The agents' phones of this module's Asterisk, who answer with AGENT_HZ; not registered."""
    async with AsyncExitStack() as stack:
        phones = {agent: await stack.enter_async_context(brief.phone(agent)) for agent in AGENTS[:2]}
        for phone in phones.values():
            phone.behaviour = Answer(tone_hz=AGENT_HZ)
        yield phones


@asynccontextmanager
async def ami_of(asterisk: RealAsterisk) -> AsyncIterator[AmiClient]:
    """Asterisk's manager interface, logged in."""
    companion = asterisk.companion
    ami = AmiClient(
        companion.ami_host, companion.ami_port, companion.ami_user, companion.ami_password, rng=random.Random(1)
    )
    connected = asyncio.create_task(ami.run())
    try:
        await until(lambda: ami.up, "AMI is up")
        yield ami
    finally:
        connected.cancel()
        with suppress(asyncio.CancelledError):
            await connected


def ari_of(asterisk: RealAsterisk) -> Ari:
    """Asterisk's REST interface, to look at what it does."""
    companion = asterisk.companion
    return Ari(companion.ari_url, companion.ari_user, companion.ari_password, app="nobody")


async def on_the_last_try(asterisk: RealAsterisk) -> None:
    """Wait until the only caller hears the fallback's music, then let the next try be the last one."""
    async with ari_of(asterisk) as ari:
        async with asyncio.timeout(10.0):
            while [one.dialplan.app_name for one in await ari.channels()] != ["MusicOnHold"]:  # noqa: ASYNC110 - REST
                await asyncio.sleep(0.05)
        (channel,) = await ari.channels()
    async with ami_of(asterisk) as ami:
        await ami.set_variable(channel.id, "CC_TRIES", str(TRIES_MAX - 1))


async def test_who_calls_while_the_service_is_stopped_hears_a_prompt_and_music_and_is_served_when_it_is_back(
    var: Path, brief: RealAsterisk, database_url: str, caller: Phone, desks: Mapping[str, Phone], figure: Figure
) -> None:
    call = caller.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
    answered_at = await call.answered()
    await hears_only(call, HOLD_HZ)
    await call.hears_no_more(HOLD_HZ)
    await call.hears_sound()
    async with open_hotline(var, brief, database_url, settings=settings_for(var, lease_s=LEASE_S)) as hotline:
        await hotline.log_in(desks["agent01"], "agent01")
        desk = await desks["agent01"].next_call()
        await hear_each_other(call, desk)
        gap_ms = call.longest_gap_ms(answered_at)
        figure("longest silence of a caller in the fallback, ms", gap_ms)
        assert gap_ms < GAP_MS_MAX
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert (data(story[0])["dialed"], data(story[-1])["end_state"]) == (VIP, "agent")


async def test_after_the_last_try_the_emergency_phone_rings(
    brief: RealAsterisk, caller: Phone, desks: Mapping[str, Phone]
) -> None:
    await desks["agent01"].register()
    call = caller.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
    await on_the_last_try(brief)
    desk = await desks["agent01"].next_call()
    await hear_each_other(call, desk)
    await desk.hang_up()
    await call.hang_up()


async def test_when_nobody_answers_in_an_emergency_the_caller_leaves_a_message(
    brief: RealAsterisk, caller: Phone
) -> None:
    call = caller.call(VIP, caller=NOBODY)
    await on_the_last_try(brief)
    await hears_only(call, MESSAGE_HZ, within_s=8.0)
    await call.hears_no_more(MESSAGE_HZ)
    call.speak_tone(CALLER_HZ)
    await asyncio.sleep(2.0)  # the message's length
    await call.press("5")
    await hears_only(call, GOODBYE_HZ)
    await call.ended()
    assert call.ended_by == "them"
    (message,) = brief.companion.voicemail_dir.glob("*.wav")
    assert tones_in(message) >= {int(CALLER_HZ)}


async def test_a_caller_whose_lease_is_not_renewed_is_taken_to_the_fallback_and_who_talks_is_not(
    var: Path,
    brief: RealAsterisk,
    database_url: str,
    caller: Phone,
    desks: Mapping[str, Phone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = settings_for(var, lease_s=LEASE_S)
    async with open_hotline(var, brief, database_url, settings=settings) as hotline:
        await hotline.log_out_all()
        await hotline.log_in(desks["agent01"], "agent01")
        talking, desk = await hotline.talk(caller, desks["agent01"])
        waiting = caller.call(VIP, caller=VIP_SECOND, tone_hz=CALLER_HZ)
        queued = await hotline.until_phase(Phase.QUEUED)

        async def frozen() -> None:
            """A service that hangs renews nothing."""

        monkeypatch.setattr(hotline.center.telephony._leases, "round", frozen)
        await hears_only(waiting, HOLD_HZ, within_s=LEASE_S + 3.0)
        monkeypatch.undo()
        # The fallback brings them back, and the service, awake again, takes them as a new contact.
        again = await hotline.until_phase(Phase.QUEUED)
        assert again.contact_id != queued.contact_id
        assert again.channel_id == queued.channel_id
        await hear_each_other(talking, desk)
        assert talking.is_up
        await talking.hang_up()
        await hear_each_other(waiting, await desks["agent01"].next_call())
        await waiting.hang_up()
        await hotline.nothing_left()
        talked, lapsed, served = await hotline.stories()
    assert data(talked[-1])["ended_by"] == "caller"
    assert (data(lapsed[-1])["end_state"], data(lapsed[-1])["ended_by"]) == ("abandoned_queue", "fallback")
    assert (data(served[-1])["end_state"], data(served[-1])["ended_by"]) == ("agent", "caller")


async def test_after_a_prompt_of_a_dead_service_the_caller_soon_hears_music(
    var: Path, asterisk: RealAsterisk, database_url: str, figure: Figure
) -> None:
    loop = asyncio.get_running_loop()
    async with asterisk.trunk() as caller:
        async with open_hotline(var, asterisk, database_url) as hotline:
            await hotline.log_out_all()
            call = caller.call(MENU, caller=NOBODY, tone_hz=CALLER_HZ)
            await call.hears_sound()
            await hotline.until_phase(Phase.IVR)
            await hotline.kill()
        silences_s = [0.0]
        sounded_at = loop.time()
        async with asyncio.timeout(4 * QUIET_S + 20.0):
            # A silence of at least half of what is meant is the one behind the prompt; three seconds of sound then.
            while max(silences_s) < QUIET_S / 2 or loop.time() - sounded_at > 0.5 or len(silences_s) < 150:
                if call.heard(0.2):
                    silences_s.append(loop.time() - sounded_at)
                    sounded_at = loop.time()
                await asyncio.sleep(0.02)
        figure("silence after a prompt of a dead service, s", max(silences_s))
        assert max(silences_s) <= QUIET_S + LATE_S
        async with ari_of(asterisk) as ari:
            assert [one.dialplan.app_name for one in await ari.channels()] == ["Stasis"], "no lease lapsed"
        await call.hang_up()


async def test_who_hears_the_music_of_a_dead_service_is_back_in_the_menu_when_it_is_back(
    var: Path, asterisk: RealAsterisk, database_url: str
) -> None:
    async with asterisk.trunk() as caller:
        async with open_hotline(var, asterisk, database_url) as hotline:
            await hotline.log_out_all()
            call = caller.call(MENU, caller=NOBODY, tone_hz=CALLER_HZ)
            await call.hears_sound()
            await hotline.until_phase(Phase.IVR)
            await hotline.kill()
        await call.hears_silence(within_s=20.0)
        await call.hears_sound(within_s=QUIET_S + LATE_S)
        async with open_hotline(var, asterisk, database_url) as hotline:
            await hotline.until_phase(Phase.IVR)
            await call.press("1")
            await hotline.until_phase(Phase.QUEUED)
            await call.hang_up()
            await hotline.nothing_left()


async def test_a_caller_is_taken_to_the_fallback_by_the_lease_of_a_dead_service(
    var: Path, brief: RealAsterisk, database_url: str, caller: Phone
) -> None:
    loop = asyncio.get_running_loop()
    async with open_hotline(var, brief, database_url, settings=settings_for(var, lease_s=LEASE_S)) as hotline:
        await hotline.log_out_all()
        call = caller.call(MENU, caller=NOBODY, tone_hz=CALLER_HZ)
        await call.hears_sound()
        await hotline.until_phase(Phase.IVR)
        await asyncio.sleep(LEASE_S / 3 + 0.5)  # the lease was renewed
        await hotline.kill()
    killed_at = loop.time()
    await hears_only(call, HOLD_HZ, within_s=4 * LEASE_S)
    assert loop.time() - killed_at <= LEASE_S + LATE_S
    await call.hang_up()


async def test_a_lease_that_is_renewed_keeps_the_caller_in_the_queue(
    var: Path, brief: RealAsterisk, database_url: str, caller: Phone
) -> None:
    settings = settings_for(var, lease_s=LEASE_S)
    async with open_hotline(var, brief, database_url, settings=settings) as hotline:
        await hotline.log_out_all()
        call = caller.call(VIP, caller=NOBODY)
        await call.answered()
        await asyncio.sleep(LEASE_S + 1.5)  # longer than any lease that nobody renewed
        assert call.is_up
        assert [contact.phase for contact in hotline.contacts] == [Phase.QUEUED]
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert data(story[-1])["ended_by"] == "caller"


async def test_while_the_journal_cannot_be_written_new_callers_meet_the_fallback_and_who_talks_goes_on(
    var: Path, brief: RealAsterisk, database_url: str, caller: Phone, desks: Mapping[str, Phone]
) -> None:
    async with open_hotline(var, brief, database_url, settings=settings_for(var, lease_s=LEASE_S)) as hotline:
        center = hotline.center
        await hotline.log_in(desks["agent01"], "agent01")
        talking, desk = await hotline.talk(caller, desks["agent01"])
        waiting = caller.call(VIP, caller=VIP_SECOND)
        await hotline.until_phase(Phase.QUEUED)
        assert health_of(center).ready
        await fill_the_disk(hotline)
        assert [part.name for part in health_of(center).parts if part.required and not part.ok] == ["journal"]
        refused = caller.call(VIP, caller="0912000003")
        await hears_only(refused, HOLD_HZ, within_s=8.0)
        assert len(hotline.contacts) == 2
        await hear_each_other(talking, desk)
        # The agent who is free now can't be offered the waiting caller any more: the dialplan takes over.
        await desks["agent01"].unregister()
        await desk.hang_up()
        await talking.ended()
        await hears_only(waiting, HOLD_HZ, within_s=8.0)
        for call in (waiting, refused):
            assert call.is_up
            await call.hang_up()
        await hotline.nothing_left()


async def fill_the_disk(hotline: Hotline) -> None:
    """The journal's file may not grow any more; what SQLite says then is what it says of a full disk."""
    journal = hotline.center.journal
    await journal._ask(lambda: journal.file._db.execute("PRAGMA max_page_count = 1").fetchall())
    large = Entry("test", 1, hotline.center.clock.now(), "site.test", 1, b'"' + b"x" * 1_000_000 + b'"', "test")
    journal.append(Append((large,)))
    await until(lambda: not journal.healthy, "the journal has met the full disk")


async def test_an_agent_who_answers_as_the_journal_fails_is_let_go_and_the_caller_meets_the_fallback(
    var: Path, brief: RealAsterisk, database_url: str, caller: Phone, desks: Mapping[str, Phone]
) -> None:
    async with open_hotline(var, brief, database_url, settings=settings_for(var, lease_s=LEASE_S)) as hotline:
        desks["agent02"].behaviour = RingForEver()
        await hotline.log_in(desks["agent02"], "agent02")
        call = caller.call(VIP, caller=NOBODY)
        desk = await desks["agent02"].next_call()
        await desk.ringing()
        await fill_the_disk(hotline)
        desk.answer()
        await desk.ended(within_s=2.0)
        assert desk.ended_by == "them"
        await hears_only(call, HOLD_HZ)
        await call.hang_up()
        await hotline.nothing_left()
        assert "talk.started" not in types(await hotline.happened())
