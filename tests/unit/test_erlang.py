"""Erlang B, C and A against published and independently computed values, to every digit given."""

import math

import pytest

from routing.erlang import ErlangA, ErlangC, UnstableQueue, erlang_b, erlang_c
from routing.staffing import (
    BoundedLine,
    garnett_abandonment,
    garnett_p_wait,
    halfin_whitt,
    priority_waits_s,
    square_root_agents,
)


def agrees(value: float, digits: str) -> bool:
    """Whether `value` is `digits`, to half a unit of the last one (or what a double can hold)."""
    decimals = len(digits.partition(".")[2])
    return abs(value - float(digits)) <= max(0.500001 * 10.0**-decimals, 1e-14 * abs(value))


ERLANG_B = [
    (1, 1, "0.5"),
    (2, 1, "0.2"),
    (5, 3, "0.110054347826087"),
    (10, 5, "0.0183845703366481"),
    (10, 10, "0.214582343107347"),
    (10, 20, "0.5379631686320729"),
    (190, 200, "0.08869684386923561"),
    (132, 123, "0.031242821047"),
    (20, 12, "0.00979563942006408"),
    (50, 40, "0.0186906711096322"),
    (100, 84, "0.00987252860920078"),
    (100, 100, "0.075700452710861"),
    (1000, 1000, "0.0248119176461604"),
    (1500, 1450, "0.00484212235508682"),
]


@pytest.mark.parametrize(("trunks", "erlangs", "digits"), ERLANG_B)
def test_the_share_of_calls_that_find_no_trunk(trunks: int, erlangs: float, digits: str) -> None:
    assert agrees(erlang_b(trunks, erlangs), digits)


ERLANG_C = [
    (2, 1, "0.333333333333"),
    (2, 1.5, "0.642857142857"),
    (5, 3, "0.236151603498542"),
    (7, 5, "0.324149949173288"),
    (8, 5, "0.167266506661757"),
    (15, 14, "0.722318581479"),
    (90, 84, "0.411957313828755"),
    (132, 123, "0.321116179262"),
    (12421, 12345, "0.381225015062"),
    (110, 100, "0.2370075"),
    (625, 600, "0.22094917"),
    (1489, 1450, "0.21757506"),
]


@pytest.mark.parametrize(("agents", "erlangs", "digits"), ERLANG_C)
def test_the_share_of_contacts_that_must_wait(agents: int, erlangs: float, digits: str) -> None:
    assert agrees(erlang_c(agents, erlangs), digits)


@pytest.mark.parametrize(
    ("agents", "calls", "hours", "aht_s", "within_s", "p_wait", "asa_s", "service_level"),
    [
        (55, 360, 0.5, 240, 15, ".2387009364", "8.184032104", ".8458830922"),
        (14, 100, 0.5, 180, 20, ".17413193359505", "7.835937012", ".8883500191794669"),
        (8, 60, 1.0, 300, 20, ".1672665067", "16.72665067", ".863053767"),
        (7, 60, 1.0, 300, 20, ".3241499492", "48.62249238", ".7163126131"),
    ],
)
def test_waits_of_contacts_that_never_give_up(
    agents: int, calls: float, hours: float, aht_s: float, within_s: float, p_wait: str, asa_s: str, service_level: str
) -> None:
    state = ErlangC.of(agents, calls / hours / 3600 * aht_s, aht_s)
    assert agrees(state.service_level(within_s), service_level)
    assert agrees(state.p_wait, p_wait)
    assert agrees(state.asa_s, asa_s)
    assert state.service_level_ignore(within_s) == state.service_level(within_s)
    assert state.abandonment == 0.0


@pytest.mark.parametrize(
    ("agents", "erlangs", "service_level"), [(614, 600, ".819946524062332"), (1466, 1450, ".8038108501888145")]
)
def test_the_service_level_of_large_centers(agents: int, erlangs: float, service_level: str) -> None:
    assert agrees(ErlangC.of(agents, erlangs, 300).service_level(20), service_level)


def test_occupancy_and_the_number_of_waiting_contacts() -> None:
    assert agrees(ErlangC.of(55, 48, 240).occupancy, ".8727272727")
    small = ErlangC.of(14, 10, 180)
    assert agrees(small.occupancy, ".7142857143")
    assert agrees(small.waiting, ".435329834")


def test_the_wait_that_nine_of_ten_do_not_exceed() -> None:
    patient = ErlangC.of(50, 48, 60)
    assert agrees(patient.wait_s / 60, "0.3472278056")
    assert agrees(patient.wait_quantile_s(0.9) / 60, "0.9689790297")
    assert agrees(patient.waiting, "16.66693467")
    assert patient.occupancy == 0.96
    assert ErlangC.of(90, 48, 60).wait_quantile_s(0.9) == 0.0


def test_two_minutes_of_patience_make_a_wait_of_twenty_seconds_one_of_four() -> None:
    state = ErlangA.of(50, 48, 60, 120)
    assert agrees(state.abandonment, ".03091224916")
    assert agrees(state.wait_s, "3.709")
    assert agrees(state.wait_quantile_s(0.9), "12.4446")
    assert agrees(state.waiting, "2.96757592")
    assert agrees(state.occupancy, ".9303242408")
    assert agrees(state.p_wait, ".4677740686")
    assert agrees(state.p_wait_beyond(20), ".02713560829")
    assert agrees(state.service_level(20), ".9430189547")
    assert state.asa_s < state.wait_s
    assert ErlangA.of(90, 48, 60, 120).wait_quantile_s(0.9) == 0.0


@pytest.mark.parametrize(
    ("agents", "erlangs", "patience", "p_wait", "abandonment"),
    [
        (10, 10, 1, ".542070285528", ".1251100357"),
        (100, 100, 1, ".5132987983", ".03986099681"),
        (100, 100, 2, ".596703138", ".03303015253"),
        (5, 5, 0.5, ".4880411591", ".2039351661"),
    ],
)
def test_who_waits_and_who_gives_up(
    agents: int, erlangs: float, patience: float, p_wait: str, abandonment: str
) -> None:
    state = ErlangA.of(agents, erlangs, 1.0, patience)
    assert agrees(state.p_wait, p_wait)
    assert agrees(state.abandonment, abandonment)


def test_further_measures_of_contacts_that_give_up() -> None:
    assert agrees(ErlangA.of(10, 10, 1, 1).occupancy, ".8748899643")
    assert agrees(ErlangA.of(10, 10, 1, 1).p_wait_beyond(1 / 3), ".1337444604")
    assert agrees(ErlangA.of(10, 10, 1, 1).service_level(1 / 3), ".764220388")
    assert agrees(ErlangA.of(100, 100, 1, 2).wait_s, ".06606030506")
    assert agrees(ErlangA.of(5, 5, 1, 0.5).wait_s, ".101967583")


def test_a_bounded_line_turns_away_who_finds_every_place_taken() -> None:
    state = BoundedLine.of(90, 30, 84, 1.0)
    assert agrees(state.p_blocked, ".003643076071")
    assert agrees(state.p_wait, ".3797055546")
    assert agrees(state.waiting, "3.766419668")
    assert agrees(state.asa_s, ".0450022761")


def test_the_highest_of_three_tiers_hardly_waits() -> None:
    waits_s = priority_waits_s(90, [8.4, 25.2, 50.4], 1.0)
    assert all(map(agrees, waits_s, [".005048", ".008056", ".109563"]))


@pytest.mark.parametrize(
    ("beta", "digits"),
    [
        (0.1, ".880287083331"),
        (0.25, ".720932113403"),
        (0.5, ".504538640998"),
        (1, ".223361274798"),
        (1.5, ".0846903944939"),
        (2, ".0268813624294"),
    ],
)
def test_many_agents_wait_as_halfin_and_whitt_say(beta: float, digits: str) -> None:
    assert agrees(halfin_whitt(beta), digits)
    agents = square_root_agents(90_000, beta)
    exact = erlang_c(agents, 90_000)
    assert halfin_whitt((agents - 90_000) / math.sqrt(90_000)) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(("aht_per_patience", "expected"), [(0.25, 2 / 3), (1, 1 / 2), (4, 1 / 3)])
def test_as_many_agents_as_erlangs_wait_as_garnett_says(aht_per_patience: float, expected: float) -> None:
    assert garnett_p_wait(0.0, aht_per_patience) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("agents", "erlangs", "aht_s", "patience_s", "approximate", "exact"),
    [
        (50, 48, 60, 120, ".03004", ".03091"),
        (100, 100, 1, 2, ".03305", ".03303"),
        (610, 600, 300, 180, ".01086", ".01099"),
        (5, 5, 1, 0.5, ".2090", ".2039"),
    ],
)
def test_the_approximate_abandonment_is_near_the_exact(
    agents: int, erlangs: float, aht_s: float, patience_s: float, approximate: str, exact: str
) -> None:
    beta = (agents - erlangs) / math.sqrt(erlangs)
    assert agrees(garnett_abandonment(agents, beta, aht_s / patience_s), approximate)
    assert agrees(ErlangA.of(agents, erlangs, aht_s, patience_s).abandonment, exact)


@pytest.mark.parametrize(("erlangs", "agents"), [(100, 110), (600, 625), (1450, 1489)])
def test_the_square_root_rule(erlangs: float, agents: int) -> None:
    assert square_root_agents(erlangs, 1.0) == agents


@pytest.mark.parametrize("erlangs", [5.0, 5.1, 1e9])
def test_too_few_agents_for_contacts_that_never_give_up_are_named(erlangs: float) -> None:
    with pytest.raises(UnstableQueue, match="5 agents can't serve") as refused:
        erlang_c(5, erlangs)
    assert (refused.value.agents, refused.value.erlangs) == (5, erlangs)
    with pytest.raises(UnstableQueue):
        priority_waits_s(5, [1.0, erlangs], 180)


def test_without_traffic_nobody_waits_and_nothing_is_lost() -> None:
    assert erlang_b(0, 0.0) == 1.0
    assert erlang_b(1, 0.0) == 0.0
    assert erlang_c(1, 0.0) == 0.0


def test_of_an_overrun_agent_the_answered_are_those_who_outlast_the_crowd() -> None:
    # With patience as long as service and endless traffic y, the mean is patience × (ln y − ψ(2)), ψ(2) = 1 − 0.577…
    state = ErlangA.of(1, 100_000, 3600, 3600)
    assert state.asa_s == pytest.approx(3600 * (math.log(100_000) - 1 + 0.5772156649015329), rel=1e-13)


def test_a_center_of_any_size_neither_overflows_nor_vanishes() -> None:
    assert 0.3 < erlang_c(20_000, 19_900) < 0.5
    assert erlang_b(1000, 1.0) == 0.0
    overrun = ErlangA.of(1, 100_000, 1.0, 3600)
    assert overrun.p_wait == 1.0
    assert overrun.abandonment == pytest.approx(1 - 1e-5, rel=1e-12)
    # All but a few give up: the answered are those who outlast 100,000 others.
    assert overrun.asa_s == pytest.approx(3600 * math.log(100_000), rel=1e-4)
    assert overrun.service_level(20.0) == pytest.approx(0.0, abs=1e-9)
    assert ErlangA.of(1, 1e18, 1.0, 1e-18).service_level_ignore(20.0) == 0.0  # nobody is answered, nobody waits on
    idle = ErlangA.of(10_000, 1.0, 180, 60)
    assert (idle.p_wait, idle.abandonment, idle.asa_s, idle.service_level(0.0)) == (0.0, 0.0, 0.0, 1.0)
