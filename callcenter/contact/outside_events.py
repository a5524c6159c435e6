"""What we remember of a caller who is connected with a phone outside; events like the others (see `events`)."""

from dataclasses import dataclass
from typing import ClassVar

from callcenter.contact.event_body import Body


@dataclass(frozen=True, slots=True)
class TransferDialed(Body):
    """A phone outside was asked to ring for the caller: a number in E.164 or an extension, showing `shown`."""

    type: ClassVar[str] = "transfer.dialed"
    leg_id: str
    number: str
    shown: str


@dataclass(frozen=True, slots=True)
class TransferRefused(Body):
    """The number may not be dialed, because (`why`) of no_number, no_dial_out, not_allowed or (just now) no_trunk."""

    type: ClassVar[str] = "transfer.refused"
    number: str
    why: str


@dataclass(frozen=True, slots=True)
class TransferFailed(Body):
    """The phone was not answered: busy, rejected, unreachable, no_answer, failed, caller_gone or restarted (by us)."""

    type: ClassVar[str] = "transfer.failed"
    leg_id: str
    outcome: str
    cause: int = 0
    sip: int = 0


@dataclass(frozen=True, slots=True)
class TransferAnswered(Body):
    """The phone was answered after `rang_s`, and both were joined."""

    type: ClassVar[str] = "transfer.answered"
    leg_id: str
    number: str
    rang_s: float
    bridge_id: str


@dataclass(frozen=True, slots=True)
class TransferEnded(Body):
    """The caller and the phone outside parted after `talk_s`."""

    type: ClassVar[str] = "transfer.ended"
    leg_id: str
    talk_s: float


TransferEvent = TransferDialed | TransferRefused | TransferFailed | TransferAnswered | TransferEnded
