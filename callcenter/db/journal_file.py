"""The journal's SQLite file, used by one thread: what a commit writes, how positions and epochs are given out."""

import logging
import math
import os
import sqlite3
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from callcenter.db import journal_reads
from callcenter.db.forgotten import Forgotten, together
from callcenter.db.journal_status import OLDEST, Room, Status, look
from callcenter.db.quarantine import (
    Flawed,
    Quarantined,
    drop_kept_log,
    finish_replacing,
    flaw_of,
    is_damage,
    keep_log,
    locked,
    replaced,
)
from callcenter.db.salvage import FACTS, PAGE, Facts, Salvaged, highest_logged, sealed, unsealed
from callcenter.db.stored import Stored, content_hash
from callcenter.errors import JournalError
from callcenter.ports import Append, Entry

STATEMENT_ROWS_MAX = 64  # rows of one INSERT; see _chunks
READ_EVENTS = 5_000  # looked at together, at the start
PRUNE_EVENTS_MAX = 2_000  # deleted in one transaction at most
PRUNE_EVERY_S = 60.0
VACUUM_PAGES = 1_000  # given back to the disk at a time
POSITIONS_AHEAD_MAX = 10 * 366 * 86_400 << 20  # no file gave out positions of ten years from now
KEPT_S = 48 * 3600.0  # drained events stay this long, to be sent again after a database restore

APPLICATION_ID = 0x43436A31  # "CCj1": tells our file from anybody else's
SCHEMA_VERSION = 2
JOURNAL_STREAM = "journal"  # what happens to the journal itself
SCHEMA = """
CREATE TABLE event (
    position INTEGER PRIMARY KEY, stream TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, type TEXT NOT NULL,
    version INTEGER NOT NULL, data BLOB NOT NULL, site TEXT NOT NULL, cause TEXT NOT NULL, epoch INTEGER NOT NULL,
    hash BLOB NOT NULL, UNIQUE (stream, seq)
) STRICT;
CREATE TABLE live_state (stream TEXT PRIMARY KEY, state BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE last_seq (stream TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
"""
PRUNABLE = """
SELECT max(position) FROM (SELECT position, at FROM event ORDER BY position LIMIT ?) WHERE at < ?
"""
YOUNG = "SELECT count(*), min(at), max(at) FROM event WHERE position <= ? AND at >= ?"
REMEMBER_SEQS = """
INSERT INTO last_seq
SELECT stream, max(seq) FROM event WHERE position <= ? AND stream NOT LIKE 'contact/%' GROUP BY stream
ON CONFLICT DO UPDATE SET seq = excluded.seq
"""
T = TypeVar("T")
log = logging.getLogger(__name__)


class JournalFile:
    """One open journal. `position` is the last one given out, `epoch` this opening's.

    `births` are the positions at which this journal began, again after each damage. `quarantined` says what became of
    a damaged file that was found here. `drained` may be set from any thread; it is saved with the next commit, for
    losing it costs only a replay. `forgotten` is what was forgotten before its time.
    """

    def __init__(self, path: Path, node: str, clock_start: float) -> None:
        """Open or create; raises JournalError with cause and fix. A damaged file is put aside and salvaged."""
        self.path = path
        self.quarantined: Quarantined | None = None
        self._node = node
        self._pruned_at = 0.0
        self._newest_at = clock_start
        self.room = Room.PLENTY
        try:
            self._lock = locked(path)
        except OSError as error:
            raise JournalError(_why_unopened(path, error)) from error
        try:
            try:
                finish_replacing(path)
                self._begin(clock_start)
            except Flawed as flaw:
                self._salvage(flaw, clock_start)
        except (sqlite3.Error, OSError, Flawed) as error:
            os.close(self._lock)
            raise JournalError(_why_unopened(path, error)) from error
        except JournalError:
            os.close(self._lock)
            drop_kept_log(path)
            raise

    def _salvage(self, flaw: Flawed, clock_start: float) -> None:
        log.error("journal damaged; salvaging it", extra={"path": str(self.path), "flaw": str(flaw)})

        def make(found: Salvaged, path: Path) -> None:
            successor = JournalFile(path, self._node, clock_start)
            successor._take_over(found)
            successor.close()

        self.quarantined = replaced(self.path, flaw, int(clock_start), make)
        self._begin(clock_start)
        self._tell_quarantine(clock_start)

    def _begin(self, clock_start: float) -> None:
        logged = highest_logged(self.path)
        keep_log(self.path)
        self._db = self._connect()
        try:
            self._open(clock_start)
            if logged > self.position:
                raise Flawed(f"its log holds event {logged}, and it does not")  # noqa: TRY301 - closes what was opened
        except BaseException as error:
            self._db.close()
            if is_damage(error):
                raise Flawed(str(error)) from error
            raise
        drop_kept_log(self.path)

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600)  # callers' numbers are in here
        return sqlite3.connect(self.path, timeout=0.0, isolation_level=None)

    def _open(self, clock_start: float) -> None:
        # One process, one connection: the lock is held until the file is closed, and a second opener is refused.
        fresh = self.path.stat().st_size == 0
        shape = (f"page_size = {PAGE}", "auto_vacuum = INCREMENTAL") if fresh else ()
        for pragma in (*shape, "locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("BEGIN IMMEDIATE")
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables == 0:
            if not fresh:
                raise Flawed("there is nothing in it")
            self._create(clock_start)
        facts = self._facts()
        self.births, self.forgotten = facts.births, facts.forgotten
        self.drained = self._drained_saved = facts.drained
        flaw = flaw_of(self._db, self._unsent())
        if flaw is not None:
            raise Flawed(flaw)
        self.epoch = max(facts.epoch + 1, int(clock_start))
        self._save_facts()
        (highest,) = self._db.execute("SELECT max(position) FROM event").fetchone()
        self._db.execute("COMMIT")
        self.position = max(highest or 0, self.drained, self.births[-1])
        elder = "SELECT count(*) FROM event WHERE position > ? AND position <= ?"
        (self._unsent_elder,) = self._db.execute(elder, (self.drained, self.births[-1])).fetchone()

    def _unsent(self) -> Iterator[Stored]:
        after = self.drained
        while found := self.read_after(after, READ_EVENTS):
            yield from found
            after = found[-1].position

    def _create(self, clock_start: float) -> None:
        """A new file: its positions and epochs start above any that a lost file can have given out."""
        for statement in SCHEMA.split(";"):
            self._db.execute(statement)
        self.epoch, self.drained, self.births = 0, int(clock_start) << 20, (int(clock_start) << 20,)
        self.forgotten = None
        self._db.execute("INSERT INTO meta VALUES ('schema', ?)", (SCHEMA_VERSION,))
        self._save_facts()
        self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _take_over(self, found: Salvaged) -> None:
        """Hold what was salvaged, in its old places, as if nothing of it were in the database yet."""
        events = found.in_order(position_max=self.births[-1] + POSITIONS_AHEAD_MAX)
        if not found.births:  # without its journal's birth, an event of the floor has no identity
            events = [event for event in events if event.entry.stream.startswith("contact/")]
        self._db.execute("BEGIN IMMEDIATE")
        self._insert(events)
        self._save_states(dict(found.states))
        highest = max((event.position for event in events), default=0)
        self.births = (*found.births, max(self.births[-1], highest + (1 << 20)))  # a clock that was set back, too
        self.drained = self._drained_saved = events[0].position - 1 if events else self.births[-1]
        self.epoch = max(self.epoch, *(event.epoch for event in events), 0)
        self._save_facts()
        self._db.execute("COMMIT")

    def _tell_quarantine(self, clock_start: float) -> None:
        """What happened to the journal is itself an event."""
        assert self.quarantined is not None
        seq = self.last_seqs(JOURNAL_STREAM).get(JOURNAL_STREAM, 0) + 1
        data = msgspec.json.encode(self.quarantined)
        event = Entry(JOURNAL_STREAM, seq, clock_start, "journal.quarantined", 1, data, "", "damage")
        self.write([Append((event,))])

    def _facts(self) -> Facts:
        (application_id,) = self._db.execute("PRAGMA application_id").fetchone()
        names = {name for (name,) in self._db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if not {"event", "meta"} <= names:
            raise JournalError(f"{self.path} is not a journal of ours; choose another path")
        if application_id != APPLICATION_ID:
            raise Flawed("its head was changed")
        meta = dict(self._db.execute("SELECT key, value FROM meta").fetchall())
        if meta["schema"] == 1:
            return self._from_first_schema(meta)
        if meta["schema"] != SCHEMA_VERSION:
            ours = f"this program writes schema {SCHEMA_VERSION}"
            raise JournalError(f"journal {self.path} has schema {meta['schema']}, {ours}; start the matching version")
        content = unsealed(meta.get(FACTS))
        if content is None:
            raise Flawed("what it says about itself is not what was written")
        facts = msgspec.json.decode(content, type=Facts)
        if facts.node != self._node:
            raise JournalError(f"journal {self.path} belongs to node {facts.node!r}, this one is {self._node!r}")
        return facts

    def _from_first_schema(self, meta: dict[str, Any]) -> Facts:
        """Schema 1 had no seals, and one birth."""
        self._save_states(dict(self._db.execute("SELECT stream, state FROM live_state").fetchall()))
        self._db.execute("DELETE FROM meta")
        self._db.execute("INSERT INTO meta VALUES ('schema', ?)", (SCHEMA_VERSION,))
        return Facts(meta["node"], int(meta["epoch"]), int(meta["drained"]), (int(meta["born"]),))

    def _save_facts(self) -> None:
        facts = self._known_facts()
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (FACTS, sealed(msgspec.json.encode(facts))))

    def _known_facts(self) -> Facts:
        return Facts(self._node, self.epoch, self.drained, self.births, self.forgotten)

    def journal_of(self, position: int) -> int:
        """Where the journal began that gave this position out; with the stream's seq it is an event's identity."""
        return birth_of(self.births, position)

    def write(self, items: Sequence[Append]) -> list[Stored]:
        """All of it in one transaction, or nothing and an error of sqlite3, msgspec or ValueError."""
        stored: list[Stored] = []
        states: dict[str, bytes | None] = {}
        for item in items:
            for entry in item.entries:
                clean = _clean(entry)
                stored.append(Stored(self.position + len(stored) + 1, clean, content_hash(clean), self.epoch))
            states.update((change.stream, change.state) for change in item.states)
        drained, forgotten = self.drained, self.forgotten
        now = self._newest_at = max(self._newest_at, *(event.entry.at for event in stored), 0.0)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._insert(stored)
            self._save_states(states)
            if self.room is not Room.PLENTY:
                self._prune(math.inf, drained)  # without room on the disk nothing is too young to go
            elif now - self._pruned_at > PRUNE_EVERY_S and self._prune(now - KEPT_S, drained) < PRUNE_EVENTS_MAX:
                self._pruned_at = now
            if drained != self._drained_saved or forgotten != self.forgotten:
                self._save_facts()
            self._db.execute("COMMIT")
        except BaseException:
            self.forgotten = forgotten
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self.position += len(stored)
        self._drained_saved = drained
        return stored

    def read_after(self, position: int, limit: int) -> list[Stored]:
        """At most `limit` events with a higher position, in order."""
        return journal_reads.read_after(self._db, position, limit)

    def spelled_after(self, position: int, limit: int) -> list[str]:
        """The same as texts, which a busy process reads sooner: see `journal_reads`."""
        return journal_reads.spelled_after(self._db, position, limit)

    def unsent(self, position: int) -> int:
        """How many events up to `position` the database lacks; after a damage at most so many."""
        born = self.births[-1]
        return max(0, position - max(self.drained, born)) + (self._unsent_elder if self.drained < born else 0)

    def live_states(self) -> dict[str, bytes]:
        """The saved state of every stream that has one."""
        saved = self._db.execute("SELECT stream, state FROM live_state").fetchall()
        states = {stream: unsealed(state) for stream, state in saved}
        return {stream: state for stream, state in states.items() if state is not None}

    def last_seqs(self, prefix: str) -> dict[str, int]:
        """The highest seq of every stream named `prefix`…; of pruned streams too, unless they are contacts."""
        span = (prefix, prefix + "\U0010ffff")
        seqs = dict(self._db.execute("SELECT stream, seq FROM last_seq WHERE stream BETWEEN ? AND ?", span).fetchall())
        held = "SELECT stream, max(seq) FROM event WHERE stream BETWEEN ? AND ? GROUP BY stream"
        seqs.update(self._db.execute(held, span).fetchall())
        return seqs

    def look(self) -> Status:
        """See how things are, and give pages that are not needed any more back to the disk."""
        self._db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        status = look(self._db, self.path, self._known_facts(), self.position)
        self.room = status.room
        if self.room is not Room.PLENTY:
            self.write([])  # nobody may come and write, and yet there is something to forget
        return replace(status, forgotten=self.forgotten, service_pid=os.getpid())

    def oldest(self) -> tuple[int, float] | None:
        """Position and instant of the oldest event that is still held."""
        found: tuple[int, float] | None = self._db.execute(OLDEST, (0,)).fetchone()
        return found

    def close(self) -> None:
        """Save the drained mark if the disk lets us, and let go of the file."""
        try:
            self._save_facts()
        except sqlite3.Error as error:
            log.warning("journal closed without its mark", extra={"error": str(error)})
        self._db.close()
        os.close(self._lock)

    def _insert(self, stored: Sequence[Stored]) -> None:
        for chunk in _chunks(stored):
            values: list[object] = []
            for position, entry, digest, epoch in chunk:
                values += (position, entry.stream, entry.seq, entry.at, entry.type, entry.version, entry.data)
                values += (entry.site, entry.cause, epoch, digest)
            self._db.execute(f"INSERT INTO event VALUES {_marks(11, len(chunk))}", values)  # noqa: S608 - marks only

    def _save_states(self, states: dict[str, bytes | None]) -> None:
        for saved in _chunks([(stream, state) for stream, state in states.items() if state is not None]):
            flat = [value for stream, state in saved for value in (stream, sealed(state))]
            self._db.execute(f"INSERT OR REPLACE INTO live_state VALUES {_marks(2, len(saved))}", flat)  # noqa: S608
        for gone in _chunks([stream for stream, state in states.items() if state is None]):
            self._db.execute(f"DELETE FROM live_state WHERE stream IN (VALUES {_marks(1, len(gone))})", gone)  # noqa: S608

    def _prune(self, before: float, drained: int) -> int:
        """Forget the oldest events, drained and from before the instant, PRUNE_EVENTS_MAX at most, so that it is short.

        What is younger than KEPT_S adds to `forgotten`. The seqs of agents and other long-lived streams are remembered,
        for they go on counting. Returns how many.
        """
        (old,) = self._db.execute(PRUNABLE, (PRUNE_EVENTS_MAX, before)).fetchone()
        until = min(old or 0, drained)
        young_at = self._newest_at - KEPT_S
        young = self._db.execute(YOUNG, (until, young_at)).fetchone()
        self.forgotten = together(self.forgotten, Forgotten(*young) if young[0] else None, young_at)
        self._db.execute(REMEMBER_SEQS, (until,))
        return self._db.execute("DELETE FROM event WHERE position <= ?", (until,)).rowcount


def birth_of(births: Sequence[int], position: int) -> int:
    """The last of the ascending `births` at or before `position`; the first if it is older than all."""
    return births[max(0, bisect_right(births, position) - 1)]


def _clean(entry: Entry) -> Entry:
    r"""The entry without NUL characters, which PostgreSQL's text can't hold: `\u0000` becomes `\ufffd`."""
    if b"\\u0000" not in entry.data and "\0" not in entry.cause:
        return entry
    data, cause = entry.data.replace(b"\\u0000", b"\\ufffd"), entry.cause.replace("\0", "\ufffd")
    return Entry(entry.stream, entry.seq, entry.at, entry.type, entry.version, data, entry.site, cause)


def _marks(columns: int, rows: int) -> str:
    return ",".join(["(" + ",".join("?" * columns) + ")"] * rows)


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut into lengths that are powers of two: few distinct statements, few steps.

    sqlite3 gives the interpreter lock away at every step and must win it back from a busy event loop, so
    one statement of many rows commits far sooner than many statements of one row.
    """
    start = 0
    while start < len(rows):
        length = min(STATEMENT_ROWS_MAX, 1 << ((len(rows) - start).bit_length() - 1))
        yield rows[start : start + length]
        start += length


def _why_unopened(path: Path, error: Exception) -> str:
    if "locked" in str(error):
        return f"journal {path} is in use by another process of ours; stop that one first"
    if isinstance(error, sqlite3.OperationalError | OSError):
        return f"journal {path} can't be opened: {error}; check the folder's rights and the disk's space"
    return f"journal {path} can't be read ({error}), nor salvaged; move it away to start a new one, and keep it"
