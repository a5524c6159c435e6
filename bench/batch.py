"""Optimal batch matching against the engine's greedy decisions, on the same customers.

Greedy decides at once: whoever begins to wait or becomes free is matched with the best there is. Batching lets both
pile up for a window and then solves the assignment problem over all who wait and all who are idle: the largest sum of
`score + weight * proficiency` (linear_sum_assignment, Crouse 2016). It can only win what the choice on both sides is
worth, and it costs every contact that would have found an idle agent half a window.

Both serve the same arrivals with the same handling times (common random numbers), under the same site and reach.
Handling does not depend on the agent, so what is won is told apart: waiting, and proficiency obtained.
"""

import heapq
import importlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from statistics import fmean, stdev
from typing import Any, Final

import numpy as np
from msgspec import structs

from bench.naive import Caller, Scan, Worker
from bench.routing_load import AHT_S, REFERENCE, START_AT, Center, center, drawn_tier, entry
from routing.acd.engine import Acd
from routing.messages import (
    Configured,
    Decision,
    DeviceChanged,
    Entered,
    Input,
    MakeOffer,
    OfferSettled,
    PresenceChosen,
    TalkEnded,
    Tick,
)
from routing.model import Activity, AgentOrder, Outcome, Presence
from routing.requirement import proficiency

SMALL: Final = replace(REFERENCE, name="batch", agents=300, groups=60, classes=75, waiting=100)
WINDOWS_S: Final = (0.05, 0.1, 0.25)
LOADS: Final = (0.85, 0.97)
WEIGHT: Final = 0.1
"""Points of score that one level of proficiency is worth: 100 levels are ten seconds of the least valuable tier."""
OVERDUE_POINTS: Final = 1e6
T_95: Final = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""Student's t, two-sided 95 %, by the number of traces."""

Pair = tuple[str, str, float]
"""Contact, agent, instant."""

Assignment = Callable[..., tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A customer: when, what they want, and how long an agent will have with them."""

    at: float
    entered: Entered
    handling_s: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over the contacts of one trace, served by one contender.

    `weighted_wait_s` weighs contacts by their tier's slope. `level` is the mean level, 0…100, in which the agents hold
    the skill that the queue's first step asks for. `worth` is what batching maximises, in points a contact: `WEIGHT`
    times the level, less the score that grew while it waited.
    """

    wait_s: float
    weighted_wait_s: float
    p95_s: float
    wait_s_by_tier: tuple[float, ...]
    level: float
    worth: float


def arrivals(where: Center, load: float, hours: float, seed: int) -> list[Arrival]:
    """Poisson arrivals of this load (erlangs an agent), log-normal handling with the mean AHT and variation 1."""
    rng = random.Random(seed)
    sigma = np.log(2.0) ** 0.5
    kinds, weights = where.kinds, [max(1, len(kind.known_agents)) for kind in where.kinds]
    at, found = START_AT, list[Arrival]()
    rate = load * len(where.site.agents) / AHT_S
    while (at := at + rng.expovariate(rate)) < START_AT + 3_600.0 * hours:
        kind = rng.choices(kinds, weights)[0]
        entered = structs.replace(entry(f"c{len(found):07}", kind, drawn_tier(rng), at, rng), preferred_agent=None)
        found.append(Arrival(at, entered, rng.lognormvariate(np.log(AHT_S) - sigma**2 / 2, sigma)))
    return found


class Greedy:
    """The production engine; whoever is offered a contact accepts at once."""

    def __init__(self, site: Configured, customers: Sequence[Arrival]) -> None:
        self.acd = Acd(site, START_AT)
        self.customers = {each.entered.contact_id: each for each in customers}
        self.pairs: list[Pair] = []
        self._ends: list[tuple[float, int, TalkEnded]] = []
        self._numbers = count()
        for profile in site.agents:
            self._step(DeviceChanged(profile.agent_id, reachable=True), START_AT)
            self._step(PresenceChosen(profile.agent_id, Presence.AVAILABLE), START_AT)

    def play(self) -> list[Pair]:
        """Serve everyone; (contact, agent, instant) in order."""
        for each in self.customers.values():
            self._until(each.at)
            self._step(each.entered, each.at)
        self._until(float("inf"))
        return self.pairs

    def _until(self, until: float) -> None:
        while True:
            due_at = self.acd.next_at()
            ends_at = self._ends[0][0] if self._ends else float("inf")
            if due_at is not None and due_at <= min(ends_at, until) and (self._ends or until < float("inf")):
                self._step(Tick(), due_at)
            elif ends_at <= until and self._ends:
                _, _, ended = heapq.heappop(self._ends)
                self._step(ended, ends_at)
            else:
                return

    def _step(self, given: Input, now: float) -> None:
        decided: list[Decision] = self.acd.step(given, now)
        for offer in [each for each in decided if isinstance(each, MakeOffer)]:
            self.pairs.append((offer.contact_id, offer.agent_id, now))
            ends_at = now + self.customers[offer.contact_id].handling_s
            ended = TalkEnded(offer.agent_id, offer.contact_id, 0.0)
            heapq.heappush(self._ends, (ends_at, next(self._numbers), ended))
            self._step(OfferSettled(offer.offer_id, Outcome.ACCEPTED), now)


class Batched:
    """The optimum over each window; the rules are the scan's."""

    def __init__(
        self,
        site: Configured,
        customers: Sequence[Arrival],
        window_s: float,
        assignment: Assignment,
        weight: float = WEIGHT,
    ) -> None:
        self.scan = Scan(site)
        self.customers = {each.entered.contact_id: each for each in customers}
        self.window_s, self.weight, self._assignment = window_s, weight, assignment
        self.pairs: list[Pair] = []
        self._ends: list[tuple[float, str]] = []
        for worker in self.scan.workers.values():
            worker.presence, worker.reachable = Presence.AVAILABLE, True
        self._idle = dict(self.scan.workers)

    def play(self) -> list[Pair]:
        """Serve everyone; (contact, agent, instant) in order."""
        coming = list(reversed(self.customers.values()))
        now = START_AT
        while coming or self.scan.callers:
            now += self.window_s
            if (
                not self.scan.callers and coming and coming[-1].at > now
            ):  # nobody waits: on to the next arrival's window
                now += self.window_s * ((coming[-1].at - now) // self.window_s)
            while coming and coming[-1].at <= now:
                each = coming.pop()
                self.scan.hear(each.entered, each.at)
            while self._ends and self._ends[0][0] <= now:
                ended_at, agent_id = heapq.heappop(self._ends)
                worker = self.scan.workers[agent_id]
                worker.activity, worker.ready_since = Activity.IDLE, ended_at
                self._idle[agent_id] = worker
            if self.scan.callers and self._idle:
                self._solve(now)
            assert coming or self._ends or not self.scan.callers, "nobody works here who may serve them"
        return self.pairs

    def _solve(self, now: float) -> None:
        callers, idle = list(self.scan.callers.values()), list(self._idle.values())
        values = np.array([[self._value(worker, caller, now) for worker in idle] for caller in callers])
        for row, column in zip(*self._assignment(values, maximize=True), strict=True):
            if values[row, column] <= 0:
                continue  # nobody may
            contact_id, agent_id = callers[row].entered.contact_id, idle[column].profile.agent_id
            self.pairs.append((contact_id, agent_id, now))
            del self.scan.callers[contact_id], self._idle[agent_id]
            idle[column].activity = Activity.TALKING
            heapq.heappush(self._ends, (now + self.customers[contact_id].handling_s, agent_id))

    def _value(self, worker: Worker, caller: Caller, now: float) -> float:
        if self.scan.rank(worker, caller, now) is None:
            return 0.0
        waited_s = now - caller.entered.entered_at
        points = self.scan.policy.score(caller.rank, waited_s) + OVERDUE_POINTS * (waited_s >= caller.tier.starvation_s)
        level = proficiency(caller.rules.steps[0].requires, worker.profile.skills)
        return 1.0 + points + self.weight * level


def solver() -> Assignment | None:
    """Scipy's solver of the assignment problem; None where scipy is not installed."""
    try:
        found: Assignment = importlib.import_module("scipy.optimize").linear_sum_assignment
    except ImportError:
        return None
    return found


def summary(site: Configured, customers: Sequence[Arrival], pairs: Sequence[Pair]) -> Summary:
    """How the customers of a trace fared; everyone must have been served, once."""
    assert len(pairs) == len(customers) == len({contact_id for contact_id, _, _ in pairs}), "each is served once"
    by_id = {each.entered.contact_id: each.entered for each in customers}
    skills = {profile.agent_id: profile.skills for profile in site.agents}
    first = {rules.queue: rules.steps[0].requires for rules in site.queues}
    policy, tiers = site.policy, len(site.policy.tiers)
    served = [(by_id[contact_id], agent_id, at) for contact_id, agent_id, at in pairs]
    waits = np.array([at - entered.entered_at for entered, _, at in served])
    ranks = np.array([entered.value_tier for entered, _, _ in served])
    slopes = np.array([policy.slope(rank) for rank in range(tiers)])[ranks]
    levels = np.array([proficiency(first[entered.queue], skills[agent_id]) for entered, agent_id, _ in served])
    return Summary(
        wait_s=float(waits.mean()),
        weighted_wait_s=float((slopes * waits).sum() / slopes.sum()),
        p95_s=float(np.percentile(waits, 95)),
        wait_s_by_tier=tuple(float(waits[ranks == rank].mean()) for rank in range(tiers)),
        level=float(levels.mean()),
        worth=float((WEIGHT * levels - slopes * waits).mean()),
    )


def compare(seeds: Sequence[int], hours: float, say: Callable[[str], None]) -> list[dict[str, object]]:
    """Each contender on the same traces, by load: a row each, with its summary for every seed; empty without scipy."""
    assignment = solver()
    if assignment is None:
        say("batch: scipy is not installed, so optimal matching is not compared")
        return []
    where, rows = center(SMALL), list[dict[str, object]]()
    orders = {"greedy, longest idle": AgentOrder.LONGEST_IDLE, "greedy, most proficient": AgentOrder.MOST_PROFICIENT}
    sites = {name: _ordered(where.site, order) for name, order in orders.items()}
    for load in LOADS:
        traces = [arrivals(where, load, hours, seed) for seed in seeds]
        for name, site in sites.items():
            rows.append(_row(name, load, [summary(site, each, Greedy(site, each).play()) for each in traces]))
            say(f"batch: load {load:g}, {name}: {_told(rows[-1])}")
        for window_s in WINDOWS_S:
            site = where.site
            played = [Batched(site, each, window_s, assignment).play() for each in traces]
            found = [summary(site, each, pairs) for each, pairs in zip(traces, played, strict=True)]
            rows.append(_row(f"batch, {1000 * window_s:.0f} ms", load, found))
            say(f"batch: load {load:g}, {rows[-1]['contender']}: {_told(rows[-1])}")
    return rows


def _ordered(site: Configured, order: AgentOrder) -> Configured:
    """The site with this agent order in every queue."""
    return replace(site, queues=tuple(replace(rules, agent_order=order) for rules in site.queues))


def _row(contender: str, load: float, by_seed: Sequence[Summary]) -> dict[str, object]:
    return {"contender": contender, "load": load, "by_seed": [asdict(each) for each in by_seed]}


def _told(row: Mapping[str, Any]) -> str:
    waits = [each["wait_s"] for each in row["by_seed"]]
    return f"wait {fmean(waits):.2f} s, worth {fmean(each['worth'] for each in row['by_seed']):.3f} points"


def section(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines of the page: means over the seeds, and the difference in worth to the better greedy, 95 % interval."""
    lines = ["### Optimal batch matching against greedy", ""]
    lines += ["| load | contender | wait s | weighted | p95 | by tier | level | worth | against the best greedy |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    verdicts = []
    for load in dict.fromkeys(row["load"] for row in rows):
        here = [row for row in rows if row["load"] == load]
        best = max((row for row in here if row["contender"].startswith("greedy")), key=lambda row: _mean(row, "worth"))
        for row in here:
            mean, half = _difference(row, best)
            by_tier = zip(*(each["wait_s_by_tier"] for each in row["by_seed"]), strict=True)
            tiers = " ".join(f"{fmean(waits):.1f}" for waits in by_tier)
            told = "–" if row is best else f"{mean:+.3f} ± {half:.3f}"
            lines.append(
                f"| {load:g} | {row['contender']} | {_mean(row, 'wait_s'):.2f} | {_mean(row, 'weighted_wait_s'):.2f} "
                f"| {_mean(row, 'p95_s'):.1f} | {tiers} | {_mean(row, 'level'):.1f} | {_mean(row, 'worth'):.3f} "
                f"| {told} |"
            )
            if row["contender"].startswith("batch"):
                word = "wins" if mean > half else "loses" if mean < -half else "makes no difference"
                verdicts.append(f"at load {load:g} {row['contender'].removeprefix('batch, ')} {word}")
    return [*lines, "", f"Batching, judged by what it maximises: {'; '.join(verdicts)}.", ""]


def _mean(row: Mapping[str, Any], name: str) -> float:
    return fmean(each[name] for each in row["by_seed"])


def _difference(row: Mapping[str, Any], base: Mapping[str, Any]) -> tuple[float, float]:
    """Mean paired difference in worth over the seeds, and the half width of its 95 % interval (Student's t)."""
    gaps = [one["worth"] - other["worth"] for one, other in zip(row["by_seed"], base["by_seed"], strict=True)]
    return fmean(gaps), T_95[len(gaps)] * stdev(gaps) / len(gaps) ** 0.5
