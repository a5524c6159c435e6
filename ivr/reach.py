"""Where a caller can get to in a flow, and by which keys: the interpreter itself, tried with every key.

What is known of the caller (tier, language, hours) takes its branches as it would on the phone; every key that means
something where it is asked for is tried, and silence; where digits are collected, one sample of them. Keys typed ahead
lead nowhere that they would not lead later, so but for the one that leads to a person they are not. The world is taken
to answer everything it could, and nothing, but without values. What depends on the digits or values themselves may be
missed.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ivr import interpreter
from ivr.expression import Type, as_text
from ivr.model import (
    AGENT_KEY,
    CollectNode,
    ConsentNode,
    Flow,
    Language,
    LanguageChoiceNode,
    MenuNode,
    Node,
    OptionsNode,
    OutsideNode,
    Scale,
    SlotsNode,
    SurveyNode,
)
from ivr.turn import (
    Answered,
    Cursor,
    Digit,
    Exit,
    Facts,
    HangUp,
    Input,
    PromptEnded,
    TimeIsUp,
    ToCallback,
    ToOutside,
    ToQueue,
    ToVoicemail,
    Turn,
)
from ivr.walk import inside
from ivr.world_model import AuthenticateNode

SILENCE_TURNS_MAX = 1_000
PLACES_MAX = 5_000

_SLOT = {"1.begin": 0.0, "1.end": 1_800.0}
_SAMPLE_DAY = "20260101"

# The sub-flows, the node, the question, whether an answer is awaited, the language, the keys typed ahead, the digits so
# far, whether the caller is verified, and the variables.
_Place = tuple[str, str, int, bool, bool, Language, str, str, bool, tuple[tuple[str, str], ...]]
_STANDING = 5  # those of them that silence changes as it leads on


@dataclass(frozen=True, slots=True)
class Way:
    """A way through the flow: the keys pressed, in order, and what they lead to, served in `language`."""

    keys: str
    language: Language
    exit: Exit


def ways(flow: Flow, facts: Facts, now: float) -> tuple[Way, ...]:
    """A shortest way to every queue and end state in every language that this caller can get to, fewest keys first.

    Requires a flow that `check` passes.
    """
    found: dict[tuple[str, Language], Way] = {}
    seen: set[_Place] = set()
    ahead = deque([("", interpreter.enter(flow, facts, now))])
    while ahead:
        keys, turn = ahead.popleft()
        cursor = turn.cursor
        if turn.exit is not None:
            found.setdefault((_name(turn.exit), cursor.language), Way(keys, cursor.language, turn.exit))
        elif _place(cursor) not in seen and len(seen) < PLACES_MAX:
            seen.add(_place(cursor))
            # Silence costs no key, so it is looked at before whatever costs one more.
            ahead.appendleft((keys, _silence(flow, cursor, facts, now)))
            ahead.extend((keys, _after(flow, cursor, answer, facts, now)) for answer in _answers(flow, cursor))
            for entry in _entries(flow, cursor):
                after = turn
                for key in entry:
                    if after.exit is None:
                        after = _after(flow, after.cursor, Digit(key), facts, now)
                ahead.append((keys + entry, after))
    return tuple(sorted(found.values(), key=lambda way: (len(way.keys), way.keys)))


def _name(exit_: Exit) -> str:
    match exit_:
        case ToQueue(queue):
            return f"queue:{queue}"
        case HangUp(end_state) | ToOutside(end_state):
            return end_state
        case ToCallback(queue):
            return f"callback:{queue}"
        case ToVoicemail():
            return "voicemail"


def _place(cursor: Cursor) -> _Place:
    """What tells one place from another: not how often the caller was asked, or how many keys they pressed."""
    calls = "/".join(f"{call.flow}@{call.node}" for call in cursor.calls)
    holding = tuple(sorted((name, as_text(value)) for name, value in cursor.variables.items()))
    asked = cursor.asked_at is not None
    standing = (calls, cursor.node, cursor.question, asked, cursor.slot is not None)
    return (*standing, cursor.language, cursor.ahead, cursor.collected, cursor.verified, holding)


def _entries(flow: Flow, cursor: Cursor) -> Iterator[str]:
    """The keys that mean something here, and the one that leads to a person from wherever it is pressed."""
    current = inside(flow, cursor.calls)
    entries = _meant(current.nodes[cursor.node], current, cursor)
    yield from entries
    if AGENT_KEY not in entries and not cursor.ahead:
        yield AGENT_KEY


def _answers(flow: Flow, cursor: Cursor) -> Iterator[Answered]:
    """What the world may answer, if it was asked; that it does not is silence."""
    if cursor.asked_at is not None:
        node = inside(flow, cursor.calls).nodes[cursor.node]
        outcomes = {AuthenticateNode: ("verified", "wrong", "locked"), OutsideNode: ("answered", "busy", "no_answer")}
        for outcome in outcomes.get(type(node), ("found", "none")):
            yield Answered(cursor.requests, outcome, _SLOT if isinstance(node, SlotsNode) else {})


def _meant(node: Node, flow: Flow, cursor: Cursor) -> list[str]:
    match node:
        case AuthenticateNode():
            return [] if cursor.asked_at is not None else [("1" * node.digits_min + "#")[: node.digits_max]]
        case OptionsNode():
            return [] if cursor.asked_at is not None else [str(n + 1) for n in range(len(node.options))]
        case SlotsNode():
            return ["1"] if cursor.slots and cursor.asked_at is None else []
        case MenuNode() | LanguageChoiceNode():
            return sorted(node.choices)
        case ConsentNode():
            return [node.accept_key, node.decline_key]
        case CollectNode():
            sample = _SAMPLE_DAY if flow.variables[node.into].type is Type.DATE else "1" * node.digits_min
            ended = sample if len(sample) >= node.digits_max else sample + node.terminator
            return [ended, *sorted(node.keys)]
        case SurveyNode() if cursor.question >= 0:
            return ["5" if node.questions[cursor.question].scale is Scale.LIKERT else "2"]
        case SurveyNode():
            return ["1", "2"]
        case _:
            return []


def _after(flow: Flow, cursor: Cursor, heard: Input, facts: Facts, now: float) -> Turn:
    """The turn that an input leads to; a timer that is waited for is due then."""
    return interpreter.step(flow, cursor, heard, facts, max(now, cursor.timer_at or now))


def _silence(flow: Flow, cursor: Cursor, facts: Facts, now: float) -> Turn:
    """What comes of a node at which nothing is keyed until it is left."""
    place, turn = _place(cursor)[:_STANDING], Turn(cursor)
    for _ in range(SILENCE_TURNS_MAX):
        heard: Input = PromptEnded() if turn.cursor.saying else TimeIsUp()
        turn = _after(flow, turn.cursor, heard, facts, now)
        if turn.exit is not None or _place(turn.cursor)[:_STANDING] != place:
            return turn
    raise AssertionError("check() refuses a flow in which silence leads nowhere")
