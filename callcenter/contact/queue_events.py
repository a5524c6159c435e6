"""What we remember of a contact's wait in a queue; events like the others (see `events`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from callcenter.contact.event_body import Body


@dataclass(frozen=True, slots=True)
class QueueEntered(Body):
    """The contact joined a queue. `requires` is all that is asked of an agent, as text; `needs` the skills among it.

    `needs` has each skill that must be held, and its least level, 1 where any will do. `moves` counts the queues that
    it was moved on from by rule.
    """

    type: ClassVar[str] = "queue.entered"
    queue: str
    needs: Mapping[str, int]
    value_tier: str
    preferred_agent: str | None
    requires: str = ""
    preferred_wait_s: float = 0.0
    moves: int = 0


@dataclass(frozen=True, slots=True)
class QueueEstimated(Body):
    """The wait that lies ahead of the contact as it enters the queue, as a forecast: the median, the P90 and the mean.

    `position` is 1 for the next to be served. The wait that came of it is in `queue.left`. None: no end was in sight.
    """

    type: ClassVar[str] = "queue.estimated"
    queue: str
    position: int
    p50_s: float | None
    p90_s: float | None
    mean_s: float | None = None


@dataclass(frozen=True, slots=True)
class QueueStepTaken(Body):
    """The queue's step `step` (0 the first) says from now on who may serve; `why` is time or unstaffed.

    `requires` is the whole requirement now, as text.
    """

    type: ClassVar[str] = "queue.step_taken"
    queue: str
    step: int
    why: str
    requires: str


@dataclass(frozen=True, slots=True)
class QueueTold(Body):
    """The waiting caller was told how they stand, by these `prompts`: place and wait, as far as they were looked up.

    `because` is why it was worse than what they were told before; None if it was not.
    """

    type: ClassVar[str] = "queue.told"
    queue: str
    position: int | None
    p50_s: float | None
    p90_s: float | None
    because: str | None
    prompts: Sequence[str]


@dataclass(frozen=True, slots=True)
class QueueLeft(Body):
    """The contact left the queue: answered, abandoned, diverted, callback, system, fallback or unknown.

    `wait_s` counts from queue.entered. Who was diverted goes to `exit_to` (queue:<name>, callback, voicemail or
    goodbye), because (`why`) of last_step, full, long_wait, unstaffed, moves_max or the reason of a closing. Who left
    it for a callback keeps the place, and leaves it no second time.
    """

    type: ClassVar[str] = "queue.left"
    queue: str
    outcome: str
    wait_s: float
    why: str | None = None
    exit_to: str | None = None


QueueEvent = QueueEntered | QueueEstimated | QueueStepTaken | QueueTold | QueueLeft
