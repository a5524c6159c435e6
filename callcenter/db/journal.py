"""The local durable sequence of events: appends are taken at once and committed together by one thread."""

import asyncio
import concurrent.futures
import itertools
import logging
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from callcenter.db.journal_file import JournalFile
from callcenter.db.journal_reads import read_spelled
from callcenter.db.journal_status import LOOK_EVERY_S, Room, tell
from callcenter.db.stored import Stored
from callcenter.errors import JournalError
from callcenter.ports import Append, Entry, StateChange

APPENDS_WAITING_MAX = 50_000  # beyond this the disk is far too slow; refuse rather than grow
COMMIT_APPENDS_MAX = 1_000  # one transaction's share of them
LINGER_S = 0.01  # how long observations wait for company; what somebody waits for never does
TAIL_EVENTS_MAX = 20_000  # committed events kept in memory, so that the writer seldom reads the file
CLOSE_WAIT_S = 30.0
PROBE_EVERY_S = 1.0  # how often a disk that failed is asked whether it works again
PROBE_BYTES = 1_000_000  # a small write may find room in pages that are there already

# What can be wrong with an append itself; anything else sqlite3 says is the disk's fault and ends the journal.
REFUSED = (
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    msgspec.MsgspecError,
    OverflowError,
    TypeError,
    ValueError,
)

T = TypeVar("T")
log = logging.getLogger(__name__)


class _Call(NamedTuple):
    """Work for the journal's thread other than an append; `last` ends the thread."""

    function: Callable[[], Any]
    answer: "concurrent.futures.Future[Any]"
    last: bool


class SqliteJournal:
    """Implements ports.Journal; methods named `_thread_…` run in the journal's thread, all others in the event loop.

    `on_committed([(position, entry), …])` runs once per commit, before the appends' own `committed`.
    `on_failure` hears once of a disk that can't be written; after that every append raises.
    `on_refused` hears of a single append that was wrong in itself (a seq used twice); the others are written.
    An append with a `committed` is never delayed: while one commit is on its way to the disk, the next collects.
    One without asks nothing of the world and may wait LINGER_S for others.
    """

    def __init__(
        self,
        path: Path,
        node: str,
        clock_start: float,
        on_committed: Callable[[Sequence[tuple[int, Entry]]], None],
        *,
        on_failure: Callable[[JournalError], None] = lambda _error: None,
        on_refused: Callable[[Append, JournalError], None] = lambda _append, _error: None,
    ) -> None:
        self.path = path
        self.node = node
        self.refused = 0
        self._forgotten_told = 0
        self._clock_start = clock_start
        self._on_committed = on_committed
        self._on_failure = on_failure
        self._on_refused = on_refused
        self._inbox: queue.SimpleQueue[Append | _Call] = queue.SimpleQueue()
        self._waiting = 0
        self._fault: JournalError | None = JournalError("the journal is not open")
        self._tail: deque[Stored] = deque(maxlen=TAIL_EVENTS_MAX)
        self._position = 0
        self._file: JournalFile | None = None
        self._thread_fault: sqlite3.Error | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next_look: asyncio.TimerHandle | None = None
        self._failing = asyncio.Event()

    async def open(self) -> None:
        """Open or create the file and bump the epoch; raises JournalError with cause and fix."""
        assert self._thread is None, "a journal opens once"
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._thread_run, name="journal", daemon=True)
        self._thread.start()
        try:
            self._file = await self._ask(lambda: JournalFile(self.path, self.node, self._clock_start))
        except JournalError:
            await self._end_thread(lambda: None)
            raise
        self._position = self._file.position
        self._fault = None
        self._look()

    async def close(self) -> None:
        """Write what waits, then close the file. Appends after this raise JournalError."""
        if self._thread is None:
            return
        self._fault = self._fault or JournalError("the journal is closed")
        if self._next_look is not None:
            self._next_look.cancel()
        await self._end_thread(self.file.close)

    async def run(self) -> None:
        """Nothing, while all is well: a vital task. Raises JournalError when a disk that failed takes writes again.

        What lives in memory is ahead of what was written, so only a new process, which begins from there, can go on;
        while the disk fails, it could not either.
        """
        await self._failing.wait()
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            try:
                await self._ask(self._thread_probe)
            except sqlite3.Error as error:
                log.warning("the journal's disk still fails", extra={"error": str(error)})
            else:
                raise JournalError(f"journal {self.path} could not be written and can be again: start anew from it")

    def append(self, item: Append) -> None:
        """Write soon, in order of calls; never blocks. Raises JournalError when unwritable, closed or full."""
        if self._fault is not None:
            raise self._fault
        if self._waiting >= APPENDS_WAITING_MAX:
            raise JournalError(f"{self._waiting} appends wait for the disk; no more are taken")
        self._waiting += 1
        self._inbox.put(item)

    async def read_after(self, position: int, limit: int) -> Sequence[Stored]:
        """At most `limit` committed events with a higher position, in order: (position, entry, hash, epoch) each.

        Raises JournalError if the file does not hold what was written.
        """
        if position >= self._position:
            return []
        if self._tail and self._tail[0].position <= position + 1:
            skip = position + 1 - self._tail[0].position  # the tail has no gaps
            return list(itertools.islice(self._tail, skip, skip + limit))
        found: list[Stored] = []
        for text in await self._ask(lambda: self.file.spelled_after(position, limit)):
            try:
                found += read_spelled(text)
            except (msgspec.MsgspecError, ValueError) as error:
                raise JournalError(f"journal {self.path} does not hold what was written: {error}") from error
            await asyncio.sleep(0)
        return found

    async def mark_drained(self, position: int) -> None:
        """The database has everything up to `position`."""
        self.file.drained = max(self.file.drained, position)
        while self._tail and self._tail[0].position <= position:
            self._tail.popleft()

    async def live_states(self) -> dict[str, bytes]:
        """The saved state of every stream that has one."""
        return await self._ask(self.file.live_states)

    async def last_seqs(self, prefix: str) -> dict[str, int]:
        """The highest seq of every stream named `prefix`…; of pruned streams too, unless they are contacts."""
        return await self._ask(lambda: self.file.last_seqs(prefix))

    async def oldest(self) -> tuple[int, float] | None:
        """Position and instant of the oldest event that is still held; None if none is."""
        return await self._ask(self.file.oldest)

    @property
    def file(self) -> JournalFile:
        """The open file: its `epoch`, its `births`, how far it is `drained`."""
        assert self._file is not None, "open() comes first"
        return self._file

    @property
    def healthy(self) -> bool:
        """Whether appends are taken."""
        return self._fault is None

    @property
    def accepting(self) -> bool:
        """Whether there is room for new contacts; those on the line are written as long as there is any."""
        return self.healthy and self.file.room is not Room.CRITICAL

    @property
    def idle(self) -> bool:
        """Whether every append is on the disk and told."""
        return self._waiting == 0

    @property
    def position(self) -> int:
        """The position of the last committed event."""
        return self._position

    def backlog(self) -> int:
        """How many committed events the database does not have yet."""
        return self.file.unsent(self._position)

    async def _ask(self, function: Callable[[], T], *, last: bool = False) -> T:
        if self._thread is None or not self._thread.is_alive():
            raise JournalError("the journal is not open")
        answer: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._inbox.put(_Call(function, answer, last))
        return await asyncio.wrap_future(answer)

    async def _end_thread(self, function: Callable[[], None]) -> None:
        thread = self._thread
        assert thread is not None
        try:
            async with asyncio.timeout(CLOSE_WAIT_S):
                await self._ask(function, last=True)
                await asyncio.to_thread(thread.join)
        except TimeoutError as error:
            raise JournalError(f"journal {self.path} could not be closed in {CLOSE_WAIT_S:.0f} s") from error
        finally:
            self._thread = None

    def _committed(self, items: Sequence[Append], stored: Sequence[Stored]) -> None:
        """Once per commit: the feed first, then each append's own callback."""
        self._waiting -= len(items)
        if stored:
            self._tail.extend(stored)
            self._position = stored[-1].position
            self._guarded(lambda: self._on_committed([(event.position, event.entry) for event in stored]))
        for item in items:
            if item.committed is not None:
                self._guarded(item.committed)

    def _refused(self, item: Append, error: JournalError) -> None:
        self._waiting -= 1
        self.refused += 1
        streams = sorted({entry.stream for entry in item.entries})
        log.error("append refused", extra={"streams": streams, "error": str(error)})
        self._guarded(lambda: self._on_refused(item, error))

    def _failed(self, count: int, error: JournalError) -> None:
        self._waiting -= count
        if self._fault is None:
            self._fault = error
            self._failing.set()
            log.critical("journal unwritable", extra={"error": str(error)})
            self._guarded(lambda: self._on_failure(error))

    def _guarded(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # one listener's bug must not silence the others of this commit
            log.exception("a callback of the journal failed")

    def _look(self) -> None:
        """Have the thread look at the disk now and then; it says so when there is no room, and when there is again."""
        assert self._loop is not None
        self._inbox.put(_Call(self._thread_look, concurrent.futures.Future(), last=False))
        self._next_look = self._loop.call_later(LOOK_EVERY_S, self._look)

    def _thread_look(self) -> None:
        before = self.file.room
        try:
            status = self.file.look()
            tell(status)
        except (sqlite3.Error, OSError) as error:
            log.warning("the journal's disk can't be looked at", extra={"error": str(error)})
            return
        if status.room is not before:
            level = logging.INFO if status.room is Room.PLENTY else logging.ERROR
            extra = {"room": status.room.value, "free_bytes": status.free_bytes, "held_bytes": status.bytes}
            log.log(level, "room for the journal changed", extra=extra)

        if status.forgotten is not None and status.forgotten.events >= 2 * self._forgotten_told:
            self._forgotten_told = status.forgotten.events  # told at each doubling, not at every look
            extra = {"forgotten": str(status.forgotten)}
            log.error("no room: sent events are forgotten early, and can't be sent again after a restore", extra=extra)

    def _thread_probe(self) -> None:
        for state in (bytes(PROBE_BYTES), None):
            self.file.write([Append((), (StateChange("probe", state),))])

    def _thread_run(self) -> None:
        while True:
            work = self._inbox.get()
            if isinstance(work, Append):
                items, call = self._thread_collect(work)
                self._thread_commit(items)
            else:
                call = work
            if call is not None:
                self._thread_answer(call)
                if call.last:
                    return

    def _thread_answer(self, call: _Call) -> None:
        asked = call.answer.set_running_or_notify_cancel()
        if not asked and not call.last:
            return
        try:
            result = call.function()
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            if asked:
                call.answer.set_exception(error)
        else:
            if asked:
                call.answer.set_result(result)

    def _thread_collect(self, first: Append) -> tuple[list[Append], _Call | None]:
        """What came in while the last commit was on its way, up to the next call.

        Appends that nobody waits for are given LINGER_S to find company: one commit costs the same for many.
        """
        items = [first]
        awaited = first.committed is not None
        lingered = False
        while len(items) < COMMIT_APPENDS_MAX:
            try:
                if awaited or lingered:
                    work = self._inbox.get_nowait()
                else:
                    lingered = self._inbox.empty()
                    work = self._inbox.get(timeout=LINGER_S)
            except queue.Empty:
                break
            if isinstance(work, _Call):
                return items, work
            items.append(work)
            awaited = awaited or work.committed is not None
        return items, None

    def _thread_commit(self, items: list[Append]) -> None:
        try:
            if self._thread_fault is not None:  # nothing may follow what was not written
                raise self._thread_fault
            stored = self.file.write(items)
        except REFUSED as error:
            if len(items) > 1:  # find the guilty one; the others are written
                for item in items:
                    self._thread_commit([item])
            else:
                self._thread_tell(self._refused, items[0], JournalError(f"append refused: {error}"))
        except sqlite3.Error as error:
            self._thread_fault = error
            fault = JournalError(f"journal {self.path} can't be written: {error}")
            self._thread_tell(self._failed, len(items), fault)
        else:
            self._thread_tell(self._committed, items, stored)

    def _thread_tell(self, function: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            log.warning("the event loop ended before the journal")
