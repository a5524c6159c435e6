"""The ACD: one input at a time, at a given instant, becomes the list of decisions that follow from it.

One owner feeds `step` and obeys what it returns. The engine keeps one promise after every step, work conservation: no
contact waits while an agent whom its reach includes is ready. `pairing` keeps it; what is told here only says where it
might break.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from routing.acd.board import AGENT, CALLBACK, CONTACT, OFFER, Board
from routing.acd.callbacks import Callbacks
from routing.acd.comeback import Comebacks, Departed
from routing.acd.doors import Doors
from routing.acd.explain import Explainer, Explanation
from routing.acd.ladder import Ladder
from routing.acd.lending import LOANS, Lending
from routing.acd.pairing import Pairing
from routing.acd.snapshot import Snapshot, restore_board, snapshot_of
from routing.acd.staff import Staff
from routing.acd.visits import Visits
from routing.messages import (
    CallbackChosen,
    Configured,
    CustomerDialed,
    Decision,
    DeviceChanged,
    DialsHeld,
    Engaged,
    Entered,
    Input,
    Left,
    OfferSettled,
    PresenceChosen,
    QueueClosed,
    QueueOpened,
    TalkEnded,
    Tick,
    WrapUpFinished,
)
from routing.model import Outcome
from routing.waiting.estimate import Estimate
from routing.waiting.forecast import Forecast, Prospect, QueueLearned


class Acd:
    """The engine under `site`. Agents start logged out, their phones unreachable until told otherwise."""

    def __init__(self, site: Configured, now: float) -> None:
        self._board = board = Board(site, now)
        self._pairing = Pairing(board)
        self._forecast = Forecast(board)
        self._doors = Doors(board, self._forecast)
        self._comebacks = Comebacks(site.comeback_s)
        self._callbacks = Callbacks(board, self._pairing, self._forecast)
        self._to_call = self._callbacks.to_call
        self._lending = Lending(board, self._pairing, self._forecast)
        self._explainer = Explainer(board, self._pairing, self._doors, self._forecast)
        visits = Visits(
            board, self._pairing, self._forecast, self._doors, self._comebacks, self._callbacks, self._lending
        )
        self._staff = staff = Staff(board, self._pairing, self._forecast, self._comebacks, self._callbacks)
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            Entered: visits.entered,
            Left: visits.left,
            OfferSettled: visits.offer_settled,
            CallbackChosen: visits.callback_chosen,
            QueueClosed: visits.queue_closed,
            QueueOpened: visits.queue_opened,
            DialsHeld: self._callbacks.hold,
            CustomerDialed: staff.customer_dialed,
            PresenceChosen: staff.presence_chosen,
            DeviceChanged: staff.device_changed,
            Engaged: staff.engaged,
            TalkEnded: staff.talk_ended,
            WrapUpFinished: staff.wrap_up_finished,
            Configured: self._configured,
            Tick: self._tick,
        }
        self._now = now
        self._unsettled = False

    @classmethod
    def restore(cls, site: Configured, snapshot: Snapshot) -> Acd:
        """An engine in the state of `snapshot` under `site`.

        Agents that the site no longer has are left behind; raises UnknownQueueError for a contact whose queue is
        gone. What does not fit together (an agent reserved without an offer, someone waiting for a ready agent) is
        mended, and told, by the first step.
        """
        acd = cls(site, snapshot.at)
        calling = restore_board(acd._board, snapshot)
        acd._doors.restore(snapshot.closed)
        acd._comebacks.restore(snapshot.departed)
        acd._callbacks.restore(calling, snapshot.dials_held)
        acd._forecast.restore(snapshot.learned)
        acd._unsettled = True
        return acd

    def step(self, given: Input, now: float) -> list[Decision]:
        """What follows from `given` and from the time passed, in order.

        Raises UnknownQueueError or UnknownAgentError when a contact or a presence names what the site does not
        have; nothing has changed then. Any other input that fits nothing is the late half of a race: no decision.
        Time does not run backwards: an earlier `now` than the last one counts as the last one.
        """
        now = max(now, self._now)
        self._now, board, changed = now, self._board, self._comebacks.changed
        if changed:
            changed.clear()
        if self._unsettled:
            self._unsettled = False
            self._pairing.place_all([each for each in board.contacts.values() if each.waiting_since is not None], now)
        self._handlers[type(given)](given, now)
        entries = board.deadlines.entries
        if entries and entries[0][0] <= now:
            self._expire(now)
        if self._to_call:
            self._callbacks.look(now)
        decisions, board.decisions = board.decisions, []
        return decisions

    def next_at(self) -> float | None:
        """The earliest deadline, when a Tick is due; None when time alone will change nothing."""
        if self._unsettled:
            return self._now
        entries = self._board.deadlines.entries
        return entries[0][0] if entries else None

    def snapshot(self) -> Snapshot:
        """The whole state, as of the last step."""
        callbacks = self._callbacks
        known = (self._doors.closed, self._comebacks.all(), callbacks.calling(), callbacks.held, self.learned())
        return snapshot_of(self._board, self._now, *known)

    def learned(self) -> tuple[QueueLearned, ...]:
        """What estimates rest on, by queue."""
        return self._forecast.learned()

    @property
    def departures(self) -> Mapping[str, Departed | None]:
        """Customers who left in the last step and may come back; None: they are back, or forgotten."""
        return self._comebacks.changed

    def estimate(self, contact_id: str, now: float) -> Estimate | None:
        """The wait still ahead of a contact in a queue, and its position; None for one that is in none."""
        contact = self._board.contacts.get(contact_id)
        return None if contact is None else self._forecast.estimate(contact, now)

    def promise(self, contact_id: str, now: float) -> Estimate | None:
        """The estimate that a contact is told as it enters; None for one that is in no queue.

        It is remembered and compared with what comes, which corrects later estimates: whoever replays a history
        repeats its promises too.
        """
        contact = self._board.contacts.get(contact_id)
        return None if contact is None else self._forecast.promise(contact, now)

    def at_work(self, contact_id: str, now: float) -> int:
        """How many agents are at work who may serve a contact in a queue as its reach is now; 0 if it is in none."""
        contact = self._board.contacts.get(contact_id)
        return 0 if contact is None else self._forecast.at_work(contact, now)

    def prospect(self, contact_id: str, now: float) -> Prospect | None:
        """What a contact in a queue looks forward to; None for one that is in none."""
        contact = self._board.contacts.get(contact_id)
        return None if contact is None else self._forecast.prospect(contact, now)

    def prospects(self, now: float, queue_max: int) -> dict[str, Prospect]:
        """What the first contacts of every queue look forward to, at most so many each; by contact id."""
        return self._forecast.prospects(now, queue_max)

    def loans(self) -> tuple[tuple[str, str, bool], ...]:
        """Every loan of the site as (borrower, lender, whether it is on)."""
        return tuple((gate.borrower, gate.loan.lender, gate.open) for gate in self._board.matching.gates)

    def ladder(self, entered: Entered) -> Ladder:
        """Who could serve this contact as it waits on, rung by rung. Raises UnknownQueueError."""
        return self._board.ladder(self._board.rules(entered.queue), entered.value_tier, entered.requires)

    def explain(self, contact_id: str, now: float) -> Explanation | None:
        """Why a contact in a queue is not served yet, or who is being asked; None for one that is in none."""
        contact = self._board.contacts.get(contact_id)
        return None if contact is None else self._explainer.contact(contact, now)

    def explain_entry(self, entered: Entered, now: float) -> Explanation:
        """What would happen if this contact entered now; nothing does. Raises UnknownQueueError."""
        return self._explainer.would_enter(entered, now)

    # --- the site, and time ---------------------------------------------------------------------------------------

    def _configured(self, given: Configured, now: float) -> None:
        board = self._board
        waiting = [contact for contact in board.contacts.values() if contact.waiting_since is not None]
        board.load(given, now)
        self._comebacks.kept_s = given.comeback_s
        self._callbacks.reload()
        self._lending.reload()
        self._pairing.place_all(waiting, now)

    def _tick(self, _given: Tick, _now: float) -> None:
        """Time has passed: `step` sees to it."""

    def _expire(self, now: float) -> None:
        board = self._board
        deadlines = board.deadlines
        while deadlines.entries and deadlines.entries[0][0] <= now:
            _, kind, item_id = deadlines.pop()
            if kind == OFFER:
                self._pairing.withdraw(board.offers[item_id], Outcome.NO_ANSWER, now)
            elif kind == CONTACT:
                self._pairing.widen(board.contacts[item_id], now)
            elif kind == CALLBACK:
                self._callbacks.alarm(item_id, now)
            elif kind == AGENT:
                self._staff.due(board.agents[item_id], now)
            elif item_id == LOANS:
                self._lending.look(now)
