"""Who gets a trunk when trunks are short: trunk reservation, and what it costs each class of callers, exactly.

A caller of a tier is admitted only while more trunks are free than the tier's reserve. So the last few trunks are
kept for the tiers with smaller reserves: a handful makes the valuable nearly unblockable, and costs the others little,
because they are refused a moment earlier and leave trunks to each other.

With Poisson arrivals and holding times of one exponential distribution, the number of trunks in use is a birth and
death process whose births are the classes still admitted. Sources: Erlang (1917) without reserves; the product over
births and deaths, Kleinrock, "Queueing Systems" I (1975), 3.1; that a reserve is the best that any rule can do: Miller
(1969), "A queueing reward system with several customer classes".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from routing.policy import Tier


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a caller is taken, and by what: `free_trunks` were free, `reserve` are kept for others."""

    free_trunks: int
    reserve: int
    kept_for: str = "more valuable tiers"

    @property
    def accepted(self) -> bool:
        """Whether the caller is taken."""
        return self.free_trunks > self.reserve

    @property
    def why(self) -> str:
        """The reason, for the contact's record."""
        if self.accepted:
            return f"{_trunks(self.free_trunks)} free, more than the {self.reserve} kept for {self.kept_for}"
        if self.free_trunks <= 0:
            return "no trunk is free"
        return f"{_trunks(self.free_trunks)} free, {self.reserve} kept for {self.kept_for}"


def admit(free_trunks: int, tier: Tier) -> Admission:
    """Take or refuse a caller of this tier; `free_trunks` does not count the one that the caller came in on."""
    return Admission(free_trunks, tier.trunk_reserve)


def admit_dial(free_trunks: int, tier: Tier) -> Admission:
    """Whether a customer of this tier may be called now: neither a trunk that is kept, nor the last one, is for that.

    Who calls us is never busy because we call somebody ourselves while only one trunk is left.
    """
    return Admission(free_trunks, tier.trunk_reserve) if tier.trunk_reserve else Admission(free_trunks, 1, "callers")


def held_tiers(free_trunks: int, tiers: Sequence[Tier]) -> tuple[int, ...]:
    """The ranks of the tiers whose customers may not be called now; 0 is the most valuable."""
    return tuple(rank for rank, tier in enumerate(tiers) if not admit_dial(free_trunks, tier).accepted)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one class of callers brings, in erlangs (arrival rate × mean holding time), and its trunk reserve."""

    erlangs: float
    reserve: int = 0

    def __post_init__(self) -> None:
        assert 0.0 <= self.erlangs < math.inf
        assert self.reserve >= 0


def in_use(trunks: int, classes: Sequence[Traffic]) -> tuple[float, ...]:
    """Probability of 0, 1 … `trunks` trunks in use, in the steady state; sums to 1.

    p(n+1) ÷ p(n) = a(n) ÷ (n + 1), where a(n) is the traffic of the classes that are admitted with n trunks in use.
    The ratio falls with n, so there is one likeliest state: walking outward from it, weights only shrink from 1, and
    nothing overflows or cancels.
    """
    assert trunks >= 0
    birth = [math.fsum(each.erlangs for each in classes if trunks - n > each.reserve) for n in range(trunks)]
    likeliest = next((n for n, erlangs in enumerate(birth) if erlangs <= n + 1), trunks)
    weights = [0.0] * (trunks + 1)
    weights[likeliest] = 1.0
    for n in range(likeliest, trunks):
        weights[n + 1] = weights[n] * birth[n] / (n + 1)
    for n in range(likeliest, 0, -1):
        weights[n - 1] = weights[n] * n / birth[n - 1]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def blocking(trunks: int, classes: Sequence[Traffic]) -> tuple[float, ...]:
    """Probability that a caller is refused, in [0, 1], for each class in order.

    Who arrives at a random instant sees the steady state (Wolff 1982), and is refused in every state that leaves no
    more than the reserve free.
    """
    states = in_use(trunks, classes)
    return tuple(math.fsum(states[max(trunks - each.reserve, 0) :]) for each in classes)


def _trunks(count: int) -> str:
    return f"{count} {'trunk is' if count == 1 else 'trunks are'}"
