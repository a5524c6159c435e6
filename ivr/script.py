"""Scripted conversations: what a caller does and what they must hear, written as data.

flow = "main"

[[conversation]]
name = "a caller presses two and waits for orders"
at = "2026-11-20 10:00"
caller = { value_tier = "vip" }
steps = [{ hears = ["welcome"] }, { hears = ["main_menu"] }, { keys = "2" }, { silence_s = 5 }, { hangs_up = true }]
exit = "queue:orders"
holds = { account = "12345" }
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from ivr.expression import Value
from ivr.model import KEYS, FlowId
from ivr.reading import Reader, shown

CONVERSATIONS_MAX = 1_000
STEPS_MAX = 500
SILENCE_S_MAX = 86_400.0
SAID_MAX = 200
IN_FLOW = "in_flow"
LEFT = "caller_left"


@dataclass(frozen=True, slots=True)
class Hears:
    """The next thing the caller hears is exactly this: prompt ids, those of spoken values among them."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Keys:
    """The caller presses these keys, one after the other, without waiting for what is being said."""

    keys: str


@dataclass(frozen=True, slots=True)
class Says:
    """The caller says this, and a recogniser hears it; empty: it is away."""

    words: str


@dataclass(frozen=True, slots=True)
class Silence:
    """The caller does nothing for so long: prompts end, time runs out."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HangsUp:
    """The caller hangs up; nothing follows."""


@dataclass(frozen=True, slots=True)
class World:
    """The world answers what the flow asked: found with these values (by field or path), none, error and so on."""

    outcome: str
    values: Mapping[str, Value] = field(default_factory=dict)


Step = Hears | Keys | Says | Silence | World | HangsUp
OUTCOMES = (
    *("found", "none", "error"),
    *("verified", "wrong", "locked"),
    *("answered", "busy", "no_answer", "failed"),
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls; None: as the site has it for callers it does not know."""

    value_tier: str | None = None
    language: str | None = None
    known: bool = False
    open_case: bool = False
    at_risk: bool = False
    customer_id: str | None = None
    verified: bool = False
    open_order: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """One scripted call. `exit` is where it ends.

    That is queue:NAME, callback:NAME, voicemail, an end state, in_flow (still there) or caller_left.
    `at` is seconds since the epoch. `given` are variables known before the call, `holds` what variables must hold at
    its end. `language`, `consent` and `survey` (how it ended) are looked at if they are not None. `closed_now` are
    calendars whose switch is thrown.
    """

    name: str
    at: float
    steps: tuple[Step, ...]
    exit: str
    caller: Caller = Caller()
    given: Mapping[str, Value] = field(default_factory=dict)
    holds: Mapping[str, Value] = field(default_factory=dict)
    language: str | None = None
    consent: bool | None = None
    survey: str | None = None
    closed_now: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """Conversations with one flow."""

    flow: FlowId
    conversations: tuple[Conversation, ...]


def parse_script(source: Mapping[str, object], zone: ZoneInfo) -> tuple[Script, tuple[str, ...]]:
    """The script, and its mistakes as `path: sentence`; not to be played if there are any. `zone` is for `at`."""
    mistakes: list[str] = []
    reader = Reader(source, "", mistakes)
    flow = reader.text("flow")
    written = reader.raw("conversation", None)
    conversations: list[Conversation] = []
    if written is not None and (not isinstance(written, list) or not 0 < len(written) <= CONVERSATIONS_MAX):
        reader.wrong("conversation", f"must be a list of conversations, from 1 to {CONVERSATIONS_MAX}")
    elif isinstance(written, list):
        for n, each in enumerate(written, 1):
            conversations.append(_conversation(Reader(each, f"conversation[{n}]", mistakes), zone))
    reader.close()
    return Script(flow, tuple(conversations)), tuple(mistakes)


def _conversation(reader: Reader, zone: ZoneInfo) -> Conversation:
    conversation = Conversation(
        name=reader.text("name"),
        at=_instant(reader, "at", zone),
        steps=_steps(reader),
        exit=reader.text("exit"),
        caller=_caller(reader.table("caller")) if "caller" in reader else Caller(),
        given=_values(reader, "given"),
        holds=_values(reader, "holds"),
        language=reader.optional_text("language"),
        consent=reader.flag("consent", default=False) if "consent" in reader else None,
        survey=reader.optional_text("survey"),
        closed_now=reader.texts("closed_now", ()),
    )
    reader.close()
    return conversation


def _caller(reader: Reader) -> Caller:
    caller = Caller(
        value_tier=reader.optional_text("value_tier"),
        language=reader.optional_text("language"),
        known=reader.flag("known", default=False),
        open_case=reader.flag("open_case", default=False),
        at_risk=reader.flag("at_risk", default=False),
        open_order=reader.flag("open_order", default=False),
        customer_id=reader.optional_text("customer_id"),
        verified=reader.flag("verified", default=False),
    )
    reader.close()
    return caller


def _instant(reader: Reader, key: str, zone: ZoneInfo) -> float:
    text = reader.text(key)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        if text:
            reader.wrong(key, f'{shown(text)} is no instant; write "2026-11-20 10:00"')
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()


def _steps(reader: Reader) -> tuple[Step, ...]:
    written = reader.raw("steps", ())
    if not isinstance(written, list | tuple) or len(written) > STEPS_MAX:
        reader.wrong("steps", f"must be a list of up to {STEPS_MAX} steps")
        return ()
    found: list[Step] = []
    for n, each in enumerate(written, 1):
        step = _step(Reader(each, reader.at(f"steps[{n}]"), reader.mistakes))
        if step is not None:
            found.append(step)
    return tuple(found)


def _step(reader: Reader) -> Step | None:
    kinds = [kind for kind in ("hears", "keys", "says", "silence_s", "world", "hangs_up") if kind in reader]
    step: Step | None = None
    if len(kinds) != 1:
        reader.mistakes.append(f"{reader.path}: needs exactly one of hears, keys, says, silence_s, world and hangs_up")
    elif kinds == ["hears"]:
        heard = reader.raw("hears", ())
        if isinstance(heard, list) and heard and all(isinstance(each, str) for each in heard):
            step = Hears(tuple(heard))
        else:
            reader.wrong("hears", f"must be a list of prompt ids, not {shown(heard)}")
    elif kinds == ["keys"]:
        keys = reader.text("keys")
        if set(keys) <= set(KEYS):
            step = Keys(keys)
        else:
            reader.wrong("keys", f"{shown(keys)} are no keys of a telephone")
    elif kinds == ["says"]:
        step = _says(reader)
    elif kinds == ["silence_s"]:
        step = Silence(reader.number("silence_s", 0.0, 0.0, SILENCE_S_MAX))
    elif kinds == ["world"]:
        step = World(reader.one_of("world", OUTCOMES), _values(reader, "values"))
    elif reader.flag("hangs_up", default=True):
        step = HangsUp()
    reader.close()
    return step


def _says(reader: Reader) -> Step | None:
    words = reader.raw("says", "")
    if isinstance(words, str) and len(words) <= SAID_MAX:
        return Says(words)
    reader.wrong("says", f"must be a text of up to {SAID_MAX} characters, not {shown(words)}")
    return None


def _values(reader: Reader, key: str) -> dict[str, Value]:
    if key not in reader:
        return {}
    table = reader.table(key)
    found: dict[str, Value] = {}
    for name in table.names:
        value = table.raw(name, "")
        if isinstance(value, str | int | float):
            found[name] = value
        else:
            table.wrong(name, f"must be a text, a number, true or false, not {shown(value)}")
    return found
