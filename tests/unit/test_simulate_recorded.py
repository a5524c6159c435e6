"""A recorded day, simulated again: what was seen stays, what was cut short is drawn, a draft changes the rest."""

import math

import numpy as np
import pytest

from routing.messages import Configured
from routing.model import RONA, AgentProfile, Presence, QueueRules
from routing.requirement import ANYONE, Held, both, parse
from routing.simulate.day import simulate
from routing.simulate.draw import draw
from routing.simulate.durations import Exponential
from routing.simulate.load import Answering, Arrivals, Kind, Load, Roster, Shift
from routing.simulate.record import Record
from routing.simulate.recorded import Recorded, Seen, Spell, day_of, own_part


def site(agents: int) -> Configured:
    return Configured((QueueRules("orders", wrap_up_s=0.0),), tuple(AgentProfile(f"a{at}", {}) for at in range(agents)))


def real_day(agents: int, seed: int, patience_s: float = 300.0) -> Record:
    """A day that really was, for all that the recording knows."""
    load = Load(
        Arrivals((240.0,) * 4),
        (Kind("orders", handling=Exponential(180.0), patience=Exponential(patience_s)),),
        Roster(tuple(Shift(f"a{at}", 0.0, 20_000.0) for at in range(agents))),
        answering=Answering(Exponential(3.0)),
    )
    return simulate(site(agents), draw(load, seed))


def recording(record: Record, agents: int) -> Recorded:
    visits = [
        Seen(
            entered_at=float(record.entered_at[at]),
            queue="orders",
            requires=ANYONE,
            value_tier=0,
            wait_s=float(record.wait_s[at]),
            abandoned=bool(record.abandoned()[at]),
            handle_s=float(record.handle_s[at]) if record.answered()[at] else None,
            ring_s=0.0 if record.answered()[at] else None,
        )
        for at in range(len(record))
    ]
    spells = [Spell(f"a{at}", 0.0, Presence.AVAILABLE) for at in range(agents)]
    return Recorded(visits, [*spells, *(Spell(f"a{at}", 20_000.0, Presence.LOGGED_OUT) for at in range(agents))])


def test_under_the_site_that_recorded_it_the_day_comes_out_as_it_was() -> None:
    """Not call by call, for what was cut short is drawn; but as many give up, and they wait as long, in the mean."""
    was = real_day(11, seed=1)
    again = [simulate(site(11), day_of(recording(was, 11), 1, replication)) for replication in range(8)]
    assert 0.1 < was.abandoned().mean() < 0.3
    assert np.mean([record.abandoned().mean() for record in again]) == pytest.approx(was.abandoned().mean(), abs=0.03)
    assert np.mean([record.wait_s.mean() for record in again]) == pytest.approx(was.wait_s.mean(), rel=0.15)


def test_with_more_agents_the_recorded_customers_fare_as_they_really_would_have() -> None:
    """What-if: the record of 11 agents foretells the day with 14; leaving the answered's patience out would not."""
    was, really = real_day(11, seed=2), real_day(14, seed=2)
    foretold = [simulate(site(14), day_of(recording(was, 14), 1, replication)) for replication in range(8)]
    assert really.abandoned().mean() < was.abandoned().mean() / 2
    assert np.mean([record.abandoned().mean() for record in foretold]) == pytest.approx(
        really.abandoned().mean(), abs=0.025
    )


def seen(entered_at: float, wait_s: float, *, handle_s: float | None = None, queue: str = "orders") -> Seen:
    return Seen(entered_at, queue, ANYONE, 0, wait_s, handle_s is None, handle_s, None if handle_s is None else 2.0)


def test_what_was_seen_stays_and_what_was_cut_short_is_drawn_beyond_it() -> None:
    visits = [seen(30.0, 80.0), seen(10.0, 5.0, handle_s=100.0), seen(20.0, 7.0, handle_s=200.0)]
    day = day_of(Recorded(visits, ()), 1)
    assert list(day.at_s) == [10.0, 20.0, 30.0]
    assert list(day.handle_s[:2]) == [100.0, 200.0]
    assert day.handle_s[2] in {100.0, 200.0}
    patience_s = day.patience_s[0]
    assert patience_s[2] == 80.0
    assert patience_s[0] > 5.0
    assert patience_s[1] > 7.0
    assert list(day.ring_s[0]) == [2.0, 2.0, 2.0]


def test_handling_times_are_drawn_from_the_same_queue_first() -> None:
    visits = [seen(at, 5.0, handle_s=100.0) for at in range(20)]
    visits += [seen(at, 5.0, handle_s=900.0, queue="complaints") for at in range(20)]
    visits += [seen(50.0 + at, 9.0, queue="complaints") for at in range(20)]
    day = day_of(Recorded(visits, ()), 1)
    assert {day.handle_s[at] for at, each in enumerate(day.at_s) if each >= 50.0} == {900.0}


def test_replications_differ_in_what_was_drawn_alone() -> None:
    recorded = recording(real_day(11, seed=3), 11)
    one, other = day_of(recorded, 1, 0), day_of(recorded, 1, 1)
    assert one == day_of(recorded, 1, 0)
    assert one.at_s == other.at_s
    assert one.patience_s != other.patience_s
    gave_up = [visit.abandoned for visit in sorted(recorded.visits, key=lambda visit: visit.entered_at)]
    same = np.equal(one.patience_s[0], other.patience_s[0])
    assert same[gave_up].all()
    assert not same[np.logical_not(gave_up)].any()


def test_if_nobody_gave_up_nobody_does() -> None:
    day = day_of(Recorded([seen(1.0, 5.0, handle_s=60.0)], ()), 1)
    assert list(day.patience_s[0]) == [math.inf]


def test_rona_was_imposed_so_the_agent_counts_as_available() -> None:
    spells = [
        Spell("a0", 0.0, Presence.AVAILABLE),
        Spell("a0", 100.0, Presence.AUX, RONA),
        Spell("a0", 160.0, Presence.AVAILABLE),
        Spell("a0", 200.0, Presence.AUX, "lunch"),
        Spell("a0", 200.0, Presence.AUX, "lunch"),
        Spell("a0", 900.0, Presence.LOGGED_OUT),
    ]
    turns = day_of(Recorded((), spells), 1).turns
    assert [(turn.at_s, turn.presence, turn.aux_code) for turn in turns] == [
        (0.0, Presence.AVAILABLE, None),
        (200.0, Presence.AUX, "lunch"),
        (900.0, Presence.LOGGED_OUT, None),
    ]


def test_what_the_queue_required_is_taken_out_of_what_was_recorded() -> None:
    queue, own = parse("product >= 3"), Held("zh-TW")
    assert own_part(both(queue, own), queue) == own
    assert own_part(queue, queue) == ANYONE
    assert own_part(own, ANYONE) == own
    assert own_part(both(queue, own), parse("product >= 2")) == both(queue, own), "another site's part stays"
