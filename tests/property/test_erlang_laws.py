"""Laws of waiting, whatever the traffic: exact identities, limits, monotony, and that no agent is too many."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from routing.erlang import ErlangA, ErlangC, erlang_b, erlang_c
from routing.sizing import Target, agents_for, erlangs_for, positions, trunks_for
from routing.staffing import BoundedLine, garnett_p_wait, halfin_whitt, priority_waits_s, with_redials

AGENTS = st.integers(1, 120)
LOADS = st.floats(0.01, 1.6)
"""Erlangs ÷ agents."""
STABLE = st.floats(0.01, 0.99)
AHTS = st.floats(10.0, 1000.0)
PATIENCES = st.floats(5.0, 2000.0)
SHARES = st.floats(0.05, 0.99)
WAITS = st.floats(0.0, 300.0)

TINY = 1e-12
"""Room for rounding where a law says ≤."""


@dataclass(frozen=True)
class Chain:
    """The same steady state by brute force: every state's probability, one after the other."""

    p: list[float]
    agents: int

    @classmethod
    def of(cls, agents: int, erlangs: float, aht_s: float, patience_s: float) -> "Chain":
        weights = [1.0]
        while weights[-1] > 1e-22 * max(weights):
            n = len(weights)
            leaving = min(n, agents) / aht_s + max(0, n - agents) / patience_s
            weights.append(weights[-1] * erlangs / aht_s / leaving)
            if weights[-1] > 1e200:
                weights = [weight * 1e-200 for weight in weights]
        total = math.fsum(weights)
        return cls([weight / total for weight in weights], agents)

    def mean(self, value: Callable[[int], float]) -> float:
        return math.fsum(p * value(n) for n, p in enumerate(self.p))


def integral(f: Callable[[float], float], high: float, steps: int = 200) -> float:
    """Simpson's rule on [0, high], finer towards 0 (t = high u³); 0 if there is nothing between."""
    if high <= 0.0:
        return 0.0

    def g(u: float) -> float:
        return f(high * u**3) * 3 * high * u * u

    inner = math.fsum((4 if k % 2 else 2) * g(k / steps) for k in range(1, steps))
    return (g(0.0) + inner + g(1.0)) / (3 * steps)


@settings(deadline=None)
@given(AGENTS, st.floats(0.0, 300.0), st.floats(0.001, 10.0))
def test_more_trunks_lose_less_and_more_traffic_loses_more(trunks: int, erlangs: float, more: float) -> None:
    assert erlang_b(trunks + 1, erlangs) <= erlang_b(trunks, erlangs) <= erlang_b(trunks, erlangs + more) <= 1.0


@settings(deadline=None)
@given(AGENTS, STABLE)
def test_waiting_is_likelier_than_loss_and_rarer_with_one_agent_more(agents: int, load: float) -> None:
    erlangs = agents * load
    assert erlang_b(agents, erlangs) <= erlang_c(agents, erlangs) <= 1.0
    assert erlang_c(agents + 1, erlangs) <= erlang_c(agents, erlangs)


@settings(deadline=None)
@given(AGENTS, STABLE, AHTS)
def test_waits_of_the_patient_are_the_integral_of_their_tail(agents: int, load: float, aht_s: float) -> None:
    state = ErlangC.of(agents, agents * load, aht_s)
    high = 40 * aht_s / (agents - state.erlangs)
    assert integral(state.p_wait_beyond, high) == pytest.approx(state.asa_s, rel=1e-6, abs=1e-9)
    assert state.waiting == pytest.approx(state.erlangs / aht_s * state.wait_s)


@settings(deadline=None)
@given(AGENTS, LOADS, AHTS, PATIENCES)
def test_the_walk_finds_what_brute_force_finds(agents: int, load: float, aht_s: float, patience_s: float) -> None:
    state = ErlangA.of(agents, agents * load, aht_s, patience_s)
    chain = Chain.of(agents, agents * load, aht_s, patience_s)
    waiting = chain.mean(lambda n: max(0, n - agents))
    assert state.p_wait == pytest.approx(chain.mean(lambda n: float(n >= agents)), rel=1e-9, abs=1e-15)
    assert state.waiting == pytest.approx(waiting, rel=1e-9, abs=1e-15)
    # Two ways to count who leaves: those who give up while waiting, and all but those whom busy agents finish.
    assert state.abandonment * state.erlangs / aht_s == pytest.approx(waiting / patience_s, rel=1e-9, abs=1e-15)
    assert state.occupancy == pytest.approx(chain.mean(lambda n: min(n, agents)) / agents, rel=1e-9, abs=1e-15)


@settings(deadline=None, max_examples=60)
@given(AGENTS, LOADS, AHTS, PATIENCES, WAITS)
def test_a_tail_is_what_each_number_of_waiting_contacts_makes_of_it(
    agents: int, load: float, aht_s: float, patience_s: float, wait_s: float
) -> None:
    assume(wait_s < min(5 * patience_s, 700 * aht_s / agents))  # else brute force loses its first term
    state = ErlangA.of(agents, agents * load, aht_s, patience_s)
    chain = Chain.of(agents, agents * load, aht_s, patience_s)
    # Behind j others, the wait of an endlessly patient contact exceeds t with the chance that a negative binomial
    # number with index sμ ÷ θ and parameter 1 − e^(−θt) is at most j.
    index, gone = agents * patience_s / aht_s, -math.expm1(-wait_s / patience_s)
    tail = 0.0
    at_most, term = 0.0, math.exp(-agents * wait_s / aht_s)
    for behind, p in enumerate(chain.p[agents:]):
        at_most += term
        tail += p * at_most
        term *= (index + behind) / (behind + 1) * gone
    assert state.p_wait_beyond(wait_s) == pytest.approx(tail * (1.0 - gone), rel=1e-8, abs=1e-14)


@settings(deadline=None, max_examples=30)
@given(AGENTS, LOADS, AHTS, PATIENCES, WAITS)
def test_every_wait_ends_in_an_answer_or_in_giving_up(
    agents: int, load: float, aht_s: float, patience_s: float, wait_s: float
) -> None:
    state = ErlangA.of(agents, agents * load, aht_s, patience_s)
    high = state.wait_quantile_s(1 - 1e-12)
    assert state.service_level(0.0) == pytest.approx(1.0 - state.p_wait, abs=TINY)
    assert state.answered_beyond(0.0) == pytest.approx(state.p_wait - state.abandonment, abs=TINY)
    assert integral(state.p_wait_beyond, high) == pytest.approx(state.wait_s, rel=1e-5, abs=1e-9)
    assert integral(state.answered_beyond, high) == pytest.approx(
        state.asa_s * (1.0 - state.abandonment), rel=1e-5, abs=1e-9
    )
    # Whoever still waits at t is answered later or gives up later, at the rate of the waiting ÷ patience.
    gives_up = integral(lambda t: state.p_wait_beyond(wait_s + t), high - wait_s) / patience_s
    assert state.p_wait_beyond(wait_s) == pytest.approx(state.answered_beyond(wait_s) + gives_up, rel=1e-5, abs=1e-9)


@settings(deadline=None)
@given(AGENTS, LOADS, AHTS, PATIENCES, WAITS)
def test_one_agent_more_is_better_in_everything_for_the_impatient(
    agents: int, load: float, aht_s: float, patience_s: float, within_s: float
) -> None:
    few = ErlangA.of(agents, agents * load, aht_s, patience_s)
    more = ErlangA.of(agents + 1, agents * load, aht_s, patience_s)
    assert more.p_wait <= few.p_wait + TINY
    assert more.abandonment <= few.abandonment + TINY
    assert more.occupancy <= few.occupancy + TINY
    assert more.service_level(within_s) >= few.service_level(within_s) - TINY
    assert more.service_level_ignore(within_s) >= few.service_level_ignore(within_s) - TINY
    for state in (few, more):
        assert 0.0 <= state.service_level(within_s) <= state.service_level_ignore(within_s) + TINY <= 1.0 + 2 * TINY
        assert state.service_level(within_s) <= state.service_level(within_s + 1.0) + TINY
        assert state.p_wait_beyond(within_s + 1.0) <= state.p_wait_beyond(within_s) <= state.p_wait + TINY


@settings(deadline=None)
@given(AGENTS, STABLE, AHTS, PATIENCES, WAITS)
def test_the_impatient_wait_less_and_with_endless_patience_as_the_patient(
    agents: int, load: float, aht_s: float, patience_s: float, within_s: float
) -> None:
    patient = ErlangC.of(agents, agents * load, aht_s)
    assert ErlangA.of(agents, agents * load, aht_s, patience_s).p_wait <= patient.p_wait + TINY
    errors = []
    for endless_s in (1e6 * aht_s, 1e8 * aht_s):
        state = ErlangA.of(agents, agents * load, aht_s, endless_s)
        pairs = [
            (state.p_wait, patient.p_wait),
            (state.service_level(within_s), patient.service_level(within_s)),
            (state.wait_s / aht_s, patient.wait_s / aht_s),
            (state.asa_s / aht_s, patient.asa_s / aht_s),
        ]
        errors.append(max(abs(a - c) for a, c in pairs))
    assert errors[0] <= 0.05
    assert errors[1] <= max(errors[0] / 50, 1e-9)


@settings(deadline=None)
@given(AGENTS, LOADS, AHTS)
def test_without_patience_who_would_wait_is_lost(agents: int, load: float, aht_s: float) -> None:
    state = ErlangA.of(agents, agents * load, aht_s, aht_s * 1e-9)
    assert state.abandonment == pytest.approx(erlang_b(agents, state.erlangs), rel=1e-5, abs=1e-15)


@settings(deadline=None)
@given(AGENTS, LOADS, AHTS)
def test_with_patience_as_long_as_service_the_center_is_a_poisson_crowd(agents: int, load: float, aht_s: float) -> None:
    erlangs = agents * load
    fewer = math.fsum(math.exp(n * math.log(erlangs) - erlangs - math.lgamma(n + 1)) for n in range(agents))
    assert ErlangA.of(agents, erlangs, aht_s, aht_s).p_wait == pytest.approx(1.0 - fewer, abs=1e-11)


@settings(deadline=None)
@given(AGENTS, LOADS, AHTS, PATIENCES, SHARES)
def test_a_quantile_is_the_wait_beyond_which_the_rest_waits(
    agents: int, load: float, aht_s: float, patience_s: float, share: float
) -> None:
    states: list[ErlangA | ErlangC] = [ErlangA.of(agents, agents * load, aht_s, patience_s)]
    if load < 0.99:
        states.append(ErlangC.of(agents, agents * load, aht_s))
    for state in states:
        wait_s = state.wait_quantile_s(share)
        if wait_s > 0.0:
            assert state.p_wait_beyond(wait_s) == pytest.approx(1.0 - share, rel=1e-9)
        else:
            assert state.p_wait <= 1.0 - share + TINY


@settings(deadline=None)
@given(AGENTS, STABLE, st.integers(0, 40))
def test_a_bounded_line_lies_between_no_line_and_an_endless_one(agents: int, load: float, places: int) -> None:
    erlangs = agents * load
    none, some = BoundedLine.of(agents, 0, erlangs, 1.0), BoundedLine.of(agents, places, erlangs, 1.0)
    assert none.p_blocked == pytest.approx(erlang_b(agents, erlangs))
    assert (none.p_wait, none.waiting) == (0.0, 0.0)
    assert some.p_blocked <= none.p_blocked
    assert some.p_wait <= erlang_c(agents, erlangs) + TINY
    endless = BoundedLine.of(agents, 5000, erlangs, 1.0)
    assert endless.p_wait == pytest.approx(erlang_c(agents, erlangs), rel=1e-9)
    assert endless.asa_s == pytest.approx(ErlangC.of(agents, erlangs, 1.0).asa_s, rel=1e-9)


@settings(deadline=None)
@given(AGENTS, STABLE, st.lists(st.floats(0.01, 1.0), min_size=1, max_size=5))
def test_priority_moves_waiting_between_tiers_but_makes_none(agents: int, load: float, parts: list[float]) -> None:
    erlangs = [agents * load * part / math.fsum(parts) for part in parts]
    waits_s = priority_waits_s(agents, erlangs, 180.0)
    assert waits_s == sorted(waits_s)
    moved = math.fsum(traffic * wait_s for traffic, wait_s in zip(erlangs, waits_s, strict=True))
    total = math.fsum(erlangs)
    assert moved == pytest.approx(total * ErlangC.of(agents, total, 180.0).wait_s, rel=1e-9)


@settings(deadline=None)
@given(AGENTS, LOADS, AHTS, PATIENCES, st.floats(0.0, 0.95))
def test_redials_add_exactly_those_who_gave_up_and_call_again(
    agents: int, load: float, aht_s: float, patience_s: float, redial_share: float
) -> None:
    state = with_redials(agents, agents * load, aht_s, patience_s, redial_share)
    again = redial_share * state.abandonment * state.erlangs
    assert state.erlangs - again == pytest.approx(agents * load, rel=1e-9)


@settings(deadline=None)
@given(st.floats(0.05, 2.5), st.floats(0.05, 20.0))
def test_the_approximations_agree_with_the_normal_law_and_with_each_other(beta: float, ratio: float) -> None:
    normal = NormalDist()
    assert halfin_whitt(beta) == pytest.approx(1 / (1 + beta * normal.cdf(beta) / normal.pdf(beta)), rel=1e-9)
    assert garnett_p_wait(beta, ratio) <= halfin_whitt(beta)
    far = beta / math.sqrt(ratio) + 10.0
    hazard = math.sqrt(2 / math.pi) * math.exp(-far * far / 2) / math.erfc(far / math.sqrt(2)) if far < 35.0 else far
    expected = 1 / (1 + hazard / far * normal.cdf(beta) / normal.pdf(beta) * beta)
    assert garnett_p_wait(beta, (beta / far) ** 2) == pytest.approx(expected, rel=1e-11 if far < 35.0 else 1e-3)
    assert garnett_p_wait(beta, 1e-4) == pytest.approx(halfin_whitt(beta), rel=0.06)


@settings(deadline=None)
@given(
    st.floats(0.01, 150.0),
    AHTS,
    SHARES,
    WAITS,
    st.none() | PATIENCES,
    st.none() | st.floats(0.001, 0.5),
    st.none() | st.floats(0.3, 1.0),
)
def test_the_agents_meet_the_target_and_one_fewer_misses_it(
    erlangs: float,
    aht_s: float,
    share: float,
    within_s: float,
    patience_s: float | None,
    abandonment_max: float | None,
    occupancy_max: float | None,
) -> None:
    target = Target(share, within_s, abandonment_max, occupancy_max)
    state = agents_for(erlangs, aht_s, target, patience_s)
    assert target.met_by(state)
    fewer = state.agents - 1
    if patience_s is None:
        assert fewer <= erlangs or not target.met_by(ErlangC.of(fewer, erlangs, aht_s))
    else:
        assert fewer == 0 or not target.met_by(ErlangA.of(fewer, erlangs, aht_s, patience_s))


@settings(deadline=None)
@given(st.floats(0.001, 300.0), st.floats(1e-6, 0.9))
def test_the_trunks_meet_the_blocking_and_one_fewer_exceeds_it(erlangs: float, blocking: float) -> None:
    trunks = trunks_for(erlangs, blocking)
    assert erlang_b(trunks, erlangs) <= blocking
    assert trunks == 0 or erlang_b(trunks - 1, erlangs) > blocking


@settings(deadline=None)
@given(AGENTS, st.floats(1e-6, 0.9))
def test_the_largest_traffic_of_trunks_is_lost_exactly_as_allowed(trunks: int, blocking: float) -> None:
    assert erlang_b(trunks, erlangs_for(trunks, blocking)) == pytest.approx(blocking, rel=1e-9)


@settings(deadline=None)
@given(st.integers(1, 10_000), st.floats(0.0, 0.9))
def test_of_the_positions_enough_are_at_work(agents: int, shrinkage: float) -> None:
    rostered = positions(agents, shrinkage)
    assert rostered * (1 - shrinkage) >= agents - 1e-6
    assert (rostered - 1) * (1 - shrinkage) < agents
