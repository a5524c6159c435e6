"""What a language must be able to say, and how a stored value becomes what it is asked to say."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from ivr.expression import Type, Value, is_date
from ivr.prompts import PromptId

NUMBER_END = 10**15  # the first number that has no name here; it is said digit by digit
DECIMALS_MAX = 4
DIGITS_MAX = 64
DAY_S = 86_400

_TIME = re.compile(r"([0-9]{1,2}):?([0-9]{2})")


class Style(StrEnum):
    """How a value is said."""

    NUMBER = "number"
    DIGITS = "digits"
    ORDINAL = "ordinal"
    MONEY = "money"
    TWD = "twd"
    USD = "usd"
    DATE = "date"
    ROC_DATE = "roc_date"
    TIME = "time"
    DURATION = "duration"


# Which variables can be said in which style. A time is a text such as 14:30, a duration a number of seconds.
STYLED: Mapping[Style, frozenset[Type]] = {
    Style.NUMBER: frozenset({Type.NUMBER}),
    Style.DIGITS: frozenset({Type.DIGITS, Type.TEXT, Type.NUMBER}),
    Style.ORDINAL: frozenset({Type.NUMBER}),
    Style.MONEY: frozenset({Type.NUMBER}),
    Style.TWD: frozenset({Type.NUMBER}),
    Style.USD: frozenset({Type.NUMBER}),
    Style.DATE: frozenset({Type.DATE}),
    Style.ROC_DATE: frozenset({Type.DATE}),
    Style.TIME: frozenset({Type.TEXT, Type.DIGITS}),
    Style.DURATION: frozenset({Type.NUMBER}),
}

# The prompts that a style may need of a language's words, by how their ids begin.
_NEEDED: Mapping[Style, tuple[str, ...]] = {
    Style.NUMBER: ("num_",),
    Style.DIGITS: ("num_", "key_"),
    Style.ORDINAL: ("num_", "ord_"),
    Style.MONEY: ("num_", "cur_"),
    Style.TWD: ("num_", "cur_"),
    Style.USD: ("num_", "cur_"),
    Style.DATE: ("num_", "ord_", "date_", "month_"),
    Style.ROC_DATE: ("num_", "ord_", "date_", "month_"),
    Style.TIME: ("num_", "time_"),
    Style.DURATION: ("num_", "dur_"),
}

CURRENCIES = (Style.MONEY, Style.TWD, Style.USD)

Prompts = tuple[PromptId, ...]


@dataclass(frozen=True, slots=True)
class Speaker:
    """One language's rules. `words` are all prompts it may say, each with the text to record or render.

    number: any whole or decimal number below NUMBER_END. digits: the telephone's keys, one by one. ordinal: a whole
    number from 0. money: whole units and hundredths, both from 0, at least one sign before; in one of CURRENCIES.
    day, roc_day: a date. time: hour 0-23, minute 0-59. duration: whole seconds from 0. place: in a line, 1 the next.
    wait: from so many whole minutes to so many, None: or longer; never from 0 without an end (`waiting`). slot: the
    prompt of a day, the prompts of the time it begins and of the one it ends, the key that chooses it. press: what
    follows an option, its key.
    """

    words: Mapping[PromptId, str]
    number: Callable[[Decimal], Prompts]
    digits: Callable[[str], Prompts]
    ordinal: Callable[[int], Prompts]
    money: Callable[[int, int, Style], Prompts]
    day: Callable[[date], Prompts]
    roc_day: Callable[[date], Prompts]
    time: Callable[[int, int], Prompts]
    duration: Callable[[int], Prompts]
    place: Callable[[int], Prompts]
    wait: Callable[[int, int | None], Prompts]
    slot: Callable[[PromptId, Prompts, Prompts, int], Prompts]
    press: Callable[[int], Prompts]
    minus: PromptId


def says(rules: Speaker, style: Style, value: Value) -> Prompts:
    """The prompts that say a value; none for one that the style can't say."""
    if style in {Style.DATE, Style.ROC_DATE}:
        if not isinstance(value, str) or not is_date(value):
            return ()
        day = date.fromisoformat(value)
        return rules.day(day) if style is Style.DATE else rules.roc_day(day)
    if style is Style.TIME:
        clock = _clock(value)
        return () if clock is None else rules.time(*clock)
    if style is Style.DIGITS and isinstance(value, str):
        return rules.digits(value[:DIGITS_MAX])
    if isinstance(value, str | bool):
        return ()
    number = _decimal(value)
    if abs(number) >= NUMBER_END or style is Style.DIGITS:
        return _signed(rules, number, rules.digits(str(int(abs(number)))))
    if style is Style.NUMBER:
        return _signed(rules, number, rules.number(abs(number)))
    if style in CURRENCIES:
        hundredths = int((abs(number) * 100).to_integral_value(ROUND_HALF_UP))
        return _signed(rules, number if hundredths else Decimal(0), rules.money(*divmod(hundredths, 100), style))
    if number < 0:
        return ()
    whole = int(number.to_integral_value(ROUND_HALF_UP))
    return rules.ordinal(whole) if style is Style.ORDINAL else rules.duration(whole)


def needed(rules: Speaker, style: Style) -> tuple[PromptId, ...]:
    """Every prompt that a value in this style may be said with."""
    return tuple(prompt for prompt in rules.words if prompt.startswith(_NEEDED[style]))


def in_days(seconds: int) -> tuple[int, int, int, int]:
    """A duration as days, hours, minutes and seconds."""
    days, rest = divmod(seconds, DAY_S)
    return days, rest // 3600, rest % 3600 // 60, rest % 60


def _signed(rules: Speaker, number: Decimal, said: Prompts) -> Prompts:
    return (rules.minus, *said) if number < 0 and said else said


def _decimal(value: float) -> Decimal:
    """The number as a person writes it: 0.1 + 0.2 is 0.3."""
    number = Decimal(str(value)).quantize(Decimal(1).scaleb(-DECIMALS_MAX), ROUND_HALF_UP)
    whole = number.to_integral_value()
    return whole if number == whole else number.normalize()


def _clock(value: Value) -> tuple[int, int] | None:
    """Hour and minute of 14:30 or 1430; None if it is no time of the day."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    hour, minute = int(found[1]), int(found[2])
    return (hour, minute) if hour < 24 and minute < 60 else None
