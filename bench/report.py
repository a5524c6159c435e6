"""Results as JSON, every round of them, and as a short page: medians, ratios of neighbouring rounds, their spread."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from bench import routing_report
from bench.experiments import Options, Results, Search, Waiting, by_side
from bench.rounds import FOREIGN_MAX, OURS, THEIRS, Round, percentile

Pairs = Sequence[tuple[Round, Round]]
AIMS = {200: 1.0, 1_500: 0.6}


def write(folder: Path, name: str, machine: Mapping[str, str], options: Options, results: Results) -> Path:
    """Write NAME.json and NAME.md; the path of the page."""
    write_text(folder / f"{name}.json", json.dumps(_raw(machine, options, results), indent=1) + "\n")
    drawn = routing_report.picture(results.routing) if results.routing is not None else None
    if drawn is not None:
        write_text(folder / f"{name}-routing.svg", drawn)
    return write_text(folder / f"{name}.md", "\n".join(_page(name, machine, options, results)) + "\n")


def write_text(path: Path, text: str) -> Path:
    """Write a file of results; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _raw(machine: Mapping[str, str], options: Options, results: Results) -> dict[str, Any]:
    return {
        "machine": dict(machine),
        "options": asdict(options),
        "compared": {
            str(agents): [[_round(one) for one in pair] for pair in pairs] for agents, pairs in results.pairs.items()
        },
        "searches": {str(agents): [asdict(one) for one in found] for agents, found in results.searches.items()},
        "waiting": [asdict(one) for one in results.waiting],
        "routing": results.routing,
    }


def _round(one: Round) -> dict[str, Any]:
    """A round with its delays summed up in 1000 steps, which is what any percentile of it needs."""
    raw = asdict(one)
    setups = raw["outcome"].pop("setups_s")
    raw["outcome"]["setup_ms"] = {
        f"p{share:g}": round(1000 * percentile(setups, share / 100), 3) for share in (1, 10, 50, 90, 95, 99, 99.9, 100)
    }
    raw["cpu_ms_per_call"] = {part: round(ms, 3) for part, ms in one.cpu_ms_per_call.items()}
    return raw


def _page(name: str, machine: Mapping[str, str], options: Options, results: Results) -> list[str]:
    lines = [
        f"# Benchmark {name}",
        "",
        "Ours against Asterisk's `app_queue`; how it is measured: `bench/README.md`.",
        "",
    ]
    lines += [", ".join(f"{key} {value}" for key, value in machine.items()) + ".", ""]
    for agents, pairs in results.pairs.items():
        lines += _compared(agents, pairs, options)
    if results.searches:
        lines += ["## E3: highest clean rate", "", *_searched(results.searches), ""]
    if results.routing is not None:
        lines += routing_report.section(results.routing)
        if routing_report.picture(results.routing) is not None:
            lines += [f"![Cost of a decision by size]({name}-routing.svg)", ""]
    if results.waiting:
        lines += ["## E7: callers who wait, nobody free", "", *_waited(results.waiting, options), ""]
    return lines


def _compared(agents: int, pairs: Pairs, options: Options) -> list[str]:
    size = "E1a" if agents < 1_000 else "E1b"
    lines = [f"## {size}, E2: {agents} agents, {options.rate:g} calls/s, {len(pairs)} rounds each", ""]
    lines += ["| | ours | app_queue | ratio | spread of the ratio |", "|---|---|---|---|---|"]
    for share in (0.50, 0.95, 0.99):
        lines.append(_row(f"INVITE to INVITE p{100 * share:.0f}, ms", pairs, _delay_ms(share)))
    lines.append(_row("CPU ms a call, all parts", pairs, lambda one: one.cpu_ms_per_call["total"]))
    for part in ("asterisk", "service", "postgresql"):
        ours = median(one.cpu_ms_per_call[part] for one, _ in pairs)
        theirs = [one.cpu_ms_per_call.get(part) for _, one in pairs]
        shown = f"{median(ms for ms in theirs if ms is not None):.2f}" if part == "asterisk" else "–"
        lines.append(f"| of it {part} | {ours:.2f} | {shown} | | |")
    rounds = [one for pair in pairs for one in pair]
    written = [one.written for one, _ in pairs if one.written is not None]
    calls = sum(one.outcome.calls for one in rounds)
    failed = sum(one.outcome.failed for one in rounds)
    events = sum(one.events for one in written)
    contacts = max(1, sum(one.contacts for one in written))
    aim = next((f" Aim: ≤ {bar:g}." for size_of, bar in AIMS.items() if size_of == agents), "")
    said = (
        f"{calls} calls, {failed} failed. In the database: {contacts} contacts, {events / contacts:.1f} events each, "
        f"{sum(one.missing for one in written)} missing.{aim} {_noise([one.foreign for one in rounds])}"
    )
    return [*lines, "", said, ""]


def _delay_ms(share: float) -> Callable[[Round], float]:
    return lambda one: 1000 * percentile(one.outcome.setups_s, share)


def _row(label: str, pairs: Pairs, value: Callable[[Round], float]) -> str:
    ratios = [value(ours) / value(theirs) for ours, theirs in pairs]
    ours, theirs = median(value(one) for one, _ in pairs), median(value(one) for _, one in pairs)
    return f"| {label} | {ours:.2f} | {theirs:.2f} | **{median(ratios):.2f}** | {min(ratios):.2f}–{max(ratios):.2f} |"


def _searched(searches: Mapping[int, Sequence[Search]]) -> list[str]:
    lines = ["| agents | ours, calls/s | app_queue, calls/s | ratio |", "|---|---|---|---|"]
    for agents, found in searches.items():
        ours, theirs = by_side(found, OURS), by_side(found, THEIRS)
        ratio = median(ours) / median(theirs) if median(theirs) else float("inf")
        lines.append(f"| {agents} | {_reached(ours)} | {_reached(theirs)} | **{ratio:.2f}** |")
    return lines


def _reached(rates: Sequence[int]) -> str:
    return f"{median(rates):.0f} ({', '.join(str(rate) for rate in rates)})"


def _waited(waiting: Sequence[Waiting], options: Options) -> list[str]:
    said = (
        f"{options.waiting_callers} callers for {options.waiting_s:g} s, {options.waiting_agents} agents or members "
        "busy, a fresh Asterisk each."
    )
    lines = [
        said,
        "",
        "| side | CPU % of a core, Asterisk | service | PostgreSQL | kB a caller, Asterisk | service |",
        "|---|---|---|---|---|---|",
    ]
    for side in (OURS, THEIRS):
        found = [one for one in waiting if one.side == side]
        shares = [_middle([100 * one.cpu_share[part] for one in found if part in one.cpu_share]) for part in _PARTS]
        sizes = [
            _middle([one.rss_bytes_per_caller[part] / 1024 for one in found if part in one.rss_bytes_per_caller])
            for part in _PARTS[:2]
        ]
        lines.append(f"| {side} | " + " | ".join([*shares, *sizes]) + " |")
    stayed = all(one.stayed and not one.agents_rung for one in waiting)
    fate = "All stayed, no phone rang." if stayed else "Not all stayed, or a phone rang: see the JSON."
    return [*lines, "", f"{fate} {_noise([one.foreign for one in waiting])}"]


_PARTS = ("asterisk", "service", "postgresql")


def _middle(values: Sequence[float]) -> str:
    return f"{median(values):.1f}" if values else "–"


def _noise(foreign: Sequence[float]) -> str:
    noisy = sum(share > FOREIGN_MAX for share in foreign)
    if not noisy:
        return f"Others took {max(foreign):.0%} of the machine at most."
    return (
        f"**Noisy:** others took more than {FOREIGN_MAX:.0%} of the machine in {noisy} of {len(foreign)} rounds, "
        f"{median(foreign):.0%} in the median, also after repeating."
    )
