"""Laws of what builds on Erlang: limits that must be met, and what priority can move but not make."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.erlang import ErlangC, erlang_b
from routing.sizing import Target, erlangs_served
from routing.staffing import (
    BoundedLine,
    FewSources,
    accumulating_waits_s,
    beta_for,
    erlang_b_retried,
    garnett_p_wait,
    halfin_whitt,
    priority_waits_s,
)

AGENTS = st.integers(1, 120)
STABLE = st.floats(0.01, 0.99)
TIERS = st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.1, 10.0)), min_size=1, max_size=6)

TINY = 1e-12
"""Room for rounding where a law says ≤."""


def tiers_of(agents: int, load: float, tiers: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Traffic and slope of each tier, so that together they load the agents by `load`."""
    parts = math.fsum(part for part, _ in tiers)
    return [agents * load * part / parts for part, _ in tiers], [slope for _, slope in tiers]


@settings(deadline=None)
@given(AGENTS, STABLE, TIERS)
def test_points_move_waiting_between_tiers_but_make_none(
    agents: int, load: float, tiers: list[tuple[float, float]]
) -> None:
    erlangs, slopes = tiers_of(agents, load, tiers)
    waits_s = accumulating_waits_s(agents, erlangs, slopes, 180.0)
    moved = math.fsum(traffic * wait_s for traffic, wait_s in zip(erlangs, waits_s, strict=True))
    total = math.fsum(erlangs)
    assert moved == pytest.approx(total * ErlangC.of(agents, total, 180.0).wait_s, rel=1e-9)


@settings(deadline=None)
@given(AGENTS, STABLE, TIERS)
def test_a_steeper_slope_waits_less_and_strict_priority_bounds_both_ends(
    agents: int, load: float, tiers: list[tuple[float, float]]
) -> None:
    steepest_first = sorted(tiers, key=lambda tier: -tier[1])
    erlangs, slopes = tiers_of(agents, load, steepest_first)
    waits_s = accumulating_waits_s(agents, erlangs, slopes, 180.0)
    room = 1 + 1e-9
    assert all(wait <= later * room for wait, later in pairwise(waits_s))
    strict_s = priority_waits_s(agents, erlangs, 180.0)
    assert strict_s[0] <= waits_s[0] * room
    assert waits_s[-1] <= strict_s[-1] * room


@settings(deadline=None)
@given(st.integers(1, 60), st.floats(0.01, 80.0))
def test_many_sources_are_erlang_b_and_few_are_lost_more_rarely(trunks: int, erlangs: float) -> None:
    blocked = erlang_b(trunks, erlangs)
    few = FewSources.of(trunks, math.floor(erlangs) + 2, erlangs)
    many = FewSources.of(trunks, 10**9, erlangs)
    assert few.p_blocked <= few.p_full + TINY
    # A blocked phone is idle and calls again the sooner, so compare by the traffic it really offers.
    assert few.p_blocked <= erlang_b(trunks, few.carried / (1.0 - few.p_blocked)) + TINY
    assert many.p_blocked == pytest.approx(blocked, rel=1e-5)
    assert many.carried == pytest.approx(erlangs * (1.0 - blocked), rel=1e-5)


@settings(deadline=None)
@given(AGENTS, st.floats(0.01, 300.0), st.floats(0.0, 0.95))
def test_what_is_tried_again_adds_to_the_traffic_and_what_is_carried_does_not_vanish(
    trunks: int, erlangs: float, retry_share: float
) -> None:
    found = erlang_b_retried(trunks, erlangs, retry_share)
    assert found.p_blocked >= erlang_b(trunks, erlangs) - TINY
    again = retry_share * found.p_blocked * found.erlangs
    assert found.erlangs - again == pytest.approx(erlangs, rel=1e-9)
    carried = found.erlangs * (1.0 - found.p_blocked)
    assert carried == pytest.approx(erlangs * (1.0 - found.p_lost), rel=1e-8)
    assert carried <= trunks + 1e-9


@settings(deadline=None, max_examples=50)
@given(AGENTS, st.floats(0.05, 1.6), st.integers(0, 60), st.floats(0.5, 0.99))
def test_the_tail_of_a_bounded_line_starts_at_who_waits_and_falls(
    agents: int, load: float, places: int, share: float
) -> None:
    state = BoundedLine.of(agents, places, agents * load, 180.0)
    tail = [state.p_wait_beyond(wait_s) for wait_s in (0.0, 1.0, 10.0, 100.0, 1000.0)]
    assert tail[0] == pytest.approx(state.p_wait, rel=1e-12)
    assert all(late <= early + TINY for early, late in pairwise(tail))
    wait_s = state.wait_quantile_s(share)
    if wait_s > 0.0:
        assert state.p_wait_beyond(wait_s) == pytest.approx(1.0 - share, rel=1e-9)
    else:
        assert state.p_wait <= 1.0 - share + TINY


@settings(deadline=None)
@given(st.floats(0.001, 0.999), st.floats(0.05, 20.0))
def test_a_grade_of_service_gives_the_share_it_was_asked_for(p_wait: float, ratio: float) -> None:
    assert halfin_whitt(beta_for(p_wait)) == pytest.approx(p_wait, rel=1e-9)
    assert garnett_p_wait(beta_for(p_wait, ratio), ratio) == pytest.approx(p_wait, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(AGENTS, st.floats(0.05, 0.99), st.floats(0.0, 120.0), st.none() | st.floats(5.0, 2000.0))
def test_agents_serve_their_traffic_within_the_target_and_no_more(
    agents: int, share: float, within_s: float, patience_s: float | None
) -> None:
    target = Target(share, within_s)
    erlangs = erlangs_served(agents, 180.0, target, patience_s)
    more = erlangs_served(agents + 1, 180.0, target, patience_s)
    assert 0.0 < erlangs < more
