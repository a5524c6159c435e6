"""Prompts that are being said, as far as we heard: one whose end was lost leaves its caller in silence."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

_NOT_TAKEN: Final = float("inf")


class Sayings:
    """Playbacks from the moment they are asked for until their end is heard; instants by `now`, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._taken_at: dict[str, float] = {}

    def asked(self, playback_id: str) -> None:
        """A prompt is asked for; Asterisk may say that it ended before it answers that it took it."""
        self._taken_at[playback_id] = _NOT_TAKEN

    def taken(self, playback_id: str) -> None:
        """Asterisk took it."""
        if playback_id in self._taken_at:
            self._taken_at[playback_id] = self._now()

    def unheard(self, playback_id: str) -> bool:
        """Whether it was asked for and its end was not heard yet."""
        return playback_id in self._taken_at

    def over(self, playback_id: str) -> bool:
        """Its end was heard, or it never began; whether we thought that it was being said."""
        return self._taken_at.pop(playback_id, None) is not None

    async def silent(self, plays: Callable[[str], Awaitable[bool]], older_than_s: float) -> Sequence[str]:
        """Those taken so long ago at least that do not play any more; `plays` asks Asterisk."""
        taken_by = self._now() - older_than_s
        asked = [playback_id for playback_id, taken_at in self._taken_at.items() if taken_at <= taken_by]
        return [playback_id for playback_id in asked if not await plays(playback_id)]
