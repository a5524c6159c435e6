"""Opening hours: when the doors are open, by the clock on the wall of a time zone.

Rules, the first that applies: closed now → an exception for the date → a holiday (closed) → the weekday's
hours. Hours follow the wall clock, so daylight saving needs no rule of its own: an hour that does not exist
is never reached, an hour that comes twice is open twice. Hours that run past midnight belong to the day they
began on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ivr.reading import Reader, shown

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_S = 86_400

_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")

# Half-open [from, to) in seconds of the wall day; `to` beyond 24 h runs into the next day.
Hours = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """Opening hours. `weekly` has seven entries, Monday first; an exception replaces its date's hours."""

    zone: ZoneInfo
    weekly: tuple[Hours, ...]
    holidays: frozenset[date] = frozenset()
    exceptions: Mapping[date, Hours] = field(default_factory=dict)
    closed_now: bool = False


class State(StrEnum):
    """How a calendar stands at an instant, and why it is closed if it is."""

    OPEN = "open"
    CLOSED = "closed"  # outside the hours of an ordinary day
    HOLIDAY = "holiday"  # on a holiday, or a day that an exception closes
    CLOSED_NOW = "closed_now"  # by the switch


def is_open(calendar: Calendar, now: float) -> bool:
    """True if the calendar is open at `now` (seconds since the epoch)."""
    return state(calendar, now) is State.OPEN


def state(calendar: Calendar, now: float) -> State:
    """How the calendar stands at `now` (seconds since the epoch)."""
    if calendar.closed_now:
        return State.CLOSED_NOW
    wall = datetime.fromtimestamp(now, calendar.zone)
    today, second = wall.date(), wall.hour * 3600 + wall.minute * 60 + wall.second
    hours = _hours(calendar, today)
    if _within(hours, second) or _within(_hours(calendar, today - timedelta(days=1)), second + DAY_S):
        return State.OPEN
    special = today in calendar.exceptions or today in calendar.holidays
    return State.HOLIDAY if special and not hours else State.CLOSED


def parse_calendar(reader: Reader, zone: ZoneInfo) -> Calendar:
    """The calendar in a table; `zone` where it names none. Mistakes go to the reader.

    Keys: `time_zone`; `daily` (hours of every day); `weekly` (hours by weekday, where they differ from
    daily); `holidays` (dates); `exceptions` (date → hours, [] for closed); `closed_now`. Hours:
    ["09:00-12:30", …].
    """
    if "time_zone" in reader:
        zone = parse_zone(reader, "time_zone") or zone
    by_day = dict.fromkeys(WEEKDAYS, _read_hours(reader, "daily"))
    if "weekly" in reader:
        week = reader.table("weekly")
        by_day |= {day: _read_hours(week, day) for day in WEEKDAYS if day in week}
        week.close()
    holidays = [_read_date(reader, "holidays", text) for text in reader.texts("holidays", ())]
    exceptions: dict[date, Hours] = {}
    if "exceptions" in reader:
        table = reader.table("exceptions")
        exceptions = {_read_date(table, text, text): _read_hours(table, text) for text in table.names}
    closed_now = reader.flag("closed_now", default=False)
    if not any(by_day.values()) and not any(exceptions.values()):
        reader.mistakes.append(f"{reader.path}: never opens; for a line that is closed set closed_now = true")
    reader.close()
    return Calendar(zone, tuple(by_day[day] for day in WEEKDAYS), frozenset(holidays), exceptions, closed_now)


def parse_zone(reader: Reader, key: str) -> ZoneInfo | None:
    """The time zone named at `key`, or None and a mistake."""
    name = reader.text(key)
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # unknown; not a relative path; a folder of zones
        reader.wrong(key, f"no such time zone {shown(name)}")
        return None


def _hours(calendar: Calendar, day: date) -> Hours:
    if day in calendar.exceptions:
        return calendar.exceptions[day]
    return () if day in calendar.holidays else calendar.weekly[day.weekday()]


def _within(hours: Hours, second: int) -> bool:
    return any(start <= second < end for start, end in hours)


def _read_hours(reader: Reader, key: str) -> Hours:
    hours: list[tuple[int, int]] = []
    for text in reader.texts(key, ()):
        span = _SPAN.fullmatch(text)
        if span is None or (bounds := _bounds(*map(int, span.groups()))) is None:
            reader.wrong(key, f'{shown(text)} are no hours; write "09:00-17:30"')
        else:
            hours.append(bounds)
    return tuple(sorted(hours))


def _bounds(from_h: int, from_min: int, to_h: int, to_min: int) -> tuple[int, int] | None:
    """Seconds of the wall day, or None for an impossible time. 22:00-06:00 ends on the next day."""
    start, end = from_h * 3600 + from_min * 60, to_h * 3600 + to_min * 60
    if from_min > 59 or to_min > 59 or start >= DAY_S or end > DAY_S or start == end:
        return None
    return start, end if end > start else end + DAY_S


def _read_date(reader: Reader, key: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        reader.wrong(key, f'{shown(text)} is no date; write "2026-10-10"')
        return date.min
