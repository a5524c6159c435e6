"""The two machines of routing are total tables: every cell is a state, a named race or a known bug."""

from itertools import product

from routing.acd import agents, offers
from routing.acd.agents import AgentSignal
from routing.model import Activity, Outcome, Race

BUGS = {
    (Activity.IDLE, AgentSignal.RELEASED),
    (Activity.IDLE, AgentSignal.MISSED),
    (Activity.RESERVED, AgentSignal.OFFERED),
    (Activity.TALKING, AgentSignal.OFFERED),
    (Activity.TALKING, AgentSignal.RELEASED),
    (Activity.TALKING, AgentSignal.MISSED),
    (Activity.WRAP_UP, AgentSignal.OFFERED),
    (Activity.WRAP_UP, AgentSignal.RELEASED),
    (Activity.WRAP_UP, AgentSignal.MISSED),
}


def test_every_cell_of_the_agent_table_is_an_activity_a_race_or_a_known_bug() -> None:
    cells = set(product(Activity, AgentSignal))
    assert set(agents.NEXT) | BUGS == cells
    assert not set(agents.NEXT) & BUGS


def test_every_activity_can_be_reached_and_left() -> None:
    moves = {(before, after) for (before, _), after in agents.NEXT.items() if isinstance(after, Activity)}
    for activity in Activity:
        assert any(after is activity for before, after in moves if before is not activity)
        assert any(before is activity for before, after in moves if after is not activity)


def test_every_race_has_a_name() -> None:
    races = [cell for table in (agents.NEXT, offers.NEXT) for cell in table.values() if isinstance(cell, Race)]
    assert races
    assert all(len(race.name.split()) > 3 for race in races)


def test_every_cell_of_the_offer_table_is_there() -> None:
    assert set(offers.NEXT) == set(product([None, *Outcome], Outcome))


def test_a_pending_offer_takes_any_outcome_and_a_settled_one_takes_none() -> None:
    for told in Outcome:
        assert offers.NEXT[None, told] is told
        for before in Outcome:
            assert isinstance(offers.NEXT[before, told], Race)


def test_only_an_offer_that_we_withdrew_can_turn_out_to_be_picked_up() -> None:
    picked_up = {before for (before, told), cell in offers.NEXT.items() if cell is offers.PICKED_UP}
    assert picked_up == {Outcome.NO_ANSWER, Outcome.UNREACHABLE, Outcome.RESCINDED}
    assert {told for (_, told), cell in offers.NEXT.items() if cell is offers.PICKED_UP} == {Outcome.ACCEPTED}
