"""simulate: days in virtual time on the production ACD, under the running site and a draft, side by side."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

import routing.simulate
from api.cli.database import engine
from api.cli.output import Exit, err, out, say_json, table
from callcenter.blueprint import acd_configuration
from callcenter.config.settings import Settings
from callcenter.config.site import Site, load_site
from callcenter.db.replay import recorded_day
from callcenter.errors import CallCenterError
from callcenter.surroundings import EVERYWHERE, around, leads_to, with_facts, with_ivr
from routing.messages import Configured
from routing.simulate.day import simulate
from routing.simulate.draw import Day, draw
from routing.simulate.intervals import Figure
from routing.simulate.load import Ivr, Kind, Load
from routing.simulate.plot import Drawn, picture
from routing.simulate.presets import over_site, own_center
from routing.simulate.record import Record
from routing.simulate.recorded import Recorded, day_of
from routing.simulate.results import ALL, Scope, Summary, by_interval, compare, summarise
from routing.simulate.surroundings import NOTHING_AROUND, Surroundings

PRESETS: Final = Path(routing.simulate.__file__).parent / "presets"
DIGITS: Final = 6
DRAWN_DAY: Final = date(2025, 1, 8)
"""Whose opening hours hold for a drawn day: an ordinary Wednesday."""

_Figures: TypeAlias = dict[Scope, Summary]


class CannotSimulate(CallCenterError):
    """What was asked for can't be simulated; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options; `site` None means the one of the settings. `day` and `preset` exclude each other.

    `callbacks`: the share of the customers who take one. `ivr`: as typed, see `_ivr`.
    """

    site: Path | None = None
    draft: Path | None = None
    preset: str | None = None
    day: date | None = None
    seed: int = 1
    replications: int = 5
    scale: float = 1.0
    callbacks: float = 0.0
    ivr: tuple[str, ...] = ()
    plot: Path | None = None
    as_json: bool = False
    progress: bool = True


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is run: the sites by the name they are shown under, what is around each, the days to draw by replication."""

    title: str
    sites: Mapping[str, Configured]
    around: Mapping[str, Surroundings]
    day: Callable[[int], Day]
    notes: tuple[str, ...] = ()


def presets() -> tuple[str, ...]:
    """The names of the presets there are."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.json")))


async def run(settings: Settings, asked: Asked) -> Exit:
    """Simulate and print. Raises CannotSimulate, SiteError, and with a recorded day DatabaseError or CompanionError."""
    scenario = await _recorded(settings, asked) if asked.day is not None else _drawn(settings, asked)
    records = _simulate(scenario, asked)
    figures = {name: summarise(site, records[name]) for name, site in scenario.sites.items()}
    if asked.plot is not None:
        _write(asked.plot, _picture(scenario, records, figures))
    if asked.as_json:
        say_json(_document(scenario, asked, figures))
    else:
        _print(scenario, figures)
    return Exit.OK


# --- what to run ------------------------------------------------------------------------------------------------------


def _drawn(settings: Settings, asked: Asked) -> Scenario:
    """Customers drawn from a preset, on its own center or on a site."""
    name = asked.preset or "demo"
    if name not in presets():
        raise CannotSimulate(f"there is no preset {name!r}; there are {', '.join(presets())}")
    described = json.loads((PRESETS / f"{name}.json").read_text(encoding="utf-8"))
    load: Load
    if "center" in described and asked.site is None:
        if asked.draft is not None:
            raise CannotSimulate(f"the preset {name!r} brings its own site; to compare a draft with yours, add --site")
        if set(ivr := _ivr(asked.ivr)) - {EVERYWHERE}:
            raise CannotSimulate(f"nobody dials a number in the preset {name!r}: give --ivr without one, or add --site")
        own, load = own_center(described)
        load = replace(load, kinds=tuple(replace(kind, ivr=ivr.get(EVERYWHERE, kind.ivr)) for kind in load.kinds))
        sites, surroundings = {"preset": own}, {"preset": NOTHING_AROUND}
    else:
        loaded = _sites(settings, asked)
        sites = {shown: acd_configuration(site) for shown, site in loaded.items()}
        surroundings = _around(loaded, DRAWN_DAY)
        running = next(iter(loaded.values()))
        agents = dict.fromkeys(agent.agent_id for site in sites.values() for agent in site.agents)
        load = over_site(described, next(iter(sites.values())), running.languages, tuple(agents))
        load = replace(load, kinds=_with_ivr(with_facts(load.kinds, running), running, asked))
    scaled = load.scaled(asked.scale)
    if asked.callbacks > 0:
        scaled = replace(scaled, callbacks=replace(scaled.callbacks, taken=asked.callbacks))
    _check_queues(sites, {kind.queue for kind in load.kinds})
    return Scenario(f"preset {name}", sites, surroundings, lambda replication: draw(scaled, asked.seed, replication))


def _with_ivr(kinds: Sequence[Kind], site: Site, asked: Asked) -> tuple[Kind, ...]:
    try:
        return with_ivr(kinds, site, _ivr(asked.ivr))
    except KeyError as unknown:
        raise CannotSimulate(
            f"--ivr: {unknown.args[0]!r} is neither a number of the site nor the flow of one"
        ) from None


def _ivr(typed: Sequence[str]) -> dict[str, Ivr]:
    """The time in the IVR by place, from [NUMBER or FLOW=]MEAN_S[,SD_S[,SHARE]]."""
    found = {}
    for each in typed:
        place, _, numbers = each.rpartition("=")
        try:
            found[place] = Ivr.of(*map(float, numbers.split(",")))
        except (ValueError, TypeError) as error:
            raise CannotSimulate(f"--ivr {each}: expected [NUMBER or FLOW=]MEAN_S[,SD_S[,SHARE]]; {error}") from error
    return found


async def _recorded(settings: Settings, asked: Asked) -> Scenario:
    """The customers of a day in the database."""
    assert asked.day is not None
    if asked.scale != 1.0:
        raise CannotSimulate("a recorded day has the customers it had: --scale is for presets")
    if asked.callbacks > 0:
        raise CannotSimulate("what customers of a recorded day chose is known: --callbacks is for presets")
    if asked.ivr:
        raise CannotSimulate("how long customers of a recorded day were in the IVR is known: --ivr is for presets")
    loaded = _sites(settings, asked)
    sites = {shown: acd_configuration(site) for shown, site in loaded.items()}
    running = next(iter(loaded.values()))
    start = datetime(asked.day.year, asked.day.month, asked.day.day, tzinfo=running.zone)
    end = start + timedelta(days=1)
    async with engine(settings) as database:
        span = (start.timestamp(), end.timestamp())
        recorded = await recorded_day(database, next(iter(sites.values())), *span, leads_to(running))
    if not recorded.visits:
        raise CannotSimulate(f"nobody entered a queue on {asked.day} ({running.zone}); choose another --day")
    _check_queues(sites, {visit.queue for visit in recorded.visits})
    notes = (*_recorded_notes(recorded),)
    surroundings = _around(loaded, asked.day)
    return Scenario(
        f"recorded day {asked.day}",
        sites,
        surroundings,
        lambda replication: day_of(recorded, asked.seed, replication),
        notes,
    )


def _around(sites: Mapping[str, Site], day: date) -> dict[str, Surroundings]:
    """Trunks, hours of that day, and rules of each site."""
    zone = next(iter(sites.values())).zone
    begins = datetime(day.year, day.month, day.day, tzinfo=zone)
    return {shown: around(site, begins) for shown, site in sites.items()}


def _recorded_notes(recorded: Recorded) -> Iterator[str]:
    if not recorded.spells:
        yield "no agent was there on that day, so nobody is served"
    if not any(visit.abandoned for visit in recorded.visits):
        yield "nobody gave up on that day, so nobody does here"


def _sites(settings: Settings, asked: Asked) -> dict[str, Site]:
    loaded = {"running": load_site(asked.site or settings.site)}
    if asked.draft is not None:
        loaded["draft"] = load_site(asked.draft)
    return loaded


def _check_queues(sites: Mapping[str, Configured], entered: set[str]) -> None:
    for shown, site in sites.items():
        missing = sorted(entered - {queue.queue for queue in site.queues})
        if missing:
            raise CannotSimulate(
                f"the {shown} site has no queue {', '.join(missing)}, which customers of the day enter"
            )


# --- running it -------------------------------------------------------------------------------------------------------


def _simulate(scenario: Scenario, asked: Asked) -> dict[str, list[Record]]:
    records: dict[str, list[Record]] = {name: [] for name in scenario.sites}
    with _bar(asked.replications * len(scenario.sites), shown=asked.progress) as advance:
        for replication in range(asked.replications):
            day = scenario.day(replication)
            if not len(day):
                raise CannotSimulate("nobody calls on such a day; take a larger --scale")
            for name, site in scenario.sites.items():
                told = _foretells(site, day)
                records[name].append(simulate(site, day, around=scenario.around[name], announce=told, progress=advance))
    return records


def _foretells(site: Configured, day: Day) -> bool:
    """Whether anything depends on how well waits are foretold; if not, the time for foretelling them is saved."""
    return day.callbacks is not None or any(queue.limits.wait_max_s is not None or queue.loans for queue in site.queues)


@contextmanager
def _bar(days: int, *, shown: bool) -> Iterator[Callable[[float], None] | None]:
    """A progress bar on stderr, moved by the share of each day that is over."""
    if not shown:
        yield None
        return
    columns = (TextColumn("simulating"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=err(), transient=True) as progress:
        task = progress.add_task("", total=float(days))
        over = 0

        def advance(share: float) -> None:
            nonlocal over
            progress.update(task, completed=over + share)
            if share >= 1.0:
                over += 1

        yield advance


# --- saying it --------------------------------------------------------------------------------------------------------


def _document(scenario: Scenario, asked: Asked, figures: Mapping[str, _Figures]) -> dict[str, Any]:
    """The answer for programs: the same bytes for the same seed and sites."""
    document: dict[str, Any] = {
        "scenario": scenario.title,
        "seed": asked.seed,
        "replications": asked.replications,
        "scale": asked.scale,
        "callbacks": asked.callbacks,
        **({"ivr": list(asked.ivr)} if asked.ivr else {}),
        "confidence": 0.95,
        "notes": list(scenario.notes),
        "sites": {name: _scopes(found, _summary_body) for name, found in figures.items()},
    }
    if len(figures) == 2:
        document["difference"] = _scopes(compare(*figures.values()), _figures_body)
    return document


def _scopes(found: Mapping[Scope, Any], body: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "all": body(found[ALL]) if ALL in found else None,
        "tiers": {scope.name: body(each) for scope, each in found.items() if scope.kind == "tier"},
        "queues": {scope.name: body(each) for scope, each in found.items() if scope.kind == "queue"},
    }


def _summary_body(summary: Summary) -> dict[str, Any]:
    return {name: round(count, DIGITS) for name, count in summary.counts.items()} | _figures_body(summary.figures)


def _figures_body(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {
        name: {"value": _rounded(figure.value), "plus_minus": _rounded(figure.plus_minus)}
        for name, figure in figures.items()
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


SHOWN: Final = (
    ("entered", ""),
    ("service_level", "%"),
    ("promise_kept", "%"),
    ("asa_s", "s"),
    ("wait_p90_s", "s"),
    ("abandonment", "%"),
    ("occupancy", "%"),
    ("occupancy_gini", ""),
    ("self_served", ""),
    ("blocked", ""),
    ("callbacks", ""),
    ("callbacks_kept", ""),
    ("callback_wait_s", "s"),
    ("callback_slot_kept", "%"),
)


def _print(scenario: Scenario, figures: Mapping[str, _Figures]) -> None:
    """Tables for people: one row per scope and figure, a column per site, and the difference of two."""
    out().print(scenario.title, markup=False)
    head = ["who", "figure", *figures]
    changes = compare(*figures.values()) if len(figures) == 2 else {}
    if changes:
        head.append("draft - running")
    out().print(table(head, _rows(figures, changes)))
    for note in scenario.notes:
        err().print(f"note: {note}", markup=False)


def _rows(figures: Mapping[str, _Figures], changes: Mapping[Scope, Mapping[str, Figure]]) -> Iterator[Sequence[str]]:
    for scope in next(iter(figures.values())):
        who = scope.name if scope.kind == "all" else f"{scope.kind} {scope.name}"
        for name, unit in SHOWN:
            found = [each.get(scope) for each in figures.values()]
            if any(each is not None and name in each.counts for each in found):
                counts = [None if each is None else each.counts.get(name) for each in found]
                shown = ["" if count is None else f"{count:.0f}" for count in counts]
                yield (who if name == "entered" else "", name, *shown)
            elif any(each is not None and name in each.figures for each in found):
                cells = [
                    "" if each is None or name not in each.figures else _shown(each.figures[name], unit)
                    for each in found
                ]
                change = changes.get(scope, {}).get(name)
                yield ("", name, *cells, *([_shown(change, unit, sign="+")] if change is not None else []))


def _shown(figure: Figure, unit: str, sign: str = "") -> str:
    if figure.value is None:
        return "-"
    factor, digits = (100.0, 1) if unit == "%" else (1.0, 1 if unit else 3)
    scaled = figure.scaled(factor)
    interval = "" if scaled.plus_minus is None else f" ± {scaled.plus_minus:.{digits}f}"
    return f"{scaled.value:{sign}.{digits}f}{interval}{f' {unit}' if unit else ''}"


def _picture(scenario: Scenario, records: Mapping[str, Sequence[Record]], figures: Mapping[str, _Figures]) -> str:
    return picture(
        scenario.title,
        [
            Drawn(
                name,
                by_interval(site, records[name]),
                {
                    scope.name: summary.figures["service_level"]
                    for scope, summary in figures[name].items()
                    if scope.kind == "tier"
                },
            )
            for name, site in scenario.sites.items()
        ],
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotSimulate(f"{path}: {error.strerror}; choose another --plot") from error
