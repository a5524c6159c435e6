"""Trunk reservation (S293, T34): the decision, the exact chain, and one against the other in a seeded simulation."""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from routing.admission import Traffic, admit, admit_dial, blocking, held_tiers, in_use
from routing.erlang import erlang_b
from routing.policy import Tier

VIP = Tier("vip")
LOW = Tier("standard", trunk_reserve=4)


@pytest.mark.parametrize(
    ("free", "tier", "accepted", "why"),
    [
        (1, VIP, True, "1 trunk is free, more than the 0 kept for more valuable tiers"),
        (0, VIP, False, "no trunk is free"),
        (-3, VIP, False, "no trunk is free"),
        (5, LOW, True, "5 trunks are free, more than the 4 kept for more valuable tiers"),
        (4, LOW, False, "4 trunks are free, 4 kept for more valuable tiers"),
        (1, LOW, False, "1 trunk is free, 4 kept for more valuable tiers"),
        (0, LOW, False, "no trunk is free"),
    ],
)
def test_a_caller_is_admitted_while_more_trunks_are_free_than_their_tier_leaves_to_others(
    free: int, tier: Tier, accepted: bool, why: str
) -> None:
    admission = admit(free, tier)
    assert (admission.accepted, admission.why) == (accepted, why)


@pytest.mark.parametrize(
    ("free", "tier", "accepted", "why"),
    [
        (2, VIP, True, "2 trunks are free, more than the 1 kept for callers"),
        (1, VIP, False, "1 trunk is free, 1 kept for callers"),
        (0, VIP, False, "no trunk is free"),
        (4, LOW, False, "4 trunks are free, 4 kept for more valuable tiers"),
    ],
)
def test_a_customer_is_called_on_no_trunk_that_is_kept_nor_on_the_last(
    free: int, tier: Tier, accepted: bool, why: str
) -> None:
    admission = admit_dial(free, tier)
    assert (admission.accepted, admission.why) == (accepted, why)
    assert held_tiers(free, (tier,)) == (() if accepted else (0,))


# ---- The chain ----


@pytest.mark.parametrize(
    ("trunks", "erlangs"),
    [(0, 5.0), (1, 0.0), (1, 1.0), (10, 4.5), (30, 60.0), (432, 460.0), (432, 40.0), (10_000, 9_900.0)],
)
def test_without_a_reserve_every_class_is_blocked_as_erlang_b_says(trunks: int, erlangs: float) -> None:
    exact = erlang_b(trunks, erlangs)
    for blocked in blocking(trunks, [Traffic(0.2 * erlangs), Traffic(0.8 * erlangs)]):
        assert blocked == pytest.approx(exact, rel=1e-9, abs=1e-300)


def test_a_reserve_of_four_among_432_trunks_makes_the_vip_unblockable() -> None:
    """T34, with a fifth of 460 erlangs from VIP callers."""
    assert list(blocking(432, [Traffic(92.0), Traffic(368.0)])) == pytest.approx([0.0812, 0.0812], abs=5e-5)
    vip, low = blocking(432, [Traffic(92.0, VIP.trunk_reserve), Traffic(368.0, LOW.trunk_reserve)])
    assert vip == pytest.approx(0.000180, abs=5e-7)
    assert low == pytest.approx(0.110, abs=5e-4)
    vip_of_three, _ = blocking(432, [Traffic(92.0), Traffic(368.0, 3)])
    assert vip_of_three > 0.0005 > vip


def test_at_120_percent_load_the_same_reserve_blocks_at_most_one_vip_in_a_thousand() -> None:
    vip, low = blocking(432, [Traffic(0.2 * 1.2 * 432), Traffic(0.8 * 1.2 * 432, 4)])
    assert vip < 0.001
    assert low > 0.2


def test_a_class_whose_reserve_is_all_trunks_never_gets_one() -> None:
    assert list(blocking(10, [Traffic(3.0), Traffic(50.0, 10)])) == pytest.approx([erlang_b(10, 3.0), 1.0], rel=1e-12)
    assert in_use(3, [Traffic(5.0, 3)]) == (1.0, 0.0, 0.0, 0.0)


# ---- The decision, simulated, against the chain ----

BATCHES = 40
STUDENT_T = 3.56
"""Of 39 degrees of freedom: the interval holds 99.9 % of the time."""


@dataclass(frozen=True, slots=True)
class Interval:
    mean: float
    half: float

    def __contains__(self, value: float) -> bool:
        return abs(value - self.mean) <= self.half


def simulated(
    trunks: int, erlangs: Sequence[float], tiers: Sequence[Tier], *, arrivals: int, seed: int
) -> list[Interval]:
    """The share of refused callers of each tier, with the interval of its batch means.

    Memoryless: with n trunks in use the next thing is an arrival with odds erlangs : n. The first tenth is warm-up.
    """
    rng = random.Random(seed)
    total = math.fsum(erlangs)
    share = erlangs[0] / total
    asked = [[0] * BATCHES for _ in tiers]
    refused = [[0] * BATCHES for _ in tiers]
    taken = seen = 0
    warm_up = arrivals // 10
    while seen < warm_up + arrivals:
        if rng.random() * (total + taken) >= total:
            taken -= 1
            continue
        k = 0 if rng.random() < share else 1
        accepted = admit(trunks - taken, tiers[k]).accepted
        taken += accepted
        if seen >= warm_up:
            batch = (seen - warm_up) * BATCHES // arrivals
            asked[k][batch] += 1
            refused[k][batch] += not accepted
        seen += 1
    return [_interval([r / a for r, a in zip(*pair, strict=True)]) for pair in zip(refused, asked, strict=True)]


def _interval(means: Sequence[float]) -> Interval:
    return Interval(statistics.fmean(means), STUDENT_T * statistics.stdev(means) / math.sqrt(len(means)))


@pytest.mark.parametrize("reserve", [0, 1, 2])
def test_a_simulated_hotline_refuses_each_class_as_often_as_the_chain_says_and_no_other_chain(reserve: int) -> None:
    erlangs = (6.8, 27.2)
    tiers = (VIP, Tier("standard", trunk_reserve=reserve))
    vip, low = simulated(30, erlangs, tiers, arrivals=200_000, seed=34)

    def chain(reserve: int) -> tuple[float, ...]:
        return blocking(30, [Traffic(erlangs[0]), Traffic(erlangs[1], reserve)])

    assert chain(reserve)[0] in vip
    assert chain(reserve)[1] in low
    for other in {reserve - 1, reserve + 1} - {-1}:
        assert chain(other)[0] not in vip
        assert chain(other)[1] not in low


def test_432_simulated_trunks_with_a_reserve_of_four_refuse_as_t34_says() -> None:
    vip, low = simulated(432, (92.0, 368.0), (VIP, LOW), arrivals=1_500_000, seed=34)
    exact_vip, exact_low = blocking(432, [Traffic(92.0), Traffic(368.0, 4)])
    assert exact_low in low
    assert low.half < 0.005
    assert abs(low.mean - 0.110) < 0.005
    assert exact_vip in vip
    assert vip.mean + vip.half < 0.0005
    assert erlang_b(432, 460.0) not in vip
    assert erlang_b(432, 460.0) not in low
