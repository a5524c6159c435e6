"""E4: what a decision of the ACD costs, at any size, against looking at everyone; without telephony.

`.venv/bin/python -m bench.routing --help`. Rounds alternate: the engine plays so many cycles, then the scan follows
them and answers a sample of the same decisions from the same state, which also shows that both choose alike. What is
timed is the step in which a decision falls, whole: the search, the agent's and the contact's change, the explanation.
"""

import argparse
import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

import routing.simulate
from api.serving import GARBAGE_THRESHOLDS
from bench import batch, cpu, routing_report
from bench.naive import Scan
from bench.routing_floor import FOUND, SERVED, Floor
from bench.routing_load import MOONSHOT, REFERENCE, SCALES, Center, Size, center
from routing.messages import MakeOffer
from routing.simulate.day import simulate
from routing.simulate.draw import draw
from routing.simulate.presets import own_center

Say = Callable[[str], None]
SCANS_MIN: Final = 10
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured. `scan_s`: how long the scan may take in a round, ten decisions at least.

    Batch matching is compared on so many traces of so many hours.
    """

    rounds: int = 5
    cycles: int = 20_000
    scan_s: float = 3.0
    traces: int = 5
    trace_hours: float = 0.5


QUICK = Options(rounds=2, cycles=4_000, scan_s=0.5, traces=3, trace_hours=0.2)


@dataclass(frozen=True, slots=True)
class Costs:
    """What so many steps cost, in µs each; `per_s` is one second through the mean."""

    steps: int
    per_s: float
    mean_us: float
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float

    @classmethod
    def of(cls, spent_ns: Sequence[int]) -> "Costs":
        """The costs of these steps; of none all are nan."""
        if not len(spent_ns):
            return cls(0, *(float("nan"),) * 6)
        us = np.asarray(spent_ns, dtype=float) / 1e3
        p50, p99, p999 = np.percentile(us, (50, 99, 99.9))
        mean = float(us.mean())
        return cls(len(us), 1e6 / mean, mean, float(p50), float(p99), float(p999), float(us.max()))


@dataclass(frozen=True, slots=True)
class Round:
    """One round: the engine's steps by kind, the scan's answers, and how often the two chose differently.

    `life_us`: all steps of a served contact's life. `foreign`: the part of the machine, 0…1, that others took.
    """

    ours: dict[str, Costs]
    scan: Costs
    checked: int
    different: int
    life_us: float
    steps_per_s: float
    foreign: float


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured at one size: `served` while all agents talk, `found` while some are idle."""

    size: Size
    classes: int
    groups: int
    queues: int
    waiting: int
    bytes_per_waiting: float
    served: list[Round]
    found: list[Round]


def measure(size: Size, options: Options, say: Say) -> Found:
    """All of E4 at one size."""
    say(f"{size.name}: {size.agents} agents, {size.waiting} waiting")
    where = center(size)
    bytes_each = _memory(where)
    floor, scan = _at_work(where, night=False)
    waiting = floor.waiting
    served = _rounds(floor, scan, SERVED, options, say)
    floor, scan = _at_work(where, night=True)
    floor.let_some_idle()
    found = _rounds(floor, scan, FOUND, options, say)
    return Found(size, where.classes, where.groups, len(where.queues), waiting, bytes_each, served, found)


def _memory(where: Center) -> float:
    """Bytes that one waiting contact costs: what the engine grows by, and the input that it keeps.

    As many wait already, so that what is made once for all contacts of a class is there.
    """
    floor = Floor(where, SEED)
    floor.remembers = False
    for entered in floor.entries(where.size.waiting):
        floor.enter(entered)
    entries = list(floor.entries(where.size.waiting))
    one = entries[0]
    given = sum(sys.getsizeof(part) for part in (one, one.contact_id, one.entered_at, one.clock_s))
    tracemalloc.start()
    for entered in entries:
        floor.enter(entered)
    floor.spent_ns.clear()
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return grown / len(entries) + given


def _at_work(where: Center, *, night: bool) -> tuple[Floor, Scan]:
    """All agents talk, and as many wait as the size says; with `night` they wait for the night team alone."""
    size, scan = where.size, Scan(where.site)
    floor = Floor(where, SEED)
    if night:
        for entered in floor.entries(size.agents):
            floor.enter(entered)
        floor.open()
        for entered in floor.entries(size.waiting, night=True):
            floor.enter(entered)
    else:
        for entered in floor.entries(size.agents + size.waiting):
            floor.enter(entered)
        floor.open()
    _follow(scan, floor)
    gc.collect()
    gc.freeze()  # as the service does when it is set up
    return floor, scan


def _rounds(floor: Floor, scan: Scan, kind: str, options: Options, say: Say) -> list[Round]:
    cycle = floor.serve if kind == SERVED else floor.arrive
    for _ in range(options.cycles // 10):  # warm up
        cycle()
    scans = _scans(_follow(scan, floor, kind, every=options.cycles // 10), options)
    rounds = []
    for number in range(1, options.rounds + 1):
        for spent in floor.spent_ns.values():
            del spent[:]
        began_s, own_s, machine_s = time.monotonic(), time.process_time(), cpu.machine_cpu_s()
        for _ in range(options.cycles):
            cycle()
        answers = _follow(scan, floor, kind, every=max(1, options.cycles // scans))
        others_s = cpu.machine_cpu_s() - machine_s - (time.process_time() - own_s)
        rounds.append(_round(floor, answers, max(0.0, others_s) / (cpu.CORES * (time.monotonic() - began_s))))
        say(f"  round {number}/{options.rounds} {kind}: {told(rounds[-1], kind)}")
    return rounds


@dataclass(slots=True)
class _Answers:
    """The scan's time for each decision it was asked for, and how often it would have chosen somebody else."""

    spent_ns: list[int] = field(default_factory=list)
    different: int = 0


def _follow(scan: Scan, floor: Floor, kind: str | None = None, every: int = 1) -> _Answers:
    """Let the scan hear all that happened since; of the decisions of this kind it answers every so manieth itself."""
    answers, met = _Answers(), 0
    for what, given, now, decisions in floor.heard:
        scan.hear(given, now)
        for decision in decisions:
            if isinstance(decision, MakeOffer) and what == kind:
                if met % every == 0:
                    began_ns = time.perf_counter_ns()
                    if kind == SERVED:
                        alike = scan.first_contact(decision.agent_id, now) == decision.contact_id
                    else:
                        alike = scan.first_agent(decision.contact_id, now, enters=True) == decision.agent_id
                    answers.spent_ns.append(time.perf_counter_ns() - began_ns)
                    answers.different += not alike
                met += 1
            scan.told(decision, now)
    floor.heard.clear()
    return answers


def _scans(trial: _Answers, options: Options) -> int:
    """How many answers of the scan a round affords."""
    each_s = np.median(trial.spent_ns) / 1e9
    return min(options.cycles, max(SCANS_MIN, int(options.scan_s / each_s)))


def _round(floor: Floor, answers: _Answers, foreign: float) -> Round:
    spent = floor.spent_ns
    total_ns, steps = sum(sum(each) for each in spent.values()), sum(len(each) for each in spent.values())
    lives = max(1, len(spent[SERVED]) + len(spent[FOUND]))
    return Round(
        ours={kind: Costs.of(each) for kind, each in spent.items() if len(each)},
        scan=Costs.of(answers.spent_ns),
        checked=len(answers.spent_ns),
        different=answers.different,
        life_us=total_ns / lives / 1e3,
        steps_per_s=1e9 * steps / max(1, total_ns),
        foreign=foreign,
    )


def told(one: Round, kind: str) -> str:
    """A round in a line."""
    ours, scan = one.ours[kind], one.scan
    return (
        f"{ours.per_s:,.0f} decisions/s, p50 {ours.p50_us:.1f} p99 {ours.p99_us:.1f} µs; "
        f"scan {scan.mean_us:,.0f} µs, {scan.mean_us / ours.mean_us:,.0f} times; "
        f"{one.different} of {one.checked} chosen differently; foreign {one.foreign:.0%}"
    )


def run(sizes: Sequence[Size], options: Options, say: Say) -> dict[str, object]:
    """E4 as plain values, as bench/results has them."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    found = []
    for size in sizes:
        found.append(asdict(measure(size, options, say)))
        gc.unfreeze()
        gc.collect()
    traces = range(1, options.traces + 1)
    compared = batch.compare(traces, options.trace_hours, say) if options.traces > 1 else []
    return {"options": asdict(options), "sizes": found, "batch": compared, "day": simulated_day(options, say)}


def simulated_day(options: Options, say: Say) -> dict[str, float]:
    """Seconds that a simulated day of the reference site costs on the engine (median of the rounds), and its size."""
    described = json.loads((Path(routing.simulate.__file__).parent / "presets" / "site-1500.json").read_text())
    site, load = own_center(described)
    day, spent_s, inputs, calls = draw(load, SEED), list[float](), 0, 0
    for number in range(1, options.rounds + 1):
        began_s = time.perf_counter()
        record = simulate(site, day)
        spent_s.append(time.perf_counter() - began_s)
        inputs, calls = record.inputs, len(record.customer)
        say(f"  round {number}/{options.rounds} simulated day: {calls} calls, {inputs} steps in {spent_s[-1]:.2f} s")
    return {"spent_s": median(spent_s), "least_s": min(spent_s), "calls": calls, "steps": inputs}


def _arguments() -> argparse.Namespace:
    sizes = {size.name: size for size in (REFERENCE, MOONSHOT, *SCALES)}
    parser = argparse.ArgumentParser(prog="python -m bench.routing", description="What a decision of the ACD costs.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and cycles")
    parser.add_argument("--sizes", default=",".join(sizes), help="some of " + ", ".join(sizes))
    parser.add_argument("--rounds", type=int, help="rounds of each side (default 5)")
    parser.add_argument("--traces", type=int, help="traces on which batch matching is compared, 0 for none (default 5)")
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON, progress on stderr")
    given = parser.parse_args()
    unknown = set(given.sizes.split(",")) - sizes.keys()
    if unknown:
        parser.error(f"no such size: {', '.join(sorted(unknown))}; there are {', '.join(sizes)}")
    if given.traces is not None and given.traces not in {0, *batch.T_95}:
        parser.error(f"traces must be 0 or {min(batch.T_95)} to {max(batch.T_95)}")
    given.chosen = [sizes[name] for name in given.sizes.split(",")]
    return given


def main() -> None:
    """Measure and print."""
    given = _arguments()
    options = QUICK if given.quick else Options()
    chosen = {name: getattr(given, name) for name in ("rounds", "traces")}
    options = replace(options, **{name: value for name, value in chosen.items() if value is not None})
    found = run(given.chosen, options, lambda text: print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True))
    print(json.dumps(found, indent=1) if given.json else "\n".join(routing_report.section(found)))


if __name__ == "__main__":
    main()
