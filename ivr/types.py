"""Whether an expression makes sense: every variable declared, every comparison between things that compare."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ivr.expression import (
    Among,
    Compare,
    Every,
    Expression,
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
)
from ivr.reading import no_such

_TEXTS = frozenset({Type.TEXT, Type.DIGITS})
_ORDERED = frozenset({Type.NUMBER, Type.DATE})


@dataclass(frozen=True, slots=True)
class Declared:
    """What is known of a variable before it holds anything; `words` are all it can ever be, None: anything."""

    type: Type
    words: Collection[str] | None = None


Declarations = Mapping[str, Declared]


def check_expression(expression: Expression, declared: Declarations, wanted: Collection[Type]) -> Iterator[str]:
    """Every mistake of type as a sentence with its place; `wanted` are the types that its value may have."""
    judge = _Judge(declared)
    found = judge.type_of(expression.root)
    yield from judge.mistakes
    if found is not None and found not in wanted:
        yield f"must be {' or '.join(wanted)}, not {found}"


def assignable(found: Type, to: Type) -> bool:
    """Whether a variable of type `to` can be set to every value of type `found`."""
    return found is to or (found is Type.DIGITS and to is Type.TEXT)


class _Judge:
    """Finds types, and mistakes as it goes; what rests on a mistake has type None and is not judged again."""

    def __init__(self, declared: Declarations) -> None:
        self.declared = declared
        self.mistakes: list[str] = []

    def type_of(self, part: Part) -> Type | None:  # noqa: C901, PLR0912 - one case per kind of part
        match part:
            case Literal():
                return part.type
            case Name(name, at):
                if name not in self.declared:
                    self.wrong(no_such("variable", name, self.declared.keys()), at)
                    return None
                return self.declared[name].type
            case Length(inner):
                self.need(inner, _TEXTS, "length")
                return Type.NUMBER
            case Sum(left, right, minus):
                for each in (left, right):
                    self.need(each, {Type.NUMBER}, "-" if minus else "+")
                return Type.NUMBER
            case Compare(left, sign, right, at):
                self.alike(left, right, sign, at)
            case Among(inner, options, at):
                for option in options:
                    self.alike(inner, option, "in", at)
            case StartsWith(left, right):
                for each in (left, right):
                    self.need(each, _TEXTS, "starts with")
            case IsSet(name):
                self.type_of(name)
            case Not(inner):
                self.need(inner, {Type.BOOLEAN}, "not")
            case Every(several):
                for each in several:
                    self.need(each, {Type.BOOLEAN}, "and")
            case Some(several):
                for each in several:
                    self.need(each, {Type.BOOLEAN}, "or")
        return Type.BOOLEAN

    def need(self, part: Part, allowed: Collection[Type], by: str) -> None:
        found = self.type_of(part)
        if found is not None and found not in allowed:
            self.wrong(f"{by!r} takes {' or '.join(sorted(allowed))}, not {found}", part.at)

    def alike(self, left: Part, right: Part, sign: str, at: int) -> None:
        one, other = self.type_of(left), self.type_of(right)
        if one is None or other is None:
            return
        if one is not other and not {one, other} <= _TEXTS:
            self.wrong(f"{sign!r} can't compare {one} with {other}", at)
        elif sign in {"<", "<=", ">", ">="} and one not in _ORDERED:
            self.wrong(f"{sign!r} compares numbers and dates, not {one}", at)
        else:
            self.known_word(left, right)
            self.known_word(right, left)

    def known_word(self, variable: Part, literal: Part) -> None:
        """A word that the variable can never be is a slip of the pen."""
        if isinstance(variable, Name) and isinstance(literal, Literal):
            words = self.declared[variable.name].words
            if words is not None and literal.value not in words:
                self.wrong(no_such(variable.name, str(literal.value), words), literal.at)

    def wrong(self, sentence: str, at: int) -> None:
        self.mistakes.append(f"{sentence} (at {at})")
