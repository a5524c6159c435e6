"""What a flow is: nodes and the ways between them. Frozen data; nothing here runs.

A way is taken either *by a key* (the caller did something) or by itself. `check` proves that the ways taken
by themselves never form a loop, which is why no caller can be stranded (see `interpreter`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ivr import prompts, said
from ivr.expression import Expression, Type, Value
from ivr.world_model import AuthenticateNode, HttpNode, LookupNode, RememberNode

FlowId = str
NodeId = said.NodeId
PromptId = prompts.PromptId
Language = prompts.Language

AGENT_KEY = "0"
KEYS = "0123456789*#ABCD"
END_STATES = ("self_service", "closed", "no_input")


Spoken = said.Spoken
Said = said.Said


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a flow; `value` is what it holds at first, None: it is unset until it is known.

    What is `personal` is said only to a caller who is verified; None: it is if it comes from a lookup or a request.
    """

    type: Type
    value: Value | None = None
    personal: bool | None = None


class Subject(StrEnum):
    """What a branch looks at, and the words its cases may use."""

    VALUE_TIER = "value_tier"  # a value tier's name
    LANGUAGE = "language"  # a language of the site
    KNOWN = "known"  # yes | no
    CALENDAR = "calendar"  # open | closed


@dataclass(frozen=True, slots=True)
class SayNode:
    """Says prompts, then goes on. A key goes on at once if interruptible, and counts at the next menu."""

    prompts: tuple[Said, ...]
    next: NodeId
    interruptible: bool = True
    said_in: tuple[Language, ...] = ()  # said once in each of these; empty: in the caller's language


@dataclass(frozen=True, slots=True)
class MenuNode:
    """Says prompts and waits for one key, at most `tries_max` times.

    `timeout_s` counts from the end of the prompts. Before it asks again it says `no_input_prompts` or
    `wrong_key_prompts`. A language choice is a menu that is `said_in` several languages and leads to language
    nodes. `speech` says by language what may be said instead: phrase → key.
    """

    prompts: tuple[Said, ...]
    choices: Mapping[str, NodeId]
    on_exhausted: NodeId
    tries_max: int = 3
    timeout_s: float = 5.0
    no_input_prompts: tuple[Said, ...] = ()
    wrong_key_prompts: tuple[Said, ...] = ()
    said_in: tuple[Language, ...] = ()
    speech: Mapping[Language, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a menu that has no key of its own."""

    prompts: tuple[Said, ...]
    to: NodeId


@dataclass(frozen=True, slots=True)
class OptionsNode:
    """A menu whose options come in the order in which this customer used them most, with keys from 1 on.

    Who is not known, or never used any, hears them as they are written. Otherwise as MenuNode.
    """

    prompts: tuple[Said, ...]
    options: tuple[Option, ...]
    on_exhausted: NodeId
    tries_max: int = 3
    timeout_s: float = 5.0
    no_input_prompts: tuple[Said, ...] = ()
    wrong_key_prompts: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class CollectNode:
    """Says prompts and collects `digits_min`…`digits_max` digits into a variable, in at most `tries_max` tries.

    The digits end with the last one there may be, with the `terminator` (empty: none), or when none follows within
    `between_s`; the first one must come `timeout_s` after the prompts. A number variable gets the number, a date
    variable the day keyed as YYYYMMDD; digits that are too few, or no such day, are a wrong answer. `keys` are keys
    other than digits that lead elsewhere. A key stops the prompts if `interruptible`, else it counts after them.
    Digits that are `secret` are remembered as asterisks. `unless_known`: who has answered before is not asked.
    With `speech` the digits may be said, too.
    """

    prompts: tuple[Said, ...]
    into: str
    next: NodeId
    on_exhausted: NodeId
    digits_min: int = 1
    digits_max: int = 20
    terminator: str = "#"
    keys: Mapping[str, NodeId] = field(default_factory=dict)
    tries_max: int = 3
    timeout_s: float = 5.0
    between_s: float = 3.0
    no_input_prompts: tuple[Said, ...] = ()
    wrong_prompts: tuple[Said, ...] = ()
    interruptible: bool = True
    secret: bool = False
    unless_known: bool = False
    said_in: tuple[Language, ...] = ()
    speech: bool = False


@dataclass(frozen=True, slots=True)
class LanguageNode:
    """From here on the caller is spoken to, and served, in `language`."""

    language: Language
    next: NodeId


@dataclass(frozen=True, slots=True)
class LanguageChoiceNode:
    """Asks in each of its languages in turn which one to go on in; who does not answer keeps their own."""

    prompts: tuple[Said, ...]
    choices: Mapping[str, Language]
    next: NodeId
    tries_max: int = 2
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class BranchNode:
    """Goes to the case of the subject's word, else to `otherwise`. `calendar` is set if on that subject."""

    on: Subject
    cases: Mapping[str, NodeId]
    otherwise: NodeId
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a decision."""

    when: Expression
    to: NodeId


@dataclass(frozen=True, slots=True)
class DecideNode:
    """A branch on expressions: goes to the first case that is true, else to `otherwise`."""

    cases: tuple[Case, ...]
    otherwise: NodeId


@dataclass(frozen=True, slots=True)
class SetNode:
    """Sets variables, one after the other, each to the value of its expression."""

    values: Mapping[str, Expression]
    next: NodeId


@dataclass(frozen=True, slots=True)
class ScheduleNode:
    """Goes by a calendar: `open`, or why it is closed where that makes a difference, else `closed`.

    `holiday` is for holidays and days that an exception closes, `closed_now` for the switch that closes at once.
    """

    calendar: str
    open: NodeId
    closed: NodeId
    holiday: NodeId | None = None
    closed_now: NodeId | None = None


@dataclass(frozen=True, slots=True)
class ConsentNode:
    """Says what is going to be done (the talk is recorded) and asks for consent, in at most `tries_max` tries.

    `silence_accepts` says what is made of no answer. Without consent nothing is recorded. The announcement is heard
    to its end unless it is `interruptible`.
    """

    prompts: tuple[Said, ...]
    on_accepted: NodeId
    on_declined: NodeId
    silence_accepts: bool = False
    accept_key: str = "1"
    decline_key: str = "2"
    tries_max: int = 2
    timeout_s: float = 5.0
    interruptible: bool = False
    said_in: tuple[Language, ...] = ()


class Scale(StrEnum):
    """What a question of a survey can be answered with."""

    LIKERT = "likert"  # 1-5
    YES_NO = "yes_no"  # 1 yes, 2 no
    NPS = "nps"  # 0-10, as "how likely would you recommend us"


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a survey; the answer also goes into the variable `into`, if there is one."""

    id: str
    prompts: tuple[Said, ...]
    scale: Scale
    into: str | None = None


@dataclass(frozen=True, slots=True)
class SurveyNode:
    """Asks questions one after the other; what was answered is remembered at once, and stays whatever follows.

    With an `invitation` (1 takes part, 2 does not) the caller may decline. A question that is not answered in
    `tries_max` tries ends the survey. A 1 on the NPS scale becomes 10 if a 0 follows within `between_s`.
    """

    survey: str
    questions: tuple[Question, ...]
    next: NodeId
    invitation: tuple[Said, ...] = ()
    tries_max: int = 2
    timeout_s: float = 5.0
    between_s: float = 2.0
    no_input_prompts: tuple[Said, ...] = ()
    wrong_key_prompts: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class SubFlowNode:
    """Goes through another flow, and on by the outcome that it returns with.

    `inputs` set variables of that flow to the values of expressions of this one; `outputs` set variables of this
    one (the names) to what variables of that one (the values) hold when it returns.
    """

    flow: FlowId
    outcomes: Mapping[str, NodeId]
    inputs: Mapping[str, Expression] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReturnNode:
    """The end of a sub-flow: back to the flow it was entered from, with this outcome."""

    outcome: str


@dataclass(frozen=True, slots=True)
class QueueNode:
    """The contact enters `queue`; the IVR is over.

    What the contact needs of an agent is the queue's needs *and* the skill named like the caller's language:
    the contact machine adds the language. `announcement` is said while the contact already waits, and is cut
    when an agent answers. `music_class` None means the queue's own.
    """

    queue: str
    music_class: str | None = None
    announcement: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class TransferNode:
    """The contact enters `queue` and waits there for one agent first, for `wait_s`; then for anybody who may serve.

    `agent` is their id; one who is unset, or nobody's, is not waited for.
    """

    queue: str
    agent: Expression
    wait_s: float = 30.0
    music_class: str | None = None
    announcement: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class OutsideNode:
    """The caller is connected with a phone outside, which rings for `ring_s`: a `number` in E.164 or an extension.

    Who is talked with ends the flow. Nobody: `on_busy`, `on_no_answer`, and for all else, that it may not be dialed
    among it, `on_failed`, which stands for the others where they are not written. The phone shows the site's number,
    or the caller's (`shows_caller`). The talk is `recorded` unless the caller declined it.
    """

    number: Expression
    on_failed: NodeId
    on_busy: NodeId | None = None
    on_no_answer: NodeId | None = None
    announcement: tuple[Said, ...] = ()
    ring_s: float = 30.0
    shows_caller: bool = False
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class CallbackNode:
    """The caller is let go and keeps a place in `queue`; they are called back by its rules."""

    queue: str


@dataclass(frozen=True, slots=True)
class SlotsNode:
    """Offers the caller times at which they can be called back from `queue`, one a key from 1 on; asks for one.

    Offered are those that are free (the queue says how many and how full they may be), taken by nobody meanwhile.
    `on_none`: there is none, or they can't be called. `on_exhausted`: they chose none in `tries_max` tries.
    """

    queue: str
    prompts: tuple[Said, ...]
    on_none: NodeId
    on_exhausted: NodeId
    tries_max: int = 3
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class VoicemailNode:
    """The caller leaves a message; the contact ends."""


@dataclass(frozen=True, slots=True)
class HangUpNode:
    """The contact ends, remembered with this end state (one of END_STATES)."""

    end_state: str


# Nodes at which the caller is asked something; at all of them silence and wrong keys have an end.
AskingNode = MenuNode | CollectNode | LanguageChoiceNode | ConsentNode | SurveyNode | AuthenticateNode
WorldNode = LookupNode | HttpNode  # the world is asked, and the caller waits
ListeningNode = SayNode | AskingNode | WorldNode | OutsideNode | SlotsNode | OptionsNode
WaitingNode = QueueNode | TransferNode | CallbackNode  # a person is behind it, as behind a SlotsNode
EndNode = WaitingNode | VoicemailNode | HangUpNode | ReturnNode
PassingNode = LanguageNode | BranchNode | DecideNode | SetNode | RememberNode | ScheduleNode | SubFlowNode
Node = ListeningNode | PassingNode | EndNode


@dataclass(frozen=True, slots=True)
class Flow:
    """An IVR script. `version` tells its content apart: contacts are stamped with it and finish on it.

    `agent_node` is where `0` leads from every node that asks, unless that node gives `0` a meaning of its own; a
    sub-flow without one leaves it to the flow it was entered from. `inner` are the flows of its sub-flow nodes, whole
    and in their versions (`link`), so that a flow is one value. `steps_max` is how many nodes can be passed without a
    key, sub-flows included.
    """

    id: FlowId
    version: str
    start: NodeId
    nodes: Mapping[NodeId, Node]
    agent_node: NodeId | None = None
    variables: Mapping[str, Variable] = field(default_factory=dict)
    inner: Mapping[FlowId, "Flow"] = field(default_factory=dict)
    steps_max: int = 0
