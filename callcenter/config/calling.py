"""Calls that we make: site.toml's dial_out, and how a queue calls its customers back."""

import re
from collections.abc import Iterator, Mapping, Sequence

from callcenter.config.fields import SPAN_S_MAX
from callcenter.config.model import Queue
from callcenter.contact.dial_policy import DialPolicy, why_no_transfer
from callcenter.contact.slots import SlotRules
from ivr.expression import Literal, as_text
from ivr.model import CallbackNode, Flow, Node, OutsideNode, SlotsNode
from ivr.reading import Reader, shown
from routing.model import KEPT_S_MAX, CallbackMode, CallbackRules

RING_S_MIN, RING_S_MAX = 5.0, 120.0
ATTEMPTS_MAX = 20
SLOT_MAX, SLOTS_OFFERED_MAX = 10_000, 9
EXPIRES_S_MAX = KEPT_S_MAX

_BEGINNING = re.compile(r"\+[1-9][0-9]{0,14}")
_EXTENSION = re.compile(r"[0-9]{1,8}")
_SHOWN = re.compile(r"\+?[0-9]{2,20}")
_KEY = re.compile(r"[0-9*#]")
_NO_POLICY = "site.toml has no dial_out: which numbers may be dialed"
_USUAL = CallbackRules()


def read_dial_out(reader: Reader) -> DialPolicy | None:
    """What numbers may be dialed; None where the site says nothing, and then nothing is dialed."""
    if "dial_out" not in reader:
        return None
    table = reader.table("dial_out")
    policy = DialPolicy(
        allow=_beginnings(table, "allow", None),
        refuse=_beginnings(table, "refuse", ()),
        caller_id=table.text("caller_id", ""),
        ring_s=table.number("ring_s", 30.0, RING_S_MIN, RING_S_MAX),
        extensions=table.texts("extensions", ()),
    )
    for each in policy.extensions:
        if not _EXTENSION.fullmatch(each):
            table.wrong("extensions", f"{shown(each)} begins no extension; write up to 8 digits")
    if policy.caller_id and not _SHOWN.fullmatch(policy.caller_id):
        table.wrong("caller_id", f"must be a number, which customers see and may call, not {shown(policy.caller_id)}")
    table.close()
    return policy


def _beginnings(table: Reader, key: str, default: tuple[str, ...] | None) -> tuple[str, ...]:
    found = table.texts(key, default)
    for each in found:
        if not _BEGINNING.fullmatch(each):
            table.wrong(key, f"{shown(each)} begins no number; write + and the country, such as +886 or +8869")
    if not found and key in table and default is None:
        table.wrong(key, "allows nothing; leave dial_out out, or name what may be dialed")
    return found


def read_callback(reader: Reader) -> tuple[CallbackRules, str | None, SlotRules | None]:
    """How a queue calls back, the key that asks for it while one waits, the times to choose; None: there are none."""
    if "callback" not in reader:
        return _USUAL, None, None
    table = reader.table("callback")
    modes = [mode.value for mode in CallbackMode]
    rules = CallbackRules(
        mode=CallbackMode(table.one_of("mode", modes, _USUAL.mode.value) or _USUAL.mode.value),
        dial_s=table.number("dial_s", _USUAL.dial_s, 0.0, RING_S_MAX),
        attempts_max=table.whole("attempts_max", _USUAL.attempts_max, 1, ATTEMPTS_MAX),
        retry_s=table.number("retry_s", _USUAL.retry_s, 1.0, SPAN_S_MAX),
        expires_s=table.number("expires_s", _USUAL.expires_s, 1.0, EXPIRES_S_MAX),
    )
    key = table.text("key", "")
    if key and not _KEY.fullmatch(key):
        table.wrong("key", f"must be one of 0-9, * and #, not {shown(key)}")
    slots = _slots(table)
    table.close()
    return rules, key or None, slots


def _slots(table: Reader) -> SlotRules | None:
    if "slot_max" not in table:
        for key in ("slot_s", "slots_offered"):
            if key in table:
                table.wrong(key, "says nothing without slot_max: how many are called back in one slot at most")
        return None
    rules = SlotRules(
        slot_s=table.number("slot_s", 1_800.0, 900.0, 14_400.0),
        slot_max=table.whole("slot_max", None, 1, SLOT_MAX),
        slots_offered=table.whole("slots_offered", 3, 1, SLOTS_OFFERED_MAX),
    )
    if rules.slot_s % 900.0:
        table.wrong("slot_s", f"must be quarters of an hour: 900, 1800, 2700, 3600 …, not {rules.slot_s:g}")
    return rules


def mistakes(queues: Mapping[str, Queue], flows: Mapping[str, Flow], dial_out: DialPolicy | None) -> list[str]:
    """Who promises to call, or connects callers with phones outside, must know what may be dialed."""
    nodes = [
        (f"flows.{name}.nodes.{node_id}", node) for name, flow in flows.items() for node_id, node in flow.nodes.items()
    ]
    found = [*_without_slots(nodes, queues)]
    found += [
        mistake for at, node in nodes if isinstance(node, OutsideNode) for mistake in _undialable(at, node, dial_out)
    ]
    if dial_out is not None:
        return found
    promising = [f"queues.{name}" for name, queue in queues.items() if queue.calls_back]
    promising += [at for at, node in nodes if isinstance(node, CallbackNode | SlotsNode)]
    return [*found, *(f"{path}: calls back, and {_NO_POLICY}" for path in promising)]


def _without_slots(nodes: Sequence[tuple[str, Node]], queues: Mapping[str, Queue]) -> Iterator[str]:
    """Times are offered only by queues that have some."""
    for at, node in nodes:
        if isinstance(node, SlotsNode) and node.queue in queues and queues[node.queue].slots is None:
            yield f"{at}.queue: {shown(node.queue)} has no slots; callback.slot_max says how many it takes in each"


def _undialable(at: str, node: OutsideNode, dial_out: DialPolicy | None) -> Iterator[str]:
    """Why a caller could never be connected: nothing may be dialed, or not the number that is written there."""
    if dial_out is None:
        yield f"{at}: transfers to a phone, and {_NO_POLICY}"
    elif isinstance(node.number.root, Literal):
        number = as_text(node.number.root.value)
        why = why_no_transfer(dial_out, number)
        if why == "not_allowed":
            yield f"{at}.number: {shown(number)} may not be dialed by dial_out in site.toml"
        elif why is not None:
            yield f"{at}.number: {shown(number)} is neither +, the country and a number, nor an extension"
