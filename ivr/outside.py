"""The node that connects the caller with a phone outside: it rings, and is answered, or the flow goes on.

Keys that are pressed while it rings are kept for the next node that asks.
"""

from typing import assert_never

from ivr.expression import as_text
from ivr.model import NodeId, OutsideNode
from ivr.turn import Answered, Dial, Digit, Input, PromptEnded, TimeIsUp, ToOutside
from ivr.walk import Walk

TOLD_S = 15.0
"""After `ring_s` and this much longer nobody tells how it went any more."""

_WHAT = "transfer"


def visit(walk: Walk, node: OutsideNode) -> NodeId | None:
    """Say the announcement, if there is one, and dial."""
    walk.say_in(node.announcement, ())
    return None if walk.saying else _dial(walk, node)


def hear(walk: Walk, node: OutsideNode, heard: Input) -> NodeId | None:
    """An input at this node; where it leads, None to stay or to be out."""
    match heard:
        case Digit(digit):
            if walk.counts(digit):
                walk.keep_ahead(digit)
        case PromptEnded():
            if walk.saying and walk.all_said():
                return _dial(walk, node)
        case TimeIsUp():
            if walk.timer_at is None or walk.now < walk.timer_at:
                return None
            if walk.asked_at is not None:
                return _settle(walk, node, Answered(walk.requests, "failed", why="timeout"))
            return _dial(walk, node) if walk.unreported() else None
        case Answered():
            awaited = walk.asked_at is not None and heard.request == walk.requests
            return _settle(walk, node, heard) if awaited else None
        case _:
            assert_never(heard)
    return None


def _dial(walk: Walk, node: OutsideNode) -> NodeId | None:
    number = node.number.of(walk.look)
    walk.requests += 1
    walk.asked_at = walk.now
    walk.note("asked", {"request": walk.requests, "what": _WHAT})
    if number is None:
        return _settle(walk, node, Answered(walk.requests, "failed", why="no_number"))
    walk.timer_at = walk.now + node.ring_s + TOLD_S
    walk.actions.append(Dial(walk.requests, as_text(number), node.ring_s, node.shows_caller, node.recorded))
    return None


def _settle(walk: Walk, node: OutsideNode, answer: Answered) -> NodeId | None:
    """It was answered, or the flow goes on by the outcome."""
    walk.note_answer(_WHAT, answer)
    walk.asked_at = None
    walk.hush()
    if answer.outcome == "answered":
        walk.exit = ToOutside()
        return None
    ways = {"busy": ("on_busy", node.on_busy), "no_answer": ("on_no_answer", node.on_no_answer)}
    way, to = ways.get(answer.outcome, ("on_failed", None))
    walk.way = "on_failed" if to is None else way
    return node.on_failed if to is None else to
