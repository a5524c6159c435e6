"""The agents behind the phones: they register, log in, finish their wrap-up, and come back after a missed offer."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from api.demo.cast import Team
from api.demo.sipp import Address, SippRun, agent_register
from callcenter.companions.credentials import Credentials
from callcenter.companions.process import until
from callcenter.errors import CallCenterError
from callcenter.floor import Floor
from routing.model import RONA, Activity, Presence

WRAP_UP_S: Final = 2.0
BREAK_S: Final = 6.0  # after a missed offer
READY_S: Final = 20.0


class Desks:
    """All agents of the demo. Tell it every `agent.changed`; `close` ends its timers."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def log_in(self, teams: tuple[Team, ...]) -> None:
        """Return when all of them could be offered a contact. Raises CallCenterError naming who could not."""
        agents = {agent for team in teams for agent in team.agents}
        for agent_id in sorted(agents):
            self._floor.log_in(agent_id)
        if not await until(lambda: not agents - self._ready(), READY_S):
            raise CallCenterError(f"agents did not become ready: {', '.join(sorted(agents - self._ready()))}")

    def log_out(self) -> None:
        """Everybody goes home."""
        self.close()
        for agent in self._floor.snapshot().agents:
            self._floor.log_out(agent.agent_id)

    def take(self, change: Mapping[str, Any]) -> None:
        """React to an agent's new state as the person would: say "available", which ends a wrap-up too."""
        if change["activity"] == Activity.WRAP_UP:
            self._available_after(change["agent_id"], WRAP_UP_S)
        elif change["presence"] == Presence.AUX and change["aux_code"] == RONA:
            self._available_after(change["agent_id"], BREAK_S)

    def close(self) -> None:
        """Nobody does anything any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _ready(self) -> set[str]:
        ready = (Presence.AVAILABLE, Activity.IDLE, True)
        agents = self._floor.snapshot().agents
        return {agent.agent_id for agent in agents if (agent.presence, agent.activity, agent.reachable) == ready}

    def _available_after(self, agent_id: str, after_s: float) -> None:
        if agent_id in self._timers:
            self._timers.pop(agent_id).cancel()
        loop = asyncio.get_running_loop()
        self._timers[agent_id] = loop.call_later(after_s, self._floor.choose_presence, agent_id, Presence.AVAILABLE)


async def register(team: Team, server: Address, credentials: Credentials, port: int, directory: Path) -> None:
    """Register the phones of a team at its port, one after the other. Raises SippFailed."""
    for agent_id in team.agents:
        plan = agent_register(server, agent_id, credentials.agent_password(agent_id), port=port)
        async with SippRun(plan, directory / agent_id) as run:
            await run.succeed()
