"""What happened in a queue in the last half hour, minute by minute: arrivals by tier, and who was answered in time."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

SEEN_S: Final = 600.0
"""An arrival counts as one in this time at least: the first minutes of a queue say little of the rate."""
RECENT_S: Final = 1_800.0
"""So long is recent."""

_MINUTE_S: Final = 60.0
_MINUTES: Final = round(RECENT_S / _MINUTE_S)


@dataclass(slots=True)
class Minute:
    """What happened in one minute of the clock; `entered` is by tier."""

    number: int
    entered: dict[int, int] = field(default_factory=dict)
    settled: int = 0
    in_time: int = 0


@dataclass(frozen=True, slots=True)
class RecentSeen:
    """The same as plain values: `first_at` is when anybody entered first, None if nobody has; the oldest first."""

    first_at: float | None
    minutes: tuple[tuple[int, Mapping[int, int], int, int], ...]


class Recent:
    """The last half hour of one queue. Instants are seconds."""

    def __init__(self, seen: RecentSeen | None = None) -> None:
        self._minutes: deque[Minute] = deque()
        self._entered: dict[int, int] = {}  # by tier, over all minutes kept
        self._first_at = math.inf
        if seen is not None:
            self._first_at = math.inf if seen.first_at is None else seen.first_at
            self._minutes.extend(Minute(number, {**entered}, *counts) for number, entered, *counts in seen.minutes)
            for minute in self._minutes:
                for tier, count in minute.entered.items():
                    self._entered[tier] = self._entered.get(tier, 0) + count

    def seen(self) -> RecentSeen:
        """All of it."""
        minutes = tuple((each.number, {**each.entered}, each.settled, each.in_time) for each in self._minutes)
        return RecentSeen(None if math.isinf(self._first_at) else self._first_at, minutes)

    def entered(self, now: float, tier: int) -> None:
        """A contact of this tier joined the queue."""
        self._first_at = min(self._first_at, now)
        entered = self._minute(now).entered
        entered[tier] = entered.get(tier, 0) + 1
        self._entered[tier] = self._entered.get(tier, 0) + 1

    def settled(self, now: float, *, in_time: bool) -> None:
        """A contact was answered, or gave up."""
        minute = self._minute(now)
        minute.settled += 1
        minute.in_time += in_time

    def service_level(self, now: float) -> float | None:
        """Answered in time ÷ settled; None without any."""
        oldest = math.floor(now / _MINUTE_S) - _MINUTES
        recent = [minute for minute in self._minutes if minute.number >= oldest]
        settled = sum([minute.settled for minute in recent])
        return sum([minute.in_time for minute in recent]) / settled if settled else None

    def arrival_rates(self, now: float) -> dict[int, float]:
        """Contacts of each tier that entered, per second of the last half hour, or since the first if that is less."""
        oldest = math.floor(now / _MINUTE_S) - _MINUTES
        entered = dict(self._entered)
        for minute in self._minutes:
            if minute.number >= oldest:
                break
            for tier, count in minute.entered.items():
                entered[tier] -= count
        elapsed_s = max(now - max(self._first_at, oldest * _MINUTE_S), SEEN_S)
        return {tier: count / elapsed_s for tier, count in entered.items() if count}

    def _minute(self, now: float) -> Minute:
        """The running minute; those that are more than half an hour old are dropped."""
        number = math.floor(now / _MINUTE_S)
        minutes = self._minutes
        if not minutes or number > minutes[-1].number:
            minutes.append(Minute(number))
            while minutes[0].number < number - _MINUTES:
                for tier, count in minutes.popleft().entered.items():
                    self._entered[tier] -= count
        return minutes[-1]
