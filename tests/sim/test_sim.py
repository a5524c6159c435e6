"""The real shell survives what may happen: seeds of load and faults, and proof that the simulation can see."""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from tests.sim.loop import Deadlock, Process, VirtualLoop
from tests.sim.mutants import MUTANTS, caught
from tests.sim.plan import Fault, Odds, Plan, called_back, drawn, long_wait, one_call, shrunk
from tests.sim.world import run

SEEDS = 200
PORTIONS = 8
SINGLE_MAX = 32
"""Neither a short call nor a long wait has more events, or requests that change something."""


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_no_caller_no_event_and_no_place_is_lost_whatever_happens(portion: int) -> None:
    size = SEEDS // PORTIONS
    for seed in range(portion * size, (portion + 1) * size):
        assert run(drawn(seed)).findings == [], f"seed {seed}: make sim SEEDS=1 FROM={seed} shrinks it"


def test_a_caller_is_called_back_and_talks() -> None:
    result = run(called_back())
    assert result.findings == []
    for once in ("callback.promised", "callback.dialed", "callback.answered", "talk.started"):
        assert result.types[once] == 1, once


@pytest.mark.parametrize("plan", [one_call, called_back])
@pytest.mark.parametrize("what", ["kill_commit", "kill_committed", "kill_request", "kill_requested"])
def test_a_call_survives_a_kill_between_any_two_writes(what: str, plan: Callable[..., Plan]) -> None:
    for number in itertools.count(1):
        result = run(plan(Fault(what, float(number), 0.3)))
        assert result.findings == [], f"{what} {number}"
        if result.lives == 1:
            break  # the call has fewer of them
    assert number > 10


@pytest.mark.parametrize("plan", [one_call, long_wait, called_back])
@pytest.mark.parametrize("what", ["lose_event", "refuse"])
def test_no_single_event_and_no_single_answer_is_needed(plan: Callable[..., Plan], what: str) -> None:
    for number in range(1, SINGLE_MAX + 1):
        assert run(plan(Fault(what, float(number)))).findings == [], f"{what} {number}"


def test_a_seed_tells_the_same_story_each_time() -> None:
    plan = drawn(next(seed for seed in range(100) if drawn(seed).faults and drawn(seed).odds.late))
    first, second = run(plan), run(plan)
    assert first.events > 20
    assert (first.digest, first.lives, first.ended_at) == (second.digest, second.lives, second.ended_at)


def test_the_seeds_meet_every_fault() -> None:
    plans = [drawn(seed) for seed in range(SEEDS)]
    assert {fault.what for plan in plans for fault in plan.faults} == {
        *("kill_at", "kill_commit", "kill_committed", "kill_request", "kill_requested"),
        *("link", "half_open", "deaf", "ami", "asterisk", "disk"),
    }
    for name in ("late", "doubled", "overtaken", "refused", "unheard", "lost"):
        assert any(getattr(plan.odds, name) for plan in plans), name
    assert sum(plan.faults == () and plan.odds == Odds() for plan in plans) >= 3, "calm days too"


@pytest.mark.parametrize("safeguard", MUTANTS)
def test_the_simulation_sees_when_a_safeguard_is_missing(safeguard: str) -> None:
    assert caught(MUTANTS[safeguard]) is not None


def test_a_failing_schedule_is_shrunk_to_what_it_takes() -> None:
    plan = drawn(next(seed for seed in range(100) if len(drawn(seed).faults) > 2))
    guilty = plan.faults[1]
    small = shrunk(plan, lambda smaller: guilty in smaller.faults)
    assert small.faults == (guilty,)
    assert (small.callers, small.agents) == ((), ())


# --- virtual time ---


def test_an_hour_passes_at_once_and_in_order() -> None:
    loop, heard = VirtualLoop(), list[float]()

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        heard.append(loop.time())

    async def all_of_it() -> None:
        async with asyncio.TaskGroup() as group:
            for seconds in (3600.0, 0.5, 60.0):
                group.create_task(sleep(seconds))

    loop.run_until_complete(all_of_it())
    loop.close()
    assert heard == [0.5, 60.0, 3600.0]


def test_who_would_wait_for_ever_is_told() -> None:
    loop = VirtualLoop()

    async def wait() -> None:
        await loop.create_future()

    with pytest.raises(Deadlock):
        loop.run_until_complete(wait())
    loop.run_until_complete(_cancelled(loop))
    loop.close()


async def _cancelled(loop: VirtualLoop) -> None:
    for task in asyncio.all_tasks(loop) - {asyncio.current_task()}:
        task.cancel()


def test_nothing_of_a_killed_process_runs_again() -> None:
    loop, heard = VirtualLoop(), list[str]()

    async def work() -> None:
        loop.call_later(5.0, heard.append, "a timer of the dead")
        try:
            while True:
                await asyncio.sleep(1.0)
                heard.append("alive")
        finally:
            loop.call_soon(heard.append, "a last word")

    async def world() -> None:
        process = Process(loop)
        process.begin(work())
        await asyncio.sleep(2.5)
        process.kill()
        process.run(loop.call_soon, heard.append, "from beyond")
        await asyncio.sleep(10.0)

    loop.run_until_complete(world())
    loop.close()
    assert heard == ["alive", "alive"]


def test_a_schedule_can_be_read() -> None:
    lines = drawn(3).lines()
    assert lines[0].startswith("seed 3: ")
    assert all(str(fault) in "\n".join(lines) for fault in drawn(3).faults)
    assert str(Fault("link", 1.0)) == "Fault(what='link', at=1.0, for_s=0.0)"
