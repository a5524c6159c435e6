"""`make bench`: which experiments, how large; progress as it goes, results to bench/results/."""

import argparse
import asyncio
import json
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import report
from bench.experiments import Options, Results, compare, search, wait
from bench.machine import describe, here
from bench.profile import profile
from bench.rounds import SIDES, arena
from callcenter.config.settings import CHECKOUT

RESULTS = Path(__file__).parent / "results"
EXPERIMENTS = ("E1a", "E1b", "E2", "E3", "E4", "E5", "E7")
SIZES = {"E1a": (200,), "E1b": (1_500,), "E2": (200, 1_500), "E3": (200, 1_500)}
EXAMPLES = """examples:
  make bench                                             everything, about half an hour
  .venv/bin/python -m bench --quick                      everything, smaller: about ten minutes
  .venv/bin/python -m bench --experiments E1a,E2 --rounds 9 --rate 30
  .venv/bin/python -m bench --experiments E4             the ACD alone, without Asterisk: about ten minutes
  .venv/bin/python -m bench --experiments E7 --waiting-rounds 5
  .venv/bin/python -m bench --profile                    where the service's CPU goes, to bench/results/profile.md
"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Our call center against Asterisk's app_queue, alternating in one run.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="2 rounds of shorter bursts, one search each")
    parser.add_argument("--experiments", default=",".join(EXPERIMENTS), help="some of " + ", ".join(EXPERIMENTS))
    parser.add_argument("--rounds", type=int, help="rounds of each side in E1 and E2 (default 5)")
    parser.add_argument("--rate", type=float, help="calls per second in E1 and E2 (default 40)")
    parser.add_argument("--searches", type=int, help="searches of each side in E3 (default 3)")
    parser.add_argument("--waiting-rounds", type=int, help="rounds of each side in E7 (default 2)")
    parser.add_argument("--tries", type=int, help="how often a round disturbed by others is played (default 3)")
    parser.add_argument("--name", default=time.strftime("%Y-%m-%d", time.gmtime()), help="of the results' files")
    parser.add_argument("--profile", action="store_true", help="only sample the service under load")
    given = parser.parse_args()
    unknown = set(given.experiments.split(",")) - set(EXPERIMENTS)
    if unknown:
        parser.error(f"no such experiment: {', '.join(sorted(unknown))}; there are {', '.join(EXPERIMENTS)}")
    return given


def _options(given: argparse.Namespace) -> Options:
    options = Options()
    if given.quick:
        options = replace(options, rounds=2, burst_s=10.0, step_s=5.0, searches=1, waiting_rounds=1, tries=1)
    chosen = {name: getattr(given, name) for name in ("rounds", "rate", "searches", "waiting_rounds", "tries")}
    return replace(options, **{name: value for name, value in chosen.items() if value is not None})


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


async def _run(given: argparse.Namespace, var: Path) -> None:
    options, chosen = _options(given), tuple(given.experiments.split(","))
    if given.profile:
        report.write_text(RESULTS / "profile.md", await profile(var, options, _say))
        _say("written: bench/results/profile.md")
        return
    results, machine = Results(), dict[str, str]()
    for agents in sorted({size for name in chosen for size in SIZES.get(name, ())}):
        async with arena(var, agents, _say) as where:
            machine = await describe(where)
            if _wanted(chosen, agents, ("E1a", "E1b", "E2")):
                results.pairs[agents] = await compare(where, options, _say)
                report.write(RESULTS, given.name, machine, options, results)  # what is measured stays, come what may
            if _wanted(chosen, agents, ("E3",)):
                found = [await search(where, name, options, _say) for _ in range(options.searches) for name in SIDES]
                results.searches[agents] = found
                report.write(RESULTS, given.name, machine, options, results)
    if "E5" in chosen:
        await _ingest()
    if set(chosen) == {"E5"}:
        return
    if "E4" in chosen:
        results.routing = await _routing(given)
        machine = machine or here()
        report.write(RESULTS, given.name, machine, options, results)
    if "E7" in chosen:
        _say(f"{options.waiting_agents} agents, none free; {options.waiting_callers} callers")
        results.waiting = await wait(var, options, _say)
    if "asterisk" not in machine and not set(chosen) <= {"E4", "E5"}:
        async with arena(var, SIZES["E1a"][0], _say) as where:
            machine = await describe(where)
    page = report.write(RESULTS, given.name, machine, options, results)
    print(f"\n{page.read_text()}\nwritten: bench/results/{given.name}.md and .json")


async def _ingest() -> None:
    """E5 in a process of its own; it writes its own page."""
    playing = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.ingest", cwd=CHECKOUT)
    try:
        code = await playing.wait()
    finally:
        if playing.returncode is None:
            playing.kill()
            await playing.wait()
    if code:
        raise SystemExit(f"bench: E5 failed with code {code}")


async def _routing(given: argparse.Namespace) -> dict[str, Any]:
    """E4 in a process of its own, with a fresh heap."""
    command = [sys.executable, "-m", "bench.routing", "--json"]
    command += ["--quick"] * given.quick + (["--rounds", str(given.rounds)] if given.rounds else [])
    playing = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE)
    try:
        told, _ = await playing.communicate()
    finally:
        if playing.returncode is None:
            playing.kill()
            await playing.wait()
    if playing.returncode:
        raise SystemExit(f"bench: E4 failed with code {playing.returncode}")
    found: dict[str, Any] = json.loads(told)
    return found


def _wanted(chosen: Sequence[str], agents: int, names: Sequence[str]) -> bool:
    return any(agents in SIZES[name] for name in names if name in chosen)


def main() -> None:
    """Run, and leave nothing behind, also after Ctrl-C."""
    given = _arguments()
    var = CHECKOUT / "var" / f"bench-{time.monotonic_ns() % 10_000_000:07}"
    try:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            task = loop.create_task(_run(given, var))
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
            runner.run(_awaited(task))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("bench: stopped; what was finished is written")
    finally:
        shutil.rmtree(var, ignore_errors=True)


async def _awaited(task: asyncio.Task[None]) -> None:
    await task


if __name__ == "__main__":
    main()
