"""The production ACD in virtual time against queueing theory: what is known exactly must come out.

Theory speaks of endless days; a simulated one differs from it by chance. So each figure is judged by a confidence
interval over batches of customers, which must hold the exact value and be narrow enough to be able to miss it. Where
the number waiting is the same under every policy (handling times in order of service), a tier's wait is compared
with the wait in order of arrival of the very same customers, which takes most of the chance out.
"""

import numpy as np
import pytest

from routing.erlang import ErlangA, ErlangC
from routing.messages import Configured
from routing.model import AgentOrder, QueueRules
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import needing
from routing.simulate.day import simulate
from routing.simulate.draw import draw
from routing.simulate.durations import Exponential
from routing.simulate.intervals import Ratio, batches
from routing.simulate.load import Kind, Load
from routing.simulate.record import Record
from routing.staffing import accumulating_waits_s, priority_waits_s
from tests.simulated import (
    AHT_S,
    SCALE,
    assert_agrees,
    mean_of,
    on_duty,
    one_pool,
    poisson,
    profiles,
    settled,
    share_of,
    steady,
    waits_in_order,
)

WITHOUT_BOUND_S = 1e9


def weighed(discipline: Discipline, *slopes: float, head_starts_s: tuple[float, ...] = ()) -> TierPolicy:
    """Tiers by slope, highest first, whose starvation bound never comes into play."""
    heads = head_starts_s or (0.0,) * len(slopes)
    return TierPolicy(
        discipline,
        tuple(
            Tier(f"tier{rank}", slope, head, starvation_s=WITHOUT_BOUND_S)
            for rank, (slope, head) in enumerate(zip(slopes, heads, strict=True))
        ),
    )


def test_one_pool_in_order_of_arrival_waits_as_erlang_c_says() -> None:
    site = one_pool(10, weighed(Discipline.FIFO, 1.0))
    day = draw(steady(site, 7.0, 40_000), seed=3)
    record = simulate(site, day)
    # Customer by customer, to the rounding of sums: the same waits as Kiefer and Wolfowitz' recursion.
    np.testing.assert_allclose(record.wait_s, waits_in_order(day, 10), atol=1e-4)
    waits, theory = settled(record).wait_s, ErlangC.of(10, 7.0, AHT_S)
    everybody = np.ones(len(waits), dtype=bool)
    assert_agrees(share_of(waits > 0, everybody), theory.p_wait, within=0.2, what="P(wait)")
    assert_agrees(share_of(waits <= 20, everybody), theory.service_level(20), within=0.05, what="within 20 s")
    assert_agrees(mean_of(waits, everybody), theory.wait_s, within=0.4, what="mean wait")


def test_with_patience_the_pool_is_what_erlang_a_says() -> None:
    site = one_pool(20, weighed(Discipline.FIFO, 1.0))
    record = settled(simulate(site, draw(steady(site, 20.0, 40_000, patience=Exponential(120.0)), seed=4)))
    theory = ErlangA.of(20, 20.0, AHT_S, 120.0)
    everybody = np.ones(len(record), dtype=bool)
    in_time = record.answered() & (record.wait_s <= 20)
    assert_agrees(share_of(record.wait_s > 0, everybody), theory.p_wait, within=0.12, what="P(wait)")
    assert_agrees(share_of(record.abandoned(), everybody), theory.abandonment, within=0.16, what="abandonment")
    assert_agrees(share_of(in_time, everybody), theory.service_level(20), within=0.1, what="answered within 20 s")
    assert_agrees(mean_of(record.wait_s, everybody), theory.wait_s, within=0.15, what="mean wait")


def tiers_against_order_of_arrival(site: Configured, load: Load, agents: int, seed: int) -> tuple[Record, list[Ratio]]:
    """What a tier's customers wait altogether ÷ what all would have waited in order of arrival, by tier."""
    day = draw(load, seed, in_order=True)
    record, waits = simulate(site, day), waits_in_order(day, agents)
    under = batches(waits, 20)
    return record, [Ratio(batches(np.where(record.tier == rank, record.wait_s, 0.0), 20), under) for rank in range(3)]


SHARES = (0.2, 0.3, 0.5)


@pytest.mark.parametrize("slopes", [(4.0, 2.0, 1.0), (8.0, 2.0, 1.0)])
def test_accumulating_priority_waits_as_kleinrocks_recursion_says(slopes: tuple[float, ...]) -> None:
    """T32: 20 agents at 95 %, half of the customers basic; nobody waits for ever."""
    site = one_pool(20, weighed(Discipline.ACCUMULATING, *slopes))
    record, ratios = tiers_against_order_of_arrival(site, steady(site, 19.0, 40_000, SHARES), 20, seed=5)
    theory = accumulating_waits_s(20, [19.0 * share for share in SHARES], slopes, AHT_S)
    in_order_s = ErlangC.of(20, 19.0, AHT_S).wait_s
    for rank, within in enumerate((0.2, 0.1, 0.05)):
        expected = SHARES[rank] * theory[rank] / in_order_s
        assert_agrees(ratios[rank], expected, within=within, what=f"tier {rank}")
        assert ratios[rank].value() == pytest.approx(expected, rel=0.05)
    assert sum(ratio.value() or 0.0 for ratio in ratios) == pytest.approx(1.0, abs=1e-9)
    assert record.answered().all(), "every basic call is served in the end"


def test_equal_slopes_are_first_come_first_served_exactly() -> None:
    """T32: 1:1:1 is the order of arrival, customer by customer."""
    site = one_pool(20, weighed(Discipline.ACCUMULATING, 1.0, 1.0, 1.0))
    day = draw(steady(site, 19.0, 10_000, SHARES), seed=6)
    np.testing.assert_allclose(simulate(site, day).wait_s, waits_in_order(day, 20), atol=1e-4)


def test_strict_priority_waits_as_cobham_says() -> None:
    """Q3. The first tiers hardly feel how long the line is, so their wait is compared with how many waited at all."""
    site = one_pool(20, weighed(Discipline.STRICT, 1.0, 1.0, 1.0))
    record, ratios = tiers_against_order_of_arrival(site, steady(site, 19.0, 40_000, SHARES), 20, seed=7)
    theory = [
        share * wait_s
        for share, wait_s in zip(SHARES, priority_waits_s(20, [19.0 * share for share in SHARES], AHT_S), strict=True)
    ]
    in_order, waited = ErlangC.of(20, 19.0, AHT_S), batches(record.wait_s > 0, 20)
    assert_agrees(Ratio(ratios[0].over, waited), theory[0] / in_order.p_wait, within=0.1, what="first tier")
    assert_agrees(Ratio(ratios[1].over, waited), theory[1] / in_order.p_wait, within=0.15, what="second tier")
    assert_agrees(ratios[2], theory[2] / in_order.wait_s, within=0.05, what="last tier")


@pytest.mark.parametrize("discipline", list(Discipline))
def test_no_discipline_makes_the_mean_wait_longer_or_shorter(discipline: Discipline) -> None:
    """Q2, the conservation law: who never idles beside a waiting contact can only share the wait out differently."""
    policy = weighed(discipline, 4.0, 2.0, 1.0, head_starts_s=(15.0, 5.0, 0.0))
    site = one_pool(20, policy)
    day = draw(steady(site, 19.0, 6_000, SHARES), seed=8, in_order=True)
    record = simulate(site, day)
    assert record.wait_s.sum() == pytest.approx(waits_in_order(day, 20).sum(), rel=0.005)


def skilled(pairs: list[dict[str, int]], agents: int, order: AgentOrder) -> Configured:
    return Configured((QueueRules("orders", wrap_up_s=0.0, agent_order=order),), profiles(agents, pairs))


@pytest.mark.parametrize("order", [AgentOrder.MOST_PROFICIENT, AgentOrder.LONGEST_IDLE])
def test_two_skills_an_agent_are_nearly_as_good_as_all(order: AgentOrder) -> None:
    """Q1 (Wallace and Whitt 2005): six types of 14 erlangs, 90 agents with two skills, all pairs alike.

    What they wait longer than agents with all skills, on the same customers, is a fifth of the exact wait of those.
    """
    types = [f"s{at}" for at in range(6)]
    pairs = [{first: 80, second: 40} for first in types for second in types if first != second]
    site = skilled(pairs, 90, order)
    kinds = tuple(Kind("orders", requires=needing({skill: 1}), handling=Exponential(AHT_S)) for skill in types)
    load = Load(poisson(84.0, 30_000 * SCALE), kinds, on_duty(site))
    day = draw(load, seed=9, in_order=True)
    longer_s = mean_of(simulate(site, day).wait_s - waits_in_order(day, 90), np.ones(len(day), dtype=bool))
    flexible_s = ErlangC.of(90, 84.0, AHT_S).wait_s
    ratio = longer_s.figure(0.95).scaled(1 / flexible_s)
    assert 0.1 <= ratio.low <= 0.2, ratio
    assert ratio.high <= 0.25, ratio
