"""What docs/demo.md says of waiting, of being called back and of the personal menu, dialed at the demo site."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from api.dialing.playlist import Playlist, playlist_of
from callcenter.clock import AnchoredClock
from callcenter.config.site import load_site
from callcenter.contact.model import Phase
from ivr.speech.waiting import say_place
from tests.integration.test_templates_by_phone import FRIDAY_MORNING, HEARS_S
from tests.kit.hotline import Hotline, access, data, one, open_hotline, settings_for
from tests.kit.parts import CHECKOUT, DEMO_SITE, RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

MAIN, ADVICE, USUAL = "0800000100", "0800000308", "0800000309"
ROW = re.compile(r"^\| (?P<dialed>08\d+) \| (?!`)[^|]+ \| (?P<press>[0-9], [0-9]) \| .*`(?P<queue>\w+)`", re.MULTILINE)
WRITTEN = {row["dialed"]: row.groupdict() for row in ROW.finditer((CHECKOUT / "docs/demo.md").read_text())}
OWNER = "0910000001"


def test_the_demo_has_a_number_for_all_that_a_queue_does() -> None:
    assert WRITTEN.keys() == {MAIN, ADVICE, USUAL}


@asynccontextmanager
async def demo(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, name: str
) -> AsyncIterator[tuple[Hotline, Playlist]]:
    """The demo site without its rules, on a Friday morning; nobody is at work, and calls back go to the trunk."""
    host, port = trunk.stack.address
    way = replace(access(asterisk.companion), trunk=f"{host}:{port}")
    site = replace(load_site(DEMO_SITE), rules=())
    clock, settings = AnchoredClock(FRIDAY_MORNING), settings_for(var, node=name)
    async with (
        playlist_of(access(asterisk.companion)) as playlist,
        open_hotline(var / "var", asterisk, database_url, site, settings, way=way, clock=clock) as hotline,
    ):
        await hotline.log_out_all()
        yield hotline, playlist


async def heard(playlist: Playlist, prompt: str) -> None:
    """Wait until a saying has come to this prompt."""
    await until(lambda: any(prompt in said for said in playlist.said()), f"hears {prompt}", within_s=60.0)


async def promised(hotline: Hotline, queue: str) -> dict[str, object]:
    """What was promised to the only caller, who waits in the queue to be called back; then they are given up."""
    contact = await hotline.until_phase(Phase.CALLBACK, within_s=HEARS_S)
    assert contact.queue == queue
    await hotline.written()
    story = await hotline.story(contact.contact_id)
    hotline.center.switchboard.abandon(contact.contact_id, "the test is over")
    await hotline.nothing_left()
    return data(one(story, "callback.promised"))


async def test_who_waits_for_orders_is_told_how_they_stand_and_may_be_called_back(
    asterisk: RealAsterisk, database_url: str, tmp_path: Path, trunk: Phone
) -> None:
    choice, key = WRITTEN[MAIN]["press"].split(", ")
    async with demo(tmp_path, asterisk, database_url, trunk, "told") as (hotline, playlist):
        call = trunk.call(MAIN, caller=OWNER)
        await heard(playlist, "main_menu")
        await call.press(choice)
        await heard(playlist, "waiting_key")
        told = next(said for said in playlist.said() if "waiting_key" in said)
        place = say_place("zh-TW", 1)
        assert told[: len(place)] == list(place)
        assert told[-2:] == ["waiting_thanks", "waiting_key"]
        await call.press(key)
        await call.ended(within_s=HEARS_S)
        assert (await promised(hotline, WRITTEN[MAIN]["queue"]))["slot_begin"] is None
        assert playlist.said()[-1] == ["callback_promised"]


async def test_a_caller_chooses_when_an_adviser_calls_them(
    asterisk: RealAsterisk, database_url: str, tmp_path: Path, trunk: Phone
) -> None:
    choice, key = WRITTEN[ADVICE]["press"].split(", ")
    async with demo(tmp_path, asterisk, database_url, trunk, "times") as (hotline, playlist):
        call = trunk.call(ADVICE, caller=OWNER)
        await heard(playlist, "advice_menu")
        await call.press(choice)
        await heard(playlist, "advice_times")
        await call.press(key)
        await call.ended(within_s=HEARS_S)
        begin = (await promised(hotline, WRITTEN[ADVICE]["queue"]))["slot_begin"]
        assert begin == FRIDAY_MORNING + 1_800.0, "the next half hour that is a quarter of an hour away"


async def test_what_was_chosen_in_the_personal_menu_comes_first_the_next_time(
    asterisk: RealAsterisk, database_url: str, tmp_path: Path, trunk: Phone
) -> None:
    first, second = WRITTEN[USUAL]["press"].split(", ")
    async with demo(tmp_path, asterisk, database_url, trunk, "usual") as (hotline, playlist):
        call = trunk.call(USUAL, caller=OWNER)
        await heard(playlist, "usual_order")
        await call.press(first)
        await heard(playlist, "advice_menu")
        await call.press(second)
        contact = await hotline.until_phase(Phase.QUEUED, within_s=HEARS_S)
        assert contact.queue == WRITTEN[USUAL]["queue"]
        await call.hang_up()
        await hotline.until_ended()
        await hotline.written()
        playlist.played.clear()
        call = trunk.call(USUAL, caller=OWNER)
        await until(lambda: playlist.said() != [], "hears the menu again", within_s=HEARS_S)
        assert playlist.said()[0][0] == "usual_advice"
        await call.hang_up()
        await hotline.nothing_left()
