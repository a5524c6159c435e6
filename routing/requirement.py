"""Who may serve: a skill expression, a value that is read from text, tested on an agent, and can say why not.

    product >= 3 and (en or zh-TW) and not trainee
    team:gold or experience >= 4
    agent:agent01 or agent:agent02

A bare skill asks only that the agent holds it, at any level. Levels are 0…100; a skill that is not listed is absent,
and an absent skill meets neither `skill` nor any comparison.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, TypeAlias, assert_never

from msgspec import Struct

LEVEL_MAX = 100
DEPTH_MAX = 20
TERMS_MAX = 50
NAME_MAX = 64
TEXT_MAX = 10_000
"""Characters; a requirement of TERMS_MAX terms fits, however long their names and deep their brackets."""

RESERVED = frozenset({"and", "or", "not", "anyone", "experience"})
"""Words of the language, which no skill can have as its name."""


class Served(Protocol):
    """What a requirement looks at in an agent."""

    @property
    def agent_id(self) -> str:
        """Who they are."""

    @property
    def skills(self) -> Mapping[str, int]:
        """The level held, 0…100, by skill; a skill not listed is absent."""

    @property
    def experience(self) -> int:
        """How experienced they are, 0…100."""

    @property
    def team(self) -> str | None:
        """Their team, if any."""

    @property
    def location(self) -> str | None:
        """Where they sit, if it is known."""


class Held(Struct, frozen=True, gc=False, cache_hash=True):
    """The skill is held at a level in [least, most]."""

    skill: str
    least: int = 0
    most: int = LEVEL_MAX

    def __post_init__(self) -> None:
        assert 0 <= self.least <= self.most <= LEVEL_MAX, "no level is in this range"


class Experience(Struct, frozen=True, gc=False, cache_hash=True):
    """The agent's experience level is at least this."""

    least: int

    def __post_init__(self) -> None:
        assert 0 <= self.least <= LEVEL_MAX


class InTeam(Struct, frozen=True, gc=False, cache_hash=True):
    """The agent is in this team."""

    team: str


class At(Struct, frozen=True, gc=False, cache_hash=True):
    """The agent sits at this location."""

    location: str


class Named(Struct, frozen=True, gc=False, cache_hash=True):
    """It is this agent."""

    agent_id: str


class All(Struct, frozen=True, gc=False, cache_hash=True):
    """Every part is met; none at all is met by anyone."""

    parts: tuple[Requirement, ...] = ()


class Either(Struct, frozen=True, gc=False, cache_hash=True):
    """At least one part is met."""

    parts: tuple[Requirement, ...]

    def __post_init__(self) -> None:
        assert len(self.parts) >= 2, "one of one part is that part, one of none is never met: neither has a text"


class Not(Struct, frozen=True, gc=False, cache_hash=True):
    """The part is not met."""

    part: Requirement


Requirement: TypeAlias = Held | Experience | InTeam | At | Named | All | Either | Not

ANYONE = All()


class RequirementError(ValueError):
    """The text is no requirement; the message says what was expected and where."""


def met(requirement: Requirement, agent: Served) -> bool:
    """Whether the agent may serve who requires this."""
    match requirement:
        case Held(skill, least, most):
            level = agent.skills.get(skill)
            return level is not None and least <= level <= most
        case Experience(least):
            return agent.experience >= least
        case InTeam(team):
            return agent.team == team
        case At(location):
            return agent.location == location
        case Named(agent_id):
            return agent.agent_id == agent_id
        case All(parts):
            return all(met(part, agent) for part in parts)
        case Either(parts):
            return any(met(part, agent) for part in parts)
        case Not(part):
            return not met(part, agent)
        case _:
            assert_never(requirement)


def why_not(requirement: Requirement, agent: Served) -> str | None:
    """The first part that the agent does not meet, as text; None if all is met."""
    if met(requirement, agent):
        return None
    if isinstance(requirement, All):
        return next(reason for part in requirement.parts if (reason := why_not(part, agent)) is not None)
    return show(requirement)


def both(*requirements: Requirement) -> Requirement:
    """What is met exactly by who meets all of these; flat, each part once, in a canonical order.

    The levels asked of one skill are joined to one range, or, if no level is in all of them, to two parts.
    """
    parts: dict[Requirement, None] = {}
    levels: dict[str, tuple[int, int]] = {}
    for part in _flat(requirements):
        if isinstance(part, Held):
            least, most = levels.get(part.skill, (0, LEVEL_MAX))
            levels[part.skill] = max(least, part.least), min(most, part.most)
        else:
            parts[part] = None
    for skill, (least, most) in levels.items():
        for held in (Held(skill, least, most),) if least <= most else (Held(skill, least), Held(skill, 0, most)):
            parts[held] = None
    ordered = tuple(sorted(parts, key=show))
    return ordered[0] if len(ordered) == 1 else All(ordered)


def _flat(requirements: Iterable[Requirement]) -> Iterator[Requirement]:
    for each in requirements:
        if isinstance(each, All):
            yield from _flat(each.parts)
        else:
            yield each


def needing(levels: Mapping[str, int]) -> Requirement:
    """Each of these skills at its level or better."""
    return both(*(Held(skill, level) for skill, level in levels.items()))


def atoms(requirement: Requirement) -> Iterator[Held | Experience | InTeam | At | Named]:
    """Everything that the requirement mentions, left to right."""
    match requirement:
        case All(parts) | Either(parts):
            for part in parts:
                yield from atoms(part)
        case Not(part):
            yield from atoms(part)
        case _:
            yield requirement


def proficiency(requirement: Requirement, skills: Mapping[str, int]) -> int:
    """How well these skills answer: the sum of the levels held in the skills asked for; `not` asks for none."""
    return sum(skills.get(skill, 0) for skill in asked(requirement))


def asked(requirement: Requirement) -> tuple[str, ...]:
    """The skills that are asked for, each once; those under `not` are not."""
    found: dict[str, None] = {}
    _collect(requirement, found)
    return tuple(found)


def _collect(requirement: Requirement, found: dict[str, None]) -> None:
    match requirement:
        case Held(skill):
            found[skill] = None
        case All(parts) | Either(parts):
            for part in parts:
                _collect(part, found)
        case _:
            pass


def show(requirement: Requirement) -> str:
    """The text that `parse` reads back to an equal requirement."""
    match requirement:
        case Held(skill, least, most):
            return _levels(skill, least, most)
        case Experience(least):
            return f"experience >= {least}"
        case InTeam(team):
            return f"team:{team}"
        case At(location):
            return f"location:{location}"
        case Named(agent_id):
            return f"agent:{agent_id}"
        case All(parts):
            return " and ".join(map(_within, parts)) or "anyone"
        case Either(parts):
            return " or ".join(map(_within, parts))
        case Not(part):
            return f"not ({show(part)})" if _is_range(part) else f"not {_within(part)}"
        case _:
            assert_never(requirement)


def _levels(skill: str, least: int, most: int) -> str:
    if (least, most) == (0, LEVEL_MAX):
        return skill
    if least == most:
        return f"{skill} = {least}"
    bounds = [f"{skill} >= {least}"] if least > 0 else []
    return " and ".join([*bounds, f"{skill} <= {most}"] if most < LEVEL_MAX else bounds)


def _is_range(part: Requirement) -> bool:
    """Whether it reads "… and …" though it is one part: no matter beside `and` and `or`, but `not` binds stronger."""
    return isinstance(part, Held) and 0 < part.least < part.most < LEVEL_MAX


def _within(part: Requirement) -> str:
    return f"({show(part)})" if isinstance(part, All | Either) and part != ANYONE else show(part)


_SPACE = re.compile(r"\s*")
_TOKEN = re.compile(r"(?P<word>[A-Za-z0-9_][A-Za-z0-9_:-]*)|(?P<sign>>=|<=|==|[()<>=])")


def parse(text: str) -> Requirement:
    """The requirement that the text describes; raises RequirementError with what was expected and where."""
    if len(text) > TEXT_MAX:
        raise RequirementError(f"longer than {TEXT_MAX} characters")
    reader = _Reader(text)
    found = reader.either(0)
    if reader.here is not None:
        raise reader.error("'and', 'or' or the end")
    return found


class _Reader:
    """The tokens of one text, and the grammar: or binds weakest, then and, then not."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, int]] = []
        at = _space_after(text, 0)
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                raise RequirementError(f"what is {text[at]!r} at character {at + 1}? write skills, numbers, and or not")
            self.tokens.append((token.group(), at))
            at = _space_after(text, token.end())
        self.at = 0
        self.terms = 0

    @property
    def here(self) -> str | None:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else None

    def error(self, wanted: str) -> RequirementError:
        if self.here is None:
            return RequirementError(f"it ends where {wanted} should be")
        return RequirementError(
            f"{wanted} should be at character {self.tokens[self.at][1] + 1}, not {self.here[:NAME_MAX]!r}"
        )

    def take(self, *words: str) -> bool:
        if self.here in words:
            self.at += 1
            return True
        return False

    def either(self, depth: int) -> Requirement:
        if depth > DEPTH_MAX:
            raise RequirementError(f"nested deeper than {DEPTH_MAX}")
        parts = [self.all(depth)]
        while self.take("or"):
            parts.append(self.all(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def all(self, depth: int) -> Requirement:
        parts = [self.part(depth)]
        while self.take("and"):
            parts.append(self.part(depth))
        return parts[0] if len(parts) == 1 else both(*parts)

    def part(self, depth: int) -> Requirement:
        if depth > DEPTH_MAX:
            raise RequirementError(f"nested deeper than {DEPTH_MAX}")
        if self.take("not"):
            return Not(self.part(depth + 1))
        if self.take("("):
            inner = self.either(depth + 1)
            if not self.take(")"):
                raise self.error("')'")
            return inner
        word = self.here
        if word is None or not (word[0].isalnum() or word[0] == "_") or word in {"and", "or"}:
            raise self.error("a skill, 'team:…', 'location:…', 'agent:…' or 'experience >= n'")
        self.at += 1
        return self.atom(word)

    def atom(self, word: str) -> Requirement:
        self.terms += 1
        if self.terms > TERMS_MAX:
            raise RequirementError(f"more than {TERMS_MAX} terms; split it into steps")
        kind, colon, name = word.partition(":")
        if max(len(kind), len(name)) > NAME_MAX:
            raise RequirementError(f"{word[:NAME_MAX]!r}… is longer than {NAME_MAX} characters")
        if colon:
            named = _NAMED.get(kind)
            if named is None or not name or ":" in name:
                raise RequirementError(f"what is {word!r}? write team:…, location:… or agent:…")
            return named(name)
        if word == "anyone":
            return ANYONE
        if self.here not in _SIGNS:
            if word == "experience":
                raise self.error("'>='")
            return Held(word)
        sign = self.tokens[self.at][0]
        self.at += 1
        level = self.level()
        least, most = {
            ">=": (level, LEVEL_MAX),
            ">": (level + 1, LEVEL_MAX),
            "<=": (0, level),
            "<": (0, level - 1),
        }.get(sign, (level, level))
        if least > most:
            raise RequirementError(f"no level can be {sign} {level}; levels are 0 to {LEVEL_MAX}")
        if word != "experience":
            return Held(word, least, most)
        if sign not in {">=", ">"}:
            raise RequirementError("experience can only be asked for with >= or >")
        return Experience(least)

    def level(self) -> int:
        word = self.here
        if word is None or not word.isdecimal() or len(word) > NAME_MAX or int(word) > LEVEL_MAX:
            raise self.error(f"a level from 0 to {LEVEL_MAX}")
        self.at += 1
        return int(word)


_SIGNS = frozenset({">=", ">", "<=", "<", "=", "=="})
_NAMED: Mapping[str, Callable[[str], Requirement]] = {"team": InTeam, "location": At, "agent": Named}


def _space_after(text: str, at: int) -> int:
    """Where the next token begins, at or after `at`."""
    space = _SPACE.match(text, at)
    return space.end() if space is not None else at
