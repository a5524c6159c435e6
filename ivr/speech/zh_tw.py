"""How values are said in the Chinese of Taiwan.

Numbers go by 萬 (10⁴): 12,345,678 is 一千兩百三十四萬五千六百七十八. A skipped place is one 零.
二 or 兩: 兩 before 百, 千, 萬, 億, 兆 and before what is counted (兩元, 兩點, 兩小時); 二 at the end of a number,
before 十, in ordinals, months, days, minutes past the hour and whatever is said digit by digit.
10-19 begin with 十 (十萬), but not inside a number (一百一十).
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from ivr.prompts import PromptId
from ivr.speech.rules import Prompts, Speaker, Style, in_days

_DIGITS = tuple(f"num_{digit}" for digit in range(10))
_PAIR = "num_2_of"  # 兩
_PLACES = ("", "num_ten", "num_hundred", "num_thousand")
_GROUPS = ("", "num_1e4", "num_1e8", "num_1e12")
_ROC_FIRST = 1912
# Up to which hour a part of the day lasts.
_PARTS_OF_DAY = (
    *((6, "time_night"), (12, "time_morning"), (13, "time_noon")),
    *((18, "time_afternoon"), (24, "time_evening")),
)

WORDS: Mapping[PromptId, str] = {
    **dict(zip(_DIGITS, "零一二三四五六七八九", strict=True)),
    _PAIR: "兩",
    "num_ten": "十",
    "num_hundred": "百",
    "num_thousand": "千",
    "num_1e4": "萬",
    "num_1e8": "億",
    "num_1e12": "兆",
    "num_point": "點",
    "num_minus": "負",
    "num_ordinal": "第",
    "key_star": "米字鍵",
    "key_hash": "井字鍵",
    "cur_yuan": "元",
    "cur_jiao": "角",
    "cur_fen": "分",
    "cur_twd": "新臺幣",
    "cur_usd": "美金",
    "date_year": "年",
    "date_month": "月",
    "date_day": "日",
    "date_roc": "民國",
    "date_before_roc": "民國前",
    "date_first_year": "元年",
    "time_night": "凌晨",
    "time_morning": "上午",
    "time_noon": "中午",
    "time_afternoon": "下午",
    "time_evening": "晚上",
    "time_hour": "點",
    "time_sharp": "整",
    "time_minute": "分",
    "dur_days": "天",
    "dur_hours": "小時",
    "dur_minutes": "分鐘",
    "dur_seconds": "秒",
    "wait_next": "下一位就是您。",
    "wait_place": "您目前排在",
    "wait_in_line": "位。",
    "wait_between": "預估等候時間為",
    "wait_to": "到",
    "wait_about": "預估等候時間約",
    "wait_less": "預估等候時間不到",
    "wait_more": "預估等候時間超過",
    "slot_today": "今天",
    "slot_tomorrow": "明天",
    "slot_to": "到",
    "slot_press": "請按",
    "menu_press": "請按",
}


def number(value: Decimal) -> Prompts:
    """12.05 → 十二點零五."""
    whole, _, decimals = str(value).partition(".")
    return (*_whole(int(whole)), *(("num_point", *digits(decimals)) if decimals else ()))


def digits(text: str) -> Prompts:
    """Digit by digit, with * and #; what is between them, such as hyphens, is not said."""
    return tuple(said for key in text if (said := _key(key)))


def ordinal(value: int) -> Prompts:
    """第二."""
    return ("num_ordinal", *_whole(value))


def money(units: int, hundredths: int, currency: Style) -> Prompts:
    """十二元三角四分; with its currency named, it comes first: 新臺幣十二元."""
    named = {Style.TWD: ("cur_twd",), Style.USD: ("cur_usd",)}.get(currency, ())
    jiao, fen = divmod(hundredths, 10)
    said: Prompts = ()
    if units or not hundredths:
        said = (*_counted(units), "cur_yuan")
    if jiao:
        said = (*said, *_counted(jiao), "cur_jiao")
    elif fen and units:
        said = (*said, _DIGITS[0])
    if fen:
        said = (*said, *_counted(fen), "cur_fen")
    return (*named, *said)


def day(value: date) -> Prompts:
    """二零二六年十一月二十日."""
    return (*digits(str(value.year)), "date_year", *_month_and_day(value))


def roc_day(value: date) -> Prompts:
    """民國一百一十五年十一月二十日; before 1912: 民國前二年."""
    year = value.year - _ROC_FIRST + 1
    if year == 1:
        said: Prompts = ("date_roc", "date_first_year")
    elif year > 1:
        said = ("date_roc", *_whole(year), "date_year")
    else:
        said = ("date_before_roc", *_whole(1 - year), "date_year")
    return (*said, *_month_and_day(value))


def time(hour: int, minute: int) -> Prompts:
    """下午兩點三十分, 上午九點零五分, 中午十二點整."""
    part = next(part for end, part in _PARTS_OF_DAY if hour < end)
    said: Prompts = (part, *_counted(hour % 12 or 12), "time_hour")
    if minute == 0:
        return (*said, "time_sharp")
    zero: Prompts = (_DIGITS[0],) if minute < 10 else ()
    return (*said, *zero, *_whole(minute), "time_minute")


def duration(seconds: int) -> Prompts:
    """兩小時三十分鐘; nothing of a part that is 0, but 零秒 for nothing at all."""
    units = ("dur_days", "dur_hours", "dur_minutes", "dur_seconds")
    parts = zip(in_days(seconds), units, strict=True)
    said = tuple(prompt for count, unit in parts if count for prompt in (*_counted(count), unit))
    return said or (_DIGITS[0], "dur_seconds")


def place(position: int) -> Prompts:
    """您目前排在第三位."""
    return ("wait_next",) if position == 1 else ("wait_place", *ordinal(position), "wait_in_line")


def wait(least: int, most: int | None) -> Prompts:
    """預估等候時間為兩到五分鐘; 不到一分鐘; 約十分鐘; 超過一小時."""
    if most is None:
        return ("wait_more", *duration(60 * least))
    minutes = (*_counted(most), "dur_minutes")
    if least == most:
        return ("wait_about", *minutes)
    return ("wait_between", *_counted(least), "wait_to", *minutes) if least else ("wait_less", *minutes)


def slot(day: PromptId, begin: Prompts, end: Prompts, key: int) -> Prompts:
    """明天上午十點整到上午十點三十分請按一."""
    return (day, *begin, "slot_to", *end, "slot_press", *_whole(key))


def press(key: int) -> Prompts:
    """…請按一."""
    return ("menu_press", *_whole(key))


def _month_and_day(value: date) -> Prompts:
    return (*_whole(value.month), "date_month", *_whole(value.day), "date_day")


def _counted(value: int) -> Prompts:
    """A number before what is counted: 兩 for 2 alone."""
    return (_PAIR,) if value == 2 else _whole(value)


def _whole(value: int) -> Prompts:
    """A whole number from 0 below 10¹⁶."""
    if value == 0:
        return (_DIGITS[0],)
    said: list[PromptId] = []
    for n in reversed(range(len(_GROUPS))):
        group = value // 10_000**n % 10_000
        if group == 0:
            continue
        # A group that does not fill its thousands leaves a place out, unless the number begins with it.
        if said and group < 1_000:
            said.append(_DIGITS[0])
        said += (_PAIR,) if group == 2 and n else _group(group, leading=not said)
        if n:
            said.append(_GROUPS[n])
    return tuple(said)


def _group(value: int, *, leading: bool) -> list[PromptId]:
    """1-9999."""
    said: list[PromptId] = []
    skipped = False
    for place in reversed(range(4)):
        digit = value // 10**place % 10
        if digit == 0:
            skipped = bool(said)
            continue
        if skipped:
            said.append(_DIGITS[0])
            skipped = False
        if digit == 2 and place >= 2:
            said.append(_PAIR)
        elif not (digit == 1 and place == 1 and leading and not said):
            said.append(_DIGITS[digit])
        if place:
            said.append(_PLACES[place])
    return said


def _key(key: str) -> PromptId | None:
    if key in {"*", "#"}:
        return "key_star" if key == "*" else "key_hash"
    return _DIGITS[int(key)] if key in "0123456789" else None


SPEAKER = Speaker(
    words=WORDS,
    number=number,
    digits=digits,
    ordinal=ordinal,
    money=money,
    day=day,
    roc_day=roc_day,
    time=time,
    duration=duration,
    place=place,
    wait=wait,
    slot=slot,
    press=press,
    minus="num_minus",
)
