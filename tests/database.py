"""Real databases for tests, and the events of a contact to put into them."""

import asyncio
import itertools
import random
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import asyncpg
import msgspec
import pytest

from callcenter.clock import AnchoredClock
from callcenter.companions.postgres import PostgresCompanion
from callcenter.contact import events as ev
from callcenter.db.engine import connect
from callcenter.db.journal import SqliteJournal
from callcenter.db.migrate import upgrade
from callcenter.db.writer import Writer
from callcenter.ports import Append, Entry

AT = 1_795_000_000.0  # an instant in November 2026
_numbers = itertools.count(1)


def contact_id(n: int, at: float = AT) -> str:
    """A UUIDv7 of that instant, the n-th of its kind."""
    return str(uuid.UUID(int=int(at * 1000) << 80 | 0x7 << 76 | 0b10 << 62 | n))


def entry(stream: str, seq: int, body: ev.Body, at: float) -> Entry:
    """A body in its envelope."""
    return Entry(stream, seq, at, body.type, body.version, msgspec.json.encode(asdict(body)), "site-1")  # type: ignore[call-overload]


def served(n: int, *, at: float = AT, agent_id: str = "agent01", caller: str = "+886910000001") -> list[Entry]:
    """The whole story of a contact: menu, one refused offer, talk with hold and recording, wrap-up."""
    ours = contact_id(n, at)
    recording_id = f"{ours}.r1"
    story: list[tuple[float, ev.Body]] = [
        (0.0, ev.ContactStarted("inbound", "phone", "ch1", caller, caller, "0800000100", "c1", "vip", "zh-TW")),
        (0.1, ev.IvrEntered("main", "1")),
        (3.0, ev.Keyed("menu\u0000<b>一", "1")),
        (3.1, ev.LanguageChosen("en")),
        (4.1, ev.IvrLeft("queue", "product", 4.0)),
        (4.1, ev.QueueEntered("product", {"product": 1}, "vip", None)),
        (5.0, ev.OfferMade(f"{ours}.o1", "agent09", "product", at + 25.0, {"name": "林"}, {})),
        (6.0, ev.OfferSettled(f"{ours}.o1", "agent09", "rejected", 1.0, 21, 603)),
        (6.0, ev.OfferMade(f"{ours}.o2", agent_id, "product", at + 26.0, {"name": "林"}, {})),
        (6.2, ev.OfferRinging(f"{ours}.o2", agent_id)),
        (8.0, ev.OfferSettled(f"{ours}.o2", agent_id, "accepted", 2.0)),
        (8.0, ev.QueueLeft("product", "answered", 3.9)),
        (8.0, ev.TalkStarted(agent_id, f"{ours}.o2", f"{ours}.b1")),
        (8.1, ev.RecordingStarted(recording_id, "a.wav", "b.wav", "always")),
        (20.0, ev.HoldStarted(agent_id)),
        (25.0, ev.HoldEnded(agent_id, 5.0)),
        (60.0, ev.CallerGone("caller", "answered", 16)),
        (60.0, ev.RecordingStopped(recording_id, 51.9)),
        (60.0, ev.TalkEnded(agent_id, 52.0, 5.0)),
        (60.0, ev.WrapUpStarted(agent_id, 15.0)),
        (70.0, ev.WrapUpEnded(agent_id, 10.0)),
        (70.0, ev.ContactEnded("answered", "caller", 3.9, 52.0, 5.0, 10.0, 22)),
    ]
    return [entry(f"contact/{ours}", seq, body, at + later) for seq, (later, body) in enumerate(story, 1)]


def agent_changed(
    agent_id: str, seq: int, at: float, presence: str, activity: str, contact: str | None = None
) -> Entry:
    """An `agent.changed` as the floor writes it."""
    body = {"presence": presence, "aux_code": None, "activity": activity, "contact_id": contact, "cause": "test"}
    return Entry(f"agent/{agent_id}", seq, at, "agent.changed", 1, msgspec.json.encode(body), "site-1")


def appends(entries: Sequence[Entry]) -> list[Append]:
    """One append an event."""
    return [Append((event,)) for event in entries]


async def until(condition: Callable[[], bool | Awaitable[bool]], within_s: float = 20.0) -> None:
    """Wait for a condition, looking often; TimeoutError if it does not come true."""
    async with asyncio.timeout(within_s):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.02)


class Server:
    """A PostgreSQL with a migrated template, from which each test gets a database of its own."""

    def __init__(self, companion: PostgresCompanion) -> None:
        self.companion = companion

    async def prepare(self) -> None:
        """Start it and migrate the template."""
        await self.companion.start()
        await upgrade(await self.companion.database("template_migrated"))

    async def fresh(self) -> str:
        """The URL of a new migrated database."""
        name = f"test_{next(_numbers)}"
        connection = await connect(self.companion.url, "tests")
        try:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE template_migrated")
        finally:
            await connection.close()
        return await self.companion.database(name)


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that PostgreSQL's user may pass for as long as the test lasts.

    Not pytest's own: every session that starts closes the directory above all of them to other users.
    """
    with tempfile.TemporaryDirectory(prefix="callcenter-test-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@pytest.fixture(scope="session", name="server")
def database_server() -> Iterator[Server]:
    """A PostgreSQL for the tests of a session."""
    with open_directory() as var:
        server = Server(PostgresCompanion(var=var, instance="db"))
        try:
            asyncio.run(server.prepare())
            yield server
        finally:
            asyncio.run(server.companion.stop())


@pytest.fixture(name="url")
async def fresh_url(server: Server) -> str:
    """The URL of a database of the test's own."""
    return await server.fresh()


async def fetch(url: str, sql: str, *arguments: object) -> list[asyncpg.Record]:
    """Rows, on a connection of their own."""
    connection = await connect(url, "tests", statement_s=120.0)  # some read all that a test wrote
    try:
        return list(await connection.fetch(sql, *arguments))
    finally:
        await connection.close()


@asynccontextmanager
async def journal_and_writer(path: Path, url: str) -> AsyncIterator[tuple[SqliteJournal, Writer]]:
    """A journal and the writer that brings it into this database, until the block ends."""
    journal = SqliteJournal(path, "n1", AT, lambda _: writer.wake())
    writer = Writer(journal, url, AnchoredClock(), random.Random(1), linger_s=0.0)
    await journal.open()
    task = asyncio.create_task(writer.run())
    try:
        yield journal, writer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await journal.close()
