"""Simulated days as a picture: service level over the day, and by tier with its interval; SVG, written by hand.

Equal figures give the same bytes: nothing in the picture depends on when or where it was drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from routing.simulate.intervals import Figure

WIDTH, HEIGHT = 960, 420
LEFT, RIGHT, TOP, BOTTOM = 60.0, 640.0, 60.0, 360.0
BARS_LEFT, BARS_RIGHT = 700.0, 940.0
COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8d6a9f")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One site's part of the picture: its line over the day (when, service level), and its figure per tier."""

    name: str
    line: Sequence[tuple[float, float | None]]
    tiers: Mapping[str, Figure]


def picture(title: str, sites: Sequence[Drawn]) -> str:
    """The whole SVG document."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 24, title, size=16),
        _text(LEFT, TOP - 12, "service level by half hour"),
        _text(BARS_LEFT, TOP - 12, "service level by tier, 95 % interval"),
        *_grid(sites),
        *(part for at, site in enumerate(sites) for part in _line(site, sites, COLOURS[at % len(COLOURS)])),
        *_tiers(sites),
        *_legend(sites),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(sites: Sequence[Drawn]) -> Iterator[str]:
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        for left, right in ((LEFT, RIGHT), (BARS_LEFT, BARS_RIGHT)):
            yield f'<line x1="{left:g}" y1="{y:g}" x2="{right:g}" y2="{y:g}" stroke="#dddddd"/>'
        yield _text(LEFT - 8, y + 4, f"{tenth * 10} %", anchor="end")
    first, last = _span(sites)
    hours = range(-(-int(first) // 3600), int(last) // 3600 + 1)
    for hour in hours:
        if len(hours) <= 12 or hour % 2 == 0:
            yield _text(_x(hour * 3_600.0, sites), BOTTOM + 18, f"{hour % 24} h", anchor="middle")


def _line(site: Drawn, sites: Sequence[Drawn], colour: str) -> Iterator[str]:
    """Its service level over the day; a half hour that nobody entered in is a gap."""
    stretch: list[str] = []
    for at, level in [*site.line, (0.0, None)]:
        if level is not None:
            stretch.append(f"{_x(at, sites):.1f},{_y(level):.1f}")
            continue
        if len(stretch) > 1:
            yield f'<polyline points="{" ".join(stretch)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        elif stretch:
            x, y = stretch[0].split(",")
            yield f'<circle cx="{x}" cy="{y}" r="2" fill="{colour}"/>'
        stretch = []


def _tiers(sites: Sequence[Drawn]) -> Iterator[str]:
    names = list(dict.fromkeys(name for site in sites for name in site.tiers))
    for column, name in enumerate(names):
        middle = BARS_LEFT + (column + 0.5) * (BARS_RIGHT - BARS_LEFT) / len(names)
        yield _text(middle, BOTTOM + 18, name, anchor="middle")
        for at, site in enumerate(sites):
            figure = site.tiers.get(name)
            if figure is None or figure.value is None:
                continue
            x, colour = middle + 12.0 * (at - (len(sites) - 1) / 2), COLOURS[at % len(COLOURS)]
            if figure.plus_minus is not None:
                low, high = _y(max(figure.low, 0.0)), _y(min(figure.high, 1.0))
                yield f'<line x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}" stroke="{colour}"/>'
            yield f'<circle cx="{x:.1f}" cy="{_y(figure.value):.1f}" r="4" fill="{colour}"/>'


def _legend(sites: Sequence[Drawn]) -> Iterator[str]:
    for at, site in enumerate(sites):
        x = LEFT + 200.0 * at
        yield f'<rect x="{x:g}" y="{HEIGHT - 26}" width="14" height="4" fill="{COLOURS[at % len(COLOURS)]}"/>'
        yield _text(x + 20, HEIGHT - 20, site.name)


def _span(sites: Sequence[Drawn]) -> tuple[float, float]:
    instants = [at for site in sites for at, _ in site.line] or [0.0]
    return min(instants), max(*instants, min(instants) + 1.0)


def _x(at: float, sites: Sequence[Drawn]) -> float:
    first, last = _span(sites)
    return LEFT + (at - first) / (last - first) * (RIGHT - LEFT)


def _y(share: float) -> float:
    return BOTTOM - share * (BOTTOM - TOP)


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(words)}</text>'
