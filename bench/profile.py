"""Where the service's CPU goes under load: one burst with the sampler in the service, as a page of tables."""

import json
import os
import signal
from pathlib import Path
from typing import Any

from bench.experiments import Options, told
from bench.load import Burst
from bench.rounds import OURS, Round, Say, arena, play

AGENTS = 200
ROWS = 30
EVERYWHERE = 0.95  # what is on every stack says nothing


async def profile(var: Path, options: Options, say: Say) -> str:
    """The page."""
    sampled, one = await _sampled(var, options, say)
    per_call_ms = one.cpu_ms_per_call["service"]
    said = (
        f"{AGENTS} agents, {options.rate:g} calls/s, {one.outcome.succeeded} calls served; {sampled['samples']} "
        f"samples by CPU time. The service took {per_call_ms:.2f} ms a call (with the sampler in it). "
        "A row's share is of all samples; the ms are its part of a call."
    )
    lines = [
        "# Where the service's CPU goes",
        "",
        said,
        "",
        _threads(sampled["threads_s"], one.outcome.succeeded),
    ]
    titles = {
        "blamed": "By the innermost function of our own code",
        "total": "By any function on the stack (rows overlap)",
        "own": "By the innermost function, whoever wrote it (~: not ours)",
    }
    for kind, title in titles.items():
        lines += ["", f"## {title}", "", "| share | ms a call | function |", "|---|---|---|"]
        rows = [(name, share) for name, share in sampled[kind].items() if share < EVERYWHERE]
        for name, share in rows[:ROWS]:
            lines.append(f"| {share:.1%} | {share * per_call_ms:.2f} | `{name}` |")
    return "\n".join(lines) + "\n"


def _threads(threads_s: dict[str, float], calls: int) -> str:
    """The kernel's word on who used the CPU, the largest first."""
    costs = sorted((1000 * spent_s / calls for spent_s in threads_s.values()), reverse=True)
    return "By thread, ms a call: " + ", ".join(f"{ms:.2f}" for ms in costs if ms >= 0.01) + " (loop, journal, others)."


async def _sampled(var: Path, options: Options, say: Say) -> tuple[dict[str, Any], Round]:
    target = var / "profile.json"
    burst = Burst(options.rate, round(options.rate * options.burst_s), options.talk_s)
    async with arena(var, AGENTS, say, profile=target) as where:
        await play(where, OURS, Burst(options.rate, round(options.rate * 3), options.talk_s))
        service = where.sides[OURS].parts["service"]
        os.kill(service, signal.SIGUSR1)
        one = await play(where, OURS, burst)
        os.kill(service, signal.SIGUSR1)
        say(told(one))
    return json.loads(target.read_text()), one
