"""A contact as it stands: one value, replaced by every step and saved with the step's events."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from callcenter.contact.comfort import Told
from callcenter.contact.signals import CustomerCard
from ivr.interpreter import Cursor


class Phase(StrEnum):
    """Where a contact is in its life; what it may hear next depends on it."""

    IVR = "ivr"
    QUEUED = "queued"
    CONNECTING = "connecting"
    TALKING = "talking"
    HELD = "held"
    OUTSIDE = "outside"
    GOODBYE = "goodbye"
    CALLBACK = "callback"
    DIALING = "dialing"
    WRAP_UP = "wrap_up"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class OfferInHand:
    """An offer whose phone is to ring, or rings, now."""

    offer_id: str
    agent_id: str
    made_at: float
    expires_at: float
    ringing: bool = False


@dataclass(frozen=True, slots=True)
class Talk:
    """The agent's part of the contact: since when, and how long of it the customer was on hold."""

    agent_id: str
    leg_id: str
    bridge_id: str
    started_at: float
    hold_s: float = 0.0
    held_at: float | None = None
    recording_id: str | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """A promise to call the customer back at `number`, and how far we are with it.

    While their phone rings `leg_id` is that leg; agent first, `agent_id` waits on `agent_leg` for them to pick up.
    `failed_at` is when the last attempt came to nothing. `slot` is when the customer wants to be called: its begin and
    end; None: when it is their turn.
    """

    promised_at: float
    number: str
    attempts: int = 0
    failed_at: float | None = None
    leg_id: str | None = None
    agent_id: str | None = None
    agent_leg: str | None = None
    slot: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Outside:
    """A phone outside that rings for the caller, by a flow's `request`; once they talk there is a bridge.

    `recorded`: the talk is to be, under `recording_id`.
    """

    leg_id: str
    number: str
    request: int
    dialed_at: float
    recorded: bool = False
    bridge_id: str | None = None
    joined_at: float | None = None
    recording_id: str | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """One continuous visit of one customer. Instants are seconds since the epoch, durations seconds.

    `channel_id` is the caller's leg, empty once it is gone. `*_made` count the resources we named, so that
    every id is chosen before Asterisk hears of it and none is used twice.

    `queued_at` is when it entered the queue it is in, `waiting_since` when it entered the first of those that a rule
    moved it through, which is what counts for its age; `moves` counts these moves. `rang_s` is for how long offers
    rang in this queue, `connecting_at` since when one does now. `requires` (text), `preferred_agent` and
    `preferred_wait_s` are what the rules made of the customer's record. `estimated`: this queue's estimate was told.
    `told` is what the caller heard last of how they stand in this queue, `times_told` counts what they were told.
    `recording_consent` is what the caller said to being recorded, None if nobody asked. `verified_by` says how they
    proved to be `customer` (pin, or recalled from a call before), None: they did not. `callback` is set from the
    promise to call back on, for good unless the contact moves to another queue; `channel_id` then is the leg of the
    caller as they hear the promise, empty while nobody is on the line, and the leg that we dialed once they pick up.
    `last_at` is the instant of its last event: nothing that comes after it happened earlier.
    `outside` is the phone that a flow has ring for them, or with which they talk. `listening_id` is the recogniser's
    hearing of what they say, while there is one.
    """

    contact_id: str
    channel_id: str
    dialed: str
    caller: str | None
    caller_shown: str
    customer: CustomerCard | None
    value_tier: str
    language: str
    started_at: float
    phase: Phase
    seq: int = 0
    cursor: Cursor | None = None
    ivr_entered_at: float | None = None
    playback_id: str | None = None
    queue: str | None = None
    queued_at: float | None = None
    music_class: str | None = None
    music_on: bool = False
    waiting_since: float | None = None
    moves: int = 0
    requires: str = "anyone"
    preferred_agent: str | None = None
    preferred_wait_s: float = 0.0
    estimated: bool = False
    offers: tuple[OfferInHand, ...] = ()
    connecting_at: float | None = None
    rang_s: float = 0.0
    talk: Talk | None = None
    agent_id: str | None = None
    wrap_up_at: float | None = None
    wait_s: float = 0.0
    talk_s: float = 0.0
    hold_s: float = 0.0
    end_state: str | None = None
    ended_by: str | None = None
    timer_at: float | None = None
    offers_made: int = 0
    playbacks_made: int = 0
    bridges_made: int = 0
    recordings_made: int = 0
    dials_made: int = 0
    hotline: str = ""
    recording_consent: bool | None = None
    verified_by: str | None = None
    callback: Callback | None = None
    last_at: float = 0.0
    outside: Outside | None = None
    told: Told | None = None
    times_told: int = 0
    listening_id: str | None = None
    listenings_made: int = 0

    @property
    def stream(self) -> str:
        """The journal stream that this contact owns."""
        return f"contact/{self.contact_id}"

    @property
    def on_a_trunk(self) -> bool:
        """Whether the caller is on the line, or their phone rings because we called it."""
        return self.channel_id != "" or (self.callback is not None and self.callback.leg_id is not None)

    @property
    def trunks_taken(self) -> int:
        """How many trunks the contact takes: the caller's, or that of our call to them, and a phone outside's."""
        return int(self.on_a_trunk) + (self.outside is not None)

    @property
    def busy_agent(self) -> str | None:
        """The agent who talks with the customer, or waits for them to pick up."""
        if self.talk is not None:
            return self.talk.agent_id
        return None if self.callback is None else self.callback.agent_id

    def offer(self, offer_id: str) -> OfferInHand | None:
        """The offer in hand with this id, which is its leg's too; None if it has settled."""
        return next((offer for offer in self.offers if offer.offer_id == offer_id), None)


def ear_channels(listening_id: str) -> tuple[str, str]:
    """The channels by which a recogniser hears a caller: the one that hears them, and the one that carries it to us."""
    contact_id, _, made = listening_id.rpartition(".l")
    return f"{contact_id}.s{made}", f"{contact_id}.m{made}"


def card_shown(contact: Contact) -> Mapping[str, str | None]:
    """The customer card as the agent sees it while the phone rings."""
    customer = contact.customer
    return {
        "customer_id": customer.customer_id if customer else None,
        "name": customer.name if customer else None,
        "value_tier": contact.value_tier,
        "language": contact.language,
        "caller": contact.caller,
        "last_agent": customer.last_agent if customer else None,
        "verified_by": contact.verified_by,
    }
