"""Contacts whose state was lost are closed: every story has an end, also one that nobody can go on with.

A damaged journal gives its events back, but not always the state of a contact, and without it nobody can take the
contact up. By the reconcile at the start its caller, if still there, has become a new contact, and its agents' legs
were ended. So what the database shows as open, from before our start, and no state was found for, is closed as lost.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import msgspec
import structlog

from callcenter.clock import Clock
from callcenter.contact.events import ContactEnded
from callcenter.db.projections import ContactRow
from callcenter.db.queries import PAGE_MAX, EventRow
from callcenter.errors import DatabaseError, JournalError
from callcenter.ports import Append, Entry, Journal, StateChange

log = structlog.get_logger()

LOST: Final = "lost"
LOOKED_BACK_S: Final = 7 * 24 * 3600.0
"""Older contacts were closed long ago, or are named by an audit."""
WRITTEN_S: Final = 60.0
RETRY_S: Final = 10.0

_encode = msgspec.json.Encoder(order="deterministic").encode


class Rows(Protocol):
    """Contacts, as the database knows them; every method raises DatabaseError."""

    async def open_contacts(self, node: str, started_from: float, started_to: float) -> tuple[ContactRow, ...]:
        """Contacts of the node that began in that time and were never closed, oldest first; at most PAGE_MAX."""

    async def contact_events(self, contact_id: str) -> tuple[EventRow, ...]:
        """All events of a contact in order of seq."""


class Memory(Journal, Protocol):
    """The journal, and how far it has come."""

    @property
    def position(self) -> int:
        """The position of the last event."""


class Written(Protocol):
    """Who carries the journal to the database."""

    async def until(self, position: int, timeout_s: float) -> bool:
        """Wait until everything up to `position` is in the database; False if that takes longer."""


class LostContacts:
    """Looks once, after the first reconcile; `looked` is set when that is done."""

    def __init__(
        self, node: str, clock: Clock, journal: Memory, rows: Rows, digest: Callable[[], str], written: Written
    ) -> None:
        self._node = node
        self._clock = clock
        self._journal = journal
        self._rows = rows
        self._written = written
        self._digest = digest
        self._taken_up: frozenset[str] = frozenset()
        self._began_at = 0.0
        self._closed: set[str] = set()
        self.looked = asyncio.Event()

    @property
    def closed(self) -> int:
        """How many were found and closed."""
        return len(self._closed)

    def restore(self, taken_up: Iterable[str]) -> None:
        """These contacts, begun before now, are known by their state."""
        self._taken_up = frozenset(taken_up)
        self._began_at = self._clock.now()

    async def run(self, reconciled: asyncio.Event) -> None:
        """Once Asterisk was asked and the database knows all that we do, close what is lost. A vital task."""
        await reconciled.wait()
        position = self._journal.position
        while not await self._written.until(position, WRITTEN_S):
            log.info("contacts that may be lost are looked for once the database is there")
        while True:
            try:
                await self.close_all()
                break
            except (DatabaseError, JournalError) as error:
                log.warning("contacts that may be lost could not be looked for", cause=str(error))
                await asyncio.sleep(RETRY_S)
        self.looked.set()
        await asyncio.Event().wait()  # a vital task does not end by itself

    async def close_all(self) -> None:
        """Close the contacts that are open in the database and nobody serves; raises DatabaseError, JournalError."""
        started_from = self._began_at - LOOKED_BACK_S
        while True:
            page = await self._rows.open_contacts(self._node, started_from, self._began_at)
            for row in page:
                if row.contact_id not in self._taken_up | self._closed:
                    await self._close(row)
            if len(page) < PAGE_MAX or page[-1].started_at <= started_from:
                return
            started_from = page[-1].started_at

    async def _close(self, row: ContactRow) -> None:
        events = await self._rows.contact_events(row.contact_id)
        if not events or events[-1].type == ContactEnded.type:
            return
        seq = events[-1].seq + 1
        ended = ContactEnded(
            end_state=row.end_state or LOST,  # who has left before their agent wrapped up, left as they did
            ended_by=row.ended_by or "unknown",
            wait_s=row.wait_s,
            talk_s=row.talk_s,
            hold_s=row.hold_s,
            wrap_up_s=row.wrap_up_s,
            seq_total=seq,
        )
        stream = f"contact/{row.contact_id}"
        now, digest = self._clock.now(), self._digest()
        entry = Entry(stream, seq, now, ended.type, ended.version, _encode(ended), digest, "state lost")
        self._journal.append(Append((entry,), (StateChange(stream, None),)))
        self._closed.add(row.contact_id)
        log.error("a contact's state was lost; it is closed", contact=row.contact_id, last_event=events[-1].type)
