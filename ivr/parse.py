"""A plain mapping becomes a Flow, or a list of everything that is wrong with its shape.

Shape only: what the names refer to, and whether expressions make sense, is `check`'s business.
"""

import re
from collections.abc import Collection, Mapping

from ivr.expression import Type, Value, fits
from ivr.expression_text import WORDS
from ivr.model import Flow, FlowId, Node, NodeId, Variable
from ivr.nodes import READ
from ivr.reading import Reader, shown
from ivr.scope import TYPES

NODES_MAX = 5_000
VARIABLES_MAX = 200
VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,31}")


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
    """The flow in `source` (`start`, `agent_node`, `variables`, `nodes`); raises FlowError with every mistake."""
    mistakes: list[str] = []
    reader = Reader(source, "", mistakes)
    start = reader.text("start")
    agent_node = reader.optional_text("agent_node")
    variables = _variables(reader.table("variables")) if "variables" in reader else {}
    nodes: dict[NodeId, Node] = {}
    tables = reader.table("nodes")
    if len(tables.names) > NODES_MAX:
        mistakes.append(f"nodes: at most {NODES_MAX} nodes, not {len(tables.names)}")
    else:
        nodes = {node_id: node for node_id, inner in tables.tables() if (node := _node(inner))}
    reader.close()
    flow = Flow(flow_id, version, start, nodes, agent_node, variables)
    if mistakes:
        raise FlowError(tuple(mistakes), flow, tables.names)
    return flow


def _node(reader: Reader) -> Node | None:
    kind = reader.one_of("type", tuple(READ))
    if not kind:
        return None  # without its type the other keys mean nothing
    node = READ[kind](reader)
    reader.close()
    return node


def _variables(reader: Reader) -> dict[str, Variable]:
    """Each is `name = "type"`, or a table with `type`, the `value` it holds at first, and whether it is `personal`."""
    found: dict[str, Variable] = {}
    if len(reader.names) > VARIABLES_MAX:
        reader.mistakes.append(f"{reader.path}: at most {VARIABLES_MAX} variables, not {len(reader.names)}")
        return found
    for name in reader.names:
        if not VARIABLE.fullmatch(name):
            reader.wrong(name, f"{shown(name)} can't be a variable's name (lower-case letters, digits, underscores)")
        elif name in WORDS or name in TYPES:
            reader.wrong(name, "has a meaning of its own in expressions; name the variable otherwise")
        found[name] = _variable(reader, name)
    return found


def _variable(reader: Reader, name: str) -> Variable:
    if not isinstance(reader.raw(name, ""), Mapping):
        return Variable(Type(reader.one_of(name, tuple(Type)) or Type.TEXT))
    table = reader.table(name)
    kind = Type(table.one_of("type", tuple(Type)) or Type.TEXT)
    value: Value | None = None
    if "value" in table:
        given = table.raw("value", "")
        if isinstance(given, str | int | float) and fits(given, kind):
            value = given
        else:
            table.wrong("value", f"must be a value of type {kind}, not {shown(given)}")
    personal = table.flag("personal", default=True) if "personal" in table else None
    table.close()
    return Variable(kind, value, personal)
