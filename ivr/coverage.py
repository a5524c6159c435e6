"""Which nodes and ways of a flow, and of its sub-flows, were walked: from the notes of visits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ivr.graph import ways
from ivr.model import Flow, FlowId
from ivr.turn import Note

# A node, and a way out of one, by the flow they are in.
Place = tuple[FlowId, str]
Edge = tuple[FlowId, str, str]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much was walked; `nodes_missed` are `flow.node`, `ways_missed` `flow.node.way`, in the order written."""

    nodes: int
    nodes_walked: int
    nodes_missed: tuple[str, ...]
    ways: int
    ways_walked: int
    ways_missed: tuple[str, ...]


def coverage(flow: Flow, visits: Iterable[Iterable[Note]]) -> Coverage:
    """What these visits walked of the flow and everything inside it."""
    places: set[Place] = set()
    edges: set[Edge] = set()
    for notes in visits:
        for place, edge in _walked(flow.id, notes):
            places.add(place)
            if edge is not None:
                edges.add(edge)
    every = list(_flows(flow))
    nodes = [(each.id, node_id) for each in every for node_id in each.nodes]
    written = [
        (each.id, node_id, way.path) for each in every for node_id, node in each.nodes.items() for way in ways(node)
    ]
    nodes_missed = tuple(".".join(place) for place in nodes if place not in places)
    ways_missed = tuple(".".join(edge) for edge in written if edge not in edges)
    return Coverage(
        nodes=len(nodes),
        nodes_walked=len(nodes) - len(nodes_missed),
        nodes_missed=nodes_missed,
        ways=len(written),
        ways_walked=len(written) - len(ways_missed),
        ways_missed=ways_missed,
    )


def _flows(flow: Flow) -> Iterator[Flow]:
    """The flow and every one inside it, each once."""
    found = {flow.id: flow}
    todo = [flow]
    while todo:
        for inner in todo.pop().inner.values():
            if inner.id not in found:
                found[inner.id] = inner
                todo.append(inner)
    yield from found.values()


def _walked(root: FlowId, notes: Iterable[Note]) -> Iterator[tuple[Place, Edge | None]]:
    """Every node that was entered, with the way that led there; none for a start and the `0`."""
    before: Place | None = None
    entered_at: list[tuple[Place, FlowId]] = []  # the sub-flows the caller is in, and where each was entered
    for note in notes:
        if note.what != "node_entered":
            continue
        flow_id, _, node_id = note.node.rpartition("/")
        place, by = (flow_id or root, node_id), str(note.detail["by"])
        edge: Edge | None = None
        if by == "start":
            if before is not None:
                entered_at.append((before, place[0]))
        elif by == "agent":
            while entered_at and entered_at[-1][1] != place[0]:
                entered_at.pop()
        elif by.startswith("outcomes."):
            edge = (*entered_at.pop()[0], by)
        elif before is not None:
            edge = (*before, by)
        yield place, edge
        before = place
