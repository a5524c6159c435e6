"""Where a caller can get to in a flow, and by which keys: the interpreter itself, tried with every key.

What is known of the caller (tier, language, hours) takes its branches as it would on the phone; every key that means
something where it is asked for is tried, and silence; where digits are collected, one sample of them. Keys typed ahead
lead nowhere that they would not lead later, so but for the one that leads to a person they are not. What depends on the
digits themselves may be missed.
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
    Scale,
    SurveyNode,
)
from ivr.turn import Cursor, Digit, Exit, Facts, HangUp, Input, PromptEnded, TimeIsUp, ToQueue, Turn
from ivr.walk import inside

SILENCE_TURNS_MAX = 1_000
PLACES_MAX = 5_000

_SAMPLE_DAY = "20260101"

# The sub-flows, the node, the question, the language, the keys typed ahead, the digits so far and the variables.
_Place = tuple[str, str, int, Language, str, str, tuple[tuple[str, str], ...]]


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
        case HangUp(end_state):
            return end_state


def _place(cursor: Cursor) -> _Place:
    """What tells one place from another: not how often the caller was asked, or how many keys they pressed."""
    calls = "/".join(f"{call.flow}@{call.node}" for call in cursor.calls)
    holding = tuple(sorted((name, as_text(value)) for name, value in cursor.variables.items()))
    return (calls, cursor.node, cursor.question, cursor.language, cursor.ahead, cursor.collected, holding)


def _entries(flow: Flow, cursor: Cursor) -> Iterator[str]:
    """The keys that mean something here, and the one that leads to a person from wherever it is pressed."""
    current = inside(flow, cursor.calls)
    entries = _meant(current.nodes[cursor.node], current, cursor)
    yield from entries
    if AGENT_KEY not in entries and not cursor.ahead:
        yield AGENT_KEY


def _meant(node: Node, flow: Flow, cursor: Cursor) -> list[str]:
    match node:
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
    place, turn = _place(cursor)[:3], Turn(cursor)
    for _ in range(SILENCE_TURNS_MAX):
        heard: Input = PromptEnded() if turn.cursor.saying else TimeIsUp()
        turn = _after(flow, turn.cursor, heard, facts, now)
        if turn.exit is not None or _place(turn.cursor)[:3] != place:
            return turn
    raise AssertionError("check() refuses a flow in which silence leads nowhere")
