"""The journal's SQLite file, used by one thread: what a commit writes, how positions and epochs are given out."""

import hashlib
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from callcenter.errors import JournalError
from callcenter.ports import Append, Entry

STATEMENT_ROWS_MAX = 64  # rows of one INSERT; see _chunks
PRUNE_EVENTS_MAX = 2_000  # deleted in one transaction at most
PRUNE_EVERY_S = 60.0
KEPT_S = 48 * 3600.0  # drained events stay this long, to be sent again after a database restore

APPLICATION_ID = 0x43436A31  # "CCj1": tells our file from anybody else's
SCHEMA_VERSION = 1
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
REMEMBER_SEQS = """
INSERT INTO last_seq
SELECT stream, max(seq) FROM event WHERE position <= ? AND stream NOT LIKE 'contact/%' GROUP BY stream
ON CONFLICT DO UPDATE SET seq = excluded.seq
"""
EVENTS_AFTER = """
SELECT position, stream, seq, at, type, version, data, site, cause, hash, epoch FROM event
WHERE position > ? ORDER BY position LIMIT ?
"""

T = TypeVar("T")
log = logging.getLogger(__name__)


class Stored(NamedTuple):
    """An event as the journal holds it."""

    position: int
    entry: Entry
    hash: bytes
    epoch: int


def content_hash(entry: Entry) -> bytes:
    """16 bytes of blake2b over what the event says: equal for equal content, whatever the order of keys in `data`.

    `at` counts in whole microseconds, as PostgreSQL keeps it, so the hash can be computed again from a row there.
    Position, node and epoch are not content. Raises msgspec.DecodeError if `data` is not JSON.
    """
    head = (entry.stream, entry.seq, round(entry.at * 1e6), entry.type, entry.version, entry.site, entry.cause)
    content = msgspec.json.encode([*head, msgspec.json.decode(entry.data)], order="sorted")
    return hashlib.blake2b(content, digest_size=16).digest()


class JournalFile:
    """One open journal. `position` is the last one given out, `epoch` this opening's, `born` the file's first position.

    `drained` may be set from any thread; it is saved with the next commit, for losing it costs only a replay.
    """

    def __init__(self, path: Path, node: str, clock_start: float) -> None:
        """Open or create; raises JournalError with cause and fix."""
        self.path = path
        self._node = node
        self._pruned_at = 0.0
        try:
            self._db = self._connect()
        except (sqlite3.Error, OSError) as error:
            raise JournalError(_why_unopened(path, error)) from error
        try:
            self._open(clock_start)
        except (sqlite3.Error, JournalError) as error:
            self._db.close()
            raise error if isinstance(error, JournalError) else JournalError(_why_unopened(path, error)) from error

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600)  # callers' numbers are in here
        return sqlite3.connect(self.path, timeout=0.0, isolation_level=None)

    def _open(self, clock_start: float) -> None:
        # One process, one connection: the lock is held until the file is closed, and a second opener is refused.
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("BEGIN IMMEDIATE")
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables == 0:
            self._create(clock_start)
        meta = self._meta()
        self.epoch = max(int(meta["epoch"]) + 1, int(clock_start))
        self._db.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (self.epoch,))
        (highest,) = self._db.execute("SELECT max(position) FROM event").fetchone()
        self._db.execute("COMMIT")
        self.born = int(meta["born"])
        self.drained = self._drained_saved = int(meta["drained"])
        self.position = max(highest or 0, self.drained)

    def _create(self, clock_start: float) -> None:
        """A new file: its positions and epochs start above any that a lost file can have given out."""
        for statement in SCHEMA.split(";"):
            self._db.execute(statement)
        born = int(clock_start) << 20
        facts = (("node", self._node), ("epoch", 0), ("born", born), ("drained", born), ("schema", SCHEMA_VERSION))
        self._db.executemany("INSERT INTO meta VALUES (?, ?)", facts)
        self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _meta(self) -> dict[str, Any]:
        (application_id,) = self._db.execute("PRAGMA application_id").fetchone()
        if application_id != APPLICATION_ID:
            raise JournalError(f"{self.path} is not a journal of ours; choose another path")
        meta = dict(self._db.execute("SELECT key, value FROM meta").fetchall())
        if meta["schema"] != SCHEMA_VERSION:
            ours = f"this program writes schema {SCHEMA_VERSION}"
            raise JournalError(f"journal {self.path} has schema {meta['schema']}, {ours}; start the matching version")
        if meta["node"] != self._node:
            raise JournalError(f"journal {self.path} belongs to node {meta['node']!r}, this one is {self._node!r}")
        return meta

    def write(self, items: Sequence[Append]) -> list[Stored]:
        """All of it in one transaction, or nothing and an error of sqlite3, msgspec or ValueError."""
        stored: list[Stored] = []
        states: dict[str, bytes | None] = {}
        for item in items:
            for entry in item.entries:
                clean = _clean(entry)
                stored.append(Stored(self.position + len(stored) + 1, clean, content_hash(clean), self.epoch))
            states.update((change.stream, change.state) for change in item.states)
        drained = self.drained
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._insert(stored)
            self._save_states(states)
            self._save_drained(drained)
            if stored and stored[-1].entry.at - self._pruned_at > PRUNE_EVERY_S:
                self._prune(stored[-1].entry.at, drained)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self.position += len(stored)
        self._drained_saved = drained
        return stored

    def read_after(self, position: int, limit: int) -> list[Stored]:
        """At most `limit` events with a higher position, in order."""
        rows = self._db.execute(EVENTS_AFTER, (position, limit)).fetchall()
        return [Stored(row[0], Entry(*row[1:9]), row[9], row[10]) for row in rows]

    def live_states(self) -> dict[str, bytes]:
        """The saved state of every stream that has one."""
        return dict(self._db.execute("SELECT stream, state FROM live_state").fetchall())

    def last_seqs(self, prefix: str) -> dict[str, int]:
        """The highest seq of every stream named `prefix`…; of pruned streams too, unless they are contacts."""
        span = (prefix, prefix + "\U0010ffff")
        seqs = dict(self._db.execute("SELECT stream, seq FROM last_seq WHERE stream BETWEEN ? AND ?", span).fetchall())
        held = "SELECT stream, max(seq) FROM event WHERE stream BETWEEN ? AND ? GROUP BY stream"
        seqs.update(self._db.execute(held, span).fetchall())
        return seqs

    def close(self) -> None:
        """Save the drained mark if the disk lets us, and let go of the file."""
        try:
            self._save_drained(self.drained)
        except sqlite3.Error as error:
            log.warning("journal closed without its mark", extra={"error": str(error)})
        self._db.close()

    def _insert(self, stored: Sequence[Stored]) -> None:
        for chunk in _chunks(stored):
            values: list[object] = []
            for position, entry, digest, epoch in chunk:
                values += (position, entry.stream, entry.seq, entry.at, entry.type, entry.version, entry.data)
                values += (entry.site, entry.cause, epoch, digest)
            self._db.execute(f"INSERT INTO event VALUES {_marks(11, len(chunk))}", values)  # noqa: S608 - marks only

    def _save_states(self, states: dict[str, bytes | None]) -> None:
        for saved in _chunks([(stream, state) for stream, state in states.items() if state is not None]):
            flat = [value for pair in saved for value in pair]
            self._db.execute(f"INSERT OR REPLACE INTO live_state VALUES {_marks(2, len(saved))}", flat)  # noqa: S608
        for gone in _chunks([stream for stream, state in states.items() if state is None]):
            self._db.execute(f"DELETE FROM live_state WHERE stream IN (VALUES {_marks(1, len(gone))})", gone)  # noqa: S608

    def _save_drained(self, drained: int) -> None:
        if drained != self._drained_saved:
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'drained'", (drained,))

    def _prune(self, now: float, drained: int) -> None:
        """Forget the oldest events once they are drained and old, PRUNE_EVENTS_MAX at most, so that it stays short.

        The seqs of agents and other long-lived streams are remembered, for they go on counting.
        """
        (old,) = self._db.execute(PRUNABLE, (PRUNE_EVENTS_MAX, now - KEPT_S)).fetchone()
        until = min(old or 0, drained)
        self._db.execute(REMEMBER_SEQS, (until,))
        pruned = self._db.execute("DELETE FROM event WHERE position <= ?", (until,)).rowcount
        if pruned < PRUNE_EVENTS_MAX:
            self._pruned_at = now


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
    return f"journal {path} can't be read ({error}); move the file away to start a new one, and keep it for salvage"
