"""The experiments: what is measured, how often, and in which order. Both sides alternate, A B A B, in one run."""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import cpu, load
from bench.asterisks import our_asterisk, queue_asterisk
from bench.load import Burst
from bench.rounds import OURS, SIDES, Arena, Round, Say, Side, foreign_since, our_side_on, percentile, play
from tests.kit.ports import free_port

RATE_STEP: Final = 10
RATE_MAX: Final = 320
RETRANSMITTED_MAX: Final = 0.01
SETUP_P99_MAX_S: Final = 0.250
STEP_TALK_S: Final = 0.5
SETTLE_S: Final = 5.0
FILL_RATE: Final = 40.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the bench was asked for. `tries`: how often a round is played until the machine was quiet enough."""

    rounds: int = 5
    rate: float = 40.0
    burst_s: float = 20.0
    talk_s: float = 1.0
    step_s: float = 6.0
    searches: int = 3
    waiting_rounds: int = 2
    waiting_callers: int = 600
    waiting_s: float = 30.0
    waiting_agents: int = 1_500
    tries: int = 3


@dataclass(frozen=True, slots=True)
class Search:
    """One search for the highest clean rate: `rate` in calls/s, 0 if none was; `steps` are (rate, verdict)."""

    side: str
    rate: int
    steps: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """600 callers in the queue and nobody free: what that costs. `cpu_share` is of one core, by part."""

    side: str
    callers: int
    stayed: bool
    agents_rung: int
    cpu_share: dict[str, float]
    rss_bytes_per_caller: dict[str, float]
    foreign: float


@dataclass(slots=True)
class Results:
    """Everything measured, by number of agents; `routing` is E4, as `bench.routing` tells it."""

    pairs: dict[int, list[tuple[Round, Round]]] = field(default_factory=dict)
    searches: dict[int, list[Search]] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    routing: dict[str, Any] | None = None


async def compare(where: Arena, options: Options, say: Say) -> list[tuple[Round, Round]]:
    """Delay and CPU at a rate that both can carry: pairs of rounds, ours first. Warmed up by a short one each."""
    burst = Burst(options.rate, round(options.rate * options.burst_s), options.talk_s)
    for name in SIDES:
        await play(where, name, Burst(options.rate, round(options.rate * 3), options.talk_s))
    pairs = []
    for number in range(1, options.rounds + 1):
        ours, theirs = [await quietest(where, name, burst, options.tries) for name in SIDES]
        for one in (ours, theirs):
            say(f"  round {number}/{options.rounds} {one.side:9} {told(one)}")
        pairs.append((ours, theirs))
    return pairs


async def quietest(where: Arena, name: str, burst: Burst, tries: int) -> Round:
    """Play until a round was quiet, at most `tries` times; the quietest one."""
    played: list[Round] = []
    for _ in range(tries):
        played.append(await play(where, name, burst))
        if played[-1].quiet:
            break
    return min(played, key=lambda one: one.foreign)


async def search(where: Arena, name: str, options: Options, say: Say) -> Search:
    """The highest rate, in steps of 10/s, that the side serves cleanly: doubled until it fails, then halved."""
    low, high, rate = 0, 0, 80
    steps: list[tuple[int, str]] = []
    while not high or high - low > RATE_STEP:
        burst = Burst(rate, round(rate * options.step_s), STEP_TALK_S)
        one = await play(where, name, burst)
        for _ in range(1, options.tries):
            if one.quiet or not unclean(one):
                break
            one = await play(where, name, burst)
        verdict = unclean(one)
        steps.append((rate, verdict or "clean"))
        say(f"    {name:9} {rate:3}/s {verdict or 'clean'} (foreign {one.foreign:.0%})")
        low, high = (low, rate) if verdict else (rate, high)
        if low >= RATE_MAX:
            break
        rate = min(RATE_MAX, low * 2) if not high else (low + high) // 2 // RATE_STEP * RATE_STEP
    return Search(name, low, tuple(steps))


def unclean(one: Round) -> str:
    """Why a step was not clean; empty if it was."""
    outcome = one.outcome
    p99_s = percentile(outcome.setups_s, 0.99)
    if outcome.failed or outcome.reached < outcome.calls:
        return f"{outcome.failed} failed, {outcome.calls - outcome.reached} not offered"
    if outcome.retransmitted >= RETRANSMITTED_MAX * outcome.calls:
        return f"{outcome.retransmitted / outcome.calls:.1%} retransmitted"
    return f"p99 {1000 * p99_s:.0f} ms" if p99_s >= SETUP_P99_MAX_S else ""


async def wait(var: Path, options: Options, say: Say) -> list[Waiting]:
    """Callers wait, nobody is free: each side alone, freshly started for every round."""
    found = []
    for number in range(1, options.waiting_rounds + 1):
        for name in SIDES:
            one = await _wait_once(var, name, options)
            costs = ", ".join(f"{part} {100 * share:.1f} %" for part, share in one.cpu_share.items())
            memory = ", ".join(f"{part} {size / 1024:.0f} kB" for part, size in one.rss_bytes_per_caller.items())
            say(f"  round {number}/{options.waiting_rounds} {name:9} CPU {costs}; a caller {memory}")
            found.append(one)
    return found


async def _wait_once(var: Path, name: str, options: Options) -> Waiting:
    agents, phones_port = options.waiting_agents, free_port()
    async with AsyncExitStack() as stack:
        if name == OURS:
            asterisk = await stack.enter_async_context(our_asterisk(var, agents, phones_port))
            side = await stack.enter_async_context(our_side_on(var, asterisk, agents, waiting=True))
        else:
            asterisk = await stack.enter_async_context(queue_asterisk(var, agents, phones_port, waiting=True))
            side = Side(name, asterisk, {"asterisk": asterisk.pid}, None)
        return await _fill_and_watch(var, side, phones_port, options)


async def _fill_and_watch(var: Path, side: Side, phones_port: int, options: Options) -> Waiting:
    count = options.waiting_callers
    fill_s = count / FILL_RATE
    burst = Burst(FILL_RATE, count, fill_s + 2 * SETTLE_S + options.waiting_s + 10.0)
    held = {part: pid for part, pid in side.parts.items() if part != "postgresql"}
    await asyncio.sleep(SETTLE_S)
    empty = {part: cpu.rss_bytes(pid) for part, pid in held.items()}
    async with (
        load.capture((phones_port,)) as invites,
        load.callers(var / "sipp" / "callers", burst, side.asterisk.sip_port),
        side.asterisk.ari() as ari,
    ):
        await asyncio.sleep(fill_s + SETTLE_S)
        at_first = len(await ari.channels())
        before, began_at = side.cpu_s(), time.monotonic()
        share = foreign_since(lambda: cpu.tree_cpu_s(os.getpid(), *side.parts.values()))
        await asyncio.sleep(options.waiting_s)
        after, wall_s, foreign = side.cpu_s(), time.monotonic() - began_at, share()
        full = {part: cpu.rss_bytes(pid) for part, pid in held.items()}
        at_last = len(await ari.channels())
    return Waiting(
        side=side.name,
        callers=count,
        stayed=at_first == at_last == count,
        agents_rung=len(invites),
        cpu_share={part: (after[part] - before[part]) / wall_s for part in after},
        rss_bytes_per_caller={part: (full[part] - empty[part]) / count for part in full},
        foreign=foreign,
    )


def told(one: Round) -> str:
    """A round in one line."""
    setups = one.outcome.setups_s
    delays = "/".join(f"{1000 * percentile(setups, share):.1f}" for share in (0.5, 0.95, 0.99))
    costs = ", ".join(f"{part} {ms:.2f}" for part, ms in one.cpu_ms_per_call.items())
    events = f", {one.written.events} events, {one.written.missing} missing" if one.written else ""
    return f"p50/95/99 {delays} ms; CPU ms/call {costs}; {one.outcome.failed} failed{events}; foreign {one.foreign:.0%}"


def by_side(searches: Sequence[Search], side: str) -> list[int]:
    """The rates one side reached, search by search."""
    return [one.rate for one in searches if one.side == side]
