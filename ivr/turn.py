"""The interpreter's words: what it is told, what it asks for, what it wants remembered. Values that never change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ivr.calendar import Calendar
from ivr.expression import Value
from ivr.model import FlowId, Language, NodeId, PromptId

_UTC = ZoneInfo("UTC")
_NOTHING: Mapping[str, Value] = {}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the caller and the hour. `language` counts on entering; later the cursor's does.

    `variables` are what the flow's variables are to hold at first, where it declares them so. `zone` is the site's.
    """

    language: Language
    value_tier: str
    known: bool
    calendars: Mapping[str, Calendar]
    variables: Mapping[str, Value] = field(default_factory=dict)
    open_case: bool = False
    at_risk: bool = False
    zone: ZoneInfo = _UTC


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


Input = Digit | PromptEnded | TimeIsUp


# Actions


@dataclass(frozen=True, slots=True)
class Say:
    """Say these prompts in this order. At most one `Say` is being heard at a time."""

    prompts: tuple[PromptId, ...]
    language: Language


@dataclass(frozen=True, slots=True)
class StopSaying:
    """Stop the `Say` that is being heard."""


Action = Say | StopSaying


# Notes: facts to remember


class Note(NamedTuple):
    """One fact of the visit: `what` happened at `node`, with its details.

    node_entered {by}, the way that was taken (a path in the node before; start, agent) · keyed {digits} ·
    reprompted {why, tries} · exhausted {why} · flow_restarted {version}, when the version the caller was in is gone ·
    consented {given, by} · survey_invited {survey, questions} · survey_answered {survey, question, scale, answer} ·
    survey_ended {survey, outcome, answered}. `why` is no_input or wrong_key. A node of a sub-flow is `flow/node`. The
    language is in the cursor.
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


@dataclass(frozen=True, slots=True)
class HangUp:
    """The contact ends with this end state."""

    end_state: str


Exit = ToQueue | HangUp


@dataclass(frozen=True, slots=True)
class Call:
    """A sub-flow that the caller is in: its id, the node it was entered at and the variables that wait there."""

    flow: FlowId
    node: NodeId
    variables: Mapping[str, Value]


@dataclass(slots=True)
class Cursor:
    """Where a caller is in a flow: all that must be remembered between two inputs.

    `flow` and `version` are those of the flow the visit began with; `calls` leads from there to the innermost
    sub-flow, whose node is `node` and whose variables are `variables` (those that are set). `saying` is the Say being
    heard, then those that follow it; empty while a node listens in silence. `ahead` are keys typed before a node
    asked. `keyed` counts every key heard. `timer_at` is when to send TimeIsUp, or None. `collected` are the digits of
    an answer so far, `question` and `answered` the place in a survey (-1: its invitation) and the answers it has.
    `consent` is what the caller said to being recorded, None if nothing.

    Nobody changes one. It is not frozen because every turn makes one, and Python takes six times as long over a frozen
    one; that was a third of a turn.
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
    variables: Mapping[str, Value] = field(default_factory=dict)
    calls: tuple[Call, ...] = ()
    collected: str = ""
    question: int = 0
    answered: int = 0
    consent: bool | None = None


class Turn(NamedTuple):
    """The outcome of one input: the new cursor, what to do in order, what to remember, and the exit."""

    cursor: Cursor
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    exit: Exit | None = None

    @property
    def timer_at(self) -> float | None:
        """Instant at which to send TimeIsUp; None if there is nothing to wait for."""
        return self.cursor.timer_at
