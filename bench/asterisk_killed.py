"""Asterisk killed with 20 calls up: how soon every contact is closed, as what, and agents are available again."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from bench.killed import CHOOSING, QUEUED, TALKING, Calls, everybody_can_do_everything, parts, quantile
from callcenter.clock import AnchoredClock
from callcenter.db.queries import EventRow
from tests.database import open_directory
from tests.kit.behaviour import Answer
from tests.kit.hotline import AGENT_HZ, VIP
from tests.kit.parts import AGENTS, RealAsterisk
from tests.kit.phone import Phone
from tests.kit.service import Service, service_on

AWAY_S: Final = 0.5
WITHIN_S: Final = 60.0
LOOK_S: Final = 0.05
RIGHT: Final[Mapping[str, str]] = {"0010": "agent", "0020": "failed", "0030": "failed"}
"""The end state of each caller, by the digits before the last two: who talked, who waited, who chose from a menu."""
NEWCOMER: Final = "0912009001"


@dataclass
class Measured:
    """Seconds after Asterisk was back until …, one a kill."""

    back_at: list[float] = field(default_factory=list)  # by the clock that events have
    served_s: list[float] = field(default_factory=list)
    closed_s: list[float] = field(default_factory=list)
    available_s: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


async def killed_asterisk(kills: int) -> dict[str, Any]:
    """Kill Asterisk `kills` times, each with 20 calls up; raises AssertionError where somebody is never back."""
    measured = Measured()
    with open_directory() as var:
        async with parts(var) as (asterisk, postgres), AsyncExitStack() as stack:
            (var / "service").mkdir()
            url = await postgres.database("killed")
            service = await stack.enter_async_context(service_on(asterisk, var / "service", url))
            everybody_can_do_everything(var / "service" / "site" / "agents.toml")
            trunk = await stack.enter_async_context(asterisk.trunk())
            phones = {agent: await stack.enter_async_context(asterisk.phone(agent)) for agent in AGENTS[:TALKING]}
            for phone in phones.values():
                phone.behaviour = Answer(tone_hz=AGENT_HZ)
            await service.start()
            for _ in range(kills):
                await _once(asterisk, service, trunk, phones, measured)
            assert await service.stop() == 0
            _judge(await service.events(), measured)
    return {
        "kills": kills,
        "callers": kills * (TALKING + QUEUED + CHOOSING),
        **_quantiles("served", measured.served_s),
        **_quantiles("closed", measured.closed_s),
        **_quantiles("available", measured.available_s),
        "end_states": dict(sorted(measured.ends.items())),
        "wrong": measured.wrong,
    }


async def _once(
    asterisk: RealAsterisk, service: Service, trunk: Phone, phones: Mapping[str, Phone], measured: Measured
) -> None:
    for agent_id, phone in phones.items():
        await phone.register()
        await service.log_in(agent_id)
    await _until(lambda: _all_idle(service))
    calls = Calls(service, trunk, phones)
    await calls.begin()
    companion = asterisk.companion
    assert companion.pid is not None
    os.kill(companion.pid, signal.SIGKILL)
    await asyncio.sleep(AWAY_S)
    await companion.leave()
    await companion.start()
    back_at = time.monotonic()
    measured.back_at.append(AnchoredClock().now())
    calls.cut()
    _, available_s, served_s = await asyncio.gather(
        asyncio.gather(*(phone.register() for phone in phones.values())),
        _after(back_at, lambda: _all_idle(service)),
        _served(back_at, trunk),
    )
    measured.available_s.append(available_s)
    measured.served_s.append(served_s)
    await service.until_over(WITHIN_S)


async def _served(since_at: float, trunk: Phone) -> float:
    """Seconds until a newcomer is answered."""
    call = trunk.call(VIP, caller=NEWCOMER)
    await call.answered(WITHIN_S)
    took_s = time.monotonic() - since_at
    await call.hang_up()
    return took_s


def _judge(events: Sequence[EventRow], measured: Measured) -> None:
    """When the last of each kill's 20 contacts was closed, and what is wrong about any of them."""
    stories: dict[str, list[EventRow]] = {}
    for event in events:
        if event.stream.startswith("contact/"):
            stories.setdefault(event.stream, []).append(event)
    last_at = [0.0] * len(measured.back_at)
    for stream, story in stories.items():
        group = str(story[0].data["caller"])[-6:-2]
        if group not in RIGHT:
            continue
        ended = story[-1]
        state = ended.data.get("end_state")
        measured.ends[str(state)] += 1
        if ended.type != "contact.ended" or state != RIGHT[group]:
            measured.wrong.append(f"{stream} {group}: {ended.type} {state}")
        kill = next(n for n, back_at in enumerate(measured.back_at) if story[0].at < back_at)
        last_at[kill] = max(last_at[kill], ended.at)
    measured.closed_s = [max(0.0, at - back) for at, back in zip(last_at, measured.back_at, strict=True)]


async def _all_idle(service: Service) -> bool:
    agents = (await service.request("GET", "/v1/agents"))["items"]
    wanted = {"presence": "available", "activity": "idle", "reachable": True}
    return all(agent[name] == value for agent in agents[:TALKING] for name, value in wanted.items())


async def _after(since_at: float, holds: Any) -> float:
    await _until(holds)
    return time.monotonic() - since_at


async def _until(holds: Any) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not await holds():
        assert time.monotonic() < deadline, "it does not come true"
        await asyncio.sleep(LOOK_S)


def _quantiles(name: str, values: Sequence[float]) -> dict[str, float]:
    return {f"{name}_p50_s": round(quantile(values, 0.5), 2), f"{name}_max_s": round(max(values), 2)}
