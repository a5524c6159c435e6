"""What the readers of a site's files share: the names that exist, and small readers of names, texts and numbers."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ivr.prompts import is_prompt_id
from ivr.reading import Reader, no_such, shown
from routing.model import Exit, ExitKind
from routing.requirement import (
    ANYONE,
    LEVEL_MAX,
    At,
    Experience,
    Held,
    InTeam,
    Named,
    Requirement,
    RequirementError,
    atoms,
    parse,
)

NAME_CHARS_MAX = 100
SPAN_S_MAX = 86_400.0

# These become SIP users, dialplan words and file names.
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Names:
    """The names that exist, by kind. None: their file or key was unreadable, so nothing is said about them."""

    languages: Collection[str] | None
    skills: Collection[str] | None
    value_tiers: Collection[str] | None
    teams: Collection[str] | None
    locations: Collection[str] | None
    segments: Collection[str] | None
    hotlines: Collection[str] | None
    queues: Collection[str] | None
    agents: Collection[str] | None
    calendars: Collection[str] | None
    flows: Collection[str] | None
    prompts: Mapping[str, Collection[str]]


def known(reader: Reader, key: str, kind: str, names: Collection[str] | None, default: str | None = None) -> str:
    """A name of its kind."""
    name = reader.text(key, default)
    if name and names is not None and name not in names:
        reader.wrong(key, no_such(kind, name, names))
    return name


def known_or_none(reader: Reader, key: str, kind: str, names: Collection[str] | None) -> str | None:
    """A name of its kind; None where the key is absent."""
    return known(reader, key, kind, names) if key in reader else None


def all_known(reader: Reader, key: str, kind: str, names: Collection[str] | None) -> tuple[str, ...]:
    """A list of names of one kind, or one name; empty where the key is absent."""
    found = reader.texts(key, ())
    for name in found if names is not None else ():
        if name not in (names or ()):
            reader.wrong(key, no_such(kind, name, names or ()))
    return found


def check_id(reader: Reader, name: str) -> None:
    """The name of a table becomes part of Asterisk's files and of paths."""
    if not ID.fullmatch(name):
        reader.mistakes.append(f"{reader.path}: {shown(name)} can't be a name; use 1-32 letters, digits, - and _")


def ids(reader: Reader, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """A list of names that are defined here."""
    names = reader.texts(key, default)
    for name in names:
        if not ID.fullmatch(name):
            reader.wrong(key, f"{shown(name)} can't be a name; use 1-32 letters, digits, - and _")
    return names


def spoken_name(reader: Reader, key: str) -> str:
    """A name people read, in any script: printable, at most 100 characters."""
    text = reader.text(key)
    if len(text) > NAME_CHARS_MAX or not text.isprintable():
        reader.wrong(key, f"must be at most {NAME_CHARS_MAX} printable characters, not {shown(text)}")
    return text


def levels(reader: Reader, key: str, names: Names) -> dict[str, int]:
    """A table skill → level, 0…100."""
    table = reader.table(key)
    for skill in table.names:
        if names.skills is not None and skill not in names.skills:
            reader.wrong(key, no_such("skill", skill, names.skills))
    return {skill: table.whole(skill, None, 0, LEVEL_MAX) for skill in table.names}


def prompts(reader: Reader, key: str, there: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """A list of prompts, each of which must have audio in every language."""
    found = reader.texts(key, ())
    for prompt in found:
        if not is_prompt_id(prompt):
            reader.wrong(key, f"{shown(prompt)} is not a prompt id (lower-case letters, digits, underscores)")
            continue
        for language, spoken in there.items():
            if prompt not in spoken:
                reader.wrong(key, f"{no_such('prompt', prompt, spoken)} (in {language})")
    return found


def requirement(reader: Reader, key: str, names: Names) -> Requirement:
    """A skill expression whose every name exists; anyone where the key is absent."""
    text = reader.text(key, "anyone")
    try:
        found = parse(text) if text else ANYONE
    except RequirementError as error:
        reader.wrong(key, str(error))
        return ANYONE
    for kind, name, there in (_named(atom, names) for atom in atoms(found)):
        if there is not None and name not in there:
            reader.wrong(key, no_such(kind, name, there))
    return found


def _named(atom: Held | Experience | InTeam | At | Named, names: Names) -> tuple[str, str, Collection[str] | None]:
    """Kind and name of what a requirement mentions, and the names of that kind that exist."""
    match atom:
        case Held(skill):
            return "skill", skill, names.skills
        case InTeam(team):
            return "team", team, names.teams
        case At(location):
            return "location", location, names.locations
        case Named(agent_id):
            return "agent", agent_id, names.agents
        case Experience():
            return "experience", "", None


def way_out(reader: Reader, key: str, names: Names, default: str | None = None) -> Exit:
    """Where a contact goes that leaves a queue by rule: queue:ID, callback, voicemail or goodbye."""
    text = reader.text(key, default)
    kind, _, queue = text.partition(":")
    if kind == "queue" and queue:
        if names.queues is not None and queue not in names.queues:
            reader.wrong(key, no_such("queue", queue, names.queues))
        return Exit(ExitKind.QUEUE, queue)
    if text in {"callback", "voicemail", "goodbye"}:
        return Exit(ExitKind(text))
    if text:
        reader.wrong(key, f"must be queue:ID, callback, voicemail or goodbye, not {shown(text)}")
    return Exit(ExitKind.GOODBYE)


def tables(reader: Reader, key: str) -> tuple[Reader, ...]:
    """The tables of a list of tables (`[[queue.steps]]`), in order; paths count from 1; none where it is absent."""
    return tuple(
        Reader(each, f"{reader.at(key)}[{n}]", reader.mistakes) for n, each in enumerate(_list(reader, key), 1)
    )


def _list(reader: Reader, key: str) -> list[object]:
    value = reader.raw(key, [])
    if isinstance(value, list):
        return value
    reader.wrong(key, f"must be a list of tables ([[…]]), not {shown(value)}")
    return []
