"""Steps one caller through one flow: a pure, total function of cursor and input, that cannot strand a caller.

Why nobody is stranded. `check` proved that the ways no key takes form no loop. At every node that waits,
something takes such a way without the caller: a prompt ends (or PROMPT_MAX_S passes), a menu is asked at most
`tries_max` times. Only keys lead backwards, and after KEYS_MAX of them keys are no longer heard. So every
visit to a flow ends in a queue or a hang-up within a bounded number of inputs.

Prompts are heard one `Say` at a time. A key stops an interruptible one; keys typed ahead are kept and answer
the next menus without their prompts being said. A no-input timer starts when the prompt has ended.
"""

from dataclasses import replace
from typing import assert_never

from ivr.calendar import is_open
from ivr.model import (
    AGENT_KEY,
    KEYS,
    BranchNode,
    Flow,
    HangUpNode,
    Language,
    LanguageNode,
    MenuNode,
    Node,
    NodeId,
    PromptId,
    QueueNode,
    SayNode,
    Subject,
)
from ivr.prompts import PROMPT_MAX_S
from ivr.turn import (
    Action,
    Cursor,
    Digit,
    Exit,
    Facts,
    HangUp,
    Input,
    Note,
    PromptEnded,
    Say,
    StopSaying,
    TimeIsUp,
    ToQueue,
    Turn,
)

__all__ = [
    "Action",
    "Cursor",
    "Digit",
    "Exit",
    "Facts",
    "HangUp",
    "Input",
    "Note",
    "PromptEnded",
    "Say",
    "StopSaying",
    "TimeIsUp",
    "ToQueue",
    "Turn",
    "enter",
    "step",
]

KEYS_MAX = 100  # heard in one visit to a flow
AHEAD_MAX = 16  # kept while no menu is listening


def enter(flow: Flow, facts: Facts, now: float) -> Turn:
    """The first turn of a visit. Requires a flow that `check` passes."""
    at_start = Cursor(flow.id, flow.version, flow.start, facts.language, variables=facts.variables)
    walk = _Walk(flow, at_start, facts, now)
    walk.go(flow.start)
    return walk.turn()


def step(flow: Flow, cursor: Cursor, heard: Input, facts: Facts, now: float) -> Turn:
    """The turn that follows an input; never raises for any input or cursor, given a flow that `check` passes.

    A cursor of another flow or version starts over on this one. After the exit every input does nothing.
    """
    if cursor.flow != flow.id or cursor.version != flow.version or cursor.node not in flow.nodes:
        again = enter(flow, facts, now)
        return replace(again, notes=(Note("flow_restarted", cursor.node, {"version": flow.version}), *again.notes))
    node = flow.nodes[cursor.node]
    if not isinstance(node, (SayNode, MenuNode)):
        return Turn(cursor)  # already out: a key or a timer crossed with the exit
    walk = _Walk(flow, cursor, facts, now)
    match heard:
        case Digit(digit):
            walk.hear(node, digit)
        case PromptEnded():
            if cursor.saying:  # else the prompt ended as a key stopped it
                walk.said(node)
        case TimeIsUp():
            if cursor.timer_at is not None and now >= cursor.timer_at:
                walk.time_is_up(node)
        case _:
            assert_never(heard)
    return walk.turn()


class _Walk:
    """One turn in the making: the cursor's fields, unfrozen, and what the turn will ask and remember."""

    __slots__ = (
        *("flow", "facts", "now", "start"),
        *("node", "language", "tries", "saying", "ahead", "keyed", "timer_at"),
        *("actions", "notes", "exit"),
    )

    def __init__(self, flow: Flow, cursor: Cursor, facts: Facts, now: float) -> None:
        self.flow, self.facts, self.now, self.start = flow, facts, now, cursor
        self.node, self.language, self.tries = cursor.node, cursor.language, cursor.tries
        self.saying, self.ahead, self.keyed = cursor.saying, cursor.ahead, cursor.keyed
        self.timer_at = cursor.timer_at
        self.actions: list[Action] = []
        self.notes: list[Note] = []
        self.exit: Exit | None = None

    def turn(self) -> Turn:
        cursor = Cursor(
            self.start.flow,
            self.start.version,
            self.node,
            self.language,
            self.tries,
            self.saying,
            self.ahead,
            self.keyed,
            self.timer_at,
            self.start.variables,
        )
        return Turn(cursor, tuple(self.actions), tuple(self.notes), self.exit)

    # Inputs

    def hear(self, node: SayNode | MenuNode, digit: str) -> None:
        if len(digit) != 1 or digit not in KEYS or self.keyed >= KEYS_MAX:
            return
        self.keyed += 1
        if isinstance(node, MenuNode):
            self.hush()
            self.answer(node, digit)
            return
        self.ahead = (self.ahead + digit)[:AHEAD_MAX]
        if node.interruptible:
            self.hush()
            self.go(node.next)

    def said(self, node: SayNode | MenuNode) -> None:
        self.say(self.saying[1:])
        if self.saying:
            return
        if isinstance(node, SayNode):
            self.go(node.next)
        else:
            self.timer_at = self.now + node.timeout_s

    def time_is_up(self, node: SayNode | MenuNode) -> None:
        if self.saying:  # its end was never reported
            self.actions.append(StopSaying())
            self.said(node)
        elif isinstance(node, MenuNode):
            self.ask_again(node, "no_input", node.no_input_prompts)

    # Moves

    def go(self, to: NodeId) -> None:
        """Follow the flow from `to` until something is said, a menu listens, or the exit."""
        turns_max = (len(self.flow.nodes) + 1) * (len(self.ahead) + 1)  # each key typed ahead is used once
        self.timer_at = None
        for _ in range(turns_max):
            self.node, self.tries = to, 0
            self.notes.append(Note("node_entered", to))
            onward = self.visit(self.flow.nodes[to])
            if onward is None:
                return
            to = onward
        raise AssertionError("check() refuses a loop without input")

    def visit(self, node: Node) -> NodeId | None:
        """Where to go from a node at once, or None if the turn ends here."""
        match node:
            case BranchNode():
                return node.cases.get(self.word(node), node.otherwise)
            case LanguageNode():
                self.language = node.language
                return node.next
            case SayNode():
                if self.ahead and node.interruptible:
                    return node.next
                self.say_in(node.prompts, node.said_in)
                return None
            case MenuNode():
                if self.ahead:
                    digit, self.ahead = self.ahead[0], self.ahead[1:]
                    return self.answered(node, digit)
                self.say_in(node.prompts, node.said_in)
                return None
            case QueueNode():
                self.exit = ToQueue(node.queue, node.music_class, node.announcement)
                return None
            case HangUpNode():
                if AGENT_KEY in self.ahead and self.flow.agent_node is not None:
                    self.ahead = ""
                    return self.flow.agent_node
                self.exit = HangUp(node.end_state)
                return None
            case _:
                assert_never(node)

    def answer(self, node: MenuNode, digit: str) -> None:
        if (to := self.answered(node, digit)) is not None:
            self.go(to)

    def answered(self, node: MenuNode, digit: str) -> NodeId | None:
        """Where a key leads from a menu; None after a wrong one, with the menu asked again."""
        self.notes.append(Note("keyed", self.node, {"digits": digit}))
        to = node.choices.get(digit)
        if to is None and digit == AGENT_KEY:
            to = self.flow.agent_node
        return to if to is not None else self.asked_again(node, "wrong_key", node.wrong_key_prompts)

    def ask_again(self, node: MenuNode, why: str, prompts: tuple[PromptId, ...]) -> None:
        if (to := self.asked_again(node, why, prompts)) is not None:
            self.go(to)

    def asked_again(self, node: MenuNode, why: str, prompts: tuple[PromptId, ...]) -> NodeId | None:
        """Ask a menu again: None; or, once it was asked often enough, where the caller goes on."""
        self.tries += 1
        self.ahead = ""  # what was typed ahead was meant for another answer
        self.timer_at = None
        if self.tries >= node.tries_max:
            self.notes.append(Note("exhausted", self.node, {"why": why}))
            return node.on_exhausted
        self.notes.append(Note("reprompted", self.node, {"why": why, "tries": self.tries}))
        self.say_in((*prompts, *node.prompts), node.said_in)
        return None

    def word(self, node: BranchNode) -> str:
        """What the branch's subject is, in the words of its cases."""
        match node.on:
            case Subject.VALUE_TIER:
                return self.facts.value_tier
            case Subject.LANGUAGE:
                return self.language
            case Subject.KNOWN:
                return "yes" if self.facts.known else "no"
            case Subject.CALENDAR:
                calendar = self.facts.calendars.get(node.calendar or "")
                return "open" if calendar is not None and is_open(calendar, self.now) else "closed"
            case _:
                assert_never(node.on)

    # Saying

    def say_in(self, prompts: tuple[PromptId, ...], languages: tuple[Language, ...]) -> None:
        self.say(tuple(Say(prompts, language) for language in languages or (self.language,)))

    def say(self, saying: tuple[Say, ...]) -> None:
        """Begin the first of `saying`; a guard timer stands for an end that is never reported."""
        self.saying = saying
        self.timer_at = None
        if saying:
            self.actions.append(saying[0])
            self.timer_at = self.now + PROMPT_MAX_S * len(saying[0].prompts)

    def hush(self) -> None:
        if self.saying:
            self.actions.append(StopSaying())
            self.saying = ()
        self.timer_at = None
