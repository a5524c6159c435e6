"""Laws of estimates and promises: whatever a queue has seen, what is told is in order, and rises for a cause only."""

import math
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.policy import Discipline, Tier, TierPolicy
from routing.waiting.calibration import Forecast, calibration
from routing.waiting.correction import FACTOR_MAX
from routing.waiting.estimate import Estimate, Learned, Promise, QueueHistory
from routing.waiting.handling import HandleTimes, Headway
from routing.waiting.passage import overtaking_share, passage, power_sums

SECONDS = st.floats(0.0, 10_000.0)
RATES = st.floats(1e-4, 10.0)
HAPPENED = st.lists(
    st.tuples(st.sampled_from(["entered", "started", "abandoned", "ended"]), st.floats(0.0, 600.0), SECONDS),
    max_size=60,
)
"""What happened, how long after the one before, and how long the wait or the handling was."""
TIERS = st.lists(st.tuples(st.floats(0.1, 10.0), st.floats(0.0, 120.0)), min_size=1, max_size=4)

ROOM = 1.0 + 1e-9
"""For rounding, where a law says ≤."""


def estimate_of(waits_s: tuple[float, float, float], position: int) -> Estimate:
    p50_s, more_s, mean_s = waits_s
    return Estimate(position, p50_s, p50_s + more_s, mean_s)


ESTIMATES = st.builds(
    estimate_of, st.tuples(SECONDS | st.just(math.inf), SECONDS | st.just(math.inf), SECONDS), st.integers(1, 100)
)


def policy_of(discipline: Discipline, tiers: list[tuple[float, float]]) -> TierPolicy:
    return TierPolicy(
        discipline,
        tuple(
            Tier(f"tier{rank}", slope=slope, head_start_s=head_start_s, target_s=10.0 / slope)
            for rank, (slope, head_start_s) in enumerate(tiers)
        ),
    )


def history_of(happened: list[tuple[str, float, float]], *, asked: bool = False) -> tuple[QueueHistory, float]:
    """A queue that saw this; `asked` for an estimate after each event, or never."""
    history, now = QueueHistory(), 1_000.0
    promise = Promise()
    for number, (what, later_s, lasted_s) in enumerate(happened):
        now += later_s
        match what:
            case "entered":
                history.entered(now, tier=number % 3)
                promise = Promise()
                promise.update(history.estimate(ahead=number, serving=3.0, idle=0, ages=(), now=now), now)
            case "started":
                history.started(now, lasted_s, lasted_s <= 20.0, promise, rang_s=min(lasted_s, 5.0))
            case "abandoned":
                history.abandoned(now, lasted_s)
            case _:
                history.ended(now, lasted_s)
        if asked:
            history.estimate(ahead=2, serving=2.0, idle=0, ages=[1.0, lasted_s], now=now)
            history.service_level(now)
            history.arrival_rate(now + later_s)
    return history, now


def go_on(history: QueueHistory, happened: list[tuple[str, float, float]], now: float) -> tuple[QueueHistory, float]:
    """The same queue, which sees this too."""
    for number, (what, later_s, lasted_s) in enumerate(happened):
        now += later_s
        match what:
            case "entered":
                history.entered(now, tier=number % 3)
            case "started":
                history.started(now, lasted_s, lasted_s <= 20.0)
            case "abandoned":
                history.abandoned(now, lasted_s)
            case _:
                history.ended(now, lasted_s)
    return history, now


@settings(deadline=None)
@given(HAPPENED, HAPPENED, st.sampled_from(Discipline), TIERS)
def test_what_was_learned_and_kept_goes_on_as_if_nothing_had_happened(
    before: list[tuple[str, float, float]],
    after: list[tuple[str, float, float]],
    discipline: Discipline,
    tiers: list[tuple[float, float]],
) -> None:
    history, now = history_of(before)
    kept = msgspec.json.decode(msgspec.json.encode(history.learned()), type=Learned)
    assert kept == history.learned()
    policy = policy_of(discipline, tiers)
    again, _ = go_on(QueueHistory(learned=kept), after, now)
    history, now = go_on(history, after, now)
    assert again.learned() == history.learned()
    for ahead in (0, 7):
        found, wanted = (
            each.estimate(ahead=ahead, serving=3.0, idle=0, ages=(5.0, 50.0), now=now, policy=policy)
            for each in (again, history)
        )
        assert found == wanted
    assert again.service_level(now) == history.service_level(now)


# ---- A promise ----


@given(st.lists(st.tuples(ESTIMATES, st.none() | st.just("agents_left")), min_size=1, max_size=30))
def test_what_a_contact_is_told_never_rises_without_a_cause(updates: list[tuple[Estimate, str | None]]) -> None:
    promise = Promise()
    told = [promise.update(estimate, float(at), cause) for at, (estimate, cause) in enumerate(updates)]
    for (before, after), (_, cause) in zip(pairwise(told), updates[1:], strict=True):
        rose = (
            after.position > before.position
            or after.p50_s > before.p50_s
            or after.p90_s > before.p90_s
            or after.mean_s > before.mean_s
        )
        assert cause is not None or not rose
        assert after.p50_s <= after.p90_s


@given(st.lists(ESTIMATES, min_size=1, max_size=30))
def test_what_is_told_is_never_more_than_what_is_estimated(estimates: list[Estimate]) -> None:
    promise = Promise()
    for at, estimate in enumerate(estimates):
        told = promise.update(estimate, float(at))
        assert told.p50_s <= estimate.p50_s
        assert told.p90_s <= estimate.p90_s
    assert promise.first == estimates[0]
    assert promise.rose_at is None


# ---- An estimate ----


@settings(deadline=None)
@given(
    HAPPENED,
    st.integers(0, 500),
    st.floats(0.1, 300.0),
    st.lists(SECONDS, max_size=20),
    st.sampled_from(Discipline),
    TIERS,
)
def test_whatever_a_queue_has_seen_its_estimates_are_finite_and_in_order(
    happened: list[tuple[str, float, float]],
    ahead: int,
    serving: float,
    ages: list[float],
    discipline: Discipline,
    tiers: list[tuple[float, float]],
) -> None:
    history, now = history_of(happened)
    policy = policy_of(discipline, tiers)
    told = [
        history.estimate(ahead=ahead, serving=serving, idle=0, ages=ages, now=now, policy=policy, tier=tier)
        for tier in range(len(tiers))
    ]
    for each in told:
        assert 0.0 <= each.p50_s <= each.p90_s < math.inf
        assert 0.0 <= each.mean_s <= each.p90_s * 1.5
        assert 1.0 / FACTOR_MAX <= each.factor <= FACTOR_MAX
    level = history.service_level(now)
    assert level is None or 0.0 <= level <= 1.0


@settings(deadline=None)
@given(HAPPENED, st.integers(0, 200), st.floats(0.1, 300.0), st.floats(0.01, 50.0))
def test_more_ahead_is_no_shorter_and_more_agents_no_longer(
    happened: list[tuple[str, float, float]], ahead: int, serving: float, more: float
) -> None:
    history, now = history_of(happened)

    def mean_s(ahead: int, serving: float) -> float:
        return history.estimate(ahead=ahead, serving=serving, idle=0, ages=(), now=now).mean_s

    assert mean_s(ahead, serving) <= mean_s(ahead + 1, serving) * ROOM
    assert mean_s(ahead, serving + more) <= mean_s(ahead, serving) * ROOM


@settings(deadline=None)
@given(HAPPENED)
def test_asking_changes_nothing(happened: list[tuple[str, float, float]]) -> None:
    asked, now = history_of(happened, asked=True)
    unasked, _ = history_of(happened)
    for ahead in (0, 5):
        told = [
            history.estimate(ahead=ahead, serving=2.0, idle=0, ages=[30.0, 300.0], now=now)
            for history in (asked, unasked)
        ]
        assert told[0] == told[1]


@settings(deadline=None)
@given(HAPPENED, st.integers(0, 20))
def test_of_two_tiers_the_one_that_is_overtaken_waits_longer(
    happened: list[tuple[str, float, float]], ahead: int
) -> None:
    history, now = history_of(happened)
    outlook = history.outlook(serving=3.0, idle=0, ages=(), now=now, policy=TierPolicy(Discipline.STRICT))
    told = [outlook.estimate(ahead, tier) for tier in range(4)]
    waits_s = [each.mean_s / each.factor for each in told]  # a tier's factor is learned, and may be anything
    assert all(higher <= lower * ROOM for higher, lower in pairwise(waits_s))


# ---- How a line moves ----


@settings(deadline=None)
@given(RATES, st.just(0.0) | st.floats(1e-6, 10.0), st.integers(0, 3_000))
def test_sums_worked_out_are_the_sums(rate: float, patience_rate: float, ahead: int) -> None:
    steps = [1.0 / (rate + number * patience_rate) for number in range(ahead + 1)]
    for power, worked_out in enumerate(power_sums(rate, patience_rate, ahead), start=1):
        assert worked_out == pytest.approx(math.fsum(step_s**power for step_s in steps), rel=1e-6)


@settings(deadline=None)
@given(RATES, st.just(0.0) | st.floats(1e-6, 1.0), st.integers(0, 300), st.floats(0.0, 20.0), st.floats(0.0, 5.0))
def test_a_line_moves_slower_the_more_are_ahead_or_overtake(
    rate: float, patience_rate: float, ahead: int, overtaking: float, more: float
) -> None:
    line = passage(rate, patience_rate, ahead, overtaking)
    assert passage(rate, patience_rate, ahead).mean_s <= line.mean_s * (1.0 + 1e-6)
    assert line.mean_s <= passage(rate, patience_rate, ahead, overtaking + more).mean_s * (1.0 + 1e-6)
    assert line.mean_s < passage(rate, patience_rate, ahead + 1, overtaking).mean_s * ROOM
    assert 0.0 < line.variance < math.inf


@settings(deadline=None)
@given(st.floats(0.1, 10.0), st.floats(0.0, 0.85), st.integers(0, 60))
def test_without_giving_up_each_step_is_a_busy_period(rate: float, load: float, ahead: int) -> None:
    line = passage(rate, 0.0, ahead, overtaking=load * rate)
    left = (1.0 - load) * rate
    assert line.mean_s == pytest.approx((ahead + 1) / left, rel=1e-6)
    assert line.variance == pytest.approx((ahead + 1) * (1.0 + load) * rate / left**3, rel=1e-6)


@given(st.sampled_from([Discipline.ACCUMULATING, Discipline.TARGET, Discipline.STRICT]), TIERS, SECONDS)
def test_of_two_tiers_at_most_one_overtakes_the_other(
    discipline: Discipline, tiers: list[tuple[float, float]], wait_s: float
) -> None:
    policy = policy_of(discipline, [(slope, 0.0) for slope, _ in tiers])
    for tier in range(len(tiers)):
        assert overtaking_share(policy, tier, tier, wait_s) == 0.0
        for other in range(len(tiers)):
            shares = overtaking_share(policy, tier, other, wait_s), overtaking_share(policy, other, tier, wait_s)
            assert min(shares) == 0.0
            assert 0.0 <= max(shares) <= 1.0


# ---- Contacts in progress ----


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 5_000.0), max_size=80), st.lists(SECONDS, min_size=1, max_size=20), st.floats(1.0, 1e5))
def test_a_headway_found_is_a_wait_that_solves_its_equation(
    handled_s: list[float], ages: list[float], usual_s: float
) -> None:
    times = HandleTimes(180.0)
    for number, handle_s in enumerate(handled_s):
        times.ended(float(number), handle_s)
    headway = times.headway(ages)
    wait_s = headway.waiting_s(usual_s)
    gained_s = headway.gain_s * -math.expm1(-wait_s / headway.reach_s)
    assert wait_s + gained_s == pytest.approx(usual_s, rel=1e-2, abs=1e-2)


@given(st.floats(-100.0, 100.0), st.floats(126.0, 500.0), st.floats(0.0, 1_000.0), st.floats(0.0, 100.0))
def test_what_usually_takes_longer_takes_longer(gain_s: float, reach_s: float, usual_s: float, more_s: float) -> None:
    headway = Headway(gain_s, reach_s)
    assert 0.0 <= headway.waiting_s(usual_s) <= headway.waiting_s(usual_s + more_s) + 1e-3


# ---- Calibration ----


@given(st.lists(st.tuples(st.floats(0.1, 500.0), SECONDS), min_size=1, max_size=50))
def test_if_all_are_answered_the_shares_are_plain_shares(pairs: list[tuple[float, float]]) -> None:
    forecasts = [Forecast(Estimate(1, told_s, 2.0 * told_s, told_s), wait_s) for told_s, wait_s in pairs]
    found = calibration(forecasts)
    beyond = sum(1 for told_s, wait_s in pairs if wait_s / told_s > 1.0) / len(pairs)
    late = sum(1 for told_s, wait_s in pairs if wait_s / (2.0 * told_s) > 1.0) / len(pairs)
    assert found.beyond_p50 == pytest.approx(beyond, abs=1e-9)
    assert found.beyond_p90 == pytest.approx(late, abs=1e-9)
    assert found.between == pytest.approx(beyond - late, abs=1e-9)


@given(st.lists(st.tuples(st.floats(0.1, 500.0), SECONDS, st.booleans()), min_size=1, max_size=50))
def test_shares_are_shares_whoever_gave_up(trials: list[tuple[float, float, bool]]) -> None:
    found = calibration(
        Forecast(Estimate(1, told_s, 2.0 * told_s, told_s), wait_s, answered) for told_s, wait_s, answered in trials
    )
    if found.answered:
        assert found.beyond_p50 is not None
        assert found.beyond_p90 is not None
        assert 0.0 <= found.beyond_p90 <= found.beyond_p50 <= 1.0
