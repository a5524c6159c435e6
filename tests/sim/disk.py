"""The journal's thread as timers of the loop: the same file, written at drawn moments, one after the other."""

import os
import queue
import random
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from callcenter.db.journal import SqliteJournal
from callcenter.ports import Append
from tests.sim.loop import Process, running_process


class Disk:
    """Where journals live; it outlives them. `on_commit(number, when)` hears before and after each commit."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder = folder
        self.rng = rng
        self.slow_s = 0.0
        self.commits = 0
        self.on_commit: Callable[[int, str], None] = lambda _number, _when: None

    def delay_s(self) -> float:
        """How long until the next piece of work is done."""
        return self.rng.uniform(0.0001, 0.0015) + self.slow_s


class _Inbox:
    """Takes work for the journal and has it done by and by."""

    def __init__(self, work_off: Callable[[], None], delay_s: Callable[[], float], process: Process) -> None:
        self._work: deque[Any] = deque()
        self._work_off = work_off
        self._delay_s = delay_s
        self._process = process
        self._due = False

    def put(self, work: Any) -> None:
        self._work.append(work)
        self.hurry()

    def hurry(self) -> None:
        """See that there is a turn as long as there is work."""
        if self._work and not self._due and not self._process.dead:
            self._due = True
            self._process.loop.call_later(self._delay_s(), self._turn)

    def _turn(self) -> None:
        self._due = False
        self._work_off()
        self.hurry()

    def get(self, timeout: float = 0.0) -> Any:
        if not self._work:
            raise queue.Empty
        return self._work.popleft()

    get_nowait = get

    def empty(self) -> bool:
        return not self._work


class SimJournal(SqliteJournal):
    """The journal itself; only its thread is a model, and dies with its process."""

    _disk: Disk
    _process: Process

    def begin(self) -> None:
        """Work is done from now on."""
        self._process = running_process()
        self._disk = self._process.disk  # type: ignore[attr-defined]
        self._inbox = _Inbox(self._work_off, self._disk.delay_s, self._process)  # type: ignore[assignment]
        self._process.at_death.append(self.let_go)

    def _work_off(self) -> None:
        work = self._inbox.get()
        call = None if isinstance(work, Append) else work
        if isinstance(work, Append):
            items, call = self._thread_collect(work)
            self._thread_commit(items)
        if call is not None and not self._process.dead:
            self._thread_answer(call)

    def _thread_commit(self, items: list[Append]) -> None:
        self._disk.commits += 1
        self._disk.on_commit(self._disk.commits, "before")
        if not self._process.dead:
            super()._thread_commit(items)
            self._disk.on_commit(self._disk.commits, "after")

    def append(self, item: Append) -> None:
        """As the journal; what the dead still say is not heard."""
        if not self._process.dead:
            super().append(item)

    def let_go(self) -> None:
        """The process is dead: its file and lock are free. Nothing is written; the log stays as it is."""
        file = self._file
        if file is not None:
            _forsake(file)


class SimThread:
    """In the place of `threading.Thread`, for the journal: its work is done by timers, not by `target`."""

    def __init__(self, *, target: Any, name: str, daemon: bool) -> None:
        assert name == "journal"
        assert daemon
        self._journal: SimJournal = target.__self__

    def start(self) -> None:
        """The journal's inbox is worked off from now on."""
        self._journal.begin()

    def is_alive(self) -> bool:
        """As long as its process."""
        return True

    def join(self) -> None:
        """It has done its work."""


def _forsake(file: Any) -> None:
    """Close without a checkpoint, as the kernel would: SQLite's own close folds the log into the file."""
    path: Path = file.path
    kept = {name: path.with_name(name).read_bytes() for name in _names(path) if path.with_name(name).exists()}
    file._db.close()
    os.close(file._lock)
    for name in _names(path):
        path.with_name(name).unlink(missing_ok=True)
    for name, content in kept.items():
        path.with_name(name).write_bytes(content)


def _names(path: Path) -> Sequence[str]:
    return (path.name, f"{path.name}-wal")
