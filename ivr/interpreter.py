"""Steps one caller through one flow: a pure, total function of cursor and input, that cannot strand a caller.

Why nobody is stranded. `check` proved that the ways no key takes form no loop, in any flow, and that no flow is its
own sub-flow. At every node that waits, something takes such a way without the caller: a prompt ends (or PROMPT_MAX_S
passes), a node asks at most `tries_max` times. Only keys lead backwards, and after KEYS_MAX of them keys are no longer
heard. So every visit to a flow ends in a queue or a hang-up within a bounded number of inputs.

Prompts are heard one `Say` at a time. A key stops an interruptible one; keys typed ahead are kept and answer
the next nodes that ask without their prompts being said. A no-input timer starts when the prompt has ended.

The seam to the world. What the caller is asked is one kind of waiting; a node that asks the world (a lookup, say) is
another: it belongs into `_VISIT` with an action that carries the question, into `step` with an input that carries the
answer, and its timer takes its way for errors, which is no way by key. Nothing else has to know of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, assert_never

from ivr import asking
from ivr.calendar import State, state
from ivr.expression import Value, fits
from ivr.model import (
    AGENT_KEY,
    KEYS,
    AskingNode,
    BranchNode,
    CollectNode,
    ConsentNode,
    DecideNode,
    Flow,
    HangUpNode,
    LanguageChoiceNode,
    LanguageNode,
    MenuNode,
    Node,
    NodeId,
    QueueNode,
    ReturnNode,
    SayNode,
    ScheduleNode,
    SetNode,
    SubFlowNode,
    Subject,
    SurveyNode,
)
from ivr.turn import (
    Action,
    Call,
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
from ivr.walk import AHEAD_MAX, Walk

__all__ = [
    "AHEAD_MAX",
    "KEYS_MAX",
    "Action",
    "Call",
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
    "leave",
    "step",
]

KEYS_MAX = 300  # heard in one visit to a flow

_KEYS = frozenset(KEYS)
_ASKING = (MenuNode, CollectNode, LanguageChoiceNode, ConsentNode, SurveyNode)


def enter(flow: Flow, facts: Facts, now: float) -> Turn:
    """The first turn of a visit. Requires a flow that `check` passes."""
    variables = _at_first(flow, facts.variables)
    walk = Walk(flow, flow, Cursor(flow.id, flow.version, flow.start, facts.language, variables=variables), facts, now)
    _go(walk, flow.start)
    return walk.turn()


def step(flow: Flow, cursor: Cursor, heard: Input, facts: Facts, now: float) -> Turn:
    """The turn that follows an input; never raises for any input or cursor, given a flow that `check` passes.

    A cursor of another flow or version starts over on this one. After the exit every input does nothing.
    """
    current = _current(flow, cursor)
    if current is None:
        again = enter(flow, facts, now)
        return again._replace(
            cursor=replace(again.cursor, consent=cursor.consent),
            notes=(Note("flow_restarted", cursor.node, {"version": flow.version}), *again.notes),
        )
    node = current.nodes[cursor.node]
    walk = Walk(flow, current, cursor, facts, now)
    to: NodeId | None = None
    if isinstance(node, SayNode):
        to = _say_heard(walk, node, heard)
    elif isinstance(node, _ASKING):
        to = _answer_heard(walk, node, heard)
    else:
        return Turn(cursor)  # already out: a key or a timer crossed with the exit
    if to is not None:
        _go(walk, to)
    return walk.turn()


def leave(flow: Flow, cursor: Cursor, facts: Facts, now: float) -> tuple[Note, ...]:
    """What is to be remembered of a caller who leaves where they are: that their survey is not complete."""
    current = _current(flow, cursor)
    if current is None:
        return ()
    node = current.nodes[cursor.node]
    walk = Walk(flow, current, cursor, facts, now)
    if isinstance(node, SurveyNode):
        asking.cut_off(walk, node)
    return tuple(walk.notes)


def _current(flow: Flow, cursor: Cursor) -> Flow | None:
    """The innermost flow of a cursor; None if it is of another flow or version, or of a place that there is not."""
    if cursor.flow != flow.id or cursor.version != flow.version:
        return None
    for call in cursor.calls:
        entered = flow.nodes.get(call.node)
        if not isinstance(entered, SubFlowNode) or entered.flow != call.flow:
            return None
        flow = flow.inner[call.flow]
    return flow if cursor.node in flow.nodes else None


def _at_first(flow: Flow, given: Mapping[str, Value]) -> dict[str, Value]:
    """The variables of a flow as it begins: what is given and fits, else what the flow says; the rest is unset."""
    first: dict[str, Value] = {}
    for name, variable in flow.variables.items():
        value = given.get(name)
        if value is None or not fits(value, variable.type):
            value = variable.value
        if value is not None:
            first[name] = value
    return first


# Inputs


def _counts(walk: Walk, digit: str) -> bool:
    """Whether a key is heard at all; then it is counted."""
    if digit not in _KEYS or walk.keyed >= KEYS_MAX:
        return False
    walk.keyed += 1
    return True


def _say_heard(walk: Walk, node: SayNode, heard: Input) -> NodeId | None:
    walk.way = "next"
    match heard:
        case Digit(digit):
            if _counts(walk, digit):
                walk.keep_ahead(digit)
                if node.interruptible:
                    walk.hush()
                    return node.next
            return None
        case PromptEnded():
            return node.next if walk.saying and _all_said(walk) else None
        case TimeIsUp():
            due = walk.timer_at is not None and walk.now >= walk.timer_at
            return node.next if due and _unreported(walk) else None
        case _:
            assert_never(heard)


def _answer_heard(walk: Walk, node: AskingNode, heard: Input) -> NodeId | None:
    match heard:
        case Digit(digit):
            return asking.hear(walk, node, digit) if _counts(walk, digit) else None
        case PromptEnded():  # of no Say: it ended as a key stopped it
            return asking.heard_out(walk, node) if walk.saying and _all_said(walk) else None
        case TimeIsUp():
            if walk.timer_at is None or walk.now < walk.timer_at:
                return None
            if not walk.saying:
                return asking.silence(walk, node)
            return asking.heard_out(walk, node) if _unreported(walk) else None
        case _:
            assert_never(heard)


def _all_said(walk: Walk) -> bool:
    """One Say ended: begin the next, or it was the last."""
    walk.say(walk.saying[1:])
    return not walk.saying


def _unreported(walk: Walk) -> bool:
    """The end of a Say was never reported."""
    walk.actions.append(StopSaying())
    return _all_said(walk)


# Moves


def _go(walk: Walk, to: NodeId) -> None:
    """Follow the flow from `to` until something is said, a node asks, or the exit."""
    # Each key typed ahead is used once.
    steps_max = max(walk.root.steps_max, len(walk.root.nodes) + 1) * (len(walk.ahead) + 1)
    walk.timer_at = None
    for _ in range(steps_max):
        walk.node, walk.tries = to, 0
        walk.note("node_entered", {"by": walk.way})
        node = walk.current.nodes[to]
        onward = _VISIT[type(node)](walk, node)
        if onward is None:
            return
        to = onward
    raise AssertionError("check() refuses a loop without input")


def _visit_say(walk: Walk, node: SayNode) -> NodeId | None:
    walk.way = "next"
    if walk.ahead and node.interruptible:
        return node.next
    walk.say_in(node.prompts, node.said_in)
    return None if walk.saying else node.next


def _visit_language(walk: Walk, node: LanguageNode) -> NodeId:
    walk.language, walk.way = node.language, "next"
    return node.next


def _visit_branch(walk: Walk, node: BranchNode) -> NodeId:
    word = _word(walk, node)
    to = node.cases.get(word)
    walk.way = "otherwise" if to is None else f"cases.{word}"
    return node.otherwise if to is None else to


def _word(walk: Walk, node: BranchNode) -> str:
    """What the branch's subject is, in the words of its cases."""
    match node.on:
        case Subject.VALUE_TIER:
            return walk.facts.value_tier
        case Subject.LANGUAGE:
            return walk.language
        case Subject.KNOWN:
            return "yes" if walk.facts.known else "no"
        case Subject.CALENDAR:
            return "open" if _calendar_state(walk, node.calendar or "") is State.OPEN else "closed"
        case _:
            assert_never(node.on)


def _calendar_state(walk: Walk, name: str) -> State:
    """The calendar at this moment; one that the site no longer has is closed."""
    calendar = walk.facts.calendars.get(name)
    return State.CLOSED if calendar is None else state(calendar, walk.now)


def _visit_decide(walk: Walk, node: DecideNode) -> NodeId:
    for n, case in enumerate(node.cases, 1):
        if case.when.of(walk.look) is True:
            walk.way = f"cases[{n}]"
            return case.to
    walk.way = "otherwise"
    return node.otherwise


def _visit_set(walk: Walk, node: SetNode) -> NodeId:
    for name, value in node.values.items():
        walk.keep(name, value.of(walk.look))
    walk.way = "next"
    return node.next


def _visit_schedule(walk: Walk, node: ScheduleNode) -> NodeId:
    now = _calendar_state(walk, node.calendar)
    to = {
        State.OPEN: node.open,
        State.CLOSED: node.closed,
        State.HOLIDAY: node.holiday,
        State.CLOSED_NOW: node.closed_now,
    }[now]
    walk.way = now.value if to is not None else "closed"
    return node.closed if to is None else to


def _visit_sub_flow(walk: Walk, node: SubFlowNode) -> NodeId:
    flow = walk.current.inner[node.flow]
    given = {name: value.of(walk.look) for name, value in node.inputs.items()}
    walk.call(flow, _at_first(flow, {name: value for name, value in given.items() if value is not None}))
    walk.way = "start"
    return flow.start


def _visit_return(walk: Walk, node: ReturnNode) -> NodeId | None:
    if not walk.calls:  # check_roots() refuses a hotline whose flow returns
        walk.exit = HangUp("self_service")
        return None
    found, sub_flow = walk.variables, walk.back()
    for here, there in sub_flow.outputs.items():
        walk.keep(here, found.get(there))
    walk.way = f"outcomes.{node.outcome}"
    return sub_flow.outcomes[node.outcome]


def _visit_queue(walk: Walk, node: QueueNode) -> None:
    walk.exit = ToQueue(node.queue, node.music_class, walk.words(node.announcement, walk.language))


def _visit_hang_up(walk: Walk, node: HangUpNode) -> NodeId | None:
    if AGENT_KEY in walk.ahead and walk.agent_depth() is not None:
        walk.ahead = ""
        return walk.to_agent()
    walk.exit = HangUp(node.end_state)
    return None


_VISIT: Mapping[type[Node], Callable[[Walk, Any], NodeId | None]] = {
    SayNode: _visit_say,
    **dict.fromkeys(_ASKING, asking.begin),
    LanguageNode: _visit_language,
    BranchNode: _visit_branch,
    DecideNode: _visit_decide,
    SetNode: _visit_set,
    ScheduleNode: _visit_schedule,
    SubFlowNode: _visit_sub_flow,
    ReturnNode: _visit_return,
    QueueNode: _visit_queue,
    HangUpNode: _visit_hang_up,
}
