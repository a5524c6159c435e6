"""What can happen to a contact: the machine's whole input, in our words.

Resource ids are ours and tell who they belong to: `<contact_id>.o3` is the third offer *and* the channel of the agent's
leg it rings; `.c1` is the leg of a customer whom we called, `.x1` that of a phone outside, `.b1` a bridge, `.p7` a
playback, `.r1` a recording, `.l1` a listening. Only the caller's inbound channel carries Asterisk's own id.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callcenter.contact.comfort import Told
from ivr.expression import Value
from routing.model import Exit


@dataclass(frozen=True, slots=True)
class CustomerCard:
    """What we know of a customer as they call: what the rules look at, and what the agent is shown.

    `case_owner` is the agent who owns an open case of theirs; `usage` is their consumption in the site's own unit.
    """

    customer_id: str
    name: str
    value_tier: str
    language: str | None
    last_agent: str | None = None
    segment: str | None = None
    preferred_agent: str | None = None
    case_owner: str | None = None
    open_case: bool = False
    at_risk: bool = False
    usage: float | None = None
    open_order: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """A caller is at the door: Asterisk put their channel in our hands, everything looked up.

    `hotline` is the configured number that `dialed` leads to. `caller` is E.164 or None (withheld, malformed);
    `caller_shown` is what the network sent, cut and cleaned. `refused` says why the caller is not taken, None if
    they are.
    """

    contact_id: str
    channel_id: str
    dialed: str
    hotline: str
    caller: str | None
    caller_shown: str
    customer: CustomerCard | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """The caller's channel ended or was taken from us.

    `by` is caller, system or fallback (Asterisk took the call back because a lease lapsed); `cause` is Q.850.
    """

    by: str
    cause: int = 0


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """The caller pressed one key: 0-9, *, #, A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class PromptEnded:
    """A playback ended: played out, stopped by us, or failed (file missing)."""

    playback_id: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class WorldAnswered:
    """The answer to what a flow asked; see `ivr.turn.Answered`. `customer` is who was verified by it."""

    request: int
    outcome: str
    values: Mapping[str, Value] = field(default_factory=dict)
    why: str = ""
    customer: CustomerCard | None = None


@dataclass(frozen=True, slots=True)
class SpeechHeard:
    """How a listening ended; see `ivr.turn.SpeechHeard`."""

    listening_id: str
    outcome: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class OfferProposed:
    """The floor proposes this contact to an agent; the agent is reserved until the offer settles."""

    offer_id: str
    agent_id: str
    made_at: float
    expires_at: float
    trace: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OfferWithdrawn:
    """The floor settled the offer by itself: `outcome` is no_answer (deadline), rescinded or failed."""

    offer_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class StepTaken:
    """From now on step `step` (0 the first) of the queue says who may serve; `why` is time or unstaffed.

    `requires` is the whole requirement now, as text.
    """

    queue: str
    step: int
    why: str
    requires: str


@dataclass(frozen=True, slots=True)
class Diverted:
    """The contact leaves the queue by rule, or was never taken into it; the floor has forgotten it already.

    `why` is last_step, full, long_wait, unstaffed, or the reason why the queue is closed.
    """

    queue: str
    exit_to: Exit
    why: str


@dataclass(frozen=True, slots=True)
class Estimated:
    """The contact waits, at this place (1 the next to be served), for another `p50_s` in the median, `p90_s` at P90.

    `mean_s` is the forecast's mean. None: no end is in sight, for nobody works who could serve it.
    """

    position: int
    p50_s: float | None
    p90_s: float | None
    mean_s: float | None = None


@dataclass(frozen=True, slots=True)
class WaitTold:
    """How the contact stands now, None if the floor can't tell; `because` is why the wait rose last, if it ever did."""

    told: Told | None
    because: str | None = None


@dataclass(frozen=True, slots=True)
class CallbackDue:
    """Call the customer now, for the `attempt`-th time: an agent is free, or will be by the time they pick up."""

    attempt: int


@dataclass(frozen=True, slots=True)
class CallbackOver:
    """The floor gave the callback up: `why` is expired, unreached, refused or returned (as contact `taken_up_by`)."""

    why: str
    taken_up_by: str | None = None


@dataclass(frozen=True, slots=True)
class CustomerAnswered:
    """The customer whom we called picked up."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class CustomerLegEnded:
    """The leg of a customer whom we called ended, answered (then CallerLeft told so) or not. `sip` status."""

    leg_id: str
    cause: int = 0
    sip: int = 0


@dataclass(frozen=True, slots=True)
class OutsideAnswered:
    """The phone outside was picked up."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class OutsideLegEnded:
    """The leg of the phone outside ended, answered or not. `cause` Q.850, `sip` status."""

    leg_id: str
    cause: int = 0
    sip: int = 0


@dataclass(frozen=True, slots=True)
class AgentRinging:
    """The agent's phone rings (180 or 183)."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class AgentAnswered:
    """The agent's phone was picked up."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class AgentLegEnded:
    """The agent's leg ended: never picked up, refused, or hung up after talking. `cause` Q.850, `sip` status."""

    leg_id: str
    cause: int = 0
    sip: int = 0


@dataclass(frozen=True, slots=True)
class AgentHeld:
    """The agent's phone put the customer on hold."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class AgentResumed:
    """The agent's phone took the customer off hold."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class LegsApart:
    """Caller and agent are both there and not in their bridge: what was to join them never reached Asterisk."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class WrapUpOver:
    """The agent finished the work after talking, or its time ran out (the floor says so)."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class CommandFailed:
    """A command could not be carried out. `resource_id` is what it was about; `gone` if that ended already."""

    command: str
    resource_id: str
    reason: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class TimerDue:
    """The instant the contact asked to be woken at has come."""


Signal = (
    CallerLeft
    | DigitPressed
    | PromptEnded
    | WorldAnswered
    | SpeechHeard
    | OfferProposed
    | OfferWithdrawn
    | StepTaken
    | Diverted
    | Estimated
    | WaitTold
    | CallbackDue
    | CallbackOver
    | CustomerAnswered
    | CustomerLegEnded
    | OutsideAnswered
    | OutsideLegEnded
    | AgentRinging
    | AgentAnswered
    | AgentLegEnded
    | AgentHeld
    | AgentResumed
    | LegsApart
    | WrapUpOver
    | CommandFailed
    | TimerDue
)
