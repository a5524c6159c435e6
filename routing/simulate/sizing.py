"""How many agents of each group a site needs: the least that a search on the simulated ACD finds.

No formula knows agents with several skills, tiers and steps, so the ACD itself is asked. Wallace and Whitt ("A staffing
algorithm for call centers with skill-based routing", 2005) begin from Erlang's formula, share the agents out by the
square-root rule, simulate, and correct where a target is missed. That frame is theirs, begin from formulas and correct
by simulation. They choose the agents' skills too; here the site's groups are given, and only their sizes are sought:

1. `alone`: every kind of contact gets agents of its own by Erlang A, handed to the groups that may serve it.
2. If that misses a target (phones ring, tiers differ, a step comes late), the groups concerned grow.
3. All groups shrink alike, as far as every target is met.
4. Greedy: the groups whose queues have most to spare give up agents, several groups at once and then one by one, until
   nobody can be spared; then two are taken where there is most to spare for one given where there is least.
5. On other customers such a crew may just miss what it just met. From here on a second sample must be served too: the
   crew gets agents one by one until it meets all targets on both, and then again gives up whom it can spare.

A sample brings by chance a percent more or less traffic than it should, which is as much as a few agents. So instants
and handling times are stretched until its rate and mean are those that were asked for (moment matching).

All crews meet the very same customers (common random numbers), so that one is found better than another by what it
does. What comes out is a local optimum: one agent less, of whichever group, misses a target on one of the samples.
That takes a run for each group, and more; of many groups the search ends at `runs_max`, with the smallest crew it has
found so far that meets every target on both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeAlias

import numpy as np

from routing.messages import Configured
from routing.model import Presence
from routing.requirement import Requirement, show
from routing.simulate.day import simulate
from routing.simulate.draw import Day, Turn, draw
from routing.simulate.groups import Group, able, groups_of
from routing.simulate.load import Arrivals, Kind, Load, Redials, Roster
from routing.simulate.targets import Result, Wanted, judge
from routing.sizing import Target, agents_for

Crew: TypeAlias = tuple[int, ...]
"""How many agents of each group are at work."""

Progress: TypeAlias = Callable[[int, int, int], None]
"""Told after each run: how many there were, how many there may be, and how many agents the smallest crew has so far."""

RUNS_MAX = 400
FIRST_PART = 0.6
"""So much of the runs may be spent on the first sample of customers."""
PARTS = (8, 24)
GROWTH = 1.06
GROWTHS_MAX = 24


class CannotStaff(ValueError):
    """No crew does it; the message says why."""


@dataclass(frozen=True, slots=True)
class Staffing:
    """The crew found: `result` on the customers of the search, `checked` on those of step 5.

    `alone` is step 1 of the search; `pooled` what Erlang A asks if everybody could serve everything: no crew that
    meets the targets has many less. `complete`: the search came to its end, and was not ended by `runs_max`.
    """

    groups: tuple[Group, ...]
    crew: Crew
    result: Result
    checked: Result
    alone: int
    pooled: int
    erlangs: float
    runs: int
    complete: bool

    @property
    def agents(self) -> int:
        """How many are at work."""
        return sum(self.crew)


def staff(
    site: Configured,
    load: Load,
    wanted: Wanted,
    *,
    calls_per_hour: float,
    customers: int = 12_000,
    seed: int = 1,
    keep_proportions: bool = False,
    runs_max: int = RUNS_MAX,
    progress: Progress | None = None,
) -> Staffing:
    """The fewest agents of each group found, for a steady rush of these kinds of calls (all of them, redials included).

    `customers` are simulated in every run: more make it slower and surer. With `keep_proportions` the search ends
    after step 3; after `runs_max` runs it ends as soon as the crew meets every target on both samples. Raises
    CannotStaff.
    """
    steady = replace(
        load,
        arrivals=Arrivals((float(customers),), interval_s=customers / calls_per_hour * 3_600.0),
        redials=Redials(),
        roster=Roster((), wrap_up_share=load.roster.wrap_up_share),
    )
    groups = groups_of(site, load.kinds)
    start = _alone(site, steady, groups, wanted, calls_per_hour)
    search = _Search(site, groups, wanted, _typical(draw(steady, seed), steady, customers), runs_max, progress)
    pooled = _by_formula(steady.kinds, wanted, calls_per_hour)
    crew = search.cut_alike(search.enough(start), math.ceil(pooled * 0.8))
    if not keep_proportions:
        crew = search.cut(crew)
    search.add(_typical(draw(steady, seed, replication=1), steady, customers))
    crew = search.one_by_one(crew)
    if not keep_proportions:
        crew = search.spare(crew)
    result, checked = search.run(crew)
    return Staffing(
        groups=groups,
        crew=crew,
        result=result,
        checked=checked,
        alone=sum(start),
        pooled=pooled,
        erlangs=calls_per_hour / 3_600.0 * _mean_handle_s(load.kinds),
        runs=search.runs,
        complete=search.complete,
    )


def _typical(day: Day, load: Load, customers: int) -> Day:
    """The same day with the rate of calls and the mean handling time that are asked for, not just about them."""
    if not len(day):
        raise CannotStaff("nobody calls in such a sample; ask for more customers")
    slower = len(day) / customers
    longer = _mean_handle_s(load.kinds) * len(day) / sum(day.handle_s)
    return replace(
        day, at_s=[at * slower for at in day.at_s], handle_s=[handle_s * longer for handle_s in day.handle_s]
    )


# --- where to begin ---------------------------------------------------------------------------------------------------


def _alone(site: Configured, load: Load, groups: Sequence[Group], wanted: Wanted, calls_per_hour: float) -> Crew:
    """Agents as if every kind of contact had its own, handed to the able groups by how many the site has of them."""
    total = sum(kind.weight for kind in load.kinds)
    alike: dict[tuple[str, Requirement], list[Kind]] = {}
    for kind in load.kinds:
        alike.setdefault((kind.queue, kind.requires), []).append(kind)
    may_serve = {key: [able(site, kinds[0], group.profile) for group in groups] for key, kinds in alike.items()}
    serves = [sum(each[at] for each in may_serve.values()) for at in range(len(groups))]
    crew = [0.0] * len(groups)
    for (queue, requires), kinds in alike.items():
        calls = calls_per_hour * sum(kind.weight for kind in kinds) / total
        if calls <= 0:
            continue
        parts = [
            len(group.members) / serves[at] if may_serve[queue, requires][at] else 0.0
            for at, group in enumerate(groups)
        ]
        if not any(parts):
            raise CannotStaff(f"queue {queue}: no agent of the site may serve who requires {show(requires)}")
        needed = _by_formula(kinds, wanted, calls)
        for at, part in enumerate(parts):
            crew[at] += needed * part / sum(parts)
    return tuple(math.ceil(each - 1e-9) for each in crew)


def _by_formula(kinds: Sequence[Kind], wanted: Wanted, calls_per_hour: float) -> int:
    handle_s = _mean_handle_s(kinds)
    erlangs = calls_per_hour / 3_600.0 * handle_s
    target = Target(wanted.share, wanted.within_s, wanted.abandonment_max if wanted.abandonment_max < 1.0 else None)
    weights = np.array([kind.weight for kind in kinds])
    patience_s = float(np.average([kind.patience.mean_s for kind in kinds], weights=weights))
    return agents_for(erlangs, handle_s, target, patience_s if patience_s < math.inf else None).agents


def _mean_handle_s(kinds: Sequence[Kind]) -> float:
    return float(np.average([kind.handling.mean_s for kind in kinds], weights=[kind.weight for kind in kinds]))


def _scaled(crew: Crew, factor: float) -> Crew:
    """Every group times the factor, in whole agents; those left over go where rounding down took most."""
    exact = [count * factor for count in crew]
    down = [math.floor(each) for each in exact]
    left = round(sum(exact)) - sum(down)
    most = sorted(range(len(crew)), key=lambda at: (down[at] - exact[at], at))[:left]
    return tuple(count + (at in most) for at, count in enumerate(down))


# --- the search -------------------------------------------------------------------------------------------------------


class _Search:
    """Crews tried on one sample of customers, or two."""

    def __init__(
        self,
        site: Configured,
        groups: tuple[Group, ...],
        wanted: Wanted,
        day: Day,
        runs_max: int,
        progress: Progress | None,
    ) -> None:
        self._site, self._groups, self._wanted, self._progress = site, groups, wanted, progress
        self._days = [day]
        self._tried: dict[Crew, list[Result]] = {}
        self._least = self.runs = 0
        self._runs_max = runs_max
        self.complete = True

    def add(self, day: Day) -> None:
        """From now on these customers must be served too."""
        self._days.append(day)
        self._least = 0
        self.complete = True

    def _may_go_on(self) -> bool:
        """Whether there is a run left to look for a smaller crew; if not, the search is not complete."""
        part = FIRST_PART if len(self._days) == 1 else 1.0
        if self.runs >= part * self._runs_max:
            self.complete = False
        return self.complete

    def run(self, crew: Crew) -> list[Result]:
        """What this crew achieves, on each sample up to the first on which it misses a target."""
        results = self._tried.setdefault(crew, [])
        while len(results) < len(self._days) and all(result.met for result in results):
            agents = [agent for group, count in zip(self._groups, crew, strict=True) for agent in group.agents(count)]
            turns = [Turn(0.0, agent.agent_id, Presence.AVAILABLE) for agent in agents]
            day = replace(self._days[len(results)], turns=turns, speed={})
            results.append(judge(self._site, simulate(replace(self._site, agents=tuple(agents)), day), self._wanted))
            self.runs += 1
            if self._progress is not None:
                self._progress(self.runs, self._runs_max, self._least)
        if (self._least == 0 or sum(crew) < self._least) and results[-1].met:
            self._least = sum(crew)
        return results

    def met(self, crew: Crew) -> bool:
        """Whether this crew meets every target."""
        return self.run(crew)[-1].met

    def enough(self, crew: Crew) -> Crew:
        """The crew, grown where it misses a target until it misses none."""
        for _ in range(GROWTHS_MAX):
            if self.met(crew):
                return crew
            concerned = [spare < 0 for spare in self._spares(crew)]
            if not any(concerned):  # a tier that all groups serve
                concerned = [True] * len(crew)
            crew = tuple(
                math.ceil(max(count, 1) * GROWTH) if grows else count
                for count, grows in zip(crew, concerned, strict=True)
            )
        raise self._cannot(crew)

    def _cannot(self, crew: Crew) -> CannotStaff:
        result = self.run(crew)[-1]
        name, worst = min((*result.queues.items(), *result.tiers.items()), key=lambda each: each[1].spare)
        level = worst.service_level.value or 0.0
        return CannotStaff(f"{name} misses its target with {sum(crew)} agents: {level:.1%} within {worst.within_s:g} s")

    def one_by_one(self, crew: Crew) -> Crew:
        """The crew with as many more as it takes to meet every target, each where there is least to spare, in turn."""
        for added in range(max(sum(crew), GROWTHS_MAX)):
            if self.met(crew):
                return crew
            needy = self._by_spare(crew)[-3:]
            given = needy[-1 - added % len(needy)]
            crew = tuple(count + (at == given) for at, count in enumerate(crew))
        raise self._cannot(crew)

    def cut_alike(self, crew: Crew, least: int) -> Crew:
        """All groups smaller by the same factor, as far as the targets are met; not below `least` agents in all."""
        low, high, best = min(1.0, least / max(sum(crew), 1)), 1.0, crew
        while (high - low) * sum(crew) >= 1.0:
            middle = (low + high) / 2
            smaller = _scaled(crew, middle)
            if self.met(smaller):
                high, best = middle, smaller
            else:
                low = middle
        return best

    def cut(self, crew: Crew) -> Crew:
        """Agents given up group by group, in ever smaller parts; then exchanged, two for one, while that helps."""
        for part in PARTS:
            crew = self.spare(crew, part)
        while True:
            crew = before = self.spare(crew)
            while (better := self._exchange(crew)) is not None:
                crew = better
            if crew == before:
                return crew

    def spare(self, crew: Crew, part: int | None = None) -> Crew:
        """Take one agent (or one `part`-th) from as many groups at once as can spare it, most to spare first.

        One by one, each group is asked until it cannot; by parts, until the first cannot.
        """
        needed: set[int] = set()
        at_once = len(crew)
        while order := [at for at in self._by_spare(crew) if at not in needed and crew[at] > 0]:
            if not self._may_go_on():
                break
            at_once = min(at_once, len(order))
            smaller = list(crew)
            for at in order[:at_once]:
                smaller[at] -= 1 if part is None else max(1, crew[at] // part)
            if self.met(tuple(smaller)):
                crew = tuple(smaller)
            elif at_once > 1:
                at_once //= 2
            elif part is None:
                needed.add(order[0])
            else:
                break
        return crew

    def _exchange(self, crew: Crew) -> Crew | None:
        """A crew of one agent less: two from where there is much to spare, one to where there is little; or None."""
        order = [at for at in self._by_spare(crew) if crew[at] > 0]
        for first, second in product(order[:3], repeat=2):
            for given in reversed(self._by_spare(crew)[-3:]):
                smaller = list(crew)
                if not self._may_go_on():
                    return None
                for at, change in ((first, -1), (second, -1), (given, 1)):
                    smaller[at] += change
                if given not in {first, second} and min(smaller) >= 0 and self.met(tuple(smaller)):
                    return tuple(smaller)
        return None

    def _by_spare(self, crew: Crew) -> list[int]:
        """The groups, those with most to spare first."""
        spares = self._spares(crew)
        return sorted(range(len(crew)), key=lambda at: (-spares[at], at))

    def _spares(self, crew: Crew) -> list[float]:
        """What each group has to spare: that of the one of its queues, or tiers, which has least."""
        least: dict[tuple[str, str], float] = {}
        for result in self.run(crew):
            for kind, found in (("queue", result.queues), ("tier", result.tiers)):
                for name, each in found.items():
                    least[kind, name] = min(each.spare, least.get((kind, name), math.inf))
        return [
            min(
                (
                    least.get((kind, name), math.inf)
                    for kind, names in (("queue", group.queues), ("tier", group.tiers))
                    for name in names
                ),
                default=math.inf,
            )
            for group in self._groups
        ]
