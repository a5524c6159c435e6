"""Which contact a signal belongs to: resource ids to sessions, arrivals to new contacts."""

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from callcenter.blueprint import contact_plan
from callcenter.clock import Clock
from callcenter.config.numbers import e164
from callcenter.config.site import Site
from callcenter.contact import commands as ask
from callcenter.contact.machine import arrive
from callcenter.contact.model import Contact, Phase
from callcenter.contact.plan import Plan
from callcenter.contact.signals import (
    AgentAnswered,
    Arrival,
    CallerLeft,
    CustomerAnswered,
    CustomerCard,
    OfferProposed,
    OutsideAnswered,
    Signal,
)
from callcenter.entropy import Entropy
from callcenter.ports import CallerAtTheDoor, Customers, DeviceSeen, Journal, Telephony
from callcenter.session import ContactSession
from ivr.model import Flow
from routing.admission import admit, admit_dial, held_tiers

log = structlog.get_logger()

_SHOWN_MAX = 64

# Callers just refused, whose channels are on their way out: what Asterisk still says of them is no news.
_REFUSED_MAX = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Switchboard:
    """All live contacts; the `SignalSink` that telephony reports to, and the floor's way to a contact.

    A contact's own resources carry its id (`<contact_id>.o1`); only inbound channels need a map.

    Every contact whose caller is on the line, or is being called, takes a trunk. If the site says how many there
    are, the last ones are kept for valuable customers (`routing.admission`); whom we gave to the fallback or voicemail
    is not counted. `dials_out`: whether there is a trunk by which customers can be called. Nobody is called on a trunk
    that is kept, nor on the last one; the floor is told of which tiers that is so.
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
        ask_world: Callable[[ask.WorldCommand], None],
        on_device: Callable[[DeviceSeen], None],
        accepting: Callable[[], bool],
        dials_out: bool = True,
    ) -> None:
        self._dials_out = dials_out
        self._site = site
        self._plan = self._planned(site)
        self._clock = clock
        self._entropy = entropy
        self._journal = journal
        self._telephony = telephony
        self._customers = customers
        self._tell_floor = tell_floor
        self._ask_world = ask_world
        self._on_device = on_device
        self._accepting = accepting
        self._sessions: dict[str, ContactSession] = {}
        self._inbound: dict[str, str] = {}  # the caller's channel → contact
        self._channels: dict[str, str] = {}  # and back, for a contact forgets the channel that left it
        self._on_the_line: dict[str, int] = {}  # contacts that take a trunk, or two
        self._held: tuple[int, ...] = ()  # tiers whose customers are not called just now
        self._refused: deque[str] = deque(maxlen=_REFUSED_MAX)  # channels
        self.strays = 0

    @property
    def contacts(self) -> Iterable[Contact]:
        """Every live contact."""
        return (session.contact for session in self._sessions.values())

    @property
    def trunks_in_use(self) -> int:
        """How many callers are on the line or are being called, and how many phones outside are."""
        return sum(self._on_the_line.values())

    def reconfigure(self, site: Site) -> None:
        """The site changed: from now on it holds for who arrives, and for live contacts as far as they fit into it."""
        self._site = site
        self._plan = self._planned(site)
        for session in self._sessions.values():
            if _fits(session.contact, self._plan):
                session.replan(self._plan)
        self._look_at_trunks()

    def arrived(self, caller: CallerAtTheDoor) -> None:
        """A caller is at the door: a new contact, or busy if no trunk is left for them, or the fallback dialplan."""
        if self._holds(caller.channel_id):
            return  # Asterisk said it twice
        if caller.channel_id in self._refused:
            self._telephony.submit(ask.HangUp(caller.channel_id, "congestion"))  # twice, or our word was lost
            return
        if not self._accepting():
            log.error("contact refused: no new ones are taken now", channel=caller.channel_id)
            self._telephony.submit(ask.SendToFallback(caller.channel_id))
            return
        now = self._clock.now()
        number = e164(caller.caller, self._site.region)
        customer = self._customers.find(number) if number else None
        arrival = Arrival(
            contact_id=self._entropy.contact_id(now),
            channel_id=caller.channel_id,
            dialed=shown(caller.dialed),
            hotline=self._site.hotline(caller.dialed).dialed,
            caller=number,
            caller_shown=shown(caller.display or caller.caller),
            customer=customer,
            refused=self._why_refused(caller, customer),
        )
        tier = customer.value_tier if customer else self._site.default_value_tier
        held_back = self._why_no_call(tier, self.trunks_in_use + 1)  # the flow may begin with a call
        step = arrive(arrival, replace(self._plan, held_back=held_back) if held_back else self._plan, now)
        session = self._open(step.contact)
        if arrival.refused is None:
            self._keep(session, arrival.contact_id, caller.channel_id)
        else:
            log.warning("contact refused", contact=arrival.contact_id, why=arrival.refused)
            self._refused.append(caller.channel_id)
        session.begin(step, now)
        if step.contact.phase is Phase.ENDED and arrival.refused is None:
            self._forget(step.contact)  # a flow that lets go at once: there was no later step that could end it

    def adopt(self, contact: Contact, begun: Flow | None = None) -> ContactSession:
        """Take up a contact that an earlier process left; `begun` is the flow it is in, if that is not the site's."""
        session = self._open(contact)
        if begun is not None:
            session.keep_flow(begun)
        self._keep(session, contact.contact_id, contact.channel_id)
        return session

    def resume(self, contact_id: str) -> None:
        """The reconcile is through: an adopted contact that is still alive goes on."""
        session = self._sessions.get(contact_id)
        if session is not None:
            session.resume()

    def signal(self, resource_id: str, signal: Signal, at: float | None = None) -> None:
        """Deliver a signal of telephony to the contact that owns the resource; `at`: when it happened, if not now."""
        contact_id = self._inbound.get(resource_id) or resource_id.partition(".")[0]
        session = self._sessions.get(contact_id)
        if session is not None:
            if not (isinstance(signal, CallerLeft) and _let_go_before(session.contact, resource_id)):
                session.tell(signal, at)
            return
        if resource_id in self._refused:
            return
        self.strays += 1
        if isinstance(signal, AgentAnswered):
            # The contact is closed and forgotten, yet somebody picked up: nobody else will let them go.
            self._telephony.submit(ask.HangUp(signal.leg_id, "answered_elsewhere"))
        elif isinstance(signal, CustomerAnswered | OutsideAnswered):
            self._telephony.submit(ask.HangUp(signal.leg_id))

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

    def inform(self, contact_id: str, signal: Signal) -> None:
        """The floor withdrew an offer, took a step, showed a way out, or ended a wrap-up; or the world answered."""
        session = self._sessions.get(contact_id)
        if session is not None:
            session.tell(signal)

    def _open(self, contact: Contact) -> ContactSession:
        return ContactSession(
            contact,
            plan=self._plan,
            clock=self._clock,
            journal=self._journal,
            telephony=self._telephony,
            tell_floor=self._tell_floor,
            ask_world=self._ask_world,
            line=self._line,
            forget=self._forget,
            held_back=self._why_held_back,
        )

    def _planned(self, site: Site) -> Plan:
        """What contacts need of the site; without a trunk to call out by, nobody is promised a call."""
        plan = contact_plan(site)
        return plan if self._dials_out else replace(plan, dial_out=None)

    def _line(self, contact_id: str, taken: int) -> None:
        """A contact takes so many trunks from now on."""
        if taken:
            self._on_the_line[contact_id] = taken
        else:
            self._on_the_line.pop(contact_id, None)
        self._look_at_trunks()

    def _look_at_trunks(self) -> None:
        """Tell the floor whose customers may be called, if that has changed."""
        site = self._site
        held = () if site.trunks is None else held_tiers(site.trunks - self.trunks_in_use, site.policy.tiers)
        if held != self._held:
            self._held = held
            self._tell_floor(ask.HoldDials(held))

    def _why_held_back(self, contact: Contact) -> str | None:
        """Why nobody may be called for this contact just now; None if they may."""
        return self._why_no_call(contact.value_tier, self.trunks_in_use)

    def _why_no_call(self, value_tier: str, in_use: int) -> str | None:
        """Why we make no call for somebody of this tier while so many trunks are in use; None if we do."""
        site = self._site
        if site.trunks is None:
            return None
        admission = admit_dial(site.trunks - in_use, site.policy.tier(site.tier_rank(value_tier)))
        return None if admission.accepted else admission.why

    def _why_refused(self, caller: CallerAtTheDoor, customer: CustomerCard | None) -> str | None:
        """Why this caller gets no trunk; None if they do. Who was answered before is never refused."""
        site = self._site
        if site.trunks is None or caller.answered:
            return None
        rank = site.tier_rank(customer.value_tier if customer else site.default_value_tier)
        admission = admit(site.trunks - self.trunks_in_use, site.policy.tier(rank))
        return None if admission.accepted else admission.why

    def _holds(self, channel_id: str) -> bool:
        """Whether a live contact has this caller on the line; a caller back from the fallback is a new contact."""
        session = self._sessions.get(self._inbound.get(channel_id, ""))
        return session is not None and session.contact.channel_id == channel_id

    def _keep(self, session: ContactSession, contact_id: str, channel_id: str) -> None:
        self._sessions[contact_id] = session
        if session.contact.trunks_taken:
            self._line(contact_id, session.contact.trunks_taken)
        self._channels[contact_id] = channel_id
        self._inbound[channel_id] = contact_id

    def _forget(self, contact: Contact) -> None:
        if contact.customer is not None and contact.agent_id is not None:
            self._customers.served(contact.customer.customer_id, contact.agent_id)
        del self._sessions[contact.contact_id]
        self._line(contact.contact_id, 0)
        channel_id = self._channels.pop(contact.contact_id)
        if self._inbound.get(channel_id) == contact.contact_id:
            del self._inbound[channel_id]


def _let_go_before(contact: Contact, resource_id: str) -> bool:
    """Whether this is the line that was let go to call the customer back, and they are on another one by now."""
    return contact.callback is not None and resource_id not in {contact.contact_id, contact.channel_id}


def _fits(contact: Contact, plan: Plan) -> bool:
    """Whether a live contact can go on under this plan; else it ends under the one it began with."""
    return contact.value_tier in plan.tiers and (contact.queue is None or contact.queue in plan.queues)


def shown(raw: str) -> str:
    """Text of the network, fit to be kept and shown: no control characters, at most 64 characters."""
    return _CONTROL.sub("", raw[: 4 * _SHOWN_MAX])[:_SHOWN_MAX]
