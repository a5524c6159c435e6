"""One performance: phones register, agents log in, callers call; then everything is counted twice."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from api.demo.cast import TEAMS, Party, parties, time_limit_s
from api.demo.desks import Desks, register
from api.demo.figures import Figures, differences
from api.demo.ports import free_port
from api.demo.recount import recount
from api.demo.screen import Scene, Screen
from api.demo.sipp import SippResult, SippRun
from api.demo.stage import Stage
from api.demo.tally import Tally
from callcenter.companions.process import until
from callcenter.errors import CallCenterError
from callcenter.feed.hub import Resync, Subscription

LOOK_S: Final = 0.2
OVER_S: Final = 60.0  # until the last contact has ended after the last caller left
WRITTEN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Review:
    """How it went. `callers` called, `wanted` of them stay until served; `findings` say all that is wrong."""

    wanted: int
    callers: int
    callers_failed: int
    lasted_s: float
    summary: Figures
    differences: tuple[str, ...]
    troubled: tuple[str, ...]
    findings: tuple[str, ...]


class Performance:
    """A demo on a stage. `perform` once."""

    def __init__(self, stage: Stage, calls: int, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._center = stage.center
        self._calls = calls
        self._say = say
        self._parties = parties(calls, stage.server)
        self._callers = sum(party.calls for party in self._parties)
        self._sl_s = {queue.queue: queue.sl_s for queue in stage.site.queues.values()}
        self._from_position = stage.center.hub.position
        self._tally = Tally(self._sl_s, self._from_position)
        self._desks = Desks(stage.center.floor)
        self._began_at = stage.center.clock.now()

    async def perform(self) -> Review:
        """Play it to the end. Raises CallCenterError when it can't go on."""
        async with AsyncExitStack() as stack:
            stack.callback(self._desks.close)
            feed = stack.enter_context(self._center.hub.subscribe(self._from_position))
            phones = await self._enter_agents(stack)
            self._say(f"demo: {self._callers} callers for {len(self._stage.site.agents)} agents")
            self._began_at = self._center.clock.now()
            async with asyncio.TaskGroup() as group:
                following = group.create_task(self._follow(feed), name="follow")
                results = await self._call()
                await self._settle()
                following.cancel()
            lasted_s = self._center.clock.now() - self._began_at
            self._desks.log_out()
            for run in phones:
                with suppress(CallCenterError, TimeoutError):  # what phones make of it shows in the callers' results
                    await run.finish(within_s=5.0)
            await self._written()
            second = await recount(self._stage.database_url, self._stage.settings.node, self._from_position, self._sl_s)
        return self._review(results, second, lasted_s)

    async def _enter_agents(self, stack: AsyncExitStack) -> list[SippRun]:
        self._say("agents: registering their phones, logging in")
        ports = {team.name: free_port() for team in TEAMS}
        directory = self._stage.directory
        server, credentials = self._stage.server, self._stage.credentials
        async with asyncio.TaskGroup() as group:
            for team in TEAMS:
                where = directory / "registering"
                group.create_task(register(team, server, credentials, ports[team.name], where))
        limit_s = time_limit_s(self._calls) + OVER_S
        runs = [
            SippRun(team.phones(server, ports[team.name], limit_s), directory / "agents" / team.name) for team in TEAMS
        ]
        for run in runs:
            await stack.enter_async_context(run)
        await self._desks.log_in(TEAMS)
        return runs

    async def _call(self) -> list[SippResult]:
        """All parties call at the same time, each from a SIPp of its own."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._party(party), name=f"callers {party.name}") for party in self._parties]
        return [task.result() for task in tasks]

    async def _party(self, party: Party) -> SippResult:
        async with SippRun(party.plan, self._stage.directory / "callers" / party.name) as run:
            return await run.wait()

    async def _follow(self, feed: Subscription) -> None:
        """Count what the feed says, let the agents react, show it."""
        with Screen() as screen:
            while True:
                batch = await feed.take(LOOK_S)
                if isinstance(batch, Resync):
                    raise CallCenterError("the demo fell behind its own feed; fewer --calls, or a quicker machine")
                for committed in batch:
                    self._tally.take(committed)
                    if committed.entry.type == "agent.changed":
                        self._desks.take(msgspec.json.decode(committed.entry.data))
                screen.show(self._center.clock.now() - self._began_at, self._scene)

    def _scene(self) -> Scene:
        since_s = self._center.clock.now() - self._began_at
        return Scene(since_s, self._callers, self._center.floor.snapshot(), self._tally.figures)

    async def _settle(self) -> None:
        """Wait until every contact has ended, wrap-up included; those that don't are findings."""
        await until(lambda: not list(self._center.switchboard.contacts) and self._caught_up(), OVER_S)

    def _caught_up(self) -> bool:
        return not self._tally.unfinished and self._tally.position == self._center.hub.position

    async def _written(self) -> None:
        journal = self._center.journal
        written = await until(lambda: journal.backlog() == 0, WRITTEN_S)
        if not written or not await self._center.writer.until(journal.position, WRITTEN_S):
            raise CallCenterError(f"not all events reached PostgreSQL: {self._center.writer.health().why}")

    def _review(self, results: Sequence[SippResult], second: Figures, lasted_s: float) -> Review:
        first = self._tally.figures
        unequal = tuple(differences(first, second))
        failed = sum(party.calls - result.succeeded for party, result in zip(self._parties, results, strict=True))
        findings = [
            *(f"{first.failed} contacts failed" for _ in range(first.failed > 0)),
            *(f"{contact_id} has not ended" for contact_id in self._tally.unfinished),
            *self._caller_findings(results),
        ]
        if first.served < self._calls:
            findings.append(f"{first.served} contacts were served, {self._calls} were to be")
        if first.contacts != self._callers:
            findings.append(f"{self._callers} callers called, but {first.contacts} contacts began")
        if first.whole != first.contacts:
            findings.append(f"of {first.contacts} contacts, {first.whole} have all their events")
        if unequal:
            findings.append("the recount from the events in PostgreSQL differs")
        troubled = dict.fromkeys((*self._tally.troubled, *self._tally.unfinished))
        return Review(
            wanted=self._calls,
            callers=self._callers,
            callers_failed=failed,
            lasted_s=lasted_s,
            summary=first,
            differences=unequal,
            troubled=tuple(troubled),
            findings=tuple(findings),
        )

    def _caller_findings(self, results: Sequence[SippResult]) -> list[str]:
        directory = self._stage.directory / "callers"
        return [
            f"{party.calls - result.succeeded} callers of the party '{party.name}' met something unexpected: "
            f"see {directory / party.name / 'errors.txt'}"
            for party, result in zip(self._parties, results, strict=True)
            if result.succeeded != party.calls
        ]
