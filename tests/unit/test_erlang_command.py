"""callcenter sizing: what it prints, and what it refuses."""

import json
import re

import pytest

from tests.kit.parts import CHECKOUT
from tests.unit.test_cli_commands import Run, run

__all__ = ["run"]

LOAD = ("--calls-per-hour", "6000", "--aht-s", "180", "--target-share", "0.8", "--target-s", "20")


def test_programs_get_agents_and_what_they_achieve(run: Run) -> None:
    done = run("sizing", *LOAD, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["agents"], found["erlangs"]) == (309, 300.0)
    assert 0.8 <= found["service_level"] < 0.85
    assert {found["trunks"], found["abandonment"]} == {None}
    assert found["occupancy"] == pytest.approx(300 / 309)
    assert found["asa_s"] == pytest.approx(found["p_wait"] * 180 / 9)


def test_trunks_and_abandonment_are_told_when_asked_for(run: Run) -> None:
    asked = ("--patience-s", "120", "--ivr-s", "30", "--trunk-blocking", "0.001")
    found = json.loads(run("sizing", *LOAD, *asked, "--json").stdout)
    assert (found["agents"], found["trunks"]) == (276, 432)
    assert found["abandonment"] == pytest.approx(found["occupancy"] * -276 / 300 + 1)
    assert found["service_level"] < found["service_level_ignore"]


def test_people_get_a_table(run: Run) -> None:
    plain = run("sizing", *LOAD, COLUMNS="40").stdout
    assert "answered within 20 s, of all who entered" in plain, "a table is whole on whatever it is written to"
    assert "agents" in plain
    assert "309" in plain
    assert "abandonment" not in plain
    assert "trunks" not in plain
    whole = run("sizing", *LOAD, "--patience-s", "120", "--trunk-blocking", "0.001", "--shrinkage", "0.3").stdout
    for name in ("positions", "abandonment", "service_level_ignore", "trunks"):
        assert name in whole


def test_its_help_has_an_example_that_works(run: Run) -> None:
    shown = " ".join(run("sizing", "--help").stdout.split())
    example = shown.partition("Example: callcenter ")[2]
    done = run(*example.split(), "--json")
    assert (done.returncode, json.loads(done.stdout)["trunks"]) == (0, 432)


def test_the_documented_case_is_answered_as_documented(run: Run) -> None:
    text = (CHECKOUT / "docs/sizing.md").read_text()
    [example] = re.findall(r"^callcenter (sizing .*)$", text, re.MULTILINE)
    plain, bounded = ("--patience-s", "120"), ("--patience-s", "120", "--abandonment-max", "0.03")
    answers = [json.loads(run(*example.split(), *more, "--json").stdout) for more in ((), plain, bounded)]
    agents = [answer["agents"] for answer in answers]
    first = answers[0]
    row = f"| 6,000 | {first['erlangs']:.0f} | {agents[0]} | {first['trunk_erlangs']:.1f} | {first['trunks']} |"
    assert row in text
    assert f"with {agents[1]} agents, but then one caller in twelve gives up" in text
    assert round(1 / answers[1]["abandonment"]) == 12
    assert f"`--abandonment-max 0.03` asks for {agents[2]}." in text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--aht-s", "0", "--target-share", "1"), ("--aht-s", "--target-share")),
        (("--calls-per-hour", "nan"), ("--calls-per-hour",)),
        (("--calls-per-hour", "inf"), ("--calls-per-hour",)),
        (("--target-s", "-1"), ("--target-s",)),
        (("--patience-s", "0"), ("--patience-s",)),
        (("--ivr-s", "30"), ("ivr_s needs trunk_blocking",)),
        (("--abandonment-max", "0.05"), ("abandonment_max needs patience_s",)),
        (("--calls-per-hour", "9000000"), ("--calls-per-hour", "450,000 erlangs", "100,000")),
        (("--calls-per-hour", "many"), ("--calls-per-hour",)),
    ],
)
def test_a_load_that_makes_no_sense_is_wrong_usage_with_every_mistake_said(
    run: Run, given: tuple[str, ...], told: tuple[str, ...]
) -> None:
    done = run("sizing", *LOAD, *given, "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert all(words in done.stderr for words in told)
    assert "Traceback" not in done.stderr
