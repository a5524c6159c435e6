"""The interpreter's words: what it is told, what it asks for, what it wants remembered. Values that never change.

What every turn makes anew is a Struct: it is made in a third of the time of a dataclass or a named tuple.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from msgspec import Struct

from ivr.calendar import Calendar
from ivr.expression import Value
from ivr.model import FlowId, Language, NodeId, PromptId

_UTC = ZoneInfo("UTC")
_NOTHING: Mapping[str, Value] = {}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the caller and the hour. `language` counts on entering; later the cursor's does.

    `variables` are what the flow's variables are to hold at first, where it declares them so. `zone` is the site's.
    `customer_id` is whose number calls, and `verified` whether they proved to be that customer before.
    """

    language: Language
    value_tier: str
    known: bool
    calendars: Mapping[str, Calendar]
    variables: Mapping[str, Value] = field(default_factory=dict)
    open_case: bool = False
    at_risk: bool = False
    zone: ZoneInfo = _UTC
    customer_id: str | None = None
    verified: bool = False
    open_order: bool = False


# Inputs


@dataclass(frozen=True, slots=True)
class Digit:
    """The caller pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True)
class PromptEnded:
    """The last `Say` was heard to its end, or failed. Ends of stopped ones are for the sender to drop."""


@dataclass(frozen=True, slots=True)
class TimeIsUp:
    """`timer_at` has come. An early or a late one does nothing."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The world's answer to a request: found (with its values), none, verified, wrong, locked or error (and `why`)."""

    request: int
    outcome: str
    values: Mapping[str, Value] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class SpeechHeard:
    """How the last Listen ended: matched (`said`: a phrase of it, or digits), no_match, or away: nobody listens.

    Or that it goes on: began, the caller begins to speak.
    """

    outcome: str
    said: str = ""


Input = Digit | PromptEnded | TimeIsUp | Answered


# Actions


class Say(Struct, frozen=True):
    """Say these prompts in this order. At most one `Say` is being heard at a time."""

    prompts: tuple[PromptId, ...]
    language: Language


@dataclass(frozen=True, slots=True)
class StopSaying:
    """Stop the `Say` that is being heard."""


@dataclass(frozen=True, slots=True)
class StartMusic:
    """Let the caller hear music until StopMusic; nothing is being said."""


@dataclass(frozen=True, slots=True)
class StopMusic:
    """Stop the music."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """Find a customer, case or order (`what`) `by` its number, of this customer; see `model.LookupNode`."""

    what: str
    by: Value | None
    customer_id: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """Send a request by HTTP, `body` (None: GET) as JSON; answer what is at these `paths` of the JSON that comes."""

    url: str
    query: Mapping[str, Value]
    body: Mapping[str, Value] | None
    paths: tuple[str, ...]
    credential: str | None = None  # the name of one


@dataclass(frozen=True, slots=True)
class ComparePin:
    """Whether this is the customer's PIN: verified, wrong or locked."""

    customer_id: str
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecallVerified:
    """Whether the customer was verified within `fresh_s` from the number that calls now: verified or none."""

    customer_id: str
    fresh_s: float


@dataclass(frozen=True, slots=True)
class KeepAnswers:
    """Keep what the customer answered for `fresh_s`; nobody waits for it."""

    customer_id: str
    answers: Mapping[str, Value]
    fresh_s: float


@dataclass(frozen=True, slots=True)
class PastUse:
    """How often the customer went on from this node (`place`, as in notes) of the flow by an option: node → times."""

    customer_id: str
    flow: FlowId
    place: NodeId


Inquiry = LookUp | Request | ComparePin | RecallVerified | KeepAnswers | PastUse


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the world; Answered names the `request`, 1 the first of the visit. After `within_s` nobody waits for it."""

    request: int
    inquiry: Inquiry
    within_s: float


@dataclass(frozen=True, slots=True)
class Dial:
    """Ring a phone outside, the caller hearing that it rings; Answered tells the `request` how it went.

    The outcome is answered, busy, no_answer or failed.
    """

    request: int
    number: str
    ring_s: float
    shows_caller: bool
    recorded: bool


@dataclass(frozen=True, slots=True)
class AskSlots:
    """Which times are free at which this caller can be called back from the queue? Answered: found or none.

    Its values are the instants at which they begin and end, `1.begin`, `1.end`, `2.begin` …, in order.
    """

    request: int
    queue: str


@dataclass(frozen=True, slots=True)
class BookSlot:
    """Take the time that begins then for this caller. Answered: found, or none if it is taken meanwhile."""

    request: int
    queue: str
    begin: float


@dataclass(frozen=True, slots=True)
class Listen:
    """Let a recogniser listen to the caller until StopListening or SpeechHeard, for one of `phrases`, or for digits.

    `digits_max` 0: for phrases. At most one listens at a time.
    """

    language: Language
    phrases: tuple[str, ...] = ()
    digits_min: int = 0
    digits_max: int = 0


@dataclass(frozen=True, slots=True)
class StopListening:
    """Nobody needs to listen any more; a SpeechHeard that is on its way is for the sender to drop."""


Action = Listen | StopListening | Say | StopSaying | StartMusic | StopMusic | Ask | Dial | AskSlots | BookSlot


# Notes: facts to remember


class Note(Struct, frozen=True):
    """One fact of the visit: `what` happened at `node`, with its details.

    node_entered {by}, the way that was taken (a path in the node before; start, agent) · keyed {digits} ·
    reprompted {why, tries} · exhausted {why} · flow_restarted {version}, when the version the caller was in is gone ·
    consented {given, by} · survey_invited {survey, questions} · survey_answered {survey, question, scale, answer} ·
    survey_ended {survey, outcome, answered} · asked {request, what} · answered {request, what, outcome, why,
    took_s} · identified {customer_id} · verified {customer_id, by} (pin or recalled) · spoken {said} ·
    misheard {why, failures} (no_match, no_speech or away). `why` is no_input, wrong_key or not_understood; `what` is
    lookup, http, pin, verified, transfer, slots or use; see `world` for an answer's `why`. A node of a sub-flow is
    `flow/node`. The language is in the cursor.
    """

    what: str
    node: NodeId
    detail: Mapping[str, Value] = _NOTHING


# Exits


@dataclass(frozen=True, slots=True)
class ToQueue:
    """The contact enters a queue; `announcement` is said while it waits. No class: the queue's own music."""

    queue: str
    music_class: str | None
    announcement: tuple[PromptId, ...] = ()
    agent: str | None = None  # to be waited for, for `agent_wait_s`
    agent_wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ToCallback:
    """The caller is let go and called back from this queue; whom nobody may call waits in it.

    `slot`: at the time that begins and ends then, which was booked.
    """

    queue: str
    slot: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ToVoicemail:
    """The caller leaves a message; so the contact ends."""

    end_state: str = "voicemail"


@dataclass(frozen=True, slots=True)
class HangUp:
    """The contact ends with this end state."""

    end_state: str


@dataclass(frozen=True, slots=True)
class ToOutside:
    """The phone outside was answered: the caller talks there, and the contact ends with it."""

    end_state: str = "transferred"


Exit = ToQueue | ToCallback | ToOutside | ToVoicemail | HangUp


@dataclass(frozen=True, slots=True)
class Call:
    """A sub-flow that the caller is in: its id, the node it was entered at and the variables that wait there."""

    flow: FlowId
    node: NodeId
    variables: Mapping[str, Value]


class Cursor(Struct):
    """Where a caller is in a flow: all that must be remembered between two inputs.

    `flow` and `version` are those of the flow the visit began with; `calls` leads from there to the innermost
    sub-flow, whose node is `node` and whose variables are `variables` (those that are set). `saying` is the Say being
    heard, then those that follow it; empty while a node listens in silence. `ahead` are keys typed before a node
    asked. `keyed` counts every key heard. `timer_at` is when to send TimeIsUp, or None. `collected` are the digits of
    an answer so far, `question` and `answered` the place in a survey (-1: its invitation) and the answers it has.
    `consent` is what the caller said to being recorded, None if nothing. `requests` counts what the world was asked;
    `asked_at` is when it was asked what is not answered yet, else None, and `music` whether music plays meanwhile.
    `customer_id` is whom the caller is taken for, `verified` whether they have proved it. `slots` are the times for a
    callback that are being offered, each with its end, `slot` the one that is being booked. `order` is
    that of a menu's options for this customer, each by its number from 0. `listening`: a recogniser listens now;
    `misheard` counts how often it understood nothing, `speaking`: the caller has begun to speak.

    Nobody changes one.
    """

    flow: FlowId
    version: str
    node: NodeId
    language: Language
    tries: int = 0
    saying: tuple[Say, ...] = ()
    ahead: str = ""
    keyed: int = 0
    timer_at: float | None = None
    variables: Mapping[str, Value] = {}
    calls: tuple[Call, ...] = ()
    collected: str = ""
    question: int = 0
    answered: int = 0
    consent: bool | None = None
    requests: int = 0
    asked_at: float | None = None
    music: bool = False
    customer_id: str | None = None
    verified: bool = False
    slots: tuple[tuple[float, float], ...] = ()
    slot: tuple[float, float] | None = None
    order: tuple[int, ...] = ()
    listening: bool = False
    misheard: int = 0
    speaking: bool = False


class Turn(Struct, frozen=True):
    """The outcome of one input: the new cursor, what to do in order, what to remember, and the exit."""

    cursor: Cursor
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    exit: Exit | None = None

    @property
    def timer_at(self) -> float | None:
        """Instant at which to send TimeIsUp; None if there is nothing to wait for."""
        return self.cursor.timer_at
