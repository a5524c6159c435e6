"""One seed → who calls when, how long they stay, and which part of the center fails when and for how long."""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from tests.kit.hotline import MENU, VIP

BEGIN_S: Final = 6.0
"""Before the first fault: callers are everywhere by then."""
PAUSES_S: Final = (4.0, 9.0)
"""From the end of one fault to the next."""

# What fails, the row of the fault table (RELIABILITY.md A6) that it plays, and how long it lasts: least and most, s.
FAULTS: Final[Mapping[str, tuple[str, float, float]]] = {
    "service_kill": ("1, 2, 3, 4", 0.2, 3.0),
    "service_hang": ("8", 3.0, 9.0),
    "handover": ("7", 0.0, 0.0),
    "asterisk_kill": ("9", 0.5, 3.0),
    "ari_cut": ("11", 0.1, 6.0),
    "ari_stall": ("12", 2.0, 9.0),
    "ami_cut": ("13", 0.1, 6.0),
    "ari_slow": ("14", 3.0, 9.0),
    "postgres_stop": ("15", 3.0, 10.0),
    "postgres_kill": ("16", 0.5, 3.0),
    "postgres_full": ("17", 3.0, 6.0),
    "postgres_slow": ("18", 3.0, 9.0),
    "postgres_restored": ("19", 5.0, 10.0),
    "journal_full": ("21", 3.0, 6.0),
    "release_broken": ("6", 3.0, 8.0),
    "schema_widened": ("41", 2.0, 6.0),
    "log_stuck": ("44", 3.0, 9.0),
}
NEED_DISKS: Final = ("journal_full", "postgres_full")


def playable(kinds: Collection[str], *, disks: bool) -> tuple[str, ...]:
    """Those of `kinds` that can be played, where disks may be mounted or not."""
    return tuple(kind for kind in kinds if disks or kind not in NEED_DISKS)


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure: what, how many seconds after the beginning, and for how long."""

    what: str
    at_s: float
    for_s: float


@dataclass(frozen=True, slots=True)
class CallerPlan:
    """A caller: when, whom, how long they wait for somebody, how long they would talk."""

    number: str
    at_s: float
    dialed: str
    patience_s: float
    talk_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All that will happen."""

    seed: int
    faults: tuple[Fault, ...]
    callers: tuple[CallerPlan, ...]
    agents_talk_s: tuple[float, ...]
    calm_s: float = 0.0  # how long calls come where nothing fails

    @property
    def lasts_s(self) -> float:
        """Until the last fault is over and what it did could be seen."""
        return max((fault.at_s + fault.for_s for fault in self.faults), default=self.calm_s) + PAUSES_S[1]

    def lines(self) -> list[str]:
        """The schedule, to be read."""
        talks = ", ".join(f"{talk_s} s" for talk_s in self.agents_talk_s)
        return [
            f"seed {self.seed}: {len(self.callers)} callers in {self.lasts_s:.0f} s; agents hang up after {talks}",
            *(f"  {fault.at_s:6.1f} s  {fault.what} for {fault.for_s} s" for fault in self.faults),
        ]


def drawn(seed: int, lasts_s: float, *, kinds: Collection[str] = tuple(FAULTS), calls_s: float = 2.0) -> Plan:
    """The plan of a seed: each of `kinds` once in an order of its own, again and again, for about `lasts_s` seconds.

    Without `kinds` nothing fails: a soak. A caller comes every `calls_s` seconds on average.
    """
    rng = random.Random(f"chaos/{seed}")
    faults: list[Fault] = []
    at_s, due = BEGIN_S, list[str]()
    while kinds and at_s < lasts_s - PAUSES_S[1]:
        due = due or rng.sample(sorted(kinds), len(kinds))
        what = due.pop()
        _, least_s, most_s = FAULTS[what]
        fault = Fault(what, round(at_s, 1), round(rng.uniform(least_s, most_s), 1))
        faults.append(fault)
        at_s += fault.for_s + rng.uniform(*PAUSES_S)
    plan = Plan(seed, tuple(faults), (), tuple(round(rng.uniform(3.0, 15.0), 1) for _ in range(4)), lasts_s)
    callers, at_s = list[CallerPlan](), 0.0
    while at_s < plan.lasts_s:
        dialed, patience_s = rng.choice((VIP, VIP, MENU)), rng.choice((rng.uniform(1, 8), rng.uniform(20, 60)))
        number = f"09{seed % 1000:03}{len(callers):05}"
        talk_s = round(rng.uniform(1.0, 20.0), 1)
        callers.append(CallerPlan(number, round(at_s, 2), dialed, round(patience_s, 1), talk_s))
        at_s += rng.expovariate(1 / calls_s)
    return replace(plan, callers=tuple(callers))
