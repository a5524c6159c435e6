"""Asterisk's own account of every channel, the CEL file: the witness of what happened while nobody of ours looked.

`asterisk-config/templates/cel_custom.conf` says which columns there are and cel.conf which events: never a digit.
The file is read as it grows, and across its rotation: a file that was renamed is read to its end before the next one.
"""

import csv
import io
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

COLUMNS: Final = 12
READ_BYTES_MAX: Final = 8 << 20  # at a time, so that a long absence does not fill the memory
LINE_BYTES_MAX: Final = 64 << 10  # a longer one is none of Asterisk's
FALLBACK_CONTEXTS: Final = frozenset({"fallback", "emergency", "message"})
"""Where our dialplan cares for callers by itself."""

log = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the witness was heard: the file by its inode, and the bytes of it that were read."""

    inode: int
    offset: int


class CelFile:
    """The file at `path`, its rotated predecessors beside it. `misread` counts lines that made no sense."""

    def __init__(self, path: Path, cursor: Cursor | None = None) -> None:
        self.path = path
        self.cursor = cursor
        self.misread = 0

    def read(self) -> list[Witnessed]:
        """What was written since the last time, in order, READ_BYTES_MAX at most; empty if there is nothing or no file.

        A line that is still being written is left for the next time. Without a cursor it begins with the oldest file.
        """
        while True:
            found, whole = self._read_some()
            if found or whole:
                return found

    def _read_some(self) -> tuple[list[Witnessed], bool]:
        """Events, and whether there is nothing more to read now."""
        files = files_of(self.path)
        if not files:
            return [], True
        n = self._place(files)
        offset = self.cursor.offset if self.cursor is not None and files[n][1] == self.cursor.inode else 0
        path, inode = files[n]
        try:
            with path.open("rb") as handle:
                if offset > os.fstat(handle.fileno()).st_size:
                    offset = 0  # it was emptied in place
                handle.seek(offset)
                content = handle.read(READ_BYTES_MAX)
        except OSError as error:
            log.warning("the CEL file can't be read", extra={"path": str(path), "error": str(error)})
            return [], True
        end = content.rfind(b"\n") + 1
        last = n == len(files) - 1
        if end == 0 and (not last or len(content) > LINE_BYTES_MAX):
            end = len(content)  # the torn end of a file that is finished, or a line that never ends
        self.cursor = Cursor(inode, offset + end)
        if end == 0 and not last:
            self.cursor = Cursor(files[n + 1][1], 0)
        return list(parsed(content[:end], self._misread)), end == 0 and last

    def _misread(self) -> None:
        self.misread += 1

    def _place(self, files: Sequence[tuple[Path, int]]) -> int:
        """Which of the files comes next: the one of the cursor, or the first after it is gone."""
        if self.cursor is None:
            return 0
        inodes = [inode for _, inode in files]
        return inodes.index(self.cursor.inode) if self.cursor.inode in inodes else 0


def files_of(path: Path) -> list[tuple[Path, int]]:
    """The file and its predecessors (`cel.csv.1`, `cel.csv-20261121`), oldest first, with their inodes."""
    found = []
    for each in path.parent.glob(f"{path.name}*") if path.parent.is_dir() else ():
        if each.suffix in {".gz", ".xz", ".bz2"}:
            continue
        try:
            facts = each.stat()
        except OSError:
            continue  # rotated away this very moment
        found.append((each == path, facts.st_mtime_ns, each, facts.st_ino))
    return [(each, inode) for _, _, each, inode in sorted(found)]


def parsed(content: bytes, misread: Callable[[], None] = lambda: None) -> Iterator[Witnessed]:
    """The events of some whole lines; `misread` is told of each that makes no sense."""
    text = content.decode("utf-8", "replace").replace("\0", "\ufffd")
    for row in csv.reader(io.StringIO(text, newline="\n")):
        witnessed = _witnessed(row)
        if witnessed is None:
            misread()
        else:
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
