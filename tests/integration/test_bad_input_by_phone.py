"""Whatever a flow meets, by phone: hostile systems, senseless keys, a hang-up anywhere, a huge flow.

There is a clear outcome in bounded time, and the caller is never in silence for more than five seconds.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from callcenter.config.model import Hotline as Dialed
from callcenter.config.site import Site
from callcenter.contact.model import Contact, Phase
from callcenter.egress import ANSWER_BYTES_MAX
from ivr.check import Surroundings, check
from ivr.model import Flow
from ivr.parse import parse
from ivr.sub_flows import link
from tests.kit.hotline import NOBODY, Hotline, brisk_site, data, one, open_hotline, settings_for, types
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

SILENCE_S_MAX = 5.0
PERSON = {"type": "queue", "queue": "orders"}
BYE = {"type": "hang_up", "end_state": "self_service"}
VARIABLES = {"status": "text", "total": "number", "account": "digits"}
WITHIN_S = 6.0


def flow_of(name: str, site: Site, variables: Mapping[str, object], **nodes: Mapping[str, object]) -> Flow:
    """A flow of these nodes, the first one first; `person` and `bye` are there. The check has nothing against it."""
    whole = {**nodes, "person": PERSON} | ({"bye": BYE} if "'bye'" in str(nodes) else {})
    source = {"start": next(iter(nodes)), "agent_node": "person", "variables": variables, "nodes": whole}
    flow = parse(source, name, "bad input")
    assert check(flow, Surroundings(site.languages, site.value_tiers, site.queues, site.calendars, site.prompts)) == ()
    return flow


def with_flows(site: Site, flows: Mapping[str, Flow]) -> tuple[Site, dict[str, str]]:
    """The site with a number for each flow; the numbers by the flows' names."""
    numbers = {name: f"08000007{n:02}" for n, name in enumerate(flows)}
    dialed = {number: Dialed(number, name, None, "zh-TW") for name, number in numbers.items()}
    hotlines, all_flows = {**site.hotlines, **dialed}, link({**site.flows, **flows})
    return replace(site, flows=all_flows, hotlines=hotlines, rules=()), numbers


def of(hotline: Hotline, dialed: str) -> Contact | None:
    """The contact that dialed this number, while it is there."""
    return next((contact for contact in hotline.contacts if contact.dialed == dialed), None)


# Hostile systems


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b'"' + b"9" * ANSWER_BYTES_MAX)


async def _trickle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.2)


async def _silent(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60.0)
    return web.json_response({})


async def _to_our_own_network(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://127.0.0.1:1/secrets")


async def _another_type(_: web.Request) -> web.StreamResponse:
    return web.json_response({"order": {"status": "sent", "total": "a lot"}})


async def _a_page(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>", content_type="text/html")


async def _broken(_: web.Request) -> web.StreamResponse:
    return web.Response(text='{"order": ', content_type="application/json")


async def _deep(_: web.Request) -> web.StreamResponse:
    return web.Response(text="[" * 50_000, content_type="application/json")


async def _faulty(_: web.Request) -> web.StreamResponse:
    raise web.HTTPInternalServerError


HOSTILE = {
    "endless": _endless,
    "trickle": _trickle,
    "silent": _silent,
    "redirect": _to_our_own_network,
    "type": _another_type,
    "page": _a_page,
    "broken": _broken,
    "deep": _deep,
    "faulty": _faulty,
}


@asynccontextmanager
async def hostile_systems() -> AsyncIterator[str]:
    """One address with a path for each; where it is."""
    app = web.Application()
    for name, handler in HOSTILE.items():
        app.router.add_get(f"/{name}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_whatever_another_system_answers_the_caller_comes_to_a_person_and_hears_something_meanwhile(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(hostile_systems())
        plain, into = brisk_site(), {"status": "order.status", "total": "order.total"}
        asks = {"type": "http", "into": into, "next": "bye", "on_error": "person", "within_s": WITHIN_S}
        urls = {name: f"http://{place}/{name}" for name in HOSTILE} | {"ours": "http://127.0.0.1:1/secrets"}
        flows = {
            name: flow_of(name, plain, VARIABLES, ask={**asks, "url": url, "wait_prompts": ["welcome_vip"]})
            for name, url in urls.items()
        }
        site, numbers = with_flows(plain, flows)
        settings = settings_for(var, http_allowed=place)
        hotline = await stack.enter_async_context(open_hotline(var, asterisk, database_url, site, settings))
        await hotline.log_out_all()
        calls = {name: trunk.call(number, caller=NOBODY) for name, number in numbers.items()}
        began = {name: await call.answered() for name, call in calls.items()}

        def at_a_person() -> bool:
            found = [of(hotline, number) for number in numbers.values()]
            return all(contact is not None and contact.phase is Phase.QUEUED for contact in found)

        await until(at_a_person, "every caller waits for a person", within_s=40.0)
        ids = {name: contact.contact_id for name, number in numbers.items() if (contact := of(hotline, number))}
        await asyncio.sleep(1.0)  # for the music to be heard
        now = time.monotonic()
        silences = {name: call.longest_silence_s(began[name], now) for name, call in calls.items()}
        for call in calls.values():
            await call.hang_up()
        await hotline.nothing_left()
        await hotline.written()
        answered = {name: data(one(await hotline.whole_story(each), "ivr.answered")) for name, each in ids.items()}
    assert {name: told["outcome"] for name, told in answered.items()} == dict.fromkeys(urls, "error")
    assert {name: told["why"] for name, told in answered.items()} == {
        "endless": "too_large",
        "trickle": "timeout",
        "silent": "timeout",
        "redirect": "redirect",
        "type": "wrong_type",
        "page": "wrong_content_type",
        "broken": "not_json",
        "deep": "not_json",
        "faulty": "status_500",
        "ours": "private_address",
    }
    assert {
        name: told["took_s"] for name, told in answered.items() if float(str(told["took_s"])) > WITHIN_S + 5.0
    } == {}
    assert {name: silence for name, silence in silences.items() if silence > SILENCE_S_MAX} == {}


# Senseless keys, and hang-ups

ASKING: Mapping[str, Mapping[str, object]] = {
    "say": {"type": "say", "prompts": ["main_menu", "fallback_leave_message", "welcome", "goodbye"], "next": "person"},
    "menu": {"type": "menu", "prompts": ["welcome_vip"], "choices": {"1": "person"}, "on_exhausted": "person"},
    "collect": {
        "type": "collect",
        "prompts": ["welcome_vip"],
        "into": "account",
        "digits_min": 4,
        "next": "person",
        "on_exhausted": "person",
    },
    "language": {
        "type": "language_choice",
        "prompts": ["welcome_vip"],
        "choices": {"1": "zh-TW", "2": "en"},
        "next": "person",
    },
    "consent": {"type": "consent", "prompts": ["welcome_vip"], "on_accepted": "person", "on_declined": "person"},
    "survey": {
        "type": "survey",
        "survey": "after",
        "questions": [{"id": "friendly", "prompts": ["welcome_vip"], "scale": "likert"}],
        "next": "person",
    },
    "pin": {
        "type": "authenticate",
        "prompts": ["welcome_vip"],
        "next": "person",
        "on_failed": "person",
        "on_error": "person",
    },
    "options": {
        "type": "menu",
        "options": [{"prompts": ["main_menu"], "to": "person"}, {"prompts": ["main_menu"], "to": "bye"}],
        "on_exhausted": "person",
    },
}
CUSTOMERS = ("0910000003", "0910000004")  # of the demo site; who is not known is asked for no PIN
NONSENSE = "*#ABCD9*##" * 8


@asynccontextmanager
async def asking(
    var: Path, asterisk: RealAsterisk, database_url: str
) -> AsyncIterator[tuple[Hotline, Mapping[str, str]]]:
    """A call center with a number for each node that callers can be at, and nobody at work."""
    plain = brisk_site()
    known = {name: {"account": "digits"} if name == "collect" else {} for name in ASKING}
    flows = {name: flow_of(name, plain, known[name], start=node) for name, node in ASKING.items()}
    site, numbers = with_flows(plain, flows)
    async with open_hotline(var, asterisk, database_url, site) as hotline:
        await hotline.log_out_all()
        yield hotline, numbers


async def test_who_presses_nothing_but_nonsense_comes_to_a_person_from_every_node_and_is_never_long_in_silence(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with asking(var, asterisk, database_url) as (hotline, numbers):
        calls = {name: trunk.call(number, caller=CUSTOMERS[0]) for name, number in numbers.items()}
        began = {name: await call.answered() for name, call in calls.items()}
        await asyncio.gather(*(call.press(NONSENSE, within_s=120.0) for call in calls.values()))

        def at_a_person() -> bool:
            return all(
                (c := of(hotline, number)) is not None and c.phase is Phase.QUEUED for number in numbers.values()
            )

        await until(at_a_person, "every caller waits for a person", within_s=60.0)
        await asyncio.sleep(1.0)
        now = time.monotonic()
        silences = {name: call.longest_silence_s(began[name], now) for name, call in calls.items()}
        for call in calls.values():
            await call.hang_up()
        await hotline.nothing_left()
        for story in await hotline.stories():
            assert data(story[-1])["end_state"] == "abandoned_queue"
            assert len(story) < 60, "a key that means nothing is not remembered for ever"
    assert {name: silence for name, silence in silences.items() if silence > SILENCE_S_MAX + 0.5} == {}


async def test_who_hangs_up_at_any_node_leaves_nothing_behind(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with asking(var, asterisk, database_url) as (hotline, numbers):
        calls = [trunk.call(number, caller=CUSTOMERS[1]) for number in numbers.values()]
        for call in calls:
            await call.hears_sound(within_s=15.0)
        there = {name: of(hotline, number) for name, number in numbers.items()}
        assert {name for name, contact in there.items() if contact is None or contact.phase is not Phase.IVR} == set()
        await asyncio.gather(*(call.hang_up() for call in calls))
        await hotline.nothing_left()
        stories = await hotline.stories()
    ends = {str(data(story[0])["dialed"]): data(story[-1])["end_state"] for story in stories}
    assert {name: ends[number] for name, number in numbers.items()} == dict.fromkeys(ASKING, "abandoned_ivr")
    for story in stories:
        assert "contact.failed" not in types(story)
        assert data(one(story, "ivr.left"))["node"] == "start"


# Huge flows


async def test_a_flow_of_5000_nodes_is_walked_before_the_caller_has_waited_long(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    plain, count = brisk_site(), 4_997
    nodes: dict[str, Mapping[str, object]] = {
        f"n{n}": {"type": "set", "set": {"total": "total + 1"}, "next": f"n{n + 1}" if n + 1 < count else "say"}
        for n in range(count)
    }
    nodes["say"] = {"type": "say", "prompts": ["welcome_vip"], "next": "person"}
    flow = flow_of("huge", plain, {"total": {"type": "number", "value": 0}}, **nodes)
    site, numbers = with_flows(plain, {"huge": flow})
    async with open_hotline(var, asterisk, database_url, site) as hotline:
        await hotline.log_out_all()
        call = trunk.call(numbers["huge"], caller=NOBODY)
        began = await call.answered()
        contact = await hotline.until_phase(Phase.QUEUED, within_s=30.0)
        assert contact.cursor is None or contact.cursor.variables["total"] == count
        await asyncio.sleep(1.0)
        assert call.longest_silence_s(began, time.monotonic()) < SILENCE_S_MAX
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
    assert types(story).count("ivr.node_entered") == count + 2
    assert data(story[-1])["end_state"] == "abandoned_queue"
