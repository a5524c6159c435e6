"""What the demo shows: a live table on a terminal, plain lines elsewhere, and the closing summary."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from api.cli.output import err, table
from api.demo import figures as counted
from api.demo.figures import SERVICE_LEVEL_RULE, Figures
from callcenter.config.site import Site
from routing.acd.snapshot import Snapshot
from routing.model import Activity, Presence

LIVE_EVERY_S: Final = 0.25
LINE_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Scene:
    """The demo at one moment. `since_s` after the first call."""

    since_s: float
    callers: int
    seen: Snapshot
    figures: Figures


class Screen:
    """Shows scenes until the block ends, as often as its kind of terminal bears."""

    def __init__(self) -> None:
        self._console: Console = err()
        self._live = Live(console=self._console, auto_refresh=False, transient=True) if sys.stderr.isatty() else None
        self._next_s = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, since_s: float, scene: Callable[[], Scene]) -> None:
        """Show the scene if it is time for the next one."""
        if since_s < self._next_s:
            return
        if self._live is not None:
            self._next_s = since_s + LIVE_EVERY_S
            self._live.update(picture(scene()), refresh=True)
        else:
            self._next_s = since_s + LINE_EVERY_S
            self._console.print(line(scene()), markup=False)


def picture(scene: Scene) -> Group:
    """The scene as tables: progress, contacts, queues, agents."""
    figures = scene.figures
    progress = Table.grid(padding=(0, 1))
    progress.add_row(
        ProgressBar(total=scene.callers, completed=figures.ended, width=40),
        f"{figures.ended} of {scene.callers} callers, {scene.since_s:.0f} s",
    )
    return Group(
        progress,
        Text(_contacts(figures)),
        Text(),
        table(("queue", "waiting", "oldest wait", "answered", "service level"), _queue_rows(scene)),
        Text(),
        table(("agents", ""), ((state, ", ".join(who)) for state, who in _agents(scene.seen).items())),
        Text("Ctrl-C ends the demo", style="dim"),
    )


def line(scene: Scene) -> str:
    """The scene in one line, for logs and pipes."""
    waiting = sum(len(queue.waiting) for queue in scene.seen.queues)
    busy = ", ".join(f"{len(who)} {state}" for state, who in _agents(scene.seen).items())
    return (
        f"demo: {scene.since_s:4.0f} s  {scene.figures.ended} of {scene.callers} callers; "
        f"{_contacts(scene.figures)}; {waiting} waiting; agents: {busy}"
    )


def summary(figures: Figures, site: Site) -> Group:
    """The closing tables."""
    head = ("", "entered", "answered", "abandoned", "short", "ASA", "service\nlevel", "AHT")
    tiers = [name for name in site.value_tiers if name in figures.tiers]
    rows = [_group_row(f"queue {name}", group) for name, group in sorted(figures.queues.items())]
    rows += [_group_row(f"tier {name}", figures.tiers[name]) for name in tiers]
    rows.append(_group_row("all queues", figures.total))
    offers = ", ".join(f"{count} {outcome}" for outcome, count in sorted(figures.offers.items()))
    thresholds = ", ".join(f"{queue.queue} {queue.sl_s:g} s" for queue in site.queues.values())
    ends = ", ".join(f"{count} {state}" for state, count in sorted(figures.end_states.items()))
    made = table(head, rows)
    made.columns[0].no_wrap = True
    for column in made.columns[1:]:
        column.justify = "right"
    return Group(
        Text(f"{figures.contacts} contacts: {_contacts(figures)}", style="bold"),
        Text(),
        made,
        Text(),
        Text(f"end states     {ends}"),
        Text(f"offers         {offers}"),
        Text("ASA            mean wait of the answered; AHT: mean talk, hold and wrap-up of the answered"),
        Text(f"service level  {SERVICE_LEVEL_RULE}"),
        Text(f"in time        {thresholds}"),
    )


def _contacts(figures: Figures) -> str:
    level = figures.total.service_level_so_far
    text = f"{figures.served} served, {figures.abandoned} abandoned, {figures.failed} failed"
    return text + (f"; service level {level:.0%}" if level is not None else "")


def _queue_rows(scene: Scene) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for queue in scene.seen.queues:
        group = scene.figures.queues.get(queue.queue, counted.Group())
        oldest_at = queue.oldest_entered_at
        oldest = "" if oldest_at is None else f"{max(0.0, scene.seen.at - oldest_at):.1f} s"
        rows.append(
            (queue.queue, str(len(queue.waiting)), oldest, str(group.answered), _share(group.service_level_so_far))
        )
    return rows


def _agents(seen: Snapshot) -> dict[str, list[str]]:
    """Who is in which state, in the order of a contact's life; states of nobody are left out."""
    states: dict[str, list[str]] = {name: [] for name in ("idle", "reserved", "talking", "wrap-up", "aux", "away")}
    for agent in seen.agents:
        if agent.activity is not Activity.IDLE:
            state = agent.activity.value.replace("_", "-")
        else:
            state = {Presence.AVAILABLE: "idle", Presence.AUX: "aux"}.get(agent.presence, "away")
        states[state].append(agent.agent_id)
    return {state: who for state, who in states.items() if who}


def _group_row(name: str, group: counted.Group) -> tuple[str, ...]:
    counts = (group.entered, group.answered, group.abandoned, group.short_abandons)
    times = (_seconds(group.asa_s), _share(group.service_level), _seconds(group.aht_s))
    return (name, *(str(count) for count in counts), *times)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
