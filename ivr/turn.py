"""The interpreter's words: what it is told, what it asks for, what it wants remembered. Frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ivr.calendar import Calendar
from ivr.model import FlowId, Language, NodeId, PromptId


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the caller and the hour. `language` counts on entering; later the cursor's does."""

    language: Language
    value_tier: str
    known: bool
    calendars: Mapping[str, Calendar]
    variables: Mapping[str, str] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class Note:
    """One fact of the visit: `what` happened at `node`, with its details.

    node_entered · keyed {digits} · reprompted {why, tries} · exhausted {why} · flow_restarted {version}, when
    the version the caller was in is gone. `why` is no_input or wrong_key. The language is in the cursor.
    """

    what: str
    node: NodeId
    detail: Mapping[str, str | int] = field(default_factory=dict)


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
class Cursor:
    """Where a caller is in a flow: all that must be remembered between two inputs.

    `saying` is the Say being heard, then those that follow it; empty while a menu listens in silence. `ahead`
    are keys typed before a menu asked. `keyed` counts every key heard. `timer_at` is when to send TimeIsUp,
    or None.
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
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """The outcome of one input: the new cursor, what to do in order, what to remember, and the exit."""

    cursor: Cursor
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    exit: Exit | None = None

    @property
    def timer_at(self) -> float | None:
        """Instant at which to send TimeIsUp; None if there is nothing to wait for."""
        return self.cursor.timer_at
