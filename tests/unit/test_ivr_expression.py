"""Expressions: what they mean, what is refused, and where."""

import pytest

from ivr.expression import Expression, ExpressionError, Type, Value, as_text, fits
from ivr.expression_text import parse_expression
from ivr.types import Declared, check_expression

DECLARED = {
    "tier": Declared(Type.TEXT, ("platinum", "vip", "basic")),
    "name": Declared(Type.TEXT),
    "account": Declared(Type.DIGITS),
    "tries": Declared(Type.NUMBER),
    "known": Declared(Type.BOOLEAN),
    "born": Declared(Type.DATE),
}
HELD: dict[str, Value] = {
    "tier": "vip",
    "account": "0912345678",
    "tries": 2,
    "known": True,
    "born": "1999-12-31",
}


def value(text: str) -> Value | None:
    return parse_expression(text).of(HELD.get)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tier = 'vip'", True),
        ("tier in ('platinum', 'vip') and tries < 3", True),
        ("tier not in ('platinum')", True),
        ("not known or tries >= 2", True),
        ("not (known or tries >= 2)", False),
        ("known and not tries = 3", True),
        ("length(account) = 10 and account starts with '09'", True),
        ("length(name)", 0),
        ("born < 2000-01-01", True),
        ("tries + 1 - 4", -1),
        ("tries - -1", 3),
        ("1.5 + tries", 3.5),
        ("name is set", False),
        ("name is not set", True),
        ("name = 'x' or name != 'x'", True),  # what is unset equals nothing
        ("name starts with ''", False),
        ("name + 1", None),
        ("known = (tries = 2)", True),
        ("tries < 'x'", False),  # refused by the check, and no error without it
        ("1 or true", True),
    ],
)
def test_an_expression_has_the_value_that_it_reads_as(text: str, expected: Value | None) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "sentence", "at"),
    [
        ("", "a value is expected", 1),
        ("tier =", "a value is expected", 7),
        ("tier = = 1", "a value is expected, not '='", 8),
        ("tier = 'vip", "a text ends with a single quote", 8),
        ("(tier = 'vip'", "')' is expected", 14),
        ("tries = 1 2", "'and', 'or' or the end is expected, not '2'", 11),
        ("1 is set", "only a variable can be set", 3),
        ("born < 2025-02-29", "2025-02-29 is no day of the calendar", 8),
        ("name starts 'x'", "'with' is expected, not \"'x'\"", 13),
        ("__import__('os')", "'and', 'or' or the end is expected, not '('", 11),
        ("name ; 1", "';' means nothing here", 6),
        ("9999999999999999", "numbers go up to 1000000000000000", 1),
        ("(" * 30 + "1" + ")" * 30, "is nested more than 20 deep", 22),
        ("not " * 30 + "known", "is nested more than 20 deep", 85),
        (" or ".join(["known"] * 101), "must have at most 500 characters, not 905", 501),
        ("+".join(["1"] * 101), "has more than 100 parts", 102),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, sentence: str, at: int) -> None:
    with pytest.raises(ExpressionError) as refusal:
        parse_expression(text)
    assert (refusal.value.sentence, refusal.value.at) == (sentence, at)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tier = 'vip'", []),
        ("acount = '1'", ["no such variable 'acount'; did you mean 'account'? (at 1)"]),
        ("account = 1", ["'=' can't compare digits with number (at 9)"]),
        ("name < 'x'", ["'<' compares numbers and dates, not text (at 6)"]),
        ("known + 1 = 2", ["'+' takes number, not boolean (at 1)"]),
        ("tries and known", ["'and' takes boolean, not number (at 1)"]),
        ("not name", ["'not' takes boolean, not text (at 5)"]),
        ("length(tries) = 1", ["'length' takes digits or text, not number (at 8)"]),
        ("born starts with '19'", ["'starts with' takes digits or text, not date (at 1)"]),
        ("tier in ('vip', 'platinm', 3)", [
            "no such tier 'platinm'; did you mean 'platinum'? (at 17)",
            "'in' can't compare text with number (at 6)",
        ]),
        ("tries + 1", ["must be boolean, not number"]),
        ("gone = 1 and lost > 2", ["no such variable 'gone' (at 1)", "no such variable 'lost' (at 14)"]),
    ],
)  # fmt: skip
def test_mistakes_of_type_come_all_at_once_with_their_places(text: str, found: list[str]) -> None:
    assert list(check_expression(parse_expression(text), DECLARED, [Type.BOOLEAN])) == found


def test_numbers_saturate_and_never_grow_beyond_their_bound() -> None:
    doubled = parse_expression("count + count")
    count: Value | None = 1
    for _ in range(10_000):
        count = doubled.of({"count": count}.get)
    assert count == 10**15


@pytest.mark.parametrize(
    ("held", "kind", "expected"),
    [
        ("x" * 200, Type.TEXT, True),
        ("x" * 201, Type.TEXT, False),
        ("0123", Type.DIGITS, True),
        ("01a", Type.DIGITS, False),
        (True, Type.NUMBER, False),
        (float("nan"), Type.NUMBER, False),
        (2, Type.BOOLEAN, False),
        ("2024-02-29", Type.DATE, True),
        ("2023-02-29", Type.DATE, False),
        ("20240229", Type.DATE, False),
    ],
)
def test_a_variable_holds_only_what_fits_its_type(held: object, kind: Type, expected: bool) -> None:
    assert fits(held, kind) is expected


def test_values_become_texts_as_people_write_them() -> None:
    assert [as_text(each) for each in (True, False, 12, 12.5, 3.0, "x")] == ["yes", "no", "12", "12.5", "3", "x"]


def test_an_expression_keeps_its_text() -> None:
    assert isinstance(parse_expression("known"), Expression)
    assert parse_expression(" known ").text == " known "
