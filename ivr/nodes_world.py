"""How the nodes are written that ask the world, and those that lead somewhere else than a queue."""

import re
from urllib.parse import urlsplit

from ivr.expression import Expression
from ivr.model import CallbackNode, OutsideNode, SlotsNode, TransferNode, VoicemailNode
from ivr.node_parts import expression, expressions, plain_id, prompts, timeout, tries
from ivr.reading import Reader, shown
from ivr.world import PLACE
from ivr.world_model import AuthenticateNode, HttpNode, Lookup, LookupNode, RememberNode

WITHIN_S_MAX = 20.0
AGENT_WAIT_S_MAX = 600.0
RING_S_MIN, RING_S_MAX = 5.0, 120.0
FRESH_S_MAX = 86_400.0
REMEMBERED_S_MAX = 2 * 365 * 86_400.0
PIN_DIGITS_MAX = 12
URL_MAX = 1_000

_PATH = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def read_lookup(reader: Reader) -> LookupNode:
    """A lookup in the database."""
    what = reader.one_of("lookup", tuple(Lookup))
    return LookupNode(
        lookup=Lookup(what) if what else Lookup.CUSTOMER,
        next=reader.text("next"),
        on_none=reader.text("on_none"),
        on_error=reader.text("on_error"),
        into=reader.text_map("into", required=False),
        by=expression(reader, "by") if "by" in reader else None,
        wait_prompts=prompts(reader, "wait_prompts", ()),
        within_s=_within(reader, 3.0),
    )


def read_http(reader: Reader) -> HttpNode:
    """A request of another system."""
    into = reader.text_map("into", required=False)
    for name, path in into.items():
        if not _PATH.fullmatch(path):
            reader.wrong(f"into.{name}", f"{shown(path)} is no path in a JSON answer, such as order.items.0.price")
    return HttpNode(
        url=_url(reader, "url"),
        next=reader.text("next"),
        on_error=reader.text("on_error"),
        on_none=reader.optional_text("on_none"),
        into=into,
        query=_named(reader, "query"),
        body=_named(reader, "body") if "body" in reader else None,
        credential=plain_id(reader, "credential") if "credential" in reader else None,
        wait_prompts=prompts(reader, "wait_prompts", ()),
        within_s=_within(reader, 5.0),
    )


def read_remember(reader: Reader) -> RememberNode:
    """What need not be asked again."""
    return RememberNode(
        answers=_named(reader, "answers"),
        next=reader.text("next"),
        fresh_s=reader.number("fresh_s", None, 1.0, REMEMBERED_S_MAX),
    )


def read_authenticate(reader: Reader) -> AuthenticateNode:
    """The question for a PIN."""
    least = reader.whole("digits_min", 4, 4, PIN_DIGITS_MAX)
    most = reader.whole("digits_max", 8, 4, PIN_DIGITS_MAX)
    if least > most:
        reader.wrong("digits_min", f"is more than digits_max ({most})")
    return AuthenticateNode(
        prompts=prompts(reader, "prompts", None),
        next=reader.text("next"),
        on_failed=reader.text("on_failed"),
        on_error=reader.text("on_error"),
        digits_min=least,
        digits_max=most,
        fresh_s=reader.number("fresh_s", 0.0, 0.0, FRESH_S_MAX),
        tries_max=tries(reader, 3),
        timeout_s=timeout(reader, "timeout_s", 5.0),
        between_s=timeout(reader, "between_s", 3.0),
        no_input_prompts=prompts(reader, "no_input_prompts", ()),
        wrong_prompts=prompts(reader, "wrong_prompts", ()),
        wait_prompts=prompts(reader, "wait_prompts", ()),
        within_s=_within(reader, 3.0),
    )


def read_transfer(reader: Reader) -> TransferNode | OutsideNode:
    """The way to one agent, or to a phone outside."""
    if "number" in reader:
        return _outside(reader)
    return TransferNode(
        queue=reader.text("queue"),
        agent=expression(reader, "agent"),
        wait_s=reader.number("wait_s", 30.0, 0.0, AGENT_WAIT_S_MAX),
        music_class=reader.optional_text("music_class"),
        announcement=prompts(reader, "announcement", ()),
    )


def _outside(reader: Reader) -> OutsideNode:
    return OutsideNode(
        number=expression(reader, "number"),
        on_failed=reader.text("on_failed"),
        on_busy=reader.optional_text("on_busy"),
        on_no_answer=reader.optional_text("on_no_answer"),
        announcement=prompts(reader, "announcement", ()),
        ring_s=reader.number("ring_s", 30.0, RING_S_MIN, RING_S_MAX),
        shows_caller=reader.flag("shows_caller", default=False),
        recorded=reader.flag("recorded", default=False),
    )


def read_callback(reader: Reader) -> CallbackNode | SlotsNode:
    """The way to being called back, when it is one's turn or at a time of one's choice."""
    if "prompts" in reader:
        return SlotsNode(
            queue=reader.text("queue"),
            prompts=prompts(reader, "prompts", None),
            on_none=reader.text("on_none"),
            on_exhausted=reader.text("on_exhausted"),
            tries_max=tries(reader, 3),
            timeout_s=timeout(reader, "timeout_s", 5.0),
        )
    return CallbackNode(queue=reader.text("queue"))


def read_voicemail(_: Reader) -> VoicemailNode:
    """The way to a recorder."""
    return VoicemailNode()


def _within(reader: Reader, default: float) -> float:
    return reader.number("within_s", default, 0.2, WITHIN_S_MAX)


def _named(reader: Reader, key: str) -> dict[str, Expression]:
    """A table of expressions whose names go into a request."""
    found = expressions(reader, key, required=False)
    for name in found:
        if not _NAME.fullmatch(name):
            reader.wrong(f"{key}.{name}", f"{shown(name)} can't be a name here (letters, digits, '_', '-' and '.')")
    return found


def _url(reader: Reader, key: str) -> str:
    """An address without credentials, query and fragment; places are in its path only."""
    text = reader.text(key)
    if not text:
        return ""
    sentence = "use http://host/path or https://host/path, with variables as {name} in the path and under [query]"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        reader.wrong(key, f"{shown(text)} is no address; {sentence}")
        return text
    plain = parts.scheme in {"http", "https"} and parts.hostname and port != 0 and text.isascii() and text.isprintable()
    bare = "@" not in parts.netloc and "?" not in text and "#" not in text and " " not in text
    left = PLACE.sub("", parts.path)
    if not plain or not bare or len(text) > URL_MAX or set("{}") & set(parts.netloc + left) or "\\" in text:
        reader.wrong(key, f"{shown(text)} can't be asked; {sentence}")
    return text
