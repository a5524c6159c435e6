"""With what somebody who logs in begins: level with whoever has least, found without looking at everybody.

Contacts and strides only grow while an agent is logged in. So a heap of what each had when somebody last looked is
enough: a measure at its head that has grown since goes back to where it belongs, and the first that has not is the
least of all. No measure is looked at more often than it grew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import heapify, heappop, heappush, heapreplace

from routing.acd.agents import Agent
from routing.model import Presence

_SPARED = 64
"""Entries of who logged out since, or in again, that are kept before the heap is made anew."""


class Least:
    """The least measure of all agents who are logged in; whoever logs in must `join`."""

    __slots__ = ("_agents", "_heap", "_measure")

    def __init__(self, agents: Mapping[str, Agent], measure: Callable[[Agent], float]) -> None:
        self._agents, self._measure = agents, measure
        self._heap = self._of(agents.values())

    def join(self, agent: Agent) -> None:
        """The agent is logged in, with this measure, from now on."""
        heappush(self._heap, (self._measure(agent), agent.agent_id))
        if len(self._heap) > 2 * len(self._agents) + _SPARED:
            self._heap = self._of(self._agents.values())

    def besides(self, newcomer: Agent) -> float:
        """The least of the others; 0 if nobody else is logged in. `newcomer` has not joined yet."""
        heap = self._heap
        while heap:
            had, agent_id = heap[0]
            agent = self._agents.get(agent_id)
            if agent is None or agent is newcomer or agent.presence is Presence.LOGGED_OUT:
                heappop(heap)
                continue
            has = self._measure(agent)
            if has <= had:
                return has
            heapreplace(heap, (has, agent_id))
        return 0.0

    def _of(self, agents: Iterable[Agent]) -> list[tuple[float, str]]:
        there = [
            (self._measure(agent), agent.agent_id) for agent in agents if agent.presence is not Presence.LOGGED_OUT
        ]
        heapify(there)
        return there
