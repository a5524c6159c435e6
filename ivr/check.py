"""Proves a flow safe before a caller meets it: every mistake at once, each with its path inside the flow.

The theorem that the interpreter rests on: every way leads to a node, and the ways that no key takes form no
loop. So a caller who keys nothing comes to a queue or an end, whatever node they are at.
"""

from collections.abc import Collection, Iterator, Mapping

from ivr.check_values import missing_prompts, wrong_values
from ivr.expression import Literal
from ivr.graph import backward, closure, ways
from ivr.model import (
    AskingNode,
    BranchNode,
    CallbackNode,
    CollectNode,
    ConsentNode,
    Flow,
    FlowId,
    HangUpNode,
    LanguageChoiceNode,
    LanguageNode,
    MenuNode,
    NodeId,
    OptionsNode,
    QueueNode,
    ReturnNode,
    SayNode,
    ScheduleNode,
    SlotsNode,
    SubFlowNode,
    Subject,
    TransferNode,
    VoicemailNode,
    WaitingNode,
)
from ivr.privacy import told_to_anybody
from ivr.sub_flows import calls, wrong_calls
from ivr.surroundings import Surroundings, unknown

__all__ = ["Surroundings", "check", "check_references", "check_roots"]


def check(flow: Flow, around: Surroundings) -> tuple[str, ...]:
    """Every mistake of the flow as `path: sentence`; empty if it is safe to run."""
    mistakes = check_references(flow, around, flow.nodes)
    if any(_dangling(flow, flow.nodes)):  # not the graph its author meant: judge its shape once the ways are right
        return mistakes
    shape = (*_unreachable(flow), *_dead_ends(flow), *_loops(flow), *_without_a_person(flow, around.flows))
    return (*mistakes, *shape, *told_to_anybody(flow, around))


def check_references(flow: Flow, around: Surroundings, declared: Collection[NodeId]) -> tuple[str, ...]:
    """The mistakes that need no whole flow: names that do not exist, expressions that make no sense.

    `declared` are the nodes that exist, though perhaps unreadable; empty names are passed over.
    """
    return (
        *_dangling(flow, declared),
        *_names(flow, around),
        *wrong_values(flow, around),
        *wrong_calls(flow, around),
        *missing_prompts(flow, around),
    )


def check_roots(flows: Mapping[FlowId, Flow], roots: Mapping[str, FlowId]) -> tuple[str, ...]:
    """The mistakes of what leads callers into flows (`roots`: path → flow): a sub-flow has nothing to return to."""
    return tuple(
        f"{path}: flow {flow_id!r} returns at {node_id!r}, so it is a sub-flow and can't be the first one"
        for path, flow_id in roots.items()
        if flow_id in flows
        for node_id, node in flows[flow_id].nodes.items()
        if isinstance(node, ReturnNode)
    )


def _dangling(flow: Flow, declared: Collection[NodeId]) -> Iterator[str]:
    yield from unknown("start", "node", [flow.start], declared)
    if flow.agent_node is not None:
        yield from unknown("agent_node", "node", [flow.agent_node], declared)
    for node_id, node in flow.nodes.items():
        for way in ways(node):
            yield from unknown(f"nodes.{node_id}.{way.path}", "node", [way.to], declared)


def _names(flow: Flow, around: Surroundings) -> Iterator[str]:
    """Queues, calendars, languages and value tiers that do not exist."""
    for node_id, node in flow.nodes.items():
        at = f"nodes.{node_id}"
        match node:
            case QueueNode() | TransferNode() | CallbackNode() | SlotsNode():
                yield from unknown(f"{at}.queue", "queue", [node.queue], around.queues)
                if isinstance(node, TransferNode) and isinstance(node.agent.root, Literal):
                    yield from unknown(f"{at}.agent", "agent", [str(node.agent.root.value)], around.agents)
            case LanguageNode():
                yield from unknown(f"{at}.language", "language", [node.language], around.languages)
            case LanguageChoiceNode():
                yield from unknown(f"{at}.choices", "language", node.choices.values(), around.languages)
            case SayNode() | MenuNode() | CollectNode() | ConsentNode():
                yield from unknown(f"{at}.said_in", "language", node.said_in, around.languages)
                if isinstance(node, MenuNode):
                    yield from unknown(f"{at}.speech", "language", node.speech, around.languages)
            case ScheduleNode():
                yield from unknown(f"{at}.calendar", "calendar", [node.calendar], around.calendars)
            case BranchNode(on=Subject.CALENDAR):
                yield from unknown(f"{at}.calendar", "calendar", [node.calendar or ""], around.calendars)
            case BranchNode(on=Subject.VALUE_TIER):
                yield from unknown(f"{at}.cases", "value tier", node.cases, around.value_tiers)
            case BranchNode(on=Subject.LANGUAGE):
                yield from unknown(f"{at}.cases", "language", node.cases, around.languages)
            case _:
                pass


def _unreachable(flow: Flow) -> Iterator[str]:
    roots = [flow.start] if flow.agent_node is None else [flow.start, flow.agent_node]
    forward = {node_id: [way.to for way in ways(node)] for node_id, node in flow.nodes.items()}
    reached = closure(roots, forward)
    yield from (f"nodes.{node_id}: unreachable: no way leads here" for node_id in flow.nodes if node_id not in reached)


def _dead_ends(flow: Flow) -> Iterator[str]:
    ends = (QueueNode, TransferNode, CallbackNode, VoicemailNode, HangUpNode, ReturnNode)
    ending = [
        node_id
        for node_id, node in flow.nodes.items()
        if isinstance(node, ends) or (isinstance(node, SubFlowNode) and not node.outcomes)  # the visit ends in there
    ]
    saved = closure(ending, backward(flow))
    for node_id in flow.nodes:
        if node_id not in saved:
            yield f"nodes.{node_id}: dead end: neither a queue nor a hang_up can be reached from here"


def _without_a_person(flow: Flow, flows: Mapping[FlowId, Flow]) -> Iterator[str]:
    """Nodes that ask, from which nobody can be reached. A sub-flow may leave that to the flow it returns to."""
    served = _served(flow, _serving(flow, flows) if calls(flow) else ())
    if flow.agent_node in served:
        return
    returned = [node_id for node_id, node in flow.nodes.items() if isinstance(node, ReturnNode)]
    served |= closure(returned, backward(flow))
    for node_id, node in flow.nodes.items():
        if isinstance(node, AskingNode | OptionsNode | SubFlowNode) and node_id not in served:
            why = "no queue can be reached, and no agent_node leads to one"
            kind = "menu" if isinstance(node, MenuNode | OptionsNode) else "question"
            if isinstance(node, SubFlowNode):
                kind = "sub-flow"
            yield f"nodes.{node_id}: {kind} without a way to a person: {why}"


def _served(flow: Flow, serving: Collection[FlowId]) -> set[NodeId]:
    """The nodes from which a queue can be reached, in this flow or in a sub-flow of it."""
    queues = [
        node_id
        for node_id, node in flow.nodes.items()
        if isinstance(node, WaitingNode | SlotsNode) or (isinstance(node, SubFlowNode) and node.flow in serving)
    ]
    return closure(queues, backward(flow))


def _serving(flow: Flow, flows: Mapping[FlowId, Flow]) -> set[FlowId]:
    """The sub-flows, however deep, that lead to a queue from their start or by `0`."""
    below = closure(calls(flow), {flow_id: calls(each) for flow_id, each in flows.items()})
    sound = {
        flow_id: flows[flow_id]
        for flow_id in below & flows.keys()
        if not any(_dangling(flows[flow_id], flows[flow_id].nodes))
    }
    serving: set[FlowId] = set()
    while True:
        more = {
            flow_id
            for flow_id, each in sound.items()
            if flow_id not in serving and {each.start, each.agent_node} & _served(each, serving)
        }
        if not more:
            return serving
        serving |= more


def _loops(flow: Flow) -> Iterator[str]:
    """Loops that run without the caller keying anything, each once, by depth first search."""
    unkeyed = {
        node_id: list(dict.fromkeys(w.to for w in ways(node) if not w.by_key)) for node_id, node in flow.nodes.items()
    }
    done: set[NodeId] = set()
    for root in flow.nodes:
        path: list[NodeId] = []
        on_path: dict[NodeId, int] = {}
        stack: list[tuple[NodeId, bool]] = [(root, False)]
        while stack:
            node_id, leaving = stack.pop()
            if leaving:
                done.add(node_id)
                del on_path[path.pop()]
            elif node_id in on_path:
                loop = path[on_path[node_id] :]
                yield f"nodes.{node_id}: loop without input: {' → '.join([*loop[:8], node_id])}"
            elif node_id not in done:
                on_path[node_id] = len(path)
                path.append(node_id)
                stack.append((node_id, True))
                stack.extend((to, False) for to in reversed(unkeyed[node_id]))
