"""Who waits is told how they stand, on real phones: with music between, nothing waits for it, nothing is forgotten."""

import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.dialing.playlist import Playlist, playlist_of
from callcenter.config.site import Site, load_site
from callcenter.contact.comfort import Comfort
from callcenter.contact.model import Phase
from ivr.speech.waiting import say_place, say_wait
from routing.model import Step
from routing.requirement import ANYONE
from tests.kit.behaviour import Answer, RingForEver
from tests.kit.dialing_out import TAIWAN, at_work, calling
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    NOBODY,
    VIP,
    Hotline,
    access,
    brisk_site,
    data,
    hears_only,
    one,
    open_hotline,
    without_announcement,
)
from tests.kit.parts import DEMO_SITE, RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until
from tests.unit.test_site_comfort import speak

pytestmark = pytest.mark.integration

OFTEN = Comfort(first_s=0.3, every_s=1.0, position=True, wait=True)
LONG = Comfort(first_s=0.3, every_s=0.5, messages=("fallback_leave_message",), key_prompts=("main_menu",))


@pytest.fixture
async def spoken(tmp_path: Path, asterisk: RealAsterisk) -> AsyncIterator[Path]:
    """The demo site's folder with all words of places and waits, in Asterisk too; in the end Asterisk is as it was."""
    folder = shutil.copytree(DEMO_SITE, tmp_path / "site")
    speak(folder)
    await asterisk.companion.adapt(replace(asterisk.plan, prompts_dir=folder / "prompts"))
    yield folder
    await asterisk.companion.adapt(asterisk.plan)


def site(comfort: Comfort) -> Site:
    """The demo site, whose VIP queue takes any agent and looks after who waits."""
    plain = without_announcement(replace(brisk_site(), rules=(), dial_out=TAIWAN, callback_prompts=("goodbye",)))
    whole: dict[str, Any] = {"requires": ANYONE, "needs": {}, "steps": (Step(),), "exit_to": None, "callback_key": "1"}
    return replace(plain, queues={**plain.queues, "vip": replace(plain.queues["vip"], comfort=comfort, **whole)})


async def heard(playlist: Playlist, count: int) -> list[list[str]]:
    """What was said to callers, once so many announcements began."""
    await until(lambda: len(playlist.said()) >= count, f"{count} announcements", within_s=20.0)
    return playlist.said()


async def saying(hotline: Hotline) -> None:
    """Wait until the caller who waits is being told something."""
    await until(lambda: any(c.playback_id is not None for c in hotline.contacts), "an announcement begins")


async def test_who_waits_is_told_place_and_wait_again_and_again_with_music_between(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone], spoken: Path
) -> None:
    assert load_site(spoken).prompts["en"] >= {"wait_between", "num_2"}
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with (
        open_hotline(var, asterisk, database_url, site(OFTEN)) as hotline,
        playlist_of(access(asterisk.companion)) as playlist,
    ):
        await hotline.log_out_all()
        await hotline.log_in(phones["agent01"], "agent01")
        talking, _ = await hotline.talk(trunk, phones["agent01"])
        waiting = trunk.call(VIP, caller="0912345679")
        answered_at = await waiting.answered()
        first, second = (await heard(playlist, 2))[:2]
        contact = await hotline.until_phase(Phase.QUEUED)
        await until(lambda: hotline.contacts[-1].music_on, "music after it", within_s=20.0)
        await waiting.hears_sound()
        await talking.hang_up()
        await hears_only(waiting, AGENT_HZ)
        await waiting.hang_up()
        await hotline.nothing_left()
        await hotline.written()
        story = await hotline.whole_story(contact.contact_id)
    told = [data(event) for event in story if event.type == "queue.told"]
    assert len(told) >= 2
    assert all(each["because"] is None for each in told)
    p50_s, p90_s = (float(str(told[0][key])) for key in ("p50_s", "p90_s"))
    assert first == [*say_place("zh-TW", 1), *say_wait("zh-TW", p50_s, p90_s)]
    assert float(str(told[1]["p50_s"])) <= p50_s
    assert second[: len(say_place("zh-TW", 1))] == list(say_place("zh-TW", 1))
    assert answered_at > 0


async def test_an_answer_cuts_what_is_being_told_and_the_caller_hears_the_agent_alone(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = RingForEver()
    async with open_hotline(var, asterisk, database_url, site(LONG)) as hotline:
        await hotline.log_out_all()
        call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
        await saying(hotline)
        await at_work(hotline, phones["agent01"])
        desk = await phones["agent01"].next_call()
        assert (await hotline.until_phase(Phase.CONNECTING)).playback_id is not None, "it is said while the phone rings"
        desk.speak_tone(AGENT_HZ)
        desk.answer()
        await hears_only(call, AGENT_HZ)
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    told, answered = one(story, "queue.told"), one(story, "talk.started")
    assert answered.at - told.at < 7.0, "they are said for ten seconds"


async def test_who_presses_the_key_that_is_announced_is_called_back(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with calling(var, asterisk, database_url, trunk, site(LONG)) as hotline:
        call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
        await saying(hotline)
        await call.press("1")
        await call.ended()
        contact = await hotline.until_phase(Phase.CALLBACK)
        (view,) = [queue for queue in hotline.center.floor.snapshot().queues if queue.waiting]
        assert view.waiting[0].entered.entered_at == contact.waiting_since
        hotline.center.switchboard.abandon(contact.contact_id, "the test is over")
        await hotline.nothing_left()


async def test_killed_while_a_caller_is_told_the_next_service_tells_them_again_and_keeps_their_place(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    async with open_hotline(var, asterisk, database_url, site(LONG)) as before:
        await before.log_out_all()
        call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
        await saying(before)
        told = before.contacts[0]
        await before.kill()
    async with (
        open_hotline(var, asterisk, database_url, site(LONG)) as after,
        playlist_of(access(asterisk.companion)) as playlist,
    ):
        await heard(playlist, 1)
        again = after.contacts[0]
        assert (again.contact_id, again.queued_at, again.times_told) == (told.contact_id, told.queued_at, 2)
        await call.hears_sound()
        await at_work(after, phones["agent01"])
        await hears_only(call, AGENT_HZ)
        await call.hang_up()
        await after.nothing_left()
        await after.written()
        story = await after.whole_story(told.contact_id)
    assert [event.type for event in story].count("queue.told") == 2
    assert data(story[-1])["end_state"] == "agent"
