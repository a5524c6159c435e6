"""Flows within flows: that they fit together, and how they become one value."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ivr.model import Flow, FlowId, ReturnNode, SubFlowNode
from ivr.reading import no_such, shown, suggest
from ivr.surroundings import Surroundings

DEPTH_MAX = 8
STEPS_MAX = 20_000  # nodes that can be passed without a key: what one key may cost


def link(flows: Mapping[FlowId, Flow]) -> dict[FlowId, Flow]:
    """The flows, each with its sub-flows inside, and a version that tells their content apart too.

    Requires flows that `check` passes.
    """
    linked: dict[FlowId, Flow] = {}

    def whole(flow_id: FlowId) -> Flow:
        if flow_id not in linked:
            flow = flows[flow_id]
            inner = {called: whole(called) for called in calls(flow)}
            steps = (
                len(flow.nodes)
                + 1
                + sum(inner[node.flow].steps_max for node in flow.nodes.values() if isinstance(node, SubFlowNode))
            )
            version = flow.version
            if inner:
                parts = [version, *(f"{called} {inner[called].version}" for called in sorted(inner))]
                version = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
            linked[flow_id] = replace(flow, version=version, inner=inner, steps_max=steps)
        return linked[flow_id]

    return {flow_id: whole(flow_id) for flow_id in flows}


def calls(flow: Flow) -> tuple[FlowId, ...]:
    """The flows that this one enters, each once."""
    return tuple(dict.fromkeys(node.flow for node in flow.nodes.values() if isinstance(node, SubFlowNode)))


def wrong_calls(flow: Flow, around: Surroundings) -> Iterator[str]:
    """Sub-flows that do not exist, do not end, or return with something else than is written."""
    too_long = _steps(flow, around.flows) > STEPS_MAX
    for node_id, node in flow.nodes.items():
        if not isinstance(node, SubFlowNode) or not node.flow:
            continue
        at = f"nodes.{node_id}"
        if node.flow not in around.flows:
            if node.flow not in around.unread:
                yield f"{at}.flow: {no_such('flow', node.flow, around.flows)}"
            continue
        path = _circle(flow.id, node.flow, around.flows)
        if path:
            yield f"{at}.flow: a flow can't be its own sub-flow: {' → '.join(path)}"
            continue
        if _depth(node.flow, around.flows) >= DEPTH_MAX:
            yield f"{at}.flow: sub-flows are nested more than {DEPTH_MAX} deep"
        if too_long:
            yield f"{at}.flow: more than {STEPS_MAX} nodes could be passed without a key, sub-flows counted each time"
        yield from _wrong_outcomes(at, node, around.flows[node.flow])


def _wrong_outcomes(at: str, node: SubFlowNode, inner: Flow) -> Iterator[str]:
    returned = list(dict.fromkeys(end.outcome for end in inner.nodes.values() if isinstance(end, ReturnNode)))
    for outcome in returned:
        if outcome and outcome not in node.outcomes:
            yield f"{at}.outcomes: {shown(outcome)} is missing, with which flow {node.flow!r} may return"
    for outcome in node.outcomes:
        if outcome not in returned:
            why = f"flow {node.flow!r} never returns with it"
            yield f"{at}.outcomes.{outcome}: {why}{suggest(outcome, returned)}"


def _circle(start: FlowId, called: FlowId, flows: Mapping[FlowId, Flow]) -> list[FlowId]:
    """A way from `called` back to `start`, both included; empty if there is none."""
    seen: set[FlowId] = set()
    todo = [[start, called]]
    while todo:
        path = todo.pop()
        if path[-1] == start:
            return path
        if path[-1] in seen or path[-1] not in flows:
            continue
        seen.add(path[-1])
        todo += [[*path, further] for further in calls(flows[path[-1]])]
    return []


def _depth(flow_id: FlowId, flows: Mapping[FlowId, Flow]) -> int:
    """How deep sub-flows are nested in a flow, counted up to DEPTH_MAX: 0 for none."""
    layer, depth = {flow_id}, 0
    while depth < DEPTH_MAX:
        layer = {called for each in layer if each in flows for called in calls(flows[each])}
        if not layer:
            break
        depth += 1
    return depth


def _steps(
    flow: Flow,
    flows: Mapping[FlowId, Flow],
    within: frozenset[FlowId] = frozenset(),
    known: dict[FlowId, int] | None = None,
) -> int:
    """The nodes of a flow and of every sub-flow as often as it is entered; circles are not counted."""
    known = {} if known is None else known
    count = len(flow.nodes) + 1
    for node in flow.nodes.values():
        if isinstance(node, SubFlowNode) and node.flow in flows and node.flow not in within | {flow.id}:
            if node.flow not in known:
                known[node.flow] = _steps(flows[node.flow], flows, within | {flow.id}, known)
            count += known[node.flow]
    return count
