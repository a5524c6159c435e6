"""Scripted conversations by telephone, the demo's and the templates': the same script, real keys, the same notes."""

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from api.cli.flow_test import facts_of
from api.dialing.answers import ScriptedAnswers
from api.dialing.callers import Callers
from api.dialing.conversation import Around, ByTelephone
from api.dialing.part import Held, Part
from api.dialing.playlist import playlist_of
from api.dialing.recogniser import ScriptedRecogniser, running
from api.dialing.replay import replay
from callcenter.beside import Beside
from callcenter.config.model import Hotline as Dialed
from callcenter.config.site import Site, load_site
from callcenter.db.engine import make_engine
from callcenter.db.self_service import SelfService
from callcenter.flow_templates import templates
from ivr.coverage import coverage
from ivr.expression import Type
from ivr.model import CollectNode, Flow, MenuNode, QueueNode, Variable
from ivr.script import Script, parse_script
from ivr.speech import say
from ivr.speech.rules import Style
from ivr.sub_flows import link
from tests.database import fetch
from tests.integration.test_speech_by_phone import listening_asterisk
from tests.kit.hotline import access, data, open_hotline, settings_for
from tests.kit.parts import DEMO_SITE, RealAsterisk
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

__all__ = ["listening_asterisk"]  # a fixture

OWN = ("main", "advice", "usual")
CALLED = "nobody is called here: neither a phone outside, nor a caller who was promised it"
LEFT_OUT = {
    f"advice: {name}": CALLED
    for name in (
        "two times are offered, and the caller takes the second",
        "there is no time: the caller is told, and waits",
        "a caller who chooses no time waits",
    )
}
OWNER, CUSTOMER, PIN = "0910000003", "c0003", "2580"  # of the demo site


def script_of(site: Site, name: str) -> Script:
    script, mistakes = parse_script(tomllib.loads((site.folder / f"flows/tests/{name}.toml").read_text()), site.zone)
    assert mistakes == ()
    return script


async def dialed(
    parts: Sequence[Part],
    site: Site,
    beside: Beside,
    asterisk: RealAsterisk,
    var: Path,
    recogniser: ScriptedRecogniser | None = None,
) -> Sequence[Held]:
    """How the conversations went; what callers say is heard by a recogniser that runs, if there is one."""
    hears = recogniser or ScriptedRecogniser()
    return await replay(parts, site, beside, hears, asterisk.sip_address, settings_for(var), lambda part, held: None)


@pytest.fixture
def templated() -> Site:
    """The demo site, which has a flow of every template."""
    return load_site(DEMO_SITE)


async def test_the_conversations_of_the_demo_and_of_every_template_go_on_real_asterisk_as_they_are_written(
    templated: Site, asterisk: RealAsterisk, database_url: str, tmp_path: Path
) -> None:
    scripts = [script_of(templated, name) for name in (*OWN, *templates())]
    parts = [
        Part(templated.flows[script.flow], each, facts_of(each, templated))
        for script in scripts
        for each in script.conversations
    ]
    dialable = [part for part in parts if not part.undialable(templated.default_value_tier)]
    assert {part.name: why for part in parts if (why := part.undialable(templated.default_value_tier))} == LEFT_OUT
    companion = asterisk.companion
    beside = Beside(database_url, access(companion), companion.recordings_dir)
    held = await dialed(dialable, templated, beside, asterisk, tmp_path)
    found = {part.name: each.mistakes for part, each in zip(dialable, held, strict=True)}
    assert {name: mistakes for name, mistakes in found.items() if mistakes} == {}
    assert len(found) >= 60
    for name in ("main", "order_status", "self_service"):
        notes = [each.notes for part, each in zip(dialable, held, strict=True) if part.flow.id == name]
        assert coverage(templated.flows[name], notes).ways_missed == () or name == "main"
        assert coverage(templated.flows[name], notes).nodes_missed == ()


async def test_a_conversation_that_goes_otherwise_by_telephone_is_found(
    templated: Site, asterisk: RealAsterisk, database_url: str, tmp_path: Path
) -> None:
    """The call center says another prompt than the flow that the script was written for."""
    script = script_of(templated, "main")
    written = next(each for each in script.conversations if "presses two" in each.name)
    flow = templated.flows["main"]
    changed = dict(flow.nodes)
    orders = changed["orders"]
    assert isinstance(orders, QueueNode)
    changed["orders"] = replace(orders, queue="activities")
    companion = asterisk.companion
    beside = Beside(database_url, access(companion), companion.recordings_dir)
    part = Part(flow, written, facts_of(written, templated))
    assert not part.undialable(templated.default_value_tier)
    otherwise = Part(replace(flow, nodes=changed), replace(written, exit="queue:activities"), part.facts)
    site = replace(templated, flows={**templated.flows, "main": otherwise.flow})
    async with (
        playlist_of(beside.asterisk) as playlist,
        open_hotline(tmp_path / "var", asterisk, database_url, site, settings_for(tmp_path, node="other")) as live,
        Callers(asterisk.sip_address, {"+886912550000": "0800000100"}, tmp_path / "callers") as callers,
    ):
        call = callers.calls["+886912550000"]
        around = Around(playlist, ScriptedAnswers(), ScriptedRecogniser())
        held = await ByTelephone(part, live.center, around, call, "0800000100", patience_s=8.0).hold()
        await live.nothing_left()
    assert held.mistakes == ("does not wait in orders",)


SPOKEN = """
flow = "spoken"

[[conversation]]
name = "a caller says what they want, and their account"
at = "2026-11-20 10:00"
steps = [{ hears = ["main_menu"] }, { says = "my orders" }, { hears = ["order_account"] }, { says = "1234" }]
exit = "queue:orders"

[[conversation]]
name = "a caller who is not understood twice goes on by keys"
at = "2026-11-20 10:00"
steps = [
    { says = "nonsense" },
    { hears = ["wrong_key", "main_menu"] },
    { says = "more nonsense" },
    { hears = ["wrong_key", "main_menu"] },
    { keys = "1" },
    { hears = ["order_account"] },
    { keys = "1234" },
]
exit = "queue:orders"

[[conversation]]
name = "the recogniser is away, and the caller presses a key"
at = "2026-11-20 10:00"
steps = [{ hears = ["main_menu"] }, { says = "" }, { keys = "2" }]
exit = "queue:product"
"""


async def test_what_callers_say_is_heard_in_dialed_conversations_too(
    listening_asterisk: RealAsterisk, templated: Site, database_url: str, tmp_path: Path
) -> None:
    ends = {"orders": QueueNode("orders"), "person": QueueNode("product")}
    menu = MenuNode(
        ("main_menu",),
        {"1": "account", "2": "person"},
        "person",
        wrong_key_prompts=("wrong_key",),
        timeout_s=20.0,
        speech={"zh-TW": {"my orders": "1"}},
    )
    ask = CollectNode(("order_account",), "account", "orders", "person", digits_min=4, digits_max=4, speech=True)
    known = {"account": Variable(Type.DIGITS)}
    flow = Flow("spoken", "1", "menu", {"menu": menu, "account": ask, **ends}, "person", known)
    site = replace(templated, flows=link({**templated.flows, "spoken": flow}))
    script, mistakes = parse_script(tomllib.loads(SPOKEN), site.zone)
    assert mistakes == ()
    parts = [Part(site.flows["spoken"], each, facts_of(each, site)) for each in script.conversations]
    assert [part.undialable(site.default_value_tier) for part in parts] == [None] * 3
    companion, recogniser = listening_asterisk.companion, ScriptedRecogniser()
    beside = Beside(database_url, access(companion), companion.recordings_dir)
    async with running(recogniser):
        held = await dialed(parts, site, beside, listening_asterisk, tmp_path, recogniser)
    assert [each.mistakes for each in held] == [(), (), ()]
    assert len(recogniser.starts) == 2 + 2 + 1
    heard = [note.detail["said"] for each in held for note in each.notes if note.what == "spoken"]
    assert heard == ["my orders", "1234"]


async def test_a_customer_asks_for_their_order_and_then_by_pin_for_what_it_costs(
    templated: Site, asterisk: RealAsterisk, database_url: str, tmp_path: Path
) -> None:
    numbers = {"order_status": "0809550091", "self_service": "0809550092"}
    dialed = {number: Dialed(number, flow, None, "zh-TW") for flow, number in numbers.items()}
    site = replace(templated, hotlines={**templated.hotlines, **dialed})
    async with (
        playlist_of(access(asterisk.companion)) as playlist,
        asterisk.trunk() as trunk,
        open_hotline(tmp_path / "var", asterisk, database_url, site, settings_for(tmp_path, node="world")) as live,
    ):
        await live.log_out_all()
        await fetch(database_url, "DELETE FROM customer_order")
        row = "INSERT INTO customer_order VALUES ('A1', $1, 'sent', 2000, '2026-11-02 12:00+08', '2026-12-02')"
        await fetch(database_url, row, CUSTOMER)
        engine = make_engine(database_url)
        await SelfService(engine).set_pin(CUSTOMER, PIN)
        await engine.dispose()

        call = trunk.call(numbers["order_status"], caller=OWNER)
        await until(lambda: ["order_which"] in playlist.said(), "is asked which order")
        await call.press("1")
        await call.ended(within_s=60.0)
        assert playlist.said()[1:] == [
            ["order_arrives", *say("zh-TW", Style.DATE, "2026-12-02")],
            ["order_more"],
            ["goodbye"],
        ]
        playlist.played.clear()
        call = trunk.call(numbers["self_service"], caller=OWNER)
        await until(lambda: ["enter_pin"] in playlist.said(), "is asked for the PIN")
        await call.press(f"{PIN}#")
        await until(lambda: ["self_service_menu"] in playlist.said(), "is let in")
        await call.press("1")
        await call.ended(within_s=60.0)
        day, sum_ = say("zh-TW", Style.DATE, "2026-11-02"), say("zh-TW", Style.MONEY, 2000.0)
        assert ["self_service_order", *day, "self_service_total", *sum_] in playlist.said()
        await live.nothing_left()
        for story in await live.stories():
            assert data(story[-1])["end_state"] == "self_service"
            assert PIN not in str(story)
