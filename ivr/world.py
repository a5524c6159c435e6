"""Nodes that ask the world: what they ask, what the caller hears meanwhile, and where the answer leads.

An answer comes within `within_s` or is not waited for. A caller hears nothing for QUIET_S at most, most answers being
faster than that; then the node's prompts, then music. Keys are kept for the next node that asks.
"""

import re
from collections.abc import Mapping
from typing import assert_never
from urllib.parse import quote

from ivr.expression import Type, Value, as_text, fits, is_date
from ivr.model import NodeId, WorldNode
from ivr.turn import (
    Answered,
    Ask,
    ComparePin,
    Digit,
    Input,
    Inquiry,
    KeepAnswers,
    LookUp,
    PastUse,
    PromptEnded,
    RecallVerified,
    Request,
    StartMusic,
    TimeIsUp,
)
from ivr.walk import Walk
from ivr.world_model import AuthenticateNode, HttpNode, Lookup, LookupNode, RememberNode

QUIET_S = 1.0

# What a lookup finds, and of which type it is.
FIELDS: Mapping[Lookup, Mapping[str, Type]] = {
    Lookup.CUSTOMER: {"customer_id": Type.TEXT, "value_tier": Type.TEXT, "language": Type.TEXT},
    Lookup.CASE: {"number": Type.TEXT, "status": Type.TEXT, "subject": Type.TEXT, "opened_on": Type.DATE},
    Lookup.ANSWERS: {},  # whatever was remembered
    Lookup.ORDER: {
        "number": Type.TEXT,
        "status": Type.TEXT,
        "total": Type.NUMBER,
        "ordered_on": Type.DATE,
        "arrives_on": Type.DATE,
    },
}

PLACE = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_WHAT: Mapping[type[Inquiry], str] = {
    LookUp: "lookup",
    Request: "http",
    ComparePin: "pin",
    RecallVerified: "verified",
    KeepAnswers: "remember",
    PastUse: "use",
}
KEEP_S = 5.0


def visit_lookup(walk: Walk, node: LookupNode) -> None:
    """Ask the database."""
    by = None if node.by is None else node.by.of(walk.look)
    ask(walk, LookUp(node.lookup.value, "" if node.by is not None and by is None else by, customer(walk)), node)


def visit_http(walk: Walk, node: HttpNode) -> NodeId | None:
    """Ask another system; a value that can't stand in a path is an error at once."""
    url = _url(walk, node.url)
    if url is None:
        return fail(walk, node, "bad_value")
    query = {name: value for name, each in node.query.items() if (value := each.of(walk.look)) is not None}
    body = None
    if node.body is not None:
        body = {name: value for name, each in node.body.items() if (value := each.of(walk.look)) is not None}
    ask(walk, Request(url, query, body, tuple(dict.fromkeys(node.into.values())), node.credential), node)
    return None


def visit_remember(walk: Walk, node: RememberNode) -> NodeId:
    """Have answers kept, of a caller who has proved who they are or calls from their own number; go on at once."""
    who, answers = customer(walk), {name: each.of(walk.look) for name, each in node.answers.items()}
    known = {name: value for name, value in answers.items() if value is not None}
    if who is not None and known and (walk.verified or who == walk.facts.customer_id):
        walk.requests += 1
        walk.note("asked", {"request": walk.requests, "what": _WHAT[KeepAnswers]})
        walk.actions.append(Ask(walk.requests, KeepAnswers(who, known, node.fresh_s), KEEP_S))
    walk.way = "next"
    return node.next


def ask(walk: Walk, inquiry: Inquiry, node: WorldNode | AuthenticateNode) -> None:
    """Ask; from now on the caller waits."""
    walk.requests += 1
    walk.asked_at = walk.now
    walk.note("asked", {"request": walk.requests, "what": _WHAT[type(inquiry)]})
    walk.actions.append(Ask(walk.requests, inquiry, node.within_s))
    walk.timer_at = walk.now + min(QUIET_S, node.within_s)


def customer(walk: Walk) -> str | None:
    """Whom the caller is taken for: whom they said they are, else whose number calls."""
    return walk.facts.customer_id if walk.customer_id is None else walk.customer_id


def await_answer(walk: Walk, node: WorldNode | AuthenticateNode, heard: Input) -> Answered | None:
    """An input while the caller waits; the answer once there is one, made up if none came in time."""
    assert walk.asked_at is not None, "only who asked waits"
    due_at = walk.asked_at + node.within_s
    match heard:
        case Answered():
            return _settled(walk, node, heard) if heard.request == walk.requests else None
        case Digit(digit):
            if walk.counts(digit):
                walk.keep_ahead(digit)
        case PromptEnded():
            if walk.saying and walk.all_said():
                _play(walk)
        case TimeIsUp():
            if walk.timer_at is None or walk.now < walk.timer_at:
                return None
            if walk.now >= due_at:
                return _settled(walk, node, Answered(walk.requests, "error", why="timeout"))
            _comfort(walk, node)
        case _:
            assert_never(heard)
    if walk.saying or walk.music:
        walk.timer_at = due_at
    return None


def go_by(walk: Walk, node: WorldNode, answer: Answered) -> NodeId:
    """Keep what was found, and go where the answer leads."""
    match answer.outcome:
        case "found":
            for name, value in (_typed(walk, node.into, answer.values) or {}).items():
                walk.keep(name, value)
            _identify(walk, node, answer)
            walk.way = "next"
            return node.next
        case "none" if node.on_none is not None:
            for name in node.into:
                walk.keep(name, None)
            walk.way = "on_none"
            return node.on_none
        case _:
            walk.way = "on_error"
            return node.on_error


def fail(walk: Walk, node: HttpNode, why: str) -> NodeId:
    """The request is not made at all."""
    walk.note_answer("http", Answered(walk.requests, "error", why=why))
    walk.way = "on_error"
    return node.on_error


def typed(value: Value | None, kind: Type) -> Value | None:
    """A value of the world as a variable of this type holds it; None if it can't."""
    if value is None or fits(value, kind):
        return value
    as_: Value | None = None
    match kind:
        case Type.TEXT:
            as_ = as_text(value)
        case Type.DIGITS:
            as_ = str(value) if isinstance(value, int) and not isinstance(value, bool) else None
        case Type.NUMBER:
            as_ = float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None
        case Type.DATE:
            as_ = value[:10] if isinstance(value, str) and is_date(value[:10]) and value[10:11] in {"T", " "} else None
        case Type.BOOLEAN:
            as_ = None
        case _:
            assert_never(kind)
    return as_ if as_ is not None and fits(as_, kind) else None


def _typed(walk: Walk, into: Mapping[str, str], values: Mapping[str, Value]) -> dict[str, Value | None] | None:
    """What every variable is to hold, unset where nothing was found; None if one can't hold what was."""
    kept: dict[str, Value | None] = {}
    for name, field in into.items():
        value = values.get(field)
        kept[name] = typed(value, walk.current.variables[name].type)
        if value is not None and kept[name] is None:
            return None
    return kept


def _identify(walk: Walk, node: WorldNode, answer: Answered) -> None:
    """Who was looked up is who calls; whoever was verified was somebody else."""
    found = answer.values.get("customer_id")
    if not isinstance(node, LookupNode) or node.lookup is not Lookup.CUSTOMER or not isinstance(found, str):
        return
    if found != customer(walk):
        walk.verified = False
        walk.note("identified", {"customer_id": found})
    walk.customer_id = found


def _settled(walk: Walk, node: WorldNode | AuthenticateNode, answer: Answered) -> Answered:
    """The wait is over: silence."""
    if isinstance(node, WorldNode) and answer.outcome == "found" and _typed(walk, node.into, answer.values) is None:
        answer = Answered(answer.request, "error", why="wrong_type")
    what = "lookup" if isinstance(node, LookupNode) else "http" if isinstance(node, HttpNode) else "pin"
    if isinstance(node, AuthenticateNode) and walk.question < 0:
        what = "verified"
    walk.note_answer(what, answer)
    walk.asked_at = None
    walk.hush()
    return answer


def _comfort(walk: Walk, node: WorldNode | AuthenticateNode) -> None:
    """It takes a while: the prompts, once, then music."""
    if not walk.saying and node.wait_prompts:
        walk.say_in(node.wait_prompts, ())
    if not walk.saying:
        _play(walk)


def _play(walk: Walk) -> None:
    walk.music = True
    walk.actions.append(StartMusic())


def _url(walk: Walk, url: str) -> str | None:
    """The url with the values of its places, each within its part of the path; None if one can't stand there."""
    parts = PLACE.split(url)
    for n in range(1, len(parts), 2):
        value = walk.look(parts[n])
        text = "" if value is None else as_text(value)
        if text in {"", ".", ".."}:
            return None
        parts[n] = quote(text, safe="")
    return "".join(parts)
