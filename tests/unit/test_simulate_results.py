"""Figures and their intervals: against hand counts, the reports' own formulas, and what intervals promise."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.facts import By, Visit
from routing.measure import figure, tabulate
from routing.messages import Configured
from routing.metrics import METRICS
from routing.model import AgentProfile, QueueRules
from routing.policy import Discipline, Tier, TierPolicy
from routing.simulate.day import simulate
from routing.simulate.draw import draw
from routing.simulate.durations import Exponential, LogNormal
from routing.simulate.intervals import Figure, Ratio, batches, difference, student_t
from routing.simulate.load import Answering, Arrivals, Kind, Load, Roster, Shift
from routing.simulate.record import End, Record
from routing.simulate.results import ALL, Scope, by_interval, compare, gini, summarise

POLICY = TierPolicy(Discipline.ACCUMULATING, (Tier("vip", 4.0, 15.0, target_s=10.0), Tier("basic", 1.0)))
SITE = Configured(
    (QueueRules("orders", answer_in_s=20.0), QueueRules("product", answer_in_s=30.0)),
    tuple(AgentProfile(f"a{at}", {}) for at in range(8)),
    POLICY,
)
LOAD = Load(
    Arrivals((170.0,) * 4),
    tuple(
        Kind(queue, value_tier=tier, handling=LogNormal.of(200.0, 1.0), patience=Exponential(120.0))
        for queue in ("orders", "product")
        for tier in (0, 1)
    ),
    Roster(tuple(Shift(agent.agent_id, 0.0, 14_400.0) for agent in SITE.agents)),
    answering=Answering(Exponential(3.0)),
)


def record_of(seed: int, site: Configured = SITE) -> Record:
    return simulate(site, draw(LOAD, seed))


def visits(record: Record) -> list[Visit]:
    """The record as the reports know it."""
    outcomes = {End.ANSWERED: "answered", End.ABANDONED: "abandoned"}
    thresholds = {queue.queue: queue.answer_in_s for queue in SITE.queues}
    return [
        Visit(
            contact_id=str(at),
            queue=record.queue[at],
            entered_at=float(record.entered_at[at]),
            value_tier=str(record.tier[at]),
            outcome=outcomes[End(record.end[at])],
            left_at=float(record.left_at[at]),
            wait_s=float(record.wait_s[at]),
            answer_in_s=thresholds[record.queue[at]],
        )
        for at in range(len(record))
    ]


@pytest.mark.parametrize("name", ["service_level", "asa_s", "abandonment", "wait_p50_s", "wait_p90_s"])
def test_figures_are_those_of_the_reports(name: str) -> None:
    record = record_of(1)
    ours = summarise(SITE, [record, record])
    totals = tabulate(visits(record), (0.0, 1e9), by=By.QUEUE).rows
    for queue in ("orders", "product"):
        theirs = figure(METRICS[name], totals[0, queue]).value
        assert ours[Scope("queue", queue)].figures[name].value == pytest.approx(theirs, abs=1e-6)
    assert len(record) > 400


def test_tiers_queues_and_all_count_the_same_visits() -> None:
    found = summarise(SITE, [record_of(1), record_of(2)])
    for name, total in found[ALL].counts.items():
        for kind in ("tier", "queue"):
            assert sum(each.counts[name] for scope, each in found.items() if scope.kind == kind) == pytest.approx(total)
    entered = found[ALL].counts
    assert entered["entered"] == pytest.approx(
        entered["answered"] + entered["abandoned"] + entered["sent_away"] + entered["still_waiting"]
    )


def test_a_tiers_promise_is_its_own_target() -> None:
    record = record_of(1)
    vips = record.those(record.tier == 0)
    counted = ~(vips.abandoned() & (vips.wait_s <= 5.0))
    kept = np.sum(vips.answered() & (vips.wait_s <= 10.0)) / np.sum(counted)
    found = summarise(SITE, [record, record])[Scope("tier", "vip")]
    assert found.figures["promise_kept"].value == pytest.approx(kept)


def test_service_level_over_the_day_adds_up_to_that_of_the_day() -> None:
    record = record_of(1)
    levels = by_interval(SITE, [record])
    assert [at for at, _ in levels] == [1_800.0 * slot for slot in range(len(levels))]
    counted = ~(record.abandoned() & (record.wait_s <= 5.0))
    weights = [np.sum(counted & (record.entered_at // 1_800.0 == slot)) for slot in range(len(levels))]
    whole = sum(level * weight for (_, level), weight in zip(levels, weights, strict=True) if level is not None)
    assert whole / sum(weights) == pytest.approx(summarise(SITE, [record] * 2)[ALL].figures["service_level"].value)


def test_the_same_site_twice_does_not_differ_and_a_draft_is_compared_on_the_same_customers() -> None:
    records = [record_of(seed) for seed in range(4)]
    fifo = Configured(SITE.queues, SITE.agents, TierPolicy(Discipline.FIFO, POLICY.tiers))
    running, draft = summarise(SITE, records), summarise(fifo, [record_of(seed, fifo) for seed in range(4)])
    same = compare(running, running)[ALL]
    assert all(each.value == 0.0 and each.plus_minus == 0.0 for each in same.values() if each.value is not None)
    change = compare(running, draft)[Scope("tier", "vip")]["asa_s"]
    before, after = (each[Scope("tier", "vip")].figures["asa_s"] for each in (running, draft))
    assert before.value is not None
    assert after.value is not None
    assert change.value == pytest.approx(after.value - before.value)
    assert change.low > 0, "VIPs wait longer in order of arrival, and four days are enough to know"
    assert change.plus_minus is not None
    assert before.plus_minus is not None
    assert change.plus_minus < before.plus_minus, "the same customers are worth more than as many others"


# --- intervals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("freedom", "t"),
    [(1, 12.7062047), (2, 4.3026527), (3, 3.1824463), (5, 2.5705818), (10, 2.2281389), (30, 2.0422725)],
)
def test_students_t_is_that_of_the_tables(freedom: int, t: float) -> None:
    assert student_t(freedom, 0.95) == pytest.approx(t, abs=1e-6)


def test_many_degrees_of_freedom_are_the_normal_distribution() -> None:
    assert student_t(10_000, 0.95) == pytest.approx(1.959964, abs=1e-3)


def test_an_interval_of_95_percent_holds_the_truth_95_times_in_100() -> None:
    """Of 2,000 intervals of ten batches each; 3.3 standard errors either way."""
    lots = np.random.Generator(np.random.PCG64(1))
    held = 0
    for _ in range(2_000):
        under = lots.poisson(500, 10)
        over = lots.binomial(under, 0.8)
        held += Ratio(tuple(map(float, over)), tuple(map(float, under))).figure().holds(0.8)
    assert held / 2_000 == pytest.approx(0.95, abs=0.016)


def test_pairing_takes_out_what_two_sites_have_in_common() -> None:
    lots = np.random.Generator(np.random.PCG64(2))
    busy = lots.gamma(2.0, 1.0, 20)
    ours = Ratio(tuple(busy), (1.0,) * 20)
    theirs = Ratio(tuple(busy + 0.1), (1.0,) * 20)
    paired = difference(ours, theirs)
    assert paired.value == pytest.approx(0.1)
    assert paired.plus_minus == pytest.approx(0.0, abs=1e-9)
    assert (ours.figure().plus_minus or 0.0) > 0.2


def test_one_batch_has_no_interval_and_nothing_has_no_value() -> None:
    assert Ratio((3.0,), (4.0,)).figure() == Figure(0.75, None)
    assert Ratio((0.0, 0.0), (0.0, 0.0)).figure() == Figure(None, None)
    assert Figure(0.75, None).holds(1e9)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=200), st.integers(1, 30))
def test_batches_add_up_to_the_whole(values: list[float], count: int) -> None:
    parts = batches(values, count)
    assert len(parts) == count
    assert math.fsum(parts) == pytest.approx(math.fsum(values), abs=1e-6)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=50))
def test_gini_is_the_mean_difference_over_twice_the_mean(values: list[float]) -> None:
    mean = sum(values) / len(values)
    if mean <= 1e-6:
        return
    differences = sum(abs(one - other) for one in values for other in values) / len(values) ** 2
    assert gini(values) == pytest.approx(differences / (2 * mean), abs=1e-9)


def test_evenly_shared_work_has_a_gini_of_zero() -> None:
    assert gini([0.8] * 10) == pytest.approx(0.0)
    assert gini([0.0] * 9 + [0.9]) == pytest.approx(0.9)
    assert gini([]) == 0.0
    assert all(low < high for low, high in pairwise(gini([1.0] * (10 - gone) + [0.0] * gone) for gone in range(10)))
