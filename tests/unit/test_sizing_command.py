"""`callcenter sizing --site`: how many agents of each group a site needs, found on the simulated ACD."""

import json

import pytest

from tests.kit.parts import DEMO_SITE
from tests.unit.test_cli_commands import Run, run

__all__ = ["run"]

TARGET = ("--target-share", "0.7", "--target-s", "30")
QUICK = ("--site", str(DEMO_SITE), "--calls-per-hour", "60", "--customers", "1000", "--keep-proportions")


def test_each_group_of_agents_is_sized_and_what_it_achieves_is_told(run: Run) -> None:
    done = run("sizing", *TARGET, *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["erlangs"] == pytest.approx(60 * 180 / 3_600)
    assert found["agents"] == sum(group["agents"] for group in found["groups"])
    assert found["positions"] == found["agents"] >= found["agents_pooled"] - 1
    assert {group["first"] for group in found["groups"]} <= {f"agent{at:02}" for at in range(1, 11)}
    assert {"product", "orders", "activities"} <= found["queues"].keys()
    assert all(each["service_level"]["value"] >= 0.7 for each in (*found["queues"].values(), *found["tiers"].values()))
    assert {each["within_s"] for each in found["queues"].values()} == {30.0}
    assert found["tiers"]["basic"]["within_s"] == 60.0


def test_the_same_seed_gives_the_same_bytes(run: Run) -> None:
    first, again = (run("sizing", *TARGET, *QUICK, "--json", "--seed", "3") for _ in range(2))
    assert first.stdout == again.stdout


def test_people_get_tables(run: Run) -> None:
    done = run("sizing", *TARGET, *QUICK, "--shrinkage", "0.3")
    for word in ("agents_pooled", "positions", "group of", "in site", "queue product", "tier basic"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((*TARGET, *QUICK, "--preset", "moon"), 1, "there is no preset 'moon'"),
        ((*TARGET, "--preset", "demo"), 1, "add --site"),
        ((*TARGET, *QUICK, "--trunk-blocking", "0.001"), 2, "--trunk-blocking"),
        (("--target-share", "1.5", "--target-s", "30", *QUICK), 2, "--target-share"),
        (TARGET, 2, "--calls-per-hour"),
        (("--target-share", "0.99", "--target-s", "0", *QUICK), 1, "misses its target with"),
    ],
)
def test_what_cannot_be_sized_is_said(run: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = run("sizing", *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
