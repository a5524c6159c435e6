"""A flow as a graph: the ways out of a node, what it says and computes, and what can be reached from where."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ivr.expression import Expression
from ivr.model import (
    BranchNode,
    CallbackNode,
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
    OptionsNode,
    OutsideNode,
    QueueNode,
    ReturnNode,
    Said,
    SayNode,
    ScheduleNode,
    SetNode,
    SlotsNode,
    Spoken,
    SubFlowNode,
    SurveyNode,
    TransferNode,
    VoicemailNode,
)
from ivr.world_model import AuthenticateNode, HttpNode, LookupNode, RememberNode


@dataclass(frozen=True, slots=True)
class Way:
    """One edge: where in the node it is written, where it leads, and whether only a key takes it."""

    path: str
    to: NodeId
    by_key: bool = False


def ways(node: Node) -> tuple[Way, ...]:
    """The ways out of a node, in the order they are written; the `0` of the flow is not among them."""
    match node:
        case SayNode() | LanguageNode() | LanguageChoiceNode() | SetNode() | RememberNode() | SurveyNode():
            return (Way("next", node.next),)
        case MenuNode() | OptionsNode():
            return (*_keyed(node), Way("on_exhausted", node.on_exhausted))
        case CollectNode():
            keyed = (Way(f"keys.{key}", to, by_key=True) for key, to in node.keys.items())
            asked = Way("next", node.next, by_key=not node.unless_known)
            return (asked, *keyed, Way("on_exhausted", node.on_exhausted))
        case ConsentNode():
            silent = node.silence_accepts
            declined = Way("on_declined", node.on_declined, by_key=silent)
            return (Way("on_accepted", node.on_accepted, by_key=not silent), declined)
        case BranchNode():
            cases = (Way(f"cases.{word}", to) for word, to in node.cases.items())
            return (*cases, Way("otherwise", node.otherwise))
        case DecideNode():
            tests = (Way(f"cases[{n}]", case.to) for n, case in enumerate(node.cases, 1))
            return (*tests, Way("otherwise", node.otherwise))
        case ScheduleNode():
            return _fields(node, "open", "closed", "holiday", "closed_now")
        case SubFlowNode():
            return tuple(Way(f"outcomes.{outcome}", to) for outcome, to in node.outcomes.items())
        case LookupNode() | HttpNode() | AuthenticateNode() | OutsideNode() | SlotsNode():
            names = ("next", "on_none", "on_busy", "on_no_answer", "on_failed", "on_error", "on_exhausted")
            return _fields(node, *names)
        case QueueNode() | TransferNode() | CallbackNode() | VoicemailNode() | HangUpNode() | ReturnNode():
            return ()


def _keyed(node: MenuNode | OptionsNode) -> Iterator[Way]:
    """The ways that a key of a menu takes."""
    if isinstance(node, MenuNode):
        yield from (Way(f"choices.{key}", to, by_key=True) for key, to in node.choices.items())
    else:
        yield from (Way(f"options[{n}]", option.to, by_key=True) for n, option in enumerate(node.options, 1))


def _fields(node: Node, *names: str) -> tuple[Way, ...]:
    """The ways that are written in these fields, as far as the node has them."""
    written = ((name, getattr(node, name, None)) for name in names)
    return tuple(Way(name, to) for name, to in written if to is not None)


# The fields of nodes that hold what is said.
SAYING = (
    *("invitation", "prompts", "no_input_prompts", "wrong_key_prompts", "wrong_prompts", "wait_prompts"),
    "announcement",
)


def said(node: Node) -> Iterator[tuple[str, Said]]:
    """Everything a node can say, with the field it is written in."""
    for name in SAYING:
        yield from ((name, each) for each in getattr(node, name, ()))
    if isinstance(node, OptionsNode):
        for n, option in enumerate(node.options, 1):
            yield from ((f"options[{n}].prompts", each) for each in option.prompts)
    if isinstance(node, SurveyNode):
        for n, question in enumerate(node.questions, 1):
            yield from ((f"questions[{n}].prompts", each) for each in question.prompts)


def computed(node: Node) -> Iterator[tuple[str, Expression]]:
    """Every expression of a node but the spoken ones, with the field it is written in."""
    match node:
        case DecideNode():
            yield from ((f"cases[{n}].when", case.when) for n, case in enumerate(node.cases, 1))
        case SetNode():
            yield from ((f"set.{name}", value) for name, value in node.values.items())
        case RememberNode():
            yield from ((f"answers.{name}", value) for name, value in node.answers.items())
        case SubFlowNode():
            yield from ((f"inputs.{name}", value) for name, value in node.inputs.items())
        case LookupNode(by=by) if by is not None:
            yield "by", by
        case HttpNode():
            yield from ((f"query.{name}", value) for name, value in node.query.items())
            yield from ((f"body.{name}", value) for name, value in (node.body or {}).items())
        case TransferNode():
            yield "agent", node.agent
        case OutsideNode():
            yield "number", node.number
        case _:
            pass


def spoken(node: Node) -> Iterator[tuple[str, Spoken]]:
    """Every spoken value of a node, with the field it is written in."""
    yield from ((name, each) for name, each in said(node) if isinstance(each, Spoken))


def backward(flow: Flow) -> dict[NodeId, list[NodeId]]:
    """Node → the nodes that lead to it. Requires that every way leads to a node."""
    back: dict[NodeId, list[NodeId]] = {node_id: [] for node_id in flow.nodes}
    for node_id, node in flow.nodes.items():
        for way in ways(node):
            back[way.to].append(node_id)
    return back


def closure(roots: Collection[str], onward: Mapping[str, Collection[str]]) -> set[str]:
    """Everything that can be reached from the roots; from what is not in `onward`, nothing can."""
    reached: set[str] = set()
    todo = list(roots)
    while todo:
        node_id = todo.pop()
        if node_id not in reached:
            reached.add(node_id)
            todo.extend(onward.get(node_id, ()))
    return reached
