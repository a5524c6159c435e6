"""Laws of trunk reservation, for any trunks, classes and reserves."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.admission import Traffic, admit, admit_dial, blocking, in_use
from routing.policy import Tier

TRUNKS = st.integers(0, 60)
ERLANGS = st.floats(0.001, 200.0)
CLASSES = st.lists(st.builds(Traffic, ERLANGS, st.integers(0, 8)), min_size=1, max_size=4)


@given(st.integers(-5, 100), st.integers(0, 20), st.integers(0, 20))
def test_who_is_admitted_with_a_larger_reserve_is_admitted_with_a_smaller_one(free: int, a: int, b: int) -> None:
    small, large = (admit(free, Tier("any", trunk_reserve=reserve)) for reserve in sorted((a, b)))
    assert small.accepted or not large.accepted
    assert small.accepted == (free > min(a, b))


@given(st.integers(-5, 100), st.integers(0, 20))
def test_a_call_of_ours_leaves_a_trunk_for_the_next_caller_of_that_tier(free: int, reserve: int) -> None:
    tier = Tier("any", trunk_reserve=reserve)
    if admit_dial(free, tier).accepted:
        assert admit(free, tier).accepted
        assert free - 1 >= 1


@given(TRUNKS, CLASSES)
def test_the_steady_state_solves_the_balance_equations_of_the_decision(trunks: int, classes: list[Traffic]) -> None:
    rates = np.zeros((trunks + 1, trunks + 1))
    for n in range(trunks):
        taken = (each.erlangs for each in classes if admit(trunks - n, Tier("k", trunk_reserve=each.reserve)).accepted)
        rates[n, n + 1] = math.fsum(taken)
        rates[n + 1, n] = n + 1
    rates -= np.diag(rates.sum(axis=1))
    found = np.array(in_use(trunks, classes))
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    assert found @ rates == pytest.approx(np.zeros(trunks + 1), abs=1e-9)


@given(TRUNKS, CLASSES)
def test_the_trunks_in_use_are_the_traffic_that_was_not_refused(trunks: int, classes: list[Traffic]) -> None:
    """Little's law: two different sums over the states."""
    carried = math.fsum(
        each.erlangs * (1.0 - blocked) for each, blocked in zip(classes, blocking(trunks, classes), strict=True)
    )
    taken = math.fsum(n * p for n, p in enumerate(in_use(trunks, classes)))
    assert carried == pytest.approx(taken, rel=1e-9, abs=1e-9)


@given(st.integers(1, 60), ERLANGS, ERLANGS, st.integers(0, 8))
def test_a_larger_reserve_protects_the_others_and_costs_its_own_class(
    trunks: int, vip: float, low: float, reserve: int
) -> None:
    before = blocking(trunks, [Traffic(vip), Traffic(low, reserve)])
    after = blocking(trunks, [Traffic(vip), Traffic(low, reserve + 1)])
    assert after[0] <= before[0] * (1 + 1e-12)
    assert after[1] >= before[1] * (1 - 1e-12)
    assert before[0] <= before[1] * (1 + 1e-12)
