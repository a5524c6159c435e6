"""The one place that reads time: wall-clock instants that advance with the monotonic clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells instants: seconds since the epoch (UTC) as float, never going back."""

    def now(self) -> float:
        """The current instant."""
        ...


class AnchoredClock:
    """Wall time read once, monotonic time ever after: an NTP step changes no duration and no order.

    The price is that a wall clock corrected by hours shows in our instants only after a restart
    (docs/adr/0008-anchored-clock.md).
    """

    def __init__(self, begin_at: float | None = None) -> None:
        """`begin_at`: the instant that it is now, for who plays another day; None: the machine's."""
        self._offset_s = (time.time() if begin_at is None else begin_at) - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch; differences are true durations."""
        return self._offset_s + time.monotonic()
