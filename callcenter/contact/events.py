"""What we remember of a contact: past tense, never changed, one body per event type.

A stored event is an envelope (stream, seq, at, type, version, site, cause) around one of these bodies. Readers
ignore types and fields they don't know. Durations are seconds, instants seconds since the epoch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from callcenter.contact.callback_events import (
    CallbackAnswered,
    CallbackDialed,
    CallbackEvent,
    CallbackFailed,
    CallbackOver,
    CallbackPromised,
    CallbackRefused,
    CallbackWaiting,
)
from callcenter.contact.event_body import Body
from callcenter.contact.ivr_events import (
    Answered,
    Asked,
    Consented,
    CustomerIdentified,
    CustomerVerified,
    Exhausted,
    FlowRestarted,
    IvrEntered,
    IvrEvent,
    IvrLeft,
    Keyed,
    LanguageChosen,
    NodeEntered,
    Reprompted,
    SurveyAnswered,
    SurveyEnded,
    SurveyInvited,
)
from callcenter.contact.outside_events import (
    TransferAnswered,
    TransferDialed,
    TransferEnded,
    TransferEvent,
    TransferFailed,
    TransferRefused,
)
from callcenter.contact.queue_events import (
    QueueEntered,
    QueueEstimated,
    QueueEvent,
    QueueLeft,
    QueueStepTaken,
    QueueTold,
)

__all__ = [
    "Answered",
    "Asked",
    "Body",
    "CallbackAnswered",
    "CallbackDialed",
    "CallbackEvent",
    "CallbackFailed",
    "CallbackOver",
    "CallbackPromised",
    "CallbackRefused",
    "CallbackWaiting",
    "CallerGone",
    "Consented",
    "ContactBlocked",
    "ContactEnded",
    "ContactEvent",
    "ContactFailed",
    "ContactResumed",
    "ContactStarted",
    "CustomerIdentified",
    "CustomerVerified",
    "Exhausted",
    "FlowRestarted",
    "HoldEnded",
    "HoldStarted",
    "IvrEntered",
    "IvrEvent",
    "IvrLeft",
    "Keyed",
    "LanguageChosen",
    "NodeEntered",
    "OfferMade",
    "OfferRinging",
    "OfferSettled",
    "QueueEntered",
    "QueueEstimated",
    "QueueEvent",
    "QueueLeft",
    "QueueStepTaken",
    "QueueTold",
    "RecordingFailed",
    "RecordingStarted",
    "RecordingStopped",
    "Reprompted",
    "RoutingDecided",
    "SurveyAnswered",
    "SurveyEnded",
    "SurveyInvited",
    "TalkEnded",
    "TalkStarted",
    "TransferAnswered",
    "TransferDialed",
    "TransferEnded",
    "TransferEvent",
    "TransferFailed",
    "TransferRefused",
    "WrapUpEnded",
    "WrapUpStarted",
]


@dataclass(frozen=True, slots=True)
class ContactStarted(Body):
    """A caller arrived; the first event of every contact."""

    type: ClassVar[str] = "contact.started"
    direction: str
    channel: str
    channel_id: str
    caller: str | None
    caller_shown: str
    dialed: str
    customer_id: str | None
    value_tier: str
    language: str


@dataclass(frozen=True, slots=True)
class ContactBlocked(Body):
    """The caller was turned away before their call was answered; `why` says what was lacking."""

    type: ClassVar[str] = "contact.blocked"
    why: str


@dataclass(frozen=True, slots=True)
class RoutingDecided(Body):
    """What the site's rules made of the customer's record, and how each rule that was looked at fared (`trace`)."""

    type: ClassVar[str] = "routing.decided"
    queue: str
    value_tier: str
    requires: str
    preferred_agent: str | None
    preferred_wait_s: float
    trace: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class OfferMade(Body):
    """The contact was proposed to an agent, with the customer card as shown and why this agent (`trace`)."""

    type: ClassVar[str] = "offer.made"
    offer_id: str
    agent_id: str
    queue: str
    expires_at: float
    card: Mapping[str, Any]
    trace: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OfferRinging(Body):
    """The agent's phone began to ring."""

    type: ClassVar[str] = "offer.ringing"
    offer_id: str
    agent_id: str


@dataclass(frozen=True, slots=True)
class OfferSettled(Body):
    """The offer ended, once: accepted, rejected, no_answer, unreachable, busy, caller_gone, rescinded or failed."""

    type: ClassVar[str] = "offer.settled"
    offer_id: str
    agent_id: str
    outcome: str
    ring_s: float
    cause: int = 0
    sip: int = 0


@dataclass(frozen=True, slots=True)
class TalkStarted(Body):
    """An agent answered and both were joined."""

    type: ClassVar[str] = "talk.started"
    agent_id: str
    offer_id: str
    bridge_id: str


@dataclass(frozen=True, slots=True)
class RecordingStarted(Body):
    """Recording was asked for; paths are relative to the recordings folder, one mono file per side."""

    type: ClassVar[str] = "recording.started"
    recording_id: str
    caller_file: str
    agent_file: str
    policy: str


@dataclass(frozen=True, slots=True)
class RecordingStopped(Body):
    """The recording ended with the talk; `duration_s` is what the file should hold."""

    type: ClassVar[str] = "recording.stopped"
    recording_id: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class RecordingFailed(Body):
    """The recording could not be started; the talk goes on."""

    type: ClassVar[str] = "recording.failed"
    recording_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class HoldStarted(Body):
    """The agent put the customer on hold."""

    type: ClassVar[str] = "hold.started"
    agent_id: str


@dataclass(frozen=True, slots=True)
class HoldEnded(Body):
    """The customer is off hold; `hold_s` is this stretch."""

    type: ClassVar[str] = "hold.ended"
    agent_id: str
    hold_s: float


@dataclass(frozen=True, slots=True)
class TalkEnded(Body):
    """The agent and the customer parted; totals of this contact so far."""

    type: ClassVar[str] = "talk.ended"
    agent_id: str
    talk_s: float
    hold_s: float


@dataclass(frozen=True, slots=True)
class CallerGone(Body):
    """The caller's visit is over: who ended it, how it ended. Work on the contact may go on (wrap-up)."""

    type: ClassVar[str] = "caller.left"
    ended_by: str
    end_state: str
    cause: int


@dataclass(frozen=True, slots=True)
class WrapUpStarted(Body):
    """The agent works on after talking, for `wrap_up_s` at most."""

    type: ClassVar[str] = "wrap_up.started"
    agent_id: str
    wrap_up_s: float


@dataclass(frozen=True, slots=True)
class WrapUpEnded(Body):
    """The work after talking took `wrap_up_s`."""

    type: ClassVar[str] = "wrap_up.ended"
    agent_id: str
    wrap_up_s: float


@dataclass(frozen=True, slots=True)
class ContactResumed(Body):
    """A new process of ours took the contact up where the journal left it; the caller never noticed."""

    type: ClassVar[str] = "contact.resumed"
    phase: str


@dataclass(frozen=True, slots=True)
class ContactFailed(Body):
    """A bug or a refused command ended our service of this contact; the caller went to the fallback."""

    type: ClassVar[str] = "contact.failed"
    reason: str


@dataclass(frozen=True, slots=True)
class ContactEnded(Body):
    """The last event of every contact; `seq_total` is its own seq, so a gap can't hide."""

    type: ClassVar[str] = "contact.ended"
    end_state: str
    ended_by: str
    wait_s: float
    talk_s: float
    hold_s: float
    wrap_up_s: float
    seq_total: int


ContactEvent = (
    ContactStarted
    | ContactBlocked
    | IvrEvent
    | RoutingDecided
    | QueueEvent
    | OfferMade
    | OfferRinging
    | OfferSettled
    | CallbackEvent
    | TransferEvent
    | TalkStarted
    | RecordingStarted
    | RecordingStopped
    | RecordingFailed
    | HoldStarted
    | HoldEnded
    | TalkEnded
    | CallerGone
    | WrapUpStarted
    | WrapUpEnded
    | ContactResumed
    | ContactFailed
    | ContactEnded
)
