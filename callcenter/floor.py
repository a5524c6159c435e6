"""The floor: owner of the ACD's state: contacts, people and phones come and go, decisions become offers.

One owner, no task: every message is worked off at once, in order, and each change of an agent goes into the journal
as the agent's event (stream `agent/<id>`). Offers travel to the contact's session, which records them and rings.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

import msgspec
import structlog

from callcenter.clock import Clock
from callcenter.contact import commands as ask
from callcenter.contact.signals import OfferProposed, OfferWithdrawn, WrapUpOver
from callcenter.errors import CallCenterError, JournalError
from callcenter.ports import Append, DeviceSeen, Entry, Journal, StateChange
from routing import messages as acd
from routing.engine import Acd
from routing.model import Activity, Needs, Outcome, Presence
from routing.snapshot import AgentView, Snapshot

log = structlog.get_logger()

_encode = msgspec.json.Encoder(order="deterministic").encode


class UnknownAgent(CallCenterError):
    """The site has no such agent."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"the site has no agent {agent_id!r}; agents are named in agents.toml")
        self.agent_id = agent_id


@dataclass(frozen=True, slots=True)
class ChosenPresence:
    """What survives a restart of an agent: the presence they chose last."""

    presence: Presence
    aux_code: str | None


class Floor:
    """Runs the ACD for one site. `propose` and `inform` deliver to a contact's session."""

    def __init__(self, *, site: acd.Configured, digest: str, clock: Clock, journal: Journal) -> None:
        self._site = site
        self._agents = {profile.agent_id for profile in site.agents}
        self._acd = Acd(site, clock.now())
        self._digest = digest
        self._clock = clock
        self._journal = journal
        self._seqs: dict[str, int] = {}
        self._chosen: dict[str, ChosenPresence] = {}
        self._inbox: deque[acd.Input] = deque()
        self._working = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self.propose: Callable[[str, OfferProposed], None]
        self.inform: Callable[[str, OfferWithdrawn | WrapUpOver], None]

    def restore(
        self, seqs: Mapping[str, int], presences: Mapping[str, ChosenPresence], talking: Mapping[str, str]
    ) -> None:
        """Go on where the journal ends.

        `seqs`: stream → last seq; `presences`: agent → the presence they chose last; `talking`: agent → contact.
        """
        now = self._clock.now()
        self._seqs.update(seqs)
        agents = tuple(
            AgentView(
                agent_id=agent_id,
                presence=chosen.presence,
                aux_code=chosen.aux_code,
                activity=Activity.TALKING if agent_id in talking else Activity.IDLE,
                since=now,
                ready_since=now,
                contact_id=talking.get(agent_id),
            )
            for agent_id, chosen in presences.items()
            if agent_id in self._agents
        )
        self._acd = Acd.restore(self._site, Snapshot(now, (), agents))

    def snapshot(self) -> Snapshot:
        """The state of every queue and agent now, as plain values."""
        return self._acd.snapshot()

    def tell(self, command: ask.FloorCommand) -> None:
        """What a contact asks of the floor."""
        match command:
            case ask.EnterQueue():
                self._tell(
                    acd.Entered(
                        contact_id=command.contact_id,
                        queue=command.queue,
                        needs=Needs.of(command.needs),
                        value_tier=command.value_tier,
                        entered_at=command.entered_at,
                        preferred_agent=command.preferred_agent,
                        offers_made=command.offers_made,
                    )
                )
            case ask.LeaveQueue(contact_id):
                self._tell(acd.Left(contact_id))
            case ask.SettleOffer(offer_id, outcome):
                self._tell(acd.OfferSettled(offer_id, Outcome(outcome)))
            case ask.FinishTalk(contact_id, agent_id, wrap_up_s):
                self._tell(acd.TalkEnded(agent_id, contact_id, wrap_up_s))
            case _:
                assert_never(command)

    def device(self, seen: DeviceSeen) -> None:
        """A phone registered or went away; phones that are not agents' are nobody's business."""
        if seen.agent_id in self._agents:
            self._tell(acd.DeviceChanged(seen.agent_id, seen.reachable))

    def log_in(self, agent_id: str) -> None:
        """The agent starts work: available from now on, if their phone is."""
        self.choose_presence(agent_id, Presence.AVAILABLE)

    def log_out(self, agent_id: str) -> None:
        """The agent ends work, after the contact in hand."""
        self.choose_presence(agent_id, Presence.LOGGED_OUT)

    def choose_presence(self, agent_id: str, presence: str, aux_code: str | None = None) -> None:
        """The agent chose a presence; during a talk it takes effect after wrap-up. Raises UnknownAgent.

        Who says "available" in wrap-up is done with it.
        """
        if agent_id not in self._agents:
            raise UnknownAgent(agent_id)
        chosen = Presence(presence)
        self._tell(acd.PresenceChosen(agent_id, chosen, aux_code))
        if chosen is Presence.AVAILABLE:
            self._tell(acd.WrapUpFinished(agent_id))

    def _tell(self, message: acd.Input) -> None:
        self._inbox.append(message)
        if self._working:
            return  # obeying a decision led here; it has its turn after the decisions before it
        self._working = True
        try:
            while self._inbox:
                for decision in self._acd.step(self._inbox.popleft(), self._clock.now()):
                    self._obey(decision)
        finally:
            self._working = False
        self._arm_timer()

    def _obey(self, decision: acd.Decision) -> None:
        match decision:
            case acd.MakeOffer(offer_id, contact_id, agent_id, made_at, expires_at, trace):
                self.propose(contact_id, OfferProposed(offer_id, agent_id, made_at, expires_at, trace))
            case acd.RescindOffer(offer_id, contact_id, outcome):
                self.inform(contact_id, OfferWithdrawn(offer_id, outcome.value))
            case acd.WrapUpOver(agent_id, contact_id):
                self.inform(contact_id, WrapUpOver(agent_id))
            case acd.AgentChanged():
                self._remember(decision)
            case _:
                assert_never(decision)

    def _remember(self, change: acd.AgentChanged) -> None:
        stream = f"agent/{change.agent_id}"
        seq = self._seqs[stream] = self._seqs.get(stream, 0) + 1
        entry = Entry(stream, seq, self._clock.now(), "agent.changed", 1, _encode(change), self._digest, change.cause)
        wanted = change.requested_next or change
        chosen = ChosenPresence(wanted.presence, wanted.aux_code)
        states: tuple[StateChange, ...] = ()
        if self._chosen.get(change.agent_id) != chosen:  # most changes are of activity, which a restart works out anew
            self._chosen[change.agent_id] = chosen
            states = (StateChange(stream, _encode(chosen)),)
        try:
            self._journal.append(Append((entry,), states))
        except JournalError as error:
            log.error("agent's change not recorded", agent=change.agent_id, why=str(error))  # noqa: TRY400 - no bug

    def _arm_timer(self) -> None:
        at = self._acd.next_at()
        if at == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = at
        if at is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, at - self._clock.now()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._timer_at = None
        self._tell(acd.Tick())
