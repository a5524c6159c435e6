"""A menu that is ordered by what the customer used before, on real phones and from real events."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from api.dialing.playlist import Playlist, playlist_of
from callcenter.config.model import Hotline as Dialed
from callcenter.config.site import Site
from ivr.model import Flow, HangUpNode, Option, OptionsNode, QueueNode, SayNode
from ivr.sub_flows import link
from tests.kit.hotline import NOBODY, Hotline, access, brisk_site, open_hotline
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

LINE, OWNER, NEIGHBOUR = "0800000600", "0910000003", "0910000004"  # two customers of the demo site


def site() -> Site:
    """The demo site with a number that leads to a menu of three options, each with a prompt of its own."""
    plain = brisk_site()
    options = tuple(Option((prompt,), node) for prompt, node in (("welcome", "a"), ("goodbye", "b"), ("closed", "c")))
    ends = {name: SayNode(("wrong_key",), "bye") for name in "abc"}
    flow = Flow(
        id="usual",
        version="1",
        start="menu",
        nodes={
            "menu": OptionsNode((), options, "person"),
            **ends,
            "person": QueueNode("product"),
            "bye": HangUpNode("self_service"),
        },
        agent_node="person",
    )
    hotlines = {**plain.hotlines, LINE: Dialed(LINE, "usual", None, "zh-TW")}
    return replace(plain, flows=link({**plain.flows, "usual": flow}), hotlines=hotlines, rules=())


async def chooses(hotline: Hotline, playlist: Playlist, trunk: Phone, caller: str, key: str) -> str:
    """Call, press the key as the menu begins, and be let go; the first prompt that was heard."""
    playlist.played.clear()
    call = trunk.call(LINE, caller=caller)
    await until(lambda: playlist.said() != [], "hears the menu", within_s=15.0)
    (first, *_), *_ = playlist.said()
    await call.press(key)
    await call.ended(within_s=20.0)
    await hotline.until_ended()
    return first


async def test_what_a_customer_chose_most_comes_first_the_next_time_they_call_and_for_them_alone(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with (
        playlist_of(access(asterisk.companion)) as playlist,
        open_hotline(var, asterisk, database_url, site()) as hotline,
    ):
        await hotline.log_out_all()
        assert await chooses(hotline, playlist, trunk, OWNER, "2") == "welcome", "as it is written"
        assert await chooses(hotline, playlist, trunk, OWNER, "3") == "goodbye", "used once"
        assert await chooses(hotline, playlist, trunk, OWNER, "2") == "goodbye", "a tie goes by what is written first"
        assert await chooses(hotline, playlist, trunk, OWNER, "1") == "closed", "used twice"
        assert await chooses(hotline, playlist, trunk, NEIGHBOUR, "1") == "welcome"
        assert await chooses(hotline, playlist, trunk, NOBODY, "1") == "welcome"
        ways = [
            event.data["by"]
            for event in await hotline.happened()
            if event.type == "ivr.node_entered" and str(event.data["by"]).startswith("options")
        ]
        assert ways == ["options[2]", "options[3]", "options[3]", "options[3]", "options[1]", "options[1]"]
        await asyncio.wait_for(hotline.nothing_left(), 20.0)
