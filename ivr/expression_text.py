"""How expressions are written: their text becomes an Expression, or an error with its place (see `expression`)."""

import re
from typing import NoReturn

from ivr.expression import (
    DEPTH_MAX,
    NUMBER_MAX,
    PARTS_MAX,
    SIGNS,
    TEXT_MAX,
    Among,
    Compare,
    Every,
    Expression,
    ExpressionError,
    IsSet,
    Length,
    Literal,
    Name,
    Not,
    Part,
    Some,
    StartsWith,
    Sum,
    Type,
    is_date,
)

WORDS = frozenset({"and", "or", "not", "in", "is", "set", "starts", "with", "length", "true", "false", "as"})
_TOKEN = re.compile(
    r"\s*(?:(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})|(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<text>'[^']*')"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>!=|<=|>=|[=<>+\-(),])|(?P<end>$)|(?P<wrong>.))",
    re.DOTALL,
)


def parse_expression(text: str) -> Expression:
    """The expression a text stands for; raises ExpressionError with the place of the first mistake."""
    if len(text) > TEXT_MAX:
        raise ExpressionError(f"must have at most {TEXT_MAX} characters, not {len(text)}", TEXT_MAX + 1)
    reader = _Reader(text)
    root = reader.either(0)
    if reader.kind != "end":
        reader.wrong("'and', 'or' or the end is expected")
    return Expression(text, root)


class _Reader:
    """Recursive descent, one seen ahead; `kind` and `next` are what comes next."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = 0
        self.made = 0
        self.kind, self.next, self.at = "", "", 1
        self.move()

    def move(self) -> None:
        found = _TOKEN.match(self.text, self.end)
        assert found is not None, "the last alternative matches any character"
        assert found.lastgroup is not None
        self.kind, self.next, self.at = found.lastgroup, found[found.lastgroup], found.start(found.lastgroup) + 1
        self.end = found.end()
        if self.kind == "name" and self.next in WORDS:
            self.kind = "word"
        if self.kind == "wrong":
            self.wrong("a text ends with a single quote" if self.next == "'" else f"{self.next!r} means nothing here")

    def wrong(self, sentence: str) -> NoReturn:
        found = "" if self.kind in {"end", "wrong"} else f", not {self.next!r}"
        raise ExpressionError(sentence + found, self.at)

    def took(self, *tokens: str) -> bool:
        """Whether the next seen is one of these; then it is read."""
        if self.kind in {"word", "sign"} and self.next in tokens:
            self.move()
            return True
        return False

    def need(self, seen: str) -> None:
        if not self.took(seen):
            self.wrong(f"{seen!r} is expected")

    def either(self, depth: int) -> Part:
        at, found = self.at, [self.every(depth)]
        while self.took("or"):
            found.append(self.every(depth))
        return found[0] if len(found) == 1 else self.made_one(Some(tuple(found), at))

    def every(self, depth: int) -> Part:
        at, found = self.at, [self.contrary(depth)]
        while self.took("and"):
            found.append(self.contrary(depth))
        return found[0] if len(found) == 1 else self.made_one(Every(tuple(found), at))

    def contrary(self, depth: int) -> Part:
        at = self.at
        if self.took("not"):
            return self.made_one(Not(self.contrary(self.deeper(depth)), at))
        return self.test(depth)

    def test(self, depth: int) -> Part:
        left, at = self.sum(depth), self.at
        if self.kind == "sign" and self.next in SIGNS:
            sign = self.next
            self.move()
            return self.made_one(Compare(left, sign, self.sum(depth), at))
        if self.took("starts"):
            self.need("with")
            return self.made_one(StartsWith(left, self.sum(depth), at))
        if self.took("in"):
            return self.among(left, at, depth)
        if self.took("is"):
            contrary = self.took("not")
            self.need("set")
            if not isinstance(left, Name):
                raise ExpressionError("only a variable can be set", at)
            found = self.made_one(IsSet(left, at))
            return self.made_one(Not(found, at)) if contrary else found
        if self.kind == "word" and self.next == "not":
            self.move()
            self.need("in")
            return self.made_one(Not(self.among(left, at, depth), at))
        return left

    def among(self, left: Part, at: int, depth: int) -> Part:
        self.need("(")
        options = [self.sum(depth)]
        while self.took(","):
            options.append(self.sum(depth))
        self.need(")")
        return self.made_one(Among(left, tuple(options), at))

    def sum(self, depth: int) -> Part:
        left = self.value(depth)
        while self.kind == "sign" and self.next in {"+", "-"}:
            at, minus = self.at, self.next == "-"
            self.move()
            left = self.made_one(Sum(left, self.value(depth), minus, at))
        return left

    def value(self, depth: int) -> Part:
        at, seen, kind = self.at, self.next, self.kind
        if self.took("("):
            inner = self.either(self.deeper(depth))
            self.need(")")
            return inner
        if self.took("length"):
            self.need("(")
            inner = self.sum(self.deeper(depth))
            self.need(")")
            return self.made_one(Length(inner, at))
        if self.took("true", "false"):
            return self.made_one(Literal(seen == "true", Type.BOOLEAN, at))
        if self.took("-") and self.kind == "number":
            number = self.number(self.next, at)
            self.move()
            return self.made_one(Literal(-number, Type.NUMBER, at))
        found: Part
        match kind:
            case "number":
                found = Literal(self.number(seen, at), Type.NUMBER, at)
            case "text":
                found = Literal(seen[1:-1], Type.TEXT, at)
            case "date" if is_date(seen):
                found = Literal(seen, Type.DATE, at)
            case "date":
                raise ExpressionError(f"{seen} is no day of the calendar", at)
            case "name":
                found = Name(seen, at)
            case _:
                self.wrong("a value is expected")
        self.move()
        return self.made_one(found)

    def number(self, seen: str, at: int) -> int | float:
        number = float(seen) if "." in seen else int(seen)
        if number > NUMBER_MAX:
            raise ExpressionError(f"numbers go up to {NUMBER_MAX}", at)
        return number

    def deeper(self, depth: int) -> int:
        if depth >= DEPTH_MAX:
            raise ExpressionError(f"is nested more than {DEPTH_MAX} deep", self.at)
        return depth + 1

    def made_one(self, part: Part) -> Part:
        self.made += 1
        if self.made > PARTS_MAX:
            raise ExpressionError(f"has more than {PARTS_MAX} parts", self.at)
        return part
