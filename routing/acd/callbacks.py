"""Callbacks: the caller hangs up and keeps the place; the contact waits on, with its age, priority and step clock.

Agent first, it stands in its line like everybody else, is offered, and the customer is dialed when an agent accepts.
Customer first, it stands in no line; the customer is dialed when an agent is forecast to be free by the time they pick
up, and never more customers at once than agents are forecast to be free. Who cannot be reached rests and is tried
again; who calls again takes up what is pending. There is one callback a customer and queue.

While too few trunks are free for a tier, its callbacks are held back: they stand in no line and are not dialed.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from routing.acd.board import CALLBACK, CONTACT, WATCH, Board
from routing.acd.contacts import NO_REFUSALS, Away, Contact
from routing.acd.order import SortKey
from routing.acd.pairing import Pairing
from routing.messages import CallbackOver, CustomerDialed, DialCustomer, DialOutcome, DialsHeld, MakeOffer
from routing.model import CallbackMode
from routing.waiting.forecast import Forecast

LOOK_S = 1.0

_LOOK = (WATCH, "callbacks")


class Callbacks:
    """The callbacks of one board: those in its books, and those whose agent waits for the customer to pick up."""

    def __init__(self, board: Board, pairing: Pairing, forecast: Forecast) -> None:
        self._board, self._pairing, self._forecast = board, pairing, forecast
        self._pending: dict[tuple[str | None, str], str] = {}  # (customer, queue) → contact
        self.to_call: dict[str, Contact] = {}
        """Who is called when an agent is forecast to be free; `look` is for them."""
        self._calling: dict[str, Contact] = {}
        self._dialing: dict[str, int] = {}  # by queue
        self.held: tuple[int, ...] = ()
        """The tiers of which nobody is called now."""
        self._look_at = 0.0

    # --- a callback's life ----------------------------------------------------------------------------------------

    def begin(self, contact: Contact, now: float) -> None:
        """The caller of this contact, which is in no line and not offered, hangs up and keeps the place."""
        if contact.waiting_since is None:
            contact.waiting_since = now
        contact.entered = replace(contact.entered, callback=True)
        contact.expires_at = now + contact.rules.callback.expires_s
        self.wait(contact, now)

    def go_on(self, contact: Contact, now: float) -> None:
        """A callback joined its queue, perhaps with attempts behind it: it waits, rests first, or has expired."""
        so_far = contact.told.so_far
        if so_far is not None:
            contact.expires_at = so_far.expires_at
            if so_far.expires_at <= now:
                self._over(contact, "expired")
                return
            if so_far.retry_at is not None and so_far.retry_at > now:
                self._take_pending(contact, now)
                self._rest_until(contact, so_far.retry_at, now)
                return
        self.wait(contact, now)

    def wait(self, contact: Contact, now: float) -> None:
        """A callback waits for its turn, from now on or again."""
        if contact.expires_at is None:
            contact.expires_at = now + contact.rules.callback.expires_s
        if contact.waiting_since is None:
            contact.waiting_since = now
        self._take_pending(contact, now)
        self._board.deadlines.set(contact.expires_at, CALLBACK, contact.contact_id)
        if self._is_held(contact):
            contact.away = Away.HELD_BACK
        elif contact.rules.callback.mode is CallbackMode.AGENT_FIRST:
            contact.away = None
            self._pairing.wait(contact, now)
        else:
            contact.away = Away.TO_CALL
            self.to_call[contact.contact_id] = contact
            self._look_at = now
            self._board.deadlines.set(now, *_LOOK)

    def _take_pending(self, contact: Contact, now: float) -> None:
        """From now on this is the customer's callback."""
        if contact.entered.customer_id is not None:
            self.taken_up_by(contact, now)
            self._pending[contact.entered.customer_id, contact.rules.queue] = contact.contact_id

    def accepted(self, contact: Contact) -> None:
        """An agent took this contact; if it is a callback, the customer is dialed now."""
        if not contact.entered.callback:
            return
        contact.attempts += 1
        self._calling[contact.contact_id] = contact
        self._board.decisions.append(DialCustomer(contact.contact_id, contact.attempts))

    def dialed(self, told: CustomerDialed, now: float) -> None:
        """How the attempt went."""
        contact = self._calling.pop(told.contact_id, None)
        if contact is None:
            contact = self._board.contacts.get(told.contact_id)
            if contact is None or contact.away is not Away.DIALING:
                return  # it expired, was taken up or told twice
            self._dialing[contact.rules.queue] -= 1
        if told.outcome is DialOutcome.ANSWERED:
            self._answered(contact, now)
        elif told.outcome is DialOutcome.REFUSED:
            self._over(contact, "refused")
        elif told.outcome is DialOutcome.HELD_BACK:
            contact.attempts -= 1
            self._rest(contact, now, LOOK_S)
        elif contact.attempts >= contact.rules.callback.attempts_max:
            self._over(contact, "unreached")
        else:
            self._rest(contact, now, contact.rules.callback.retry_s)

    def taken_up_by(self, newcomer: Contact, now: float) -> None:
        """A customer with a pending callback calls again: the newcomer takes its age and agent, and it is over.

        While an agent is being asked, or the customer's phone rings, that comes to its end first; the callback is then
        over unless it found its customer.
        """
        entered = newcomer.entered
        if entered.customer_id is None:
            return
        pending = self._pending.get((entered.customer_id, newcomer.rules.queue))
        contact = self._board.contacts.get(pending or "") or self._calling.get(pending or "")
        if contact is None or contact.contact_id == newcomer.contact_id:
            return
        newcomer.entered = replace(
            entered,
            entered_at=min(entered.entered_at, contact.entered.entered_at),
            preferred_agent=entered.preferred_agent or contact.entered.preferred_agent,
        )
        newcomer.preferred_until_s = self._board.preferred_until_s(newcomer.rules, newcomer.entered)
        newcomer.took_up = True
        newcomer.clock_s = max(newcomer.clock(now), contact.clock(now))
        if newcomer.waiting_since is not None:
            newcomer.waiting_since = now
        if contact.offers or contact.away is Away.DIALING or contact.contact_id in self._calling:
            contact.superseded_by = newcomer.contact_id
        else:
            self._over(contact, "returned", newcomer.contact_id)

    def gone(self, contact: Contact) -> None:
        """The contact leaves the books by another way."""
        if contact.away is Away.DIALING:
            self._dialing[contact.rules.queue] -= 1
        self._forget_pending(contact)

    def drop(self, contact_id: str) -> None:
        """The contact is over while its agent waited for the customer."""
        contact = self._calling.pop(contact_id, None)
        if contact is not None:
            self._forget_pending(contact)

    def alarm(self, contact_id: str, now: float) -> None:
        """A callback's time has come: to be tried again, or to expire."""
        contact = self._board.contacts[contact_id]
        if contact.expires_at is not None and contact.expires_at <= now:
            if contact.offers or contact.away is Away.DIALING:
                self._board.deadlines.set(now + LOOK_S, CALLBACK, contact_id)  # it is being worked on
            else:
                self._over(contact, "expired")
        elif contact.away is Away.RESTING:
            self.wait(contact, now)

    # --- trunks ---------------------------------------------------------------------------------------------------

    def hold(self, given: DialsHeld, now: float) -> None:
        """From now on nobody of these tiers is called, and everybody else is."""
        if given.tiers == self.held:
            return
        self.held = given.tiers
        for contact in [each for each in self._board.contacts.values() if each.entered.callback]:
            held = self._is_held(contact)
            if held and (contact.waits or contact.away is Away.TO_CALL):
                if contact.waits:
                    self._board.pull(contact)
                    self._board.deadlines.drop(CONTACT, contact.contact_id)
                self.to_call.pop(contact.contact_id, None)
                contact.away = Away.HELD_BACK
            elif contact.away is Away.HELD_BACK and not held:
                self.wait(contact, now)

    def _is_held(self, contact: Contact) -> bool:
        last = len(self._board.order.policy.tiers) - 1
        return min(contact.entered.value_tier, last) in self.held

    # --- customer first: when to dial -----------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Dial the customers whose agents are forecast to be free when they pick up; there are some.

        And who is overtaken: an agent who becomes free goes to somebody present, though a callback's turn has come.
        """
        for decision in [each for each in self._board.decisions if isinstance(each, MakeOffer)]:
            self._overtaken(decision, now)
        if not self.to_call or now < self._look_at:
            return
        self._look_at = now + LOOK_S
        full: set[str] = set()
        for contact in sorted(self.to_call.values(), key=lambda each: self._key(each, now)):
            queue = contact.rules.queue
            if queue in full:
                continue
            free = self._forecast.agents_free_for(contact, contact.rules.callback.dial_s, now)
            if free - self._dialing.get(queue, 0) < 1.0:
                full.add(queue)
                continue
            self._dial(contact)
        self._board.deadlines.set(self._look_at, *_LOOK) if self.to_call else self._board.deadlines.drop(*_LOOK)

    def _overtaken(self, offer: MakeOffer, now: float) -> None:
        """An agent is asked to take a contact: call the first customer who would have come before it."""
        offered, agent = self._board.contacts.get(offer.contact_id), self._board.agents[offer.agent_id]
        if offered is None:
            return
        key = self._key(offered, now)
        before = [
            each
            for each in self.to_call.values()
            if each.rules.queue == offered.rules.queue
            and self._key(each, now) < key
            and self._pairing.may_serve(agent, each)
        ]
        if before:
            self._dial(min(before, key=lambda each: self._key(each, now)))

    def _key(self, contact: Contact, now: float) -> SortKey:
        entered = contact.entered
        return self._board.order.sort_key(entered.value_tier, entered.entered_at, entered.contact_id, now)

    def _dial(self, contact: Contact) -> None:
        del self.to_call[contact.contact_id]
        contact.away = Away.DIALING
        contact.attempts += 1
        self._dialing[contact.rules.queue] = self._dialing.get(contact.rules.queue, 0) + 1
        self._board.decisions.append(DialCustomer(contact.contact_id, contact.attempts))

    def _answered(self, contact: Contact, now: float) -> None:
        self._forget_pending(contact)
        if contact.away is not Away.DIALING:
            return  # agent first: the two talk
        contact.away = contact.superseded_by = None  # if they called again meanwhile, they are there twice
        contact.entered = replace(contact.entered, callback=False)
        self._board.deadlines.drop(CALLBACK, contact.contact_id)
        self._pairing.wait(contact, now)

    def _rest(self, contact: Contact, now: float, rest_s: float) -> None:
        """Try again later: back in the books, with the age it had."""
        if contact.superseded_by is not None:
            self._over(contact, "returned", contact.superseded_by)
            return
        if contact.contact_id not in self._board.contacts:
            contact.refusals = NO_REFUSALS
            contact.offers = ()
            self._board.add(contact)
        self._rest_until(contact, now + rest_s, now)

    def _rest_until(self, contact: Contact, retry_at: float, now: float) -> None:
        contact.away = Away.RESTING
        if contact.waiting_since is None:
            contact.waiting_since = now
        assert contact.expires_at is not None
        contact.retry_at = min(retry_at, contact.expires_at)
        self._board.deadlines.set(contact.retry_at, CALLBACK, contact.contact_id)

    def _over(self, contact: Contact, why: str, taken_up_by: str | None = None) -> None:
        self._forget_pending(contact)
        if contact.contact_id in self._board.contacts:
            if contact.waits:
                self._board.pull(contact)
            self._board.forget(contact)
        self._board.decisions.append(CallbackOver(contact.contact_id, why, taken_up_by))

    def _forget_pending(self, contact: Contact) -> None:
        self.to_call.pop(contact.contact_id, None)
        key = (contact.entered.customer_id, contact.rules.queue)
        if self._pending.get(key) == contact.contact_id:
            del self._pending[key]

    def reload(self) -> None:
        """The site has changed: those being called are not in the books, and are brought under its rules here."""
        for contact in self._calling.values():
            self._board.rebind(contact)

    # --- kept over a restart --------------------------------------------------------------------------------------

    def calling(self) -> tuple[Contact, ...]:
        """Callbacks whose agent waits for the customer to pick up."""
        return tuple(self._calling.values())

    def restore(self, calling: Iterable[Contact], held: tuple[int, ...]) -> None:
        """Take up the callbacks that are in the books, and these; nobody of the tiers that are held is called."""
        self.held = held
        self._calling = {contact.contact_id: contact for contact in calling}
        for contact in (*self._board.contacts.values(), *self._calling.values()):
            if contact.entered.callback and contact.entered.customer_id is not None:
                self._pending[contact.entered.customer_id, contact.rules.queue] = contact.contact_id
        for contact in self._board.contacts.values():
            if contact.away is Away.TO_CALL:
                self.to_call[contact.contact_id] = contact
            elif contact.away is Away.DIALING:
                self._dialing[contact.rules.queue] = self._dialing.get(contact.rules.queue, 0) + 1
