"""The audit: from journal, database and Asterisk's own account, whether anything was lost, doubled or added up wrong.

Three invariants, each a rule that names whom it does not hold for:

I1  every contact has events 1…n without gap or double, whole, and closes with an event that knows n;
I2  every caller that Asterisk let go of is a closed contact, and every contact a caller that Asterisk knows;
I10 what the database says of contacts (the projections) is what their events add up to.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from callcenter.asterisk.cel import FALLBACK_CONTEXTS, Witnessed, parsed
from callcenter.asterisk.cel_files import files_of, forwards, warn
from callcenter.config.calling import EXPIRES_S_MAX
from callcenter.contact.events import CallbackPromised, ContactEnded
from callcenter.db import evidence
from callcenter.db.copying import Connection
from callcenter.db.evidence import JournalEvidence, Told
from callcenter.db.projections import RecordingRow

FINDINGS_SHOWN_MAX = 1_000
OPEN_S = 12 * 3600.0  # a contact open for longer is not a long call any more
CHANNELS_AROUND_S = 24 * 3600.0
RESULT = "audit.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that does not hold for somebody: a contact, a stream, or a channel of Asterisk's."""

    rule: str
    subject: str
    detail: str


@dataclass(slots=True)
class Report:
    """What was looked at, what was found, and what could not be proved (`notes`)."""

    from_at: float
    to_at: float
    looked_at: float
    contacts: int = 0
    events: int = 0
    open: int = 0
    journal_events: int | None = None  # None: the journal could not be looked at
    callers_witnessed: int = 0
    callers_of_the_fallback: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def find(self, rule: str, subject: str, detail: str) -> None:
        """One more finding; all are counted, the first FINDINGS_SHOWN_MAX are kept."""
        self.found += 1
        if len(self.findings) < FINDINGS_SHOWN_MAX:
            self.findings.append(Finding(rule, subject, detail))


async def audit_events(
    url: str, node: str, report: Report, journal: JournalEvidence | None, cel: Sequence[Witnessed] | None
) -> None:
    """Fill `report`, made for its span. `journal` None: it is in use; `cel` None: there is no witness.

    Raises DatabaseError.
    """
    by_channel: dict[str, list[Told]] = defaultdict(list)
    async with evidence.snapshot(url) as connection:
        live = None if journal is None else journal.live
        unsent = {} if journal is None else journal.unsent()
        if journal is not None:
            await _journal_in_database(connection, report, journal)
        chunk: list[Told] = []
        async for told in evidence.contacts_told(connection, node, report.from_at, report.to_at):
            waiting = unsent.pop(told.contact_id, None)
            _gapless(report, told, live, unsent=waiting is not None)
            told.types += [] if waiting is None else waiting.types
            by_channel[told.channel_id].append(told)
            chunk.append(told)
            if len(chunk) == evidence.CHUNK:
                await _adds_up(connection, report, chunk)
                chunk = []
        await _adds_up(connection, report, chunk)
        for told in unsent.values():  # the database knows nothing of these yet
            by_channel[told.channel_id].append(told)
        for stream, seq, reason in await evidence.conflicts(connection, node, report.from_at, report.to_at):
            report.find("I1", stream, f"event {seq} could not take its place: {reason}")
        for stream, due, held in await evidence.floor_gaps(connection, node, report.from_at, report.to_at):
            report.find("I1", stream, f"{due - held} of {due} events are missing")
        for gap in await evidence.gaps(connection, node, report.from_at, report.to_at):
            lost = "are not in the database, and the journal had forgotten them when it was set back"
            report.find("I1", "journal", f"{gap} {lost}")
        if cel is None:
            report.notes.append("I2 is not proved: there is no CEL file")
        else:
            await _witnessed(connection, node, report, by_channel, cel)
    if journal is None:
        report.notes.append("the journal is in use by the service: only what it has sent was looked at")


async def _journal_in_database(connection: Connection, report: Report, journal: JournalEvidence) -> None:
    """What the journal believes to have sent is there."""
    report.journal_events = len(journal.events)
    sent = [event for event in journal.events if event.position <= journal.drained]
    for event in await evidence.not_held(connection, sent):
        report.find("I1", event.entry.stream, f"event {event.entry.seq} is in the journal and not in the database")


def _gapless(report: Report, told: Told, live: frozenset[str] | None, *, unsent: bool) -> None:
    """I1 for one contact."""
    report.contacts += 1
    report.events += len(told.seqs)
    due = list(range(1, len(told.seqs) + 1))
    if told.seqs != due:
        missing = sorted(set(range(1, told.seqs[-1] + 1)) - set(told.seqs))
        report.find("I1", told.contact_id, f"events {_span(missing)} of {told.seqs[-1]} are missing")
    for seq in told.forged:
        report.find("I1", told.contact_id, f"event {seq} does not say what it said when it was written")
    ends = [n for n, kind in enumerate(told.types) if kind == ContactEnded.type]
    if ends and ends != [len(told.types) - 1]:
        report.find("I1", told.contact_id, "there are events after its end")
    elif ends and told.seq_total != told.seqs[-1]:
        report.find("I1", told.contact_id, f"it closed with {told.seq_total} events and has {told.seqs[-1]}")
    if not ends:
        report.open += 1
        forgotten = (
            report.looked_at - told.began_at > _open_s(told)
            if live is None
            else told.contact_id not in live and not unsent
        )
        if forgotten:
            report.find("I1", told.contact_id, "it was never closed, and nobody serves it")


def _open_s(told: Told) -> float:
    """How long a contact may be open: whom we promised to call back may have to wait for days."""
    return OPEN_S + (EXPIRES_S_MAX if CallbackPromised.type in told.types else 0.0)


def _span(seqs: Sequence[int]) -> str:
    shown = ", ".join(str(seq) for seq in seqs[:10])
    return shown + (f" and {len(seqs) - 10} more" if len(seqs) > 10 else "")


async def _adds_up(connection: Connection, report: Report, chunk: Sequence[Told]) -> None:
    """I10 for some contacts."""
    if not chunk:
        return
    held = await evidence.views_held(connection, [told.contact_id for told in chunk])
    for told in chunk:
        view = held.get(told.contact_id)
        if told.view is None or view is None:
            if told.view is not view:
                there = "has no row" if view is None else "has a row and never began"
                report.find("I10", told.contact_id, there)
            continue
        for name, ours, theirs in (
            ("contact", told.view.contact, view.contact),
            ("segments", told.view.segments, view.segments),
            ("recordings", sorted(told.view.recordings, key=_by_id), sorted(view.recordings, key=_by_id)),
        ):
            if ours != theirs:
                report.find("I10", told.contact_id, f"its {name} are not what its events add up to")


def _by_id(row: RecordingRow) -> str:
    return row.recording_id


async def _witnessed(
    connection: Connection,
    node: str,
    report: Report,
    by_channel: Mapping[str, list[Told]],
    cel: Sequence[Witnessed],
) -> None:
    """I2: callers that Asterisk let go of are closed contacts, contacts are callers that Asterisk knows."""
    if not cel:
        report.notes.append("I2 is not proved: the CEL file says nothing about this span")
        return
    known: dict[str, list[Told]] = dict(by_channel)
    async for told in evidence.contacts_told(connection, node, report.from_at - CHANNELS_AROUND_S, report.from_at):
        known.setdefault(told.channel_id, []).append(told)
    heard_from = min(one.at for one in cel)
    by_link: dict[str, list[Witnessed]] = defaultdict(list)
    for one in cel:
        by_link[one.linked_id].append(one)
    for linked_id, account in sorted(by_link.items()):
        if any(one.kind == "LINKEDID_END" and report.from_at <= one.at < report.to_at for one in account):
            _let_go(report, linked_id, account, known)
    channels = {one.channel_id for one in cel}
    for channel_id, contacts in sorted(by_channel.items()):
        for told in contacts:
            if told.channel == "phone" and told.began_at >= heard_from + 1.0 and channel_id not in channels:
                report.find("I2", told.contact_id, f"Asterisk knows no channel {channel_id!r}")
    if heard_from > report.from_at + 3600.0:
        report.notes.append("I2 is proved from the CEL file's beginning on, which is later than the span's")


def _let_go(report: Report, linked_id: str, account: Sequence[Witnessed], known: Mapping[str, list[Told]]) -> None:
    """One group of channels that met, the last of which is gone."""
    callers = {one.channel_id for one in account if one.kind == "APP_START" and ",in," in f",{one.app_data}"}
    for channel_id in sorted(callers):
        report.callers_witnessed += 1
        contacts = known.get(channel_id, [])
        for told in contacts:
            if not (told.closed or CallbackPromised.type in told.types):
                report.find("I2", told.contact_id, f"its caller {channel_id!r} is gone, and it is not closed")
        if contacts:
            continue
        if any(one.channel_id == channel_id and one.context in FALLBACK_CONTEXTS for one in account):
            report.callers_of_the_fallback += 1  # we were away: the dialplan cared for them
        else:
            report.find("I2", linked_id, f"caller {channel_id!r} came to us and is no contact")


def witnessed_in(
    path: Path, from_at: float, to_at: float, damaged: Callable[[str], None] = warn
) -> list[Witnessed] | None:
    """What the CEL file at `path` and its predecessors say of the span and the day around it; None without a file.

    `damaged` is told of each file that can't be read to its end; what can be read of it counts.
    """
    since, until = from_at - CHANNELS_AROUND_S, to_at + CHANNELS_AROUND_S
    if not files_of(path):
        return None
    found: list[Witnessed] = []
    for each in files_of(path, since):
        for block in forwards(each, damaged):
            found += [one for one in parsed(block) if since <= one.at < until]
    return found


def keep(report: Report, path: Path) -> None:
    """Leave the result where `last` finds it: for metrics and doctor."""
    new = path.with_name(f"{path.name}.new")
    new.parent.mkdir(parents=True, exist_ok=True)  # of an instance that never ran
    new.write_bytes(msgspec.json.encode(report))
    new.replace(path)


def last(path: Path) -> Report | None:
    """The result of the last audit; None if there was none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError):
        return None


def told(findings: Iterable[Finding]) -> list[str]:
    """The findings as lines."""
    return [f"{finding.rule}  {finding.subject}  {finding.detail}" for finding in findings]
