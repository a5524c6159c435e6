"""Why queues are closed: a queue takes nobody as long as any reason holds, and the last reason given says what then."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from routing.model import Exit


@dataclass(frozen=True, slots=True)
class Closing:
    """A queue is closed for this reason. Newcomers go to `newcomers_to`; who waited as it closed went to `waiting_to`.

    With `waiting_to` None they are served to the last.
    """

    reason: str
    newcomers_to: Exit
    waiting_to: Exit | None = None


@dataclass(slots=True)
class Closings:
    """The closings that hold, by queue and in the order in which they were given; each reason at most once."""

    by_queue: dict[str, tuple[Closing, ...]] = field(default_factory=dict)

    def of(self, queue: str) -> tuple[Closing, ...]:
        """Why this queue is closed, the reason given last at the end; none for an open queue."""
        return self.by_queue.get(queue, ())

    def close(self, queue: str, closing: Closing) -> bool:
        """Close for one more reason, or with other exits; False if this was known."""
        held = self.of(queue)
        if closing in held:
            return False
        others = tuple(each for each in held if each.reason != closing.reason)
        self.by_queue[queue] = (*others, closing)
        return True

    def open(self, queue: str, reason: str | None) -> bool:
        """Take one reason back, or all (None); False if the queue was not closed for it."""
        held = self.of(queue)
        kept = () if reason is None else tuple(each for each in held if each.reason != reason)
        if kept == held:
            return False
        self.by_queue[queue] = kept
        if not kept:
            del self.by_queue[queue]
        return True

    def restore(self, closings: Mapping[str, tuple[Closing, ...]]) -> None:
        """These hold."""
        self.by_queue = {queue: held for queue, held in closings.items() if held}


def closings_in(states: Mapping[str, bytes]) -> dict[str, tuple[Closing, ...]]:
    """The closings that the journal keeps, by queue."""
    return {
        stream.removeprefix("queue/"): msgspec.json.decode(state, type=tuple[Closing, ...])
        for stream, state in states.items()
        if stream.startswith("queue/")
    }
