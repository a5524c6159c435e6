"""Commands that failed while their channel lives on, and whose contact has nothing else to do about it.

A leg that must end, a caller who must leave us, music for who waits: nobody waits for the outcome of these, so nobody
asks again when Asterisk refuses one or does not answer. They are kept here until the next look at Asterisk.
"""

from collections.abc import Collection, Sequence
from typing import Final

from callcenter.contact.commands import (
    DropBridge,
    HangUp,
    SendToFallback,
    SendToVoicemail,
    StartMusic,
    StopMusic,
    StopRecording,
    TakeCall,
    TelephonyCommand,
    subject,
)

KEPT_MAX: Final = 1_000
"""Beyond it Asterisk refuses everything, and to keep more of it would not help."""

_LEAVING = (HangUp, SendToFallback, SendToVoicemail)
_MUSIC = (StartMusic, StopMusic)
_REST = (DropBridge, StopRecording)


class Unheeded:
    """Keeps at most one command of each kind about each channel, bridge or recording: the one that was asked last."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], TelephonyCommand] = {}

    def asked(self, command: TelephonyCommand) -> None:
        """A command leaves: what was kept of its kind is out of date. Who comes, or leaves us, begins anew."""
        about = subject(command)
        kind = _kind(command)
        self._kept.pop((kind, about), None)
        if kind == "leaving" or isinstance(command, TakeCall):
            # It may have left in spite of the missing answer, and be back: not to be sent away again.
            self._kept.pop(("leaving", about), None)
            self._kept.pop(("music", about), None)

    def failed(self, command: TelephonyCommand) -> None:
        """It was refused, or not answered, and what it is about is still there."""
        if (kind := _kind(command)) and len(self._kept) < KEPT_MAX:
            self._kept[kind, subject(command)] = command

    def take(self) -> Sequence[TelephonyCommand]:
        """All that is kept, in order of failure; nothing is kept afterwards."""
        commands = list(self._kept.values())
        self._kept.clear()
        return commands

    @staticmethod
    def leaving(commands: Sequence[TelephonyCommand]) -> Collection[str]:
        """The channels that these commands end or send away."""
        return {command.channel_id for command in commands if isinstance(command, _LEAVING)}


def _kind(command: TelephonyCommand) -> str:
    """What a later command of the same kind takes back; empty for commands whose contact hears of a failure."""
    if isinstance(command, _LEAVING):
        return "leaving"
    if isinstance(command, _MUSIC):
        return "music"
    return type(command).__name__ if isinstance(command, _REST) else ""
