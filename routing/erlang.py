"""How long contacts wait for a number of agents: Erlang B, C and A, exactly, for Poisson arrivals.

Every formula here is the steady state of one birth and death process: contacts arrive at a constant rate, each busy
agent finishes one every `aht_s` on average, and a waiting contact may give up after `patience_s` on average (all
exponential). Traffic is in erlangs, arrival rate × AHT. Sums have positive terms only and walk outward from the
likeliest state: recursions without factorials that neither cancel nor overflow, whatever the size of the center.

Sources: Erlang (1917) for B and C; Palm (1946) for A, in the notation of Mandelbaum and Zeltyn, "The Palm/Erlang-A
queue" (2005). What builds on them (callers who come back, bounded lines, tiers, large centers): `routing.staffing`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

_NEGLIGIBLE: Final = 1e-20
"""A state this much rarer than the likeliest ends the walk."""


class UnstableQueue(ValueError):
    """Nobody gives up and the agents can't keep up: the queue grows for ever and has no steady state."""

    def __init__(self, agents: int, erlangs: float) -> None:
        super().__init__(f"{agents} agents can't serve {erlangs:g} erlangs of contacts that never give up")
        self.agents = agents
        self.erlangs = erlangs


# ---- No place to wait: Erlang B ----


def erlang_b_each(erlangs: float) -> Iterator[float]:
    """Erlang B of 0, 1, 2 … trunks, without end, each one step after the one before.

    B(0) = 1, B(k) = a B(k−1) ÷ (k + a B(k−1)); requires 0 ≤ erlangs.
    """
    assert 0 <= erlangs < math.inf
    blocked = 1.0
    trunks = 0
    while True:
        yield blocked
        trunks += 1
        blocked = erlangs * blocked / (trunks + erlangs * blocked)


def erlang_b(trunks: int, erlangs: float) -> float:
    """Probability in [0, 1] that a call finds all `trunks` taken and is lost, M/M/s/s; takes O(trunks) steps."""
    assert trunks >= 0
    return next(islice(erlang_b_each(erlangs), trunks, None))


# ---- Waiting without giving up: Erlang C ----


def erlang_c(agents: int, erlangs: float) -> float:
    """Probability in [0, 1] that a contact must wait, M/M/s.

    C = B ÷ (1 − ρ (1 − B)) with ρ = erlangs ÷ agents. Requires 0 ≤ erlangs < agents; raises UnstableQueue otherwise.
    """
    return ErlangC.of(agents, erlangs, 1.0).p_wait


@dataclass(frozen=True, slots=True)
class ErlangC:
    """The steady state of M/M/s: contacts wait until served, in order of arrival. Made by `of`."""

    agents: int
    erlangs: float
    aht_s: float
    p_wait: float
    """Probability that a contact must wait."""

    @classmethod
    def of(cls, agents: int, erlangs: float, aht_s: float, blocked: float | None = None) -> "ErlangC":
        """The steady state; `blocked` is Erlang B of the same, if at hand. Raises UnstableQueue as `erlang_c` does."""
        assert agents >= 1
        assert aht_s > 0
        if erlangs >= agents:
            raise UnstableQueue(agents, erlangs)
        blocked = erlang_b(agents, erlangs) if blocked is None else blocked
        return cls(agents, erlangs, aht_s, blocked / (1.0 - erlangs / agents * (1.0 - blocked)))

    @property
    def abandonment(self) -> float:
        """Share of the contacts that give up: none."""
        return 0.0

    @property
    def occupancy(self) -> float:
        """Share of their time that agents serve."""
        return self.erlangs / self.agents

    @property
    def wait_s(self) -> float:
        """Mean wait of all contacts."""
        return self.p_wait * self.aht_s / (self.agents - self.erlangs)

    @property
    def asa_s(self) -> float:
        """Mean wait of answered contacts, which here are all."""
        return self.wait_s

    @property
    def waiting(self) -> float:
        """Mean number of waiting contacts (Little: arrival rate × mean wait)."""
        return self.p_wait * self.erlangs / (self.agents - self.erlangs)

    def p_wait_beyond(self, wait_s: float) -> float:
        """Probability that a contact waits longer than `wait_s` ≥ 0: C e^(−(s − a) t ÷ AHT)."""
        return self.p_wait * math.exp(-(self.agents - self.erlangs) * wait_s / self.aht_s)

    def wait_quantile_s(self, share: float) -> float:
        """The wait that `share` in [0, 1) of the contacts do not exceed."""
        if self.p_wait <= 1.0 - share:
            return 0.0
        return math.log(self.p_wait / (1.0 - share)) * self.aht_s / (self.agents - self.erlangs)

    def service_level(self, within_s: float) -> float:
        """Share of the contacts answered within `within_s`."""
        return 1.0 - self.p_wait_beyond(within_s)

    def service_level_ignore(self, within_s: float) -> float:
        """The same: there is no giving up to ignore."""
        return self.service_level(within_s)


# ---- Waiting with limited patience: Erlang A ----


@dataclass(frozen=True, slots=True)
class ErlangA:
    """The steady state of M/M/s+M: a waiting contact gives up after `patience_s` on average. Made by `of`.

    Stable at any traffic. A contact's wait ends with the answer or with its giving up.
    """

    agents: int
    erlangs: float
    aht_s: float
    patience_s: float
    p_wait: float
    """Probability that a contact must wait."""
    waiting: float
    """Mean number of waiting contacts."""
    abandonment: float
    """Share of the contacts that give up."""
    asa_s: float
    """Mean wait of answered contacts."""

    @classmethod
    def of(
        cls, agents: int, erlangs: float, aht_s: float, patience_s: float, blocked: float | None = None
    ) -> "ErlangA":
        """The steady state; `blocked` is Erlang B of the same, if at hand. Requires positive arguments."""
        assert agents >= 1
        assert min(erlangs, aht_s, patience_s) > 0
        blocked = erlang_b(agents, erlangs) if blocked is None else blocked
        # In units of the patience: x is the rate at which busy agents finish, y the rate of arrivals.
        x, y = agents * patience_s / aht_s, erlangs * patience_s / aht_s
        line = _line(x, y)
        mass = math.fsum(line.weights)
        # The state "all agents busy, nobody waits" closes Erlang B's chain and opens the line's.
        opening = math.exp(-line.ln_likeliest)
        p_wait = blocked * mass / ((1.0 - blocked) * opening + blocked * mass)
        waiting = p_wait * math.fsum(count * weight for count, weight in line) / mass
        abandonment = waiting / y
        # Behind j−1 others a contact is answered with probability x ÷ (x + j), and then after Σ 1 ÷ (x + i) on average;
        # the chance to find j−1 waiting, times x ÷ (x + j), is the chance to find j, times x ÷ y.
        harmonic = _harmonic(x, line.first)
        answered = answered_wait = 0.0
        for count, weight in line:
            if count > line.first:
                harmonic += 1.0 / (x + count)
            answered += weight if count else 0.0
            answered_wait += weight * harmonic
        waited = p_wait * x / y / mass
        asa_s = patience_s * waited * answered_wait / (1.0 - p_wait + waited * answered)
        return cls(agents, erlangs, aht_s, patience_s, p_wait, waiting, abandonment, asa_s)

    @property
    def occupancy(self) -> float:
        """Share of their time that agents serve."""
        return self.erlangs * (1.0 - self.abandonment) / self.agents

    @property
    def wait_s(self) -> float:
        """Mean wait of all contacts, given up or answered (Little: waiting ÷ arrival rate)."""
        return self.waiting * self.aht_s / self.erlangs

    def p_wait_beyond(self, wait_s: float) -> float:
        """Probability that a contact waits longer than `wait_s` ≥ 0, whether answered or given up after that."""
        return self.p_wait * math.exp(-wait_s / self.patience_s + self._ln_beyond(wait_s, 0))

    def answered_beyond(self, wait_s: float) -> float:
        """Share of the contacts answered after more than `wait_s` ≥ 0."""
        x = self.agents * self.patience_s / self.aht_s
        # One who must wait is answered in the end with the chance x ÷ (x + 1) A(x + 1, y) ÷ A(x, y).
        return self.p_wait * x / (x + 1.0) * math.exp(-wait_s / self.patience_s + self._ln_beyond(wait_s, 1))

    def wait_quantile_s(self, share: float) -> float:
        """The wait that `share` in [0, 1) of the contacts do not exceed."""
        beyond = 1.0 - share
        if self.p_wait <= beyond:
            return 0.0
        return least(lambda wait_s: self.p_wait_beyond(wait_s) <= beyond, 0.0, -math.log(beyond) * self.patience_s)

    def service_level(self, within_s: float) -> float:
        """Share of the contacts answered within `within_s`: whoever gives up counts as not answered in time."""
        return max(0.0, 1.0 - self.abandonment - self.answered_beyond(within_s))

    def service_level_ignore(self, within_s: float) -> float:
        """Like `service_level`, but contacts that give up within `within_s` do not count at all."""
        in_time, late = self.service_level(within_s), self.p_wait_beyond(within_s)
        return in_time / (in_time + late) if in_time else 0.0

    def _ln_beyond(self, wait_s: float, shift: int) -> float:
        """Logarithm of e^(y (1 − z) − x t ÷ patience) A(x + shift, y z) ÷ A(x, y), with z = e^(−t ÷ patience).

        With shift 0 it is the chance that one who must wait would, if endlessly patient, wait longer than t: the wait
        has the density e^(∫ λ e^(−t ÷ patience) dt − s t ÷ AHT), and what is left of it after t has the same form.
        """
        patiences = wait_s / self.patience_s
        x, y = self.agents * self.patience_s / self.aht_s, self.erlangs * self.patience_s / self.aht_s
        passed = -y * math.expm1(-patiences) - x * patiences
        return passed + _ln_palm(x + shift, y * math.exp(-patiences)) - _ln_palm(x, y)


Waiting: TypeAlias = ErlangC | ErlangA


# ---- Helpers ----


def least(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The least number in [low, high] for which `holds`, to double precision; once it holds it must go on to `high`."""
    while low < (middle := low + (high - low) / 2.0) < high:
        if holds(middle):
            high = middle
        else:
            low = middle
    return high


@dataclass(frozen=True, slots=True)
class _Line:
    """The states with all agents busy: how likely 0, 1, 2 … waiting contacts are, relative to the likeliest number."""

    ln_likeliest: float
    """Logarithm of how much likelier the likeliest number is than that nobody waits."""
    first: int
    weights: list[float]

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return enumerate(self.weights, self.first)


def _line(x: float, y: float) -> _Line:
    """The line at x > 0, y ≥ 0: weights y^j ÷ ((x+1) … (x+j)), up to a factor; takes O(√y) steps to both sides."""
    likeliest = max(0, math.floor(y - x))
    more, weight, waiting = [1.0], 1.0, likeliest
    while weight > _NEGLIGIBLE:
        waiting += 1
        weight *= y / (x + waiting)
        more.append(weight)
    fewer, weight, waiting = [], 1.0, likeliest
    while waiting > 0 and weight > _NEGLIGIBLE:
        weight *= (x + waiting) / y
        waiting -= 1
        fewer.append(weight)
    fewer.reverse()
    ln_likeliest = _ln_poisson(x + likeliest, y) - _ln_poisson(x, y) if likeliest else 0.0
    return _Line(ln_likeliest, waiting, fewer + more)


def _ln_palm(x: float, y: float) -> float:
    """Logarithm of Palm's A(x, y) = Σ y^j ÷ ((x+1) … (x+j)), for j = 0, 1, 2 and so on."""
    line = _line(x, y)
    return line.ln_likeliest + math.log(math.fsum(line.weights))


def _ln_poisson(index: float, mean: float) -> float:
    """Logarithm of mean^index e^(−mean) ÷ Γ(index + 1), mean ≥ index > 0; by Stirling's series from 16 on."""
    if index < 16.0:
        return index * math.log(mean) - mean - math.lgamma(index + 1.0)
    off = (mean - index) / index
    inverse = 1.0 / (index * index)
    error = (1 / 12 - (1 / 360 - (1 / 1260 - inverse / 1680) * inverse) * inverse) / index
    return index * (math.log1p(off) - off) - 0.5 * math.log(2.0 * math.pi * index) - error


def _harmonic(x: float, count: int) -> float:
    """Σ 1 ÷ (x + i) for i = 1 … count: the first terms as they are, the rest by Euler and Maclaurin."""
    summed = min(count, 32)
    head = math.fsum(1.0 / (x + i) for i in range(1, summed + 1))
    return head if summed == count else head + _harmonic_series(x + count) - _harmonic_series(x + summed)


def _harmonic_series(z: float) -> float:
    inverse = 1.0 / (z * z)
    return math.log(z) + 0.5 / z - (1 / 12 - (1 / 120 - inverse / 252) * inverse) * inverse
