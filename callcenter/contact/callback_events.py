"""What we remember of a contact that is called back; events like the others (see `events`)."""

from dataclasses import dataclass
from typing import ClassVar

from callcenter.contact.event_body import Body


@dataclass(frozen=True, slots=True)
class CallbackPromised(Body):
    """The caller will be called back at `number` and keeps the place; `why` is a rule's reason, key or flow.

    Whoever chose a time is called from `slot_begin` on, and at best before `slot_end`.
    """

    type: ClassVar[str] = "callback.promised"
    queue: str
    number: str
    why: str
    slot_begin: float | None = None
    slot_end: float | None = None


@dataclass(frozen=True, slots=True)
class CallbackRefused(Body):
    """The number may not be dialed, because (`why`) of no_number, no_dial_out or not_allowed: there is no callback."""

    type: ClassVar[str] = "callback.refused"
    queue: str
    number: str | None
    why: str


@dataclass(frozen=True, slots=True)
class CallbackHeldBack(Body):
    """The customer was to be called, but too few trunks are free for that (`why`); it counts as no attempt."""

    type: ClassVar[str] = "callback.held_back"
    queue: str
    why: str


@dataclass(frozen=True, slots=True)
class CallbackWaiting(Body):
    """The caller's line was let go; the contact waits without them, with its age, to be called back."""

    type: ClassVar[str] = "callback.waiting"
    queue: str


@dataclass(frozen=True, slots=True)
class CallbackDialed(Body):
    """The customer's phone was asked to ring, for the `attempt`-th time, showing `shown`.

    `agent_id` is the agent who waits for them to pick up, None if the customer is called first.
    """

    type: ClassVar[str] = "callback.dialed"
    attempt: int
    leg_id: str
    number: str
    shown: str
    agent_id: str | None


@dataclass(frozen=True, slots=True)
class CallbackAnswered(Body):
    """The customer picked up; `waited_s` since they were promised the call."""

    type: ClassVar[str] = "callback.answered"
    attempt: int
    leg_id: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class CallbackFailed(Body):
    """An attempt came to nothing: busy, rejected, unreachable, no_answer, failed, agent_gone or restarted (by us).

    Or they picked up, and were cut_off before an agent was there, by a fault of ours or of Asterisk's.
    """

    type: ClassVar[str] = "callback.failed"
    attempt: int
    leg_id: str
    outcome: str
    cause: int = 0
    sip: int = 0


@dataclass(frozen=True, slots=True)
class CallbackOver(Body):
    """The customer is not called back any more: expired, unreached, refused, returned or queue_gone.

    With `returned` they called again, and wait as the contact `taken_up_by`.
    """

    type: ClassVar[str] = "callback.over"
    why: str
    taken_up_by: str | None = None


CallbackEvent = (
    CallbackPromised
    | CallbackRefused
    | CallbackHeldBack
    | CallbackWaiting
    | CallbackDialed
    | CallbackAnswered
    | CallbackFailed
    | CallbackOver
)
