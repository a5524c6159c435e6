"""A plain mapping becomes a Flow, or a list of everything that is wrong with its shape.

Shape only: what the names refer to is `check`'s business.
"""

from collections.abc import Callable, Collection, Mapping

from ivr.model import (
    END_STATES,
    KEYS,
    BranchNode,
    Flow,
    FlowId,
    HangUpNode,
    LanguageNode,
    MenuNode,
    Node,
    NodeId,
    PromptId,
    QueueNode,
    SayNode,
    Subject,
)
from ivr.prompts import is_prompt_id
from ivr.reading import Reader, shown, suggest

NODES_MAX = 5_000
TRIES_MAX = 10
TIMEOUT_S_MAX = 60.0

_FIXED_CASES = {Subject.KNOWN: ("yes", "no"), Subject.CALENDAR: ("open", "closed")}


class FlowError(Exception):
    """A flow has mistakes of shape; `mistakes` are `path: sentence`, with paths inside the flow.

    `readable` is what could be read, not to be run, with empty names where they could not; `declared` are all
    the nodes that are written: so that `check_references` can add its findings.
    """

    def __init__(self, mistakes: tuple[str, ...], readable: Flow, declared: Collection[NodeId]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes
        self.readable = readable
        self.declared = declared


def parse(source: Mapping[str, object], flow_id: FlowId, version: str) -> Flow:
    """The flow written in `source` (`start`, `agent_node`, `nodes`); raises FlowError with every mistake."""
    mistakes: list[str] = []
    reader = Reader(source, "", mistakes)
    start = reader.text("start")
    agent_node = reader.optional_text("agent_node")
    nodes: dict[NodeId, Node] = {}
    tables = reader.table("nodes")
    if len(tables.names) > NODES_MAX:
        mistakes.append(f"nodes: at most {NODES_MAX} nodes, not {len(tables.names)}")
    else:
        nodes = {node_id: node for node_id, inner in tables.tables() if (node := _node(inner))}
    reader.close()
    flow = Flow(flow_id, version, start, nodes, agent_node)
    if mistakes:
        raise FlowError(tuple(mistakes), flow, tables.names)
    return flow


def _node(reader: Reader) -> Node | None:
    kind = reader.one_of("type", tuple(_READ))
    if not kind:
        return None  # without its type the other keys mean nothing
    node = _READ[kind](reader)
    reader.close()
    return node


def _prompts(reader: Reader, key: str, default: tuple[PromptId, ...] | None) -> tuple[PromptId, ...]:
    before = len(reader.mistakes)
    prompts = reader.texts(key, default)
    if default is None and not prompts and len(reader.mistakes) == before:
        reader.wrong(key, "must name at least one prompt")
    for prompt in prompts:
        if not is_prompt_id(prompt):
            reader.wrong(key, f"{shown(prompt)} is not a prompt id (lower-case letters, digits, underscores)")
    return prompts


def _say(reader: Reader) -> SayNode:
    return SayNode(
        prompts=_prompts(reader, "prompts", None),
        next=reader.text("next"),
        interruptible=reader.flag("interruptible", default=True),
        said_in=reader.texts("said_in", ()),
    )


def _menu(reader: Reader) -> MenuNode:
    choices = reader.text_map("choices", required=True)
    for key in choices:
        if len(key) != 1 or key not in KEYS:
            reader.wrong(f"choices.{key}", f"{shown(key)} is not a key of a telephone")
    return MenuNode(
        prompts=_prompts(reader, "prompts", None),
        choices=choices,
        on_exhausted=reader.text("on_exhausted"),
        tries_max=reader.whole("tries_max", 3, 1, TRIES_MAX),
        timeout_s=reader.number("timeout_s", 5.0, 0.5, TIMEOUT_S_MAX),
        no_input_prompts=_prompts(reader, "no_input_prompts", ()),
        wrong_key_prompts=_prompts(reader, "wrong_key_prompts", ()),
        said_in=reader.texts("said_in", ()),
    )


def _language(reader: Reader) -> LanguageNode:
    return LanguageNode(language=reader.text("language"), next=reader.text("next"))


def _branch(reader: Reader) -> BranchNode:
    cases = reader.text_map("cases", required=True)
    otherwise = reader.text("otherwise")
    word = reader.one_of("on", tuple(Subject))
    on = Subject(word) if word else Subject.VALUE_TIER
    calendar = reader.text("calendar") if on is Subject.CALENDAR else None
    if fixed := _FIXED_CASES.get(on):
        for case in cases:
            if case not in fixed:
                reader.wrong(f"cases.{case}", f"must be one of {', '.join(fixed)}{suggest(case, fixed)}")
    return BranchNode(on, cases, otherwise, calendar)


def _queue(reader: Reader) -> QueueNode:
    return QueueNode(
        queue=reader.text("queue"),
        music_class=reader.optional_text("music_class"),
        announcement=_prompts(reader, "announcement", ()),
    )


def _hang_up(reader: Reader) -> HangUpNode:
    return HangUpNode(end_state=reader.one_of("end_state", END_STATES))


_READ: Mapping[str, Callable[[Reader], Node]] = {
    "say": _say,
    "menu": _menu,
    "language": _language,
    "branch": _branch,
    "queue": _queue,
    "hang_up": _hang_up,
}
