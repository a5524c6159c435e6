"""A caller speaks to a menu, on real Asterisk: a recogniser that takes tones for words hears them by Asterisk's media.

Whatever becomes of the recogniser, the keys count, and nothing of it is left in Asterisk.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from api.serving import health_of
from callcenter.asterisk.ari import Ari, basic_auth
from callcenter.config.model import Hotline as Dialed
from callcenter.config.site import Site
from callcenter.contact.model import Phase
from ivr.expression import Type
from ivr.model import CollectNode, Flow, MenuNode, QueueNode, Variable
from ivr.sub_flows import link
from tests.kit.hotline import MENU, NOBODY, Hotline, brisk_site, data, one, open_hotline, settings_for, types
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.ports import free_port
from tests.kit.recogniser import ToneRecogniser, tone_recogniser
from tests.kit.service import Service
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

TALK, NUMBER = "0800000710", "0800000711"
ORDERS_HZ, DIGITS_HZ, MUMBLE_HZ = 440.0, 620.0, 1000.0
WORDS = {ORDERS_HZ: "Orders", DIGITS_HZ: "2468"}


def site() -> Site:
    """The demo site with a number whose menu listens, and one that listens for digits; both are patient."""
    plain = brisk_site()
    ends = {"orders": QueueNode("orders"), "person": QueueNode("product")}
    menu = MenuNode(
        prompts=("main_menu",),
        choices={"1": "orders", "2": "person"},
        on_exhausted="person",
        timeout_s=20.0,
        speech={"zh-TW": {"orders": "1", "a person": "2"}},
    )
    ask = CollectNode(("main_menu",), "account", "orders", "person", digits_min=4, digits_max=4, speech=True)
    talk = Flow("talk", "1", "menu", {"menu": menu, **ends}, "person")
    number = Flow("number", "1", "ask", {"ask": ask, **ends}, "person", {"account": Variable(Type.DIGITS)})
    flows = link({**plain.flows, "talk": talk, "number": number})
    dialed = {TALK: Dialed(TALK, "talk", None, "zh-TW"), NUMBER: Dialed(NUMBER, "number", None, "zh-TW")}
    return replace(plain, flows=flows, hotlines={**plain.hotlines, **dialed}, rules=())


@pytest.fixture
async def listening_asterisk(asterisk: RealAsterisk) -> RealAsterisk:
    """The session's Asterisk as it is started for a service with a recogniser: with the module for media by socket."""
    companion = asterisk.companion
    login = {"Authorization": basic_auth(companion.ari_user, companion.ari_password)}
    module = f"{companion.ari_url}/asterisk/modules/chan_websocket.so"
    async with aiohttp.ClientSession(headers=login) as session, session.post(module) as answer:
        assert answer.status in {204, 409}, await answer.text()  # 409: it is loaded already
    return asterisk


@pytest.fixture
async def recogniser() -> AsyncIterator[ToneRecogniser]:
    async with tone_recogniser(WORDS) as running:
        yield running


@pytest.fixture
async def talking(
    var: Path, listening_asterisk: RealAsterisk, database_url: str, recogniser: ToneRecogniser
) -> AsyncIterator[Hotline]:
    """The call center with the recogniser and nobody at work."""
    settings = settings_for(var, recogniser=recogniser.url)
    async with open_hotline(var, listening_asterisk, database_url, site(), settings) as running:
        await running.log_out_all()
        yield running


async def until_misheard(hotline: Hotline, failures: int) -> None:
    """Wait until the recogniser has failed so often with the one who calls."""

    def failed() -> bool:
        return any(each.cursor is not None and each.cursor.misheard == failures for each in hotline.contacts)

    await until(failed, f"{failures} failures", 15.0)


async def test_a_caller_says_a_word_into_the_prompt_and_gets_to_its_option(
    talking: Hotline, trunk: Phone, recogniser: ToneRecogniser
) -> None:
    call = trunk.call(TALK, caller=NOBODY)
    await call.hears_sound()
    await until(lambda: recogniser.heard_s > 0.5, "the recogniser hears the caller")
    assert [(each["language"], each["rate"], each["phrases"]) for each in recogniser.starts] == [
        ("zh-TW", 8000, ["orders", "a person"])
    ]
    call.speak_tone(ORDERS_HZ)
    contact = await talking.until_phase(Phase.QUEUED)
    assert (contact.queue, contact.listening_id) == ("orders", None)
    await call.hang_up()
    await talking.nothing_left()
    (story,) = await talking.stories()
    assert data(one(story, "ivr.spoken")) == {"node": "menu", "said": "Orders"}
    assert health_of(talking.center).listenings == {"started": 1, "matched": 1}
    assert "ivr.misheard" not in types(story)
    entered = [(data(each)["node"], data(each)["by"]) for each in story if each.type == "ivr.node_entered"]
    assert entered == [("menu", "start"), ("orders", "choices.1")]


async def test_digits_are_said_and_go_into_the_variable(talking: Hotline, trunk: Phone) -> None:
    call = trunk.call(NUMBER, caller=NOBODY, tone_hz=DIGITS_HZ)
    contact = await talking.until_phase(Phase.QUEUED)
    assert contact.cursor is not None
    assert contact.cursor.variables == {"account": "2468"}
    await call.hang_up()
    await talking.nothing_left()


async def test_who_is_not_understood_twice_is_listened_to_no_more_and_goes_on_by_key(
    talking: Hotline, trunk: Phone, recogniser: ToneRecogniser
) -> None:
    call = trunk.call(TALK, caller=NOBODY, tone_hz=MUMBLE_HZ)
    await until_misheard(talking, 2)
    assert len(recogniser.starts) == 2
    await until(lambda: not recogniser.live, "nobody listens")
    call.speak_tone(ORDERS_HZ)  # which nobody hears any more
    await call.hears_sound()
    await call.press("1")
    contact = await talking.until_phase(Phase.QUEUED)
    assert contact.queue == "orders"
    await call.hang_up()
    await talking.nothing_left()
    (story,) = await talking.stories()
    assert [data(each)["why"] for each in story if each.type == "ivr.misheard"] == ["no_match", "no_match"]
    assert [data(each)["why"] for each in story if each.type == "ivr.reprompted"] == ["not_understood"] * 2
    assert health_of(talking.center).listenings == {"started": 2, "no_match": 2}
    assert len(recogniser.starts) == 2


async def test_a_recogniser_that_dies_in_the_middle_leaves_the_caller_their_prompt_and_their_keys(
    talking: Hotline, trunk: Phone, recogniser: ToneRecogniser
) -> None:
    call = trunk.call(TALK, caller=NOBODY)
    await until(lambda: recogniser.heard_s > 0.2, "the recogniser hears the caller")
    (contact,) = talking.contacts
    await recogniser.die()
    await until(lambda: talking.contacts[0].listening_id is None, "the contact knows")
    assert talking.contacts[0].playback_id == contact.playback_id  # the prompt goes on
    await call.hears_sound()
    await call.press("1")
    assert (await talking.until_phase(Phase.QUEUED)).queue == "orders"
    await call.hang_up()
    await talking.nothing_left()
    (story,) = await talking.stories()
    assert data(one(story, "ivr.misheard")) == {"node": "menu", "why": "away", "failures": 1}
    assert health_of(talking.center).listenings["away"] == 1
    assert "ivr.reprompted" not in types(story)


async def test_a_caller_who_hangs_up_in_mid_listening_leaves_nothing_behind(
    talking: Hotline, trunk: Phone, recogniser: ToneRecogniser
) -> None:
    call = trunk.call(TALK, caller=NOBODY)
    await until(lambda: recogniser.heard_s > 0.2, "the recogniser hears the caller")
    await call.hang_up()
    await talking.nothing_left()
    await until(lambda: not recogniser.live, "nobody listens")
    await until(lambda: health_of(talking.center).listenings.get("stopped") == 1, "the listening was stopped")


@pytest.mark.parametrize("caller_stays", [True, False])
async def test_a_service_killed_in_mid_listening_leaves_nothing_in_asterisk_that_its_successor_does_not_clear(
    var: Path,
    listening_asterisk: RealAsterisk,
    database_url: str,
    trunk: Phone,
    recogniser: ToneRecogniser,
    caller_stays: bool,
) -> None:
    settings = settings_for(var, recogniser=recogniser.url)
    async with open_hotline(var, listening_asterisk, database_url, site(), settings) as first:
        await first.log_out_all()
        call = trunk.call(TALK, caller=NOBODY)
        await until(lambda: recogniser.heard_s > 0.2, "the recogniser hears the caller")
        await first.kill()
    await until(lambda: not recogniser.live, "nobody listens")
    if not caller_stays:
        await call.hang_up()
    async with open_hotline(var, listening_asterisk, database_url, site(), settings) as second:
        if caller_stays:
            await until(lambda: len(recogniser.starts) == 2, "somebody listens again")
            call.speak_tone(ORDERS_HZ)
            assert (await second.until_phase(Phase.QUEUED)).queue == "orders"
            await call.hang_up()
        await second.nothing_left()


@pytest.mark.parametrize("speaks", [True, False])
async def test_a_handover_in_mid_listening_leaves_the_caller_their_keys_and_the_new_process_listens_again(
    service: Service, listening_asterisk: RealAsterisk, trunk: Phone, recogniser: ToneRecogniser, speaks: bool
) -> None:
    service.environment = {**service.environment, "CALLCENTER_RECOGNISER": recogniser.url}
    with (service.var / "site" / "flows" / "main.toml").open("a") as flow:
        flow.write('\n[nodes.menu.speech.zh-TW]\n"orders" = "2"\n')
    await service.start()
    call = trunk.call(MENU, caller=NOBODY)
    await until(lambda: recogniser.heard_s > 0.2, "the recogniser hears the caller")
    former = service.process
    await service.start("restart", ready=False)
    assert await asyncio.wait_for(former.wait(), 60.0) == 0, service.said[-4000:]
    await service.until_ready()
    if speaks:
        await until(lambda: len(recogniser.starts) >= 2 and len(recogniser.live) == 1, "the new process listens", 20.0)
        call.speak_tone(ORDERS_HZ)
    else:
        await call.press("2")
    await service.until_waiting(1)
    await call.hang_up()
    await service.until_over()
    companion = listening_asterisk.companion
    async with Ari(companion.ari_url, companion.ari_user, companion.ari_password, app="nobody") as ari:
        async with asyncio.timeout(60.0):  # the drift check looks every 30 s
            while [*await ari.channels(), *await ari.bridges()]:  # noqa: ASYNC110 - Asterisk can only be asked
                await asyncio.sleep(0.1)
    await service.stop()
    (story,) = (await service.stories()).values()
    assert data(one(story, "queue.entered"))["queue"] == "orders"
    assert ("ivr.spoken" in types(story)) is speaks


async def test_without_the_recogniser_there_are_the_keys_and_asterisk_is_asked_for_nothing(
    var: Path, listening_asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    settings = settings_for(var, recogniser=f"ws://127.0.0.1:{free_port()}/")
    async with open_hotline(var, listening_asterisk, database_url, site(), settings) as hotline:
        await hotline.log_out_all()
        call = trunk.call(TALK, caller=NOBODY, tone_hz=ORDERS_HZ)
        await call.hears_sound()
        await until_misheard(hotline, 1)
        await call.press("2")
        assert (await hotline.until_phase(Phase.QUEUED)).queue == "product"
        await call.hang_up()
        await hotline.nothing_left()
