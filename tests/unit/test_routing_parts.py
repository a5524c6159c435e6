"""Deadlines, groups and lines, one agent: the parts of the ACD by themselves."""

import pytest

from routing.acd.agents import Agent, AgentSignal
from routing.acd.deadlines import Deadlines
from routing.acd.match import Matching
from routing.acd.offers import Offer
from routing.model import RONA, Activity, AgentOrder, AgentProfile, Choice, Outcome, Presence, QueueRules
from routing.policy import ANY_TIER
from routing.requirement import needing


def test_the_first_deadline_stands_after_any_other_is_dropped() -> None:
    deadlines = Deadlines("x")
    for at, name in enumerate("abcd"):
        deadlines.set(at, "x", name)
    deadlines.drop("x", "a")
    deadlines.drop("x", "c")
    deadlines.drop("x", "nobody")
    assert deadlines.entries[0] == (1.0, "x", "b")
    assert len(deadlines) == 2
    assert [deadlines.pop(), deadlines.pop()] == [(1.0, "x", "b"), (3.0, "x", "d")]
    assert not deadlines.entries


def test_a_deadline_set_again_stands_once_and_at_its_last_instant() -> None:
    deadlines = Deadlines("xy")
    deadlines.set(0.0, "x", "first")
    for at in (1.0, 2.0, 1.0, 5.0):
        deadlines.set(at, "x", "again")
    deadlines.set(2.0, "y", "last")
    deadlines.drop("y", "again")
    for at in (5.0, 5.0):
        deadlines.drop("x", "again")
        deadlines.set(at, "x", "again")
    assert [deadlines.pop(), deadlines.pop(), deadlines.pop()] == [
        (0, "x", "first"),
        (2, "y", "last"),
        (5, "x", "again"),
    ]
    assert not deadlines.entries


def test_dropped_deadlines_are_not_kept() -> None:
    deadlines = Deadlines("x")
    deadlines.set(-1.0, "x", "first")
    for each in range(10_000):
        deadlines.set(each, "x", str(each))
        deadlines.drop("x", str(each))
    assert len(deadlines) == 1
    assert len(deadlines.entries) < 100


def test_the_most_proficient_group_with_an_idle_agent_comes_first_and_longest_idle_decides_within() -> None:
    profiles = [AgentProfile("able", {"en": 3}), AgentProfile("best", {"en": 5}), AgentProfile("peer", {"en": 3})]
    rules = QueueRules("q", agent_order=AgentOrder.MOST_PROFICIENT)
    matching = Matching([rules], [*profiles, AgentProfile("mute", {})], ANY_TIER)
    line = matching.line(rules, needing({"en": 1}), 0.0, 0)
    for ready_since, agent_id in [(30.0, "able"), (40.0, "best"), (20.0, "peer"), (1.0, "mute")]:
        matching.group_of[agent_id].add(AgentOrder.LONGEST_IDLE, (0.0, ready_since, agent_id))

    def first(passed_over: set[str]) -> str:
        return line.first_agent(passed_over)[1][0][2]

    assert first(set()) == "best"
    matching.group_of["best"].remove(AgentOrder.LONGEST_IDLE, (0.0, 40.0, "best"))
    assert first(set()) == "peer"
    assert first({"peer"}) == "able"
    assert first({"peer", "able"}) == "peer"


def test_agents_with_equal_skills_share_a_group() -> None:
    agents = [AgentProfile("a", {"en": 3, "vip": 1}), AgentProfile("b", {"vip": 1, "en": 3})]
    matching = Matching([QueueRules("q")], agents, ANY_TIER)
    assert matching.group_of["a"] is matching.group_of["b"]


def agent_in(activity: Activity) -> Agent:
    """An available agent brought to `activity` by its own signals, with contact c1."""
    agent = Agent(AgentProfile("ann", {}), since=0.0, ready_since=0.0, reachable=True)
    agent.choose(Choice(Presence.AVAILABLE), 1.0)
    for signal in [AgentSignal.OFFERED, AgentSignal.ACCEPTED, AgentSignal.TALK_ENDED]:
        if agent.activity is activity:
            break
        agent.take(signal, 2.0)
        agent.contact_id = "c1"
    assert agent.activity is activity
    return agent


@pytest.mark.parametrize("activity", [Activity.RESERVED, Activity.TALKING, Activity.WRAP_UP])
def test_a_break_chosen_during_a_contact_is_kept_for_afterwards(activity: Activity) -> None:
    agent = agent_in(activity)
    assert agent.choose(Choice(Presence.AUX, "lunch"), 3.0) == "requested"
    assert agent.presence is Presence.AVAILABLE
    assert agent.choose(Choice(Presence.AUX, "lunch"), 3.5) is None
    ends = {Activity.RESERVED: [AgentSignal.MISSED], Activity.WRAP_UP: [AgentSignal.WRAPPED_UP]}
    for signal in ends.get(activity, [AgentSignal.TALK_ENDED, AgentSignal.WRAPPED_UP]):
        assert agent.take(signal, 4.0) is None
    assert (agent.presence, agent.aux_code, agent.activity) == (Presence.AUX, "lunch", Activity.IDLE)
    assert agent.requested_next is None


def test_a_request_can_be_taken_back() -> None:
    agent = agent_in(Activity.TALKING)
    agent.choose(Choice(Presence.LOGGED_OUT), 3.0)
    assert agent.choose(Choice(Presence.AVAILABLE), 3.5) == "requested"
    assert agent.requested_next is None


def test_a_missed_offer_imposes_aux_rona_and_a_released_one_nothing() -> None:
    missed, released = agent_in(Activity.RESERVED), agent_in(Activity.RESERVED)
    missed.take(AgentSignal.MISSED, 5.0)
    released.take(AgentSignal.RELEASED, 5.0)
    assert (missed.presence, missed.aux_code) == (Presence.AUX, RONA)
    assert (released.presence, released.ready_since, released.since) == (Presence.AVAILABLE, 1.0, 5.0)
    assert released.ready


def test_an_impossible_signal_is_a_bug_and_not_a_race() -> None:
    with pytest.raises(KeyError):
        agent_in(Activity.TALKING).take(AgentSignal.OFFERED, 9.0)


def test_an_offer_settles_once() -> None:
    offer = Offer("c1.o1", "c1", "ann", 0.0, 20.0).settled(Outcome.BUSY)
    with pytest.raises(AssertionError, match="settles once"):
        offer.settled(Outcome.ACCEPTED)
