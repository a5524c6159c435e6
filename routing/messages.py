"""What the ACD is told (inputs) and what it answers (decisions); all plain values that nobody changes.

Nearly all are structs of msgspec: one is made in a fifth of the time of a named tuple. The others are dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct, structs

from routing.acd.trace import OfferTrace
from routing.model import Activity, AgentProfile, Choice, Exit, Outcome, Presence, QueueRules, SoFar
from routing.policy import ANY_TIER, TierPolicy
from routing.requirement import Requirement


class Entered(Struct, frozen=True, gc=False, eq=False):
    """A contact joined a queue.

    `requires` comes on top of the queue's own. `value_tier` is a rank, 0 highest. `entered_at` is the instant that
    counts for its age, kept over moves between queues. `preferred_agent` is waited for `preferred_wait_s`, or as
    long as queue and tier say (the longest of the three), while they are available and their phone can be reached;
    one who may serve in the last step is preferred from the first. `customer_id` tells a
    customer who calls again. `clock_s` is the step clock with which the contact begins here: 0 in a new queue, what
    it had reached after a restart. `offers_made` counts the offers this contact already had, so that an offer id
    never repeats. `so_far` is how far an earlier process, or the contact before it came here, was with calling back.
    The last three are no part of what is compared, so the same entry told later is the same entry.
    """

    contact_id: str
    queue: str
    requires: Requirement
    value_tier: int
    entered_at: float
    preferred_agent: str | None = None
    preferred_wait_s: float = 0.0
    customer_id: str | None = None
    callback: bool = False
    clock_s: float = 0.0
    offers_made: int = 0
    so_far: SoFar | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entered):
            return NotImplemented
        return structs.astuple(self)[:-_NOT_COMPARED] == structs.astuple(other)[:-_NOT_COMPARED]

    def __hash__(self) -> int:
        return hash(structs.astuple(self)[:-_NOT_COMPARED])


_NOT_COMPARED = 3
"""So many of the last fields of an entry are no part of what is compared."""


class Left(Struct, frozen=True, gc=False):
    """A contact is no longer in its queue: the caller hung up, or (`abandoned=False`) a rule moved it."""

    contact_id: str
    abandoned: bool = True


class CallbackChosen(Struct, frozen=True, gc=False):
    """The caller hangs up and keeps the place: from now on the contact waits without them, to be called back."""

    contact_id: str


class DialOutcome(StrEnum):
    """How an attempt to reach the customer of a callback went."""

    ANSWERED = "answered"
    FAILED = "failed"  # no answer, busy, unreachable
    REFUSED = "refused"  # the customer wants no callback any more, or may not be called
    HELD_BACK = "held_back"  # not dialed: too few trunks were free; it is no attempt


class CustomerDialed(Struct, frozen=True, gc=False):
    """The attempt asked for with `DialCustomer` is over."""

    contact_id: str
    outcome: DialOutcome


@dataclass(frozen=True, slots=True)
class DialsHeld:
    """Too few trunks are free to call back customers of these tiers (ranks); all others may be called."""

    tiers: tuple[int, ...]


class PresenceChosen(Struct, frozen=True, gc=False):
    """The agent chose a presence; while they are reserved, talking or in wrap-up it is a request for afterwards."""

    agent_id: str
    presence: Presence
    aux_code: str | None = None


class DeviceChanged(Struct, frozen=True, gc=False):
    """The agent's phone can be reached, or cannot; `True` told again is a new registration."""

    agent_id: str
    reachable: bool


class OfferSettled(Struct, frozen=True, gc=False):
    """The contact's session says how an offer went."""

    offer_id: str
    outcome: Outcome


class Engaged(Struct, frozen=True, gc=False):
    """The agent began to talk in a contact that no offer brought: they dialed themselves, or were called directly."""

    agent_id: str
    contact_id: str


class TalkEnded(Struct, frozen=True, gc=False):
    """The agent's part in the contact is over; wrap-up lasts `wrap_up_s`, or as the queue says (None).

    `dropped`: the connection broke. A customer who comes back in time then waits with the age they had, for this
    agent first.
    """

    agent_id: str
    contact_id: str
    wrap_up_s: float | None = None
    dropped: bool = False


class WrapUpFinished(Struct, frozen=True, gc=False):
    """The agent finished wrap-up before its time was up."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class QueueClosed:
    """The queue takes nobody more; those who wait go to `waiting_to`, or are served to the last if it is None.

    Newcomers go to `newcomers_to`. `reason` says why: the hours, an emergency.
    """

    queue: str
    reason: str
    newcomers_to: Exit
    waiting_to: Exit | None = None


class QueueOpened(Struct, frozen=True, gc=False):
    """The queue takes contacts again."""

    queue: str


@dataclass(frozen=True, slots=True)
class Configured:
    """A site: all queues and agents that there are. Replaces the running one, between two decisions.

    `outbound_counts`: whether a talk that the agent began themselves moves them back in longest idle. `comeback_s`:
    how long a customer who gave up, or whose talk broke, may take to come back to their age and agent.
    """

    queues: tuple[QueueRules, ...]
    agents: tuple[AgentProfile, ...]
    policy: TierPolicy = ANY_TIER
    outbound_counts: bool = True
    comeback_s: float = 600.0


class Tick(Struct, frozen=True, gc=False):
    """Time has passed; sent when `Acd.next_at` has come."""


Input: TypeAlias = (
    Entered
    | Left
    | CallbackChosen
    | CustomerDialed
    | DialsHeld
    | PresenceChosen
    | DeviceChanged
    | OfferSettled
    | Engaged
    | TalkEnded
    | WrapUpFinished
    | QueueClosed
    | QueueOpened
    | Configured
    | Tick
)


class MakeOffer(Struct, frozen=True, gc=False):
    """Propose this contact to this agent until `expires_at`. `trace` says why this pair.

    `callback`: the customer is not on the line; the agent who accepts is the one they will talk to.
    """

    offer_id: str
    contact_id: str
    agent_id: str
    made_at: float
    expires_at: float
    trace: OfferTrace
    callback: bool = False


class RescindOffer(Struct, frozen=True, gc=False):
    """Withdraw an offer, which is hereby settled: its time is up (no_answer), its phone was lost, its contact left."""

    offer_id: str
    contact_id: str
    outcome: Outcome


class StepTaken(Struct, frozen=True, gc=False):
    """The contact's reach changed: from now on step `step` (0 the first) says who may serve it.

    `why` is time or unstaffed; `requires` is the whole requirement now, as text.
    """

    contact_id: str
    queue: str
    step: int
    why: str
    requires: str


class Diverted(Struct, frozen=True, gc=False):
    """The contact leaves its queue by rule (or was never taken into it): it is out of the ACD's books.

    `why` is one of: last_step, full, long_wait, unstaffed, and the reason of a `QueueClosed`.
    """

    contact_id: str
    queue: str
    exit_to: Exit
    why: str


class DialCustomer(Struct, frozen=True, gc=False):
    """Call this customer back now: an agent is free, or will be when they pick up."""

    contact_id: str
    attempt: int


class CallbackOver(Struct, frozen=True, gc=False):
    """The callback is no more: `why` is expired, unreached (every attempt failed), refused or returned.

    With `returned`, the customer called again and waits as `taken_up_by`, with the age and agent of this contact.
    """

    contact_id: str
    why: str
    taken_up_by: str | None = None


class AgentChanged(Struct, frozen=True, gc=False):
    """The agent's state after a change, whole. `since` is when presence × activity last changed.

    `contact_id` is the contact they are reserved for, talking with or wrapping up. `cause` is an outcome's value or
    one of: chosen, requested, offered, answered_late, talk_ended, wrap_up_over, phone_lost, phone_back, configured.
    """

    agent_id: str
    presence: Presence
    aux_code: str | None
    activity: Activity
    since: float
    contact_id: str | None
    cause: str
    requested_next: Choice | None
    reachable: bool


class WrapUpOver(Struct, frozen=True, gc=False):
    """The wrap-up of this contact is over, by the agent or by its deadline."""

    agent_id: str
    contact_id: str


Decision: TypeAlias = (
    MakeOffer | RescindOffer | StepTaken | Diverted | DialCustomer | CallbackOver | AgentChanged | WrapUpOver
)
