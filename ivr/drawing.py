"""A flow as a drawing: Mermaid for people, plain data for programs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ivr.graph import ways
from ivr.model import (
    AskingNode,
    BranchNode,
    CallbackNode,
    DecideNode,
    Flow,
    HangUpNode,
    LanguageNode,
    Node,
    OptionsNode,
    OutsideNode,
    QueueNode,
    ReturnNode,
    SayNode,
    ScheduleNode,
    SlotsNode,
    Spoken,
    SubFlowNode,
    SurveyNode,
    TransferNode,
    VoicemailNode,
    WorldNode,
)
from ivr.nodes import KINDS
from ivr.world_model import HttpNode, LookupNode

_LABEL_MAX = 80


@dataclass(frozen=True, slots=True)
class Traffic:
    """How often callers began the flow, entered each node, took each way (node, way) and pressed the `0`."""

    entered: int = 0
    nodes: Mapping[str, int] = field(default_factory=dict)
    ways: Mapping[tuple[str, str], int] = field(default_factory=dict)
    agent: int = 0


def mermaid(flow: Flow, traffic: Traffic | None = None) -> str:
    """The flow in Mermaid's language; ways that only a key takes are drawn thick, the `0` is dotted.

    With `traffic` every node and way has its number.
    """

    def times(count: int) -> str:
        return "" if traffic is None else f"{count} ×"

    known = traffic or Traffic()
    names = {node_id: f"n{n}" for n, node_id in enumerate(flow.nodes)}
    lines = ["flowchart TD", f"  start([{_quoted(flow.id)}]) -->{_label(times(known.entered))} {names[flow.start]}"]
    for node_id, node in flow.nodes.items():
        left, right = _shape(node)
        count = times(known.nodes.get(node_id, 0))
        lines.append(f"  {names[node_id]}{left}{_quoted(node_id, *_about(node), *filter(None, [count]))}{right}")
    for node_id, node in flow.nodes.items():
        for way in ways(node):
            words = "" if way.path == "next" else _way(node, way.path)
            label = _label(words, times(known.ways.get((node_id, way.path), 0)))
            lines.append(f"  {names[node_id]} {'==>' if way.by_key else '-->'}{label} {names[way.to]}")
    if flow.agent_node is not None:
        lines.append(f"  key0([{_quoted('0')}]) -.->{_label(times(known.agent))} {names[flow.agent_node]}")
    return "\n".join(lines) + "\n"


def as_data(flow: Flow, traffic: Traffic | None = None) -> dict[str, Any]:
    """The flow as nodes and ways, for programs; with `traffic` every one has its `times`."""

    def times(count: int) -> dict[str, int]:
        return {} if traffic is None else {"times": count}

    known = traffic or Traffic()
    return {
        "flow": flow.id,
        "version": flow.version,
        "start": flow.start,
        "agent_node": flow.agent_node,
        **({} if traffic is None else {"entered": known.entered, "agent_key": known.agent}),
        "variables": {name: variable.type.value for name, variable in flow.variables.items()},
        "nodes": [
            {
                "node": node_id,
                "type": KINDS[type(node)],
                "about": list(_about(node)),
                **times(known.nodes.get(node_id, 0)),
            }
            for node_id, node in flow.nodes.items()
        ],
        "ways": [
            {
                "from": node_id,
                "way": way.path,
                "to": way.to,
                "by_key": way.by_key,
                **times(known.ways.get((node_id, way.path), 0)),
            }
            for node_id, node in flow.nodes.items()
            for way in ways(node)
        ],
    }


def _label(*words: str) -> str:
    """What stands at a way; nothing without words."""
    said = " · ".join(filter(None, words))
    return f"|{_quoted(said)}|" if said else ""


def _shape(node: Node) -> tuple[str, str]:
    if isinstance(node, QueueNode | TransferNode | CallbackNode | VoicemailNode | HangUpNode | ReturnNode):
        return "([", "])"
    if isinstance(node, BranchNode | DecideNode | ScheduleNode):
        return "{", "}"
    if isinstance(node, AskingNode | SlotsNode | OptionsNode):
        return "[/", "/]"
    if isinstance(node, WorldNode | OutsideNode):
        return "[(", ")]"
    return ("[[", "]]") if isinstance(node, SubFlowNode) else ("[", "]")


def _about(node: Node) -> Iterator[str]:
    """What to write under the node's name."""
    match node:
        case QueueNode(queue) | CallbackNode(queue) | SlotsNode(queue):
            yield f"{KINDS[type(node)]} {queue}"
        case TransferNode(queue, agent):
            yield f"agent {agent.text}, else {queue}"
        case LookupNode() | HttpNode() | OutsideNode():
            yield _asked(node)
        case HangUpNode(end_state):
            yield f"hang up: {end_state}"
        case ReturnNode(outcome):
            yield f"return {outcome}"
        case SubFlowNode(flow):
            yield f"flow {flow}"
        case LanguageNode(language):
            yield f"language {language}"
        case BranchNode(on):
            yield on.value
        case ScheduleNode(calendar):
            yield f"calendar {calendar}"
        case SurveyNode(survey):
            yield f"survey {survey}"
        case SayNode(prompts):
            yield " ".join(f"{{{p.value.text} as {p.style}}}" if isinstance(p, Spoken) else p for p in prompts)
        case _:
            yield KINDS[type(node)]


def _asked(node: WorldNode | OutsideNode) -> str:
    if isinstance(node, OutsideNode):
        return f"phone {node.number.text}"
    if isinstance(node, LookupNode):
        return f"lookup {node.lookup}"
    return f"{'GET' if node.body is None else 'POST'} {node.url}"


def _way(node: Node, path: str) -> str:
    """A way as people read it: the key, the word, the expression."""
    if isinstance(node, DecideNode) and path.startswith("cases["):
        return node.cases[int(path[6:-1]) - 1].when.text
    return path.partition(".")[2] or path


def _quoted(*lines: str) -> str:
    """Text between quotes, with nothing in it that Mermaid would take for its own."""
    short = (line if len(line) <= _LABEL_MAX else line[: _LABEL_MAX - 1] + "…" for line in lines)
    safe = (
        line.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;") for line in short
    )
    return '"' + "<br/>".join(" ".join(line.split()) for line in safe) + '"'
