"""Spoken values: sentences as people of each language expect them, word by word."""

import math
from collections.abc import Sequence

import pytest

from ivr.expression import Value
from ivr.prompts import is_prompt_id
from ivr.speech import SPEAKERS, Style, say, speaker
from ivr.speech.waiting import say_place, say_wait

NUMBERS_ZH: list[tuple[Value, str]] = [
    (0, "零"),
    (2, "二"),
    (10, "十"),
    (12, "十二"),
    (20, "二十"),
    (22, "二十二"),
    (101, "一百零一"),
    (110, "一百一十"),
    (111, "一百一十一"),
    (200, "兩百"),
    (202, "兩百零二"),
    (1_001, "一千零一"),
    (1_010, "一千零一十"),
    (1_012, "一千零一十二"),
    (2_222, "兩千兩百二十二"),
    (10_000, "一萬"),
    (12_000, "一萬兩千"),
    (20_000, "兩萬"),
    (20_002, "兩萬零二"),
    (100_000, "十萬"),
    (120_000, "十二萬"),
    (1_000_500, "一百萬零五百"),
    (1_020_000, "一百零二萬"),
    (1_005_000, "一百萬五千"),
    (10_002_000, "一千萬兩千"),
    (12_345_678, "一千兩百三十四萬五千六百七十八"),
    (200_000_000, "兩億"),
    (100_010_000, "一億零一萬"),
    (100_000_001, "一億零一"),
    (120_034_000, "一億兩千零三萬四千"),
    (2_000_000_000_000, "兩兆"),
    (-5, "負五"),
    (3.14, "三點一四"),
    (0.1 + 0.2, "零點三"),
    (12.05, "十二點零五"),
    (499_999.9999999999, "五十萬"),
    (1e15, "一零零零零零零零零零零零零零零零"),
]
NUMBERS_EN: list[tuple[Value, str]] = [
    (0, "zero"),
    (13, "thirteen"),
    (42, "forty two"),
    (100, "one hundred"),
    (101, "one hundred one"),
    (1_000, "one thousand"),
    (12_345, "twelve thousand three hundred forty five"),
    (1_000_001, "one million one"),
    (2_500_000_000, "two billion five hundred million"),
    (-7, "minus seven"),
    (2.5, "two point five"),
]
SENTENCES: list[tuple[str, Style, Value, str]] = [
    *(("zh-TW", Style.NUMBER, value, said) for value, said in NUMBERS_ZH),
    *(("en", Style.NUMBER, value, said) for value, said in NUMBERS_EN),
    ("zh-TW", Style.DIGITS, "0912-345-678", "零九一二三四五六七八"),
    ("zh-TW", Style.DIGITS, "2*#", "二米字鍵井字鍵"),
    ("zh-TW", Style.DIGITS, 1020, "一零二零"),
    ("en", Style.DIGITS, "+886 20", "eight eight six two zero"),
    ("en", Style.DIGITS, "9*#", "nine star pound"),
    ("zh-TW", Style.ORDINAL, 2, "第二"),
    ("zh-TW", Style.ORDINAL, 12, "第十二"),
    ("en", Style.ORDINAL, 1, "first"),
    ("en", Style.ORDINAL, 20, "twentieth"),
    ("en", Style.ORDINAL, 42, "forty second"),
    ("en", Style.ORDINAL, 100, "one hundredth"),
    ("en", Style.ORDINAL, 113, "one hundred thirteenth"),
    ("zh-TW", Style.MONEY, 2, "兩元"),
    ("zh-TW", Style.MONEY, 12, "十二元"),
    ("zh-TW", Style.MONEY, 1_234, "一千兩百三十四元"),
    ("zh-TW", Style.MONEY, 12.34, "十二元三角四分"),
    ("zh-TW", Style.MONEY, 12.05, "十二元零五分"),
    ("zh-TW", Style.MONEY, 0.2, "兩角"),
    ("zh-TW", Style.MONEY, 0, "零元"),
    ("zh-TW", Style.TWD, 20_000, "新臺幣兩萬元"),
    ("zh-TW", Style.USD, -3.5, "負美金三元五角"),
    ("zh-TW", Style.MONEY, -0.001, "零元"),
    ("en", Style.MONEY, 1, "one dollar"),
    ("en", Style.MONEY, 12.5, "twelve dollars and fifty cents"),
    ("en", Style.MONEY, 0.01, "one cent"),
    ("en", Style.MONEY, 0, "zero dollars"),
    ("en", Style.TWD, 300, "three hundred N T dollars"),
    ("en", Style.USD, 19.999, "twenty U S dollars"),
    ("zh-TW", Style.DATE, "2026-11-20", "二零二六年十一月二十日"),
    ("zh-TW", Style.DATE, "2000-02-02", "二零零零年二月二日"),
    ("zh-TW", Style.ROC_DATE, "2026-11-20", "民國一百一十五年十一月二十日"),
    ("zh-TW", Style.ROC_DATE, "1912-01-01", "民國元年一月一日"),
    ("zh-TW", Style.ROC_DATE, "1913-10-10", "民國二年十月十日"),
    ("zh-TW", Style.ROC_DATE, "1911-10-10", "民國前一年十月十日"),
    ("en", Style.DATE, "2026-11-20", "November twentieth twenty twenty six"),
    ("en", Style.DATE, "2008-08-08", "August eighth two thousand eight"),
    ("en", Style.DATE, "1905-05-31", "May thirty first nineteen oh five"),
    ("en", Style.DATE, "1900-01-01", "January first nineteen hundred"),
    ("en", Style.ROC_DATE, "2010-12-25", "December twenty fifth twenty ten"),
    ("zh-TW", Style.TIME, "14:30", "下午兩點三十分"),
    ("zh-TW", Style.TIME, "09:05", "上午九點零五分"),
    ("zh-TW", Style.TIME, "0002", "凌晨十二點零二分"),
    ("zh-TW", Style.TIME, "12:00", "中午十二點整"),
    ("zh-TW", Style.TIME, "22:12", "晚上十點十二分"),
    ("en", Style.TIME, "14:30", "two thirty p m"),
    ("en", Style.TIME, "9:05", "nine oh five a m"),
    ("en", Style.TIME, "12:00", "twelve noon"),
    ("en", Style.TIME, "00:00", "twelve midnight"),
    ("en", Style.TIME, "0030", "twelve thirty a m"),
    ("zh-TW", Style.DURATION, 9_000, "兩小時三十分鐘"),
    ("zh-TW", Style.DURATION, 2, "兩秒"),
    ("zh-TW", Style.DURATION, 0, "零秒"),
    ("zh-TW", Style.DURATION, 172_812, "兩天十二秒"),
    ("en", Style.DURATION, 3_661, "one hour one minute one second"),
    ("en", Style.DURATION, 86_400, "one day"),
    ("en", Style.DURATION, 0, "zero seconds"),
]


def heard(language: str, style: Style, value: Value) -> str:
    """What the caller hears, as text."""
    return sentence_of(language, say(language, style, value))


def sentence_of(language: str, prompts: Sequence[str]) -> str:
    """These prompts as text."""
    words = SPEAKERS[language].words
    return ("" if language == "zh-TW" else " ").join(words[prompt] for prompt in prompts)


@pytest.mark.parametrize(("language", "style", "value", "sentence"), SENTENCES)
def test_a_value_is_said_as_people_say_it(language: str, style: Style, value: Value, sentence: str) -> None:
    assert heard(language, style, value) == sentence


@pytest.mark.parametrize(
    ("p50_s", "p90_s", "zh", "en"),
    [
        (130.0, 290.0, "預估等候時間為兩到五分鐘", "The estimated wait is between two and five minutes"),
        (0.0, 20.0, "預估等候時間不到一分鐘", "The estimated wait is less than one minute"),
        (30.0, 61.0, "預估等候時間不到兩分鐘", "The estimated wait is less than two minutes"),
        (600.0, 600.0, "預估等候時間約十分鐘", "The estimated wait is about ten minutes"),
        (700.0, 1_300.0, "預估等候時間為十到二十五分鐘", "The estimated wait is between ten and twenty five minutes"),
        (3_000.0, 3_600.0, "預估等候時間為五十到六十分鐘", "The estimated wait is between fifty and sixty minutes"),
        (2_500.0, 3_601.0, "預估等候時間超過四十分鐘", "The estimated wait is more than forty minutes"),
        (9_000.0, math.inf, "預估等候時間超過一小時", "The estimated wait is more than one hour"),
        (10.0, math.inf, "", ""),
    ],
)
def test_a_wait_is_said_as_an_interval_in_round_minutes(p50_s: float, p90_s: float, zh: str, en: str) -> None:
    assert sentence_of("zh-TW", say_wait("zh-TW", p50_s, p90_s)) == zh
    assert sentence_of("en", say_wait("en", p50_s, p90_s)) == en


@pytest.mark.parametrize(
    ("position", "zh", "en"),
    [
        (1, "下一位就是您。", "You are next in line."),
        (2, "您目前排在第二位。", "You are number two in line."),
        (12, "您目前排在第十二位。", "You are number twelve in line."),
    ],
)
def test_a_place_in_the_line_is_said_as_people_say_it(position: int, zh: str, en: str) -> None:
    assert sentence_of("zh-TW", say_place("zh-TW", position)) == zh
    assert sentence_of("en", say_place("en", position)) == en


@pytest.mark.parametrize(
    ("style", "value"),
    [
        (Style.DATE, "2026-02-30"),
        (Style.DATE, 20261120),
        (Style.TIME, "25:00"),
        (Style.TIME, "noon"),
        (Style.TIME, 12),
        (Style.NUMBER, "12"),
        (Style.NUMBER, True),
        (Style.ORDINAL, -1),
        (Style.DURATION, -1),
        (Style.DIGITS, ""),
        (Style.DIGITS, "no digit here"),
    ],
)
def test_what_a_style_can_not_say_is_not_said(style: Style, value: Value) -> None:
    assert say("zh-TW", style, value) == ()
    assert say("en", style, value) == ()


def test_a_variable_that_is_unset_is_not_said() -> None:
    assert say("zh-TW", Style.NUMBER, None) == ()


def test_a_language_of_a_country_follows_the_language_and_an_unknown_one_says_nothing() -> None:
    assert say("en-GB", Style.NUMBER, 2) == ("num_2",)
    assert speaker("nan") is None
    assert say("nan", Style.NUMBER, 2) == ()


@pytest.mark.parametrize("language", SPEAKERS)
def test_every_word_of_a_language_has_a_prompt_id_and_a_text(language: str) -> None:
    for prompt, text in SPEAKERS[language].words.items():
        assert is_prompt_id(prompt)
        assert text
