"""Plays scripted conversations against the interpreter, in virtual time, and says where they go otherwise.

A prompt lasts PROMPT_S here, whatever its audio; keys are pressed KEY_S apart. What a caller hears is what the
interpreter says: nothing is made up for the rehearsal. What the world answers is in the script; where it is not, nobody
answers in time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from ivr import interpreter
from ivr.expression import Value
from ivr.model import Flow
from ivr.script import IN_FLOW, LEFT, Conversation, HangsUp, Hears, Keys, Says, Silence, Step, World
from ivr.turn import (
    Answered,
    Ask,
    AskSlots,
    BookSlot,
    Dial,
    Digit,
    Facts,
    HangUp,
    Input,
    Listen,
    Note,
    PromptEnded,
    Say,
    SpeechHeard,
    StartMusic,
    StopListening,
    StopMusic,
    StopSaying,
    TimeIsUp,
    ToCallback,
    ToOutside,
    ToQueue,
    ToVoicemail,
    Turn,
)

PROMPT_S = 2.0
KEY_S = 0.2


@dataclass(frozen=True, slots=True)
class Played:
    """How a conversation went: its mistakes (none: as written), and the notes of the visit."""

    name: str
    mistakes: tuple[str, ...]
    notes: tuple[Note, ...]


def play(flow: Flow, conversation: Conversation, facts: Facts) -> Played:
    """Plays one conversation; it stops at the first step that goes otherwise. Requires a flow that `check` passes."""
    player = Player(flow, facts, conversation.at)
    mistakes: list[str] = []
    for n, step in enumerate(conversation.steps, 1):
        if wrong := player.do(step):
            mistakes.append(f"step {n}: {wrong}")
            break
    else:
        player.let_prompts_end()
        mistakes.extend(_ended_otherwise(player, conversation))
    return Played(conversation.name, tuple(mistakes), tuple(player.notes))


def _ended_otherwise(player: "Player", expected: Conversation) -> Iterator[str]:
    cursor = player.turn.cursor
    if player.ended_as() != expected.exit:
        yield f"ended with {player.ended_as()!r} instead of {expected.exit!r}, {player.where()}"
    if expected.language is not None and cursor.language != expected.language:
        yield f"is spoken to in {cursor.language!r} instead of {expected.language!r}"
    if expected.consent is not None and cursor.consent is not expected.consent:
        yield f"consent is {cursor.consent} instead of {expected.consent}"
    for name, value in expected.holds.items():
        held = cursor.variables.get(name)
        if held != value or isinstance(held, bool) != isinstance(value, bool):
            yield f"{name} holds {held!r} instead of {value!r}"
    if expected.survey is not None:
        ends = [note.detail["outcome"] for note in player.notes if note.what == "survey_ended"]
        if ends[-1:] != [expected.survey]:
            yield f"the survey ended {ends[-1] if ends else 'never'} instead of {expected.survey}"


@dataclass
class Player:
    """A conversation in progress, in virtual time; what was said and is unheard, and every note so far."""

    flow: Flow
    facts: Facts
    now: float
    turn: Turn = field(init=False)
    unheard: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    said_until: float | None = None
    hung_up: bool = False

    def __post_init__(self) -> None:
        self.take(interpreter.enter(self.flow, self.facts, self.now))

    def do(self, step: Step) -> str:
        """What is wrong with how the step goes; empty if nothing is."""
        if self.hung_up or (self.turn.exit is not None and not isinstance(step, Hears)):
            return f"the caller has left already ({self.ended_as()})"
        match step:
            case Hears(prompts):
                return self.hear(prompts)
            case Keys(keys):
                self.unheard.clear()
                for key in keys:
                    self.pass_time(self.now + KEY_S)
                    if self.turn.exit is not None:
                        return f"the caller left ({self.ended_as()}) before key {key} was pressed"
                    self.step(Digit(key))
            case Says(words):
                return self.speak(words)
            case Silence(seconds):
                self.pass_time(self.now + seconds)
            case World(outcome, values):
                return self.answer(outcome, values)
            case HangsUp():
                self.notes += interpreter.leave(self.flow, self.turn.cursor, self.facts, self.now)
                self.hung_up = True
            case _:
                assert_never(step)
        return ""

    def speak(self, words: str) -> str:
        """The caller says something, and is heard; what is wrong with that, empty if nothing is."""
        self.pass_time(self.now + KEY_S)
        if self.turn.exit is not None or not self.turn.cursor.listening:
            return f"the caller says {words!r}, but nobody listens, {self.where()}"
        self.unheard.clear()
        self.step(SpeechHeard("matched", words) if words else SpeechHeard("away"))
        return ""

    def answer(self, outcome: str, values: Mapping[str, Value]) -> str:
        """The world answers; what is wrong with that, empty if nothing is."""
        while self.turn.cursor.asked_at is None and self.said_until is not None and self.turn.exit is None:
            self.prompt_ends()
        if self.turn.exit is not None or self.turn.cursor.asked_at is None:
            return f"the world answers {outcome}, but nothing was asked, {self.where()}"
        self.step(Answered(self.turn.cursor.requests, outcome, values))
        return ""

    def hear(self, prompts: tuple[str, ...]) -> str:
        """The next thing said must be this; what is wrong, empty if nothing is."""
        while not self.unheard and self.said_until is not None and self.turn.exit is None:
            self.prompt_ends()
        if not self.unheard:
            return f"nothing is said, but {list(prompts)} was expected; {self.where()}"
        said = self.unheard.pop(0)
        return "" if said == prompts else f"hears {list(said)} instead of {list(prompts)}, {self.where()}"

    def pass_time(self, until: float) -> None:
        """Let prompts end and time run out, up to this instant."""
        while self.turn.exit is None:
            due = self.said_until if self.said_until is not None else self.turn.timer_at
            if due is None or due > until:
                break
            if self.said_until is not None:
                self.prompt_ends()
            else:
                self.now = max(self.now, due)
                self.step(TimeIsUp())
        self.now = max(self.now, until)

    def let_prompts_end(self) -> None:
        """Let everything that is being said come to its end."""
        while self.said_until is not None and self.turn.exit is None and not self.hung_up:
            self.prompt_ends()

    def prompt_ends(self) -> None:
        """What is being said has ended."""
        assert self.said_until is not None
        self.now, self.said_until = max(self.now, self.said_until), None
        self.step(PromptEnded())

    def step(self, heard: Input | SpeechHeard) -> None:
        """Tell the interpreter of something."""
        self.take(interpreter.step(self.flow, self.turn.cursor, heard, self.facts, self.now))

    def take(self, turn: Turn) -> None:
        """Obey the interpreter."""
        self.turn = turn
        self.notes += turn.notes
        for action in turn.actions:
            match action:
                case Say(prompts):
                    self.unheard.append(prompts)
                    self.said_until = self.now + PROMPT_S * len(prompts)
                case StopSaying():
                    self.said_until = None
                case Listen() | StopListening() | StartMusic() | StopMusic() | Ask() | Dial() | AskSlots() | BookSlot():
                    pass
                case _:
                    assert_never(action)
        if isinstance(turn.exit, ToQueue) and turn.exit.announcement:
            self.unheard.append(turn.exit.announcement)

    def ended_as(self) -> str:
        """Where the caller is or went, as `exit` of a conversation says it."""
        if self.hung_up:
            return LEFT
        match self.turn.exit:
            case ToQueue(queue):
                return f"queue:{queue}"
            case ToCallback(queue):
                return f"callback:{queue}"
            case ToVoicemail():
                return "voicemail"
            case HangUp(end_state) | ToOutside(end_state):
                return end_state
            case None:
                return IN_FLOW

    def where(self) -> str:
        """The node the caller is at, for a sentence."""
        entered = next((note.node for note in reversed(self.notes) if note.what == "node_entered"), self.flow.start)
        return f"at node {entered!r}"
