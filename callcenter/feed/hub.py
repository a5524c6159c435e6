"""One ring of committed events; a listener is a cursor into it, so nobody slows or burdens anybody else."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from callcenter.errors import CallCenterError
from callcenter.ports import Entry

RING_EVENTS_MAX: Final = 10_000
BATCH_EVENTS_MAX: Final = 500
SUBSCRIPTIONS_MAX: Final = 256


class Resync(Enum):
    """The listener's place in the order is lost: take a fresh snapshot, then events after it."""

    RESYNC = auto()


RESYNC: Final = Resync.RESYNC


class FeedClosed(CallCenterError):
    """The service is stopping: no more events come; connect again later and resume from your position."""


class FeedFull(CallCenterError):
    """As many listeners as this process serves are connected already."""


@dataclass(frozen=True, slots=True)
class Committed:
    """An event that is safely in the journal, and its place in the global order."""

    position: int
    entry: Entry


class Subscription:
    """A place in the feed. One reader; close it when done (or use it as a context manager)."""

    def __init__(self, hub: "Hub", next_index: int, *, lost: bool) -> None:
        self._hub = hub
        self._next_index = next_index
        self._lost = lost
        self._woken: asyncio.Future[None] | None = None

    async def take(self, timeout_s: float) -> Sequence[Committed] | Resync:
        """The events after the last taken, in order, at most BATCH_EVENTS_MAX; empty after `timeout_s` of silence.

        RESYNC once when the place was lost; the next take goes on from the hub's position at that moment.
        Raises FeedClosed when the hub closes.
        """
        if not self._ready():
            self._woken = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait_for(self._woken, timeout_s)
            except TimeoutError:
                return ()
            finally:
                self._woken = None
        return self._take_now()

    def past(self) -> Iterator[Committed]:
        """What the ring still holds of the events before this place, oldest first."""
        return iter(self._hub.slice(self._hub.oldest_index, self._next_index - self._hub.oldest_index))

    def _ready(self) -> bool:
        return self._lost or self._hub.closed or self._next_index < self._hub.next_index

    def _take_now(self) -> Sequence[Committed] | Resync:
        if self._hub.closed:
            raise FeedClosed("the service is stopping; connect again and resume from your last position")
        if self._lost or self._next_index < self._hub.oldest_index:
            self._lost = False
            self._next_index = self._hub.next_index
            return RESYNC
        batch = self._hub.slice(self._next_index, BATCH_EVENTS_MAX)
        self._next_index += len(batch)
        return batch

    def wake(self) -> None:
        """Something happened; let a waiting `take` look."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def close(self) -> None:
        """Leave the feed; safe to repeat."""
        self._hub.leave(self)

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Hub:
    """Takes committed events in order and lets bounded numbers of listeners read them, each at its own pace.

    `position` at the start is the journal's last: what happened up to there is history, not feed. Belongs to one
    event loop. Memory is bounded by `ring_events_max` however many listen and however slow they are.
    """

    def __init__(
        self,
        position: int = 0,
        *,
        ring_events_max: int = RING_EVENTS_MAX,
        subscriptions_max: int = SUBSCRIPTIONS_MAX,
    ) -> None:
        assert ring_events_max > 0
        self._ring: list[Committed] = []
        self._ring_events_max = ring_events_max
        self._subscriptions_max = subscriptions_max
        self._subscriptions: dict[Subscription, None] = {}
        self._forgotten_to = position
        self.position = position
        self.oldest_index = 0
        self.next_index = 0
        self.closed = False

    @property
    def events_total(self) -> int:
        """Events published since the start."""
        return self.next_index

    @property
    def subscriptions(self) -> int:
        """Listeners connected now."""
        return len(self._subscriptions)

    def publish(self, committed: Sequence[tuple[int, Entry]]) -> None:
        """Add committed events, positions increasing; returns at once."""
        for position, entry in committed:
            assert position > self.position, "positions only grow"
            self._store(Committed(position, entry))
        for subscription in self._subscriptions:
            subscription.wake()

    def subscribe(self, after: int | None) -> Subscription:
        """Listen to events after position `after`, or from now on if None.

        If those events are not all in the ring any more (or `after` lies ahead of us: another journal), the first
        `take` says RESYNC. Raises FeedFull at the bound, FeedClosed while stopping.
        """
        if self.closed:
            raise FeedClosed("the service is stopping")
        if len(self._subscriptions) >= self._subscriptions_max:
            raise FeedFull(f"{self._subscriptions_max} listeners are connected; close one or try again later")
        if after is None:
            subscription = Subscription(self, self.next_index, lost=False)
        elif self._forgotten_to <= after <= self.position:
            subscription = Subscription(self, self._index_after(after), lost=False)
        else:
            subscription = Subscription(self, self.next_index, lost=True)
        self._subscriptions[subscription] = None
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Forget a listener; safe to repeat."""
        self._subscriptions.pop(subscription, None)

    def close(self) -> None:
        """End every subscription with FeedClosed; what was not taken can be resumed by position later."""
        self.closed = True
        for subscription in self._subscriptions:
            subscription.wake()

    def reopen(self) -> None:
        """Take listeners again, after a `close` that was not the end."""
        self.closed = False

    def slice(self, index: int, count_max: int) -> list[Committed]:
        """Events from absolute `index` on, which must still be in the ring; at most `count_max`."""
        assert self.oldest_index <= index <= self.next_index
        end = min(self.next_index, index + count_max)
        return [self._ring[i % self._ring_events_max] for i in range(index, end)]

    def first_after(self, position: int) -> Committed | None:
        """The first event after `position` that the ring still holds; None if there is none."""
        index = self._index_after(position)
        return self._ring[index % self._ring_events_max] if index < self.next_index else None

    def _store(self, event: Committed) -> None:
        if len(self._ring) < self._ring_events_max:
            self._ring.append(event)
        else:
            slot = self.next_index % self._ring_events_max
            self._forgotten_to = self._ring[slot].position
            self._ring[slot] = event
            self.oldest_index += 1
        self.next_index += 1
        self.position = event.position

    def _index_after(self, position: int) -> int:
        """Absolute index of the first event after `position`; positions may have gaps."""
        return (
            bisect_right(
                range(self.oldest_index, self.next_index),
                position,
                key=lambda index: self._ring[index % self._ring_events_max].position,
            )
            + self.oldest_index
        )
