"""Opening hours: queues with a calendar are closed when it closes, and opened when it opens."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from callcenter.clock import Clock
from callcenter.config.site import Site
from ivr.calendar import is_open
from routing.model import Exit

LOOK_S = 1.0
REASON = "hours"


class Doors(Protocol):
    """Who closes and opens queues; to say the same thing twice changes nothing."""

    def close_queue(self, queue: str, reason: str, newcomers_to: Exit, waiting_to: Exit | None = None) -> None:
        """The queue takes nobody more, for this reason."""

    def open_queue(self, queue: str, reason: str | None = None) -> None:
        """The reason holds no more."""


class Hours:
    """Looks at every queue's hours once a second. A queue closed for another reason stays closed."""

    def __init__(self, *, site: Callable[[], Site], clock: Clock, doors: Doors) -> None:
        self._site = site
        self._clock = clock
        self._doors = doors

    async def run(self) -> None:
        """Look, for ever: a vital task."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Close what is closed at this moment, open what is open."""
        site, now = self._site(), self._clock.now()
        for queue in site.queues.values():
            if queue.hours is not None and not is_open(site.calendars[queue.hours], now):
                self._doors.close_queue(queue.queue, REASON, queue.closed_exit, queue.closing)
            else:
                self._doors.open_queue(queue.queue, REASON)
