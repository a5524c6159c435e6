"""Scripted conversations and what they cover; the drawing; and the commands that do it."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from api.cli.main import cli
from callcenter.config.site import load_site
from ivr.coverage import coverage
from ivr.drawing import as_data, mermaid
from ivr.model import Flow
from ivr.rehearsal import Played, play
from ivr.script import parse_script
from ivr.turn import Facts
from tests.kit.parts import DEMO_SITE

SITE = load_site(DEMO_SITE)
MAIN = SITE.flows["main"]
FACTS = Facts("zh-TW", "standard", known=False, calendars=SITE.calendars, zone=SITE.zone)
MENU = ["main_menu", "other_language"]
SCRIPT = DEMO_SITE / "flows/tests/main.toml"


def played(*steps: dict[str, object], exit_: str = "in_flow", flow: Flow = MAIN, **more: object) -> Played:
    conversation = {"name": "a caller", "at": "2026-11-20 10:00", "steps": list(steps), "exit": exit_, **more}
    script, mistakes = parse_script({"flow": "main", "conversation": [conversation]}, SITE.zone)
    assert mistakes == ()
    return play(flow, script.conversations[0], FACTS)


def test_a_conversation_that_goes_as_written_has_no_mistakes() -> None:
    went = played({"hears": ["welcome"]}, {"hears": MENU}, {"keys": "2"}, {"hears": ["to_agent"]}, exit_="queue:orders")
    assert went.mistakes == ()


@pytest.mark.parametrize(
    ("steps", "exit_", "mistake"),
    [
        ([{"hears": ["welcome"]}, {"hears": ["menu"]}], "in_flow", "step 2: hears ['main_menu', 'ot"),
        ([{"hears": ["welcome"]}, {"hears": MENU}, {"hears": MENU}], "in_flow", "step 3: nothing is said, but"),
        ([{"keys": "2"}], "queue:vip", "ended with 'queue:orders' instead of 'queue:vip', at node 'orders'"),
        ([{"keys": "2"}, {"keys": "1"}], "queue:orders", "step 2: the caller has left already (queue:orders)"),
        ([{"keys": "21"}], "queue:orders", "step 1: the caller left (queue:orders) before key 1 was pressed"),
        ([{"hangs_up": True}, {"keys": "1"}], "caller_left", "step 2: the caller has left already (caller_left)"),
        ([], "queue:orders", "ended with 'in_flow' instead of 'queue:orders', at node 'menu'"),
    ],
)  # fmt: skip
def test_the_first_thing_that_goes_otherwise_is_told(steps: list[dict[str, object]], exit_: str, mistake: str) -> None:
    (found,) = played(*steps, exit_=exit_).mistakes
    assert found.startswith(mistake)


def test_time_passes_as_it_would_on_the_phone() -> None:
    assert played({"silence_s": 60}, exit_="queue:product").mistakes == ()
    # 2 s of welcome, 4 s of menu, then 5 s to answer.
    assert played({"silence_s": 10.9}).mistakes == ()
    asked_again = played({"hears": ["welcome"]}, {"hears": MENU}, {"silence_s": 11.1}, {"hears": ["no_input", *MENU]})
    assert asked_again.mistakes == ()


def test_what_a_caller_is_left_with_is_compared() -> None:
    went = played({"keys": "9"}, language="zh-TW", holds={"account": "1"}, consent=True, survey="complete")
    assert went.mistakes == (
        "is spoken to in 'en' instead of 'zh-TW'",
        "consent is None instead of True",
        "account holds None instead of '1'",
        "the survey ended never instead of complete",
    )


def test_mistakes_of_a_script_come_all_at_once_with_their_paths() -> None:
    source = {
        "flow": "main",
        "conversation": [
            {"name": "x", "at": "tomorrow", "steps": [{"hears": "welcome"}, {"keys": "x"}, {}], "exit": "queue:orders"},
            {"at": "2026-11-20", "stepps": [], "caller": {"tier": "vip"}, "holds": {"a": []}},
        ],
    }
    _, mistakes = parse_script(source, ZoneInfo("UTC"))
    assert mistakes == (
        "conversation[1].at: 'tomorrow' is no instant; write \"2026-11-20 10:00\"",
        "conversation[1].steps[1].hears: must be a list of prompt ids, not 'welcome'",
        "conversation[1].steps[2].keys: 'x' are no keys of a telephone",
        "conversation[1].steps[3]: needs exactly one of hears, keys, says, silence_s, world and hangs_up",
        "conversation[2].name: is missing",
        "conversation[2].exit: is missing",
        "conversation[2].caller.tier: unknown key",
        "conversation[2].holds.a: must be a text, a number, true or false, not []",
        "conversation[2].stepps: unknown key; did you mean 'steps'?",
    )


def test_coverage_tells_the_ways_that_nobody_walked() -> None:
    walked = coverage(MAIN, [played({"keys": "2"}, exit_="queue:orders").notes])
    assert walked.nodes_walked == 5  # hours, greeting, welcome, menu, orders
    assert "main.menu.choices.2" not in walked.ways_missed
    assert "main.menu.choices.1" in walked.ways_missed
    assert walked.ways == walked.ways_walked + len(walked.ways_missed)
    assert walked.ways_walked == 4


def test_a_drawing_has_every_node_and_every_way() -> None:
    drawn = mermaid(MAIN)
    assert drawn.startswith("flowchart TD\n")
    data = as_data(MAIN)
    assert len(data["nodes"]) == len(MAIN.nodes)
    assert drawn.count("-->") + drawn.count("==>") == len(data["ways"]) + 1  # and the way from the start
    assert '==>|"2"|' in drawn


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["flow", *words])
    return done.exit_code, done.output


def test_the_demo_sites_conversations_go_as_written_and_walk_every_node() -> None:
    code, said = run("test", str(SCRIPT), "--json")
    told = json.loads(said)
    assert code == 0
    assert told["passed"]
    assert told["coverage"]["nodes_missed"] == []
    assert run("test", str(SCRIPT), "--ways-min", "100")[0] == 1


def test_a_draft_is_checked_and_tested_against_a_site_before_it_is_in_it(tmp_path: Path) -> None:
    draft = tmp_path / "main.toml"
    text = (DEMO_SITE / "flows/main.toml").read_text()
    draft.write_text(text.replace('1 = "product", 2 = "orders"', '1 = "orders", 2 = "product"'))
    assert run("check", str(draft), "--site", str(DEMO_SITE)) == (0, f"{draft}: no mistakes\n")
    code, said = run("test", str(SCRIPT), "--flow", str(draft))
    assert code == 1
    assert "ended with 'queue:product' instead of 'queue:orders'" in said
    draft.write_text(text.replace('2 = "orders"', '2 = "order"'))
    code, said = run("check", str(draft), "--site", str(DEMO_SITE), "--json")
    assert code == 1
    assert json.loads(said)["mistakes"] == ["nodes.menu.choices.2: no such node 'order'; did you mean 'orders'?"]


def test_a_flow_is_drawn_for_people_and_for_programs() -> None:
    main = str(DEMO_SITE / "flows/main.toml")
    assert run("show", main) == run("show", main, "--mermaid") == (0, mermaid(MAIN))
    code, said = run("show", main, "--json")
    assert code == 0
    assert json.loads(said)["start"] == "hours"
