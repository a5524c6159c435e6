"""The single ordered writer: what the journal holds goes to PostgreSQL, once, in order, however often we or it die."""

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg
import msgspec

from callcenter.clock import Clock
from callcenter.db import batch as batches
from callcenter.db.copying import Connection
from callcenter.db.engine import FAULTS, connect, reason, unless_cancelled
from callcenter.db.event_rows import Owner, contact_of, is_of_contact
from callcenter.db.forgotten import Forgotten
from callcenter.db.gap import gap_after
from callcenter.db.journal import SqliteJournal
from callcenter.db.journal_file import JOURNAL_STREAM
from callcenter.db.migrate import day_of, ensure_month, month_of, near
from callcenter.db.projections import AgentStateRow, ContactView
from callcenter.db.stored import Stored
from callcenter.errors import DatabaseError
from callcenter.ports import Append, Entry

BATCH_EVENTS_MAX = 20_000  # a long backlog goes in portions that take a fifth of a second
CONTACTS_KNOWN_MAX = 20_000  # folds kept in memory; beyond it the oldest are read again when needed
LINGER_S = 0.1  # after a batch that was not full: at most ten transactions a second when there is little to do
IDLE_S = 5.0  # without events, ask the database this often whether it is there
RETRY_CAP_S = 5.0

# What a batch itself can do wrong: a value that PostgreSQL can't hold, whether asyncpg says so or the server.
# Then halves are tried, down to the one event.
CONTENT_FAULTS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    OverflowError,
    ValueError,
)

# What a database says that is too slow for so many events in the time that a statement has. Fewer may do.
TOO_SLOW = (TimeoutError, asyncpg.QueryCanceledError)
APPLICATION = "callcenter writer"

log = logging.getLogger(__name__)


class Fenced(DatabaseError):
    """The database knows a newer owner of this node; this process must not write any more."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"node {node!r} has a newer owner in the database: another process took over, or the journal or the clock "
            "of this machine was set back; stop the other one, or give this one another CALLCENTER_NODE"
        )
        self.node = node


@dataclass(frozen=True, slots=True)
class _Batch:
    """Events of the journal, and what they come to if they can be written as new ones. `full`: there may be more."""

    events: Sequence[Stored]
    full: bool
    prepared: batches.Prepared | None = None


@dataclass(frozen=True, slots=True)
class WriterHealth:
    """`position` is the last event in the database, `away_since` since when it can't be reached and `why`."""

    position: int
    written: int
    replayed: int
    conflicts: int
    misread: int
    away_since: float | None
    why: str


class Writer:
    """Runs for ever in one task. `wake()` it after each commit of the journal; it never blocks anybody.

    The cursor lives in PostgreSQL, in the transaction of the events themselves; what is sent again meets its own
    hash and changes nothing. While the database is away it waits and tries again, and the journal keeps everything.
    """

    def __init__(
        self, journal: SqliteJournal, url: str, clock: Clock, rng: random.Random, *, linger_s: float = LINGER_S
    ) -> None:
        self._journal = journal
        self._url = url
        self._clock = clock
        self._rng = rng
        self._linger_s = linger_s
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()
        self._contacts: dict[str, ContactView | None] = {}
        self._agents: dict[str, AgentStateRow] = {}
        self._months: set[date] = set()
        self._there_until = 0  # up to here the database says that it has everything
        self._repeating = False
        self._batch_events = BATCH_EVENTS_MAX
        self._position = 0
        self._written = self._replayed = self._conflicts = self._misread = 0
        self._away_since: float | None = clock.now()
        self._why = "not connected yet"
        self._gap_told: Forgotten | None = None

    def wake(self) -> None:
        """There is something to write."""
        self._wake.set()

    def health(self) -> WriterHealth:
        """The state of affairs, for readiness and metrics."""
        counts = (self._written, self._replayed, self._conflicts, self._misread)
        return WriterHealth(self._position, *counts, self._away_since, self._why)

    async def until(self, position: int, timeout_s: float) -> bool:
        """Wait until everything up to `position` is in the database; False if that takes longer than `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: self._position >= position)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Write until cancelled. Raises Fenced when somebody else writes for our node, and JournalError."""
        attempt = 0
        while True:
            before = self._written + self._replayed
            try:
                await self._connected()
            except FAULTS as error:
                unless_cancelled(error)
                self._away(reason(error))
                if isinstance(error, TOO_SLOW):
                    self._batch_events = max(1, self._batch_events // 2)
            attempt = 0 if self._written + self._replayed > before else attempt + 1
            await asyncio.sleep(self._rng.uniform(0.05, min(RETRY_CAP_S, 0.1 * 2.0 ** min(attempt, 10))))

    def _away(self, why: str) -> None:
        if self._away_since is None:
            self._away_since = self._clock.now()
            log.warning("database away", extra={"why": why, "position": self._position})
        self._why = why

    async def _connected(self) -> None:
        """One connection's life: take ownership, then batch after batch. Ends with one of FAULTS."""
        connection = await connect(self._url, APPLICATION)
        reads = None
        try:
            reads = await connect(self._url, f"{APPLICATION} reads")
            owner = await self._take_over(connection)
            while True:
                self._wake.clear()
                end = self._journal.position
                last = await self._drain(connection, reads, owner)
                if not last.events:
                    await self._move(max(self._position, end))
                if not last.full:
                    await self._rest(connection, idle=not last.events)
        finally:
            for open_one in (connection, reads):
                if open_one is not None:
                    open_one.terminate()  # a polite close could wait for a server that is gone

    async def _drain(self, connection: Connection, reads: Connection, owner: Owner) -> "_Batch":
        """Write batch after batch as long as they are full and new; the last one.

        While PostgreSQL works on one, the next is read and prepared.
        """
        batch = await self._next(reads, owner, self._position, self._known())
        while batch.prepared is not None:
            following = self._following(reads, owner, batch.prepared) if batch.full else None
            try:
                if not await self._sent(connection, owner, batch.prepared):
                    break
                if following is None:
                    return batch
                batch = await following
            except BaseException:
                reads.terminate()  # whoever prepares the next batch hears at once that it is over
                raise
            finally:
                if following is not None:
                    await _gone(following)
        if batch.events:
            await self._write(connection, owner, batch.events)
        return batch

    def _following(self, reads: Connection, owner: Owner, prepared: batches.Prepared) -> "asyncio.Task[_Batch]":
        known = self._known().after(prepared.outcome)
        return asyncio.create_task(self._next(reads, owner, prepared.events[-1].position, known))

    async def _next(self, reads: Connection, owner: Owner, after: int, known: batches.Known) -> "_Batch":
        """The events after a position, prepared unless some may be there already, or can't be told to PostgreSQL."""
        limit = self._batch_events
        found = await self._journal.read_after(after, limit)
        full = len(found) == limit
        if not found or self._repeating or found[0].position <= self._there_until:
            return _Batch(found, full)
        try:
            return _Batch(found, full, await batches.prepare(reads, owner, found, known))
        except CONTENT_FAULTS:
            return _Batch(found, full)

    def _known(self) -> batches.Known:
        return batches.Known(self._contacts, self._agents)

    async def _take_over(self, connection: Connection) -> Owner:
        file = self._journal.file
        owner = Owner(self._journal.node, file.epoch, file.births)
        held = await connection.fetchval(batches.TAKE_OVER, owner.node, owner.epoch)
        if held is None:
            raise Fenced(owner.node)
        if held < file.drained > file.births[0]:
            log.warning("the database is behind; sending again", extra={"from": held, "drained": file.drained})
            await self._tell_gap(connection, held)
        if 0 < held < file.births[0]:
            await self._tell_lost(held, file.births[0])
        self._position = min(held, file.drained)
        self._there_until, self._repeating = held, False
        # A commit may have been lost or not: what we know of the folds is what the database says.
        self._contacts, self._agents, self._months = {}, {}, set()
        log.info("writing to the database", extra={"position": self._position, "epoch": owner.epoch})
        self._away_since, self._why = None, ""
        return owner

    async def _tell_lost(self, held: int, born: int) -> None:
        """The database has events of this node from before the journal began: the journal before it is gone."""
        log.error("the journal is new, what the old one had not sent is lost", extra={"held": held, "born": born})
        if JOURNAL_STREAM not in await self._journal.last_seqs(JOURNAL_STREAM):
            await self._tell("journal.lost", {"held": held, "born": born}, "new journal")

    async def _tell_gap(self, connection: Connection, held: int) -> None:
        """The database was set back: what it lacks and the journal does not hold any more is told of, once."""
        gap = await gap_after(connection, self._journal, held, self._clock.now())
        if gap is not None and gap != self._gap_told:
            self._gap_told = gap
            log.error("the database lacks events that can't be sent again", extra={"gap": str(gap)})
            await self._tell("journal.gap", msgspec.to_builtins(gap), "database set back")

    async def _tell(self, kind: str, what: dict[str, object], cause: str) -> None:
        """What happened to the journal is itself an event."""
        if self._journal.healthy:
            seq = (await self._journal.last_seqs(JOURNAL_STREAM)).get(JOURNAL_STREAM, 0) + 1
            data = msgspec.json.encode(what)
            self._journal.append(Append((Entry(JOURNAL_STREAM, seq, self._clock.now(), kind, 1, data, "", cause),)))

    async def _rest(self, connection: Connection, *, idle: bool) -> None:
        if not idle:
            await asyncio.sleep(self._linger_s)
            return
        try:
            async with asyncio.timeout(IDLE_S):
                await self._wake.wait()
        except TimeoutError:
            await connection.fetchval("SELECT 1")

    async def _sent(self, connection: Connection, owner: Owner, prepared: batches.Prepared) -> bool:
        """Whether a prepared batch is written; not if some of it was there, or PostgreSQL can't hold some of it."""
        try:
            await self._make_months(connection, prepared.outcome.contacts)
            await batches.send(connection, owner, prepared)
        except batches.NotOwner:
            raise Fenced(owner.node) from None
        except CONTENT_FAULTS:  # of these, what is there already is one
            return False
        await self._advance(prepared.events[-1].position, prepared.outcome)
        return True

    async def _write(self, connection: Connection, owner: Owner, found: Sequence[Stored]) -> None:
        """Event by event: what is there is told apart, and what can't be is set aside."""
        try:
            await self._make_months(connection, {contact_of(event) for event in found if is_of_contact(event)})
            outcome = await batches.write(connection, owner, found, self._known())
            self._repeating = outcome.written < len(found)
        except batches.NotOwner:
            raise Fenced(owner.node) from None
        except CONTENT_FAULTS as error:
            if len(found) > 1:
                half = len(found) // 2
                await self._write(connection, owner, found[:half])
                await self._write(connection, owner, found[half:])
                return
            why = f"unreadable: {reason(error)}"
            outcome = await batches.write(connection, owner, found, self._known(), unreadable=why)
        await self._advance(found[-1].position, outcome)

    async def _make_months(self, connection: Connection, contact_ids: Iterable[str]) -> None:
        today = datetime.fromtimestamp(self._clock.now(), UTC).date()
        for month in sorted({month_of(day_of(contact_id)) for contact_id in contact_ids} - self._months):
            if near(month, today):
                await ensure_month(connection, month)
            self._months.add(month)

    async def _advance(self, position: int, outcome: batches.Outcome) -> None:
        """The batch is committed: remember its folds, move the cursor, say what was odd."""
        self._batch_events = min(BATCH_EVENTS_MAX, 2 * self._batch_events)
        self._written += outcome.written
        self._replayed += outcome.replayed
        self._conflicts += len(outcome.aside)
        self._misread += len(outcome.misread)
        for event, why in outcome.aside:
            extra = {"stream": event.entry.stream, "seq": event.entry.seq, "position": event.position, "why": why}
            log.error("event set aside", extra=extra)
        for event in outcome.misread:
            log.error("event not understood", extra={"stream": event.entry.stream, "seq": event.entry.seq})
        self._agents.update(outcome.agents)
        for contact_id, view in outcome.contacts.items():
            if view is not None and view.contact.closed:
                self._contacts.pop(contact_id, None)
            else:
                self._contacts[contact_id] = view
        while len(self._contacts) > CONTACTS_KNOWN_MAX:
            self._contacts.pop(next(iter(self._contacts)))
        await self._journal.mark_drained(position)
        await self._move(position)

    async def _move(self, position: int) -> None:
        async with self._moved:
            self._position = position
            self._moved.notify_all()


async def _gone(task: "asyncio.Task[_Batch]") -> None:
    """Wait until it has ended, whatever came of it: nobody wants it any more.

    It is not cancelled: what a connection that was just lost has to say to it would go unheard, and asyncio complain.
    """
    await asyncio.gather(task, return_exceptions=True)
