"""How a journal is doing: what it holds, what the database lacks, and whether the disk has room for more."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from callcenter.db.forgotten import Forgotten
from callcenter.db.quarantine import keep_log, locked
from callcenter.db.salvage import FACTS, Facts, unsealed
from callcenter.errors import JournalError

FREE_LOW_BYTES = 2_000_000_000  # less is low: what the database has is forgotten early, and somebody is told
FREE_CRITICAL_BYTES = 250_000_000  # less is critical: no new contacts, so that those on the line can be written
HELD_LOW_BYTES = 5_000_000_000  # so much in the journal is low, however large the disk
LOOK_EVERY_S: Final = 5.0

OLDEST = "SELECT position, at FROM event WHERE position > ? ORDER BY position LIMIT 1"


class Room(StrEnum):
    """How much room there is for the journal to grow."""

    PLENTY = "plenty"
    LOW = "low"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Status:
    """A journal at an instant. `held_since` and `unsent_since` are instants of the oldest event of that kind.

    `bytes` is what all of it takes. What is held and not unsent is kept, to be sent again after a restore; what was
    `forgotten` before its time, for want of room, can't be.
    """

    path: str
    node: str
    epoch: int
    position: int
    drained: int
    held: int
    unsent: int
    held_since: float | None
    unsent_since: float | None
    bytes: int
    free_bytes: int
    room: Room
    service_pid: int | None = None
    forgotten: Forgotten | None = None


def look(database: sqlite3.Connection, path: Path, facts: Facts, position: int) -> Status:
    """The status of an open journal. Counts are by position, which has a hole only where the file was damaged once."""
    oldest = database.execute(OLDEST, (0,)).fetchone()
    unsent = database.execute(OLDEST, (facts.drained,)).fetchone()
    pages, spare, page = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    used, free = (pages - spare) * page, shutil.disk_usage(path.parent).free
    return Status(
        path=str(path),
        node=facts.node,
        epoch=facts.epoch,
        position=position,
        drained=facts.drained,
        held=position - oldest[0] + 1 if oldest else 0,
        unsent=position - unsent[0] + 1 if unsent else 0,
        held_since=oldest[1] if oldest else None,
        unsent_since=unsent[1] if unsent else None,
        bytes=used,
        free_bytes=free,
        room=room_for(used, free),
        forgotten=facts.forgotten,
    )


def room_for(used: int, free: int) -> Room:
    """What so many bytes in the journal and so many free ones on its disk mean."""
    if free < FREE_CRITICAL_BYTES or used >= 2 * HELD_LOW_BYTES:
        return Room.CRITICAL
    return Room.LOW if free < FREE_LOW_BYTES or used >= HELD_LOW_BYTES else Room.PLENTY


def tell(status: Status) -> None:
    """Leave the status beside the journal, for its owner lets nobody else look in."""
    path = _told(Path(status.path))
    new = path.with_name(f"{path.name}.new")
    new.touch(mode=0o600)
    new.write_bytes(msgspec.json.encode(status))
    new.replace(path)


def status_of(path: Path) -> Status:
    """The status of the journal at `path`, whether a service has it open or not; raises JournalError."""
    with reading(path) as found:
        if found is None:
            return _as_told(path)
        database, facts = found
        (highest,) = database.execute("SELECT max(position) FROM event").fetchone()
        return look(database, path, facts, max(highest or 0, facts.drained))


@contextmanager
def reading(path: Path) -> Iterator[tuple[sqlite3.Connection, Facts] | None]:
    """The journal at `path`, to look into and not to change; None while a service has it open. Raises JournalError."""
    if not path.exists():
        raise JournalError(f"there is no journal at {path}: the service never ran here")
    try:
        lock = locked(path)
    except JournalError:
        yield None
        return
    except OSError as error:
        raise JournalError(f"journal {path} can't be opened: {error}") from error
    try:
        keep_log(path)  # closing it would delete what the next start wants to look at
        database = sqlite3.connect(path, timeout=0.0, isolation_level=None)
        try:
            row = database.execute("SELECT value FROM meta WHERE key = ?", (FACTS,)).fetchone()
            content = unsealed(row[0]) if row else None
            if content is None:
                raise JournalError(f"journal {path} does not say what it is; the next start looks into it")
            yield database, msgspec.json.decode(content, type=Facts)
        finally:
            database.close()
    except (sqlite3.Error, msgspec.MsgspecError, OSError) as error:
        raise JournalError(f"journal {path} can't be read: {error}; the next start salvages what is in it") from error
    finally:
        os.close(lock)


def _as_told(path: Path) -> Status:
    try:
        return msgspec.json.decode(_told(path).read_bytes(), type=Status)
    except (OSError, msgspec.MsgspecError) as error:
        raise JournalError(f"journal {path} is in use, and its owner has not said yet how it is") from error


def _told(path: Path) -> Path:
    return path.with_name(f"{path.name}.status")
