"""sizing --site: the fewest agents of each of a site's groups that meet every target, found on the simulated ACD."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from api.cli.output import Exit, err, out, say_json, table
from api.cli.simulate import PRESETS, presets
from callcenter.blueprint import acd_configuration
from callcenter.config.site import load_site
from callcenter.errors import CallCenterError
from routing.messages import Configured
from routing.simulate.durations import Exponential
from routing.simulate.groups import Group
from routing.simulate.intervals import Figure
from routing.simulate.load import Load
from routing.simulate.presets import over_site, own_center
from routing.simulate.sizing import RUNS_MAX, CannotStaff, Staffing, staff
from routing.simulate.targets import Achieved, Wanted
from routing.sizing import positions

DIGITS: Final = 6


class CannotSize(CallCenterError):
    """What was asked can't be sized; the message says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options. Without `site` the preset must bring a center of its own.

    What is None is as the preset describes it: `calls_per_hour` those of its busiest hour.
    """

    target_share: float
    target_s: float
    site: Path | None = None
    preset: str | None = None
    calls_per_hour: float | None = None
    aht_s: float | None = None
    patience_s: float | None = None
    abandonment_max: float | None = None
    shrinkage: float = 0.0
    customers: int = 20_000
    seed: int = 1
    runs_max: int = RUNS_MAX
    keep_proportions: bool = False
    as_json: bool = False
    progress: bool = True


def filled(given: Mapping[str, float | None]) -> dict[str, float | None]:
    """The options with something in place of what a preset will say, so that they can be checked as a whole."""
    stand_in = {"calls_per_hour": 1.0, "aht_s": 180.0, "patience_s": 180.0}
    return {name: stand_in.get(name) if value is None else value for name, value in given.items()}


def run(asked: Asked) -> Exit:
    """Search and print. Raises CannotSize and SiteError."""
    site, load = _center(asked)
    calls_per_hour = asked.calls_per_hour or max(load.arrivals.means) * 3_600.0 / load.arrivals.interval_s
    wanted = Wanted(asked.target_share, asked.target_s, asked.abandonment_max or 1.0)
    try:
        with _shown(asked.progress) as progress:
            found = staff(
                site,
                load,
                wanted,
                calls_per_hour=calls_per_hour,
                customers=asked.customers,
                seed=asked.seed,
                keep_proportions=asked.keep_proportions,
                runs_max=asked.runs_max,
                progress=progress,
            )
    except CannotStaff as error:
        raise CannotSize(str(error)) from error
    document = _document(asked, calls_per_hour, found)
    if asked.as_json:
        say_json(document)
    else:
        _print(document)
    return Exit.OK


def _center(asked: Asked) -> tuple[Configured, Load]:
    """The site, and what comes to it."""
    name = asked.preset or "demo"
    if name not in presets():
        raise CannotSize(f"there is no preset {name!r}; there are {', '.join(presets())}")
    described = json.loads((PRESETS / f"{name}.json").read_text(encoding="utf-8"))
    if asked.site is None:
        if "center" not in described:
            raise CannotSize(f"the preset {name!r} brings no site; add --site")
        site, load = own_center(described)
    else:
        loaded = load_site(asked.site)
        site = acd_configuration(loaded)
        load = over_site(described, site, loaded.languages, tuple(agent.agent_id for agent in site.agents))
    kinds = load.kinds
    if asked.aht_s is not None:
        kinds = tuple(replace(kind, handling=Exponential(asked.aht_s)) for kind in kinds)
    if asked.patience_s is not None:
        kinds = tuple(replace(kind, patience=Exponential(asked.patience_s)) for kind in kinds)
    return site, replace(load, kinds=kinds)


@contextmanager
def _shown(shown: bool) -> Iterator[Callable[[int, int, int], None] | None]:
    """How far the search has come, on stderr."""
    if not shown:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err(), transient=True) as bar:
        task = bar.add_task("simulating")

        def tell(runs: int, runs_max: int, least: int) -> None:
            so_far = f"{least} agents will do" if least else "not enough yet"
            bar.update(task, description=f"run {runs} of about {runs_max} at most: {so_far}")

        yield tell


# --- saying it --------------------------------------------------------------------------------------------------------


def _document(asked: Asked, calls_per_hour: float, found: Staffing) -> dict[str, Any]:
    """The answer for programs: the same bytes for the same site, options and seed."""
    return {
        "calls_per_hour": round(calls_per_hour, DIGITS),
        "erlangs": round(found.erlangs, DIGITS),
        "target_share": asked.target_share,
        "target_s": asked.target_s,
        "agents": found.agents,
        "positions": positions(found.agents, asked.shrinkage),
        "agents_pooled": found.pooled,
        "agents_alone": found.alone,
        "occupancy": round(found.checked.occupancy, DIGITS),
        "groups": [_group(group, count) for group, count in zip(found.groups, found.crew, strict=True)],
        "queues": {name: _achieved(each) for name, each in found.checked.queues.items()},
        "tiers": {name: _achieved(each) for name, each in found.checked.tiers.items()},
        "seed": asked.seed,
        "customers": asked.customers,
        "runs": found.runs,
        "complete": found.complete,
    }


def _group(group: Group, count: int) -> dict[str, Any]:
    profile = group.profile
    return {
        "first": group.members[0],
        "skills": dict(sorted(profile.skills.items())),
        "experience": profile.experience,
        "team": profile.team,
        "location": profile.location,
        "queues": list(group.queues),
        "in_site": len(group.members),
        "agents": count,
    }


def _achieved(each: Achieved) -> dict[str, Any]:
    return {
        "within_s": each.within_s,
        "service_level": _figure(each.service_level),
        "abandonment": _figure(each.abandonment),
    }


def _figure(figure: Figure) -> dict[str, float | None]:
    return {
        "value": None if figure.value is None else round(figure.value, DIGITS),
        "plus_minus": None if figure.plus_minus is None else round(figure.plus_minus, DIGITS),
    }


def _print(document: Mapping[str, Any]) -> None:
    rows = [
        ("calls_per_hour", f"{document['calls_per_hour']:g}", "all calls, redials included"),
        ("erlangs", f"{document['erlangs']:.1f}", "traffic: arrival rate × AHT"),
        ("agents", str(document["agents"]), "at work"),
        ("positions", str(document["positions"]), "on the roster, shrinkage included"),
        ("agents_pooled", str(document["agents_pooled"]), "if everybody could serve everything (Erlang A)"),
        ("agents_alone", str(document["agents_alone"]), "if every kind of call had its own (Erlang A)"),
        ("occupancy", f"{document['occupancy']:.1%}", "of an agent's time is serving"),
        ("runs", str(document["runs"]), "" if document["complete"] else "ended by --runs-max: fewer agents may do"),
    ]
    out().print(table(("what", "value", "meaning"), rows))
    groups = [
        (each["first"], _skills(each), ", ".join(each["queues"]), str(each["in_site"]), str(each["agents"]))
        for each in document["groups"]
    ]
    out().print(table(("group of", "skills", "queues", "in site", "agents"), groups))
    achieved = [
        (f"{kind} {name}", f"{each['within_s']:g}", _share(each["service_level"]), _share(each["abandonment"]))
        for kind in ("queue", "tier")
        for name, each in document[f"{kind}s"].items()
    ]
    out().print(table(("who", "within_s", "service_level", "abandonment"), achieved))


def _skills(group: Mapping[str, Any]) -> str:
    return " ".join(f"{skill}:{level}" for skill, level in group["skills"].items())


def _share(figure: Mapping[str, float | None]) -> str:
    value, plus_minus = figure["value"], figure["plus_minus"]
    if value is None:
        return "-"
    return f"{value:.1%}" if plus_minus is None else f"{value:.1%} ± {plus_minus:.1%}"
