"""What is told of contacts: they enter and leave, offers settle, callbacks are chosen, queues close and open."""

from __future__ import annotations

from msgspec.structs import replace

from routing.acd import agents, offers
from routing.acd.agents import Agent, AgentSignal
from routing.acd.board import Board
from routing.acd.callbacks import Callbacks
from routing.acd.comeback import Comebacks
from routing.acd.contacts import Contact
from routing.acd.doors import Doors
from routing.acd.lending import Lending
from routing.acd.offers import Offer
from routing.acd.pairing import Pairing
from routing.messages import CallbackChosen, Entered, Left, OfferSettled, QueueClosed, QueueOpened
from routing.model import Outcome, Race
from routing.waiting.forecast import Forecast

_ACCEPTED = Outcome.ACCEPTED
"""Looked up once: a member of an Enum is found ten times slower than a global."""


class Visits:
    """The inputs about contacts, worked off on one board."""

    def __init__(
        self,
        board: Board,
        pairing: Pairing,
        forecast: Forecast,
        doors: Doors,
        comebacks: Comebacks,
        callbacks: Callbacks,
        lending: Lending,
    ) -> None:
        self._board, self._pairing, self._forecast = board, pairing, forecast
        self._doors, self._comebacks, self._callbacks = doors, comebacks, callbacks
        self._lending = lending

    def entered(self, given: Entered, now: float) -> None:
        """A contact joined a queue or, told again, moves."""
        board = self._board
        known = board.contacts.get(given.contact_id)
        if known is not None and known.told == given:
            return  # told twice
        if (known is None or known.rules.queue != given.queue) and self._doors.turned_away(given, now):
            if known is not None:
                self._release(self._take_out(known, Outcome.RESCINDED, now), now)
            return
        entered, back = self._regained(given, known, now)
        contact = board.new_contact(given, entered)
        contact.comeback = back
        released: list[Agent] = []
        if known is not None:  # it moves, perhaps within the queue
            contact.offers_made = max(contact.offers_made, known.offers_made)
            released = self._take_out(known, Outcome.RESCINDED, now)
        self._lending.needed(contact, now)
        self._callbacks.taken_up_by(contact, now)
        board.add(contact)
        self._forecast.entered(contact, now)
        if entered.callback:
            self._callbacks.go_on(contact, now)
        elif not self._went_to_preferred(contact, released, now):
            self._pairing.wait(contact, now)
        self._release(released, now)

    def _regained(self, given: Entered, known: Contact | None, now: float) -> tuple[Entered, bool]:
        """The entry as it counts: a customer who came back has their age, also when the contact is told again."""
        if known is None or not known.comeback:
            return self._comebacks.regained(given, now)
        before = known.entered
        age = min(given.entered_at, before.entered_at) if before.queue == given.queue else given.entered_at
        return replace(given, entered_at=age, preferred_agent=given.preferred_agent or before.preferred_agent), True

    def _release(self, released: list[Agent], now: float) -> None:
        for agent in released:
            self._pairing.free(agent, now)

    def _went_to_preferred(self, contact: Contact, released: list[Agent], now: float) -> bool:
        """Offer the contact to its preferred agent if they can take it at once; else remember why not."""
        preferred = self._board.agents.get(contact.entered.preferred_agent or "")
        if preferred is None:
            return False
        able = self._pairing.may_serve(preferred, contact)
        contact.not_preferred = preferred.why_not() if able else "may_not_serve"
        if contact.not_preferred is not None or preferred in released:
            return False
        self._pairing.offer_to_preferred(contact, preferred, now)
        return True

    def left(self, given: Left, now: float) -> None:
        """A contact is no longer in its queue."""
        contact = self._board.contacts.get(given.contact_id)
        if contact is None:
            self._callbacks.drop(given.contact_id)
            return  # it was accepted, or has left already
        if given.abandoned:
            self._gave_up(contact, now)
        outcome = Outcome.CALLER_GONE if given.abandoned else Outcome.RESCINDED
        self._release(self._take_out(contact, outcome, now), now)

    def _gave_up(self, contact: Contact, now: float) -> None:
        self._forecast.abandoned(contact, now)
        self._comebacks.remember(contact.entered, contact.entered.preferred_agent, now)

    def _take_out(self, contact: Contact, outcome: Outcome, now: float) -> list[Agent]:
        """Take a contact out of the books; returns the agents whose offers of it are hereby settled."""
        if contact.waits:
            self._board.pull(contact)
        released = [self._board.rescind(offer, outcome, now)[1] for offer in contact.offers]
        self._callbacks.gone(contact)
        self._board.forget(contact)
        return released

    def offer_settled(self, given: OfferSettled, now: float) -> None:
        """The session says how an offer went."""
        board = self._board
        offer = board.offers.get(given.offer_id)
        if offer is None:
            return  # its contact was accepted elsewhere or has left
        after = offers.NEXT[offer.outcome, given.outcome]
        if after is offers.PICKED_UP:
            self._picked_up(offer, now)
        elif isinstance(after, Race):
            return
        elif after is _ACCEPTED:
            self._accepted(board.contacts[offer.contact_id], board.agents[offer.agent_id], offer, "accepted", now)
        elif after is Outcome.CALLER_GONE:
            contact = board.contacts[offer.contact_id]
            self._gave_up(contact, now)
            released = [board.close(offer, after, now)[1]]
            self._release(released + self._take_out(contact, after, now), now)
        else:
            self._pairing.after_offer(*board.close(offer, after, now), now)

    def _accepted(self, contact: Contact, agent: Agent, offer: Offer, cause: str, now: float) -> None:
        """The two talk; whoever else is offered the contact is released."""
        board = self._board
        released: list[Agent] = []
        if len(contact.offers) > 1:
            others = [each for each in contact.offers if each.offer_id != offer.offer_id]
            released = [board.rescind(each, Outcome.RESCINDED, now)[1] for each in others]
        self._forecast.started(contact, agent, now - offer.made_at, now)
        self._callbacks.accepted(contact)
        board.talk(contact, agent, cause, now)
        self._release(released, now)

    def _picked_up(self, offer: Offer, now: float) -> None:
        """The session took up an offer that we had withdrawn: it has the contact, and the agent talks to it."""
        board = self._board
        contact, agent = board.contacts[offer.contact_id], board.agents.get(offer.agent_id)
        if contact.waits:
            board.pull(contact)
        released = [board.rescind(each, Outcome.RESCINDED, now)[1] for each in contact.offers]
        passed_on: Contact | None = None
        if agent is None or isinstance(agents.NEXT[agent.activity, AgentSignal.ACCEPTED], Race):
            board.forget(contact)
        else:
            if agent.offer_id is not None:
                passed_on, _ = board.rescind(board.offers[agent.offer_id], Outcome.RESCINDED, now)
            agent.forgive_rona()
            self._accepted(contact, agent, offer, "answered_late", now)
        if passed_on is not None and not passed_on.offers:
            self._pairing.wait(passed_on, now)
        self._release(released, now)

    def queue_closed(self, given: QueueClosed, now: float) -> None:
        """A queue takes nobody more."""
        self._doors.close(given)
        if given.waiting_to is None:
            return
        board, released = self._board, []
        there = [each for each in board.contacts.values() if each.rules.queue == given.queue]
        leaving = [each for each in there if not each.entered.callback]  # who was promised a call is called
        leaving.sort(key=lambda each: self._forecast.key(each, now))
        for contact in leaving:
            if contact.waits:
                board.pull(contact)
            released += [board.rescind(offer, Outcome.RESCINDED, now)[1] for offer in contact.offers]
            self._pairing.divert(contact, given.waiting_to, given.reason, now)
        self._release(released, now)

    def queue_opened(self, given: QueueOpened, _now: float) -> None:
        """A queue takes contacts again."""
        self._doors.open(given.queue)

    def callback_chosen(self, given: CallbackChosen, now: float) -> None:
        """The caller hangs up and keeps the place."""
        contact = self._board.contacts.get(given.contact_id)
        if contact is None or contact.entered.callback:
            return  # somebody answered, or it was told twice
        if contact.waits:
            self._board.pull(contact)
        released = [self._board.rescind(offer, Outcome.RESCINDED, now)[1] for offer in contact.offers]
        self._callbacks.begin(contact, now)
        self._release(released, now)
