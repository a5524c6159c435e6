"""The main menu, keyed by real telephone events: right keys, wrong keys, no key, another language, a person."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from callcenter.contact.model import Phase
from tests.kit.behaviour import Answer
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    MENU,
    NOBODY,
    Hotline,
    brisk_site,
    data,
    hear_each_other,
    one,
    open_hotline,
    quick_menu,
    types,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone

pytestmark = pytest.mark.integration


@pytest.fixture
async def impatient(var: Path, asterisk: RealAsterisk, database_url: str) -> AsyncIterator[Hotline]:
    """The call center with a menu of one short prompt that waits 0.3 s for a key."""
    async with open_hotline(var, asterisk, database_url, quick_menu(brisk_site())) as running:
        await running.log_out_all()
        yield running


@pytest.mark.parametrize(("key", "queue"), [("1", "product"), ("2", "orders"), ("3", "activities"), ("0", "product")])
async def test_a_key_leads_to_its_queue_and_to_music(hotline: Hotline, trunk: Phone, key: str, queue: str) -> None:
    call = trunk.call(MENU, caller=NOBODY)
    await call.answered()
    await call.press(key)
    contact = await hotline.until_phase(Phase.QUEUED)
    assert contact.queue == queue
    await call.hears_sound()
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert data(one(story, "ivr.keyed")) == {"node": "menu", "digits": key}
    assert data(one(story, "ivr.left"))["exit"] == "queue"
    assert data(story[-1])["end_state"] == "abandoned_queue"


async def test_a_wrong_key_is_told_and_the_menu_is_asked_again(hotline: Hotline, trunk: Phone) -> None:
    call = trunk.call(MENU, caller=NOBODY)
    await call.answered()
    await call.press("7")
    await hotline.until_phase(Phase.IVR)
    await call.hears_sound()
    await call.press("2")
    contact = await hotline.until_phase(Phase.QUEUED)
    assert contact.queue == "orders"
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert data(one(story, "ivr.reprompted")) == {"node": "menu", "why": "wrong_key", "tries": 1}


async def test_a_caller_who_presses_nothing_is_asked_again_and_led_to_an_agent(
    impatient: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent03"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    await impatient.log_in(agent, "agent03")
    call = trunk.call(MENU, caller=NOBODY, tone_hz=CALLER_HZ)
    desk = await agent.next_call(within_s=15.0)
    await hear_each_other(call, desk)
    await call.hang_up()
    await impatient.nothing_left()
    (story,) = await impatient.stories()
    asked = [data(event)["why"] for event in story if event.type == "ivr.reprompted"]
    assert asked == ["no_input", "no_input"]
    assert data(one(story, "ivr.exhausted")) == {"node": "menu", "why": "no_input"}
    assert data(one(story, "queue.entered"))["queue"] == "product"


async def test_a_caller_who_chooses_english_is_given_to_an_agent_who_speaks_it(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    for agent_id in ("agent03", "agent06"):
        phones[agent_id].behaviour = Answer(tone_hz=AGENT_HZ)
        await hotline.log_in(phones[agent_id], agent_id)
    call = trunk.call(MENU, caller=NOBODY, tone_hz=CALLER_HZ)
    await call.answered()
    await call.press("91")
    # agent03 is the better at product advice and idle, but speaks no English.
    desk = await phones["agent06"].next_call()
    await desk.hears(CALLER_HZ)
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert data(one(story, "language.chosen")) == {"language": "en"}
    offer = data(one(story, "offer.made"))
    assert offer["agent_id"] == "agent06"
    card = offer["card"]
    assert isinstance(card, dict)
    assert card["language"] == "en"
    assert hotline.center.site.agents["agent06"].skills["en"] >= 1


async def test_zero_leads_a_vip_customer_to_the_vip_queue_from_the_greeting(hotline: Hotline, trunk: Phone) -> None:
    call = trunk.call(MENU, caller="0910000001")
    await call.hears_sound()
    await call.press("0")
    contact = await hotline.until_phase(Phase.QUEUED)
    assert (contact.queue, contact.value_tier) == ("vip", "platinum")
    await call.hang_up()
    await hotline.nothing_left()


async def test_zero_leads_to_a_person_after_a_wrong_key_too(hotline: Hotline, trunk: Phone) -> None:
    call = trunk.call(MENU, caller=NOBODY)
    await call.answered()
    await call.press("50")
    contact = await hotline.until_phase(Phase.QUEUED)
    assert contact.queue == "product"
    await call.hang_up()
    await hotline.nothing_left()
    (story,) = await hotline.stories()
    assert types(story).count("ivr.keyed") == 2
