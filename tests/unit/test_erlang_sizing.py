"""How many agents and trunks: known answers, the founding case, and what is refused."""

import math

import pytest

from routing.sizing import (
    ERLANGS_MAX,
    Target,
    TooMuchTraffic,
    agents_for,
    erlangs_for,
    positions,
    sizing,
    trunks_for,
)


@pytest.mark.parametrize(
    ("erlangs", "agents"),
    [(5, 8), (10, 14), (20, 25), (50, 57), (100, 108), (200, 210), (500, 513), (1000, 1015), (1400, 1416)],
)
def test_agents_for_four_fifths_answered_in_twenty_seconds(erlangs: float, agents: int) -> None:
    assert agents_for(erlangs, 300, Target(0.8, 20)).agents == agents


@pytest.mark.parametrize(("erlangs", "agents"), [(600, 614), (1450, 1466)])
def test_agents_of_large_centers(erlangs: float, agents: int) -> None:
    assert agents_for(erlangs, 300, Target(0.8, 20)).agents == agents


@pytest.mark.parametrize(("abandonment_max", "agents"), [(0.05, 573), (0.03, 589), (0.01, 612)])
def test_fewer_agents_do_when_some_may_give_up(abandonment_max: float, agents: int) -> None:
    assert agents_for(600, 300, Target(1e-9, 0, abandonment_max), patience_s=180).agents == agents


@pytest.mark.parametrize(
    ("trunks", "erlangs"),
    [
        (1, 0.0101010101),
        (2, 0.1525932927),
        (5, 1.360786797),
        (10, 4.461176858),
        (20, 12.03061459),
        (30, 20.33728573),
        (50, 37.90139809),
        (100, 84.06415889),
        (200, 179.7380246),
    ],
)
def test_the_traffic_of_which_trunks_lose_one_call_in_a_hundred(trunks: int, erlangs: float) -> None:
    assert erlangs_for(trunks, 0.01) == pytest.approx(erlangs, rel=1e-9)
    assert trunks_for(erlangs * (1 - 1e-9), 0.01) == trunks


def test_no_trunk_more_is_asked_when_the_blocking_is_met_exactly() -> None:
    assert [trunks_for(1, blocking) for blocking in (1.0, 0.5, 0.2)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("calls_per_hour", "agents", "trunks"),
    [(6000, 309, 432), (5000, 259, 365), (7200, 369, 513)],
)
def test_the_founding_case_of_fifty_to_sixty_thousand_calls_a_day(
    calls_per_hour: float, agents: int, trunks: int
) -> None:
    found = sizing(
        calls_per_hour=calls_per_hour, aht_s=180, target_share=0.8, target_s=20, ivr_s=30, trunk_blocking=0.001
    )
    assert (found.agents, found.trunks) == (agents, trunks)
    assert found.erlangs == pytest.approx(calls_per_hour / 20)
    assert found.trunk_erlangs == pytest.approx(calls_per_hour * 230 / 3600)
    assert found.abandonment is None
    assert found.service_level >= 0.8
    assert found.trunk_blocking is not None
    assert found.trunk_blocking <= 0.001


def test_a_third_of_the_calls_kept_in_the_ivr_saves_a_third_of_the_agents() -> None:
    assert sizing(calls_per_hour=6000 * 0.65, aht_s=180, target_share=0.8, target_s=20).agents == 203


def test_shrinkage_and_a_bound_on_occupancy_add_agents() -> None:
    load = {"calls_per_hour": 200.0, "aht_s": 180.0, "target_share": 0.8, "target_s": 20.0}
    found = sizing(**load, shrinkage=0.3, occupancy_max=0.85)
    assert (found.agents, found.positions) == (14, 20)
    assert sizing(**load, occupancy_max=0.5).agents == 20
    assert sizing(**load, occupancy_max=0.5).occupancy == 0.5
    impatient = sizing(**load, patience_s=60, occupancy_max=0.5)
    assert impatient.occupancy <= 0.5


def test_positions_are_whole_and_not_one_too_many() -> None:
    assert [positions(agents, 0.3) for agents in (14, 15, 21, 42)] == [20, 22, 30, 60]
    assert positions(9, 0.0) == 9


def test_long_waits_are_on_the_trunks_too() -> None:
    found = sizing(calls_per_hour=60, aht_s=300, target_share=0.01, target_s=0, trunk_blocking=0.01)
    assert found.asa_s > 60
    assert found.trunk_erlangs == pytest.approx((300 + found.asa_s) / 60)


def test_one_call_an_hour_needs_an_agent() -> None:
    found = sizing(calls_per_hour=1, aht_s=1, target_share=0.5, target_s=0, patience_s=10, trunk_blocking=0.1)
    assert (found.agents, found.trunks) == (1, 1)


@pytest.mark.parametrize("patience_s", [None, 60.0])
def test_the_largest_traffic_is_worked_out_and_more_is_refused(patience_s: float | None) -> None:
    state = agents_for(ERLANGS_MAX, 180, Target(0.8, 20), patience_s)
    assert state.service_level(20) >= 0.8
    with pytest.raises(TooMuchTraffic, match="100,000"):
        agents_for(math.nextafter(ERLANGS_MAX, math.inf), 180, Target(0.8, 20), patience_s)
    with pytest.raises(TooMuchTraffic):
        sizing(calls_per_hour=math.nan, aht_s=180, target_share=0.8, target_s=20)
    with pytest.raises(TooMuchTraffic):
        sizing(calls_per_hour=1e6, aht_s=300, target_share=0.8, target_s=20, ivr_s=300, trunk_blocking=0.1)
