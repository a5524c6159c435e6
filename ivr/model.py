"""What a flow is: nodes and the ways between them. Frozen data; nothing here runs.

A way is taken either *by a key* (the caller did something) or by itself. `check` proves that the ways taken
by themselves never form a loop, which is why no caller can be stranded (see `interpreter`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

FlowId = str
NodeId = str
PromptId = str
Language = str

AGENT_KEY = "0"
KEYS = "0123456789*#ABCD"
END_STATES = ("self_service", "closed", "no_input")


class Subject(StrEnum):
    """What a branch looks at, and the words its cases may use."""

    VALUE_TIER = "value_tier"  # a value tier's name
    LANGUAGE = "language"  # a language of the site
    KNOWN = "known"  # yes | no
    CALENDAR = "calendar"  # open | closed


@dataclass(frozen=True, slots=True)
class SayNode:
    """Says prompts, then goes on. A key goes on at once if interruptible, and counts at the next menu."""

    prompts: tuple[PromptId, ...]
    next: NodeId
    interruptible: bool = True
    said_in: tuple[Language, ...] = ()  # said once in each of these; empty: in the caller's language


@dataclass(frozen=True, slots=True)
class MenuNode:
    """Says prompts and waits for one key, at most `tries_max` times.

    `timeout_s` counts from the end of the prompts. Before it asks again it says `no_input_prompts` or
    `wrong_key_prompts`. A language choice is a menu that is `said_in` several languages and leads to language
    nodes.
    """

    prompts: tuple[PromptId, ...]
    choices: Mapping[str, NodeId]
    on_exhausted: NodeId
    tries_max: int = 3
    timeout_s: float = 5.0
    no_input_prompts: tuple[PromptId, ...] = ()
    wrong_key_prompts: tuple[PromptId, ...] = ()
    said_in: tuple[Language, ...] = ()


@dataclass(frozen=True, slots=True)
class LanguageNode:
    """From here on the caller is spoken to, and served, in `language`."""

    language: Language
    next: NodeId


@dataclass(frozen=True, slots=True)
class BranchNode:
    """Goes to the case of the subject's word, else to `otherwise`. `calendar` is set if on that subject."""

    on: Subject
    cases: Mapping[str, NodeId]
    otherwise: NodeId
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class QueueNode:
    """The contact enters `queue`; the IVR is over.

    What the contact needs of an agent is the queue's needs *and* the skill named like the caller's language:
    the contact machine adds the language. `announcement` is said while the contact already waits, and is cut
    when an agent answers. `music_class` None means the queue's own.
    """

    queue: str
    music_class: str | None = None
    announcement: tuple[PromptId, ...] = ()


@dataclass(frozen=True, slots=True)
class HangUpNode:
    """The contact ends, remembered with this end state (one of END_STATES)."""

    end_state: str


Node = SayNode | MenuNode | LanguageNode | BranchNode | QueueNode | HangUpNode


@dataclass(frozen=True, slots=True)
class Flow:
    """An IVR script. `version` tells its content apart: contacts are stamped with it and finish on it.

    `agent_node` is where `0` leads from every node that listens, unless that node gives `0` a meaning of its
    own.
    """

    id: FlowId
    version: str
    start: NodeId
    nodes: Mapping[NodeId, Node]
    agent_node: NodeId | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """One edge: where in the node it is written, where it leads, and whether only a key takes it."""

    path: str
    to: NodeId
    by_key: bool = field(default=False)


def ways(node: Node) -> tuple[Way, ...]:
    """The ways out of a node, in the order they are written; the `0` of the flow is not among them."""
    match node:
        case SayNode() | LanguageNode():
            return (Way("next", node.next),)
        case MenuNode():
            keyed = (Way(f"choices.{key}", to, by_key=True) for key, to in node.choices.items())
            return (*keyed, Way("on_exhausted", node.on_exhausted))
        case BranchNode():
            cases = (Way(f"cases.{word}", to) for word, to in node.cases.items())
            return (*cases, Way("otherwise", node.otherwise))
        case QueueNode() | HangUpNode():
            return ()


def prompts_of(node: Node) -> tuple[tuple[str, PromptId], ...]:
    """Every prompt a node can say, with the field it is written in."""
    fields: tuple[tuple[str, tuple[PromptId, ...]], ...] = ()
    match node:
        case SayNode():
            fields = (("prompts", node.prompts),)
        case MenuNode():
            fields = (
                ("prompts", node.prompts),
                ("no_input_prompts", node.no_input_prompts),
                ("wrong_key_prompts", node.wrong_key_prompts),
            )
        case QueueNode():
            fields = (("announcement", node.announcement),)
        case _:
            pass
    return tuple((name, prompt) for name, prompts in fields for prompt in prompts)
