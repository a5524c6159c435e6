"""Parts that several kinds of nodes are written with."""

import re
from collections.abc import Mapping

from ivr.expression import Expression, ExpressionError
from ivr.expression_text import parse_expression
from ivr.model import KEYS, Said, Spoken
from ivr.prompts import is_prompt_id
from ivr.reading import Reader, shown
from ivr.speech.rules import Style

TRIES_MAX = 10
TIMEOUT_S_MAX = 60.0

_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
_SPOKEN = re.compile(r"\{(.*) as ([a-z_]+)\}", re.DOTALL)
_NOWHERE = Expression("", parse_expression("false").root)


def prompts(reader: Reader, key: str, default: tuple[str, ...] | None) -> tuple[Said, ...]:
    """Prompt ids, and spoken values written `{balance as money}`."""
    before = len(reader.mistakes)
    texts = reader.texts(key, default)
    if default is None and not texts and len(reader.mistakes) == before:
        reader.wrong(key, "must name at least one prompt")
    found: list[Said] = []
    for text in texts:
        if text.startswith("{"):
            found += _spoken(reader, key, text)
        elif is_prompt_id(text):
            found.append(text)
        else:
            reader.wrong(key, f"{shown(text)} is not a prompt id (lower-case letters, digits, underscores)")
    return tuple(found)


def _spoken(reader: Reader, key: str, text: str) -> tuple[Spoken, ...]:
    found = _SPOKEN.fullmatch(text)
    if found is None:
        reader.wrong(key, f"{shown(text)} is no spoken value; write {{balance as money}}")
        return ()
    if found[2] not in tuple(Style):
        reader.wrong(key, f"nothing is said as {shown(found[2])}; there are {', '.join(Style)}")
        return ()
    try:
        return (Spoken(parse_expression(found[1]), Style(found[2])),)
    except ExpressionError as error:
        reader.wrong(key, f"in {shown(text)}: {error}")
        return ()


def expression(reader: Reader, key: str) -> Expression:
    """An expression; a number or a boolean may stand for itself."""
    text = reader.raw(key, None)
    if text is None:
        return _NOWHERE
    if isinstance(text, bool):
        text = "true" if text else "false"
    if not isinstance(text, str | int | float):
        reader.wrong(key, f"must be an expression, not {shown(text)}")
        return _NOWHERE
    try:
        return parse_expression(str(text))
    except ExpressionError as error:
        reader.wrong(key, str(error))
        return _NOWHERE


def expressions(reader: Reader, key: str, *, required: bool) -> dict[str, Expression]:
    """A table of expressions."""
    if not required and key not in reader:
        return {}
    table = reader.table(key)
    found = {name: expression(table, name) for name in table.names}
    if required and not found and isinstance(reader.raw(key, ""), Mapping):
        reader.wrong(key, "must not be empty")
    return found


def by_key(reader: Reader, name: str, allowed: str, *, required: bool) -> dict[str, str]:
    """A table by keys of the telephone."""
    found = reader.text_map(name, required=required)
    for key in found:
        if len(key) != 1 or key not in KEYS:
            reader.wrong(f"{name}.{key}", f"{shown(key)} is not a key of a telephone")
        elif key not in allowed:
            reader.wrong(
                f"{name}.{key}", f"{shown(key)} is part of the answer; only {' '.join(allowed)} lead elsewhere"
            )
    return found


def tables(reader: Reader, key: str, most: int, what: str) -> list[Reader]:
    """The tables of a list, from one to `most`; each is called key[n] in mistakes."""
    value = reader.raw(key, None)
    if value is None:
        return []
    if not isinstance(value, list | tuple) or not 0 < len(value) <= most:
        reader.wrong(key, f"must be {what}, from 1 to {most} of them")
        return []
    return [Reader(each, reader.at(f"{key}[{n}]"), reader.mistakes) for n, each in enumerate(value, 1)]


def plain_id(reader: Reader, key: str) -> str:
    """A name of lower-case letters, digits and underscores."""
    text = reader.text(key)
    if text and not _ID.fullmatch(text):
        reader.wrong(key, f"must be 1-32 lower-case letters, digits and underscores, not {shown(text)}")
    return text


def tries(reader: Reader, default: int) -> int:
    """How often is asked."""
    return reader.whole("tries_max", default, 1, TRIES_MAX)


def timeout(reader: Reader, key: str, default: float) -> float:
    """How many seconds are waited for a key."""
    return reader.number(key, default, 0.5, TIMEOUT_S_MAX)
