"""What a phone does when it is called: one value per behaviour, chosen by the test, changed at any time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """Ring, answer after `after_s`, speak `tone_hz`, hang up `hang_up_after_s` later (None: silence; stay)."""

    after_s: float = 0.0
    hang_up_after_s: float | None = None
    tone_hz: float | None = None


@dataclass(frozen=True, slots=True)
class RingForEver:
    """Ring until the other side gives up, or the test answers by hand."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse with a final status, after ringing for `after_s` (0: at once, without ringing)."""

    status: int
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StaySilent:
    """Answer nothing at all, as a phone that lost its network."""


@dataclass(frozen=True, slots=True)
class AnswerDespiteCancel:
    """Ring; when the CANCEL comes, answer the call all the same: the 200 that crosses the CANCEL."""


Behaviour = Answer | RingForEver | Reject | StaySilent | AnswerDespiteCancel

BUSY = Reject(486)
DECLINE = Reject(603)
UNAVAILABLE = Reject(480)
