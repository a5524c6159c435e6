"""A flow as a drawing: Mermaid for people, plain data for programs."""

from collections.abc import Iterator
from typing import Any

from ivr.graph import ways
from ivr.model import (
    AskingNode,
    BranchNode,
    DecideNode,
    Flow,
    HangUpNode,
    LanguageNode,
    Node,
    QueueNode,
    ReturnNode,
    SayNode,
    ScheduleNode,
    Spoken,
    SubFlowNode,
    SurveyNode,
)
from ivr.nodes import KINDS

_LABEL_MAX = 80


def mermaid(flow: Flow) -> str:
    """The flow in Mermaid's language; ways that only a key takes are drawn thick, the `0` is dotted."""
    names = {node_id: f"n{n}" for n, node_id in enumerate(flow.nodes)}
    lines = ["flowchart TD", f"  start([{_quoted(flow.id)}]) --> {names[flow.start]}"]
    for node_id, node in flow.nodes.items():
        left, right = _shape(node)
        lines.append(f"  {names[node_id]}{left}{_quoted(node_id, *_about(node))}{right}")
    for node_id, node in flow.nodes.items():
        for way in ways(node):
            label = "" if way.path == "next" else f"|{_quoted(_way(node, way.path))}|"
            lines.append(f"  {names[node_id]} {'==>' if way.by_key else '-->'}{label} {names[way.to]}")
    if flow.agent_node is not None:
        lines.append(f"  key0([{_quoted('0')}]) -.-> {names[flow.agent_node]}")
    return "\n".join(lines) + "\n"


def as_data(flow: Flow) -> dict[str, Any]:
    """The flow as nodes and ways, for programs."""
    return {
        "flow": flow.id,
        "version": flow.version,
        "start": flow.start,
        "agent_node": flow.agent_node,
        "variables": {name: variable.type.value for name, variable in flow.variables.items()},
        "nodes": [
            {"node": node_id, "type": KINDS[type(node)], "about": list(_about(node))}
            for node_id, node in flow.nodes.items()
        ],
        "ways": [
            {"from": node_id, "way": way.path, "to": way.to, "by_key": way.by_key}
            for node_id, node in flow.nodes.items()
            for way in ways(node)
        ],
    }


def _shape(node: Node) -> tuple[str, str]:
    if isinstance(node, QueueNode | HangUpNode | ReturnNode):
        return "([", "])"
    if isinstance(node, BranchNode | DecideNode | ScheduleNode):
        return "{", "}"
    if isinstance(node, AskingNode):
        return "[/", "/]"
    return ("[[", "]]") if isinstance(node, SubFlowNode) else ("[", "]")


def _about(node: Node) -> Iterator[str]:
    """What to write under the node's name."""
    match node:
        case QueueNode(queue):
            yield f"queue {queue}"
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
