"""What can still be read of a damaged journal file: whatever proves itself by its own hash is an event.

SQLite can't open a file whose first page is damaged, and gives up at a bad page elsewhere. But a page stands for
itself, and an event carries its hash. So every page of the file and of its write-ahead log is looked at alone (the
format is https://www.sqlite.org/fileformat2.html, §1.6 pages, §2.1 records, §4.1 the log), and what does not prove
itself is left.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from callcenter.db.forgotten import Forgotten
from callcenter.db.stored import Stored, proves_itself
from callcenter.ports import Entry

PAGE: Final = 4096
FILE_HEAD, WAL_HEAD, FRAME_HEAD = 100, 32, 24
TABLE_LEAF, INDEX_LEAF = 0x0D, 0x0A
RECORD_BYTES_MAX: Final = 16 << 20
EVENT_COLUMNS, PAIR_COLUMNS = 11, 2
FACTS: Final = "facts"  # the row of `meta` in which a journal speaks of itself
ENDED: Final = "contact.ended"
CRC: Final = struct.Struct(">I")

# What a page of nonsense can do to whoever reads it.
NONSENSE = (IndexError, ValueError, TypeError, OverflowError, struct.error, msgspec.MsgspecError)

Value = int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a journal file says about itself; `births` are the positions at which its journals began, ascending.

    `forgotten` is what it had to forget before its time.
    """

    node: str
    epoch: int
    drained: int
    births: tuple[int, ...]
    forgotten: Forgotten | None = None


@dataclass(slots=True)
class Salvaged:
    """`events` by stream and seq; `states` by stream; `births` of the file, empty if they were not readable."""

    events: dict[tuple[str, int], Stored] = field(default_factory=dict)
    states: dict[str, bytes] = field(default_factory=dict)
    births: tuple[int, ...] = ()

    def in_order(self, position_max: int) -> list[Stored]:
        """The events in order of position, each at one of its own.

        An event's hash proves what it says, not its position. Where that can't be right, since it is above
        `position_max` or another event's, a contact's event goes behind the others, for nothing hangs on its position;
        one of the floor, whose identity does, is left out.
        """
        placed: dict[int, Stored] = {}
        misplaced: list[Stored] = []
        for event in sorted(self.events.values(), key=lambda one: (one.position, one.entry.stream, one.entry.seq)):
            if 0 < event.position <= position_max and event.position not in placed:
                placed[event.position] = event
            elif event.entry.stream.startswith("contact/"):
                misplaced.append(event)
        behind = max(placed, default=0) + 1
        return [*placed.values(), *(event._replace(position=behind + n) for n, event in enumerate(misplaced))]


def sealed(content: bytes) -> bytes:
    """The content with its checksum before it."""
    return CRC.pack(zlib.crc32(content)) + content


def unsealed(stored: object) -> bytes | None:
    """The content; None if it is not what was sealed."""
    if not isinstance(stored, bytes):
        return None
    content = stored[CRC.size :]
    return content if stored[: CRC.size] == CRC.pack(zlib.crc32(content)) else None


def salvage(path: Path) -> Salvaged:
    """Read the file at `path` and its log beside it; never raises for what is in them."""
    found = Salvaged()
    pages = _Pages(path)
    for page, head in pages:
        for record in _records(pages, page, head):
            if len(record) == EVENT_COLUMNS:
                _take_event(found, record)
            elif len(record) == PAIR_COLUMNS:
                _take_pair(found, record)
    _drop_old_states(found)
    return found


def highest_logged(path: Path) -> int:
    """The highest position among the events in the log beside the file at `path`; 0 if there is none.

    SQLite leaves out a page of the log whose checksum is wrong, and all that follow it, without a word.
    """
    found = Salvaged()
    pages = _Pages(path, log_only=True)
    for page, head in pages:
        for record in _records(pages, page, head):
            if len(record) == EVENT_COLUMNS:
                _take_event(found, record)
    return max((event.position for event in found.events.values()), default=0)


class _Pages:
    """The pages of a database file and every image of them in its log, each with where its tree begins."""

    def __init__(self, path: Path, *, log_only: bool = False) -> None:
        self._file = path.read_bytes() if path.exists() and not log_only else b""
        wal = path.with_name(f"{path.name}-wal")
        self._wal = wal.read_bytes() if wal.exists() else b""
        starts = range(WAL_HEAD, len(self._wal) - FRAME_HEAD - PAGE + 1, FRAME_HEAD + PAGE)
        # The log is written round and round; what is left of an earlier round has another salt, and is older.
        in_age = sorted(starts, key=lambda start: self._wal[start + 8 : start + 16] == self._wal[16:24])
        self._frames = [(struct.unpack_from(">I", self._wal, start)[0], start + FRAME_HEAD) for start in in_age]
        self._latest = dict(self._frames)  # page number → where its image begins

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        for number in range(1, -(-len(self._file) // PAGE) + 1):
            yield self._in_file(number), FILE_HEAD if number == 1 else 0
        for number, start in self._frames:
            yield self._wal[start : start + PAGE], FILE_HEAD if number == 1 else 0

    def overflow(self, number: int) -> Iterator[bytes]:
        """The page of that number: as the log has it last, then as the file has it."""
        start = self._latest.get(number)
        if start is not None:
            yield self._wal[start : start + PAGE]
        yield self._in_file(number)

    def _in_file(self, number: int) -> bytes:
        return self._file[(number - 1) * PAGE : number * PAGE]


def _records(pages: _Pages, page: bytes, head: int) -> Iterator[Sequence[Value]]:
    """The records of a leaf page; of an event's table each begins with its row's number."""
    if len(page) <= head + 8 or page[head] not in {TABLE_LEAF, INDEX_LEAF}:
        return
    (cells,) = struct.unpack_from(">H", page, head + 3)
    for n in range(min(cells, PAGE // 4)):
        try:
            (start,) = struct.unpack_from(">H", page, head + 8 + 2 * n)
            size, start = _varint(page, start)
            row: int | None = None
            if page[head] == TABLE_LEAF:
                row, start = _varint(page, start)
            payload = _payload(pages, page, start, size, table=row is not None)
            yield _record(payload, row)
        except NONSENSE:
            continue


def _payload(pages: _Pages, page: bytes, start: int, size: int, *, table: bool) -> bytes:
    """A cell's whole content; what does not fit into a leaf goes on in a chain of pages."""
    if size > RECORD_BYTES_MAX:
        raise ValueError(size)
    most = PAGE - 35 if table else (PAGE - 12) * 64 // 255 - 23
    if size <= most:
        return page[start : start + size]
    least = (PAGE - 12) * 32 // 255 - 23
    here = least + (size - least) % (PAGE - 4)
    here = least if here > most else here
    content = page[start : start + here]
    (number,) = struct.unpack_from(">I", page, start + here)
    while number and len(content) < size:
        following = next((image for image in pages.overflow(number) if len(image) == PAGE), b"")  # then it is nonsense
        (number,) = struct.unpack_from(">I", following)
        content += following[4:]
    return content[:size]


def _record(payload: bytes, row: int | None) -> list[Value]:
    head_size, at = _varint(payload, 0)
    kinds = []
    while at < head_size:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Value] = []
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    if row is not None and values and values[0] is None:
        values[0] = row  # the column that is the row's number is not stored twice
    return values


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind >= 12:
        end = at + (kind - 12) // 2
        if end > len(payload):
            raise ValueError(kind)
        return (payload[at:end].decode() if kind % 2 else payload[at:end]), end
    size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind]
    if kind == 7:
        return struct.unpack_from(">d", payload, at)[0], at + size
    if kind in {8, 9}:
        return kind - 8, at
    return (None if kind == 0 else int.from_bytes(payload[at : at + size], "big", signed=True)), at + size


def _varint(page: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for n in range(8):
        value = value << 7 | page[at + n] & 0x7F
        if page[at + n] < 0x80:
            return value, at + n + 1
    return value << 8 | page[at + 8], at + 9


def _take_event(found: Salvaged, record: Sequence[Value]) -> None:
    position, stream, seq, at, type_, version, data, site, cause, epoch, digest = record
    if not (isinstance(at, int | float) and isinstance(data, bytes) and isinstance(digest, bytes)):
        return
    if not (isinstance(position, int) and isinstance(seq, int) and isinstance(version, int) and isinstance(epoch, int)):
        return
    if not (isinstance(stream, str) and isinstance(type_, str) and isinstance(site, str) and isinstance(cause, str)):
        return
    event = Stored(position, Entry(stream, seq, float(at), type_, version, data, site, cause), digest, epoch)
    if proves_itself(event):
        found.events[stream, seq] = event


def _take_pair(found: Salvaged, record: Sequence[Value]) -> None:
    key, value = record
    content = unsealed(value)
    if not isinstance(key, str) or content is None:
        return
    try:
        if key == FACTS:
            found.births = max(found.births, msgspec.json.decode(content, type=Facts).births, key=len)
        elif "/" in key and _age(content) >= _age(found.states.get(key, b"{}")):
            found.states[key] = content
    except NONSENSE:
        return


def _age(state: bytes) -> int:
    """The seq that a contact's state says it has; 0 for a state that does not say."""
    told = msgspec.json.decode(state)
    seq = told.get("seq", 0) if isinstance(told, dict) else 0
    return seq if isinstance(seq, int) else 0


def _drop_old_states(found: Salvaged) -> None:
    """A contact can't go on after its end, nor from a state that is older than what it has told."""
    last: dict[str, Stored] = {}
    for event in found.events.values():
        stream = event.entry.stream
        if stream not in last or event.entry.seq > last[stream].entry.seq:
            last[stream] = event
    for stream in [stream for stream in found.states if stream.startswith("contact/")]:
        told = last.get(stream)
        if told is None or told.entry.type == ENDED or _age(found.states[stream]) < told.entry.seq:
            del found.states[stream]
