"""The menu whose options are ordered by what the customer used before: the world is asked; then it is a menu as any."""

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from ivr import asking
from ivr.expression import Value
from ivr.model import MenuNode, NodeId, OptionsNode, Said
from ivr.prompts import Language, PromptId
from ivr.speech import speaker
from ivr.speech.rules import Speaker
from ivr.turn import Answered, Ask, Digit, Input, PastUse, PromptEnded, TimeIsUp
from ivr.walk import Walk
from ivr.world import customer

WITHIN_S = 1.0
"""Nobody waits longer to hear their options in their own order."""

_WHAT = "use"


def visit(walk: Walk, node: OptionsNode) -> NodeId | None:
    """Ask what a known customer used; whoever is not known hears the options as they are written."""
    walk.order = ()
    who = customer(walk)
    if who is None:
        return asking.begin(walk, _menu(walk, node))
    walk.requests += 1
    walk.asked_at = walk.now
    walk.timer_at = walk.now + WITHIN_S
    walk.note("asked", {"request": walk.requests, "what": _WHAT})
    walk.actions.append(Ask(walk.requests, PastUse(who, walk.root.id, walk.place(walk.node)), WITHIN_S))
    return None


def hear(walk: Walk, node: OptionsNode, heard: Input) -> NodeId | None:
    """An input at this node; where it leads, None to stay."""
    if walk.asked_at is not None:
        return _awaited(walk, node, heard)
    return _as_option(walk, asking.answer_heard(walk, _menu(walk, node), heard))


def needed_for_options(rules: Speaker) -> tuple[PromptId, ...]:
    """Every prompt that the keys of options may be said with."""
    return tuple(prompt for prompt in rules.words if prompt.startswith("menu_") or prompt in _DIGITS)


_DIGITS = frozenset(f"num_{n}" for n in range(10))


def _awaited(walk: Walk, node: OptionsNode, heard: Input) -> NodeId | None:
    match heard:
        case Digit(digit):
            if walk.counts(digit):
                walk.keep_ahead(digit)
            return None
        case PromptEnded():
            return None
        case TimeIsUp():
            due = walk.timer_at is not None and walk.now >= walk.timer_at
            return _told(walk, node, Answered(walk.requests, "error", why="timeout")) if due else None
        case Answered():
            return _told(walk, node, heard) if heard.request == walk.requests else None
        case _:
            assert_never(heard)


def _told(walk: Walk, node: OptionsNode, answer: Answered) -> NodeId | None:
    walk.note_answer(_WHAT, answer)
    walk.asked_at = walk.timer_at = None
    times = [_times(answer.values, walk.place(option.to)) for option in node.options]
    walk.order = tuple(sorted(range(len(times)), key=lambda n: (-times[n], n)))
    return _as_option(walk, asking.begin(walk, _menu(walk, node)))


def _times(values: Mapping[str, Value], node: NodeId) -> float:
    found = values.get(node, 0)
    return found if isinstance(found, int | float) else 0


def _order(walk: Walk, node: OptionsNode) -> tuple[int, ...]:
    """The options by their numbers; as they are written, if none fits this node."""
    written = tuple(range(len(node.options)))
    return walk.order if sorted(walk.order) == list(written) else written


def _menu(walk: Walk, node: OptionsNode) -> MenuNode:
    """The menu as this caller hears it."""
    prompts, choices = list(node.prompts), dict[str, NodeId]()
    for key, n in enumerate(_order(walk, node), 1):
        prompts += (*node.options[n].prompts, *_press(walk.language, key))
        choices[str(key)] = node.options[n].to
    menu = MenuNode(tuple(prompts), choices, node.on_exhausted, node.tries_max, node.timeout_s)
    return replace(menu, no_input_prompts=node.no_input_prompts, wrong_key_prompts=node.wrong_key_prompts)


def _press(language: Language, key: int) -> tuple[Said, ...]:
    rules = speaker(language)
    return () if rules is None else rules.press(key)


def _as_option(walk: Walk, to: NodeId | None) -> NodeId | None:
    """The way that was taken is the option's, whatever key it had."""
    if to is not None and walk.way.startswith("choices."):
        node = walk.current.nodes[walk.node]
        assert isinstance(node, OptionsNode)
        walk.way = f"options[{_order(walk, node)[int(walk.way.removeprefix('choices.')) - 1] + 1}]"
    return to
