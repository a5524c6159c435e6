"""With what a newcomer begins: the least of the others, kept as they come, go and serve, is the least counted anew."""

from hypothesis import given, settings
from hypothesis import strategies as st

from routing.acd.agents import Agent
from routing.acd.newcomers import Least
from routing.model import AgentProfile, Presence
from tests.days import Day, Happening, Kind
from tests.laws import who_logs_in_begins_level_with_the_others
from tests.property.test_routing_features_laws import happenings, kinds

STAFF = 12


@given(st.lists(st.tuples(st.sampled_from(("come", "go", "serve", "serve", "dismiss")), st.integers(0, STAFF - 1))))
@settings(max_examples=300, deadline=None)
def test_the_least_kept_is_the_least_counted_anew(what: list[tuple[str, int]]) -> None:
    agents: dict[str, Agent] = {}
    least = Least(agents, lambda agent: agent.contacts)
    for happens, n in what:
        agent = agents.setdefault(f"agent{n}", Agent(AgentProfile(f"agent{n}", {}), 0.0, 0.0))
        there = agent.presence is not Presence.LOGGED_OUT
        if happens == "come" and not there:
            others = [each.contacts for each in agents.values() if each.presence is not Presence.LOGGED_OUT]
            agent.presence = Presence.AVAILABLE
            assert least.besides(agent) == min(others, default=0)
            agent.contacts = min(others, default=0)
            least.join(agent)
        elif happens == "go":
            agent.presence = Presence.LOGGED_OUT
        elif happens == "serve" and there:
            agent.contacts += 1
        elif happens == "dismiss" and not there:
            del agents[agent.agent_id]


@given(st.lists(st.integers(0, 299), max_size=200))
@settings(max_examples=50, deadline=None)
def test_nobody_is_looked_at_more_often_than_they_came_and_served(served: list[int]) -> None:
    """300 log in one after the other, some serve, and all do it again: with a look at everybody, 180,000 looks."""
    looks = 0

    def contacts(agent: Agent) -> float:
        nonlocal looks
        looks += 1
        return agent.contacts

    agents = {f"agent{n}": Agent(AgentProfile(f"agent{n}", {}), 0.0, 0.0) for n in range(300)}
    least = Least(agents, contacts)
    for _ in range(2):
        for agent in agents.values():
            agent.presence = Presence.LOGGED_OUT
        for agent in agents.values():
            agent.presence = Presence.AVAILABLE
            agent.contacts = int(least.besides(agent))
            least.join(agent)
        for n in served:
            agents[f"agent{n}"].contacts += 1
    assert looks <= 4 * 2 * len(agents) + len(served)


@given(kinds, happenings)
@settings(max_examples=60, deadline=None)
def test_who_logs_in_begins_level_with_the_others(kind: Kind, what: list[Happening]) -> None:
    for moment in Day(kind).play(what):
        who_logs_in_begins_level_with_the_others(moment)
