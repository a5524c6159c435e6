"""One run: the plan's callers, agents and faults on the stage, then the checker."""

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from callcenter.clock import AnchoredClock
from tests.chaos.judge import Verdict, judged
from tests.chaos.load import judge_load, load_for
from tests.chaos.people import Desks, caller_of
from tests.chaos.plan import FAULTS, Plan
from tests.chaos.soak import Growth
from tests.chaos.stage import Stage, staged
from tests.kit.parts import AGENTS
from tests.kit.phone import Phone

OVER_S = 60.0
"""How long all may take to end once the faults have stopped: the longest talk, wrap-up and what is on its way."""


async def run(plan: Plan) -> Verdict:
    """Play the plan; nothing of it is left behind."""
    async with staged() as stage, stage.asterisk.trunk() as trunk:
        phones = {agent_id: stage.asterisk.phone(agent_id) for agent_id in AGENTS[1 : 1 + len(plan.agents_talk_s)]}
        for phone in phones.values():
            await phone.__aenter__()
        try:
            return await _played(plan, stage, trunk, Desks(phones, plan.agents_talk_s))
        finally:
            for phone in phones.values():
                with suppress(Exception):
                    await phone.close()


async def _played(plan: Plan, stage: Stage, trunk: Phone, desks: Desks) -> Verdict:
    from_at = AnchoredClock().now()
    await stage.service.start()
    await desks.begin(stage.service)
    growth = Growth()
    works = [stage.supervise(), desks.keep_at_work(stage.service)]
    if not plan.faults:
        works.append(growth.watch(stage.service))
    background = [asyncio.create_task(work) for work in works]
    began_at = time.monotonic()
    callers = []
    try:
        async with (
            load_for(plan, stage, stage.service.var / "sipp") as load,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(_faults(plan, stage, began_at))
            for each in plan.callers:
                await asyncio.sleep(max(0.0, began_at + each.at_s - time.monotonic()))
                caller = caller_of(trunk, each)
                callers.append(caller)
                group.create_task(caller.live(desks))
            counted = await load.wait()
        await stage.service_ready()
        await stage.service.until_over(OVER_S)
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
    assert await stage.service.stop() == 0, stage.service.said[-4000:]
    url = stage.service.environment["CALLCENTER_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1)
    verdict = await judged(stage, callers, desks, from_at, url)
    judge_load(counted, stage, verdict)
    if not plan.faults:
        growth.judge(verdict)
    return verdict


async def _faults(plan: Plan, stage: Stage, began_at: float) -> None:
    for fault in plan.faults:
        await asyncio.sleep(max(0.0, began_at + fault.at_s - time.monotonic()))
        await stage.fail(fault)


def told(plan: Plan, verdict: Verdict) -> dict[str, Any]:
    """The result as it is kept: what was played, what was found."""
    played = {what: sum(fault.what == what for fault in plan.faults) for what in FAULTS}
    return {
        "seed": plan.seed,
        "lasts_s": round(plan.lasts_s),
        "faults": {what: count for what, count in played.items() if count},
        "schedule": plan.lines(),
        "findings": verdict.findings,
        **verdict.figures,
    }


def keep(result: dict[str, Any], path: Path) -> None:
    """Write the result as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
