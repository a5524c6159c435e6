"""A short selection of faults on real parts: nobody is dropped, nothing is lost, nothing is doubled."""

import pytest

from tests.chaos.disks import mountable
from tests.chaos.judge import Verdict
from tests.chaos.plan import FAULTS, NEED_DISKS, drawn, playable
from tests.chaos.run import run
from tests.chaos.soak import Growth

pytestmark = pytest.mark.integration

# Every fault once, in three portions: `make chaos` plays as many as you like.
PORTIONS = {
    "who decides": ("service_kill", "service_hang", "handover", "journal_full"),
    "what it rests on": ("asterisk_kill", "ari_cut", "ari_stall", "ami_cut", "postgres_stop", "postgres_kill"),
    "what is not quite dead": (
        *("postgres_full", "postgres_slow", "postgres_restored", "schema_widened"),
        *("ari_slow", "log_stuck", "release_broken"),
    ),
}
SEED = 20261122
LASTS_S = {"who decides": 60.0, "what it rests on": 85.0, "what is not quite dead": 90.0}


@pytest.mark.parametrize("portion", PORTIONS)
async def test_nobody_is_dropped_and_nothing_is_lost_or_doubled_whatever_fails(portion: str) -> None:
    kinds = playable(PORTIONS[portion], disks=mountable())
    plan = drawn(SEED, LASTS_S[portion], kinds=kinds)
    assert {fault.what for fault in plan.faults} == set(kinds), "each fails once at least"
    verdict = await run(plan)
    assert verdict.findings == [], "\n".join([*plan.lines(), *verdict.findings])
    assert verdict.figures["talks"] > 5, "somebody talked"


def test_the_selection_has_every_fault() -> None:
    assert sorted(kind for kinds in PORTIONS.values() for kind in kinds) == sorted(FAULTS)


def test_without_root_all_is_played_but_full_disks() -> None:
    assert set(playable(FAULTS, disks=False)) == {*FAULTS} - {*NEED_DISKS}
    assert playable(FAULTS, disks=True) == tuple(FAULTS)


def test_what_grows_is_found() -> None:
    calm, leaking = Verdict(), Verdict()
    Growth(memory=[100 << 20] * 60, files=[40] * 60).judge(calm)
    Growth(memory=[(100 + n) << 20 for n in range(60)], files=[40 + n for n in range(60)]).judge(leaking)
    assert calm.findings == []
    assert len(leaking.findings) == 1
    assert drawn(1, 60.0, kinds=()).faults == ()


def test_a_seed_draws_the_same_schedule_each_time() -> None:
    assert drawn(7, 300.0) == drawn(7, 300.0)
    assert drawn(7, 300.0).faults != drawn(8, 300.0).faults
    lines = drawn(7, 300.0).lines()
    assert all(any(fault.what in line for line in lines) for fault in drawn(7, 300.0).faults)
