"""Scripted conversations by telephone, the demo's and the templates': the same script, real keys, the same notes."""

import shutil
import tomllib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.config.model import Hotline as Dialed
from callcenter.config.site import Site, load_site
from callcenter.db.engine import make_engine
from callcenter.db.self_service import SelfService
from callcenter.flow_templates import add, make, template, templates
from ivr.script import Script, parse_script
from ivr.speech import say
from ivr.speech.rules import Style
from tests.database import fetch
from tests.kit.hotline import data, open_hotline, settings_for
from tests.kit.parts import DEMO_SITE, RealAsterisk
from tests.kit.replay import replay, undialable, witness_of
from tests.kit.waiting import until
from tests.unit.test_flow_templates import fitting, silence

pytestmark = pytest.mark.integration

OWNER, CUSTOMER, PIN = "0910000003", "c0003", "2580"  # of the demo site


def script_of(site: Site, name: str) -> Script:
    script, mistakes = parse_script(tomllib.loads((site.folder / f"flows/tests/{name}.toml").read_text()), site.zone)
    assert mistakes == ()
    return script


@pytest.fixture
async def templated(tmp_path: Path, asterisk: RealAsterisk) -> AsyncIterator[Site]:
    """The demo site with a flow of every template, its prompts in Asterisk; in the end Asterisk is as it was."""
    folder = shutil.copytree(DEMO_SITE, tmp_path / "site")
    for name in templates():
        add(make(template(name), name, fitting(name), load_site(folder)), folder, silence)
    site = load_site(folder)
    await asterisk.companion.adapt(replace(asterisk.plan, prompts_dir=site.prompts_dir))
    yield site
    await asterisk.companion.adapt(asterisk.plan)


async def test_the_conversations_of_the_demo_and_of_every_template_go_on_real_asterisk_as_they_are_written(
    templated: Site, asterisk: RealAsterisk, database_url: str, tmp_path: Path
) -> None:
    scripts = [script_of(templated, name) for name in ("main", *templates())]
    assert [each.name for each in scripts[0].conversations if undialable(each, templated, "main")] == []
    dialable = [
        replace(
            script, conversations=tuple(c for c in script.conversations if not undialable(c, templated, script.flow))
        )
        for script in scripts
    ]
    assert all(script.conversations for script in dialable)
    found = await replay(dialable, templated, asterisk, database_url, tmp_path)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert len(found) == sum(len(script.conversations) for script in dialable) >= 30


async def test_a_customer_asks_for_their_order_and_then_by_pin_for_what_it_costs(
    templated: Site, asterisk: RealAsterisk, database_url: str, tmp_path: Path
) -> None:
    numbers = {"order_status": "0809550091", "self_service": "0809550092"}
    dialed = {number: Dialed(number, flow, None, "zh-TW") for flow, number in numbers.items()}
    site = replace(templated, hotlines={**templated.hotlines, **dialed})
    async with (
        witness_of(asterisk.companion) as witness,
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
        await until(lambda: ["order_which"] in witness.said(), "is asked which order")
        await call.press("1")
        await call.ended(within_s=20.0)
        assert witness.said()[1:] == [
            ["order_arrives", *say("zh-TW", Style.DATE, "2026-12-02")],
            ["order_more"],
            ["goodbye"],
        ]
        witness.played.clear()
        call = trunk.call(numbers["self_service"], caller=OWNER)
        await until(lambda: ["enter_pin"] in witness.said(), "is asked for the PIN")
        await call.press(f"{PIN}#")
        await until(lambda: ["self_service_menu"] in witness.said(), "is let in")
        await call.press("1")
        await call.ended(within_s=20.0)
        day, sum_ = say("zh-TW", Style.DATE, "2026-11-02"), say("zh-TW", Style.MONEY, 2000.0)
        assert ["self_service_order", *day, "self_service_total", *sum_] in witness.said()
        await live.nothing_left()
        for story in await live.stories():
            assert data(story[-1])["end_state"] == "self_service"
            assert PIN not in str(story)
