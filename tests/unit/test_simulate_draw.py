"""Common random numbers: equal seeds draw equal days, and no purpose disturbs another's lots."""

import math
from dataclasses import replace

import numpy as np
import pytest

from routing.model import Presence
from routing.simulate.draw import BREAK, Day, draw
from routing.simulate.durations import Exponential, LogNormal
from routing.simulate.load import Answering, Arrivals, Kind, Load, Redials, Roster, Shift

LOAD = Load(
    Arrivals((200.0, 400.0), cv=0.2, day_cv=0.1, spike_share=0.1, spike_factor=2.0),
    (
        Kind("orders", 3.0, handling=LogNormal.of(180.0, 1.0), patience=Exponential(200.0)),
        Kind("product", 1.0, value_tier=1, handling=LogNormal.of(300.0, 1.0), patience=Exponential(300.0)),
    ),
    Roster(
        tuple(Shift(f"a{at}", 0.0, 7_200.0, ((1_800.0, 600.0),)) for at in range(20)),
        absent=0.2,
        jitter_s=300.0,
        speed_cv=0.2,
    ),
    Redials(0.35),
    Answering(Exponential(4.0), missed=0.1),
)


def customers(day: Day) -> list[object]:
    return [day.at_s, day.kind, day.handle_s, day.patience_s, day.redial_s, day.ring_s]


def test_the_same_seed_draws_the_same_day_and_another_one_another() -> None:
    assert draw(LOAD, 1) == draw(LOAD, 1)
    assert draw(LOAD, 1).at_s != draw(LOAD, 2).at_s
    assert draw(LOAD, 1).at_s != draw(LOAD, 1, replication=1).at_s


def test_a_change_of_the_agents_leaves_every_customer_as_they_were() -> None:
    more = replace(LOAD, roster=replace(LOAD.roster, shifts=(Shift("new", 0.0, 7_200.0), *LOAD.roster.shifts)))
    one, other = draw(LOAD, 1), draw(more, 1)
    assert customers(one) == customers(other)
    assert {agent: other.speed[agent] for agent in one.speed} == one.speed
    assert [turn for turn in other.turns if turn.agent_id != "new"] == list(one.turns)


def test_patience_of_another_kind_leaves_arrivals_and_handling_as_they_were() -> None:
    calmer = replace(LOAD, kinds=tuple(replace(kind, patience=Exponential(900.0)) for kind in LOAD.kinds))
    one, other = draw(LOAD, 1), draw(calmer, 1)
    assert (one.at_s, one.kind, one.handle_s, one.redial_s) == (other.at_s, other.kind, other.handle_s, other.redial_s)
    assert one.patience_s != other.patience_s


def test_kinds_come_in_their_shares_and_each_has_its_own_handling_time() -> None:
    day = draw(replace(LOAD, arrivals=Arrivals((40_000.0,))), 3)
    kind, handle_s = np.array(day.kind), np.array(day.handle_s)
    assert np.mean(kind == 0) == pytest.approx(0.75, abs=0.01)
    assert handle_s[kind == 0].mean() == pytest.approx(180.0, rel=0.03)
    assert handle_s[kind == 1].mean() == pytest.approx(300.0, rel=0.03)


def test_arrivals_scatter_as_much_more_than_poisson_as_they_are_told() -> None:
    """Variance ÷ mean of an interval's count is 1 + mean × cv²: 5 for 100 calls and cv 0.2; 1 without."""
    for cv, expected in ((0.0, 1.0), (0.2, 5.0)):
        day = draw(replace(LOAD, arrivals=Arrivals((100.0,) * 3_000, cv=cv)), 4)
        counts = np.bincount((np.array(day.at_s) // 3_600).astype(int), minlength=3_000)
        assert counts.var() / counts.mean() == pytest.approx(expected, rel=0.12)
        assert counts.mean() == pytest.approx(100.0, rel=0.03)


def test_arrivals_are_in_order_and_within_their_day() -> None:
    day = draw(replace(LOAD, arrivals=Arrivals((50.0, 0.0, 50.0), from_s=36_000.0)), 5)
    at = np.array(day.at_s)
    assert np.all(np.diff(at) >= 0)
    assert at.min() >= 36_000.0
    assert at.max() <= 36_000.0 + 3 * 3_600.0
    assert not np.any((at >= 39_600.0) & (at < 43_200.0))


def test_who_gives_up_calls_again_in_their_share_but_not_for_ever() -> None:
    day = draw(replace(LOAD, arrivals=Arrivals((20_000.0,))), 6)
    assert len(day.redial_s) == LOAD.redials.attempts_max
    assert np.mean(np.isfinite(day.redial_s[0])) == pytest.approx(0.35, abs=0.02)
    assert not np.isfinite(day.redial_s[-1]).any()


def test_an_offer_rings_out_in_its_share_and_at_last_is_answered() -> None:
    day = draw(replace(LOAD, arrivals=Arrivals((20_000.0,))), 7)
    assert np.mean(np.isinf(day.ring_s[0])) == pytest.approx(0.1, abs=0.01)
    assert not np.isinf(day.ring_s[-1]).any()


def test_agents_come_take_their_break_and_go() -> None:
    day = draw(LOAD, 8)
    theirs = [turn for turn in day.turns if turn.agent_id == day.turns[0].agent_id]
    assert [turn.presence for turn in theirs] == [
        Presence.AVAILABLE,
        Presence.AUX,
        Presence.AVAILABLE,
        Presence.LOGGED_OUT,
    ]
    assert theirs[1].aux_code == BREAK
    assert 1_500.0 <= theirs[1].at_s <= 2_100.0
    assert theirs[2].at_s - theirs[1].at_s == pytest.approx(600.0)
    absent = 20 - len({turn.agent_id for turn in day.turns})
    assert 1 <= absent <= 9


def test_a_shift_without_end_is_never_left() -> None:
    day = draw(replace(LOAD, roster=Roster((Shift("a", 0.0, math.inf),))), 9)
    assert [turn.at_s for turn in day.turns] == [0.0, math.inf]
