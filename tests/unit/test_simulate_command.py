"""`callcenter simulate`: equal seeds give equal bytes, two sites side by side, and clear words when it can't."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from api.cli.main import main
from tests.kit.parts import DEMO_SITE


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `callcenter simulate …` without CALLCENTER_ variables of the machine."""
    for name in [name for name in os.environ if name.startswith("CALLCENTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["callcenter", "simulate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return command


SMALL = ("--scale", "0.3", "--replications", "2")


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """A copy of the demo site whose agents all wrap up and are chosen as before, under another order."""
    site = tmp_path / "draft"
    shutil.copytree(DEMO_SITE, site)
    queues = site / "queues.toml"
    queues.write_text(queues.read_text().replace('agent_order = "most_proficient"', 'agent_order = "least_proficient"'))
    return site


def test_equal_seeds_give_equal_bytes_and_other_seeds_others(run: Run) -> None:
    first, again = run(*SMALL, "--seed", "5", "--json"), run(*SMALL, "--seed", "5", "--json")
    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout
    assert first.stdout != run(*SMALL, "--seed", "6", "--json").stdout


def test_the_answer_has_a_value_and_its_interval_for_all_tiers_and_queues(run: Run) -> None:
    answer = json.loads(run(*SMALL, "--json").stdout)
    running = answer["sites"]["running"]
    assert 0.0 < running["all"]["service_level"]["value"] <= 1.0
    assert running["all"]["service_level"]["plus_minus"] > 0.0
    assert running["all"]["entered"] > 100
    assert {"product", "orders", "activities"} <= running["queues"].keys()
    assert len(running["tiers"]) >= 4
    assert "difference" not in answer


def test_a_draft_is_put_beside_the_running_site_on_the_same_customers(run: Run, draft: Path) -> None:
    answer = json.loads(run(*SMALL, "--draft", str(draft), "--json").stdout)
    running, changed = answer["sites"]["running"], answer["sites"]["draft"]
    assert running["all"] != changed["all"]
    difference = answer["difference"]["all"]["asa_s"]
    assert difference["value"] == pytest.approx(
        changed["all"]["asa_s"]["value"] - running["all"]["asa_s"]["value"], abs=1e-5
    )
    plain = run(*SMALL, "--draft", str(draft))
    assert "draft - running" in plain.stdout
    assert "service_level" in plain.stdout


def test_a_draft_that_changes_nothing_makes_no_difference(run: Run) -> None:
    answer = json.loads(run(*SMALL, "--draft", str(DEMO_SITE), "--json").stdout)
    assert answer["sites"]["running"] == answer["sites"]["draft"]
    for scope in (answer["difference"]["all"], *answer["difference"]["tiers"].values()):
        assert all(each["value"] in {0.0, None} for each in scope.values())


def test_the_plot_is_a_picture_of_both_sites(run: Run, draft: Path, tmp_path: Path) -> None:
    plot = tmp_path / "day.svg"
    done = run(*SMALL, "--draft", str(draft), "--plot", str(plot))
    assert done.returncode == 0, done.stderr
    picture = ET.fromstring(plot.read_text())
    words = {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"running", "draft", "preset demo"} <= words
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}polyline"))) >= 2
    before = plot.read_bytes()
    run(*SMALL, "--draft", str(draft), "--plot", str(plot))
    assert plot.read_bytes() == before


def test_customers_take_callbacks_and_it_is_told_what_came_of_them(run: Run) -> None:
    busy = ("--scale", "1.4", "--replications", "2")
    running = json.loads(run(*busy, "--callbacks", "0.5", "--json").stdout)["sites"]["running"]["all"]
    assert running["callbacks"] >= running["callbacks_kept"] > 0
    assert running["callback_wait_s"]["value"] > running["asa_s"]["value"]
    assert 0.0 <= running["callback_slot_kept"]["value"] <= 1.0
    assert "callbacks_kept" in run(*busy, "--callbacks", "0.5").stdout
    assert "callbacks" not in json.loads(run(*SMALL, "--json").stdout)["sites"]["running"]["all"]


def test_a_preset_brings_its_own_center(run: Run) -> None:
    answer = json.loads(run("--preset", "bank-1999", "--replications", "2", "--json").stdout)
    assert list(answer["sites"]["preset"]["tiers"]) == ["priority", "regular"]


def test_the_bar_goes_to_stderr_and_leaves_the_answer_alone(run: Run) -> None:
    shown, quiet = run(*SMALL, "--json", "--progress"), run(*SMALL, "--json", "--no-progress")
    assert shown.stdout == quiet.stdout
    assert quiet.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--preset", "moon"), "there is no preset 'moon'; there are bank-1999, demo, site-1500"),
        (("--preset", "bank-1999", "--draft", str(DEMO_SITE)), "add --site"),
        (("--day", "2026-11-20", "--scale", "2"), "--scale is for presets"),
        (("--day", "2026-11-20", "--callbacks", "0.2"), "--callbacks is for presets"),
        (("--scale", "0.001"), "nobody calls"),
        (("--plot", "/nowhere/day.svg", *SMALL), "/nowhere/day.svg"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_a_sentence(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_draft_without_a_queue_that_customers_enter_is_refused(run: Run, tmp_path: Path, draft: Path) -> None:
    for name in ("queues", "hotlines"):
        file = draft / f"{name}.toml"
        file.write_text(file.read_text().replace("activities", "events"))
    done = run(*SMALL, "--draft", str(draft))
    assert done.returncode == 1
    assert "activities" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments", [("--day", "yesterday"), ("--day", "2026-11-20", "--preset", "demo"), ("--replications", "0")]
)
def test_wrong_usage_is_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).returncode == 2


def test_help_shows_examples(run: Run) -> None:
    assert "callcenter simulate --preset site-1500" in " ".join(run("--help").stdout.split())


def test_callers_may_be_in_the_ivr_first_and_some_need_nobody(run: Run) -> None:
    plain = json.loads(run(*SMALL, "--json").stdout)
    answer = json.loads(run(*SMALL, "--ivr", "40,20,0.3", "--json").stdout)
    assert answer["ivr"] == ["40,20,0.3"]
    assert "ivr" not in plain
    before, after = plain["sites"]["running"]["all"], answer["sites"]["running"]["all"]
    assert "self_served" not in before
    assert after["self_served"] == pytest.approx(0.3 * before["entered"], rel=0.15)
    assert after["entered"] < before["entered"]
    alone = json.loads(run("--preset", "bank-1999", "--replications", "1", "--ivr", "60", "--json").stdout)
    assert alone["sites"]["preset"]["all"]["entered"] > 1_000


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--ivr", "soon"), "expected [NUMBER or FLOW=]MEAN_S"),
        (("--ivr", "10,-1"), "0 s or more"),
        (("--ivr", "0999=10"), "'0999' is neither a number of the site nor the flow of one"),
        (("--preset", "bank-1999", "--ivr", "0800=10"), "nobody dials a number"),
        (("--day", "2026-01-01", "--ivr", "10"), "--ivr is for presets"),
    ],
)
def test_a_time_in_the_ivr_that_cannot_be_is_refused(run: Run, asked: tuple[str, ...], said: str) -> None:
    done = run(*asked)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())
