"""A round: one burst on one side, with its delays, its CPU per part, its events, and how quiet the machine was."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from bench import cpu, load
from bench.asterisks import RunningAsterisk, our_asterisk, queue_asterisk
from bench.load import Burst, Outcome
from bench.service import Service, Written, running_service
from bench.site import agent_ids, write_site
from callcenter.companions.postgres import PostgresCompanion
from callcenter.errors import CallCenterError
from tests.kit.ports import free_port

OURS: Final = "ours"
THEIRS: Final = "app_queue"
SIDES: Final = (OURS, THEIRS)
FOREIGN_MAX: Final = 0.10
QUIET_S: Final = 90.0  # after an overload the last callers give up by their own timers

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Side:
    """One contender: its Asterisk, the processes that are its cost, and our service where it is ours."""

    name: str
    asterisk: RunningAsterisk
    parts: Mapping[str, int]
    service: Service | None

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far, per part."""
        return {part: cpu.tree_cpu_s(pid) for part, pid in self.parts.items()}


@dataclass(frozen=True, slots=True)
class Arena:
    """Both contenders, running, with the same agents."""

    directory: Path
    phones_port: int
    sides: Mapping[str, Side]

    def known_cpu_s(self) -> float:
        """CPU seconds so far of everything that belongs to the bench."""
        pids = {pid for side in self.sides.values() for pid in side.parts.values()}
        return cpu.tree_cpu_s(os.getpid(), *pids)


@dataclass(frozen=True, slots=True)
class Round:
    """One burst and all that was measured."""

    side: str
    outcome: Outcome
    cpu_s: Mapping[str, float]
    wall_s: float
    foreign: float
    written: Written | None
    queue_connects: int | None

    @property
    def quiet(self) -> bool:
        """Whether nobody else took more than a tenth of the machine."""
        return self.foreign <= FOREIGN_MAX

    @property
    def cpu_ms_per_call(self) -> dict[str, float]:
        """CPU per served call, per part and altogether ("total")."""
        served = max(1, self.outcome.succeeded)
        costs = {part: 1000 * spent_s / served for part, spent_s in self.cpu_s.items()}
        return {**costs, "total": sum(costs.values())}


@asynccontextmanager
async def arena(var: Path, agents: int, say: Say, profile: Path | None = None) -> AsyncIterator[Arena]:
    """Both contenders with that many agents, all free; gone afterwards."""
    async with AsyncExitStack() as stack:
        say(f"{agents} agents: starting PostgreSQL, two Asterisks and the service")
        phones_port = free_port()
        ours = await stack.enter_async_context(our_asterisk(var, agents, phones_port))
        theirs = await stack.enter_async_context(queue_asterisk(var, agents, phones_port))
        our_side = await stack.enter_async_context(our_side_on(var, ours, agents, profile=profile))
        say(f"{agents} agents: all logged in")
        sides = {OURS: our_side, THEIRS: Side(THEIRS, theirs, {"asterisk": theirs.pid}, None)}
        yield Arena(var, phones_port, sides)


@asynccontextmanager
async def our_side_on(
    var: Path,
    asterisk: RunningAsterisk,
    agents: int,
    *,
    waiting: bool = False,
    profile: Path | None = None,
) -> AsyncIterator[Side]:
    """Our service on a running Asterisk, with every agent free, or, for `waiting` callers, none."""
    site = write_site(var / "site", agents)
    postgres = PostgresCompanion(var=var, instance="database")
    await postgres.start()
    try:
        async with running_service(var, site, asterisk, postgres.url, profile) as (service, token):
            await service.log_in(token, agent_ids(agents), "aux" if waiting else "available")
            assert postgres.pid is not None
            parts = {"asterisk": asterisk.pid, "service": service.pid, "postgresql": postgres.pid}
            yield Side(OURS, asterisk, parts, service)
    finally:
        await postgres.stop()


async def play(where: Arena, name: str, burst: Burst) -> Round:
    """Let one side serve a burst; returns when every channel is gone and every event in the database."""
    side = where.sides[name]
    for each in where.sides.values():
        await hang_up_all(each.asterisk)
    directory = where.directory / "sipp"
    connects = side.asterisk.queue_log_count("CONNECT")
    since_at, began_at = time.time(), time.monotonic()
    before, foreign_share = side.cpu_s(), foreign_since(where.known_cpu_s)
    async with (
        load.capture((side.asterisk.sip_port, where.phones_port)) as invites,
        load.agents(directory / "agents", where.phones_port, side.asterisk.sip_port),
        load.callers(directory / "callers", burst, side.asterisk.sip_port) as callers,
    ):
        await callers.wait()
    written = await side.service.written(burst.calls, since_at) if side.service is not None else None
    after = side.cpu_s()
    return Round(
        side=name,
        outcome=load.outcome_of(burst, directory, invites, side.asterisk.sip_port, where.phones_port),
        cpu_s={part: after[part] - before[part] for part in after},
        wall_s=time.monotonic() - began_at,
        foreign=foreign_share(),
        written=written,
        queue_connects=side.asterisk.queue_log_count("CONNECT") - connects if side.service is None else None,
    )


def foreign_since(known_cpu_s: Callable[[], float]) -> Callable[[], float]:
    """Begin to watch; the call that comes back tells which part of the machine, 0…1, others took since then."""
    began_at, known_s, machine_s = time.monotonic(), known_cpu_s(), cpu.machine_cpu_s()

    def share() -> float:
        others_s = (cpu.machine_cpu_s() - machine_s) - (known_cpu_s() - known_s)
        return max(0.0, others_s) / (cpu.CORES * (time.monotonic() - began_at))

    return share


async def hang_up_all(asterisk: RunningAsterisk) -> int:
    """Wait for an Asterisk without channels; hang up what does not go by itself. How many had to be."""
    hung_up = 0
    async with asterisk.ari() as ari:
        patient_until = time.monotonic() + 2.0
        async with asyncio.timeout(QUIET_S):
            while channels := await ari.channels():
                if time.monotonic() > patient_until:
                    hung_up += len(channels)
                    for channel in channels:
                        try:
                            await ari.hang_up(channel.id)
                        except (CallCenterError, aiohttp.ClientError):
                            continue  # it went by itself meanwhile
                await asyncio.sleep(0.1)
    return hung_up


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies (nearest rank); nan of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
