"""A journal that lost the state of contacts: every story is closed nevertheless, and nobody who lives is touched."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from callcenter.audit import Report, audit_events
from callcenter.clock import AnchoredClock
from callcenter.companions.postgres import PostgresCompanion
from callcenter.contact.model import Phase
from callcenter.db.engine import make_engine
from callcenter.db.evidence import journal_evidence
from callcenter.db.queries import EventRow, Queries
from callcenter.lost_contacts import LOST, LostContacts
from callcenter.ports import Append, Entry
from tests.database import AT, contact_id, database_server, fresh_url, journal_and_writer, served
from tests.kit.behaviour import Answer, RingForEver
from tests.kit.hotline import (
    AGENT_HZ,
    NOBODY,
    VIP,
    brisk_site,
    data,
    open_hotline,
    types,
    without_announcement,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone

pytestmark = pytest.mark.integration
__all__ = ["database_server", "fresh_url"]

QUEUED, TALKING, WRAPPING_UP = 6, 14, 20  # so many events of a served contact


class Later:
    """A clock some minutes after AT."""

    def now(self) -> float:
        return AT + 600.0


@pytest.fixture
async def queries(url: str) -> AsyncIterator[Queries]:
    engine = make_engine(url)
    yield Queries(engine)
    await engine.dispose()


async def closed(path: Path, url: str, queries: Queries, taken_up: Sequence[str]) -> int:
    """Let a new process on this journal look for lost contacts; how many it closed."""
    async with journal_and_writer(path, url) as (journal, writer):
        lost = LostContacts("n1", Later(), journal, queries, lambda: "site-2", writer)
        lost.restore(taken_up)
        reconciled = asyncio.Event()
        task = asyncio.create_task(lost.run(reconciled))
        await asyncio.sleep(0.2)
        assert lost.closed == 0, "nobody is closed before Asterisk was asked"
        reconciled.set()
        assert await writer.until(journal.position, 20.0)
        await asyncio.wait_for(lost.looked.wait(), 20.0)
        task.cancel()
        await journal.live_states()
        assert await writer.until(journal.position, 20.0)
    return lost.closed


async def written(path: Path, url: str, entries: Sequence[Entry]) -> None:
    async with journal_and_writer(path, url) as (journal, writer):
        done = asyncio.Event()
        journal.append(Append(entries, (), done.set))
        await done.wait()
        assert await writer.until(journal.position, 20.0)


async def last(queries: Queries, n: int) -> EventRow:
    return (await queries.contact_events(contact_id(n, AT + n)))[-1]


def story(n: int, events: int) -> list[Entry]:
    return served(n, at=AT + n)[:events]


async def test_who_was_lost_in_the_queue_or_in_a_talk_is_closed_as_lost_and_the_audit_is_content(
    tmp_path: Path, url: str, queries: Queries
) -> None:
    path = tmp_path / "j"
    await written(path, url, [*story(1, QUEUED), *story(2, TALKING), *story(3, 22)])
    count = await closed(path, url, queries, [])
    assert count == 2
    for n, events in ((1, QUEUED), (2, TALKING)):
        ended = await last(queries, n)
        assert (ended.type, ended.seq, ended.cause) == ("contact.ended", events + 1, "state lost")
        assert (data(ended)["end_state"], data(ended)["ended_by"], data(ended)["seq_total"]) == (
            LOST,
            "unknown",
            ended.seq,
        )
        detail = await queries.contact(contact_id(n, AT + n))
        assert detail is not None
        assert (detail.contact.closed, detail.contact.end_state) == (True, LOST)
        assert all(segment.ended_at is not None for segment in detail.segments)
    report = Report(AT - 1.0, AT + 1000.0, AT + 700.0)
    await audit_events(url, "n1", report, journal_evidence(path), None)
    assert (report.findings, report.open) == ([], 0)


async def test_whose_caller_had_left_before_the_wrap_up_was_lost_left_as_they_did(
    tmp_path: Path, url: str, queries: Queries
) -> None:
    await written(tmp_path / "j", url, story(1, WRAPPING_UP))
    await closed(tmp_path / "j", url, queries, [])
    ended = await last(queries, 1)
    assert (data(ended)["end_state"], data(ended)["ended_by"], data(ended)["talk_s"]) == ("answered", "caller", 52.0)


async def test_who_is_taken_up_or_came_later_or_is_another_nodes_is_not_touched(
    tmp_path: Path, url: str, queries: Queries
) -> None:
    later = served(9, at=AT + 3600.0)[:QUEUED]
    await written(tmp_path / "j", url, [*story(1, QUEUED), *later])
    count = await closed(tmp_path / "j", url, queries, [contact_id(1, AT + 1)])
    assert count == 0
    assert (await last(queries, 1)).seq == QUEUED
    lost = LostContacts("n2", Later(), SoundJournal(), queries, lambda: "", SoundJournal())
    lost.restore([])
    await lost.close_all()
    assert lost.closed == 0


class SoundJournal:
    """Where nothing may be written."""

    position = 0

    def append(self, item: Append) -> None:
        raise AssertionError(item)

    async def until(self, position: int, timeout_s: float) -> bool:
        return True


async def test_more_than_a_page_of_them_is_closed_each_once(tmp_path: Path, url: str, queries: Queries) -> None:
    contacts = 1_203
    entries = [event for n in range(contacts) for event in served(n, at=AT + n // 600)[:2]]
    await written(tmp_path / "j", url, entries)
    count = await closed(tmp_path / "j", url, queries, [])
    assert count == contacts
    assert await queries.open_contacts("n1", AT - 1.0, AT + 600.0) == ()
    report = Report(AT - 1.0, AT + 1000.0, AT + 700.0)
    await audit_events(url, "n1", report, journal_evidence(tmp_path / "j"), None)
    assert report.found == 0


def spoil_states(path: Path, *streams: str) -> None:
    """Flip what the journal keeps of these contacts."""
    with closing(sqlite3.connect(path)) as database, database:
        for stream in streams:
            spoiled = database.execute(
                "UPDATE live_state SET state = zeroblob(64) WHERE stream = ?", (stream,)
            ).rowcount
            assert spoiled == 1, stream


async def test_after_a_damaged_journal_callers_begin_anew_and_their_former_contacts_are_closed(
    tmp_path: Path, asterisk: RealAsterisk, postgres: PostgresCompanion, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    url = await postgres.database("lost_contacts_on_asterisk")
    site, journal = without_announcement(brisk_site()), tmp_path / "main" / "journal.sqlite"
    from_at = AnchoredClock().now()
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    async with open_hotline(tmp_path, asterisk, url, site) as before:
        await before.log_in(agent, "agent01")
        talking, desk = await before.talk(trunk, agent)
        kept = trunk.call(VIP, caller="0912000002")
        await before.until_phase(Phase.QUEUED)
        waiting = trunk.call(VIP, caller="0912000003")
        await before.until_phase(Phase.QUEUED, 2)
        contacts, position = before.contacts, before.center.journal.position
        await before.written()
        await before.kill()
    agent.behaviour = RingForEver()
    spoil_states(journal, contacts[0].stream, contacts[2].stream)
    async with open_hotline(tmp_path, asterisk, url, site) as after:
        await desk.ended()
        await asyncio.wait_for(after.center.lost.looked.wait(), 20.0)
        assert after.center.lost.closed == 2
        await after.until_phase(Phase.QUEUED, 1)
        assert contacts[1].contact_id in [contact.contact_id for contact in after.contacts], "whose state was sound"
        for call in (talking, kept, waiting):
            await call.hang_up()
        await after.until_ended()
        # Since the kill: who is taken up anew may be so before we look for the first time.
        happened = await after.center.queries.events_after("n1", position, 500)
        assert types(happened).count("journal.quarantined") == 1
        for contact, end_state in zip(contacts, (LOST, "abandoned_queue", LOST), strict=True):
            story_of = await after.whole_story(contact.contact_id)
            assert (types(story_of)[-1], data(story_of[-1])["end_state"]) == ("contact.ended", end_state)
        anew = [event for event in happened if event.type == "contact.started"]
        assert sorted(str(data(event)["caller"])[-4:] for event in anew) == sorted([NOBODY[-4:], "0003"])
        await after.log_out_all()
    report = Report(from_at, AnchoredClock().now() + 1.0, AnchoredClock().now())
    await audit_events(url, "n1", report, journal_evidence(journal), None)
    assert report.findings == []
