"""The ordinary week of a calendar, minute by minute: when two of them are open, and how people say it.

Holidays, exceptions and `closed_now` are left out: this is for judging a plan, not for deciding about a caller.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from ivr.calendar import WEEKDAYS, Calendar

WEEK_MIN = 7 * 1440
ALWAYS = (1 << WEEK_MIN) - 1

_DAY_MIN = 1440
# A Monday in winter: zones are compared as they stand then.
_MONDAY = datetime(2026, 1, 5)  # noqa: DTZ001 - the wall clock of each zone in turn


def open_minutes(calendar: Calendar, zone: ZoneInfo) -> int:
    """The minutes of the week, Monday 00:00 the lowest bit, at which the calendar is open by the wall of `zone`.

    Between zones the difference of winter is used, all year.
    """
    shift_min = _offset_min(zone) - _offset_min(calendar.zone)
    found = 0
    for day, hours in enumerate(calendar.weekly):
        for start_s, end_s in hours:
            start = (day * _DAY_MIN + start_s // 60 + shift_min) % WEEK_MIN
            span = ((1 << ((end_s - start_s) // 60)) - 1) << start
            found |= (span & ALWAYS) | (span >> WEEK_MIN)
    return found


def shown_week(minutes: int) -> str:
    """`mon-fri 09:00-18:00, sat 09:00-12:00`: the minutes of a week as people say them; empty for none."""
    days: list[tuple[str, str, str]] = []  # first day, last day, what is open on each of them
    for day, name in enumerate(WEEKDAYS):
        text = _spans((minutes >> (day * _DAY_MIN)) & ((1 << _DAY_MIN) - 1))
        if days and days[-1][2] == text:
            days[-1] = (days[-1][0], name, text)
        else:
            days.append((name, name, text))
    return ", ".join(f"{first}{f'-{last}' if first != last else ''} {text}" for first, last, text in days if text)


def _spans(day: int) -> str:
    """The open spans of one day."""
    edges = [minute for minute in range(_DAY_MIN + 1) if (day >> minute & 1) != (day << 1 >> minute & 1)]
    return " and ".join(f"{_clock(start)}-{_clock(end)}" for start, end in zip(edges[::2], edges[1::2], strict=True))


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _offset_min(zone: ZoneInfo) -> int:
    offset = _MONDAY.replace(tzinfo=zone).utcoffset()
    assert offset is not None, "a zone has an offset"
    return int(offset.total_seconds()) // 60
