"""The journal on a real disk: order, durability, refusals, failures, and what a reopened file remembers."""

import asyncio
import concurrent.futures
import shutil
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from msgspec import structs

from api.cli.journal import _rows
from callcenter.db import journal as journal_module
from callcenter.db import journal_file, journal_status
from callcenter.db.forgotten import Forgotten, together
from callcenter.db.journal import SqliteJournal, _Call
from callcenter.db.journal_file import KEPT_S, JournalFile
from callcenter.db.journal_status import Room, status_of
from callcenter.db.stored import content_hash
from callcenter.errors import JournalError
from callcenter.ports import Append, Entry, StateChange
from tests.database import until

AT = 1_795_000_000.0


def event(stream: str, seq: int, at: float = AT, data: bytes = b'{"a":1}') -> Entry:
    return Entry(stream, seq, at, "test.happened", 1, data, "site-1", "why")


class Watched:
    """A journal and everything it says."""

    def __init__(self, path: Path, clock_start: float = AT) -> None:
        self.committed: list[tuple[int, Entry]] = []
        self.commits = 0
        self.failures: list[JournalError] = []
        self.refused: list[Append] = []
        self.journal = SqliteJournal(
            path,
            "n1",
            clock_start,
            self._on_committed,
            on_failure=self.failures.append,
            on_refused=lambda append, _: self.refused.append(append),
        )

    def _on_committed(self, batch: Sequence[tuple[int, Entry]]) -> None:
        self.commits += 1
        self.committed += batch

    async def append(self, *entries: Entry, states: tuple[StateChange, ...] = ()) -> None:
        """Append and wait for the disk."""
        done = asyncio.Event()
        self.journal.append(Append(entries, states, done.set))
        await asyncio.wait_for(done.wait(), 5.0)


@asynccontextmanager
async def watched(path: Path, clock_start: float = AT) -> AsyncIterator[Watched]:
    made = Watched(path, clock_start)
    await made.journal.open()
    try:
        yield made
    finally:
        await made.journal.close()


async def test_events_are_committed_in_the_order_of_appends_many_at_a_time(tmp_path: Path) -> None:
    order: list[int] = []
    async with watched(tmp_path / "j") as ours:
        for n in range(500):
            ours.journal.append(Append((event("contact/a", n + 1),), (), partial(order.append, n)))
        await ours.append(event("contact/b", 1))
        assert order == list(range(500))
        positions = [position for position, _ in ours.committed]
        assert positions == list(range(positions[0], positions[0] + 501))
        assert ours.commits < 100
        read = await ours.journal.read_after(0, 1000)
        assert [stored.entry for stored in read] == [entry for _, entry in ours.committed]
        assert ours.journal.backlog() == 501


async def test_a_reopened_journal_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "j"
    async with watched(path) as ours:
        await ours.append(event("agent/a", 1), event("agent/a", 2), states=(StateChange("contact/x", b"one"),))
        await ours.append(states=(StateChange("contact/x", b"two"), StateChange("contact/y", b"y")))
        await ours.append(states=(StateChange("contact/y", None),))
        epoch, last = ours.journal.file.epoch, ours.journal.position
        await ours.journal.mark_drained(last - 1)
    async with watched(path) as again:
        assert again.journal.file.epoch == epoch + 1
        assert again.journal.position == last
        assert again.journal.backlog() == 1
        assert await again.journal.live_states() == {"contact/x": b"two"}
        assert await again.journal.last_seqs("agent/") == {"agent/a": 2}
        assert await again.journal.last_seqs("agent/b") == {}
        read = await again.journal.read_after(last - 1, 10)
        assert [(stored.position, stored.entry.seq) for stored in read] == [(last, 2)]
        assert read[0].hash == content_hash(event("agent/a", 2))
        await again.append(event("agent/a", 3))
        assert again.journal.position == last + 1


async def test_a_new_file_begins_above_all_that_a_lost_one_gave_out(tmp_path: Path) -> None:
    async with watched(tmp_path / "lost", AT) as ours:
        await ours.append(*(event("agent/a", seq + 1) for seq in range(200)))
        lost_position, lost_epoch = ours.journal.position, ours.journal.file.epoch
    async with watched(tmp_path / "new", AT + 1.0) as ours:
        assert ours.journal.position > lost_position
        assert ours.journal.file.epoch > lost_epoch


async def test_a_seq_used_twice_is_refused_alone(tmp_path: Path) -> None:
    async with watched(tmp_path / "j") as ours:
        ours.journal.append(Append((event("contact/a", 1),)))
        twice = Append((event("contact/a", 1, data=b"{}"),))
        ours.journal.append(twice)
        ours.journal.append(Append((event("contact/c", 1, data=b"not json"),)))
        await ours.append(event("contact/b", 1))
        assert [entry.stream for _, entry in ours.committed] == ["contact/a", "contact/b"]
        assert twice in ours.refused
        assert ours.journal.refused == 2
        assert ours.journal.healthy
        assert ours.failures == []


async def test_a_state_is_saved_with_its_events_or_not_at_all(tmp_path: Path) -> None:
    async with watched(tmp_path / "j") as ours:
        await ours.append(event("contact/a", 1), states=(StateChange("contact/a", b"first"),))
        ours.journal.append(Append((event("contact/a", 1, data=b"{}"),), (StateChange("contact/a", b"wrong"),)))
        await ours.append(event("contact/b", 1))
        assert await ours.journal.live_states() == {"contact/a": b"first"}


async def test_a_disk_that_fails_is_reported_once_and_nothing_is_taken_after_it(tmp_path: Path) -> None:
    async with watched(tmp_path / "j") as ours:
        await ours.append(event("contact/a", 1))
        # The file may not grow any more: what SQLite says is what it says of a full disk.
        await ours.journal._ask(lambda: ours.journal.file._db.execute("PRAGMA max_page_count = 1").fetchall())
        for seq in range(2, 40):
            ours.journal.append(Append((event("contact/a", seq, data=b'"' + b"x" * 5_000 + b'"'),)))
        await until(lambda: bool(ours.failures))
        assert not ours.journal.healthy
        with pytest.raises(JournalError, match="full"):
            ours.journal.append(Append((event("contact/b", 1),)))
        assert len(ours.failures) == 1
        seqs = [entry.seq for _, entry in ours.committed]
        assert seqs == list(range(1, len(seqs) + 1)), "nothing is written after what was not"


async def test_a_disk_that_recovers_does_not_leave_a_gap(tmp_path: Path) -> None:
    async with watched(tmp_path / "j") as ours:
        await ours.append(event("contact/a", 1))
        database = ours.journal.file._db
        # All of it waits in the inbox before the first failure can be told to the loop.
        await ours.journal._ask(lambda: database.execute("PRAGMA max_page_count = 1").fetchall())
        ours.journal.append(Append((event("contact/a", 2, data=b'"' + b"x" * 50_000 + b'"'),)))
        enough = partial(database.execute, "PRAGMA max_page_count = 100000")
        ours.journal._inbox.put(_Call(enough, concurrent.futures.Future(), last=False))
        ours.journal.append(Append((event("contact/a", 3),)))
        await until(lambda: bool(ours.failures))
        await ours.journal.live_states()
    assert [entry.seq for _, entry in ours.committed] == [1]


async def test_a_disk_that_works_again_ends_the_process_for_only_a_new_one_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "PROBE_EVERY_S", 0.01)
    async with watched(tmp_path / "j") as ours:
        await ours.append(event("contact/a", 1))
        running = asyncio.create_task(ours.journal.run())
        database = ours.journal.file._db
        await ours.journal._ask(lambda: database.execute("PRAGMA max_page_count = 1").fetchall())
        ours.journal.append(Append((event("contact/a", 2, data=b'"' + b"x" * 50_000 + b'"'),)))
        await until(lambda: bool(ours.failures))
        await asyncio.sleep(0.1)
        assert not running.done(), "the disk fails still"
        await ours.journal._ask(lambda: database.execute("PRAGMA max_page_count = 100000").fetchall())
        with pytest.raises(JournalError, match="start anew"):
            await asyncio.wait_for(running, 5.0)
        assert await ours.journal.live_states() == {}, "nothing is left of the asking"


async def test_a_full_inbox_refuses_instead_of_growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "APPENDS_WAITING_MAX", 10)
    async with watched(tmp_path / "j") as ours:
        for seq in range(1, 11):
            ours.journal.append(Append((event("contact/a", seq),)))
        with pytest.raises(JournalError, match="wait for the disk"):
            ours.journal.append(Append((event("contact/a", 11),)))
        await ours.journal.live_states()
        await asyncio.sleep(0)
        await ours.append(event("contact/a", 11))


async def test_close_writes_what_waits(tmp_path: Path) -> None:
    async with watched(tmp_path / "j") as ours:
        for seq in range(1, 101):
            ours.journal.append(Append((event("contact/a", seq),)))
    with pytest.raises(JournalError, match="closed"):
        ours.journal.append(Append((event("contact/a", 101),)))
    async with watched(tmp_path / "j") as again:
        assert await again.journal.last_seqs("contact/") == {"contact/a": 100}


async def test_the_writer_reads_on_from_the_file_when_memory_has_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "TAIL_EVENTS_MAX", 5)
    async with watched(tmp_path / "j") as ours:
        await ours.append(*(event("contact/a", seq) for seq in range(1, 21)))
        born = ours.journal.file.births[0]
        for start in (0, born, born + 10, born + 17, born + 20):
            read = await ours.journal.read_after(start, 4)
            expected = [seq for seq in range(1, 21) if born + seq > start][:4]
            assert [stored.entry.seq for stored in read] == expected


async def test_drained_events_are_forgotten_after_two_days_but_never_an_agents_seq(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "PRUNE_EVENTS_MAX", 4)
    async with watched(tmp_path / "j") as ours:
        old = [event("agent/a", seq, AT) for seq in range(1, 6)] + [event("contact/a", seq, AT) for seq in range(1, 6)]
        await ours.append(*old)
        await ours.journal.mark_drained(ours.journal.position - 1)
        for n in range(5):
            await ours.append(event("contact/b", n + 1, AT + KEPT_S + 1.0 + n))
        held = await ours.journal._ask(lambda: ours.journal.file.read_after(0, 100))
        kept = [(stored.entry.stream, stored.entry.seq) for stored in held]
        assert kept == [("contact/a", 5), *(("contact/b", n) for n in range(1, 6))], "the one not drained stays"
        assert (await ours.journal.last_seqs("agent/")) == {"agent/a": 5}
        await ours.append(event("agent/a", 6, AT + KEPT_S + 9.0))
        assert (await ours.journal.last_seqs("agent/")) == {"agent/a": 6}


async def test_a_second_process_on_the_same_journal_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    async with watched(tmp_path / "j") as ours:
        await ours.append(event("contact/a", 1))
        with pytest.raises(JournalError, match="is in use by another process of ours; stop that one first"):
            await Watched(tmp_path / "j").journal.open()
        await ours.append(event("contact/a", 2))
    again = JournalFile(tmp_path / "j", "n1", AT)
    assert again.quarantined is None, "what is in use is not taken for damaged"
    again.close()


async def test_a_foreign_database_and_another_nodes_journal_are_refused(tmp_path: Path) -> None:
    foreign = sqlite3.connect(tmp_path / "foreign")
    foreign.execute("CREATE TABLE theirs (a)")
    foreign.close()
    with pytest.raises(JournalError, match="not a journal of ours"):
        await Watched(tmp_path / "foreign").journal.open()
    JournalFile(tmp_path / "other", "n2", AT).close()
    with pytest.raises(JournalError, match="belongs to node 'n2'"):
        await Watched(tmp_path / "other").journal.open()
    with pytest.raises(JournalError, match="folder's rights"):
        await Watched(tmp_path / "foreign" / "below a file").journal.open()


async def test_one_listeners_bug_silences_nobody_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def bug() -> None:
        raise AssertionError("a bug")

    async with watched(tmp_path / "j") as ours:
        ours.journal.append(Append((event("contact/a", 1),), (), bug))
        await ours.append(event("contact/b", 1))
    assert "a callback of the journal failed" in caplog.text


def test_the_hash_is_of_the_content_not_of_its_spelling() -> None:
    one = event("contact/a", 1, data=b'{"a":1,"b":[2.0,"\\u4e00"]}')
    assert content_hash(one) == content_hash(structs.replace(one, data='{ "b":[2.0, "一"], "a":1 }'.encode()))
    assert content_hash(one) == content_hash(structs.replace(one, at=one.at + 1e-7))
    for other in (
        structs.replace(one, seq=2),
        structs.replace(one, at=one.at + 2e-6),
        structs.replace(one, data=b'{"a":1,"b":[2.1,"\\u4e00"]}'),
        structs.replace(one, cause=""),
        structs.replace(one, site="site-2"),
        structs.replace(one, stream="contact/b"),
    ):
        assert content_hash(one) != content_hash(other)


async def test_without_room_no_new_contact_is_taken_and_what_the_database_has_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "LOOK_EVERY_S", 0.05)
    free = shutil.disk_usage(tmp_path).free
    async with watched(tmp_path / "j") as ours:
        await ours.append(*(event("contact/a", seq) for seq in range(1, 201)))
        await ours.journal.mark_drained(ours.journal.position - 50)
        assert ours.journal.accepting
        monkeypatch.setattr(journal_status, "FREE_LOW_BYTES", 4 * free)
        await until(lambda: ours.journal.file.room is Room.LOW)
        assert ours.journal.accepting, "callers are served as long as there is any room"
        await ours.append(event("contact/a", 201))
        held = await ours.journal._ask(lambda: ours.journal.file.read_after(0, 1000))
        assert [stored.entry.seq for stored in held] == list(range(151, 202)), "what is not drained stays"
        monkeypatch.setattr(journal_status, "FREE_CRITICAL_BYTES", 4 * free)
        await until(lambda: not ours.journal.accepting)
        await ours.append(event("contact/a", 202))  # who is on the line is written
        assert ours.journal.healthy
        monkeypatch.setattr(journal_status, "FREE_LOW_BYTES", 1)
        monkeypatch.setattr(journal_status, "FREE_CRITICAL_BYTES", 1)
        await until(lambda: ours.journal.accepting)


async def test_a_journal_that_holds_too_much_is_short_of_room_however_large_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(journal_status, "HELD_LOW_BYTES", 100_000)
    monkeypatch.setattr(journal_status, "FREE_LOW_BYTES", 1)
    monkeypatch.setattr(journal_status, "FREE_CRITICAL_BYTES", 1)
    async with watched(tmp_path / "j") as ours:
        await ours.append(event("contact/a", 1, data=b'"' + b"x" * 120_000 + b'"'))
        await until(lambda: ours.journal.file.room is Room.LOW)
        await ours.append(event("contact/a", 2, data=b'"' + b"x" * 120_000 + b'"'))
        await until(lambda: not ours.journal.accepting)
        await ours.journal.mark_drained(ours.journal.position)
        await ours.append(event("contact/a", 3))
        await until(lambda: ours.journal.accepting)  # what is forgotten gives its room back


async def test_what_is_forgotten_before_its_time_is_told_with_number_and_instants_also_by_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal_module, "LOOK_EVERY_S", 0.05)
    free, kept_s = shutil.disk_usage(tmp_path).free, journal_file.KEPT_S
    async with watched(tmp_path / "j") as ours:
        await ours.append(*(event("contact/old", seq, AT - kept_s - 1.0) for seq in range(1, 31)))
        await ours.append(*(event("contact/a", seq, AT + seq) for seq in range(1, 101)))
        await ours.journal.mark_drained(ours.journal.position - 40)
        assert ours.journal.file.forgotten is None
        monkeypatch.setattr(journal_status, "FREE_LOW_BYTES", 4 * free)
        told = Forgotten(60, AT + 1.0, AT + 60.0)  # the 30 old ones would be gone in any case
        await until(lambda: ours.journal.file.forgotten == told)
        await until(lambda: any("forgotten early" in record.message for record in caplog.records))
        await ours.journal.mark_drained(ours.journal.position - 30)
        await until(lambda: ours.journal.file.forgotten == Forgotten(70, AT + 1.0, AT + 70.0))
    assert status_of(tmp_path / "j").forgotten == Forgotten(70, AT + 1.0, AT + 70.0)
    assert "70 events from" in dict(_rows(status_of(tmp_path / "j")))["forgotten early"]
    async with watched(tmp_path / "j", AT + 200.0) as ours:
        assert ours.journal.file.forgotten == Forgotten(70, AT + 1.0, AT + 70.0)


def test_what_would_be_forgotten_by_now_in_any_case_is_left_out_of_what_was_forgotten_early() -> None:
    earlier, more = Forgotten(10, AT, AT + 5.0), Forgotten(2, AT + 7.0, AT + 8.0)
    assert together(earlier, more, AT + 5.0) == Forgotten(12, AT, AT + 8.0)
    assert together(earlier, more, AT + 5.1) == more
    assert together(earlier, None, AT) == earlier
    assert together(None, None, AT) is None
