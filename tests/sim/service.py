"""Our service in the simulation: the real CallCenter on the model's line and disk; killed, and started again."""

import asyncio
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import aiohttp
import msgspec

from callcenter import runtime
from callcenter.asterisk import link, telephony
from callcenter.asterisk.telephony import Access
from callcenter.beside import Beside
from callcenter.config.settings import load_settings
from callcenter.config.site import Site
from callcenter.contact.model import Contact
from callcenter.db import journal as journal_module
from callcenter.db.customers import CustomerIndex
from callcenter.db.journal import SqliteJournal
from callcenter.db.projections import ContactRow, Fold, RecordingRow, body_of
from callcenter.db.queries import EventRow, Queries
from callcenter.db.stored import Stored
from callcenter.entropy import Entropy
from callcenter.feed.hub import FeedClosed, Resync
from callcenter.runtime import CallCenter
from tests.sim.disk import Disk, SimJournal, SimThread
from tests.sim.line import Line, SimAmi, SimAri, SimLink
from tests.sim.loop import EPOCH, Process, VirtualLoop, running_process

ACCESS = Access("http://model/ari", "u", "p", "model", 0, "u", "p", "sounds", trunk="PJSIP/{number}@trunk")


class SimClock:
    """The loop's time as instants."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        return EPOCH + self._loop.time()


class Life(Process):
    """One life of our service, and what it reaches."""

    def __init__(self, loop: VirtualLoop, line: Line, disk: Disk, archive: "Archive", site: Site) -> None:
        self.line = line
        self.disk = disk
        self.archive = archive
        self.site = site
        super().__init__(loop)


class Archive:
    """Where the journal's events are sent: it outlives us, and keeps what it got under (stream, seq)."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, int], Stored] = {}
        self.forks: list[str] = []
        self.position = 0

    def take(self, events: Sequence[Stored]) -> None:
        """The same event again changes nothing; another one under its name is a fork."""
        for event in events:
            key = (event.entry.stream, event.entry.seq)
            known = self.held.setdefault(key, event)
            if known.hash != event.hash:
                self.forks.append(f"{key} was {known.entry.type} and is {event.entry.type}")
            self.position = max(self.position, event.position)


class SimWriter:
    """In the place of the writer to PostgreSQL: reads the journal as it does, in order, now and then from before."""

    def __init__(self, journal: SqliteJournal, _url: str, _clock: Any, rng: Any, **_more: Any) -> None:
        self._journal = journal
        self._rng = rng
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Send; after a restart some of it again, for the mark may be older than what was sent."""
        archive = _life().archive
        position = min(archive.position, self._journal.file.drained)
        while True:
            self._wake.clear()
            while events := await self._journal.read_after(position, 50):
                await asyncio.sleep(self._rng.uniform(0.01, 0.3))
                archive.take(events)
                position = events[-1].position
                await self._journal.mark_drained(position)
            await self._wake.wait()

    async def until(self, position: int, timeout_s: float) -> bool:
        """Whether everything up to `position` is there by then."""
        archive = _life().archive
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while archive.position < position:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.05)
        return archive.position >= position


class SimQueries(Queries):
    """What the service asks of the database, answered from the archive."""

    async def open_contacts(self, node: str, started_from: float, started_to: float) -> tuple[ContactRow, ...]:
        """Contacts that began in that time and are not closed."""
        folds: dict[str, Fold] = {}
        for event in sorted(_life().archive.held.values(), key=lambda event: event.position):
            kind, _, contact_id = event.entry.stream.partition("/")
            body = body_of(event.entry.type, event.entry.data)
            if kind == "contact" and body is not None:
                folds.setdefault(contact_id, Fold(contact_id, node, None)).add(event.entry.seq, event.entry.at, body)
        rows = [view.contact for fold in folds.values() if (view := fold.view()) is not None]
        return tuple(row for row in rows if not row.closed and started_from <= row.started_at < started_to)

    async def contact_events(self, contact_id: str) -> tuple[EventRow, ...]:
        """A contact's events."""
        held = [event for (stream, _), event in _life().archive.held.items() if stream == f"contact/{contact_id}"]
        return tuple(
            EventRow(position, "n1", each.stream, each.seq, each.at, each.type, each.version, {}, each.site, each.cause)
            for position, each, *_ in sorted(held, key=lambda event: event.position)
        )

    async def recording(self, recording_id: str) -> RecordingRow | None:
        """Audio files are none of the model's business."""
        return None


async def _read_customers(index: CustomerIndex) -> None:
    """In the place of `CustomerIndex._follow`: the customers of the site, read at once."""
    for customer in _life().site.customers.values():
        record = {
            "customer_id": customer.customer_id,
            "name": customer.name,
            "value_tier": customer.value_tier,
            "language": customer.language,
            "phones": [customer.phone],
            **dict.fromkeys(("segment", "preferred_agent", "case_owner", "at_risk", "usage")),
            "open_case": False,
        }
        index._put(record)
    index._loaded.set()
    await asyncio.get_running_loop().create_future()


class _NoSession:
    """In the place of aiohttp's session: the model's line needs no connections."""

    def __init__(self, **_more: Any) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def _nothing(*_: object) -> None: ...


@contextmanager
def in_place() -> Iterator[None]:
    """The last inch of the service is the model's; all the rest, and its wiring, is the service's own."""
    threads = types.SimpleNamespace(Thread=SimThread)
    sessions = types.SimpleNamespace(**{**vars(aiohttp), "ClientSession": _NoSession, "DummyCookieJar": dict})
    with ExitStack() as stack:
        for module, parts in (
            (telephony, {"Ari": SimAri, "AmiClient": SimAmi, "Link": SimLink}),
            (journal_module, {"threading": threads}),
            (link, {"aiohttp": sessions}),
            (
                runtime,
                {
                    "SqliteJournal": SimJournal,
                    "Queries": SimQueries,
                    "Writer": SimWriter,
                    "upgrade": _nothing,
                    "seed": _nothing,
                },
            ),
        ):
            stack.enter_context(patch.multiple(module, **parts))
        stack.enter_context(patch.object(CustomerIndex, "_follow", _read_customers))
        yield


class Service:
    """Our service, life after life. `tell` hears of what must not be."""

    def __init__(self, line: Line, disk: Disk, site: Site, seed: int, tell: Callable[[str, str], None]) -> None:
        self.lives = 0
        self.center: CallCenter | None = None
        self.archive = Archive()
        self.feed: list[tuple[int, int]] = []
        self.feed_from: dict[int, int] = {}
        self._life: Life | None = None
        self._line = line
        self._disk = disk
        self._site = site
        self._seed = seed
        self._tell = tell
        self._loop = line.loop
        self._settings = load_settings(
            var=disk.folder, instance="sim", database_url="postgresql+asyncpg://nobody@localhost/none"
        )

    @property
    def up(self) -> CallCenter | None:
        """The service, while it serves: reconciled, and with a link."""
        center = self.center
        serves = center is not None and center.up.is_set() and center.telephony.state.value == "up"
        return center if serves else None

    def start(self) -> None:
        """A new life, after whatever was before."""
        assert self._life is None
        assert isinstance(self._loop, VirtualLoop)
        self.lives += 1
        self._life = Life(self._loop, self._line, self._disk, self.archive, self._site)
        self._life.begin(self._live(self.lives))

    def kill(self, away_s: float) -> None:
        """kill -9; a supervisor starts it again after so long. Not to be called from its own code."""
        if self._life is not None:
            self._life.kill()
            self._mourn(away_s)

    def doom(self, away_s: float) -> None:
        """The same, from within its own code."""
        life = self._life
        if life is not None and not life.dead:
            life.doom(lambda: self._mourn(away_s))

    def _mourn(self, away_s: float) -> None:
        self._life, self.center = None, None
        self._line.cut()
        self._loop.call_later(away_s, self.start)

    def run(self, function: Callable[[CallCenter], None]) -> bool:
        """Have the service do something, as by its API; False if it does not serve."""
        if self.up is None or self._life is None:
            return False
        self._life.run(function, self.up)
        return True

    async def _live(self, number: int) -> None:
        beside = Beside("postgresql+asyncpg://nobody@localhost/none", ACCESS, self._disk.folder)
        clock, entropy = SimClock(self._loop), Entropy(self._seed * 1_000 + number)
        try:
            center = CallCenter(self._settings, self._site, beside, clock=clock, entropy=entropy)
            await center.open()
            self.center = center
            await self._look_into_journal(center)
            listening = asyncio.create_task(self._listen(center, number))
            await center.run()
            listening.cancel()
        except Exception as error:
            if running_process().dead:
                raise  # the kill closes what was open
            self._tell("the service ended by itself", _told(error))
            self.doom(1.0)

    async def _listen(self, center: CallCenter, number: int) -> None:
        """A subscriber of the feed."""
        self.feed_from[number] = center.hub.position
        with center.hub.subscribe(None) as subscription:
            while True:
                try:
                    batch = await subscription.take(60.0)
                except FeedClosed:
                    return
                if isinstance(batch, Resync):
                    self._tell("the feed lost its thread", "a subscriber that reads at once was told to resync")
                else:
                    self.feed += [(number, committed.position) for committed in batch]

    async def _look_into_journal(self, center: CallCenter) -> None:
        """What a new life finds is what its events say: a state for each contact that has not ended, as of its last."""
        states = await center.journal.live_states()
        last: dict[str, Stored] = {}
        for event in center.journal.file.read_after(0, 1_000_000):
            if event.entry.stream.startswith("contact/"):
                last[event.entry.stream] = event
        self._compare(last, states)

    def _compare(self, last: Mapping[str, Stored], states: Mapping[str, bytes]) -> None:
        live = {stream for stream, event in last.items() if event.entry.type != "contact.ended"}
        saved = {stream for stream in states if stream.startswith("contact/")}
        for stream in sorted(live ^ saved):
            which = "lives without a state" if stream in live else "has a state without living"
            self._tell("state and events differ", f"{stream} {which}")
        for stream in sorted(live & saved):
            contact = msgspec.json.decode(states[stream], type=Contact)
            if contact.seq != last[stream].entry.seq:
                self._tell("state and events differ", f"{stream} is at {contact.seq}, not {last[stream].entry.seq}")


def journal_path(folder: Path) -> Path:
    """The journal of the simulated service."""
    return folder / "sim" / "journal.sqlite"


def _life() -> Life:
    process = running_process()
    assert isinstance(process, Life)
    return process


def _told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"
