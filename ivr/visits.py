"""What happens as a caller comes to a node: where they go on to, or None to stay and wait, or to be out."""

from collections.abc import Callable, Mapping
from typing import Any, assert_never, get_args

from ivr import asking, options, outside, slots, world
from ivr.calendar import State, state
from ivr.expression import Value, fits
from ivr.model import (
    AGENT_KEY,
    AskingNode,
    BranchNode,
    CallbackNode,
    DecideNode,
    Flow,
    HangUpNode,
    LanguageNode,
    Node,
    NodeId,
    OptionsNode,
    OutsideNode,
    QueueNode,
    ReturnNode,
    SayNode,
    ScheduleNode,
    SetNode,
    SlotsNode,
    SubFlowNode,
    Subject,
    TransferNode,
    VoicemailNode,
)
from ivr.turn import HangUp, ToCallback, ToQueue, ToVoicemail
from ivr.walk import Walk
from ivr.world_model import HttpNode, LookupNode, RememberNode


def at_first(flow: Flow, given: Mapping[str, Value]) -> dict[str, Value]:
    """The variables of a flow as it begins: what is given and fits, else what the flow says; the rest is unset."""
    first: dict[str, Value] = {}
    for name, variable in flow.variables.items():
        value = given.get(name)
        if value is None or not fits(value, variable.type):
            value = variable.value
        if value is not None:
            first[name] = value
    return first


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
    walk.call(flow, at_first(flow, {name: value for name, value in given.items() if value is not None}))
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


def _visit_transfer(walk: Walk, node: TransferNode) -> None:
    agent = node.agent.of(walk.look)
    announcement = walk.words(node.announcement, walk.language)
    walk.exit = ToQueue(node.queue, node.music_class, announcement, str(agent) if agent else None, node.wait_s)


def _visit_callback(walk: Walk, node: CallbackNode) -> None:
    walk.exit = ToCallback(node.queue)


def _visit_voicemail(walk: Walk, _: VoicemailNode) -> None:
    walk.exit = ToVoicemail()


def _visit_hang_up(walk: Walk, node: HangUpNode) -> NodeId | None:
    if AGENT_KEY in walk.ahead and walk.agent_depth() is not None:
        walk.ahead = ""
        return walk.to_agent()
    walk.exit = HangUp(node.end_state)
    return None


VISIT: Mapping[type[Node], Callable[[Walk, Any], NodeId | None]] = {
    SayNode: _visit_say,
    **dict.fromkeys(get_args(AskingNode), asking.begin),
    LanguageNode: _visit_language,
    BranchNode: _visit_branch,
    DecideNode: _visit_decide,
    SetNode: _visit_set,
    ScheduleNode: _visit_schedule,
    SubFlowNode: _visit_sub_flow,
    ReturnNode: _visit_return,
    LookupNode: world.visit_lookup,
    HttpNode: world.visit_http,
    RememberNode: world.visit_remember,
    QueueNode: _visit_queue,
    TransferNode: _visit_transfer,
    OutsideNode: outside.visit,
    SlotsNode: slots.visit,
    OptionsNode: options.visit,
    CallbackNode: _visit_callback,
    VoicemailNode: _visit_voicemail,
    HangUpNode: _visit_hang_up,
}
