"""Value tiers: what they are promised, and how a contact's score grows under each discipline."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.policy import Discipline, Tier, TierPolicy

VIP = Tier("vip", slope=4.0, head_start_s=15.0, target_s=10.0)
BASIC = Tier("basic", slope=1.0, target_s=60.0)
TIERS = (VIP, BASIC)

WAITS = st.floats(0.0, 86_400.0)
DISCIPLINES = st.sampled_from(Discipline)


@pytest.mark.parametrize(
    ("discipline", "rank", "score"),
    [
        (Discipline.ACCUMULATING, 0, 4.0 * (20.0 + 15.0)),
        (Discipline.ACCUMULATING, 1, 20.0),
        (Discipline.TARGET, 0, (20.0 + 15.0) / 10.0),
        (Discipline.TARGET, 1, 20.0 / 60.0),
        (Discipline.STRICT, 0, 20.0),
        (Discipline.FIFO, 0, 20.0),
        (Discipline.LIFO, 0, 20.0),
        (Discipline.QUEUE_RATIO, 1, 20.0),
    ],
)
def test_the_score_after_20_seconds_is_slope_times_wait_and_head_start(
    discipline: Discipline, rank: int, score: float
) -> None:
    assert TierPolicy(discipline, TIERS).score(rank, 20.0) == pytest.approx(score)


def test_a_rank_beyond_the_last_counts_as_the_last() -> None:
    policy = TierPolicy(Discipline.ACCUMULATING, TIERS)
    assert [policy.tier(rank).name for rank in (-1, 0, 1, 2, 99)] == ["vip", "vip", "basic", "basic", "basic"]


@given(DISCIPLINES, st.integers(0, 3), WAITS, WAITS)
def test_a_score_grows_with_the_wait_so_that_nobody_is_forgotten(
    discipline: Discipline, rank: int, a: float, b: float
) -> None:
    policy = TierPolicy(discipline, TIERS)
    shorter, longer = sorted((a, b))
    assert 0.0 <= policy.score(rank, shorter) <= policy.score(rank, longer)
    assert policy.score(rank, longer) < policy.score(rank, longer + 1.0)


@given(st.sampled_from([Discipline.ACCUMULATING, Discipline.TARGET]), WAITS, WAITS)
def test_a_lead_of_one_contact_over_another_in_its_tier_never_changes(
    discipline: Discipline, a: float, later_s: float
) -> None:
    policy = TierPolicy(discipline, TIERS)
    lead = policy.score(0, a + 5.0) - policy.score(0, a)
    assert policy.score(0, a + 5.0 + later_s) - policy.score(0, a + later_s) == pytest.approx(lead, abs=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"slope": 0.0},
        {"slope": -1.0},
        {"slope": math.inf},
        {"slope": math.nan},
        {"head_start_s": -1.0},
        {"target_s": 0.0},
        {"target_s": math.inf},
        {"share": 0.0},
        {"starvation_s": 0.0},
        {"starvation_s": math.nan},
        {"experience": 101},
        {"spill_s": -1.0},
        {"preferred_wait_s": -1.0},
        {"trunk_reserve": -1},
    ],
)
def test_a_tier_that_promises_nonsense_cannot_be_made(wrong: dict[str, float]) -> None:
    with pytest.raises(AssertionError):
        replace(VIP, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("tiers", [(), (VIP, replace(BASIC, name="vip"))])
def test_a_policy_has_tiers_and_no_two_of_one_name(tiers: tuple[Tier, ...]) -> None:
    with pytest.raises(AssertionError):
        TierPolicy(Discipline.STRICT, tiers)
