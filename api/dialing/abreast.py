"""The rehearsal beside a call: the same conversation in virtual time, which says what has to have happened by now."""

from ivr.rehearsal import Player
from ivr.turn import Answered, Input, Listen, SpeechHeard, StopSaying, Turn


class Rehearsal(Player):
    """It counts what is said to the caller, and how often somebody listened to them.

    `spoken_in` is the listening in which they said something last, from 1. `answered` is the question that was answered
    last, and how many seconds it waited for that.
    """

    said = 0
    listenings = 0
    spoken_in = 0
    answered = 0, 0.0

    def __post_init__(self) -> None:
        self.cut: set[int] = set()
        super().__post_init__()

    def take(self, turn: Turn) -> None:
        """Obey the interpreter, and remember what was cut short."""
        before = len(self.unheard)
        if turn.exit is not None or any(isinstance(action, StopSaying) for action in turn.actions):
            self.cut.add(self.said)
        self.listenings += sum(isinstance(action, Listen) for action in turn.actions)
        super().take(turn)
        self.said += len(self.unheard) - before

    def step(self, heard: Input | SpeechHeard) -> None:
        """Tell the interpreter of something."""
        asked_at = self.turn.cursor.asked_at
        if isinstance(heard, SpeechHeard):
            self.spoken_in = self.listenings
        if isinstance(heard, Answered) and asked_at is not None:
            self.answered = heard.request, self.now - asked_at
        super().step(heard)

    @property
    def heard(self) -> int:
        """The number of the last saying that a `hears` took, from 1."""
        return self.said - len(self.unheard)
