"""What is drawn is what was described: means, quantiles and survival of regenerated samples."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.simulate.durations import (
    Always,
    Duration,
    Exponential,
    Hazard,
    LogNormal,
    SomeShort,
    duration,
    kaplan_meier,
)

DRAWN = 200_000
BANK = Hazard((0.0, 60.0, 300.0), (3e-3, 2e-3, 2.08e-3))


def lots(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@pytest.mark.parametrize(
    "described",
    [Always(7.0), Exponential(120.0), LogNormal.of(300.0, 1.0), SomeShort(0.2, 10.0, LogNormal(4.0, 0.5)), BANK],
    ids=lambda each: type(each).__name__,
)
def test_samples_have_the_mean_that_the_duration_says(described: Duration) -> None:
    drawn = described.draw(lots(), DRAWN)
    assert drawn.mean() == pytest.approx(described.mean_s, abs=4 * drawn.std() / math.sqrt(DRAWN) + 1e-9)


def test_a_log_normal_of_a_mean_and_a_variation_has_both() -> None:
    drawn = LogNormal.of(300.0, 1.0).draw(lots(), DRAWN)
    assert drawn.std() / drawn.mean() == pytest.approx(1.0, rel=0.03)
    assert np.median(drawn) == pytest.approx(math.exp(LogNormal.of(300.0, 1.0).mu), rel=0.02)


def test_a_share_is_over_at_once() -> None:
    drawn = SomeShort(0.2, 10.0, Always(100.0)).draw(lots(), DRAWN)
    assert np.mean(drawn < 10.0) == pytest.approx(0.2, abs=0.005)


@pytest.mark.parametrize("age_s", [10.0, 60.0, 200.0, 500.0])
def test_samples_of_a_hazard_survive_as_it_says(age_s: float) -> None:
    assert np.mean(BANK.draw(lots(), DRAWN) > age_s) == pytest.approx(BANK.survival(age_s), abs=0.005)


def test_twice_as_patient_is_half_the_hazard() -> None:
    assert BANK.times(2.0).survival(100.0) == pytest.approx(math.sqrt(BANK.survival(100.0)))


@given(
    st.lists(st.tuples(st.floats(0.5, 500.0), st.floats(0.0, 0.1)), min_size=1, max_size=8), st.integers(0, 2**32 - 1)
)
def test_what_is_drawn_beyond_an_age_is_beyond_it(stretches: list[tuple[float, float]], seed: int) -> None:
    ages = np.cumsum([0.0, *(length for length, _ in stretches)])
    hazard = Hazard(tuple(ages.tolist()), (*(rate for _, rate in stretches), 0.01))
    waited = np.linspace(0.0, 2 * ages[-1], 50)
    drawn = hazard.draw_beyond(lots(seed), waited)
    assert np.all(drawn >= waited - 1e-6)
    assert np.all(np.isfinite(drawn))


def test_kaplan_meier_finds_the_patience_behind_waits_that_answers_cut_short() -> None:
    """Two thirds are answered before they would have given up; the estimate still sees the whole patience."""
    patience, offered = BANK.draw(lots(1), 20_000), Exponential(150.0).draw(lots(2), 20_000)
    estimated = kaplan_meier(np.minimum(patience, offered).tolist(), (patience <= offered).tolist())
    for age_s in (30.0, 60.0, 120.0, 300.0):
        assert estimated.survival(age_s) == pytest.approx(BANK.survival(age_s), abs=0.02)
    naive = np.mean(patience[patience <= offered] > 120.0)
    assert abs(naive - BANK.survival(120.0)) > 0.1, "leaving the answered out would be far off"


def test_kaplan_meier_by_hand() -> None:
    """Waits 10 (gave up), 20 (answered), 30 (gave up), 30 (answered): S(10) = 3/4, S(30) = 3/4 · 1/2."""
    estimated = kaplan_meier([30.0, 10.0, 30.0, 20.0], [True, True, False, False])
    assert estimated.survival(10.0) == pytest.approx(0.75)
    assert estimated.survival(30.0) == pytest.approx(0.375)


@pytest.mark.parametrize(
    "wrong", [{}, {"weibull": 3}, {"always_s": 1, "exponential_s": 2}], ids=["nothing", "unknown", "two"]
)
def test_a_description_of_no_one_kind_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="kind"):
        duration(wrong)
