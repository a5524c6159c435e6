"""Needs, the lazy heap, groups and lines, one agent: the parts of the ACD by themselves."""

import pytest

from routing.agents import Agent, AgentSignal
from routing.heap import LazyHeap
from routing.match import Matching
from routing.model import RONA, Activity, AgentOrder, AgentProfile, Choice, Needs, Outcome, Presence, QueueRules
from routing.offers import Offer
from routing.priority import priority


def test_needs_are_canonical_and_join_to_the_higher_level() -> None:
    assert Needs.of({"en": 2, "vip": 1}) == Needs.of({"vip": 1, "en": 2})
    assert hash(Needs.of({"en": 2, "vip": 1})) == hash(Needs.of({"vip": 1, "en": 2}))
    assert Needs.of({"en": 2}).joined(Needs.of({"en": 3, "vip": 1})) == Needs.of({"en": 3, "vip": 1})


def test_a_skill_that_is_not_held_meets_no_need() -> None:
    assert Needs.of({}).met_by({})
    assert Needs.of({"en": 2}).met_by({"en": 2})
    assert not Needs.of({"en": 2}).met_by({"en": 1})
    assert not Needs.of({"en": 1}).met_by({"vip": 5})


def test_a_proficiency_outside_1_to_5_is_refused() -> None:
    with pytest.raises(AssertionError):
        Needs.of({"en": 0})
    with pytest.raises(AssertionError):
        Needs.of({"en": 6})


def test_a_lower_tier_rank_comes_before_age_and_age_before_the_id() -> None:
    assert priority(0, 50.0, "z") < priority(1, 10.0, "a")
    assert priority(1, 10.0, "z") < priority(1, 11.0, "a")
    assert priority(1, 10.0, "a") < priority(1, 10.0, "b")


def test_the_head_of_a_lazy_heap_is_alive_after_any_removal() -> None:
    heap: LazyHeap[int, str] = LazyHeap()
    for key, name in enumerate("abcd"):
        heap.push(key, name)
    heap.remove("a")
    heap.remove("c")
    assert heap.entries[0] == (1, "b")
    assert len(heap) == 2
    assert [heap.pop(), heap.pop()] == [(1, "b"), (3, "d")]
    assert not heap.entries


def test_an_id_that_died_and_came_back_is_in_the_heap_once_and_under_its_last_key() -> None:
    heap: LazyHeap[int, str] = LazyHeap()
    heap.push(0, "first")
    heap.push(1, "again")
    heap.push(2, "last")
    heap.remove("again")
    heap.push(5, "again")
    assert [heap.pop(), heap.pop(), heap.pop()] == [(0, "first"), (2, "last"), (5, "again")]
    assert not heap.entries


def test_a_lazy_heap_does_not_keep_its_dead() -> None:
    heap: LazyHeap[int, int] = LazyHeap()
    heap.push(-1, -1)
    for each in range(10_000):
        heap.push(each, each)
        heap.remove(each)
    assert len(heap) == 1
    assert len(heap.entries) < 100


def test_the_most_proficient_group_with_an_idle_agent_comes_first_and_longest_idle_decides_within() -> None:
    profiles = [AgentProfile("able", {"en": 3}), AgentProfile("best", {"en": 5}), AgentProfile("peer", {"en": 3})]
    matching = Matching([*profiles, AgentProfile("mute", {})])
    line = matching.line(QueueRules("q", agent_order=AgentOrder.MOST_PROFICIENT), Needs.of({"en": 1}))
    for idle in [(30.0, "able"), (40.0, "best"), (20.0, "peer"), (1.0, "mute")]:
        matching.group(idle[1]).add(idle)
    assert line.first_agent(())[0] == "best"
    matching.group("best").remove((40.0, "best"))
    assert line.first_agent(())[0] == "peer"
    assert line.first_agent({"peer"})[0] == "able"
    assert line.first_agent({"peer", "able"})[0] == "peer"


def test_agents_with_equal_skills_share_a_group() -> None:
    matching = Matching([AgentProfile("a", {"en": 3, "vip": 1}), AgentProfile("b", {"vip": 1, "en": 3})])
    assert matching.group("a") is matching.group("b")


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
