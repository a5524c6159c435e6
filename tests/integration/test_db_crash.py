"""Killed in the middle of a batch, the service or PostgreSQL, again and again: nothing is lost, nothing is doubled."""

import asyncio
import gc
import os
import random
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from callcenter.clock import AnchoredClock
from callcenter.companions.postgres import PostgresCompanion
from callcenter.db.engine import FAULTS, connect, while_connected
from callcenter.db.journal import SqliteJournal
from callcenter.db.migrate import upgrade
from callcenter.db.rebuild import rebuild
from callcenter.db.writer import Writer
from callcenter.ports import Append, StateChange
from tests.database import (
    AT,
    appends,
    contact_id,
    database_server,
    fetch,
    fresh_url,
    journal_and_writer,
    open_directory,
    served,
)

pytestmark = pytest.mark.integration
__all__ = ["database_server", "fresh_url"]

KILLS = 6
CHECKOUT = Path(__file__).resolve().parents[2]

# Tells whole contacts for ever, a few at a time; says each event's contact and seq once it is on the disk.
SERVICE = """
import asyncio, os, random, sys
from pathlib import Path
from callcenter.clock import AnchoredClock
from callcenter.db.engine import FAULTS, connect, while_connected
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
    async with journal_and_writer(tmp_path / "journal", url) as (journal, writer):
        assert await writer.until(journal.position, 30.0)
        states = await journal.live_states()
        assert {stream for stream, _ in said} <= set(states), "a state is saved with its events"
        last = await journal.last_seqs("contact/")
        assert all(last[stream] >= seq for stream, seq in said)
    await all_is_there_once(url, said)


async def test_a_postgresql_killed_in_the_middle_of_batches_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with open_directory() as var:
        companion = PostgresCompanion(var=var, instance="killed")
        await companion.start()
        try:
            await upgrade(companion.url)
            said, killed = await postgres_killed(companion, tmp_path / "journal", 5, random.Random(7))
            await all_is_there_once(companion.url, said)
            assert len(said) == 5 * (STORIES + STORIES_MEANWHILE) * STORY_EVENTS
            assert set(killed) == set(POSTGRES_ENDS)
            assert all(each.in_transaction > 0 for each in killed.values()), "each was killed in mid-batch"
        finally:
            await companion.stop()


@pytest.fixture
async def complaints() -> AsyncIterator[list[str]]:
    """What asyncio has to say of exceptions that nobody took, until the end of the test; there is to be nothing."""
    loop, told = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: told.append(f"{context['message']}: {context.get('exception')!r}"))
    yield told
    gc.collect()
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert told == []


@pytest.mark.usefixtures("complaints")
async def test_a_copy_into_a_postgresql_that_reads_no_more_and_dies_ends(url: str) -> None:
    connection = await connect(url, "copying")
    pid = connection.get_server_pid()

    async def rows() -> AsyncIterator[tuple[str, int, int]]:
        os.kill(pid, signal.SIGSTOP)  # until our buffer is full, and asyncpg waits for it to be emptied
        asyncio.get_running_loop().call_later(0.5, die)
        for n in range(100_000):
            yield "x" * 1000, n, n

    def die() -> None:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)

    try:
        async with asyncio.timeout(30.0):
            columns = ("node", "epoch", "position")
            copying = connection.copy_records_to_table("cell", records=rows(), columns=columns)
            with pytest.raises(FAULTS):
                await while_connected(connection, copying)
    finally:
        connection.terminate()


@pytest.mark.usefixtures("complaints")
async def test_a_writer_that_is_told_to_end_while_postgresql_takes_a_batch_ends(url: str, tmp_path: Path) -> None:
    """What its connection says as it is left in the middle of a COPY must not hide that it was told so."""
    journal = SqliteJournal(tmp_path / "j", "n1", AT, lambda _: writer.wake())
    writer = Writer(journal, url, AnchoredClock(), random.Random(1), linger_s=0.0)
    await journal.open()
    task = asyncio.create_task(writer.run())
    other = await connect(url, "other")
    try:
        for event in served(1):
            journal.append(Append((event,)))
        await journal.live_states()  # a read has its turn after every append
        assert await writer.until(journal.position, 20.0), "it has a connection"
        async with other.transaction():
            await other.execute("LOCK TABLE contact_event IN ACCESS EXCLUSIVE MODE")
            for event in served(2):
                journal.append(Append((event,)))
            await journal.live_states()
            assert not await writer.until(journal.position, 1.0), "PostgreSQL has the batch, and says nothing"
            task.cancel()
            await asyncio.wait({task}, timeout=20.0)
            assert task.cancelled()
    finally:
        other.terminate()
        task.cancel()
        await asyncio.wait({task}, timeout=20.0)
        await journal.close()


@dataclass
class Killed:
    """How often one part of PostgreSQL was killed, and how often while the writer was in a transaction."""

    times: int = 0
    in_transaction: int = 0


# What is killed: the whole server, the writer's process in it (the server throws out everybody and recovers), or the
# writer's connection alone.
POSTGRES_ENDS = ("server", "process", "connection")
STORIES, STORIES_MEANWHILE, STORY_EVENTS = 60, 10, 22
WRITER = "FROM pg_stat_activity WHERE application_name = 'callcenter writer'"


async def postgres_killed(
    companion: PostgresCompanion, path: Path, kills: int, chance: random.Random
) -> tuple[set[tuple[str, int]], dict[str, Killed]]:
    """Kill the database in the middle of a backlog, each of POSTGRES_ENDS in turn, until all of it is written.

    Returns what was put into the journal, and what was killed.
    """
    said, killed, pid = set[tuple[str, int]](), defaultdict[str, Killed](Killed), 0
    async with journal_and_writer(path, companion.url) as (journal, writer):
        for kill in range(kills):
            what = POSTGRES_ENDS[kill % len(POSTGRES_ENDS)]
            assert await writer.until(journal.position, 60.0), f"nothing is written after {kill} kills"
            pid = await writers_process(companion.url, other_than=pid)
            telling = asyncio.create_task(tell(journal, range(kill * 1000, kill * 1000 + STORIES), said))
            killed[what].times += 1
            if killed[what].times == 1:  # in mid-batch for certain
                async with a_batch_held_up(companion.url, pid):
                    killed[what].in_transaction += await kill_postgres(companion, what, pid)
            else:
                await asyncio.sleep(chance.uniform(0.0, 0.2))  # the writer is busy for about as long
                killed[what].in_transaction += await kill_postgres(companion, what, pid)
            await telling
            await tell(journal, range(kill * 1000 + 500, kill * 1000 + 500 + STORIES_MEANWHILE), said)  # phones go on
            assert journal.healthy
            if what == "server":
                await companion.stop()
                await companion.start()
        assert await writer.until(journal.position, 60.0)
        assert journal.backlog() == 0
        assert writer.health().away_since is None
    return said, dict(killed)


async def writers_process(url: str, other_than: int) -> int:
    """Wait until the writer has a process of PostgreSQL again, another than before."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        with suppress(*FAULTS):  # a deadline, for asyncpg tells its time-out from ours by no means
            found = await fetch(url, f"SELECT pid {WRITER} ORDER BY backend_start DESC LIMIT 1")
            if found and found[0]["pid"] != other_than:
                return int(found[0]["pid"])
        await asyncio.sleep(0.02)
    raise AssertionError("the writer did not come back")


@asynccontextmanager
async def a_batch_held_up(url: str, writers_pid: int) -> AsyncIterator[None]:
    """The writer is in the middle of a transaction, and waits there."""
    other = await connect(url, "other")
    try:
        await other.execute("BEGIN; LOCK TABLE contact_event IN ACCESS EXCLUSIVE MODE")
        deadline = time.monotonic() + 20.0
        while not await fetch(url, f"SELECT 1 {WRITER} AND pid = $1 AND wait_event_type = 'Lock'", writers_pid):
            assert time.monotonic() < deadline, "the writer does not reach the table"
            await asyncio.sleep(0.01)
        yield
    finally:
        other.terminate()


async def kill_postgres(companion: PostgresCompanion, what: str, writers_pid: int) -> bool:
    """Kill one of POSTGRES_ENDS; whether the writer was in a transaction a moment before."""
    busy = await fetch(companion.url, f"SELECT 1 {WRITER} AND pid = $1 AND state <> 'idle'", writers_pid)
    if what == "connection":
        await fetch(companion.url, "SELECT pg_terminate_backend($1)", writers_pid)
    else:
        pid = companion.pid if what == "server" else writers_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    return bool(busy)


async def tell(journal: SqliteJournal, contacts: Sequence[int], said: set[tuple[str, int]]) -> None:
    """Put whole contacts into the journal and wait for the disk."""
    done = asyncio.Event()
    for n in contacts:
        for item in appends(served(n)):
            journal.append(item)
            said.update((event.stream, event.seq) for event in item.entries)
    journal.append(Append((), (StateChange(f"contact/{contact_id(contacts[-1])}", b"{}"),), done.set))
    await asyncio.wait_for(done.wait(), 20.0)
