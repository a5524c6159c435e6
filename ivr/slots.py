"""The node that offers times for a callback: it asks which are free, says them, and books the one that is chosen.

Free times are asked for anew each time they are said, so that none is offered that somebody else has taken; one that is
taken between offer and choice counts as a try, like a wrong key and silence.
"""

from typing import assert_never

from ivr.model import AGENT_KEY, NodeId, SlotsNode
from ivr.speech.slots import say_slot
from ivr.turn import Answered, AskSlots, BookSlot, Digit, Input, PromptEnded, TimeIsUp, ToCallback
from ivr.walk import Walk

ANSWER_S = 3.0
SLOTS_MAX = 9

_WHAT = "slots"


def visit(walk: Walk, node: SlotsNode) -> None:
    """Ask which times are free."""
    walk.slots, walk.slot = (), None
    _ask(walk)
    walk.actions.append(AskSlots(walk.requests, node.queue))


def hear(walk: Walk, node: SlotsNode, heard: Input) -> NodeId | None:
    """An input at this node; where it leads, None to stay or to be out."""
    match heard:
        case Digit(digit):
            if not walk.counts(digit):
                return None
            if walk.asked_at is not None:
                walk.keep_ahead(digit)
                return None
            walk.hush()
            return _take(walk, node, digit)
        case PromptEnded():
            if walk.saying and walk.all_said():
                walk.timer_at = walk.now + node.timeout_s
            return None
        case TimeIsUp():
            return _time_is_up(walk, node)
        case Answered():
            awaited = walk.asked_at is not None and heard.request == walk.requests
            return _answered(walk, node, heard) if awaited else None
        case _:
            assert_never(heard)


def _time_is_up(walk: Walk, node: SlotsNode) -> NodeId | None:
    if walk.timer_at is None or walk.now < walk.timer_at:
        return None
    if walk.asked_at is not None:
        return _answered(walk, node, Answered(walk.requests, "error", why="timeout"))
    if walk.saying:
        if walk.unreported():
            walk.timer_at = walk.now + node.timeout_s
        return None
    return _again(walk, node, "no_input")


def _answered(walk: Walk, node: SlotsNode, answer: Answered) -> NodeId | None:
    """The free times to be said, or that the chosen one is booked."""
    walk.note_answer(_WHAT, answer)
    walk.asked_at = walk.timer_at = None
    if walk.slot is not None:
        if answer.outcome == "found":
            walk.exit = ToCallback(node.queue, walk.slot)
            return None
        return _again(walk, node, "taken")
    walk.slots = _free(answer) if answer.outcome == "found" else ()
    if not walk.slots:
        walk.way = "on_none"
        return node.on_none
    if walk.ahead:
        digit, walk.ahead = walk.ahead[0], walk.ahead[1:]
        return _take(walk, node, digit)
    _offer(walk, node)
    return None


def _offer(walk: Walk, node: SlotsNode) -> None:
    """Say the times, each with its key."""
    words = list(walk.words(node.prompts, walk.language))
    for key, (begin, end) in enumerate(walk.slots, 1):
        words += say_slot(walk.language, walk.facts.zone, walk.now, begin=begin, end=end, key=key)
    walk.say_in(tuple(words), ())
    if not walk.saying:
        walk.timer_at = walk.now + node.timeout_s


def _take(walk: Walk, node: SlotsNode, digit: str) -> NodeId | None:
    walk.note("keyed", {"digits": digit})
    if digit == AGENT_KEY and walk.agent_depth() is not None:
        return walk.to_agent()
    n = int(digit) if digit.isdigit() else 0
    if not 1 <= n <= len(walk.slots):
        return _again(walk, node, "wrong_key")
    walk.slot = walk.slots[n - 1]
    _ask(walk)
    walk.actions.append(BookSlot(walk.requests, node.queue, walk.slot[0]))
    return None


def _again(walk: Walk, node: SlotsNode, why: str) -> NodeId | None:
    walk.tries += 1
    if walk.tries >= node.tries_max:
        walk.note("exhausted", {"why": why})
        walk.way = "on_exhausted"
        return node.on_exhausted
    walk.note("reprompted", {"why": why, "tries": walk.tries})
    visit(walk, node)
    return None


def _ask(walk: Walk) -> None:
    walk.requests += 1
    walk.asked_at = walk.now
    walk.timer_at = walk.now + ANSWER_S
    walk.note("asked", {"request": walk.requests, "what": _WHAT})


def _free(answer: Answered) -> tuple[tuple[float, float], ...]:
    """The times of an answer, in order."""
    found: list[tuple[float, float]] = []
    for n in range(1, SLOTS_MAX + 1):
        begin, end = answer.values.get(f"{n}.begin"), answer.values.get(f"{n}.end")
        if not isinstance(begin, int | float) or not isinstance(end, int | float):
            break
        found.append((begin, end))
    return tuple(found)
