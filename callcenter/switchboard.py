"""Which contact a signal belongs to: resource ids to sessions, arrivals to new contacts."""

import re
from collections.abc import Callable, Iterable
from functools import partial

import structlog

from callcenter.blueprint import contact_plan
from callcenter.clock import Clock
from callcenter.config.numbers import e164
from callcenter.config.site import Site
from callcenter.contact import commands as ask
from callcenter.contact.machine import arrive
from callcenter.contact.model import Contact
from callcenter.contact.signals import (
    AgentAnswered,
    Arrival,
    OfferProposed,
    OfferWithdrawn,
    Signal,
    WrapUpOver,
)
from callcenter.entropy import Entropy
from callcenter.ports import CallerAtTheDoor, Customers, DeviceSeen, Journal, Telephony
from callcenter.session import ContactSession

log = structlog.get_logger()

_SHOWN_MAX = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Switchboard:
    """All live contacts; the `SignalSink` that telephony reports to, and the floor's way to a contact.

    A contact's own resources carry its id (`<contact_id>.o1`); only inbound channels need a map.
    """

    def __init__(
        self,
        *,
        site: Site,
        clock: Clock,
        entropy: Entropy,
        journal: Journal,
        telephony: Telephony,
        customers: Customers,
        tell_floor: Callable[[ask.FloorCommand], None],
        on_device: Callable[[DeviceSeen], None],
        accepting: Callable[[], bool],
    ) -> None:
        self._site = site
        self._plan = contact_plan(site)
        self._clock = clock
        self._entropy = entropy
        self._telephony = telephony
        self._customers = customers
        self._tell_floor = tell_floor
        self._on_device = on_device
        self._accepting = accepting
        self._sessions: dict[str, ContactSession] = {}
        self._inbound: dict[str, str] = {}  # the caller's channel → contact
        self._channels: dict[str, str] = {}  # and back, for a contact forgets the channel that left it
        self._open = partial(
            ContactSession,
            plan=self._plan,
            clock=clock,
            journal=journal,
            telephony=telephony,
            tell_floor=tell_floor,
            forget=self._forget,
        )
        self.strays = 0

    @property
    def contacts(self) -> Iterable[Contact]:
        """Every live contact."""
        return (session.contact for session in self._sessions.values())

    def arrived(self, caller: CallerAtTheDoor) -> None:
        """A caller is at the door: a new contact, or, if we can't take them, the fallback dialplan."""
        if self._holds(caller.channel_id):
            return  # Asterisk said it twice
        if not self._accepting():
            log.error("contact refused: the journal is unwritable")
            self._telephony.submit(ask.SendToFallback(caller.channel_id))
            return
        now = self._clock.now()
        number = e164(caller.caller, self._site.region)
        arrival = Arrival(
            contact_id=self._entropy.contact_id(now),
            channel_id=caller.channel_id,
            dialed=shown(caller.dialed),
            hotline=self._site.hotline(caller.dialed).dialed,
            caller=number,
            caller_shown=shown(caller.display or caller.caller),
            customer=self._customers.find(number) if number else None,
        )
        step = arrive(arrival, self._plan, now)
        session = self._open(step.contact)
        self._keep(session, arrival.contact_id, caller.channel_id)
        session.begin(step, now)

    def adopt(self, contact: Contact) -> ContactSession:
        """Take up a contact that an earlier process left in the journal."""
        session = self._open(contact)
        self._keep(session, contact.contact_id, contact.channel_id)
        return session

    def resume(self, contact_id: str) -> None:
        """The reconcile is through: an adopted contact that is still alive goes on."""
        session = self._sessions.get(contact_id)
        if session is not None:
            session.resume()

    def signal(self, resource_id: str, signal: Signal) -> None:
        """Deliver a signal of telephony to the contact that owns the resource."""
        contact_id = self._inbound.get(resource_id) or resource_id.partition(".")[0]
        session = self._sessions.get(contact_id)
        if session is not None:
            session.tell(signal)
            return
        self.strays += 1
        if isinstance(signal, AgentAnswered):
            # The contact is closed and forgotten, yet somebody picked up: nobody else will let them go.
            self._telephony.submit(ask.HangUp(signal.leg_id, "answered_elsewhere"))

    def device(self, seen: DeviceSeen) -> None:
        """Phones are the floor's business."""
        self._on_device(seen)

    def abandon(self, contact_id: str, why: str) -> None:
        """The journal refused what this contact did: whoever is on the line goes to the fallback."""
        session = self._sessions.get(contact_id)
        if session is not None:
            log.error("contact abandoned", contact=contact_id, why=why)
            session.abandon(why)

    def propose(self, contact_id: str, proposal: OfferProposed) -> None:
        """The floor proposes an offer; a contact that is gone declines it."""
        session = self._sessions.get(contact_id)
        if session is None:
            self._tell_floor(ask.SettleOffer(proposal.offer_id, "caller_gone"))
        else:
            session.tell(proposal)

    def inform(self, contact_id: str, signal: OfferWithdrawn | WrapUpOver) -> None:
        """The floor withdrew an offer or ended a wrap-up."""
        session = self._sessions.get(contact_id)
        if session is not None:
            session.tell(signal)

    def _holds(self, channel_id: str) -> bool:
        """Whether a live contact has this caller on the line; a caller back from the fallback is a new contact."""
        session = self._sessions.get(self._inbound.get(channel_id, ""))
        return session is not None and session.contact.channel_id == channel_id

    def _keep(self, session: ContactSession, contact_id: str, channel_id: str) -> None:
        self._sessions[contact_id] = session
        self._channels[contact_id] = channel_id
        self._inbound[channel_id] = contact_id

    def _forget(self, contact: Contact) -> None:
        if contact.customer is not None and contact.agent_id is not None:
            self._customers.served(contact.customer.customer_id, contact.agent_id)
        del self._sessions[contact.contact_id]
        channel_id = self._channels.pop(contact.contact_id)
        if self._inbound.get(channel_id) == contact.contact_id:
            del self._inbound[channel_id]


def shown(raw: str) -> str:
    """Text of the network, fit to be kept and shown: no control characters, at most 64 characters."""
    return _CONTROL.sub("", raw[: 4 * _SHOWN_MAX])[:_SHOWN_MAX]
