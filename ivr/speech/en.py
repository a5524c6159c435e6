"""How values are said in English, as in America: no "and" inside numbers, the month before the day."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from ivr.prompts import PromptId
from ivr.speech.rules import Prompts, Speaker, Style, in_days

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_POWERS = ((10**12, "num_1e12"), (10**9, "num_1e9"), (10**6, "num_1e6"), (1_000, "num_thousand"))
_ORDINALS = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth"),
    *("eighteenth", "nineteenth"),
)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_CURRENCIES = {Style.MONEY: "", Style.TWD: "twd_", Style.USD: "usd_"}

WORDS: Mapping[PromptId, str] = {
    **{f"num_{n}": word for n, word in enumerate(_SMALL)},
    **{f"num_{20 + 10 * n}": word for n, word in enumerate(_TENS)},
    "num_hundred": "hundred",
    "num_thousand": "thousand",
    "num_1e6": "million",
    "num_1e9": "billion",
    "num_1e12": "trillion",
    "num_point": "point",
    "num_minus": "minus",
    "num_oh": "oh",
    **{f"ord_{n}": word for n, word in enumerate(_ORDINALS)},
    **{f"ord_{20 + 10 * n}": f"{word[:-1]}ieth" for n, word in enumerate(_TENS)},
    "ord_hundred": "hundredth",
    "ord_thousand": "thousandth",
    "ord_1e6": "millionth",
    "ord_1e9": "billionth",
    "ord_1e12": "trillionth",
    "key_star": "star",
    "key_hash": "pound",
    "cur_unit": "dollar",
    "cur_units": "dollars",
    "cur_twd_unit": "N T dollar",
    "cur_twd_units": "N T dollars",
    "cur_usd_unit": "U S dollar",
    "cur_usd_units": "U S dollars",
    "cur_and": "and",
    "cur_cent": "cent",
    "cur_cents": "cents",
    **{f"month_{n}": word for n, word in enumerate(_MONTHS, 1)},
    "time_am": "a m",
    "time_pm": "p m",
    "time_noon": "noon",
    "time_midnight": "midnight",
    **{f"dur_{unit}": unit for unit in ("day", "hour", "minute", "second")},
    **{f"dur_{unit}s": f"{unit}s" for unit in ("day", "hour", "minute", "second")},
    "wait_next": "You are next in line.",
    "wait_place": "You are number",
    "wait_in_line": "in line.",
    "wait_between": "The estimated wait is between",
    "wait_and": "and",
    "wait_about": "The estimated wait is about",
    "wait_less": "The estimated wait is less than",
    "wait_more": "The estimated wait is more than",
    "slot_for": "For",
    "slot_today": "today,",
    "slot_tomorrow": "tomorrow,",
    "slot_to": "to",
    "slot_press": "press",
    "menu_press": "press",
}


def number(value: Decimal) -> Prompts:
    """12.05 → twelve point zero five."""
    whole, _, decimals = str(value).partition(".")
    return (*_whole(int(whole)), *(("num_point", *digits(decimals)) if decimals else ()))


def digits(text: str) -> Prompts:
    """Digit by digit, with star and pound; what is between them, such as hyphens, is not said."""
    keys = {"*": "key_star", "#": "key_hash"}
    return tuple(keys.get(key) or f"num_{key}" for key in text if key in "0123456789*#")


def ordinal(value: int) -> Prompts:
    """21 → twenty first: the last word of the number is the ordinal one."""
    *before, last = _whole(value)
    return (*before, last.replace("num_", "ord_"))


def money(units: int, hundredths: int, currency: Style) -> Prompts:
    """Twelve dollars and fifty cents."""
    said: Prompts = ()
    if units or not hundredths:
        said = (*_whole(units), f"cur_{_CURRENCIES[currency]}unit{_plural(units)}")
    if hundredths:
        joined: Prompts = ("cur_and",) if said else ()
        said = (*said, *joined, *_whole(hundredths), f"cur_cent{_plural(hundredths)}")
    return said


def day(value: date) -> Prompts:
    """November twentieth, twenty twenty-six."""
    return (f"month_{value.month}", *ordinal(value.day), *_year(value.year))


def time(hour: int, minute: int) -> Prompts:
    """Two thirty p m, nine oh five a m, twelve noon."""
    said = _whole(hour % 12 or 12)
    if minute:
        oh: Prompts = ("num_oh",) if minute < 10 else ()
        return (*said, *oh, *_whole(minute), "time_am" if hour < 12 else "time_pm")
    if hour % 12 == 0:
        return (*said, "time_noon" if hour else "time_midnight")
    return (*said, "time_am" if hour < 12 else "time_pm")


def duration(seconds: int) -> Prompts:
    """Two hours thirty minutes; nothing of a part that is 0, but zero seconds for nothing at all."""
    parts = zip(in_days(seconds), ("day", "hour", "minute", "second"), strict=True)
    said = tuple(prompt for count, unit in parts if count for prompt in (*_whole(count), f"dur_{unit}{_plural(count)}"))
    return said or ("num_0", "dur_seconds")


def place(position: int) -> Prompts:
    """You are number three in line."""
    return ("wait_next",) if position == 1 else ("wait_place", *_whole(position), "wait_in_line")


def wait(least: int, most: int | None) -> Prompts:
    """The estimated wait is between two and five minutes; less than one minute; about ten; more than an hour."""
    if most is None:
        return ("wait_more", *duration(60 * least))
    minutes = (*_whole(most), f"dur_minute{_plural(most)}")
    if least == most:
        return ("wait_about", *minutes)
    return ("wait_between", *_whole(least), "wait_and", *minutes) if least else ("wait_less", *minutes)


def slot(day: PromptId, begin: Prompts, end: Prompts, key: int) -> Prompts:
    """For tomorrow, ten a m to ten thirty a m, press one."""
    return ("slot_for", day, *begin, "slot_to", *end, "slot_press", *_whole(key))


def press(key: int) -> Prompts:
    """… press one."""
    return ("menu_press", *_whole(key))


def _year(year: int) -> Prompts:
    """In two halves as people say it: twenty ten, nineteen oh five, nineteen hundred; two thousand eight."""
    century, rest = divmod(year, 100)
    if year < 1_000 or (century % 10 == 0 and rest < 10):
        return _whole(year)
    if rest == 0:
        return (*_whole(century), "num_hundred")
    oh: Prompts = ("num_oh",) if rest < 10 else ()
    return (*_whole(century), *oh, *_whole(rest))


def _whole(value: int) -> Prompts:
    """A whole number from 0 below 10¹⁵."""
    if value < 20:
        return (f"num_{value}",)
    said: list[PromptId] = []
    for power, word in _POWERS:
        if value >= power:
            said += (*_whole(value // power), word)
            value %= power
    if value >= 100:
        said += (f"num_{value // 100}", "num_hundred")
        value %= 100
    if value >= 20:
        said.append(f"num_{value - value % 10}")
        value %= 10
    if value:
        said.append(f"num_{value}")
    return tuple(said)


def _plural(count: int) -> str:
    return "" if count == 1 else "s"


SPEAKER = Speaker(
    words=WORDS,
    number=number,
    digits=digits,
    ordinal=ordinal,
    money=money,
    day=day,
    roc_day=day,  # the years of the Republic are said in Chinese only
    time=time,
    duration=duration,
    place=place,
    wait=wait,
    slot=slot,
    press=press,
    minus="num_minus",
)
