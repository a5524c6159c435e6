"""The ordinary week of a calendar: which minutes are open, and how people say it."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.calendar import WEEKDAYS, Calendar, is_open, parse_calendar
from ivr.reading import Reader
from ivr.week import ALWAYS, WEEK_MIN, open_minutes, shown_week

TAIPEI, LONDON = ZoneInfo("Asia/Taipei"), ZoneInfo("Europe/London")
MONDAY = 1_767_542_400.0  # 2026-01-05 00:00 in Taipei

clock = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
spans = st.lists(st.tuples(clock, clock).filter(lambda pair: pair[0] != pair[1]).map("-".join), max_size=3, unique=True)


def calendar(**given: object) -> Calendar:
    mistakes: list[str] = []
    found = parse_calendar(Reader(given, "c", mistakes), TAIPEI)
    assert mistakes == []
    return found


@given(st.dictionaries(st.sampled_from(WEEKDAYS), spans, min_size=1).filter(lambda week: any(week.values())))
def test_a_minute_is_open_in_the_week_exactly_when_a_caller_would_be_let_in(weekly: dict[str, list[str]]) -> None:
    hours = calendar(weekly=weekly)
    week = open_minutes(hours, TAIPEI)
    for minute in range(0, WEEK_MIN, 7):
        assert bool(week >> minute & 1) == is_open(hours, MONDAY + 60 * minute)


def test_hours_past_sunday_midnight_are_open_on_monday_morning() -> None:
    assert (
        shown_week(open_minutes(calendar(weekly={"sun": ["22:00-06:00"]}), TAIPEI))
        == "mon 00:00-06:00, sun 22:00-24:00"
    )


def test_another_zones_hours_are_told_by_our_wall() -> None:
    assert shown_week(open_minutes(calendar(daily=["00:00-16:00"]), LONDON)) == "mon-sun 00:00-08:00 and 16:00-24:00"


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (0, ""),
        (ALWAYS, "mon-sun 00:00-24:00"),
        (1, "mon 00:00-00:01"),
        (((1 << 60) - 1) << 540, "mon 09:00-10:00"),
        (1 << (WEEK_MIN - 1), "sun 23:59-24:00"),
    ],
)
def test_a_week_is_said_as_people_say_it(minutes: int, said: str) -> None:
    assert shown_week(minutes) == said
