"""Killed in the middle of a batch, the service or PostgreSQL, again and again: nothing is lost, nothing is doubled."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from callcenter.clock import AnchoredClock
from callcenter.companions.postgres import PostgresCompanion
from callcenter.db.journal import SqliteJournal
from callcenter.db.migrate import upgrade
from callcenter.db.rebuild import rebuild
from callcenter.db.writer import Writer
from callcenter.ports import Append, StateChange
from tests.database import AT, appends, contact_id, database_server, fetch, fresh_url, open_directory, served, until

pytestmark = pytest.mark.integration
__all__ = ["database_server", "fresh_url"]

KILLS = 6
CHECKOUT = Path(__file__).resolve().parents[2]

# Tells whole contacts for ever, a few at a time; says each event's contact and seq once it is on the disk.
SERVICE = """
import asyncio, os, random, sys
from pathlib import Path
from callcenter.clock import AnchoredClock
from callcenter.db.journal import SqliteJournal
from callcenter.db.writer import Writer
from callcenter.ports import Append, StateChange
from tests.database import AT, served

async def main(path, url, first):
    journal = SqliteJournal(Path(path), "n1", AT, lambda _: writer.wake())
    writer = Writer(journal, url, AnchoredClock(), random.Random(1), linger_s=0.0)
    await journal.open()
    asyncio.create_task(writer.run())
    for n in range(int(first), int(first) + 100_000):
        for event in served(n):
            told = f"{event.stream} {event.seq}\\n".encode()
            done = asyncio.Event()
            def committed(told=told, done=done):
                os.write(1, told)
                done.set()
            journal.append(Append((event,), (StateChange(event.stream, event.data),), committed))
        if n % 3 == 0:
            await done.wait()

asyncio.run(main(*sys.argv[1:]))
"""


async def all_is_there_once(url: str, said: set[tuple[str, int]]) -> None:
    rows = await fetch(url, "SELECT 'contact/' || contact_id AS stream, seq FROM contact_event")
    stored = {(row["stream"], row["seq"]) for row in rows}
    assert said <= stored, "nothing that was on the disk is missing"
    assert len(stored) == len(rows), "nothing is doubled"
    gaps = await fetch(url, "SELECT contact_id FROM contact_event GROUP BY 1 HAVING max(seq) <> count(*)")
    assert gaps == []
    assert await fetch(url, "SELECT * FROM event_conflict") == []
    live = [await fetch(url, f"SELECT * FROM {name} ORDER BY 1, 2") for name in ("contact", "segment", "recording")]
    await rebuild(url)
    again = [await fetch(url, f"SELECT * FROM {name} ORDER BY 1, 2") for name in ("contact", "segment", "recording")]
    assert again == live


async def service_killed_after(path: Path, url: str, first: int, events: int) -> set[tuple[str, int]]:
    """Run the service until it has said so many events, kill it, and return what it said."""
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVICE, str(path), url, str(first)), stdout=asyncio.subprocess.PIPE, cwd=CHECKOUT
    )
    assert service.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(30.0):
            while said.count(b"\n") < events:
                chunk = await service.stdout.read(4096)
                assert chunk, "the service ended by itself"
                said += chunk
    finally:
        service.kill()
        said += await service.stdout.read()
        await service.wait()
    whole = said[: said.rindex(b"\n")].decode().splitlines()
    return {(stream, int(seq)) for stream, seq in (line.split() for line in whole)}


async def test_a_service_killed_in_the_middle_of_batches_loses_and_doubles_nothing(tmp_path: Path, url: str) -> None:
    chance = random.Random(20261118)
    said: set[tuple[str, int]] = set()
    for kill in range(KILLS):
        events = 20 if kill == 0 else chance.randrange(500, 4_000)
        said |= await service_killed_after(tmp_path / "journal", url, 1_000_000 * kill, events)
    async with line(tmp_path / "journal", url) as (journal, writer):
        assert await writer.until(journal.position, 30.0)
        states = await journal.live_states()
        assert {stream for stream, _ in said} <= set(states), "a state is saved with its events"
        last = await journal.last_seqs("contact/")
        assert all(last[stream] >= seq for stream, seq in said)
    await all_is_there_once(url, said)


@asynccontextmanager
async def line(path: Path, url: str) -> AsyncIterator[tuple[SqliteJournal, Writer]]:
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


async def test_a_postgresql_killed_in_the_middle_of_batches_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with open_directory() as var:
        companion = PostgresCompanion(var=var, instance="killed")
        await companion.start()
        try:
            await upgrade(companion.url)
            said = await killed_thrice(companion, tmp_path / "journal")
            await all_is_there_once(companion.url, said)
            assert len(said) == 3 * 420 * 22
        finally:
            await companion.stop()


async def killed_thrice(companion: PostgresCompanion, path: Path) -> set[tuple[str, int]]:
    """Kill the database while the writer is busy; everything that was put into the journal meanwhile."""
    chance = random.Random(7)
    said: set[tuple[str, int]] = set()
    async with line(path, companion.url) as (journal, writer):
        for kill in range(3):
            await tell(journal, range(kill * 1000, kill * 1000 + 400), said)
            part = journal.position - chance.randrange(2_000, 7_000)
            assert await writer.until(part, 30.0)
            pid = companion.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await tell(journal, range(kill * 1000 + 500, kill * 1000 + 520), said)  # phones go on meanwhile
            await until(lambda: writer.health().away_since is not None)
            assert journal.healthy
            assert journal.backlog() > 0
            await companion.stop()
            await companion.start()
        assert await writer.until(journal.position, 30.0)
        assert journal.backlog() == 0
        assert writer.health().away_since is None
    return said


async def tell(journal: SqliteJournal, contacts: Sequence[int], said: set[tuple[str, int]]) -> None:
    """Put whole contacts into the journal and wait for the disk."""
    done = asyncio.Event()
    for n in contacts:
        for item in appends(served(n)):
            journal.append(item)
            said.update((event.stream, event.seq) for event in item.entries)
    journal.append(Append((), (StateChange(f"contact/{contact_id(contacts[-1])}", b"{}"),), done.set))
    await asyncio.wait_for(done.wait(), 20.0)
