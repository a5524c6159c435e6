"""A damaged journal file is put aside, never deleted, and a new one made of what was salvaged takes its place."""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from callcenter.db.salvage import Salvaged, salvage, unsealed
from callcenter.db.stored import Stored, proves_itself
from callcenter.errors import JournalError

CHECK_STEPS: Final = 20_000_000  # of SQLite's machine: a second or two; a longer file is trusted where it is not read
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BESIDE: Final = ("-wal", "-shm")

log = logging.getLogger(__name__)


class Flawed(Exception):
    """The file is not as we left it; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Where a damaged file lies now, what was wrong with it, and how much of it the new one holds."""

    path: str
    flaw: str
    events: int
    states: int


def is_damage(error: BaseException) -> bool:
    """Whether the file is bad, as opposed to locked, full or forbidden: SQLite says so, or its rows make no sense."""
    if isinstance(error, sqlite3.DatabaseError):
        code = getattr(error, "sqlite_errorcode", None)
        return code & 0xFF in _DAMAGE if code is not None else "decode" in str(error)
    return isinstance(error, KeyError | TypeError | ValueError | msgspec.MsgspecError)


def flaw_of(database: sqlite3.Connection, unsent: Iterable[Stored]) -> str | None:
    """What is wrong with an open journal; None if nothing was found.

    Looked at are the structure of the file, the seal of each state, and each event that the database may not have yet:
    what is wrong elsewhere shows when it is read, for events prove themselves.
    """
    database.set_progress_handler(lambda: 1, CHECK_STEPS)
    try:
        (told,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        told = "ok"
    finally:
        database.set_progress_handler(None, 0)
    if told != "ok":
        return str(told)
    for stream, state in database.execute("SELECT stream, state FROM live_state"):
        if unsealed(state) is None:
            return f"the state of {stream} is not what was written"
    for event in unsent:
        if not proves_itself(event):
            return f"event {event.position} is not what was written"
    return None


def replaced(path: Path, flaw: Flawed, stamp: int, make: Callable[[Salvaged, Path], None]) -> Quarantined:
    """Put the file at `path` aside, and in its place what `make` makes of its remains.

    A crash at any moment leaves the damaged file or its successor in place, whole.
    """
    aside = _free_name(path.with_name(f"{path.name}.bad-{stamp}"))
    os.link(path, aside)
    for log_file in (_kept_log(path), path.with_name(f"{path.name}-wal")):
        if log_file.exists():
            os.link(log_file, aside.with_name(f"{aside.name}-wal"))
            break
    found = salvage(aside)
    building = path.with_name(f"{path.name}.building")
    for ending in ("", *_BESIDE):
        building.with_name(building.name + ending).unlink(missing_ok=True)
    make(found, building)
    building.replace(_ready(path))
    building.with_name(f"{building.name}.lock").unlink(missing_ok=True)
    finish_replacing(path)
    quarantined = Quarantined(str(aside), str(flaw), len(found.events), len(found.states))
    log.error("journal replaced by what was salvaged", extra={"aside": str(aside), "events": len(found.events)})
    return quarantined


def locked(path: Path) -> int:
    """Take the lock beside the journal, so that nobody else looks into it or puts it aside; what to close at the end.

    Raises JournalError if another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise JournalError(f"journal {path} is in use by another process of ours; stop that one first") from error
    return lock


def keep_log(path: Path) -> None:
    """Hold on to the write-ahead log: SQLite deletes it with what it could not read, when the file is closed."""
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and not _kept_log(path).exists():  # one that is there is of a start that came to no end
        os.link(wal, _kept_log(path))


def drop_kept_log(path: Path) -> None:
    """The file was found sound, or what was in its log is salvaged."""
    _kept_log(path).unlink(missing_ok=True)


def _kept_log(path: Path) -> Path:
    return path.with_name(f"{path.name}.log-kept")


def finish_replacing(path: Path) -> None:
    """Put a finished successor in its place; what was interrupted is done now."""
    ready = _ready(path)
    if not ready.exists():
        return
    for ending in _BESIDE:  # a log that is left over would be taken for the successor's own
        path.with_name(path.name + ending).unlink(missing_ok=True)
    ready.replace(path)
    drop_kept_log(path)


def _ready(path: Path) -> Path:
    return path.with_name(f"{path.name}.salvaged")


def _free_name(path: Path) -> Path:
    n = 1
    free = path
    while free.exists():
        n += 1
        free = path.with_name(f"{path.name}-{n}")
    return free
