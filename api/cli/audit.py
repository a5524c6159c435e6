"""audit events: whether anything was lost, doubled or added up wrong; every finding, and an exit code for programs."""

import asyncio
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

from api.cli.database import reached
from api.cli.instants import by_the_site
from api.cli.journal import journal_path
from api.cli.output import Exit, err, out, say_json
from callcenter.access import cel_path
from callcenter.asterisk.cel import Witnessed
from callcenter.audit import RESULT, Report, audit_events, keep, told, witnessed_in
from callcenter.clock import AnchoredClock
from callcenter.config.settings import Settings
from callcenter.db.evidence import JournalEvidence, journal_evidence
from callcenter.db.journal_status import status_of
from callcenter.errors import JournalError

SPAN = timedelta(days=1)


async def events(
    settings: Settings,
    since: datetime | None,
    until: datetime | None,
    cel: Path | None,
    *,
    cel_optional: bool = False,
    as_json: bool,
) -> Exit:
    """Audit the contacts that began in the span (the last day, if none is given); FINDING if anything is wrong.

    Without a CEL file, I2 can't be proved, which is a finding too, unless it is optional. Raises DatabaseError,
    CompanionError.
    """
    now = AnchoredClock().now()
    to_at = now if until is None else by_the_site(until, settings).timestamp()
    from_at = to_at - SPAN.total_seconds() if since is None else by_the_site(since, settings).timestamp()
    if from_at >= to_at:
        err().print("callcenter: --to must be later than --from")
        return Exit.USAGE
    report = Report(from_at, to_at, now)
    path = cel or cel_path(settings)
    witness = None if cel_optional and path is None else await _witness(report, path)
    journal: JournalEvidence | None
    try:
        journal = await asyncio.to_thread(journal_evidence, journal_path(settings))
    except JournalError as error:
        journal = JournalEvidence([], frozenset(), 0)  # then nobody serves what is open
        report.find("I1", str(journal_path(settings)), str(error))
    with suppress(JournalError):  # told above
        if (forgotten := (await asyncio.to_thread(status_of, journal_path(settings))).forgotten) is not None:
            report.notes.append(
                f"the journal had no room and forgot {forgotten}: these can't be compared or sent again"
            )
    async with reached(settings) as url:
        await audit_events(url, settings.node, report, journal, witness)
    keep(report, journal_path(settings).with_name(RESULT))
    _say(report, as_json=as_json)
    return Exit.FINDING if report.found else Exit.OK


async def _witness(report: Report, path: Path | None) -> list[Witnessed] | None:
    if path is None:
        report.find("I2", "CEL", "Asterisk's account is not where ours would be; name the file with --cel")
        return None
    damaged: list[str] = []
    found = await asyncio.to_thread(witnessed_in, path, report.from_at, report.to_at, damaged.append)
    report.notes += [f"I2 is proved in part only, Asterisk's account has a gap: {why}" for why in damaged]
    if found is None:
        report.find("I2", str(path), "there is no such file, so Asterisk could not be asked")
    return found


def _say(report: Report, *, as_json: bool) -> None:
    if as_json:
        say_json(asdict(report))
        return
    for line in told(report.findings):
        out().print(line, markup=False)
    for note in report.notes:
        err().print(f"note: {note}", markup=False)
    looked = f"{report.contacts:,} contacts ({report.open:,} open), {report.events:,} events"
    witness = f"{report.callers_witnessed:,} callers witnessed by Asterisk"
    journal = "" if report.journal_events is None else f", {report.journal_events:,} events in the journal"
    out().print(f"{report.found:,} findings in {looked}{journal}, {witness}")
