"""The floor: owner of the ACD's state: contacts, people and phones come and go, decisions become offers.

One owner, no task: every message is worked off at once, in order. Each change of an agent goes into the journal as the
agent's event (stream `agent/<id>`), each closing of a queue as the queue's (`queue/<name>`). What is decided about a
contact travels to its session, which records it and acts.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

import msgspec
import structlog

from callcenter.appointments import Appointments
from callcenter.clock import Clock
from callcenter.closings import Closing, Closings
from callcenter.contact import commands as ask
from callcenter.contact import signals as sig
from callcenter.contact.exit_steps import exit_text
from callcenter.departures import Departures
from callcenter.errors import JournalError, UnknownAgent, UnknownQueue
from callcenter.floor_words import agent_body, concern, entered, estimated, forecast, wait_told
from callcenter.learned import Memory
from callcenter.ports import Append, DeviceSeen, Entry, Journal, StateChange
from callcenter.presences import ChosenPresence
from routing import messages as acd
from routing.acd.engine import Acd
from routing.acd.explain import Explanation
from routing.acd.ladder import Ladder
from routing.acd.snapshot import AgentView, Snapshot
from routing.model import Activity, Exit, Outcome, Presence
from routing.waiting.estimate import Estimate, Promise
from routing.waiting.forecast import Prospect
from routing.waiting.promises import Promises

log = structlog.get_logger()

_encode = msgspec.json.Encoder(order="deterministic").encode

FloorSignal = (
    sig.OfferProposed
    | sig.OfferWithdrawn
    | sig.StepTaken
    | sig.Diverted
    | sig.Estimated
    | sig.WaitTold
    | sig.CallbackDue
    | sig.CallbackOver
    | sig.WrapUpOver
    | sig.WorldAnswered
)
"""What the floor tells a contact."""


class Floor:
    """Runs the ACD for one site. `propose` and `inform` deliver to a contact's session."""

    def __init__(self, *, site: acd.Configured, digest: str, clock: Clock, journal: Journal) -> None:
        self._settle_for(site, digest)
        self._acd = Acd(site, clock.now())
        self._clock = clock
        self._journal = journal
        self._seqs: dict[str, int] = {}
        self._chosen: dict[str, ChosenPresence] = {}
        self._offered: dict[str, str] = {}
        self._closings = Closings()
        self._promises = Promises()
        self._appointments = Appointments()
        self._departures = Departures()
        self._memory = Memory()
        self._inbox: deque[acd.Input] = deque()
        self._working = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self.propose: Callable[[str, sig.OfferProposed], None]
        self.inform: Callable[[str, FloorSignal], None]

    def restore(
        self,
        seqs: Mapping[str, int],
        presences: Mapping[str, ChosenPresence],
        talking: Mapping[str, str],
        offered: Mapping[str, str] | None = None,
        closings: Mapping[str, tuple[Closing, ...]] | None = None,
        states: Mapping[str, bytes] | None = None,
    ) -> None:
        """Go on where the journal ends.

        `seqs`: stream → last seq; `presences`: agent → the presence they chose last; `talking`: agent → contact;
        `offered`: offer that an earlier process made, and that may have been answered meanwhile → agent;
        `closings`: queue → why it is closed; `states`: all that the journal keeps, for those who may come back and for
        what estimates rest on.
        """
        now = self._clock.now()
        departed, gone = self._departures.restored(states or {}, now - self._site.comeback_s)
        self._seqs.update(seqs)
        self._offered = dict(offered or {})
        agents = tuple(
            AgentView(
                agent_id=agent_id,
                presence=chosen.presence,
                aux_code=chosen.aux_code,
                activity=Activity.TALKING if agent_id in talking else Activity.IDLE,
                since=now,
                ready_since=now,
                contact_id=talking.get(agent_id),
                talk_since=now,
            )
            for agent_id, chosen in presences.items()
            if agent_id in self._agents
        )
        learned = self._memory.restored(states or {}, now)
        self._acd = Acd.restore(self._site, Snapshot(now, (), agents, departed=departed, learned=learned))
        self._closings.restore(closings or {})
        self._save(gone)
        self._keep_closed()

    def reconfigure(self, site: acd.Configured, digest: str) -> None:
        """The site changed: it holds for the next decision. Agents and queues that it lacks are let go by the ACD."""
        self._settle_for(site, digest)
        self._promises.site_changed()
        self._tell(site)
        self._keep_closed()

    def snapshot(self) -> Snapshot:
        """The state of every queue and agent now, as plain values."""
        return self._acd.snapshot()

    def told(self, queue_max: int) -> Mapping[str, tuple[Prospect, Promise | None]]:
        """What the first contacts of every queue look forward to, and what each is told of its wait; by contact id."""
        now = self._clock.now()
        return {
            contact_id: (prospect, self._promises.tell(contact_id, prospect, now))
            for contact_id, prospect in self._acd.prospects(now, queue_max).items()
        }

    def promise(self, contact_id: str) -> Promise | None:
        """What a waiting contact is told of its wait, by now; None if it was never told anything."""
        now = self._clock.now()
        prospect = self._acd.prospect(contact_id, now)
        return None if prospect is None else self._promises.tell(contact_id, prospect, now)

    def estimate(self, contact_id: str) -> Estimate | None:
        """The place of a waiting contact and what it is told of its wait; None if it does not wait."""
        promise = self.promise(contact_id)
        return None if promise is None else promise.told

    def loans(self) -> Sequence[tuple[str, str, bool]]:
        """Every loan of the site as (borrower, lender, whether it is on)."""
        return self._acd.loans()

    def explain(self, contact_id: str) -> Explanation | None:
        """Why a contact in a queue is not served yet, or who is being asked; None for one that is in none."""
        return self._acd.explain(contact_id, self._clock.now())

    def explain_entry(self, command: ask.EnterQueue) -> tuple[Explanation, Ladder]:
        """What would happen if this contact entered now, and its reach as it waits on; raises UnknownQueue."""
        if command.queue not in self._queues:
            raise UnknownQueue(command.queue)
        newcomer = entered(command)
        return self._acd.explain_entry(newcomer, self._clock.now()), self._acd.ladder(newcomer)

    # --- contacts -------------------------------------------------------------------------------------------------

    def tell(self, command: ask.FloorCommand) -> None:
        """What a contact asks of the floor. Raises UnknownQueue for a queue that the running site does not have."""
        match command:
            case ask.EnterQueue():
                self._enter(command)
            case ask.TellWait() | ask.TellSlots() | ask.BookSlot():
                self._answer(command)
            case ask.LeaveQueue(contact_id, abandoned):
                self._forget(contact_id)
                self._tell(acd.Left(contact_id, abandoned))
            case ask.TellDialed(contact_id, outcome):
                self._tell(acd.CustomerDialed(contact_id, outcome))
            case ask.HoldDials(tiers):
                self._tell(acd.DialsHeld(tiers))
            case ask.SettleOffer(offer_id, outcome):
                if outcome in {Outcome.ACCEPTED, Outcome.CALLER_GONE}:
                    self._forget(offer_id.rpartition(".")[0])
                self._tell(acd.OfferSettled(offer_id, Outcome(outcome)))
                agent_id = self._offered.pop(offer_id, None)
                if agent_id is not None and outcome == Outcome.ACCEPTED:
                    # Answered while nobody served: the ACD of today never made this offer.
                    self._tell(acd.Engaged(agent_id, offer_id.rpartition(".")[0]))
            case ask.FinishTalk(contact_id, agent_id, wrap_up_s, dropped):
                self._tell(acd.TalkEnded(agent_id, contact_id, wrap_up_s, dropped))
            case _:
                assert_never(command)

    def _enter(self, command: ask.EnterQueue) -> None:
        if command.queue not in self._queues:
            raise UnknownQueue(command.queue)  # here, where it fails this contact and no other
        if command.told is not None:
            self._promises.keep(command.contact_id, command.queue, forecast(command.told), self._clock.now())
        if command.slot_begin is not None:
            self._appointments.keep(command.contact_id, command.queue, command.slot_begin)
        self._tell(entered(command))

    def _answer(self, command: ask.TellWait | ask.TellSlots | ask.BookSlot) -> None:
        if isinstance(command, ask.TellWait):
            self.inform(command.contact_id, wait_told(self.promise(command.contact_id)))
        else:
            self.inform(command.contact_id, self._appointments.answer(command))

    # --- agents and their phones ----------------------------------------------------------------------------------

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

    # --- queues ---------------------------------------------------------------------------------------------------

    def close_queue(self, queue: str, reason: str, newcomers_to: Exit, waiting_to: Exit | None = None) -> None:
        """The queue takes nobody more, until every reason for it is taken back. Raises UnknownQueue.

        Newcomers go to `newcomers_to`; those who wait go to `waiting_to`, or are served to the last (None).
        """
        if queue not in self._queues:
            raise UnknownQueue(queue)
        closing = Closing(reason, newcomers_to, waiting_to)
        if self._closings.close(queue, closing):
            waiting = None if waiting_to is None else exit_text(waiting_to)
            exits = {"newcomers_to": exit_text(newcomers_to), "waiting_to": waiting}
            self._remember_closing(queue, "queue.closed", reason, exits)
            self._tell(acd.QueueClosed(queue, reason, newcomers_to, waiting_to))

    def open_queue(self, queue: str, reason: str | None = None) -> None:
        """Take one reason for closing back, or all (None); the queue opens with the last. Raises UnknownQueue."""
        if queue not in self._queues:
            raise UnknownQueue(queue)
        if self._closings.open(queue, reason):
            still = [each.reason for each in self._closings.of(queue)]
            self._remember_closing(queue, "queue.opened", reason or "all", {"still_closed_for": still})
            if not still:
                self._tell(acd.QueueOpened(queue))
            else:
                self._keep_closed()

    def closings(self, queue: str) -> Sequence[Closing]:
        """Why this queue is closed, the reason given last at the end; none for an open queue."""
        return self._closings.of(queue)

    def _keep_closed(self) -> None:
        """Tell the ACD what it may not know: the reason given last for each closed queue that the site still has."""
        for queue, held in self._closings.by_queue.items():
            if queue in self._queues:
                self._tell(acd.QueueClosed(queue, held[-1].reason, held[-1].newcomers_to, None))

    # --- one message after the other ------------------------------------------------------------------------------

    def _settle_for(self, site: acd.Configured, digest: str) -> None:
        self._site = site
        self._digest = digest
        self._agents = {profile.agent_id for profile in site.agents}
        self._queues = {rules.queue for rules in site.queues}

    def _tell(self, message: acd.Input) -> None:
        self._inbox.append(message)
        if self._working:
            return  # obeying a decision led here; it has its turn after the decisions before it
        self._working = True
        try:
            while self._inbox:
                given = self._inbox.popleft()
                decisions = self._acd.step(given, self._clock.now())
                self._save(self._departures.changes(given, decisions, self._acd.departures))
                for decision in decisions:
                    self._obey(decision)
                if isinstance(given, acd.Entered) and not (given.callback or concern(decisions, given.contact_id)):
                    self._tell_estimate(given.contact_id, given.queue)
            if self._memory.due(now := self._clock.now()):
                self._save(self._memory.changes(self._acd.learned(), now))
        finally:
            self._working = False
        self._arm_timer()

    def _tell_estimate(self, contact_id: str, queue: str) -> None:
        """Who is neither offered nor sent elsewhere at once learns what lies ahead of them."""
        now = self._clock.now()
        estimate = self._acd.promise(contact_id, now)
        if estimate is not None:
            self._promises.begin(contact_id, queue, self._acd.at_work(contact_id, now), estimate, now)
            self.inform(contact_id, estimated(estimate))

    def _forget(self, contact_id: str) -> None:
        """The contact waits no more, and is not called back."""
        self._promises.forget(contact_id)
        self._appointments.forget(contact_id)

    def _obey(self, decision: acd.Decision) -> None:
        match decision:
            case acd.MakeOffer(offer_id, contact_id, agent_id, made_at, expires_at, trace):
                offer = sig.OfferProposed(offer_id, agent_id, made_at, expires_at, trace.as_dict())
                self.propose(contact_id, offer)
            case acd.RescindOffer(offer_id, contact_id, outcome):
                self.inform(contact_id, sig.OfferWithdrawn(offer_id, outcome.value))
            case acd.StepTaken(contact_id, queue, step, why, requires):
                self.inform(contact_id, sig.StepTaken(queue, step, why, requires))
            case acd.Diverted(contact_id, queue, exit_to, why):
                self._forget(contact_id)
                self.inform(contact_id, sig.Diverted(queue, exit_to, why))
            case acd.WrapUpOver(agent_id, contact_id):
                self.inform(contact_id, sig.WrapUpOver(agent_id))
            case acd.AgentChanged():
                self._remember_agent(decision)
            case acd.DialCustomer(contact_id, attempt):
                self.inform(contact_id, sig.CallbackDue(attempt))
            case acd.CallbackOver(contact_id, why, taken_up_by):
                self._forget(contact_id)
                self.inform(contact_id, sig.CallbackOver(why, taken_up_by))
            case _:
                assert_never(decision)

    # --- the journal ----------------------------------------------------------------------------------------------

    def _remember_agent(self, change: acd.AgentChanged) -> None:
        stream = f"agent/{change.agent_id}"
        wanted = change if change.requested_next is None else change.requested_next
        chosen = ChosenPresence(wanted.presence, wanted.aux_code)
        states: tuple[StateChange, ...] = ()
        if self._chosen.get(change.agent_id) != chosen:  # most changes are of activity, which a restart works out anew
            self._chosen[change.agent_id] = chosen
            states = (StateChange(stream, _encode(chosen)),)
        self._remember(stream, "agent.changed", change.cause, agent_body(change), states)

    def _remember_closing(self, queue: str, type_: str, reason: str, body: Mapping[str, Any]) -> None:
        stream = f"queue/{queue}"
        held = self._closings.of(queue)
        state = StateChange(stream, _encode(held) if held else None)
        self._remember(stream, type_, reason, {"queue": queue, "reason": reason, **body}, (state,))

    def _remember(
        self, stream: str, type_: str, cause: str, body: Mapping[str, Any], states: Sequence[StateChange]
    ) -> None:
        seq = self._seqs[stream] = self._seqs.get(stream, 0) + 1
        entry = Entry(stream, seq, self._clock.now(), type_, 1, _encode(body), self._digest, cause)
        self._save(states, entry)

    def _save(self, states: Sequence[StateChange], *entries: Entry) -> None:
        if not states and not entries:
            return
        try:
            self._journal.append(Append(entries, states))
        except JournalError as error:
            streams = [entry.stream for entry in entries] + [change.stream for change in states]
            log.error("a change on the floor is not recorded", streams=streams, why=str(error))  # noqa: TRY400 - no bug

    # --- time -----------------------------------------------------------------------------------------------------

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
