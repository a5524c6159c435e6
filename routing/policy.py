"""In which order the waiting are served: one discipline for the site, weighed by value tier.

Most disciplines are one line: a contact's score grows with its wait, `slope * (wait + head_start_s)`, and the
largest score is served first. What differs is the slope. With accumulating priority each tier has its own (Kleinrock
1964; Stanford, Taylor and Ziedins 2014); with targets it is 1 / target_s (Avaya's service objective; Gcμ with
quadratic cost); first come first served gives all the same. Strict priority compares tiers before waits, LIFO serves
the youngest, and queue ratio serves the tier that exceeds its share of the line most (Gurvich and Whitt 2009).

Whatever the discipline: a contact that has waited `starvation_s` of its tier is *overdue*, and the overdue are served
before all others, by the instant at which they became overdue. So nobody waits for ever behind a stream of others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from routing.requirement import LEVEL_MAX


class Discipline(StrEnum):
    """The rule for who is served next. Ties are always broken by age, then by contact id."""

    ACCUMULATING = "accumulating"
    TARGET = "target"
    STRICT = "strict"
    FIFO = "fifo"
    LIFO = "lifo"
    QUEUE_RATIO = "queue_ratio"


@dataclass(frozen=True, slots=True)
class Tier:
    """What a value tier is promised.

    `slope`: points per second of wait (accumulating). `head_start_s`: seconds of wait that the tier is credited on
    entering. `target_s`: the wait that it is promised (target). `share`: its part of the line (queue ratio).
    `starvation_s`: the wait after which it is served before all who are not overdue. `experience`: agents of this
    experience level or more come first, until the contact has waited `spill_s`. `preferred_wait_s`: how long it
    waits for its preferred agent alone. `trunk_reserve`: it is admitted only while more trunks than this are free.
    """

    name: str
    slope: float = 1.0
    head_start_s: float = 0.0
    target_s: float = 20.0
    share: float = 1.0
    starvation_s: float = 1_800.0
    experience: int = 0
    spill_s: float = 0.0
    preferred_wait_s: float = 0.0
    trunk_reserve: int = 0

    def __post_init__(self) -> None:
        assert 0 < self.slope < math.inf, "a contact's score must grow with its wait"
        assert 0 < self.target_s < math.inf
        assert 0 < self.share < math.inf
        assert 0 <= self.head_start_s < math.inf
        assert self.starvation_s > 0
        assert self.spill_s >= 0
        assert self.preferred_wait_s >= 0
        assert self.trunk_reserve >= 0
        assert 0 <= self.experience <= LEVEL_MAX


@dataclass(frozen=True, slots=True)
class TierPolicy:
    """The discipline, and the tiers by rank: 0 is the most valuable. A rank beyond the last counts as the last."""

    discipline: Discipline = Discipline.STRICT
    tiers: tuple[Tier, ...] = tuple(Tier(f"tier{rank}") for rank in range(5))

    def __post_init__(self) -> None:
        assert self.tiers, "a site has at least one tier"
        assert len({tier.name for tier in self.tiers}) == len(self.tiers), "two tiers with one name"

    def tier(self, rank: int) -> Tier:
        """The tier of this rank."""
        return self.tiers[min(max(rank, 0), len(self.tiers) - 1)]

    def slope(self, rank: int) -> float:
        """Points per second of wait."""
        match self.discipline:
            case Discipline.ACCUMULATING:
                return self.tier(rank).slope
            case Discipline.TARGET:
                return 1.0 / self.tier(rank).target_s
            case _:
                return 1.0

    def head_start_s(self, rank: int) -> float:
        """Seconds of wait credited on entering."""
        weighed = self.discipline in {Discipline.ACCUMULATING, Discipline.TARGET}
        return self.tier(rank).head_start_s if weighed else 0.0

    def score(self, rank: int, wait_s: float) -> float:
        """The contact's score after this wait, as told in traces; LIFO, strict and queue ratio compare more than it."""
        return self.slope(rank) * (wait_s + self.head_start_s(rank))


ANY_TIER = TierPolicy()
"""What a site without a policy has: strict priority by tier, with the default bound against starvation."""
