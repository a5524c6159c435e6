"""How soon after a key the next prompt is heard: callers in a flow on real Asterisk, our service beside it.

Two menus lead to each other by the key 1; one is a tone of 500 Hz, the other of 1,500 Hz, both long. Each caller
presses when they feel like it, and looks for the first packet of the other tone among those that arrive. Two numbers a
key: from its release (the first packet of the event's end, RFC 4733: only then Asterisk says which key it was) and from
its press, which the test phone makes 100 ms earlier.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench import cpu
from bench.asterisks import RunningAsterisk
from bench.machine import here
from bench.rounds import Say, foreign_since
from bench.service import running_service
from bench.site import HOTLINE, LANGUAGE, write_site
from callcenter.companions.postgres import PostgresCompanion
from tests.kit.caller import OutgoingCall
from tests.kit.g711 import Law
from tests.kit.listener import HeardPacket
from tests.kit.parts import plan_for, running
from tests.kit.phone import Phone
from tests.kit.tones import RATE, tone, write_wav

BAR_S: Final = 0.150
TONES_HZ: Final = (500, 1500)
PROMPT_S: Final = 20.0
PAUSE_S: Final = (0.6, 1.8)
AGENTS: Final = 40  # who wait for nobody; the site has a queue for each skill
LISTEN_S: Final = 0.5
SETTLE_S: Final = 2.0

FLOW: Final = """start = "one"
agent_node = "person"
[nodes.one]
type = "menu"
prompts = ["tone_0"]
choices = { 1 = "two" }
timeout_s = 60
on_exhausted = "person"
[nodes.two]
type = "menu"
prompts = ["tone_1"]
choices = { 1 = "one" }
timeout_s = 60
on_exhausted = "person"
[nodes.person]
type = "queue"
queue = "skill01"
"""


@dataclass(frozen=True, slots=True)
class Keys:
    """What was measured: seconds from each key's release and from its press; keys after which nothing came."""

    callers: int
    from_release_s: Sequence[float]
    from_press_s: Sequence[float]
    unheard: int
    foreign: float


async def measure(var: Path, callers: int, presses: int, say: Say) -> Keys:
    """So many callers at the same time press so many keys each, on an Asterisk and a service of their own."""
    site = write_site(var / "site", AGENTS)
    (site / "flows").mkdir()
    (site / "flows" / "main.toml").write_text(FLOW)
    (site / "hotlines.toml").write_text(f'["{HOTLINE}"]\nflow = "main"\n')
    for n, hz in enumerate(TONES_HZ):
        write_wav(site / "prompts" / LANGUAGE / f"tone_{n}.wav", [tone(hz, PROMPT_S)])
    say(f"{callers} callers, {presses} keys each: starting PostgreSQL, Asterisk and the service")
    postgres = PostgresCompanion(var=var, instance="database")
    await postgres.start()
    try:
        async with running(plan_for(var, "ivr", prompts_dir=site / "prompts")) as real:
            asterisk = RunningAsterisk(real.companion, real.plan.sip_port, real.companion.log_path.parent)
            async with (
                running_service(var, site, asterisk, postgres.url) as (service, _),
                Phone("0920000001", real.sip_address) as trunk,
            ):
                assert postgres.pid is not None
                pids = (asterisk.pid, service.pid, postgres.pid)
                return await _press_all(trunk, pids, callers, presses, say)
    finally:
        await postgres.stop()


async def _press_all(trunk: Phone, pids: Sequence[int], callers: int, presses: int, say: Say) -> Keys:
    calls = []
    for n in range(callers):
        call = trunk.call(HOTLINE, caller=f"0920{n:06}")
        calls.append(call)
        await call.answered()
    await asyncio.sleep(SETTLE_S)
    say(f"{callers} callers hear the first prompt")
    foreign = foreign_since(lambda: cpu.tree_cpu_s(os.getpid(), *pids))
    found = await asyncio.gather(*(_press(call, presses, random.Random(n)) for n, call in enumerate(calls)))
    share = foreign()
    for call in calls:
        await call.hang_up()
    heard = [pair for per_call in found for pair in per_call if pair is not None]
    unheard = sum(pair is None for per_call in found for pair in per_call)
    return Keys(callers, [release for release, _ in heard], [press for _, press in heard], unheard, share)


async def _press(call: OutgoingCall, presses: int, dice: random.Random) -> list[tuple[float, float] | None]:
    """The delays of a caller's keys; None where the other tone did not come within LISTEN_S."""
    found: list[tuple[float, float] | None] = []
    for n in range(presses):
        await asyncio.sleep(dice.uniform(*PAUSE_S))
        await call.press("1")
        down_at, up_at = call.audio.key_down_at, call.audio.key_up_at
        await asyncio.sleep(max(0.0, up_at + LISTEN_S - time.monotonic()))
        wanted = TONES_HZ[(n + 1) % 2]
        first = next(
            (each for each in call.audio.heard.since(down_at) if _is(each, wanted, call.audio.heard.law)), None
        )
        found.append(None if first is None else (first.arrived_at - up_at, first.arrived_at - down_at))
    return found


def _is(packet: HeardPacket, hz: int, law: Law) -> bool:
    """Whether a packet is this tone rather than the other one, and neither silence."""
    samples = law.decode(packet.payload).astype(float)
    at = np.arange(len(samples)) / RATE
    power = {each: abs(np.exp(-2j * np.pi * each * at) @ samples) for each in TONES_HZ}
    return bool(power[hz] > 1e4 and power[hz] == max(power.values()))


def report(results: Path, keys: Keys, steps: Sequence[dict[str, Any]]) -> Path:
    """Write the page and its data."""
    release, press = (np.array(each) * 1000 for each in (keys.from_release_s, keys.from_press_s))
    figures = {
        name: {"p50": round(float(np.percentile(ms, 50)), 1), "p99": round(float(np.percentile(ms, 99)), 1)}
        | {"worst": round(float(ms.max()), 1)}
        for name, ms in (("from its release", release), ("from its press", press))
    }
    p99 = figures["from its press"]["p99"]
    rows = "".join(f"| {name} | {of['p50']} | {of['p99']} | {of['worst']} |\n" for name, of in figures.items())
    machine = here()
    page = (
        f"# E8: the IVR\n\n"
        f"{keys.callers} callers at once, {len(release)} keys heard, {keys.unheard} without a prompt.\n\n"
        f"| a key to the next prompt's first packet, ms | p50 | p99 | worst |\n|---|---|---|---|\n{rows}\n"
        f"Bar p99 ≤ {BAR_S * 1000:g} ms from the press: {'met' if p99 <= BAR_S * 1000 else 'missed'}, {p99} ms. "
        "A key is down for 100 ms here; Asterisk tells which one it was when it is up.\n\n"
        + "".join(
            f"Interpreter, {each['course']}: {each['steps_per_s']:,} steps/s; aim {each['aim_per_s']:,}: "
            f"{'met' if each['steps_per_s'] >= each['aim_per_s'] else 'missed'}.\n\n"
            for each in steps
        )
        + f"{machine['processor']}, {machine['cores']} cores, of which others took {keys.foreign:.0%} meanwhile; "
        f"Python {machine['python']}.\n"
    )
    (results / "ivr.md").write_text(page)
    data = {
        "machine": machine,
        "callers": keys.callers,
        "unheard": keys.unheard,
        "foreign": round(keys.foreign, 3),
        "ms": figures,
        "steps": list(steps),
    }
    data |= {"from_release_ms": [round(float(each), 2) for each in release]}
    (results / "ivr.json").write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return results / "ivr.md"
