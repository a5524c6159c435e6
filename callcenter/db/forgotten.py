"""What the journal had to forget before its time, for want of room: events that can't be sent again after a restore."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Forgotten:
    """So many events; `from_at` and `to_at` are the instants of the first and the last of them."""

    events: int
    from_at: float
    to_at: float

    def __str__(self) -> str:
        return f"{self.events:,} events from {shown(self.from_at)} to {shown(self.to_at)}"


def together(earlier: Forgotten | None, more: Forgotten | None, kept_since: float) -> Forgotten | None:
    """Both as one. What is older than `kept_since` would be forgotten by now in any case, and is left out."""
    if earlier is not None and earlier.to_at < kept_since:
        earlier = None
    if earlier is None or more is None:
        return earlier or more
    first, last = min(earlier.from_at, more.from_at), max(earlier.to_at, more.to_at)
    return Forgotten(earlier.events + more.events, first, last)


def shown(at: float) -> str:
    """An instant, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
