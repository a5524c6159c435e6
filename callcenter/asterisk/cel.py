"""Asterisk's own account of every channel, the CEL file: the witness of what happened while nobody of ours looked.

`asterisk-config/templates/cel_custom.conf` says which columns there are and cel.conf which events: never a digit.
Which files that account is in, callcenter/asterisk/cel_files.py knows.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

COLUMNS: Final = 12
FALLBACK_CONTEXTS: Final = frozenset({"fallback", "emergency", "message"})
"""Where our dialplan cares for callers by itself."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """One event of a channel. `linked_id` is the id of the first channel of all that ever met.

    `at` is an instant (UTC, microseconds); `app` and `app_data` the dialplan application it was in. `extra` holds
    `hangupcause`, `hangupsource` and `dialstatus` of a HANGUP, `bridge_id` of a BRIDGE_ENTER or BRIDGE_EXIT.
    """

    kind: str
    at: float
    channel_id: str
    linked_id: str
    channel: str
    context: str
    extension: str
    app: str
    app_data: str
    caller: str
    dialed: str
    extra: dict[str, Any]


def parsed(content: bytes) -> Iterator[Witnessed]:
    """The events of some whole lines; what makes no sense is passed over."""
    text = content.decode("utf-8", "replace").replace("\0", "\ufffd")
    for row in csv.reader(io.StringIO(text, newline="\n")):
        if (witnessed := _witnessed(row)) is not None:
            yield witnessed


def _witnessed(row: Sequence[str]) -> Witnessed | None:
    if len(row) != COLUMNS:
        return None
    kind, when, channel_id, linked_id, channel, context, extension, app, app_data, caller, dialed, more = row
    try:
        moment = datetime.fromisoformat(when)
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()  # so were they written once
        extra = msgspec.json.decode(more, type=dict[str, Any]) if more else {}
    except (ValueError, msgspec.MsgspecError):
        return None
    return Witnessed(kind, at, channel_id, linked_id, channel, context, extension, app, app_data, caller, dialed, extra)
