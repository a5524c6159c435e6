"""The offline checker: from the database, the journal, Asterisk's own account and what callers lived through."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from callcenter.audit import Report, audit_events, told, witnessed_in
from callcenter.clock import AnchoredClock
from callcenter.db.evidence import journal_evidence
from callcenter.db.queries import EventRow
from tests.chaos.people import Caller, Desks
from tests.chaos.stage import Stage
from tests.database import fetch

GAP_MS_MAX: Final = 1000.0
"""No dead air > 1 s (RELIABILITY.md A6, row 7); the bar of 100 ms for a talk is measured by bench/killed.py."""
TRUNK_S: Final = 5.0
"""So long around the death of Asterisk a caller may get no answer: it boots."""


@dataclass
class Verdict:
    """What came of a run: what must not be (`findings`), and figures."""

    findings: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


async def judged(stage: Stage, callers: Sequence[Caller], desks: Desks, from_at: float, url: str) -> Verdict:
    """All rules, once the service has ended."""
    verdict = Verdict()
    await _audited(stage, verdict, from_at, url)
    events = await stage.service.events()
    stories: dict[str, list[EventRow]] = defaultdict(list)
    for event in events:
        if event.stream.startswith("contact/"):
            stories[event.stream].append(event)
    for stream in [stream for stream, story in stories.items() if story[0].type != "contact.started"]:
        verdict.findings.append(f"a contact has no beginning: {stream} {[event.seq for event in stories.pop(stream)]}")
    _agents_do_one_thing_at_a_time(stories, verdict)
    _offers_settle_once(stories, verdict)
    _nobody_dropped(stage, callers, desks, stories, verdict)
    _no_dead_air(stage, callers, desks, verdict)
    ends = Counter(str(story[-1].data.get("end_state")) for story in stories.values())
    verdict.figures |= {
        "callers": len(callers),
        "contacts": len(stories),
        "events": len(events),
        "end states": dict(sorted(ends.items())),
        "contacts failed": sum(event.type == "contact.failed" for event in events),
        "s until served again, after": dict(stage.back_s),
        "talks": len([desk for desk in desks.calls if desk.times.answered_at]),
    }
    return verdict


async def _audited(stage: Stage, verdict: Verdict, from_at: float, url: str) -> None:
    """I1, I2, I10; and nothing under another's name."""
    now = AnchoredClock().now()
    report = Report(from_at, now, now)
    witness = await asyncio.to_thread(witnessed_in, stage.asterisk.companion.cel_path, from_at, now)
    await audit_events(url, "n1", report, journal_evidence(stage.journal_disk.folder / "journal.sqlite"), witness)
    verdict.findings += told(report.findings)
    verdict.findings += [f"not proved: {note}" for note in report.notes]
    if report.open:
        verdict.findings.append(f"{report.open} contacts were never closed")
    conflicts = await fetch(url, "SELECT count(*) AS many FROM event_conflict")
    if conflicts[0]["many"]:
        verdict.findings.append(f"{conflicts[0]['many']} events were doubled with another content")
    verdict.figures["callers witnessed by CEL"] = report.callers_witnessed
    verdict.figures["callers whom the fallback alone cared for"] = report.callers_of_the_fallback


def _agents_do_one_thing_at_a_time(stories: Mapping[str, Sequence[EventRow]], verdict: Verdict) -> None:
    talks: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for stream, story in stories.items():
        began: dict[str, float] = {}
        for event in story:
            agent_id = str(event.data.get("agent_id"))
            if event.type == "talk.started":
                began[agent_id] = event.at
            elif event.type == "talk.ended" and agent_id not in began:
                verdict.findings.append(f"a talk ended that never began: {stream} {agent_id}")
            elif event.type == "talk.ended":
                talks[agent_id].append((began.pop(agent_id), event.at, stream))
    for agent_id, spans in talks.items():
        for (_, until, one), (since, _, other) in pairwise(sorted(spans)):
            if since < until - 1e-3:
                verdict.findings.append(f"{agent_id} talks twice at a time: {one} and {other}")


def _offers_settle_once(stories: Mapping[str, Sequence[EventRow]], verdict: Verdict) -> None:
    for stream, story in stories.items():
        made = Counter(str(event.data["offer_id"]) for event in story if event.type == "offer.made")
        settled = Counter(str(event.data["offer_id"]) for event in story if event.type == "offer.settled")
        if made != settled or any(count > 1 for count in made.values()):
            verdict.findings.append(f"offers do not settle once: {stream} {made - settled or settled - made}")


def _nobody_dropped(
    stage: Stage,
    callers: Sequence[Caller],
    desks: Desks,
    stories: Mapping[str, Sequence[EventRow]],
    verdict: Verdict,
) -> None:
    """A call ends by its caller, by its agent's phone, at the end of a way out, or with the Asterisk it was on."""
    ends: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for story in stories.values():
        ends[str(story[0].data["caller"])[-9:]].append(story[-1].data)
    lost_with_asterisk = 0
    for caller in callers:
        times = caller.call.times
        over_at = times.ended_at or 0.0
        if any(died <= over_at and times.invited_at <= back + TRUNK_S for died, back in stage.asterisk_died):
            lost_with_asterisk += 1
            continue
        if times.answered_at is None and not caller.hung_up:
            verdict.findings.append(f"a caller was refused: {caller.plan} {caller.call.status}")
        elif caller.forsaken:
            verdict.findings.append(f"nobody heard a caller hang up: {caller.plan}")
        elif not caller.hung_up:
            known = ends[caller.plan.number[-9:]]
            by_agent = any(desk.ended_by == "us" for desk in desks.of(caller))
            if not by_agent and not any(end["end_state"] in {"closed", "blocked"} for end in known):
                verdict.findings.append(f"a caller was dropped: {caller.plan} {known}")
    verdict.figures["callers lost with Asterisk"] = lost_with_asterisk


def _no_dead_air(stage: Stage, callers: Sequence[Caller], desks: Desks, verdict: Verdict) -> None:
    worst = 0.0
    for caller in callers:
        times = caller.call.times
        over_at = times.ended_at or 0.0
        if any(died <= over_at and times.invited_at <= back for died, back in stage.asterisk_died):
            continue
        gap_ms = desks.gap_ms(caller)
        worst = max(worst, gap_ms)
        if gap_ms > GAP_MS_MAX:
            verdict.findings.append(f"{gap_ms:.0f} ms of silence in the talk of {caller.plan}")
    verdict.figures["longest silence in a talk, ms"] = round(worst, 1)
