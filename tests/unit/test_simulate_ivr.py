"""Callers of a simulated day are in the IVR before their queue: they hold a trunk there, and some need no agent."""

import math
from dataclasses import replace

import numpy as np
import pytest

from callcenter.surroundings import EVERYWHERE, with_facts, with_ivr
from routing.erlang import erlang_b
from routing.messages import Configured
from routing.model import AgentProfile, Presence, QueueRules
from routing.requirement import ANYONE
from routing.simulate.day import simulate
from routing.simulate.draw import Day, InIvr, Turn, draw
from routing.simulate.durations import Exponential
from routing.simulate.load import Arrivals, Ivr, Kind, Load, Redials, Roster, Shift
from routing.simulate.record import End, Record
from routing.simulate.recorded import Recorded, Seen, SelfServed, Spell, day_of
from routing.simulate.results import ALL, Scope, summarise
from routing.simulate.surroundings import Surroundings
from tests.kit.hotline import brisk_site

SITE = Configured((QueueRules("orders", wrap_up_s=0.0),), (AgentProfile("ann", {}),))


def day(*calls: tuple[float, float], self_served: tuple[bool, ...] = (), patience_s: float = math.inf) -> Day:
    """Callers at these instants who are so long in the IVR, talk for 100 s and call again a minute after giving up."""
    every = range(len(calls))
    return Day(
        kinds=(Kind("orders"),),
        at_s=[at_s for at_s, _ in calls],
        kind=[0 for _ in every],
        handle_s=[100.0 for _ in every],
        patience_s=[[patience_s for _ in every], [math.inf for _ in every]],
        redial_s=[[60.0 for _ in every], [math.inf for _ in every]],
        ring_s=[[0.0 for _ in every]],
        turns=[Turn(0.0, "ann", Presence.AVAILABLE)],
        speed={},
        ivr=InIvr([lasts_s for _, lasts_s in calls], self_served or [False for _ in every]),
    )


def ends(record: Record) -> list[End]:
    return [End(end) for end in record.end]


def test_the_wait_in_a_queue_begins_when_the_ivr_is_over_and_the_shorter_menu_is_first() -> None:
    record = simulate(SITE, day((0.0, 30.0), (5.0, 10.0)))
    assert record.entered_at.tolist() == [30.0, 15.0]
    assert record.wait_s.tolist() == [85.0, 0.0]


def test_who_is_in_the_ivr_holds_a_trunk_from_the_call_on() -> None:
    """One trunk: it is free again at 130 s, when the talk that began at 30 s is over."""
    record = simulate(SITE, day((0.0, 30.0), (10.0, 0.0), (129.0, 5.0), (131.0, 5.0)), around=Surroundings(trunks=1))
    assert ends(record) == [End.ANSWERED, End.BLOCKED, End.BLOCKED, End.ANSWERED, End.BLOCKED, End.BLOCKED]
    assert record.entered_at.tolist() == [30.0, 10.0, 129.0, 136.0, 70.0, 189.0]


def test_whom_the_ivr_serves_frees_the_trunk_enters_no_queue_and_does_not_call_again() -> None:
    calls = day((0.0, 30.0), (31.0, 0.0), self_served=(True, False))
    record = simulate(SITE, calls, around=Surroundings(trunks=1))
    assert ends(record) == [End.SELF_SERVED, End.ANSWERED]
    counts = summarise(SITE, [record])[ALL].counts
    assert (counts["self_served"], counts["entered"], counts["answered"]) == (1, 1, 1)
    assert "blocked" not in counts


def test_who_gave_up_goes_through_the_ivr_again_as_they_call_again() -> None:
    record = simulate(SITE, day((0.0, 10.0), (1.0, 20.0), patience_s=30.0))
    assert ends(record) == [End.ANSWERED, End.ABANDONED, End.ANSWERED]
    assert record.entered_at.tolist() == [10.0, 21.0, 51.0 + 60.0 + 20.0]


# --- drawn days -------------------------------------------------------------------------------------------------------


def load(ivr: Ivr, calls: float = 20_000.0, hours: int = 10) -> Load:
    kinds = (Kind("orders", handling=Exponential(30.0), patience=Exponential(60.0), ivr=ivr), Kind("orders"))
    shifts = tuple(Shift(agent.agent_id, 0.0, 3_600.0 * hours) for agent in SITE.agents)
    return Load(Arrivals((calls / hours,) * hours), kinds, Roster(shifts), Redials(0.3))


def test_times_in_the_ivr_have_the_mean_and_the_deviation_that_were_told_and_so_many_need_nobody() -> None:
    drawn = draw(load(Ivr.of(45.0, 30.0, self_served=0.4)), 1)
    assert drawn.ivr is not None
    kind, lasts_s, served = np.array(drawn.kind), np.array(drawn.ivr.lasts_s), np.array(drawn.ivr.self_served)
    assert lasts_s[kind == 0].mean() == pytest.approx(45.0, rel=0.03)
    assert lasts_s[kind == 0].std() == pytest.approx(30.0, rel=0.08)
    assert served[kind == 0].mean() == pytest.approx(0.4, abs=0.02)
    assert not lasts_s[kind == 1].any()
    assert not served[kind == 1].any()


def test_with_and_without_an_ivr_the_customers_are_the_same() -> None:
    without, drawn = draw(load(Ivr()), 3), draw(load(Ivr.of(45.0, 30.0)), 3)
    assert without.ivr is None
    assert replace(drawn, kinds=without.kinds, ivr=None) == without


def test_an_ivr_that_takes_everybody_as_long_only_moves_the_day() -> None:
    """Agents are there all the time, so nobody's wait changes."""
    without = draw(load(Ivr(), calls=500.0), 5)
    later = replace(without, ivr=InIvr([256.0 for _ in without.at_s], [False for _ in without.at_s]))
    endless = [Turn(0.0, "ann", Presence.AVAILABLE)]
    first, second = (simulate(SITE, replace(each, turns=endless)) for each in (without, later))
    firsts = first.tries == 0
    assert second.entered_at[: firsts.sum()] == pytest.approx(first.entered_at[firsts] + 256.0)
    gave_up = [record.abandoned()[: firsts.sum()].mean() for record in (first, second)]
    assert gave_up[0] == pytest.approx(gave_up[1], abs=0.02)  # those who call again come 256 s later too


def test_callers_of_the_ivr_are_refused_a_trunk_as_often_as_erlang_says() -> None:
    """S293: 50 trunks and 50 erlangs of IVR alone; whatever the law of the times, Erlang B holds (Sevastyanov 1957)."""
    busy = Load(Arrivals((3_600.0,) * 10), (Kind("orders", ivr=Ivr.of(50.0, 60.0, self_served=1.0)),), Roster(()))
    refused = [
        np.mean(simulate(SITE, draw(busy, seed), around=Surroundings(50)).end == End.BLOCKED) for seed in range(3)
    ]
    assert np.mean(refused) == pytest.approx(erlang_b(50, 50.0), rel=0.05)


@pytest.mark.parametrize("told", [(-1.0,), (0.0, 5.0), (10.0, -1.0), (10.0, 1.0, 1.1), (math.nan,), (math.inf,)])
def test_a_time_in_the_ivr_that_makes_no_sense_is_refused(told: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="0"):
        Ivr.of(*told)


def test_the_time_goes_by_the_number_that_was_dialed_else_by_its_flow_else_it_is_everybodys() -> None:
    site = brisk_site()
    hotline = site.hotlines[site.default_hotline]
    kinds = with_facts((Kind(next(iter(site.queues))),), site)
    number, flow, everybody = Ivr.of(1.0), Ivr.of(2.0), Ivr.of(3.0)
    told = {hotline.dialed: number, hotline.flow or "": flow, EVERYWHERE: everybody}
    at_default = tuple(replace(kind, facts=replace(kind.facts, dialed=hotline.dialed)) for kind in kinds if kind.facts)
    for expected, left_out in ((number, ()), (flow, (hotline.dialed,)), (everybody, (hotline.dialed, hotline.flow))):
        left = {name: ivr for name, ivr in told.items() if name not in left_out}
        assert [kind.ivr for kind in with_ivr(at_default, site, left)] == [expected]
    assert with_ivr(kinds, site, {}) == kinds
    with pytest.raises(KeyError, match="0999"):
        with_ivr(kinds, site, {"0999": number})


# --- recorded days ----------------------------------------------------------------------------------------------------


def seen(entered_at: float, ivr_s: float) -> Seen:
    return Seen(entered_at, "orders", ANYONE, 0, 1.0, abandoned=False, handle_s=100.0, ring_s=0.0, ivr_s=ivr_s)


def test_a_recorded_customer_calls_as_long_before_the_queue_as_they_were_in_the_ivr() -> None:
    visits = [seen(100.0, 60.0), seen(110.0, 5.0)]
    served = [SelfServed(20.0, 25.0, 1), SelfServed(101.0, 4.0, 0)]
    recorded = Recorded(visits, [Spell("ann", 0.0, Presence.AVAILABLE)], self_served=served)
    drawn = day_of(recorded, 1)
    assert list(drawn.at_s) == [20.0, 40.0, 101.0, 105.0]
    assert [drawn.kinds[kind].queue for kind in drawn.kind] == ["", "orders", "", "orders"]
    assert [drawn.kinds[kind].value_tier for kind in drawn.kind] == [1, 0, 0, 0]
    record = simulate(SITE, drawn)
    assert ends(record) == [End.SELF_SERVED, End.ANSWERED, End.SELF_SERVED, End.ANSWERED]
    assert record.entered_at.tolist() == [45.0, 100.0, 105.0, 110.0]
    figures = summarise(SITE, [record])
    assert (figures[ALL].counts["self_served"], figures[Scope("queue", "orders")].counts["self_served"]) == (2, 0)
    with_two = simulate(SITE, drawn, around=Surroundings(trunks=1))
    assert ends(with_two) == [End.SELF_SERVED, End.BLOCKED, End.SELF_SERVED, End.ANSWERED]


def test_what_is_drawn_for_recorded_customers_does_not_depend_on_the_ivr() -> None:
    visits = [
        replace(seen(10.0 * at, 0.0), handle_s=None if at % 2 else 50.0 + at, abandoned=at % 4 == 1) for at in range(20)
    ]
    plain = day_of(Recorded(visits, ()), 1)
    timed = day_of(
        Recorded([replace(each, ivr_s=7.0) for each in visits], (), self_served=[SelfServed(3.5, 2.0, 0)]), 1
    )
    assert timed.ivr is not None
    theirs = [at for at, served in enumerate(timed.ivr.self_served) if not served]
    assert [timed.handle_s[at] for at in theirs] == list(plain.handle_s)
    assert [timed.patience_s[0][at] for at in theirs] == list(plain.patience_s[0])
