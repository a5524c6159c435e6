"""Laws of spoken values: what is said can be read back, and every word of it has a prompt."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ivr.expression import NUMBER_MAX
from ivr.speech import SPEAKERS, Style, say
from ivr.speech.rules import NUMBER_END
from ivr.speech.waiting import ROUND_MINUTES, interval, needed_to_wait, say_place, say_wait

ZH_DIGITS = "零一二三四五六七八九"
EN = {word: prompt for prompt, word in SPEAKERS["en"].words.items()}
EN_ONES = {word: int(p.removeprefix("num_")) for word, p in EN.items() if p.removeprefix("num_").isdigit()}

languages = st.sampled_from(sorted(SPEAKERS))
wholes = st.one_of(st.integers(0, 30_000), st.integers(0, NUMBER_END - 1), st.integers(0, 14).map(lambda n: 10**n))
numbers = st.one_of(wholes, st.floats(-1e6, 1e6), st.integers(-NUMBER_MAX, NUMBER_MAX))


def words(language: str, style: Style, value: float | str) -> list[str]:
    return [SPEAKERS[language].words[prompt] for prompt in say(language, style, value)]


def read_zh(said: list[str]) -> int:
    """A number in Chinese, by the rule of a pupil: a digit times its place, a group times its 萬."""
    total = group = digit = 0
    for word in said:
        if word in ZH_DIGITS:
            digit = ZH_DIGITS.index(word)
        elif word == "兩":
            digit = 2
        elif word in "十百千":
            group += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[word]
            digit = 0
        else:
            total += (group + digit) * {"萬": 10**4, "億": 10**8, "兆": 10**12}[word]
            group = digit = 0
    return total + group + digit


def read_en(said: list[str]) -> int:
    total = group = 0
    for word in said:
        if word in EN_ONES:
            group += EN_ONES[word]
        elif word == "hundred":
            group *= 100
        else:
            total += group * {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}[word]
            group = 0
    return total + group


@given(wholes)
def test_a_whole_number_can_be_read_back_in_every_language(value: int) -> None:
    assert read_zh(words("zh-TW", Style.NUMBER, value)) == value
    assert read_en(words("en", Style.NUMBER, value)) == value


@given(wholes)
def test_chinese_says_no_zero_twice_none_at_the_end_and_never_two_where_it_should_be_a_pair(value: int) -> None:
    said = "".join(words("zh-TW", Style.NUMBER, value))
    assert "零零" not in said
    assert value == 0 or not said.endswith("零")
    assert "二百" not in said
    assert "二千" not in said
    assert "兩十" not in said
    assert not said.endswith("兩")


@given(st.decimals(Decimal(0), Decimal(100_000), places=4))
def test_the_decimals_of_a_number_can_be_read_back(value: Decimal) -> None:
    for language, reading, point in (("zh-TW", read_zh, "點"), ("en", read_en, "point")):
        said = words(language, Style.NUMBER, float(value))
        cut = said.index(point) if point in said else len(said)
        decimals = "".join(str(reading([word])) for word in said[cut + 1 :])
        assert Decimal(f"{reading(said[:cut])}.{decimals or '0'}") == value


@given(st.text("0123456789", max_size=40))
def test_digits_are_said_one_by_one(text: str) -> None:
    assert "".join(str(ZH_DIGITS.index(word)) for word in words("zh-TW", Style.DIGITS, text)) == text
    assert "".join(str(EN_ONES[word]) for word in words("en", Style.DIGITS, text)) == text


@given(st.integers(0, 10**12), st.sampled_from([Style.MONEY, Style.TWD, Style.USD]))
def test_an_amount_can_be_read_back_to_the_cent(cents: int, style: Style) -> None:
    said = [word for word in words("zh-TW", style, cents / 100) if word not in {"新臺幣", "美金"}]
    read = 0
    for unit, worth in (("元", 100), ("角", 10), ("分", 1)):
        if unit in said:
            cut = said.index(unit)
            read += read_zh([word for word in said[:cut] if word != "零" or cut == 1]) * worth
            said = said[cut + 1 :]
    assert read == cents
    assert said == []


@given(st.dates(date(1000, 1, 1), date(9999, 12, 31)))
def test_a_date_can_be_read_back(day: date) -> None:
    said = words("zh-TW", Style.DATE, day.isoformat())
    year, month = said.index("年"), said.index("月")
    assert "".join(str(ZH_DIGITS.index(word)) for word in said[:year]) == str(day.year)
    assert read_zh(said[year + 1 : month]) == day.month
    assert read_zh(said[month + 1 : -1]) == day.day


@given(st.dates(date(1913, 1, 1), date(2200, 12, 31)))
def test_a_year_of_the_republic_is_1911_less(day: date) -> None:
    said = words("zh-TW", Style.ROC_DATE, day.isoformat())
    assert said[0] == "民國"
    assert read_zh(said[1 : said.index("年")]) == day.year - 1911


@given(st.integers(0, 23), st.integers(0, 59))
def test_no_two_times_of_the_day_sound_alike(hour: int, minute: int) -> None:
    for language in SPEAKERS:
        said = say(language, Style.TIME, f"{hour:02}:{minute:02}")
        others = {say(language, Style.TIME, f"{h:02}:{minute:02}") for h in range(24) if h != hour}
        others |= {say(language, Style.TIME, f"{hour:02}:{m:02}") for m in range(60) if m != minute}
        assert said not in others


@given(languages, st.sampled_from(Style), st.one_of(numbers, st.booleans(), st.text(max_size=80), st.dates().map(str)))
def test_whatever_is_said_has_a_prompt_and_nothing_raises(language: str, style: Style, value: float | str) -> None:
    assert len(words(language, style, value)) <= 70


waits = st.tuples(st.floats(0, 20_000), st.floats(0, 20_000) | st.just(float("inf"))).map(
    lambda two: tuple(sorted(two))
)


@given(waits)
def test_an_interval_lies_around_what_is_foretold_in_minutes_that_people_say(wait: tuple[float, float]) -> None:
    least, most = interval(*wait)
    assert least in ROUND_MINUTES
    assert 60 * least <= wait[0]
    assert most in (*ROUND_MINUTES[1:], None)
    assert wait[1] <= (float("inf") if most is None else 60 * most)


@given(waits, waits)
def test_what_is_said_never_rises_unless_what_is_foretold_does(
    one: tuple[float, float], two: tuple[float, float]
) -> None:
    lower = (min(one[0], two[0]), min(one[1], two[1]))
    (least, most), (before, end) = interval(*lower), interval(*one)
    assert least <= before
    assert end is None or (most is not None and most <= end)


@given(languages, waits, st.integers(1, 10_000))
def test_whatever_is_said_to_who_waits_is_among_the_prompts_that_are_checked(
    language: str, wait: tuple[float, float], position: int
) -> None:
    said = {*say_wait(language, *wait), *say_place(language, position)}
    assert said <= set(needed_to_wait(SPEAKERS[language]))
