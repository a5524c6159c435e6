"""explain: what would become of a call, told by the running service; nobody is called."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.cli.instants import by_the_site
from api.cli.output import Exit, err, out, say_json
from api.cli.service import Refused, ask
from callcenter.config.settings import Settings

Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options; an instant without a zone is by the site's clock."""

    customer: str | None
    dialed: str
    queue: str | None
    language: str | None
    at: datetime | None
    as_json: bool


async def explain(settings: Settings, token: str, asked: Asked) -> Exit:
    """Print the answer; FINDING if the service refused the question. Raises ServiceAway."""
    at = None if asked.at is None else by_the_site(asked.at, settings).isoformat()
    given = {"customer": asked.customer, "queue": asked.queue, "language": asked.language, "at": at}
    body = {"dialed": asked.dialed} | {name: value for name, value in given.items() if value is not None}
    try:
        found = await ask(settings, token, "POST", "/v1/routing/explain", body)
    except Refused as refusal:
        if asked.as_json:
            say_json({"error": str(refusal), **refusal.body})
        err().print(f"callcenter: {refusal}", markup=False)
        return Exit.FINDING
    if asked.as_json:
        say_json(found)
    else:
        out().print("\n".join(_lines(found)), markup=False)
    return Exit.OK


def _lines(found: Found) -> Iterator[str]:
    customer, hotline, admission = found["customer"], found["hotline"], found["admission"]
    who = "nobody we know" if customer is None else f"{customer['customer_id']} {customer['name'] or ''}".strip()
    yield f"{who}: value tier {found['value_tier']}, spoken to in {found['language']}"
    note = "" if hotline["configured"] else " (not configured: the default hotline)"
    yield f"dialed {hotline['dialed']}{note} → " + (
        f"flow {hotline['flow']}" if hotline["flow"] else f"queue {hotline['queue']}"
    )
    yield f"trunk: {'yes' if admission['accepted'] else 'NO'}, {admission['why']}"
    for way in found["ways"]:
        where = f"queue {way['queue']}" if way["queue"] else f"the end ({way['end_state']})"
        yield f"  keys {way['keys'] or '(none)':<8} {way['language']:<6} → {where}"
    for course in found["queues"]:
        yield ""
        yield from _course(course)


def _course(course: Found) -> Iterator[str]:
    by = "" if course["keys"] is None else f" (keys {course['keys'] or 'none'})"
    moved = "" if course["queue"] == course["entered"] else f", which the rules turn into {course['queue']}"
    yield f"queue {course['entered']}{by}{moved}: value tier {course['value_tier']}, language {course['language']}"
    for rule in course["rules"]:
        yield f"  rule {rule['rule']}: {_fared(rule)}"
    for closing in course["closed"]:
        yield f"  CLOSED: {closing['reason']}; newcomers go to {closing['newcomers_to']}"
    if course["preferred_agent"]:
        yield f"  prefers {course['preferred_agent']}, waits for them {course['preferred_wait_s']:g} s by the rules"
    yield from _reach(course)
    yield from _place(course["would_enter"])


def _fared(rule: Found) -> str:
    if not rule["matched"]:
        return f"no, {rule['why']}"
    in_vain = [f"without effect: {text}" for text in rule["without_effect"]]
    return "; ".join(["yes", *rule["effects"], *in_vain])


def _reach(course: Found) -> Iterator[str]:
    for rung in course["reach"]:
        skipped = ", skipped while nobody such is logged in" if rung["skip_if_unstaffed"] else ""
        yield f"  from {rung['after_s']:g} s: {rung['requires']}{skipped}"
        if rung["experienced"]:
            yield f"    until {course['experienced_until_s']:g} s, if there is any such agent: {rung['experienced']}"
    if course["backup_after_s"]:
        yield f"  back-up members from {', '.join(f'{after_s:g} s' for after_s in course['backup_after_s'])}"
    if course["way_out"]:
        yield f"  from {course['way_out']['after_s']:g} s: leaves to {course['way_out']['to']}"


def _place(place: Found) -> Iterator[str]:
    yield f"  now: {place['summary']}"
    if place["candidates"]:
        yield f"    ready, best first: {', '.join(place['candidates'])}"
    for excluded in place["excluded"]:
        examples = _some(excluded["examples"], excluded["agents"])
        yield f"    {_counted(excluded['agents'])} {excluded['reason']}: {examples}"
    estimate = place["estimate"]
    if estimate is not None:
        p50_s, p90_s = (_wait(estimate[name]) for name in ("p50_s", "p90_s"))
        yield f"    position {estimate['position']}; the wait: {p50_s} in the median, {p90_s} at P90"


def _counted(agents: int) -> str:
    return f"{agents} agent{'s' if agents != 1 else ''},"


def _some(names: Sequence[str], total: int) -> str:
    return ", ".join(names) + (" …" if total > len(names) else "")


def _wait(wait_s: float | None) -> str:
    return "no end in sight" if wait_s is None else f"{wait_s:.0f} s"
