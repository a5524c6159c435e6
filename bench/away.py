"""PostgreSQL away for a minute under calls by SIPp: what routing notices, and how soon the journal is drained."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg

from bench import load
from bench.asterisks import RunningAsterisk, our_asterisk
from bench.load import Burst, Outcome
from bench.rounds import hang_up_all, percentile
from bench.service import Service, running_service
from bench.site import agent_ids, write_site
from callcenter.companions import process
from callcenter.companions.postgres import PostgresCompanion
from tests.kit.ports import free_port

AGENTS: Final = 200
TALK_S: Final = 1.0
DRAINED_S: Final = 60.0
LOOK_S: Final = 0.02
SELDOM_S: Final = 1.0  # a look costs the service a little, so it is looked at often only while it drains
FEW_EVENTS: Final = 100  # calls still come, and the writer rests a moment between batches
SHRANK_EVENTS: Final = 200
BACKLOG: Final = "callcenter_journal_backlog_events "
CONTACTS: Final = "callcenter_contacts{"
MISSING: Final = """
    SELECT count(*)::int AS contacts, (count(*) FILTER (WHERE closed AND end_state = 'agent'))::int AS served,
        coalesce(sum(last_seq - (SELECT count(*) FROM contact_event AS e WHERE e.contact_id = c.contact_id)), 0)::int
            AS missing
    FROM contact AS c WHERE started_at >= to_timestamp($1)
"""


@dataclass
class Watch:
    """The journal's backlog over time: (monotonic seconds, events); and how many contacts live as of the last look."""

    url: str
    look_s: float = SELDOM_S
    seen: list[tuple[float, int]] = field(default_factory=list)
    contacts: int = 0

    async def run(self) -> None:
        """Look until cancelled."""
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"{self.url}/metrics") as answer:
                    lines = (await answer.text()).splitlines()
                self.contacts = _sum(lines, CONTACTS)
                self.seen.append((time.monotonic(), _sum(lines, BACKLOG)))
                await asyncio.sleep(self.look_s)

    def drained(self, since_at: float) -> tuple[int, float, float]:
        """After `since_at`: the most events that were behind, seconds until none was, and of these the writer's own.

        The writer's own seconds begin with the last look before the backlog first shrank.
        """
        after = [(at, events) for at, events in self.seen if at >= since_at]
        most = max(events for _, events in after)
        shrank_at = next(
            before for (before, had), (_, has) in pairwise(after) if has < had - SHRANK_EVENTS or has < FEW_EVENTS
        )
        empty_at = next(at for at, events in after if at > shrank_at and events < FEW_EVENTS)
        return most, empty_at - since_at, empty_at - shrank_at


@dataclass(frozen=True, slots=True)
class Outage:
    """Calls/s, how long PostgreSQL is away, and how long calls come before it goes and after it is back."""

    rate: float = 20.0
    away_s: float = 60.0
    around_s: float = 10.0

    def bursts(self) -> tuple[Burst, Burst]:
        """Calls with PostgreSQL there, for comparison, and calls with it away in the middle."""
        with_it = Burst(self.rate, round(self.rate * 2 * self.around_s), TALK_S)
        return with_it, Burst(self.rate, round(self.rate * (2 * self.around_s + self.away_s)), TALK_S)


async def postgres_away(var: Path, outage: Outage) -> dict[str, Any]:
    """Both bursts of an outage, one after the other; raises AssertionError if a contact or an event of them is lost."""
    phones_port = free_port()
    postgres = PostgresCompanion(var=var, instance="database")
    async with our_asterisk(var, AGENTS, phones_port) as asterisk:
        await postgres.start()
        try:
            site = write_site(var / "site", AGENTS)
            async with running_service(var, site, asterisk, postgres.url) as (service, token):
                await service.log_in(token, agent_ids(AGENTS), "available")
                return await _both_bursts(var, asterisk, service, postgres, phones_port, outage)
        finally:
            await postgres.stop()


async def _both_bursts(
    var: Path,
    asterisk: RunningAsterisk,
    service: Service,
    postgres: PostgresCompanion,
    phones_port: int,
    outage: Outage,
) -> dict[str, Any]:
    since_at, watch = time.time(), Watch(service.url)
    watching = asyncio.create_task(watch.run())
    before, during = outage.bursts()
    try:
        async with _played(var / "before", asterisk, before, phones_port) as (there, callers):
            await callers.wait()
        async with _played(var / "away", asterisk, during, phones_port) as (away, callers):
            await asyncio.sleep(outage.around_s)
            pid = postgres.pid
            assert pid is not None
            os.kill(pid, signal.SIGINT)  # a fast shutdown: sessions end at once
            await asyncio.sleep(outage.away_s)
            assert await process.until(lambda: postgres.pid is None, 10.0), "PostgreSQL does not end"
            await postgres.leave()
            watch.look_s = LOOK_S
            await postgres.start()
            back_at = time.monotonic()
            await callers.wait()
        await _empty(watch)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    behind, drained_s, writing_s = watch.drained(back_at)
    row = await _row(postgres, since_at)
    assert (row["contacts"], row["missing"]) == (before.calls + during.calls, 0), dict(row)
    return {
        "rate": outage.rate,
        "away_s": outage.away_s,
        "before": _told(there[0]),
        "away": _told(away[0]),
        "contacts": row["contacts"],
        "served": row["served"],
        "events_missing": row["missing"],
        "behind": behind,
        "drained_s": round(drained_s, 2),
        "events_per_s": round(behind / writing_s),
    }


@asynccontextmanager
async def _played(
    directory: Path, asterisk: RunningAsterisk, burst: Burst, phones_port: int
) -> AsyncIterator[tuple[list[Outcome], asyncio.subprocess.Process]]:
    """A burst on its way; its outcome is in the list once the block has ended."""
    await hang_up_all(asterisk)
    outcome: list[Outcome] = []
    async with (
        load.capture((asterisk.sip_port, phones_port)) as invites,
        load.agents(directory / "agents", phones_port, asterisk.sip_port),
        load.callers(directory / "callers", burst, asterisk.sip_port) as callers,
    ):
        yield outcome, callers
    outcome.append(load.outcome_of(burst, directory, invites, asterisk.sip_port, phones_port))


async def _empty(watch: Watch) -> None:
    """Every contact has ended, as only the service knows for the last of them, and everything is in the database."""
    since_at = time.monotonic()
    async with asyncio.timeout(DRAINED_S):
        while watch.seen[-1][0] < since_at or watch.contacts + watch.seen[-1][1] > 0:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)


def _sum(lines: Sequence[str], name: str) -> int:
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith(name))


async def _row(postgres: PostgresCompanion, since_at: float) -> asyncpg.Record:
    connection = await asyncpg.connect(postgres.url.replace("+asyncpg", ""))
    try:
        return await connection.fetchrow(MISSING, since_at)
    finally:
        await connection.close()


def _told(outcome: Outcome) -> dict[str, Any]:
    setups_ms: Sequence[float] = [1000 * each for each in outcome.setups_s]
    return {
        "calls": outcome.calls,
        "succeeded": outcome.succeeded,
        "failed": outcome.failed,
        "reoffered": outcome.reoffered,
        "setup_p50_ms": round(percentile(setups_ms, 0.5), 1),
        "setup_p95_ms": round(percentile(setups_ms, 0.95), 1),
    }
