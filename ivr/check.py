"""Proves a flow safe before a caller meets it: every mistake at once, each with its path inside the flow.

The theorem that the interpreter rests on: every way leads to a node, and the ways that no key takes form no
loop. So a caller who keys nothing comes to a queue or an end, whatever node they are at.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ivr.model import (
    BranchNode,
    Flow,
    HangUpNode,
    Language,
    LanguageNode,
    MenuNode,
    NodeId,
    PromptId,
    QueueNode,
    SayNode,
    Subject,
    prompts_of,
    ways,
)
from ivr.reading import no_such


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a flow may refer to. None: not known (its file was unreadable), so nothing is said about it."""

    languages: Collection[Language] | None
    value_tiers: Collection[str] | None
    queues: Collection[str] | None
    calendars: Collection[str] | None
    prompts: Mapping[Language, Collection[PromptId]]


def check(flow: Flow, around: Surroundings) -> tuple[str, ...]:
    """Every mistake of the flow as `path: sentence`; empty if it is safe to run."""
    mistakes = check_references(flow, around, flow.nodes)
    if any(_dangling(flow, flow.nodes)):  # not the graph its author meant: judge its shape once the ways are right
        return mistakes
    return (*mistakes, *_unreachable(flow), *_dead_ends(flow), *_loops(flow), *_without_a_person(flow))


def check_references(flow: Flow, around: Surroundings, declared: Collection[NodeId]) -> tuple[str, ...]:
    """The mistakes that need no whole flow: names of nodes, queues, calendars … that do not exist.

    `declared` are the nodes that exist, though perhaps unreadable; empty names are passed over.
    """
    return (*_dangling(flow, declared), *_names(flow, around), *_missing_prompts(flow, around))


def _dangling(flow: Flow, declared: Collection[NodeId]) -> Iterator[str]:
    yield from _unknown("start", "node", [flow.start], declared)
    if flow.agent_node is not None:
        yield from _unknown("agent_node", "node", [flow.agent_node], declared)
    for node_id, node in flow.nodes.items():
        for way in ways(node):
            yield from _unknown(f"nodes.{node_id}.{way.path}", "node", [way.to], declared)


def _names(flow: Flow, around: Surroundings) -> Iterator[str]:
    """Queues, calendars, languages and value tiers that do not exist."""
    for node_id, node in flow.nodes.items():
        at = f"nodes.{node_id}"
        match node:
            case QueueNode():
                yield from _unknown(f"{at}.queue", "queue", [node.queue], around.queues)
            case LanguageNode():
                yield from _unknown(f"{at}.language", "language", [node.language], around.languages)
            case SayNode() | MenuNode():
                yield from _unknown(f"{at}.said_in", "language", node.said_in, around.languages)
            case BranchNode(on=Subject.CALENDAR):
                yield from _unknown(f"{at}.calendar", "calendar", [node.calendar or ""], around.calendars)
            case BranchNode(on=Subject.VALUE_TIER):
                yield from _unknown(f"{at}.cases", "value tier", node.cases, around.value_tiers)
            case BranchNode(on=Subject.LANGUAGE):
                yield from _unknown(f"{at}.cases", "language", node.cases, around.languages)
            case _:
                pass


def _unknown(at: str, kind: str, names: Iterable[str], known: Collection[str] | None) -> Iterator[str]:
    for name in names:
        if name and known is not None and name not in known:
            yield f"{at}: {no_such(kind, name, known)}"


def _missing_prompts(flow: Flow, around: Surroundings) -> Iterator[str]:
    for node_id, node in flow.nodes.items():
        said_in = node.said_in if isinstance(node, (SayNode, MenuNode)) else ()
        for field, prompt in prompts_of(node):
            for language in said_in or around.prompts:
                there = around.prompts.get(language)
                if there is not None and prompt not in there:
                    yield f"nodes.{node_id}.{field}: {no_such('prompt', prompt, there)} (in {language})"


def _unreachable(flow: Flow) -> Iterator[str]:
    roots = [flow.start] if flow.agent_node is None else [flow.start, flow.agent_node]
    forward = {node_id: [way.to for way in ways(node)] for node_id, node in flow.nodes.items()}
    reached = _closure(roots, forward)
    yield from (f"nodes.{node_id}: unreachable: no way leads here" for node_id in flow.nodes if node_id not in reached)


def _dead_ends(flow: Flow) -> Iterator[str]:
    ends = [node_id for node_id, node in flow.nodes.items() if isinstance(node, (QueueNode, HangUpNode))]
    saved = _closure(ends, _backward(flow))
    for node_id in flow.nodes:
        if node_id not in saved:
            yield f"nodes.{node_id}: dead end: neither a queue nor a hang_up can be reached from here"


def _without_a_person(flow: Flow) -> Iterator[str]:
    queues = [node_id for node_id, node in flow.nodes.items() if isinstance(node, QueueNode)]
    served = _closure(queues, _backward(flow))
    if flow.agent_node in served:
        return
    for node_id, node in flow.nodes.items():
        if isinstance(node, MenuNode) and node_id not in served:
            why = "no queue can be reached, and no agent_node leads to one"
            yield f"nodes.{node_id}: menu without a way to a person: {why}"


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


def _backward(flow: Flow) -> dict[NodeId, list[NodeId]]:
    """Node → the nodes that lead to it."""
    back: dict[NodeId, list[NodeId]] = {node_id: [] for node_id in flow.nodes}
    for node_id, node in flow.nodes.items():
        for way in ways(node):
            back[way.to].append(node_id)
    return back


def _closure(roots: Collection[NodeId], onward: Mapping[NodeId, Collection[NodeId]]) -> set[NodeId]:
    """Every node that can be reached from the roots."""
    reached: set[NodeId] = set()
    todo = list(roots)
    while todo:
        node_id = todo.pop()
        if node_id not in reached:
            reached.add(node_id)
            todo.extend(onward[node_id])
    return reached
