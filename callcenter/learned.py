"""What estimates rest on, kept in the journal: after a restart callers are told waits as if there had been none."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from callcenter.ports import StateChange
from routing.waiting.forecast import QueueLearned

log = structlog.get_logger()

PREFIX: Final = "learned/"
SAVE_S: Final = 60.0
"""What was learned since is lost if we are killed; it fades over hours."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(QueueLearned).decode


class Memory:
    """Makes states of the journal of what the queues have taught, once in a while."""

    def __init__(self) -> None:
        self._saved: dict[str, bytes] = {}
        self._save_at = 0.0

    def restored(self, states: Mapping[str, bytes], now: float) -> tuple[QueueLearned, ...]:
        """What was kept, by queue; what another version kept is begun anew."""
        self._save_at = now + SAVE_S
        found = []
        for stream, state in sorted(states.items()):
            if stream.startswith(PREFIX):
                try:
                    found.append(_decode(state))
                except msgspec.MsgspecError:
                    log.exception("what a queue of another version has learned is forgotten", stream=stream)
        return tuple(found)

    def due(self, now: float) -> bool:
        """Whether it is time to save."""
        return now >= self._save_at

    def changes(self, learned: Iterable[QueueLearned], now: float) -> Sequence[StateChange]:
        """What to save: the queues that have taught something since."""
        self._save_at = now + SAVE_S
        changed = {each.queue: state for each in learned if self._saved.get(each.queue) != (state := _encode(each))}
        self._saved |= changed
        return [StateChange(PREFIX + queue, state) for queue, state in changed.items()]
