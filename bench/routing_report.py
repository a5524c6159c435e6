"""E4 as a part of the page: decisions, the scan beside them, memory, and the cost at n, 10 n and 100 n as a picture."""

from collections.abc import Mapping, Sequence
from math import log10
from statistics import median
from typing import Any, Final

from bench import batch
from bench.routing_floor import FOUND, SERVED

Raw = Mapping[str, Any]
BARS: Final = {"reference": (100_000, 50.0, 50), "moonshot": (50_000, 100.0, 500)}
"""What the issue asks for: decisions/s, p99 in µs, times the scan."""
BYTES_MAX: Final = 1_024
DAY_S_MAX: Final = 3.0
SCALES: Final = ("n", "10 n", "100 n")
WAYS: Final = ((SERVED, "served"), (FOUND, "found"))


def section(found: Raw) -> list[str]:
    """The lines of the page."""
    sizes = found["sizes"]
    lines = ["## E4: what a decision of the ACD costs", ""]
    lines += [
        "| size | decision | decisions/s | p50 µs | p99 µs | max µs | the scan, mean µs | times | spread | alike |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(size, kind, size[way]) for size in sizes for kind, way in WAYS]
    lines += ["", "| size | agents | groups | classes | waiting | bytes a waiting contact | steps/s | µs a life |"]
    lines += ["|---|---|---|---|---|---|---|---|", *(_center(size) for size in sizes), ""]
    lines += [_verdict(size) for size in sizes if size["size"]["name"] in BARS]
    lines += ["", _day(found["day"]), "", _noise(sizes), ""]
    return lines + (batch.section(found["batch"]) if found["batch"] else [])


def _row(size: Raw, kind: str, rounds: Sequence[Raw]) -> str:
    ours = [one["ours"][kind] for one in rounds]
    times = [_times(one, kind) for one in rounds]
    checked, different = sum(one["checked"] for one in rounds), sum(one["different"] for one in rounds)
    return (
        f"| {size['size']['name']} | {kind} | **{_middle(ours, 'per_s'):,.0f}** | {_middle(ours, 'p50_us'):.1f} "
        f"| {_middle(ours, 'p99_us'):.1f} | {max(one['max_us'] for one in ours):,.0f} "
        f"| {median(one['scan']['mean_us'] for one in rounds):,.0f} | **{median(times):,.0f}** "
        f"| {min(times):,.0f}–{max(times):,.0f} | {checked - different} of {checked} |"
    )


def _center(size: Raw) -> str:
    shape, rounds = size["size"], size["served"]
    return (
        f"| {shape['name']} | {shape['agents']:,} | {size['groups']:,} | {size['classes']:,} | {size['waiting']:,} "
        f"| {size['bytes_per_waiting']:,.0f} | {median(one['steps_per_s'] for one in rounds):,.0f} "
        f"| {median(one['life_us'] for one in rounds):.1f} |"
    )


def _verdict(size: Raw) -> str:
    """Which of the aims of this size were met, in one line."""
    name = size["size"]["name"]
    per_s, p99_us, times = BARS[name]
    said = []
    for kind, way in WAYS:
        ours = [one["ours"][kind] for one in size[way]]
        reached = (
            ("decisions/s", _middle(ours, "per_s") >= per_s, f"≥ {per_s:,}"),
            ("p99", _middle(ours, "p99_us") <= p99_us, f"≤ {p99_us:g} µs"),
            ("times the scan", median(_times(one, kind) for one in size[way]) >= times, f"≥ {times}"),
        )
        said += [f"{kind}: {what} {aim} {'met' if met else '**missed**'}" for what, met, aim in reached]
    light = size["bytes_per_waiting"] <= BYTES_MAX
    said.append(f"memory ≤ {BYTES_MAX:,} bytes a waiting contact {'met' if light else '**missed**'}")
    return f"Aims, {name}: " + "; ".join(said) + ".\n"


def _day(day: Raw) -> str:
    """The simulated day in one line."""
    met = "met" if day["spent_s"] <= DAY_S_MAX else "**missed**"
    return (
        f"A simulated day of {day['calls']:,} calls, {day['steps']:,} steps of the engine: {day['spent_s']:.2f} s "
        f"({day['least_s']:.2f} s at best). Aim: ≤ {DAY_S_MAX:g} s {met}."
    )


def _noise(sizes: Sequence[Raw]) -> str:
    foreign = [one["foreign"] for size in sizes for _, way in WAYS for one in size[way]]
    return f"Others took {median(foreign):.0%} of the machine in the median round, {max(foreign):.0%} at most."


def _times(one: Raw, kind: str) -> float:
    return float(one["scan"]["mean_us"] / one["ours"][kind]["mean_us"])


def _middle(costs: Sequence[Raw], name: str) -> float:
    return median(float(one[name]) for one in costs)


# --- the picture ----------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 560, 320, 60, 24, 44
LOWEST_US, HIGHEST_US = 1.0, 1e6
INK: Final = {"ours, p99": "#1f77b4", "ours, mean": "#17a2b8", "scan, mean": "#d62728"}


def picture(found: Raw) -> str | None:
    """An SVG of cost by size, both axes logarithmic; None if the three sizes were not measured."""
    by_name = {size["size"]["name"]: size for size in found["sizes"]}
    if any(name not in by_name for name in SCALES):
        return None
    sizes = [by_name[name] for name in SCALES]
    shape = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {shape}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="14">µs a decision; full: agent becomes free, dashed: contact enters</text>',
    ]
    for power in range(round(log10(LOWEST_US)), round(log10(HIGHEST_US)) + 1):
        y = _y(10.0**power)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 110}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10**power:,}</text>')
    for at, size in enumerate(sizes):
        said = f"{size['size']['agents']:,} agents"
        parts.append(f'<text x="{_x(at):.1f}" y="{HEIGHT - 26}" text-anchor="middle">{said}</text>')
        said = f"{size['waiting']:,} waiting"
        parts.append(f'<text x="{_x(at):.1f}" y="{HEIGHT - 12}" text-anchor="middle">{said}</text>')
    for kind, way in WAYS:
        curves = {
            "ours, mean": [_middle([one["ours"][kind] for one in size[way]], "mean_us") for size in sizes],
            "ours, p99": [_middle([one["ours"][kind] for one in size[way]], "p99_us") for size in sizes],
            "scan, mean": [_middle([one["scan"] for one in size[way]], "mean_us") for size in sizes],
        }
        parts += [_curve(name, values, dashed=kind == FOUND) for name, values in curves.items()]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _curve(name: str, values_us: Sequence[float], *, dashed: bool) -> str:
    points = " ".join(f"{_x(at):.1f},{_y(value):.1f}" for at, value in enumerate(values_us))
    dash = ' stroke-dasharray="5 3"' if dashed else ""
    line = f'<polyline points="{points}" fill="none" stroke="{INK[name]}" stroke-width="2"{dash}/>'
    if dashed:
        return line
    end = f'x="{_x(len(values_us) - 1) + 8:.1f}" y="{_y(values_us[-1]) + 4:.1f}"'
    return f'{line}<text {end} fill="{INK[name]}">{name} {values_us[-1]:,.0f}</text>'


def _x(at: int) -> float:
    return LEFT + 40 + at * (WIDTH - LEFT - 190) / 2


def _y(value_us: float) -> float:
    share = (log10(max(value_us, LOWEST_US)) - log10(LOWEST_US)) / (log10(HIGHEST_US) - log10(LOWEST_US))
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
