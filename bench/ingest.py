"""E5: a backlog drained from the journal into PostgreSQL, against a bare COPY of the same rows; and what an ack costs.

`python -m bench.ingest` runs it alone, in about two minutes; results go to bench/results/ingest.md and .json.

Four sides, alternating in one run, each on a database of its own that begins empty and has the schema's indexes:
*writer* is ours, from a journal just opened (so that every event is read from the file) to committed rows and
projections, idempotent, in order; *events* is `copy_records_to_table` of the same event rows, ready made, in
transactions of the same size, and nothing else; *all rows* copies the finished projections in the same transactions
too, which is everything the writer leaves behind; *prepared* sends the writer's own batches, prepared beforehand: what
the writer would reach if all that it does itself cost nothing.
"""

import argparse
import asyncio
import gc
import json
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import uvloop
from msgspec import structs

from api.serving import GARBAGE_THRESHOLDS
from callcenter.clock import AnchoredClock
from callcenter.companions.postgres import PostgresCompanion
from callcenter.db import batch as batches
from callcenter.db import event_rows
from callcenter.db.engine import connect
from callcenter.db.event_rows import CONTACT, Owner
from callcenter.db.journal import SqliteJournal
from callcenter.db.migrate import day_of, upgrade
from callcenter.db.projections import AgentStateRow, ContactView
from callcenter.db.stored import Stored
from callcenter.db.tables import PROJECTIONS
from callcenter.db.writer import BATCH_EVENTS_MAX, Writer
from callcenter.ports import Append, Entry
from tests.database import AT, agent_changed, open_directory, served, until

RESULTS: Final = Path(__file__).parent / "results"
NODE: Final = "n1"
AGENTS: Final = 400
APPEND_EVENTS: Final = 4
RATIO_AIM: Final = 0.8
DRAIN_AIM: Final = 20_000
ACK_RATE: Final = 5_000
ACK_AIM_S: Final = 0.050

Say = Callable[[str], None]
Copy = tuple[str, Sequence[str], Sequence[tuple[Any, ...]]]  # table, columns, rows


@dataclass(frozen=True, slots=True)
class Options:
    """`outage_s` at `calls_per_s` make the backlog; acks are measured for `ack_s` at ACK_RATE events a second."""

    rounds: int = 5
    calls_per_s: float = 20.0
    outage_s: float = 195.0
    ack_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Round:
    """Events a second of each side, and what an event costs our process under *writer*, all threads together."""

    writer: float
    writer_cpu_us: float
    events: float
    all_rows: float
    prepared: float


@dataclass(frozen=True, slots=True)
class Acks:
    """Seconds from an append to the word that it is on the disk, while the writer drains beside it."""

    rate: float
    p50_s: float
    p99_s: float
    worst_s: float


def backlog(options: Options) -> list[Entry]:
    """What calls leave in the journal while PostgreSQL is away: stories interleaved as they happen."""
    entries: list[Entry] = []
    seqs: dict[str, int] = {}
    for n in range(int(options.calls_per_s * options.outage_s)):
        agent_id, at = f"agent{n % AGENTS:04}", AT + n / options.calls_per_s
        story = served(n, at=at, agent_id=agent_id)
        contact_id = story[0].stream.removeprefix(CONTACT)
        entries += story
        for later, activity in ((6.0, "reserved"), (8.0, "talking"), (60.0, "wrap_up"), (70.0, "idle")):
            entries.append(agent_changed(agent_id, 0, at + later, "available", activity, contact_id))
    ordered = sorted(entries, key=lambda entry: entry.at)
    for n, entry in enumerate(ordered):
        if entry.stream.startswith("agent/"):
            seqs[entry.stream] = seqs.get(entry.stream, 0) + 1
            ordered[n] = structs.replace(entry, seq=seqs[entry.stream])
    return ordered


async def experiment(options: Options, say: Say) -> tuple[list[Round], Acks, int]:
    """All rounds, the acks, and how many events a round has."""
    entries = backlog(options)
    with open_directory() as var:
        postgres = PostgresCompanion(var=var, instance="bench")
        await postgres.start()
        try:
            template = await postgres.database("template_bench")
            await upgrade(template)
            rounds = []
            for number in range(1, options.rounds + 1):
                rounds.append(await play(var, postgres, entries, number))
                one = rounds[-1]
                told = f"writer {one.writer:,.0f}/s ({one.writer_cpu_us:.1f} us), prepared {one.prepared:,.0f}/s"
                copies = f"COPY of events {one.events:,.0f}/s, of all {one.all_rows:,.0f}/s"
                say(f"  round {number}/{options.rounds} {told}, {copies}")
            acks = await measured_acks(var, await fresh(postgres, "acks"), options)
            return rounds, acks, len(entries)
        finally:
            await postgres.stop()


async def play(var: Path, postgres: PostgresCompanion, entries: Sequence[Entry], number: int) -> Round:
    """Each side once, on the same events."""
    url, path = await fresh(postgres, f"writer_{number}"), var / f"journal-{number}"
    async with open_line(path, url) as (journal, _):
        await append_all(journal, entries)
        stored = await read_all(journal)
    async with open_line(path, url) as (journal, writer):
        settle()
        cpu_s = time.process_time()
        ours = await drained(journal, writer, len(entries))
        cpu_s = time.process_time() - cpu_s
        assert writer.health().written == len(entries)
    finished = await projections(url)
    events = await copied(await fresh(postgres, f"events_{number}"), stored, {})
    all_rows = await copied(await fresh(postgres, f"all_{number}"), stored, finished)
    prepared = await sent(await fresh(postgres, f"prepared_{number}"), stored)
    await drop(postgres, [f"{side}_{number}" for side in ("writer", "events", "all", "prepared")])
    return Round(ours, 1e6 * cpu_s / len(entries), events, all_rows, prepared)


def settle() -> None:
    """Treat garbage as the service does, whoever is measured."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


async def fresh(postgres: PostgresCompanion, name: str) -> str:
    """The URL of a migrated, empty database."""
    connection = await connect(postgres.url, "bench")
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template_bench")
        await connection.execute("CHECKPOINT")  # so that nobody pays for what was before
    finally:
        await connection.close()
    return await postgres.database(name)


async def drop(postgres: PostgresCompanion, names: Sequence[str]) -> None:
    """Give the disk back."""
    connection = await connect(postgres.url, "bench")
    try:
        for name in names:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@asynccontextmanager
async def open_line(path: Path, url: str) -> AsyncIterator[tuple[SqliteJournal, Writer]]:
    """A journal and a writer who is not running yet."""
    journal = SqliteJournal(path, NODE, AT, lambda _: writer.wake())
    writer = Writer(journal, url, AnchoredClock(), random.Random(1))
    await journal.open()
    try:
        yield journal, writer
    finally:
        await journal.close()


async def append_all(journal: SqliteJournal, entries: Sequence[Entry]) -> None:
    """Into the journal, and on the disk."""
    done = asyncio.Event()
    for start in range(0, len(entries), APPEND_EVENTS):
        last = start + APPEND_EVENTS >= len(entries)
        journal.append(Append(entries[start : start + APPEND_EVENTS], (), done.set if last else None))
    await done.wait()


async def read_all(journal: SqliteJournal) -> list[Stored]:
    """Everything the journal holds, in order."""
    stored: list[Stored] = []
    while found := await journal.read_after(stored[-1].position if stored else 0, BATCH_EVENTS_MAX):
        stored += found
    return stored


async def drained(journal: SqliteJournal, writer: Writer, events: int) -> float:
    """Events a second from the moment the database is back until it has everything."""
    began_at = time.perf_counter()
    running = asyncio.create_task(writer.run())
    try:
        assert await writer.until(journal.position, 600.0)
        return events / (time.perf_counter() - began_at)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def projections(url: str) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """The rows of every projection, by table, with the names of their columns."""
    connection = await connect(url, "bench")
    try:
        found = {}
        for table in PROJECTIONS:
            names = [column.name for column in table.c]
            rows = await connection.fetch(f"SELECT {', '.join(names)} FROM {table.name}")
            found[table.name] = (names, [tuple(row) for row in rows])
        return found
    finally:
        await connection.close()


async def copied(
    url: str, stored: Sequence[Stored], finished: dict[str, tuple[list[str], list[tuple[Any, ...]]]]
) -> float:
    """Events a second by COPY alone; `finished` rows are spread over the same transactions."""
    owner = Owner(NODE, 1, (0,))
    rows: list[list[Copy]] = []
    for start in range(0, len(stored), BATCH_EVENTS_MAX):
        batch = stored[start : start + BATCH_EVENTS_MAX]
        contacts = [event_row(owner, event) for event in batch if event.entry.stream.startswith(CONTACT)]
        floor = [event_row(owner, event) for event in batch if not event.entry.stream.startswith(CONTACT)]
        rows.append([("contact_event", event_rows.CONTACT_EVENT_COLUMNS, contacts)])
        rows[-1].append(("floor_event", event_rows.FLOOR_EVENT_COLUMNS, floor))
    for name, (columns, finished_rows) in finished.items():
        for n, part in enumerate(shared(finished_rows, len(rows))):
            rows[n].append((name, tuple(columns), list(part)))
    connection = await connect(url, "bench")
    settle()
    try:
        began_at = time.perf_counter()
        for copies in rows:
            async with connection.transaction():
                for table, names, records in copies:
                    await connection.copy_records_to_table(table, records=records, columns=names)
        return len(stored) / (time.perf_counter() - began_at)
    finally:
        await connection.close()


async def sent(url: str, stored: Sequence[Stored]) -> float:
    """Events a second if the writer's batches lie there prepared."""
    owner, made = Owner(NODE, 1, (0,)), list[batches.Prepared]()
    contacts: dict[str, ContactView | None] = {}
    agents: dict[str, AgentStateRow] = {}
    connection = await connect(url, "bench")
    try:
        await connection.fetchval(batches.TAKE_OVER, owner.node, owner.epoch)
        for start in range(0, len(stored), BATCH_EVENTS_MAX):
            batch = stored[start : start + BATCH_EVENTS_MAX]
            made.append(await batches.prepare(connection, owner, batch, batches.Known(contacts, agents)))
            contacts.update(made[-1].outcome.contacts)
            agents.update(made[-1].outcome.agents)
        settle()
        began_at = time.perf_counter()
        for batch_made in made:
            await batches.send(connection, owner, batch_made)
        return len(stored) / (time.perf_counter() - began_at)
    finally:
        await connection.close()


def event_row(owner: Owner, event: Stored) -> tuple[Any, ...]:
    """An event as a row of CONTACT_EVENT_COLUMNS or FLOOR_EVENT_COLUMNS, as asyncpg takes it."""
    position, entry, digest, epoch = event
    place: tuple[Any, ...] = (owner.journal_of(event), entry.stream)
    if entry.stream.startswith(CONTACT):
        contact_id = entry.stream.removeprefix(CONTACT)
        place = (day_of(contact_id), uuid.UUID(contact_id))
    at = datetime.fromtimestamp(event_rows.instant(entry.at), UTC)
    numbers = (entry.seq, position, epoch, at, entry.version)
    return (*numbers, *place, entry.type, entry.data.decode(), entry.site, entry.cause, digest, owner.node)


def shared(rows: Sequence[tuple[Any, ...]], parts: int) -> Iterator[Sequence[tuple[Any, ...]]]:
    """`rows` in `parts` portions of nearly the same size."""
    size = -(-len(rows) // parts)
    return (rows[n * size : (n + 1) * size] for n in range(parts))


async def measured_acks(var: Path, url: str, options: Options) -> Acks:
    """How long an append takes to the disk at ACK_RATE events a second, while the writer drains beside it."""
    took: list[float] = []
    entries = backlog(replace(options, outage_s=ACK_RATE * options.ack_s / 26 / options.calls_per_s))
    async with open_line(var / "journal-acks", url) as (journal, writer):
        running = asyncio.create_task(writer.run())
        began_at = time.perf_counter()
        for start in range(0, len(entries), APPEND_EVENTS):
            due_s = start / ACK_RATE - (time.perf_counter() - began_at)
            if due_s > 0:
                await asyncio.sleep(due_s)
            at = time.perf_counter()
            done = partial(lambda begun: took.append(time.perf_counter() - begun), at)
            journal.append(Append(entries[start : start + APPEND_EVENTS], (), done))
        appends = -(-len(entries) // APPEND_EVENTS)
        rate = len(entries) / (time.perf_counter() - began_at)
        await until(lambda: len(took) == appends)
        assert await writer.until(journal.position, 60.0)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    took.sort()
    return Acks(rate, median(took), took[int(len(took) * 0.99)], took[-1])


def page(options: Options, rounds: Sequence[Round], acks: Acks, events: int) -> str:
    """The results as a page."""
    made_by = f"{options.outage_s:g} s without PostgreSQL at {options.calls_per_s:g} calls/s"
    lines = ["# E5: the journal into PostgreSQL", ""]
    lines += [f"{events:,} events ({made_by}), transactions of {BATCH_EVENTS_MAX:,} events, {len(rounds)} rounds.", ""]
    lines += ["| side | events/s, median | worst … best | our ratio to it, median | worst … best |"]
    lines += ["|---|---|---|---|---|"]
    for side, told in (
        ("writer", "our writer: idempotent, with projections"),
        ("events", "bare COPY of the event rows alone"),
        ("all_rows", "bare COPY of all the rows the writer leaves"),
        ("prepared", "our batches, prepared beforehand and sent"),
    ):
        rates = [getattr(one, side) for one in rounds]
        ratios = [one.writer / getattr(one, side) for one in rounds]
        spread = f"{min(ratios):.2f} … {max(ratios):.2f}"
        shown = f"{median(ratios):.2f} | {spread}" if side != "writer" else "– | –"
        lines.append(f"| {told} | {median(rates):,.0f} | {min(rates):,.0f} … {max(rates):,.0f} | {shown} |")
    rate, ratio = median(one.writer for one in rounds), median(one.writer / one.all_rows for one in rounds)
    spent_us = median(one.writer_cpu_us for one in rounds)
    lines += ["", f"The writer's process spends {spent_us:.1f} µs of CPU on an event, reading the journal included."]
    lines += ["", f"Aim {DRAIN_AIM:,} events/s: {_judged(rate >= DRAIN_AIM)}, {rate:,.0f}."]
    lines += ["", f"Aim {RATIO_AIM} × COPY of the same rows: {_judged(ratio >= RATIO_AIM)}, {ratio:.2f}."]
    acked = [f"{1000 * s:.1f} ms ({name})" for s, name in ((acks.p50_s, "median"), (acks.p99_s, "p99"))]
    lines += ["", f"An append is on the disk after {' and '.join(acked)}, {1000 * acks.worst_s:.1f} ms at worst,"]
    lines += [f"at {acks.rate:,.0f} events/s with the writer draining beside it."]
    lines += [f"Aim p99 ≤ {1000 * ACK_AIM_S:.0f} ms: {_judged(acks.p99_s <= ACK_AIM_S)}."]
    return "\n".join(lines) + "\n"


def _judged(met: bool) -> str:
    return "met" if met else "missed"


def run(options: Options, say: Say = print) -> None:
    """Measure, and write the results."""
    rounds, acks, events = uvloop.run(experiment(options, say))
    raw = {"options": asdict(options), "events": events, "rounds": [asdict(one) for one in rounds]}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ingest.json").write_text(json.dumps({**raw, "acks": asdict(acks)}, indent=1) + "\n")
    text = page(options, rounds, acks, events)
    (RESULTS / "ingest.md").write_text(text)
    say(f"\n{text}\nwritten: bench/results/ingest.md and .json")


def main() -> None:
    """`python -m bench.ingest [--rounds N] [--outage-s S]`."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description="E5: the journal into PostgreSQL.")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="of each side")
    parser.add_argument("--outage-s", type=float, default=usual.outage_s, help="how long PostgreSQL was away")
    given = parser.parse_args()
    run(Options(rounds=given.rounds, outage_s=given.outage_s))


if __name__ == "__main__":
    main()
