"""What the ACD is told (inputs) and what it answers (decisions); all plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from routing.model import Activity, AgentProfile, Choice, Needs, Outcome, Presence, QueueRules


@dataclass(frozen=True, slots=True)
class Entered:
    """A contact joined a queue.

    `needs` come on top of the queue's own. `value_tier` is a rank, 0 highest. `entered_at` is the instant that
    counts for its age, kept over moves between queues. `preferred_agent` is taken if they can serve at once.
    `offers_made` counts the offers this contact already had, so that an offer id never repeats; it is
    no part of what is compared, so the same entry told later is the same entry.
    """

    contact_id: str
    queue: str
    needs: Needs
    value_tier: int
    entered_at: float
    preferred_agent: str | None = None
    offers_made: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Left:
    """A contact is no longer in its queue: the caller hung up, or (`abandoned=False`) a rule moved it."""

    contact_id: str
    abandoned: bool = True


@dataclass(frozen=True, slots=True)
class PresenceChosen:
    """The agent chose a presence; while they are reserved, talking or in wrap-up it is a request for afterwards."""

    agent_id: str
    presence: Presence
    aux_code: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    """The agent's phone can be reached, or cannot; `True` told again is a new registration."""

    agent_id: str
    reachable: bool


@dataclass(frozen=True, slots=True)
class OfferSettled:
    """The contact's session says how an offer went."""

    offer_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class TalkEnded:
    """The agent's part in the contact is over; wrap-up lasts `wrap_up_s`, or as the queue says (None)."""

    agent_id: str
    contact_id: str
    wrap_up_s: float | None = None


@dataclass(frozen=True, slots=True)
class WrapUpFinished:
    """The agent finished wrap-up before its time was up."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class Configured:
    """A site: all queues and agents that there are. Replaces the running one, between two decisions."""

    queues: tuple[QueueRules, ...]
    agents: tuple[AgentProfile, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; sent when `Acd.next_at` has come."""


Input: TypeAlias = (
    Entered | Left | PresenceChosen | DeviceChanged | OfferSettled | TalkEnded | WrapUpFinished | Configured | Tick
)


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Propose this contact to this agent until `expires_at`. `trace` says why this pair.

    `trace` holds: `why` (arrival, affinity, agent_free), `candidates` (heads compared), `proficiency` and `idle_s`
    of the agent, `value_tier` and `wait_s` of the contact, and `excluded`: pairs (agent id, reason), at most three.
    """

    offer_id: str
    contact_id: str
    agent_id: str
    made_at: float
    expires_at: float
    trace: Mapping[str, object] = field(hash=False)


@dataclass(frozen=True, slots=True)
class RescindOffer:
    """Withdraw an offer, which is hereby settled: its time is up (no_answer), its phone was lost, its contact left."""

    offer_id: str
    contact_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class AgentChanged:
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


@dataclass(frozen=True, slots=True)
class WrapUpOver:
    """The wrap-up of this contact is over, by the agent or by its deadline."""

    agent_id: str
    contact_id: str


Decision: TypeAlias = MakeOffer | RescindOffer | AgentChanged | WrapUpOver
