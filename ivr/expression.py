"""Expressions: a tiny, total language over declared, typed variables. No eval; a value costs what is written.

    tier in ('vip', 'platinum') and (hour >= 18 or not known)
    length(account) = 10 and account starts with '09'
    born is set and born < 2000-01-01
    tries + 1

`or` binds weakest, then `and`, then `not`, then comparisons, then + and -. Texts stand in single quotes, dates are
written YYYY-MM-DD. `digits` are texts of digits: they compare with texts, not with numbers.

Total: whatever the variables hold, there is a value and no error. A variable may be unset: then it equals nothing and
is not in, above, below or at the start of anything; it is not true; its length is 0; its sum is unset. Numbers
saturate at ±NUMBER_MAX. A text is at most TEXT_MAX characters and PARTS_MAX parts, which bounds what a value costs.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

TEXT_MAX = 500
PARTS_MAX = 100
DEPTH_MAX = 20
NUMBER_MAX = 10**15
VALUE_CHARS_MAX = 200

_DIGITS = frozenset("0123456789")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

# A date is kept as its ISO text, which sorts as dates do and can be stored anywhere.
Value = str | int | float | bool
Scope = Callable[[str], Value | None]


class Type(StrEnum):
    """What a variable can hold."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DIGITS = "digits"
    DATE = "date"


class ExpressionError(Exception):
    """The text is no expression: `sentence` says why, `at` is the character at fault, 1 the first."""

    def __init__(self, sentence: str, at: int) -> None:
        super().__init__(f"{sentence} (at {at})")
        self.sentence = sentence
        self.at = at


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it is written."""

    value: Value
    type: Type
    at: int

    def of(self, scope: Scope) -> Value | None:  # noqa: ARG002 - every part is asked alike
        """The value itself."""
        return self.value


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str
    at: int

    def of(self, scope: Scope) -> Value | None:
        """What the variable holds; None if it is unset."""
        return scope(self.name)


@dataclass(frozen=True, slots=True)
class Length:
    """How many characters a text has."""

    part: "Part"
    at: int

    def of(self, scope: Scope) -> Value | None:
        """0 for an unset text."""
        value = self.part.of(scope)
        return len(value) if isinstance(value, str) else 0


@dataclass(frozen=True, slots=True)
class Sum:
    """left + right, or left - right with `minus`."""

    left: "Part"
    right: "Part"
    minus: bool
    at: int

    def of(self, scope: Scope) -> Value | None:
        """The sum, saturated; None if one of them is unset."""
        left, right = self.left.of(scope), self.right.of(scope)
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            return None
        return max(-NUMBER_MAX, min(NUMBER_MAX, left - right if self.minus else left + right))


@dataclass(frozen=True, slots=True)
class Compare:
    """left = right, and the other comparisons."""

    left: "Part"
    sign: str
    right: "Part"
    at: int

    def of(self, scope: Scope) -> Value | None:
        """Whether it is so; with an unset side only `!=` is."""
        left, right = self.left.of(scope), self.right.of(scope)
        if left is None or right is None or isinstance(left, str) != isinstance(right, str):
            return self.sign == "!="  # of different kinds only where nobody checked
        return SIGNS[self.sign](left, right)


@dataclass(frozen=True, slots=True)
class Among:
    """part in (options)."""

    part: "Part"
    options: tuple["Part", ...]
    at: int

    def of(self, scope: Scope) -> Value | None:
        """Whether it equals one of them; an unset one equals none."""
        value = self.part.of(scope)
        return value is not None and any(value == option.of(scope) for option in self.options)


@dataclass(frozen=True, slots=True)
class StartsWith:
    """left starts with right."""

    left: "Part"
    right: "Part"
    at: int

    def of(self, scope: Scope) -> Value | None:
        """Whether it does; an unset one does not."""
        left, right = self.left.of(scope), self.right.of(scope)
        return isinstance(left, str) and isinstance(right, str) and left.startswith(right)


@dataclass(frozen=True, slots=True)
class IsSet:
    """The variable holds something."""

    name: Name
    at: int

    def of(self, scope: Scope) -> Value | None:
        """Whether it does."""
        return scope(self.name.name) is not None


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    part: "Part"
    at: int

    def of(self, scope: Scope) -> Value | None:
        """True unless the part is true."""
        return self.part.of(scope) is not True


@dataclass(frozen=True, slots=True)
class Every:
    """All of the parts (`and`)."""

    parts: tuple["Part", ...]
    at: int

    def of(self, scope: Scope) -> Value | None:
        """Whether all are true; looks no further than the first that is not."""
        return all(part.of(scope) is True for part in self.parts)


@dataclass(frozen=True, slots=True)
class Some:
    """One of the parts (`or`)."""

    parts: tuple["Part", ...]
    at: int

    def of(self, scope: Scope) -> Value | None:
        """Whether one is true; looks no further than the first that is."""
        return any(part.of(scope) is True for part in self.parts)


Part = Literal | Name | Length | Sum | Compare | Among | StartsWith | IsSet | Not | Every | Some

SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression and the text it was written as."""

    text: str
    root: Part

    def of(self, scope: Scope) -> Value | None:
        """Its value in a scope that tells what each variable holds; None if that is unset."""
        return self.root.of(scope)


def fits(value: object, kind: Type) -> bool:
    """Whether a variable of this type can hold the value: no text longer than VALUE_CHARS_MAX, no number too large."""
    match kind:
        case Type.BOOLEAN:
            return isinstance(value, bool)
        case Type.NUMBER:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return number and -NUMBER_MAX <= value <= NUMBER_MAX  # type: ignore[operator]
        case Type.DATE:
            return isinstance(value, str) and is_date(value)
        case Type.DIGITS:
            return isinstance(value, str) and len(value) <= VALUE_CHARS_MAX and set(value) <= _DIGITS
        case Type.TEXT:
            return isinstance(value, str) and len(value) <= VALUE_CHARS_MAX


def as_text(value: Value) -> str:
    """The value as a text: numbers as they are written, booleans yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:.15g}"


def is_date(text: str) -> bool:
    """True for a date written YYYY-MM-DD."""
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def parts(part: Part) -> Iterator[Part]:
    """The part and everything in it."""
    yield part
    match part:
        case Length(inner, _) | Not(inner, _) | IsSet(inner, _):
            yield from parts(inner)
        case Sum(left, right) | Compare(left, _, right) | StartsWith(left, right):
            yield from parts(left)
            yield from parts(right)
        case Among(inner, options):
            for each in (inner, *options):
                yield from parts(each)
        case Every(several) | Some(several):
            for each in several:
                yield from parts(each)
        case Literal() | Name():
            pass
