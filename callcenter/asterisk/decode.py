"""One frame of the event socket → one typed event, or Unknown; never an exception."""

from dataclasses import dataclass

import msgspec

from callcenter.asterisk.events import Event


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame we can't read: `kind` is its type, or "malformed"; `why` says what is wrong with it."""

    kind: str
    raw: bytes | str
    why: str = ""


class _Peek(msgspec.Struct):
    """The one field every event has."""

    type: str


_event = msgspec.json.Decoder(Event)
_peek = msgspec.json.Decoder(_Peek)


def decode(raw: bytes | str) -> Event | Unknown:
    """The event in a frame; Unknown for a type newer than `events.py` or a shape that contradicts it."""
    try:
        event: Event = _event.decode(raw)
    except (msgspec.DecodeError, UnicodeError) as error:
        return Unknown(_kind(raw), raw, str(error))
    return event


def _kind(raw: bytes | str) -> str:
    try:
        return _peek.decode(raw).type
    except (msgspec.DecodeError, UnicodeError):
        return "malformed"
