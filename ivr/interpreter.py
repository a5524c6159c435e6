"""Steps one caller through one flow: a pure, total function of cursor and input, that cannot strand a caller.

Why nobody is stranded. `check` proved that the ways no key takes form no loop, in any flow, and that no flow is its
own sub-flow. At every node that waits, something takes such a way without the caller: a prompt ends (or PROMPT_MAX_S
passes), a node asks at most `tries_max` times. Only keys lead backwards, and after KEYS_MAX of them keys are no longer
heard. So every visit to a flow ends in a queue or a hang-up within a bounded number of inputs.

Prompts are heard one `Say` at a time. A key stops an interruptible one; keys typed ahead are kept and answer
the next nodes that ask without their prompts being said. A no-input timer starts when the prompt has ended.

The seam to the world. What the caller is asked is one kind of waiting; a node that asks the world (a lookup, say) is
another (`world`): an Ask goes out, Answered comes back or the timer takes the node's way for errors, and none of its
ways is one by key. So it waits for a bounded time, once a visit, and nothing of the proof changes. What a recogniser
hears (`spoken`) is an answer by voice: it counts as a key, and what it does not understand as a wrong one.
"""

from typing import assert_never

from msgspec.structs import replace

from ivr import asking, listening, options, outside, slots, spoken, world
from ivr.model import (
    CollectNode,
    ConsentNode,
    Flow,
    LanguageChoiceNode,
    MenuNode,
    NodeId,
    OptionsNode,
    OutsideNode,
    SayNode,
    SlotsNode,
    SubFlowNode,
    SurveyNode,
    WorldNode,
)
from ivr.turn import (
    Action,
    Answered,
    Ask,
    AskSlots,
    BookSlot,
    Call,
    Cursor,
    Dial,
    Digit,
    Exit,
    Facts,
    HangUp,
    Input,
    Listen,
    Note,
    PromptEnded,
    Say,
    SpeechHeard,
    StartMusic,
    StopListening,
    StopMusic,
    StopSaying,
    TimeIsUp,
    ToCallback,
    ToOutside,
    ToQueue,
    ToVoicemail,
    Turn,
)
from ivr.visits import VISIT, at_first
from ivr.walk import AHEAD_MAX, KEYS_MAX, Walk
from ivr.world_model import AuthenticateNode, HttpNode, LookupNode

__all__ = [
    "AHEAD_MAX",
    "KEYS_MAX",
    "Action",
    "Answered",
    "Ask",
    "AskSlots",
    "BookSlot",
    "Call",
    "Cursor",
    "Dial",
    "Digit",
    "Exit",
    "Facts",
    "HangUp",
    "Input",
    "Listen",
    "Note",
    "PromptEnded",
    "Say",
    "SpeechHeard",
    "StartMusic",
    "StopListening",
    "StopMusic",
    "StopSaying",
    "TimeIsUp",
    "ToCallback",
    "ToOutside",
    "ToQueue",
    "ToVoicemail",
    "Turn",
    "enter",
    "leave",
    "resume",
    "step",
]


_ASKING = (MenuNode, CollectNode, LanguageChoiceNode, ConsentNode, SurveyNode, AuthenticateNode)


def enter(flow: Flow, facts: Facts, now: float) -> Turn:
    """The first turn of a visit. Requires a flow that `check` passes."""
    variables = at_first(flow, facts.variables)
    first = Cursor(flow.id, flow.version, flow.start, facts.language, variables=variables, verified=facts.verified)
    walk = Walk(flow, flow, first, facts, now)
    _go(walk, flow.start)
    return walk.turn()


def step(flow: Flow, cursor: Cursor, heard: Input | SpeechHeard, facts: Facts, now: float) -> Turn:
    """The turn that follows an input; never raises for any input or cursor, given a flow that `check` passes.

    A cursor of another flow or version starts over on this one. After the exit every input does nothing.
    """
    current = _current(flow, cursor)
    if current is None:
        again = enter(flow, facts, now)
        restarted = Note("flow_restarted", cursor.node, {"version": flow.version})
        kept = replace(again.cursor, consent=cursor.consent)
        return replace(again, cursor=kept, notes=(restarted, *again.notes))
    node = current.nodes[cursor.node]
    walk = Walk(flow, current, cursor, facts, now)
    to: NodeId | None = None
    if isinstance(heard, SpeechHeard):
        to = spoken.hear(walk, node, heard)
    elif isinstance(node, SayNode):
        to = _say_heard(walk, node, heard)
    elif isinstance(node, OutsideNode):
        to = outside.hear(walk, node, heard)
    elif isinstance(node, SlotsNode):
        to = slots.hear(walk, node, heard)
    elif isinstance(node, OptionsNode):
        to = options.hear(walk, node, heard)
    elif walk.asked_at is not None and isinstance(node, (LookupNode, HttpNode, AuthenticateNode)):
        to = _answer_awaited(walk, node, heard)
    elif isinstance(node, _ASKING):
        to = asking.answer_heard(walk, node, heard)
    else:
        return Turn(cursor)  # already out: a key or a timer crossed with the exit
    if to is not None:
        _go(walk, to)
    return walk.turn()


def resume(flow: Flow, cursor: Cursor, facts: Facts, now: float) -> Turn:
    """The turn of a caller whom an earlier process of ours left here: what they were hearing begins again.

    What the world was asked is asked again, under the same number; but for what must not happen twice (an HTTP POST):
    that is taken for an error. A phone outside is rung again. Whose PIN was being compared is asked for it again, for
    it is kept nowhere.
    """
    current = _current(flow, cursor)
    if current is None:
        return step(flow, cursor, TimeIsUp(), facts, now)  # starts over
    node = current.nodes[cursor.node]
    walk = Walk(flow, current, cursor, facts, now)
    walk.music = False  # it may never have been asked for
    if walk.asked_at is None:
        listening.resume(walk, node)
        if walk.saying:
            walk.say(walk.saying)
        return walk.turn()
    walk.saying, walk.asked_at, walk.timer_at = (), None, None
    to: NodeId | None = None
    if isinstance(node, HttpNode) and node.body is not None:
        to = world.fail(walk, node, "restarted")
    elif isinstance(node, AuthenticateNode):
        to = asking.begin(walk, node)
    elif isinstance(node, (LookupNode, HttpNode, OutsideNode, SlotsNode, OptionsNode)):
        walk.requests -= 1
        to = VISIT[type(node)](walk, node)
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


# Inputs


def _say_heard(walk: Walk, node: SayNode, heard: Input) -> NodeId | None:
    walk.way = "next"
    match heard:
        case Digit(digit):
            if walk.counts(digit):
                walk.keep_ahead(digit)
                if node.interruptible:
                    walk.hush()
                    return node.next
            return None
        case PromptEnded():
            return node.next if walk.saying and walk.all_said() else None
        case TimeIsUp():
            due = walk.timer_at is not None and walk.now >= walk.timer_at
            return node.next if due and walk.unreported() else None
        case Answered():
            return None  # it was not waited for any longer
        case _:
            assert_never(heard)


def _answer_awaited(walk: Walk, node: WorldNode | AuthenticateNode, heard: Input) -> NodeId | None:
    answer = world.await_answer(walk, node, heard)
    if answer is None:
        return None
    if isinstance(node, AuthenticateNode):
        return asking.compared(walk, node, answer)
    return world.go_by(walk, node, answer)


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
        onward = VISIT[type(node)](walk, node)
        if onward is None:
            return
        to = onward
    raise AssertionError("check() refuses a loop without input")
