"""Proves that nothing personal is said before the caller has proved who they are (S50).

Personal is what comes from a lookup or a request, and what is computed from it, unless the variable is declared
otherwise. It is told by saying its value, and as well by saying something on one side of a branch on it only.

A caller is verified behind an `authenticate` and where a branch has found out that they are, until they are taken for
another customer. Sub-flows are looked at from where they are entered: some are meant for verified callers only.
"""

from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass

from ivr.expression import Every, Expression, Name, Not, Part, parts
from ivr.graph import Way, closure, computed, said, spoken, ways
from ivr.model import DecideNode, Flow, FlowId, Node, NodeId, ReturnNode, SetNode, SubFlowNode
from ivr.surroundings import Surroundings
from ivr.world_model import AuthenticateNode, HttpNode, Lookup, LookupNode

BRANCHES_MAX = 200  # on personal values, before anybody is verified: each costs a walk through the flow

_REMEDY = "put an authenticate before it, or declare the variable with personal = false"


@dataclass(frozen=True, slots=True)
class _Found:
    """What is told to anybody: (path, sentence); and by outcome of a sub-flow, whether who leaves is verified."""

    told: tuple[tuple[str, str], ...]
    outcomes: Mapping[str, Set[bool]]


def told_to_anybody(flow: Flow, around: Surroundings) -> Iterator[str]:
    """What a caller could hear of a customer without proof that it is them. A sub-flow is judged where it is used."""
    if any(isinstance(node, ReturnNode) for node in flow.nodes.values()):
        return
    known = {**around.flows, flow.id: flow}
    for path, sentence in _Prover(known).prove(flow, verified=False, given=frozenset()).told:
        yield f"{path}: {sentence}"


class _Prover:
    def __init__(self, flows: Mapping[FlowId, Flow]) -> None:
        self.flows = flows
        self.entered: list[FlowId] = []
        self.proved: dict[tuple[FlowId, bool, frozenset[str]], _Found] = {}

    def prove(self, flow: Flow, *, verified: bool, given: frozenset[str]) -> _Found:
        """What is told in a flow entered like this; `given` are variables that hold something personal at first."""
        key = (flow.id, verified, given)
        if key not in self.proved:
            self.entered.append(flow.id)
            self.proved[key] = self._prove(flow, verified, given)
            self.entered.pop()
        return self.proved[key]

    def _prove(self, flow: Flow, verified: bool, given: frozenset[str]) -> _Found:
        personal = self.personal(flow, given)
        while True:
            states = self.reached(flow, verified, personal)
            anybody = [node_id for node_id in flow.nodes if (node_id, False) in states]
            branches = _one_sided(flow, anybody, personal)
            more = {name for one_sided in branches.values() for name in _set_in(flow, one_sided)} - personal
            if not more:
                break
            personal = self.personal(flow, personal | more)
        told: list[tuple[str, str]] = []
        for node_id in anybody:
            node = flow.nodes[node_id]
            for path, each in spoken(node):
                if _names(each.value) & personal:
                    what = f"{{{each.value.text} as {each.style}}} is personal, and can be heard by who is not verified"
                    told.append((f"nodes.{node_id}.{path}", f"{what}; {_REMEDY}"))
            if isinstance(node, SubFlowNode) and (inner := self.inner(node)) is not None:
                for path, sentence in self.prove(inner, verified=False, given=_given(node, personal)).told[:1]:
                    told.append((f"nodes.{node_id}", f"in flow {node.flow!r} at {path}: {sentence}"))
        told += _told_by_branching(flow, branches)
        outcomes: dict[str, set[bool]] = {}
        for node_id, proved in states:
            end = flow.nodes[node_id]
            if isinstance(end, ReturnNode):
                outcomes.setdefault(end.outcome, set()).add(proved)
        return _Found(tuple(told), outcomes)

    def personal(self, flow: Flow, given: Collection[str]) -> frozenset[str]:
        """The variables that may hold something personal."""
        declared = {name: variable.personal for name, variable in flow.variables.items()}
        found = {name for name, personal in declared.items() if personal} | set(given)
        while True:
            more = {name for node in flow.nodes.values() for name in self.filled(node, found)}
            more = {name for name in more - found if declared.get(name) is None}
            if not more:
                return frozenset(found)
            found |= more

    def filled(self, node: Node, personal: Collection[str]) -> Iterator[str]:
        """The variables into which a node puts something personal."""
        match node:
            case LookupNode() | HttpNode():
                yield from node.into
            case SetNode():
                yield from (name for name, value in node.values.items() if _names(value) & set(personal))
            case SubFlowNode() if (inner := self.inner(node)) is not None:
                self.entered.append(inner.id)
                there = self.personal(inner, _given(node, personal))
                self.entered.pop()
                yield from (here for here, other in node.outputs.items() if other in there)
            case _:
                pass

    def reached(self, flow: Flow, verified: bool, personal: frozenset[str]) -> set[tuple[NodeId, bool]]:
        """Every node a caller can come to, and whether as a verified one. By `0` they may come from anywhere."""
        seen: set[tuple[NodeId, bool]] = set()
        todo = [(flow.start, verified)]
        if flow.agent_node is not None:
            todo.append((flow.agent_node, verified))
        while todo:
            node_id, proved = state = todo.pop()
            if state in seen or node_id not in flow.nodes:
                continue
            seen.add(state)
            node = flow.nodes[node_id]
            for way in ways(node):
                todo += [(way.to, each) for each in self.after(node, way, proved, personal)]
        return seen

    def after(self, node: Node, way: Way, verified: bool, personal: frozenset[str]) -> Collection[bool]:
        """Whether callers who take this way are verified then."""
        match node:
            case AuthenticateNode():
                return [verified or way.path == "next"]
            case LookupNode(lookup=Lookup.CUSTOMER) if way.path == "next":
                return [False]
            case DecideNode():
                return [verified or _found_verified(node, way)]
            case SubFlowNode() if (inner := self.inner(node)) is not None:
                leaving = self.prove(inner, verified=verified, given=_given(node, personal)).outcomes
                return leaving.get(way.path.removeprefix("outcomes."), ())
            case _:
                return [verified]

    def inner(self, node: SubFlowNode) -> Flow | None:
        """The flow that a node enters; None if there is none, or we are in it already, which `check` refuses."""
        return None if node.flow in self.entered else self.flows.get(node.flow)


def _one_sided(flow: Flow, anybody: Collection[NodeId], personal: frozenset[str]) -> dict[NodeId, Collection[NodeId]]:
    """By branch on something personal: the nodes, in order, that can be reached on some of its sides but not on all."""
    heard = set(anybody)
    onward = {node_id: [way.to for way in ways(flow.nodes[node_id])] for node_id in anybody}
    behind: dict[NodeId, set[NodeId]] = {}
    found: dict[NodeId, Collection[NodeId]] = {}
    for node_id in anybody:
        node = flow.nodes[node_id]
        if not isinstance(node, DecideNode) or not any(_names(each) & personal for _, each in computed(node)):
            continue
        if len(found) == BRANCHES_MAX:
            found[node_id] = ()
            break
        for to in onward[node_id]:
            if to not in behind:
                behind[to] = closure({to}, onward) & heard
        sides = [behind[to] for to in onward[node_id]]
        some = set[NodeId]().union(*sides) - sides[0].intersection(*sides[1:])
        found[node_id] = [each for each in anybody if each in some]
    return found


def _told_by_branching(flow: Flow, branches: Mapping[NodeId, Collection[NodeId]]) -> Iterator[tuple[str, str]]:
    """What is said on one side only of a branch on something personal."""
    for n, (node_id, one_sided) in enumerate(branches.items()):
        if n == BRANCHES_MAX:
            yield f"nodes.{node_id}", f"more than {BRANCHES_MAX} branches on something personal; {_REMEDY}"
        told = next((each for each in one_sided if any(said(flow.nodes[each]))), None)
        if told is not None:
            what = "tells something personal by what is said at"
            yield f"nodes.{node_id}", f"{what} {told!r}, to who is not verified; {_REMEDY}"


def _set_in(flow: Flow, node_ids: Collection[NodeId]) -> Iterator[str]:
    """The variables that these nodes set, but for those that are declared to be nobody's secret."""
    for node_id in node_ids:
        node = flow.nodes[node_id]
        if isinstance(node, SetNode):
            for name in node.values:
                if name in flow.variables and flow.variables[name].personal is None:
                    yield name


def _found_verified(node: DecideNode, way: Way) -> bool:
    """Whether who takes this way of a branch has been found to be verified."""
    for n, case in enumerate(node.cases, 1):
        if way.path == f"cases[{n}]":
            return _requires(case.when.root)
        if isinstance(case.when.root, Not) and _requires(case.when.root.part):
            return True  # all the others have left by this case
    return False


def _requires(part: Part) -> bool:
    """Whether the part is true of verified callers only."""
    if isinstance(part, Every):
        return any(_requires(each) for each in part.parts)
    return isinstance(part, Name) and part.name == "verified"


def _given(node: SubFlowNode, personal: Collection[str]) -> frozenset[str]:
    return frozenset(name for name, value in node.inputs.items() if _names(value) & set(personal))


def _names(value: Expression) -> set[str]:
    return {part.name for part in parts(value.root) if isinstance(part, Name)}
