"""The times at which a queue offers to call its customers back: from its opening hours, today and tomorrow."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from ivr.calendar import Calendar, is_open

LEAD_S = 900.0
"""A time that begins sooner is not offered: the caller is still on the line, and an agent must become free."""


@dataclass(frozen=True, slots=True)
class SlotRules:
    """How a queue offers times: so long each, for so many callbacks at most, so many of them to a caller."""

    slot_s: float
    slot_max: int
    slots_offered: int = 3


def slots(rules: SlotRules, hours: Calendar, zone: ZoneInfo, now: float) -> Iterator[tuple[float, float]]:
    """Every time (begin, end) that can be offered, in order: whole within the hours, over by the end of tomorrow.

    They begin at multiples of `slot_s` of the day, by the wall clock of `zone`. Nobody is called back while the queue
    is closed by its switch, but it may be open again by then: of the switch nothing follows.
    """
    today = datetime.combine(datetime.fromtimestamp(now, zone).date(), time(), zone)
    midnight = (today + timedelta(days=2)).timestamp()
    begin = today.timestamp()
    while begin + rules.slot_s <= midnight:
        end = begin + rules.slot_s
        if begin >= now + LEAD_S and _open(hours, begin, end):
            yield begin, end
        begin = end


def _open(hours: Calendar, begin: float, end: float) -> bool:
    """Whether the hours last from begin to end; looked at every quarter of an hour."""
    looks = range(int((end - begin) // LEAD_S))
    return all(is_open(hours, begin + n * LEAD_S) for n in looks) and is_open(hours, end - 1.0)
