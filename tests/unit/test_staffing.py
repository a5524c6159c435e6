"""The staffing formulas against their definitions, summed term by term to fifty digits, and published values."""

from decimal import Decimal, localcontext
from statistics import NormalDist

import pytest

from routing.erlang import ErlangA, ErlangC, UnstableQueue, erlang_b, erlang_c
from routing.sizing import Target, agents_for, erlangs_served
from routing.staffing import (
    BoundedLine,
    FewSources,
    accumulating_waits_s,
    beta_for,
    erlang_b_retried,
    garnett_abandonment,
    garnett_p_wait,
    halfin_whitt,
    priority_waits_s,
    square_root_agents,
    with_redials,
)

EXACT = 1e-9
"""Largest relative error against a definition worked out exactly."""


def chain(erlangs: float, agents: int, places: int) -> list[Decimal]:
    """Probability of 0, 1, 2 … contacts in M/M/s/s+places, by the definition of its steady state."""
    with localcontext(prec=50):
        weights = [Decimal(1)]
        for count in range(1, agents + places + 1):
            weights.append(weights[-1] * Decimal(erlangs) / min(count, agents))
        total = sum(weights)
        return [weight / total for weight in weights]


def exact_b(trunks: int, erlangs: float) -> float:
    return float(chain(erlangs, trunks, 0)[-1])


def exact_c(agents: int, erlangs: float) -> float:
    with localcontext(prec=50):
        blocked, load = chain(erlangs, agents, 0)[-1], Decimal(erlangs) / agents
        return float(blocked / (1 - load * (1 - blocked)))


@pytest.mark.parametrize(
    ("trunks", "erlangs"),
    [(2, 1.0), (5, 3.0), (10, 20.0), (50, 40.0), (132, 123.0), (190, 200.0), (1000, 1000.0), (1500, 1450.0)],
)
def test_erlang_b_is_its_definition(trunks: int, erlangs: float) -> None:
    assert erlang_b(trunks, erlangs) == pytest.approx(exact_b(trunks, erlangs), rel=EXACT)


@pytest.mark.parametrize(
    ("agents", "erlangs"),
    [(2, 1.5), (7, 5.0), (15, 14.0), (90, 84.0), (110, 100.0), (625, 600.0), (1489, 1450.0), (12421, 12345.0)],
)
def test_erlang_c_is_its_definition(agents: int, erlangs: float) -> None:
    assert erlang_c(agents, erlangs) == pytest.approx(exact_c(agents, erlangs), rel=EXACT)


@pytest.mark.parametrize(
    ("agents", "erlangs", "aht_s", "patience_s"),
    [(50, 48.0, 60.0, 120.0), (10, 10.0, 1.0, 1.0), (100, 100.0, 1.0, 2.0), (5, 5.0, 1.0, 0.5), (610, 600.0, 300, 180)],
)
def test_erlang_a_is_its_definition(agents: int, erlangs: float, aht_s: float, patience_s: float) -> None:
    with localcontext(prec=50):
        weights = [Decimal(1)]
        for count in range(1, 6 * agents + 200):
            leaving = min(count, agents) + max(0, count - agents) * Decimal(aht_s) / Decimal(patience_s)
            weights.append(weights[-1] * Decimal(erlangs) / leaving)
        total = sum(weights)
        waits = sum(weights[agents:]) / total
        waiting = sum((weight * max(0, count - agents) for count, weight in enumerate(weights)), Decimal(0)) / total
        gave_up = waiting * Decimal(aht_s) / Decimal(patience_s) / Decimal(erlangs)
    state = ErlangA.of(agents, erlangs, aht_s, patience_s)
    assert state.p_wait == pytest.approx(float(waits), rel=EXACT)
    assert state.waiting == pytest.approx(float(waiting), rel=EXACT)
    assert state.abandonment == pytest.approx(float(gave_up), rel=EXACT)


# ---- Callers who come back ----


def test_blocked_calls_that_try_again_make_it_worse_for_all() -> None:
    # The fixed point A = a + pAB(A), reached by repetition from a.
    tried = 5.0
    for _ in range(500):
        tried = 5.0 + 0.5 * tried * exact_b(7, tried)
    found = erlang_b_retried(7, 5.0, 0.5)
    assert found.erlangs == pytest.approx(tried, rel=EXACT)
    assert found.p_blocked == pytest.approx(exact_b(7, tried), rel=EXACT)
    assert found.p_blocked > erlang_b(7, 5.0)
    # What is carried is what was first attempted less what is lost for good.
    assert tried * (1 - found.p_blocked) == pytest.approx(5.0 * (1 - found.p_lost), rel=EXACT)


def test_trunks_that_are_overrun_carry_what_they_can_and_the_rest_is_lost() -> None:
    found = erlang_b_retried(10, 100.0, 0.9)
    assert 9.9 < 100.0 * (1 - found.p_lost) < 10.0


def test_who_gives_up_and_calls_again_is_counted_each_time() -> None:
    # a' = a + δ a' P(ab), reached by repetition; a share of .35 is what callers of a bank did within a quarter hour.
    tried = 6.125
    for _ in range(500):
        tried = 6.125 + 0.35 * tried * ErlangA.of(7, tried, 176.4, 347.7).abandonment
    state = with_redials(7, 6.125, 176.4, 347.7, 0.35)
    assert state.erlangs == pytest.approx(tried, rel=EXACT)
    assert state.abandonment > ErlangA.of(7, 6.125, 176.4, 347.7).abandonment


# ---- Few sources ----


def exact_engset(trunks: int, sources: int, idle_erlangs: Decimal) -> list[Decimal]:
    weights = [Decimal(1)]
    for count in range(1, min(trunks, sources) + 1):
        weights.append(weights[-1] * idle_erlangs * (sources - count + 1) / count)
    total = sum(weights)
    return [weight / total for weight in weights] + [Decimal(0)] * (trunks - sources)


@pytest.mark.parametrize(
    ("trunks", "sources", "erlangs"), [(1, 2, 0.5), (5, 10, 4.0), (30, 100, 25.0), (8, 8, 6.0), (9, 8, 6.0)]
)
def test_few_sources_are_lost_as_engset_says(trunks: int, sources: int, erlangs: float) -> None:
    with localcontext(prec=50):
        idle_erlangs = Decimal(erlangs) / (sources - Decimal(erlangs))
        p = exact_engset(trunks, sources, idle_erlangs)
        calls = [p[count] * (sources - count) for count in range(min(trunks, sources) + 1)]
        blocked = calls[trunks] / sum(calls) if trunks < sources else Decimal(0)
        carried = sum(count * share for count, share in enumerate(p))
    found = FewSources.of(trunks, sources, erlangs)
    assert found.p_full == pytest.approx(float(p[trunks]), rel=EXACT)
    assert found.p_blocked == pytest.approx(float(blocked), rel=EXACT)
    assert found.carried == pytest.approx(float(carried), rel=EXACT)


def test_as_many_trunks_as_phones_block_no_call() -> None:
    assert FewSources.of(8, 8, 6.0).p_blocked == 0.0
    assert FewSources.of(8, 8, 6.0).p_full == pytest.approx(0.75**8, rel=EXACT)
    assert FewSources.of(3, 8, 0.0).carried == 0.0


# ---- A bounded line ----


@pytest.mark.parametrize(
    ("agents", "places", "erlangs"), [(90, 30, 84.0), (5, 1, 12.0), (3, 40, 3.0), (20, 200, 26.0), (1, 3, 0.2)]
)
def test_a_bounded_line_is_its_definition(agents: int, places: int, erlangs: float) -> None:
    p = chain(erlangs, agents, places)
    accepted = sum(p[:-1])
    waiting = sum(count * share for count, share in enumerate(p[agents:]))
    state = BoundedLine.of(agents, places, erlangs, 180.0)
    assert state.p_blocked == pytest.approx(float(p[-1]), rel=EXACT)
    assert state.p_wait == pytest.approx(float(sum(p[agents:-1]) / accepted), rel=EXACT)
    assert state.waiting == pytest.approx(float(waiting), rel=EXACT)
    assert state.asa_s == pytest.approx(float(waiting / accepted) * 180.0 / erlangs, rel=EXACT)
    for wait_s in (0.0, 7.0, 60.0, 600.0):
        with localcontext(prec=50):
            finished = Decimal(agents) * Decimal(wait_s) / 180
            late, at_most, term = Decimal(0), Decimal(0), (-finished).exp()
            for behind in range(places):
                at_most += term
                late += p[agents + behind] * at_most
                term *= finished / (behind + 1)
        assert state.p_wait_beyond(wait_s) == pytest.approx(float(late / accepted), rel=EXACT, abs=1e-300)


def test_nine_of_ten_in_a_bounded_line_wait_no_longer_than_its_quantile() -> None:
    state = BoundedLine.of(90, 30, 84.0, 180.0)
    wait_s = state.wait_quantile_s(0.9)
    assert 10.0 < wait_s < ErlangC.of(90, 84.0, 180.0).wait_quantile_s(0.9)
    assert state.service_level(wait_s) == pytest.approx(0.9, rel=EXACT)
    assert BoundedLine.of(90, 30, 40.0, 180.0).wait_quantile_s(0.9) == 0.0
    assert BoundedLine.of(90, 0, 84.0, 180.0).wait_quantile_s(0.9) == 0.0
    assert BoundedLine.of(90, 0, 84.0, 180.0).service_level(0.0) == 1.0
    assert state.occupancy == pytest.approx(84.0 * (1 - state.p_blocked) / 90)


def test_an_overrun_bounded_line_is_always_full() -> None:
    state = BoundedLine.of(1, 200, 10_000.0, 180.0)
    # Who is accepted finds all but one place taken, and waits for two hundred to be served: a gamma number.
    assert state.p_wait_beyond(0.0) == pytest.approx(1.0)
    assert state.asa_s == pytest.approx(200 * 180.0, rel=1e-3)
    assert state.p_wait_beyond(200 * 180.0) == pytest.approx(0.5, abs=0.02)


# ---- Tiers ----


def test_three_tiers_of_strict_priority_wait_as_cobham_says() -> None:
    residual = exact_c(90, 84.0) / 90
    expected = [
        residual / (1 - 8.4 / 90),
        residual / ((1 - 8.4 / 90) * (1 - 33.6 / 90)),
        residual / ((1 - 33.6 / 90) * (1 - 84 / 90)),
    ]
    assert priority_waits_s(90, [8.4, 25.2, 50.4], 1.0) == pytest.approx(expected, rel=EXACT)


def test_points_of_one_slope_are_the_order_of_arrival() -> None:
    in_order_s = ErlangC.of(90, 84.0, 180.0).wait_s
    waits_s = accumulating_waits_s(90, [8.4, 25.2, 50.4], [2.0, 2.0, 2.0], 180.0)
    assert waits_s == pytest.approx([in_order_s] * 3, rel=EXACT)


def test_points_of_very_different_slopes_are_strict_priority() -> None:
    erlangs = [8.4, 25.2, 50.4]
    waits_s = accumulating_waits_s(90, erlangs, [1e12, 1e6, 1.0], 180.0)
    assert waits_s == pytest.approx(priority_waits_s(90, erlangs, 180.0), rel=1e-4)


def test_two_tiers_of_accumulating_points_by_hand() -> None:
    # One agent, ρ = 0.3 each, slopes 2 and 1: W = 0.6/0.4 = 1.5; W₁ = 1.5 / (1 − 0.3/2); W₂ = 1.5 − 0.3 W₁/2.
    low = 1.5 / 0.85
    waits_s = accumulating_waits_s(1, [0.3, 0.3], [2.0, 1.0], 1.0)
    assert waits_s == pytest.approx([1.5 - 0.15 * low, low], rel=EXACT)


def test_tiers_that_nobody_can_serve_have_no_mean_wait() -> None:
    with pytest.raises(UnstableQueue):
        accumulating_waits_s(5, [3.0, 3.0], [1.0, 2.0], 180.0)


# ---- Large centers ----


@pytest.mark.parametrize("beta", [0.1, 0.25, 0.5, 1.0, 1.5, 2.0])
def test_halfin_and_whitt_by_the_normal_law(beta: float) -> None:
    normal = NormalDist()
    assert halfin_whitt(beta) == pytest.approx(1 / (1 + beta * normal.cdf(beta) / normal.pdf(beta)), rel=EXACT)
    assert beta_for(halfin_whitt(beta)) == pytest.approx(beta, rel=EXACT)


@pytest.mark.parametrize(
    ("agents", "erlangs", "ratio"), [(50, 48.0, 0.5), (100, 100.0, 0.5), (610, 600.0, 300 / 180), (5, 5.0, 2.0)]
)
def test_garnett_by_the_normal_law(agents: int, erlangs: float, ratio: float) -> None:
    normal = NormalDist()

    def hazard(z: float) -> float:
        return normal.pdf(z) / normal.cdf(-z)

    beta = (agents - erlangs) / erlangs**0.5
    scaled = beta / ratio**0.5
    p_wait = 1 / (1 + ratio**0.5 * hazard(scaled) / hazard(-beta))
    assert garnett_p_wait(beta, ratio) == pytest.approx(p_wait, rel=EXACT)
    abandonment = p_wait * (ratio / agents) ** 0.5 * (hazard(scaled) - scaled)
    assert garnett_abandonment(agents, beta, ratio) == pytest.approx(abandonment, rel=EXACT)
    assert beta_for(p_wait, ratio) == pytest.approx(beta, rel=EXACT, abs=EXACT)


def test_the_square_root_rule_finds_the_agents_of_a_large_center_within_one() -> None:
    assert [square_root_agents(erlangs, 1.0) for erlangs in (100, 600, 1450)] == [110, 625, 1489]
    wanted = 0.25
    agents = square_root_agents(1450.0, beta_for(wanted))
    assert erlang_c(agents + 1, 1450.0) < wanted < erlang_c(agents - 1, 1450.0)


# ---- The other way round ----


@pytest.mark.parametrize(("patience_s", "abandonment_max"), [(None, None), (180.0, None), (180.0, 0.03)])
def test_the_traffic_that_agents_serve_is_the_most_that_needs_no_more(
    patience_s: float | None, abandonment_max: float | None
) -> None:
    target = Target(0.8, 20.0, abandonment_max)
    erlangs = erlangs_served(309, 180.0, target, patience_s)
    assert agents_for(erlangs, 180.0, target, patience_s).agents == 309
    assert agents_for(erlangs * (1 + 1e-9), 180.0, target, patience_s).agents == 310


def test_one_agent_serves_little_and_an_idle_target_all_that_occupancy_allows() -> None:
    assert 0.0 < erlangs_served(1, 180.0, Target(0.999, 0.0)) < 0.0011
    assert erlangs_served(10, 180.0, Target(0.01, 3600.0, occupancy_max=0.5)) == pytest.approx(5.0)
