"""The straight line from the journal to PostgreSQL on real parts: once, in order, whatever is repeated or dies."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from callcenter.clock import AnchoredClock
from callcenter.contact.events import LanguageChosen
from callcenter.db import writer as writer_module
from callcenter.db.batch import Known, write
from callcenter.db.engine import STATEMENT_S, connect
from callcenter.db.event_rows import Owner
from callcenter.db.journal import SqliteJournal
from callcenter.db.rebuild import rebuild
from callcenter.db.writer import Fenced, Writer
from callcenter.ports import Append, Entry
from tests.database import AT, Server, agent_changed, appends, database_server, entry, fetch, fresh_url, served, until

pytestmark = pytest.mark.integration
__all__ = ["database_server", "fresh_url"]

PROJECTIONS = ("contact", "segment", "recording", "agent_state_interval")


class Line:
    """A journal and its writer, who runs in `task`."""

    task: asyncio.Task[None]

    def __init__(self, path: Path, url: str, clock_start: float) -> None:
        self.journal = SqliteJournal(path, "n1", clock_start, lambda _: self.writer.wake())
        self.writer = Writer(self.journal, url, AnchoredClock(), random.Random(1), linger_s=0.0)

    async def write(self, entries: Sequence[Entry], *, one_by_one: bool = False) -> None:
        """Append, and wait until PostgreSQL has everything."""
        done = asyncio.Event()
        for item in appends(entries):
            done = asyncio.Event()
            self.journal.append(replace(item, committed=done.set))
            if one_by_one:
                await asyncio.wait_for(done.wait(), 10.0)
                assert await self.writer.until(self.journal.position, 10.0)
        await asyncio.wait_for(done.wait(), 10.0)
        assert await self.writer.until(self.journal.position, 10.0)


@asynccontextmanager
async def line(path: Path, url: str, clock_start: float = AT) -> AsyncIterator[Line]:
    made = Line(path, url, clock_start)
    await made.journal.open()
    made.task = asyncio.create_task(made.writer.run())
    try:
        yield made
    finally:
        made.task.cancel()
        with suppress(asyncio.CancelledError, Fenced):
            await made.task
        await made.journal.close()


async def tables(url: str) -> dict[str, list[tuple[object, ...]]]:
    return {
        name: sorted(tuple(row) for row in await fetch(url, f"SELECT t::text FROM {name} t")) for name in PROJECTIONS
    }


async def test_every_event_arrives_once_in_order_and_the_contact_is_told(tmp_path: Path, url: str) -> None:
    story = served(1)
    async with line(tmp_path / "journal", url) as ours:
        await ours.write(story)
    events = await fetch(url, "SELECT seq, position, type, data FROM contact_event ORDER BY position")
    assert [row["type"] for row in events] == [event.type for event in story]
    assert [row["seq"] for row in events] == list(range(1, 23))
    (row,) = await fetch(url, "SELECT *, extract(epoch FROM answered_at)::float8 AS answered FROM contact")
    assert (row["queue"], row["agent_id"], row["end_state"], row["closed"]) == ("product", "agent01", "answered", True)
    assert (row["ivr_s"], row["wait_s"], row["talk_s"], row["hold_s"], row["wrap_up_s"]) == (4.0, 3.9, 52.0, 5.0, 10.0)
    assert (row["offers"], row["last_seq"], row["answered"]) == (2, 22, AT + 8.0)
    segments = await fetch(url, "SELECT kind, agent_id, outcome FROM segment ORDER BY n")
    assert [tuple(segment) for segment in segments] == [
        ("ivr", None, "queue"),
        ("queue", None, "answered"),
        ("ring", "agent09", "rejected"),
        ("ring", "agent01", "accepted"),
        ("talk", "agent01", "ended"),
        ("hold", "agent01", "resumed"),
        ("wrap_up", "agent01", "done"),
    ]


async def test_one_batch_or_many_give_the_same_rows(tmp_path: Path, url: str, server: Server) -> None:
    other = await server.fresh()
    agents = [agent_changed("agent01", n, AT + n, "available", state) for n, state in enumerate(("idle", "talking"), 1)]
    async with line(tmp_path / "a", url) as at_once:
        await at_once.write(served(1) + agents)
    async with line(tmp_path / "b", other) as singly:
        await singly.write(served(1) + agents, one_by_one=True)
    assert await tables(url) == await tables(other)


async def test_a_rebuild_gives_the_rows_that_are_there(tmp_path: Path, url: str) -> None:
    async with line(tmp_path / "journal", url) as ours:
        stories = [served(n, at=AT + n) for n in range(20)]
        await ours.write([event for story in stories for event in story[: len(story) - len(stories) + 3]])
        await ours.write([agent_changed(f"agent0{n % 3}", 1 + n // 3, AT + n, "available", f"s{n}") for n in range(9)])
        live = await tables(url)
        await fetch(url, "UPDATE contact SET queue = 'wrong'")
        assert await rebuild(url) == len(await fetch(url, "SELECT 1 FROM contact_event")) + 9
        assert await tables(url) == live
        assert len(live["contact"]) == 20
        assert len(live["agent_state_interval"]) == 9
        open_ones = await fetch(url, "SELECT agent_id FROM agent_state_interval WHERE ended_at IS NULL ORDER BY 1")
        assert [row["agent_id"] for row in open_ones] == ["agent00", "agent01", "agent02"]


async def test_what_is_sent_again_changes_nothing(tmp_path: Path, url: str) -> None:
    path = tmp_path / "journal"
    async with line(path, url) as ours:
        await ours.write([*served(1), agent_changed("agent01", 1, AT, "available", "idle")])
    before = await tables(url)
    await fetch(url, "UPDATE cell SET position = 0")  # as after a restore of an older backup
    async with line(path, url) as ours:
        assert await ours.writer.until(ours.journal.position, 10.0)
        assert ours.writer.health().replayed == 23
        assert ours.writer.health().conflicts == 0
    assert await tables(url) == before
    assert len(await fetch(url, "SELECT 1 FROM contact_event")) == 22


async def test_a_restored_database_gets_what_it_lacks(tmp_path: Path, url: str) -> None:
    path = tmp_path / "journal"
    async with line(path, url) as ours:
        await ours.write(served(1) + served(2))
        whole = await tables(url)
    await fetch(url, "DELETE FROM contact_event WHERE seq > 9")
    await fetch(url, "UPDATE cell SET position = 0")
    await fetch(url, "DELETE FROM contact")
    async with line(path, url) as ours:
        assert await ours.writer.until(ours.journal.position, 10.0)
        assert ours.writer.health().written == 26
    assert await tables(url) == whole


async def test_a_commit_whose_answer_was_lost_is_not_forgotten(tmp_path: Path, url: str) -> None:
    story = served(1)
    async with line(tmp_path / "journal", url) as ours:
        await ours.write(story[:8])
        # The writer waits for the row we hold; meanwhile its batch is committed behind its back, and it dies.
        ours_too = await connect(url, "tests")
        async with ours_too.transaction():
            await ours_too.execute("SELECT * FROM cell FOR UPDATE")
            for item in appends(story[8:14]):
                ours.journal.append(item)
            waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            await until(lambda: found(url, waiting))
            file, batch = ours.journal.file, await ours.journal.read_after(ours.writer.health().position, 500)
            assert len(batch) == 6
            await fetch(url, f"SELECT pg_terminate_backend(pid) FROM ({waiting}) w")
            await until(lambda: ours.writer.health().away_since is not None)
            await write(ours_too, Owner("n1", file.epoch, file.births), batch, Known({}, {}))
        await ours_too.close()
        await ours.write(story[14:])
        assert ours.writer.health().replayed == 6
        live = await tables(url)
        await rebuild(url)
        assert await tables(url) == live


async def found(url: str, sql: str) -> bool:
    return bool(await fetch(url, sql))


async def test_a_fork_is_kept_aside_and_never_swallowed(tmp_path: Path, url: str) -> None:
    first, second = served(1)[:2]
    async with line(tmp_path / "a", url) as ours:
        await ours.write([first, second])
    forked = entry(first.stream, 2, LanguageChosen("fr"), AT)
    async with line(tmp_path / "b", url, AT + 10.0) as ours:
        await ours.write([first, forked, served(2)[0]])
        assert (ours.writer.health().replayed, ours.writer.health().conflicts) == (1, 1)
    (aside,) = await fetch(url, "SELECT seq, reason, type, data FROM event_conflict")
    assert tuple(aside) == (2, "fork", "language.chosen", forked.data)
    assert [row["type"] for row in await fetch(url, "SELECT type FROM contact_event ORDER BY contact_id, seq")] == [
        first.type,
        second.type,
        first.type,
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda e: structs.replace(e, stream="contact/not-a-uuid"),
        lambda e: structs.replace(e, version=99_999),
        lambda e: structs.replace(e, type="a\0b"),
    ],
    ids=["no contact id", "version out of range", "NUL in the type"],
)
async def test_an_event_that_postgresql_cannot_hold_stops_nobody_else(
    tmp_path: Path, url: str, spoil: Callable[[Entry], Entry]
) -> None:
    story = served(1)
    bad = spoil(served(2)[0])
    async with line(tmp_path / "journal", url) as ours:
        await ours.write([*story[:10], bad, *story[10:]])
        assert ours.writer.health().conflicts == 1
        assert ours.journal.refused == 0
    assert len(await fetch(url, "SELECT 1 FROM contact_event")) == 22
    (aside,) = await fetch(url, "SELECT reason FROM event_conflict")
    assert aside["reason"].startswith("unreadable: ")


async def test_an_event_whose_body_is_not_understood_is_stored_and_projected_as_far_as_possible(
    tmp_path: Path, url: str
) -> None:
    story = served(1)
    story[3] = structs.replace(story[3], data=b'{"language": 7}')
    story[2] = structs.replace(story[2], type="ivr.unheard_of", data=b"{}")
    async with line(tmp_path / "journal", url) as ours:
        await ours.write(story)
        assert ours.writer.health().misread == 1
    (row,) = await fetch(url, "SELECT language, closed FROM contact")
    assert tuple(row) == ("zh-TW", True)
    assert len(await fetch(url, "SELECT 1 FROM contact_event")) == 22


async def test_an_older_epoch_is_fenced_at_start_and_in_the_middle(tmp_path: Path, url: str) -> None:
    async with line(tmp_path / "journal", url) as ours:
        await ours.write(served(1)[:5])
        await fetch(url, "UPDATE cell SET epoch = epoch + 1")
        for item in appends(served(1)[5:]):
            ours.journal.append(item)
        with pytest.raises(Fenced):
            await asyncio.wait_for(ours.task, 10.0)
    assert len(await fetch(url, "SELECT 1 FROM contact_event")) == 5
    await fetch(url, "UPDATE cell SET epoch = epoch + 1000")
    async with line(tmp_path / "journal", url) as ours:
        with pytest.raises(Fenced, match="newer owner"):
            await asyncio.wait_for(ours.task, 10.0)


async def test_a_lost_journal_does_not_collide_with_what_it_wrote(tmp_path: Path, url: str) -> None:
    async with line(tmp_path / "a", url, AT) as ours:
        await ours.write([agent_changed("agent01", 1, AT, "available", "idle"), served(1)[0]])
    async with line(tmp_path / "b", url, AT + 60.0) as ours:
        await ours.write([agent_changed("agent01", 1, AT + 60.0, "available", "talking"), served(2)[0]])
        assert ours.writer.health().conflicts == 0
    rows = await fetch(url, "SELECT activity, ended_at IS NULL AS open FROM agent_state_interval ORDER BY position")
    assert [tuple(row) for row in rows] == [("idle", False), ("talking", True)]


async def test_contacts_of_any_month_find_a_partition(tmp_path: Path, url: str) -> None:
    months = [AT - 40 * 86400.0, AT, AT + 200 * 86400.0, AT + 20 * 366 * 86400.0]
    async with line(tmp_path / "journal", url) as ours:
        await ours.write([event for n, at in enumerate(months) for event in served(n, at=at)[:3]])
    rows = await fetch(url, "SELECT DISTINCT tableoid::regclass::text AS name FROM contact_event ORDER BY 1")
    names = [row["name"] for row in rows]
    assert len(names) == 4
    assert "contact_event_2026_11" in names
    assert "contact_event_default" in names


async def test_listeners_are_woken_once_a_batch(tmp_path: Path, url: str) -> None:
    heard: list[str] = []
    listener = await connect(url, "tests")
    await listener.add_listener("callcenter_events", lambda *told: heard.append(str(told[3])))
    async with line(tmp_path / "journal", url) as ours:
        ours.journal.append(Append(served(1)))
        await asyncio.sleep(0)
        await ours.write(served(2)[:1])
        await until(lambda: str(ours.journal.position) in heard)
        assert len(heard) <= 2
    await listener.close()


def interleaved(contacts: int) -> list[Entry]:
    """Contacts and agents as they happen at the same time, so that their events are spread over many batches."""
    seqs: dict[str, int] = {}
    entries: list[Entry] = []
    for n in range(contacts):
        agent_id, at = f"agent{n % 3}", AT + 2.0 * n
        story = served(n, at=at, agent_id=agent_id)
        entries += story
        entries += [agent_changed(agent_id, 0, at + later, "available", f"s{later}") for later in (6.0, 8.0, 60.0)]
    entries.sort(key=lambda event: event.at)
    for n, event in enumerate(entries):
        if event.stream.startswith("agent/"):
            seqs[event.stream] = seqs.get(event.stream, 0) + 1
            entries[n] = structs.replace(event, seq=seqs[event.stream])
    return entries


async def held_back(path: Path, entries: Sequence[Entry]) -> None:
    """A journal that holds these events, and nobody has written any of them."""
    journal = SqliteJournal(path, "n1", AT, lambda _: None)
    await journal.open()
    done = asyncio.Event()
    journal.append(Append(entries, (), done.set))
    await asyncio.wait_for(done.wait(), 10.0)
    await journal.close()


async def as_rebuilt(url: str) -> bool:
    live = await tables(url)
    await rebuild(url)
    return live == await tables(url)


@pytest.mark.parametrize("batch_events", [1, 7, 50])
async def test_a_backlog_whose_batches_are_prepared_while_others_are_sent_gives_the_same_rows(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, batch_events: int
) -> None:
    entries = interleaved(12)
    await held_back(tmp_path / "journal", entries)
    monkeypatch.setattr(writer_module, "BATCH_EVENTS_MAX", batch_events)
    async with line(tmp_path / "journal", url) as ours:
        assert await ours.writer.until(ours.journal.position, 60.0)
        health = ours.writer.health()
    assert (health.written, health.replayed, health.conflicts) == (len(entries), 0, 0)
    stored = await fetch(
        url, "SELECT position FROM contact_event UNION ALL SELECT position FROM floor_event ORDER BY 1"
    )
    assert len({row["position"] for row in stored}) == len(stored) == len(entries)
    assert await as_rebuilt(url)


async def test_what_was_prepared_on_a_batch_that_could_not_be_written_so_is_made_anew(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = interleaved(12)
    entries[100] = structs.replace(entries[100], type="a\0b")
    await held_back(tmp_path / "journal", entries)
    monkeypatch.setattr(writer_module, "BATCH_EVENTS_MAX", 30)
    async with line(tmp_path / "journal", url) as ours:
        assert await ours.writer.until(ours.journal.position, 60.0)
        assert (ours.writer.health().written, ours.writer.health().conflicts) == (len(entries) - 1, 1)
    assert await as_rebuilt(url)


async def test_a_backlog_of_which_a_part_is_there_already_is_completed(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = interleaved(12)
    await held_back(tmp_path / "journal", entries)
    monkeypatch.setattr(writer_module, "BATCH_EVENTS_MAX", 30)
    async with line(tmp_path / "journal", url) as ours:
        assert await ours.writer.until(ours.journal.position, 60.0)
    whole = await tables(url)
    (gone,) = await fetch(url, "SELECT count(*) AS events FROM contact_event WHERE seq > 9")
    await fetch(url, "DELETE FROM contact_event WHERE seq > 9")
    await fetch(url, "UPDATE cell SET position = 0")
    await fetch(url, "DELETE FROM contact")
    async with line(tmp_path / "journal", url) as ours:
        assert await ours.writer.until(ours.journal.position, 60.0)
        health = ours.writer.health()
    assert (health.written, health.replayed) == (gone["events"], len(entries) - gone["events"])
    assert await tables(url) == whole


async def test_a_database_too_slow_for_a_batch_gets_fewer_events_at_a_time(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert STATEMENT_S < 44 * 0.15, "all at once takes longer than a statement may"
    body = "'BEGIN PERFORM pg_sleep(0.15); RETURN NEW; END'"
    await fetch(url, f"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS {body}")
    await fetch(url, "CREATE TRIGGER slow BEFORE INSERT ON contact_event FOR EACH ROW EXECUTE FUNCTION slow()")
    await held_back(tmp_path / "journal", [event for n in (1, 2) for event in served(n)])
    monkeypatch.setattr(writer_module, "BATCH_EVENTS_MAX", 44)
    async with line(tmp_path / "journal", url) as ours:
        assert await ours.writer.until(ours.journal.position, 90.0)
        assert ours.writer.health().written == 44
    assert await as_rebuilt(url)
