"""A database that was set back gets what the journal keeps, beside the running service and without it."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from callcenter.audit import Report, audit_events
from callcenter.clock import AnchoredClock
from callcenter.db import journal_file
from callcenter.db.evidence import journal_evidence
from callcenter.db.forgotten import Forgotten
from callcenter.db.journal import SqliteJournal
from callcenter.db.journal_status import status_of
from callcenter.db.resend import resend
from callcenter.db.writer import Writer
from callcenter.errors import DatabaseError
from tests.database import (
    AT,
    agent_changed,
    appends,
    contact_id,
    database_server,
    fetch,
    fresh_url,
    journal_and_writer,
    served,
    until,
)

pytestmark = pytest.mark.integration
__all__ = ["database_server", "fresh_url"]

STORIES = 30


async def filled(journal: SqliteJournal, writer: Writer) -> None:
    for n in range(STORIES):
        for item in appends([*served(n, at=AT + n), agent_changed("agent01", n + 1, AT + n, "available", f"s{n}")]):
            journal.append(item)
    await until(lambda: journal.position >= (int(AT) << 20) + STORIES * 23)
    assert await writer.until(journal.position, 20.0)


async def rows(url: str) -> list[object]:
    names = ("contact_event", "floor_event", "contact", "segment", "recording", "agent_state_interval")
    return [sorted(tuple(row) for row in await fetch(url, f"SELECT t::text FROM {name} t")) for name in names]


async def set_back(url: str) -> None:
    """As a backup of yesterday would: the newest contacts and what the agents did are gone, the mark is not."""
    gone = [contact_id(n, AT + n) for n in range(20, STORIES)]
    for table in ("contact_event", "contact", "segment", "recording"):
        await fetch(url, f"DELETE FROM {table} WHERE contact_id = ANY ($1::uuid[])", gone)
    await fetch(url, "DELETE FROM floor_event WHERE seq > 20")
    await fetch(url, "DELETE FROM agent_state_interval WHERE started_at >= to_timestamp($1)", AT + 20)
    await fetch(url, "UPDATE agent_state_interval SET ended_at = NULL WHERE started_at = to_timestamp($1)", AT + 19)


@pytest.mark.parametrize("since", [None, AT + 15.0], ids=["all that is kept", "from an instant on"])
async def test_beside_the_running_service_the_database_is_made_whole(
    tmp_path: Path, url: str, since: float | None
) -> None:
    async with journal_and_writer(tmp_path / "j", url) as (journal, writer):
        await filled(journal, writer)
        whole = await rows(url)
        await set_back(url)
        came_to = await asyncio.wait_for(resend(url, "n1", since, tmp_path / "j"), 30.0)
        assert (came_to.mended, came_to.aside) == (10 * 23, 0)
        assert await rows(url) == whole
        journal.append(appends(served(99, at=AT + 99))[0])
        await until(lambda: journal.backlog() == 0)
        assert await writer.until(journal.position, 10.0), "the service goes on"


async def test_without_the_service_too_and_a_second_time_changes_nothing(tmp_path: Path, url: str) -> None:
    async with journal_and_writer(tmp_path / "j", url) as (journal, writer):
        await filled(journal, writer)
        whole = await rows(url)
    await set_back(url)
    assert (await resend(url, "n1", None, tmp_path / "j")).mended == 10 * 23
    assert await rows(url) == whole
    assert (await resend(url, "n1", None, tmp_path / "j")).mended == 0
    assert await rows(url) == whole


async def test_what_contradicts_the_database_is_set_aside(tmp_path: Path, url: str) -> None:
    async with journal_and_writer(tmp_path / "j", url) as (journal, writer):
        await filled(journal, writer)
        await fetch(url, "UPDATE contact_event SET hash = '\\x00' WHERE contact_id = $1 AND seq = 3", contact_id(0))
        came_to = await resend(url, "n1", None, tmp_path / "j")
        assert (came_to.mended, came_to.aside) == (0, 1)


async def test_a_database_that_never_met_the_node_says_so(tmp_path: Path, url: str) -> None:
    with pytest.raises(DatabaseError, match="knows nothing of node 'n1'"):
        await resend(url, "n1", None, tmp_path / "j")


async def test_a_damaged_journal_is_sent_again_and_doubles_nothing(tmp_path: Path, url: str) -> None:
    async with journal_and_writer(tmp_path / "j", url) as (journal, writer):
        await filled(journal, writer)
    whole = await rows(url)
    with (tmp_path / "j").open("r+b") as handle:
        handle.write(b"nonsense")
    async with journal_and_writer(tmp_path / "j", url) as (journal, writer):
        assert journal.file.quarantined is not None
        assert await writer.until(journal.position, 20.0)
        health = writer.health()
        assert (health.replayed, health.conflicts) == (STORIES * 23, 0)
        assert journal.backlog() == 0
    after = await rows(url)
    (notice,) = await fetch(url, "SELECT type FROM floor_event WHERE stream = 'journal'")
    assert notice["type"] == "journal.quarantined"
    assert [part for n, part in enumerate(after) if n != 1] == [part for n, part in enumerate(whole) if n != 1]


async def test_a_journal_that_vanished_is_told(tmp_path: Path, url: str) -> None:
    async with journal_and_writer(tmp_path / "j", url) as (journal, writer):
        await filled(journal, writer)
    (tmp_path / "j").unlink()
    journal = SqliteJournal(tmp_path / "j", "n1", AT + 1000.0, lambda _: writer.wake())
    writer = Writer(journal, url, AnchoredClock(), random.Random(1), linger_s=0.0)
    await journal.open()
    task = asyncio.create_task(writer.run())

    async def told() -> bool:
        return bool(await fetch(url, "SELECT 1 FROM floor_event WHERE type = 'journal.lost'"))

    await until(told)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await journal.close()


async def test_the_status_is_told_beside_the_service_and_without_it(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callcenter.db.journal.LOOK_EVERY_S", 0.1)
    async with journal_and_writer(tmp_path / "j", url) as (journal, writer):
        await filled(journal, writer)
        await until(lambda: (tmp_path / "j.status").exists() and status_of(tmp_path / "j").unsent == 0)
        await until(lambda: status_of(tmp_path / "j").held == STORIES * 23)
        beside = status_of(tmp_path / "j")
        assert beside.service_pid is not None
        assert beside.held_since == AT
    without = status_of(tmp_path / "j")
    assert without.service_pid is None
    assert (without.held, without.unsent, without.epoch) == (beside.held, 0, beside.epoch)
    assert journal_file.KEPT_S == 48 * 3600.0


async def test_a_database_set_back_to_before_what_the_journal_had_to_forget_is_told_of_with_number_and_instants(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with journal_and_writer(tmp_path / "j", url) as (journal, writer):
        await filled(journal, writer)
        middle = journal.position - 7 * 23
    # A backup from the tenth contact on, and a journal that had room for the last seven only.
    monkeypatch.setattr("callcenter.db.journal_status.FREE_LOW_BYTES", 1 << 62)
    async with journal_and_writer(tmp_path / "j", url) as (journal, writer):
        journal.file.drained = middle
        await journal._ask(journal.file.look)
    monkeypatch.undo()
    backup = (int(AT) << 20) + 10 * 23
    await fetch(url, "DELETE FROM contact_event WHERE position > $1", backup)
    await fetch(url, "DELETE FROM floor_event WHERE position > $1", backup)
    await fetch(url, "UPDATE cell SET position = $1", backup)
    async with journal_and_writer(tmp_path / "j", url) as (journal, writer):
        assert await writer.until(journal.position, 20.0)
        gap = await told_gap(url)
    # The neighbours of what is lost: the end of the tenth contact, and the beginning of the first one that is kept.
    assert (gap.events, gap.from_at, gap.to_at) == (13 * 23, AT + 23.0, AT + 79.0)
    assert any("can't be sent again" in record.message and str(gap) in str(vars(record)) for record in caplog.records)
    report = Report(AT - 1.0, AT + 1000.0, AT + 2000.0)
    await audit_events(url, "n1", report, journal_evidence(tmp_path / "j"), None)
    assert [finding.detail for finding in report.findings if str(gap) in finding.detail]


async def test_to_send_again_what_is_kept_after_some_was_forgotten_tells_of_no_gap(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with journal_and_writer(tmp_path / "j", url) as (journal, writer):
        await filled(journal, writer)
        monkeypatch.setattr("callcenter.db.journal_status.FREE_LOW_BYTES", 1 << 62)
        await journal._ask(journal.file.look)
        assert journal.file.forgotten is not None
    for since in (None, AT):
        assert (await resend(url, "n1", since, tmp_path / "j")).mended == 0
    assert await fetch(url, "SELECT 1 FROM floor_event WHERE type = 'journal.gap'") == []


async def told_gap(url: str) -> Forgotten:
    """The one gap that the database was told of."""
    gaps = "SELECT data FROM floor_event WHERE type = 'journal.gap'"

    async def told() -> bool:
        return bool(await fetch(url, gaps))

    await until(told)
    (row,) = await fetch(url, gaps)
    return msgspec.json.decode(row["data"], type=Forgotten)
