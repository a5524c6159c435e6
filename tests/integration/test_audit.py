"""The audit on a real database and a real journal: silent when all is well, and it names whatever is not."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from callcenter.asterisk.cel import Witnessed
from callcenter.audit import Finding, Report, audit_events
from callcenter.db.evidence import journal_evidence
from callcenter.db.journal import SqliteJournal
from callcenter.ports import Append, Entry, StateChange
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
)

pytestmark = pytest.mark.integration
__all__ = ["database_server", "fresh_url"]

CONTACTS = 5
LOOKED_AT = AT + 100.0


async def written(path: Path, url: str, entries: Sequence[Entry], live: Sequence[str] = ()) -> None:
    async with journal_and_writer(path, url) as (journal, writer):
        done = asyncio.Event()
        for item in appends(entries):
            journal.append(item)
        journal.append(Append((), tuple(StateChange(f"contact/{one}", b"{}") for one in live), done.set))
        await done.wait()
        assert await writer.until(journal.position, 20.0)


async def day_of_calls(path: Path, url: str) -> list[Entry]:
    """Some closed contacts and one that still talks."""
    stories = [served(n, at=AT + n) for n in range(CONTACTS)]
    talking = served(CONTACTS, at=AT + CONTACTS)[:14]
    agents = [agent_changed("agent01", n, AT + n, "available", f"s{n}") for n in range(1, 4)]
    entries = [event for story in stories for event in story] + talking + agents
    await written(path, url, entries, live=[contact_id(CONTACTS, AT + CONTACTS)])
    return entries


async def found(
    path: Path, url: str, cel: Sequence[Witnessed] | None = None, *, looked_at: float = LOOKED_AT
) -> tuple[list[Finding], Report]:
    report = Report(AT - 1.0, AT + 1000.0, looked_at)
    await audit_events(url, "n1", report, journal_evidence(path), cel)
    assert report.found == len(report.findings)
    return report.findings, report


def account(channel_id: str, at: float, *, ended: bool = True, context: str = "arrival") -> list[Witnessed]:
    """Asterisk's account of a caller."""
    kinds = [("CHAN_START", ""), ("APP_START", "callcenter,in,0800000100"), ("HANGUP", "")]
    kinds += [("LINKEDID_END", "")] * ended
    return [
        Witnessed(kind, at + n, channel_id, channel_id, "", context, "h", "", app_data, "", "", {})
        for n, (kind, app_data) in enumerate(kinds)
    ]


async def test_an_audit_of_a_sound_day_finds_nothing(tmp_path: Path, url: str) -> None:
    entries = await day_of_calls(tmp_path / "j", url)
    findings, report = await found(tmp_path / "j", url)
    assert findings == []
    assert (report.contacts, report.open) == (CONTACTS + 1, 1)
    assert report.events == report.journal_events == len(entries) - 3


@pytest.mark.parametrize(
    ("spoil", "rule", "detail"),
    [
        ("DELETE FROM contact_event WHERE contact_id = $1 AND seq = 9", "I1", "events 9 of 22 are missing"),
        ("DELETE FROM contact_event WHERE contact_id = $1 AND seq = 22", "I1", "it was never closed"),
        (
            'UPDATE contact_event SET data = \'{"language": "fr"}\' WHERE contact_id = $1 AND seq = 4',
            "I1",
            "event 4 does not say what it said when it was written",
        ),
        (
            "UPDATE contact_event SET data = data || '{\"seq_total\": 30}' WHERE contact_id = $1 AND seq = 22",
            "I1",
            "it closed with 30 events and has 22",
        ),
        ("UPDATE contact SET talk_s = talk_s + 1 WHERE contact_id = $1", "I10", "its contact are not"),
        ("DELETE FROM segment WHERE contact_id = $1 AND n = 3", "I10", "its segments are not"),
        ("DELETE FROM contact WHERE contact_id = $1", "I10", "has no row"),
    ],
)
async def test_what_is_lost_changed_or_added_up_wrong_is_named(
    tmp_path: Path, url: str, spoil: str, rule: str, detail: str
) -> None:
    await day_of_calls(tmp_path / "j", url)
    victim = contact_id(2, AT + 2)
    await fetch(url, spoil, victim)
    findings, _ = await found(tmp_path / "j", url)
    assert [one for one in findings if one.rule == rule and detail in one.detail and one.subject == victim], findings
    assert {one.subject.removeprefix("contact/") for one in findings} == {victim}


async def test_what_the_journal_sent_and_the_database_lacks_is_named(tmp_path: Path, url: str) -> None:
    await day_of_calls(tmp_path / "j", url)
    victim = contact_id(1, AT + 1)
    for table in ("contact_event", "contact", "segment", "recording"):
        await fetch(url, f"DELETE FROM {table} WHERE contact_id = $1", victim)
    findings, _ = await found(tmp_path / "j", url)
    assert len(findings) == 22
    assert {(one.rule, one.subject) for one in findings} == {("I1", f"contact/{victim}")}
    assert "is in the journal and not in the database" in findings[0].detail


async def test_what_waits_in_the_journal_is_not_lost(tmp_path: Path, url: str) -> None:
    path, story = tmp_path / "j", served(1)
    await written(path, url, story[:10])
    journal = SqliteJournal(path, "n1", AT, lambda _: None)
    await journal.open()  # the database is away: nobody drains
    for item in appends(story[10:]):
        journal.append(item)
    await journal.close()
    findings, report = await found(path, url)
    assert findings == []
    assert report.open == 1


async def test_an_open_contact_that_nobody_serves_is_named(tmp_path: Path, url: str) -> None:
    await written(tmp_path / "j", url, served(1)[:10])
    findings, _ = await found(tmp_path / "j", url)
    assert [(one.rule, one.detail) for one in findings] == [("I1", "it was never closed, and nobody serves it")]


async def test_while_the_service_runs_only_old_open_contacts_are_suspect(tmp_path: Path, url: str) -> None:
    path = tmp_path / "j"
    await written(path, url, served(1)[:10])
    async with journal_and_writer(path, url):
        findings, report = await found(path, url)
        assert findings == []
        assert report.notes == [
            "I2 is not proved: there is no CEL file",
            "the journal is in use by the service: only what it has sent was looked at",
        ]
        findings, _ = await found(path, url, looked_at=AT + 24 * 3600.0)
        assert len(findings) == 1


async def test_forks_and_gaps_of_the_floor_are_named(tmp_path: Path, url: str) -> None:
    await day_of_calls(tmp_path / "j", url)
    await fetch(url, "DELETE FROM floor_event WHERE seq = 2")
    story = served(0, at=AT)
    other = Entry(story[1].stream, 2, AT + 1, "language.chosen", 1, b'{"language":"fr"}', "site-1")
    (tmp_path / "j").unlink()
    await written(tmp_path / "j", url, [other])
    findings, _ = await found(tmp_path / "j", url)
    told = {(one.subject, one.detail) for one in findings}
    assert (story[0].stream, "event 2 could not take its place: fork") in told
    assert ("agent/agent01", "1 of 3 events are missing") in told


async def test_the_witness_is_heard(tmp_path: Path, url: str) -> None:
    one = served(1)
    await written(tmp_path / "j", url, one)
    ours = account("ch1", AT)
    findings, report = await found(tmp_path / "j", url, ours)
    assert findings == []
    assert (report.callers_witnessed, report.notes) == (1, [])

    findings, _ = await found(tmp_path / "j", url, [*ours, *account("ch2", AT + 5)])
    assert [(f.rule, f.subject, f.detail) for f in findings] == [
        ("I2", "ch2", "caller 'ch2' came to us and is no contact")
    ]
    findings, report = await found(tmp_path / "j", url, [*ours, *account("ch2", AT + 5, context="fallback")])
    assert findings == []
    assert report.callers_of_the_fallback == 1
    findings, _ = await found(tmp_path / "j", url, account("ch3", AT - 50, ended=False))
    assert [(f.rule, f.detail) for f in findings] == [("I2", "Asterisk knows no channel 'ch1'")]


async def test_a_caller_who_is_gone_leaves_no_open_contact(tmp_path: Path, url: str) -> None:
    await written(tmp_path / "j", url, served(1)[:10], live=[contact_id(1)])
    findings, _ = await found(tmp_path / "j", url, account("ch1", AT))
    assert [(f.rule, f.subject, f.detail) for f in findings] == [
        ("I2", contact_id(1), "its caller 'ch1' is gone, and it is not closed")
    ]
