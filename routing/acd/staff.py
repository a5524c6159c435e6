"""What is told of agents: they choose presences, their phones come and go, they talk and finish work after talking."""

from __future__ import annotations

from routing.acd import agents
from routing.acd.agents import Agent, AgentSignal
from routing.acd.board import AGENT, Board
from routing.acd.callbacks import Callbacks
from routing.acd.comeback import Comebacks
from routing.acd.contacts import Contact
from routing.acd.pairing import Pairing
from routing.messages import (
    CustomerDialed,
    DeviceChanged,
    DialOutcome,
    Engaged,
    PresenceChosen,
    TalkEnded,
    WrapUpFinished,
    WrapUpOver,
)
from routing.model import Activity, Choice, Outcome, Presence, Race, UnknownAgentError
from routing.waiting.forecast import Forecast

# Looked up once: a member of an Enum is found ten times slower than a global.
_TALK_ENDED, _WRAPPED_UP, _WRAP_UP = AgentSignal.TALK_ENDED, AgentSignal.WRAPPED_UP, Activity.WRAP_UP


class Staff:
    """The inputs about agents, worked off on one board."""

    def __init__(
        self, board: Board, pairing: Pairing, forecast: Forecast, comebacks: Comebacks, callbacks: Callbacks
    ) -> None:
        self._board, self._pairing, self._forecast = board, pairing, forecast
        self._comebacks, self._callbacks = comebacks, callbacks

    def engaged(self, given: Engaged, now: float) -> None:
        """The agent talks in a contact that no offer brought."""
        board = self._board
        agent = board.agents.get(given.agent_id)
        if agent is None or isinstance(agents.NEXT[agent.activity, AgentSignal.ENGAGED], Race):
            return
        passed_on: Contact | None = None
        if agent.offer_id is not None:
            passed_on, _ = board.rescind(board.offers[agent.offer_id], Outcome.RESCINDED, now)
        if agent.activity is Activity.WRAP_UP and agent.contact_id is not None:
            self._forecast.ended(agent, now)
            board.decisions.append(WrapUpOver(agent.agent_id, agent.contact_id))
            board.deadlines.drop(AGENT, agent.agent_id)
            if not agent.engaged_outbound:
                agent.ready_since = now
        board.engage(agent, given.contact_id, AgentSignal.ENGAGED, "engaged", now)
        agent.wrap_up_s = 0.0
        agent.talk_with = None
        agent.engaged_outbound = not board.site.outbound_counts
        if passed_on is not None and not passed_on.offers:
            self._pairing.wait(passed_on, now)

    def talk_ended(self, given: TalkEnded, now: float) -> None:
        """The agent's part in a contact is over."""
        board = self._board
        agent = board.agents.get(given.agent_id)
        if agent is None or agent.contact_id != given.contact_id:
            return  # the end of an earlier talk, told late
        if agent.take(_TALK_ENDED, now) is not None:
            return
        if given.dropped and agent.talk_with is not None:
            self._comebacks.remember(agent.talk_with, agent.agent_id, now)
        wrap_up_s = agent.wrap_up_s if given.wrap_up_s is None else given.wrap_up_s
        agent.wrap_up_until = now + wrap_up_s
        board.tell(agent, "talk_ended")
        if wrap_up_s > 0:
            board.deadlines.set(agent.wrap_up_until, AGENT, agent.agent_id)
        else:
            self._wrapped_up(agent, now)

    def wrap_up_finished(self, given: WrapUpFinished, now: float) -> None:
        """The agent is done before the time is up."""
        agent = self._board.agents.get(given.agent_id)
        if agent is None or agent.activity is not _WRAP_UP:
            return  # a race: agents.NEXT names it
        self._board.deadlines.drop(AGENT, agent.agent_id)
        self._wrapped_up(agent, now)

    def _wrapped_up(self, agent: Agent, now: float) -> None:
        """An agent in wrap-up, with no deadline set, is done."""
        board, contact_id = self._board, agent.contact_id
        assert contact_id is not None, "wrap-up belongs to a contact"
        self._forecast.ended(agent, now)
        agent.take(_WRAPPED_UP, now)
        board.decisions.append(WrapUpOver(agent.agent_id, contact_id))
        board.tell(agent, "wrap_up_over")
        self._pairing.free(agent, now)

    def presence_chosen(self, given: PresenceChosen, now: float) -> None:
        """The agent chose a presence; raises UnknownAgentError."""
        board = self._board
        agent = board.agents.get(given.agent_id)
        if agent is None or agent.retired:
            raise UnknownAgentError(given.agent_id)
        aux_code = given.aux_code if given.presence is Presence.AUX else None
        board.unlist(agent)
        board.choose(agent, Choice(given.presence, aux_code), now)
        self._pairing.free(agent, now)

    def device_changed(self, given: DeviceChanged, now: float) -> None:
        """An agent's phone came or went."""
        board = self._board
        agent = board.agents.get(given.agent_id)
        if agent is None:
            return  # not an agent's phone
        if given.reachable and agent.spared_for in {Outcome.UNREACHABLE, Outcome.FAILED}:
            board.unspare(agent)
        if given.reachable is not agent.reachable:
            board.unlist(agent)
            agent.reachable = given.reachable
            board.tell(agent, "phone_back" if given.reachable else "phone_lost")
        if not given.reachable and agent.offer_id is not None:
            self._pairing.withdraw(board.offers[agent.offer_id], Outcome.UNREACHABLE, now)
        self._pairing.free(agent, now)

    def due(self, agent: Agent, now: float) -> None:
        """An agent's wrap-up or delay has run its time."""
        if agent.activity is _WRAP_UP:
            self._wrapped_up(agent, now)
        else:
            agent.unspare()
            self._pairing.free(agent, now)

    def customer_dialed(self, given: CustomerDialed, now: float) -> None:
        """An attempt to reach the customer of a callback is over."""
        self._callbacks.dialed(given, now)
        if given.outcome is not DialOutcome.ANSWERED:
            for agent in self._board.agents.values():  # agent first: the one who waited for the customer is free again
                if agent.contact_id == given.contact_id and agent.activity is Activity.TALKING:
                    self.talk_ended(TalkEnded(agent.agent_id, given.contact_id, 0.0), now)
                    break
