"""Flows that ask the world, by phone: orders and PINs of a real database, another system that is slow, a restart."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from api.dialing.playlist import playlist_of
from callcenter.config.site import Site
from callcenter.contact.dial_policy import DialPolicy
from callcenter.contact.model import Phase
from callcenter.db.engine import make_engine
from callcenter.db.queries import EventRow
from callcenter.db.self_service import SelfService
from ivr.check import Surroundings, check
from ivr.parse import parse
from tests.database import fetch
from tests.kit.behaviour import Answer
from tests.kit.hotline import (
    AGENT_HZ,
    MENU,
    NOBODY,
    Hotline,
    access,
    brisk_site,
    data,
    one,
    open_hotline,
    settings_for,
    types,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

OWNER, CUSTOMER, PIN = "0910000003", "c0003", "2580"
VARIABLES = {"status": "text", "total": "number", "number": "digits"}
PERSON = {"type": "queue", "queue": "orders"}
BYE = {"type": "hang_up", "end_state": "self_service"}
WHO = {
    "type": "authenticate",
    "prompts": ["welcome_vip"],
    "digits_max": 4,
    "timeout_s": 3,
    "next": "order",
    "on_failed": "person",
    "on_error": "person",
}
ORDER = {
    "type": "lookup",
    "lookup": "order",
    "into": {"status": "status", "total": "total"},
    "next": "told",
    "on_none": "person",
    "on_error": "person",
}
TOLD = {"type": "branch", "cases": [{"when": "status = 'sent' and total > 1000", "to": "say"}], "otherwise": "person"}
SAY = {"type": "say", "prompts": ["goodbye"], "next": "bye"}


def site_with(**nodes: Mapping[str, object]) -> Site:
    """The demo site, its hotline leading into a flow of these nodes, the first one first; `person` is there."""
    site = brisk_site()
    source = {
        "start": next(iter(nodes)),
        "agent_node": "person",
        "variables": VARIABLES,
        "nodes": {**nodes, "person": PERSON},
    }
    flow = parse(source, "main", "self-service")
    around = Surroundings(site.languages, site.value_tiers, site.queues, site.calendars, site.prompts)
    assert check(flow, around) == ()
    return replace(site, flows={**site.flows, "main": flow})


async def prepare(database_url: str) -> None:
    """The customer has a PIN and an order."""
    await fetch(database_url, "DELETE FROM customer_order")
    await fetch(database_url, "INSERT INTO customer_order VALUES ('A1', $1, 'sent', 1250.50, now(), NULL)", CUSTOMER)
    engine = make_engine(database_url)
    await SelfService(engine).set_pin(CUSTOMER, PIN)
    await engine.dispose()


@pytest.fixture
async def orders(var: Path, asterisk: RealAsterisk, database_url: str) -> AsyncIterator[Hotline]:
    site = site_with(who={**WHO, "fresh_s": 600}, order=ORDER, told=TOLD, say=SAY, bye=BYE)
    async with open_hotline(var, asterisk, database_url, site) as running:
        await running.log_out_all()
        await prepare(database_url)
        yield running


def last(story: Sequence[EventRow], type_: str) -> dict[str, Any]:
    return data([event for event in story if event.type == type_][-1])


async def asked_again(hotline: Hotline, times: int) -> None:
    """Wait until callers were asked again so often."""
    async with asyncio.timeout(20.0):
        while types(await hotline.happened()).count("ivr.reprompted") < times:  # noqa: ASYNC110 - a database
            await asyncio.sleep(0.05)


async def test_a_caller_proves_who_they_are_hears_of_their_order_and_is_not_asked_again_the_next_time(
    orders: Hotline, trunk: Phone, asterisk: RealAsterisk
) -> None:
    async with playlist_of(access(asterisk.companion)) as playlist:
        call = trunk.call(MENU, caller=OWNER)
        await until(lambda: playlist.said() != [], "is asked for the PIN", within_s=15.0)
        await call.press(PIN)
        await call.ended(within_s=30.0)
        assert playlist.said() == [["welcome_vip"], ["goodbye"]], "nothing personal before the proof"
        playlist.played.clear()
        again = trunk.call(MENU, caller=OWNER)  # no key is pressed
        await again.ended(within_s=30.0)
        assert playlist.said() == [["goodbye"]], "no prompt asks who they are"
    await orders.nothing_left()
    first, second = await orders.stories()
    assert data(one(first, "customer.verified")) == {"node": "who", "customer_id": CUSTOMER, "by": "pin"}
    assert data(one(first, "ivr.keyed"))["digits"] == "****"
    assert data(one(second, "customer.verified"))["by"] == "recalled"
    assert "ivr.keyed" not in types(second)
    for story in (first, second):
        assert last(story, "ivr.answered")["outcome"] == "found"
        entered = [data(event)["node"] for event in story if event.type == "ivr.node_entered"]
        assert entered == ["who", "order", "told", "say", "bye"]
        assert data(story[-1])["end_state"] == "self_service"
    assert PIN not in str(first)


async def test_after_three_wrong_pins_a_caller_is_led_to_a_person_and_even_the_right_one_is_locked_out_then(
    orders: Hotline, trunk: Phone
) -> None:
    call = trunk.call(MENU, caller=OWNER)
    await call.answered()
    for times, wrong in enumerate(("1111", "2222", "3333")):
        await asked_again(orders, times)  # what is keyed while a PIN is compared is no answer to the next question
        await call.press(wrong)
    await orders.until_phase(Phase.QUEUED)
    await call.hang_up()
    again = trunk.call(MENU, caller=OWNER)
    await again.answered()
    await again.press(PIN)
    await orders.until_phase(Phase.QUEUED)
    await again.hang_up()
    await orders.nothing_left()
    first, second = await orders.stories()
    compared = [data(e)["outcome"] for e in first if e.type == "ivr.answered" and data(e)["what"] == "pin"]
    assert compared == ["wrong", "wrong", "locked"]
    assert last(second, "ivr.answered")["outcome"] == "locked"
    assert "customer.verified" not in types(first) + types(second)


async def test_what_a_caller_keyed_once_is_not_asked_again_when_they_call_the_next_time(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    known = {"type": "lookup", "lookup": "answers", "into": {"number": "account"}}
    site = site_with(
        known={**known, "next": "ask", "on_none": "ask", "on_error": "ask"},
        ask={"type": "collect", "prompts": ["welcome_vip"], "into": "number", "digits_max": 4, "next": "keep",
             "on_exhausted": "person", "unless_known": True},
        keep={"type": "remember", "answers": {"account": "number"}, "fresh_s": 3600, "next": "bye"},
        bye=BYE,
    )  # fmt: skip
    async with open_hotline(var, asterisk, database_url, site) as hotline:
        call = trunk.call(MENU, caller=OWNER)
        await call.answered()
        await call.press("4711")
        await call.ended()
        async with asyncio.timeout(20.0):  # nobody waits for it to be kept
            while not await fetch(database_url, "SELECT 1 FROM customer_answer"):  # noqa: ASYNC110 - a database
                await asyncio.sleep(0.05)
        again = trunk.call(MENU, caller=OWNER)  # no key is pressed
        await again.ended()
        await hotline.nothing_left()
        first, second = await hotline.stories()
    assert data(one(first, "ivr.keyed")) == {"node": "ask", "digits": "4711"}
    assert "ivr.keyed" not in types(second)
    assert data(one(second, "ivr.answered"))["outcome"] == "found"
    assert data(second[-1])["end_state"] == "self_service"


async def test_a_caller_whom_nobody_knows_can_prove_nothing_and_is_led_to_a_person(
    orders: Hotline, trunk: Phone
) -> None:
    call = trunk.call(MENU, caller=NOBODY)
    await orders.until_phase(Phase.QUEUED)
    await call.hang_up()
    await orders.nothing_left()
    (story,) = await orders.stories()
    assert "ivr.asked" not in types(story)


@asynccontextmanager
async def other_system(delay_s: float) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that takes its time; its host:port, and what it was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path_qs}")
        await asyncio.sleep(delay_s)
        return web.json_response({"order": {"status": "sent", "total": "1250.50"}})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield f"127.0.0.1:{port}", asked
    finally:
        await runner.cleanup()


def web_order(place: str, within_s: float) -> dict[str, object]:
    return {
        "type": "http",
        "url": f"http://{place}/orders",
        "query": {"who": "'c0003'"},
        "into": {"status": "order.status", "total": "order.total"},
        "next": "told",
        "on_error": "person",
        "within_s": within_s,
    }


async def test_who_waits_for_another_system_hears_music_and_is_led_to_a_person_when_it_does_not_answer(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with other_system(30.0) as (place, asked):
        site = site_with(order=web_order(place, 4.0), told=TOLD | {"cases": [{"when": "known", "to": "bye"}]}, bye=BYE)
        settings = settings_for(var, http_allowed=place)
        async with open_hotline(var, asterisk, database_url, site, settings) as hotline:
            await hotline.log_out_all()
            call = trunk.call(MENU, caller=NOBODY)
            await call.answered()
            began = time.monotonic()
            await call.hears_sound(within_s=3.0)
            assert (await hotline.until_phase(Phase.QUEUED)).queue == "orders"
            assert 3.0 < time.monotonic() - began < 6.0
            await call.hang_up()
            await hotline.nothing_left()
            (story,) = await hotline.stories()
    assert asked == ["GET /orders?who=c0003"]
    answered = data(one(story, "ivr.answered"))
    assert (answered["outcome"], answered["why"]) == ("error", "timeout")


async def test_a_restart_while_another_system_is_asked_asks_it_again_and_goes_on_with_the_answer(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with other_system(1.5) as (place, asked):
        told = TOLD | {"cases": [{"when": "verified", "to": "bye"}]}
        site = site_with(order=web_order(place, 15.0), told=told, bye=BYE)
        settings = settings_for(var, http_allowed=place)
        async with open_hotline(var, asterisk, database_url, site, settings) as hotline:
            await hotline.log_out_all()
            call = trunk.call(MENU, caller=NOBODY)
            await until(lambda: bool(asked), "the other system is asked")
            contact_id = hotline.contacts[0].contact_id
            await hotline.kill()
        async with open_hotline(var, asterisk, database_url, site, settings) as hotline:
            contact = await hotline.until_phase(Phase.QUEUED)
            assert contact.contact_id == contact_id
            assert contact.cursor is not None
            assert contact.cursor.variables == {"status": "sent", "total": 1250.5}
            await call.hang_up()
            await hotline.nothing_left()
            await hotline.written()
            story = await hotline.whole_story(contact_id)
    assert len(asked) == 2
    assert [data(event)["request"] for event in story if event.type == "ivr.asked"] == [1, 1]
    assert data(one(story, "ivr.answered"))["outcome"] == "found"


async def test_a_caller_is_given_to_the_agent_whom_the_flow_names_though_another_is_idle_longer(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    site = site_with(to={"type": "transfer", "queue": "orders", "agent": "'agent03'", "wait_s": 20})
    async with open_hotline(var, asterisk, database_url, site) as hotline:
        await hotline.log_out_all()
        for agent_id in ("agent04", "agent03"):  # agent04 is the better at orders, too
            phones[agent_id].behaviour = Answer(tone_hz=AGENT_HZ)
            await hotline.log_in(phones[agent_id], agent_id)
        call = trunk.call(MENU, caller=NOBODY)
        desk = await phones["agent03"].next_call(within_s=5.0)
        await desk.answered()
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert data(one(story, "offer.made"))["agent_id"] == "agent03"


async def test_a_caller_who_hangs_up_while_another_system_is_asked_leaves_nothing_behind(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with other_system(3.0) as (place, asked):
        site = site_with(order=web_order(place, 10.0), told=TOLD | {"cases": [{"when": "known", "to": "bye"}]}, bye=BYE)
        async with open_hotline(var, asterisk, database_url, site, settings_for(var, http_allowed=place)) as hotline:
            quick, patient = trunk.call(MENU, caller=NOBODY), trunk.call(MENU, caller=OWNER)
            await until(lambda: len(asked) == 2, "both are asked")
            await quick.hang_up()
            await patient.hears_sound(within_s=3.0)  # music
            await patient.hang_up()
            await hotline.nothing_left()
            await asyncio.sleep(3.0)  # the answers come, and nobody is there
            stories = await hotline.stories()
    assert [data(story[-1])["end_state"] for story in stories] == ["abandoned_ivr", "abandoned_ivr"]
    assert all("ivr.answered" not in types(story) for story in stories)


async def test_a_caller_who_hangs_up_in_the_middle_of_a_pin_has_not_tried_one(
    orders: Hotline, trunk: Phone, database_url: str
) -> None:
    call = trunk.call(MENU, caller=OWNER)
    await call.answered()
    await call.press("25")
    await call.hang_up()
    await orders.nothing_left()
    (story,) = await orders.stories()
    assert [data(event)["what"] for event in story if event.type == "ivr.asked"] == ["verified"]
    (row,) = await fetch(database_url, "SELECT tries FROM customer_pin")
    assert row["tries"] == 0


async def test_a_caller_whom_a_flow_promises_a_callback_is_let_go_and_called(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    host, port = trunk.stack.address
    way = replace(access(asterisk.companion), trunk=f"{host}:{port}")
    site = replace(
        site_with(call={"type": "callback", "queue": "orders"}),
        dial_out=DialPolicy(allow=("+886",), caller_id="0800000100"),
        callback_prompts=("goodbye",),
    )
    async with open_hotline(var, asterisk, database_url, site, way=way) as hotline:
        await hotline.log_out_all()
        call = trunk.call(MENU, caller=NOBODY)
        await call.hears_sound()
        await call.ended()
        await hotline.until_phase(Phase.CALLBACK)
        trunk.behaviour = Answer(tone_hz=400.0)
        phones["agent03"].behaviour = Answer(tone_hz=AGENT_HZ)
        await phones["agent03"].register()
        hotline.center.floor.log_in("agent03")
        at_home = await trunk.next_call(within_s=15.0)
        desk = await phones["agent03"].next_call(within_s=15.0)
        await at_home.hears(AGENT_HZ)
        await desk.hears(400.0)
        await at_home.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    promised = data(one(story, "callback.promised"))
    assert (promised["why"], promised["queue"]) == ("flow", "orders")
    assert data(one(story, "ivr.left"))["exit"] == "callback"
    assert data(story[-1])["end_state"] == "agent"


async def test_a_flow_that_hangs_up_at_once_leaves_nothing_behind(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with open_hotline(var, asterisk, database_url, site_with(bye=BYE)) as hotline:
        call = trunk.call(MENU, caller=NOBODY)
        await call.ended()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert data(story[-1])["end_state"] == "self_service"


async def test_a_caller_leaves_a_message_from_a_flow(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with open_hotline(var, asterisk, database_url, site_with(message={"type": "voicemail"})) as hotline:
        call = trunk.call(MENU, caller=NOBODY, tone_hz=400.0)
        await call.hears_sound()
        await asyncio.sleep(1.0)
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert data(one(story, "ivr.left"))["exit"] == "voicemail"
    assert data(story[-1])["end_state"] == "voicemail"
