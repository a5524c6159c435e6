"""What builds on Erlang's formulas: callers who come back, few sources, bounded lines, tiers, and large centers.

As in `routing.erlang` arrivals are Poisson (but for `FewSources`), times exponential, and traffic is in erlangs.

Sources: Engset (1918) for few sources; Jewett and Shrago for blocked calls that try again; Cobham (1954) for strict
priority; Kleinrock (1964) for accumulating priority, whose recursion holds for many agents as well (Sharif, Stanford,
Taylor and Ziedins 2014); Halfin and Whitt (1981), Garnett, Mandelbaum and Reiman (2002) for large centers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from routing.erlang import ErlangA, ErlangC, erlang_b, erlang_c, least

# ---- Callers who come back ----


@dataclass(frozen=True, slots=True)
class Retried:
    """Erlang B when some of the blocked calls try again; see `erlang_b_retried`."""

    erlangs: float
    """Traffic of all attempts, first and repeated."""
    p_blocked: float
    """Share of the attempts that find no trunk."""
    p_lost: float
    """Share of the calls that never get one."""


def erlang_b_retried(trunks: int, erlangs: float, retry_share: float) -> Retried:
    """Extended Erlang B: `retry_share` in [0, 1) of the blocked attempts are made again later.

    `erlangs` ≥ 0 counts first attempts only. The fixed point A (1 − retry_share × B(trunks, A)) = a; unique, as the
    left side grows with A. An overloaded group has a solution too: it loses what it can't carry.
    """
    assert 0 <= retry_share < 1

    def enough(tried: float) -> bool:
        return tried * (1.0 - retry_share * erlang_b(trunks, tried)) >= erlangs

    tried = least(enough, erlangs, erlangs / (1.0 - retry_share))
    blocked = erlang_b(trunks, tried)
    p_lost = (1.0 - retry_share) * blocked / (1.0 - retry_share * blocked)
    return Retried(tried, blocked, p_lost)


def with_redials(agents: int, erlangs: float, aht_s: float, patience_s: float, redial_share: float) -> ErlangA:
    """Erlang A when `redial_share` in [0, 1) of those who give up call again later; `erlangs` counts first calls only.

    The fixed point a' (1 − redial_share × abandonment(a')) = a; unique, as the left side grows with a'.
    """
    assert 0 <= redial_share < 1

    def enough(tried: float) -> bool:
        return tried * (1.0 - redial_share * ErlangA.of(agents, tried, aht_s, patience_s).abandonment) >= erlangs

    return ErlangA.of(agents, least(enough, erlangs, erlangs / (1.0 - redial_share)), aht_s, patience_s)


# ---- Few sources: Engset ----


@dataclass(frozen=True, slots=True)
class FewSources:
    """The steady state of M/M/s/s//N: each of a few phones calls again some time after its last call. Made by `of`.

    A phone that is on a call makes no other, so of the same traffic fewer calls are blocked than Erlang B says; but one
    whose call was blocked is idle and calls again the sooner.
    """

    p_full: float
    """Share of the time in which every trunk is taken."""
    p_blocked: float
    """Share of the calls that find every trunk taken; less than `p_full`, as busy phones don't call."""
    carried: float
    """Mean number of trunks taken, erlangs."""

    @classmethod
    def of(cls, trunks: int, sources: int, erlangs: float) -> "FewSources":
        """The steady state; `erlangs` is the traffic of all `sources` if none of their calls was lost.

        Requires 0 ≤ erlangs < sources. A phone is then on a call the share erlangs ÷ sources of its time.
        """
        assert trunks >= 0
        assert 0 <= erlangs < sources
        idle_erlangs = erlangs / (sources - erlangs)
        p_full = _engset(trunks, sources, idle_erlangs)
        p_blocked = _engset(trunks, sources - 1, idle_erlangs)
        # Calls begin at the rate of the idle phones, and those not blocked are carried.
        accepted = idle_erlangs * (1.0 - p_blocked)
        return cls(p_full, p_blocked, sources * accepted / (1.0 + accepted))


def _engset(trunks: int, sources: int, idle_erlangs: float) -> float:
    """Share of the time in which `sources` fill `trunks`: E(k) = α (N − k + 1) E(k−1) ÷ (k + α (N − k + 1) E(k−1))."""
    full = 1.0
    for trunk in range(1, trunks + 1):
        offered = idle_erlangs * max(0, sources - trunk + 1) * full
        full = offered / (trunk + offered)
    return full


# ---- A bounded line ----


@dataclass(frozen=True, slots=True)
class BoundedLine:
    """The steady state of M/M/s/s+places: contacts never give up, but only so many may wait. Made by `of`."""

    agents: int
    places: int
    erlangs: float
    aht_s: float
    p_blocked: float
    """Probability that a contact finds every place taken and is turned away."""
    p_wait: float
    """Probability that an accepted contact must wait."""
    waiting: float
    """Mean number of waiting contacts."""
    asa_s: float
    """Mean wait of accepted contacts."""

    @classmethod
    def of(cls, agents: int, places: int, erlangs: float, aht_s: float) -> "BoundedLine":
        """The steady state, at any traffic > 0: Erlang B's recursion carried on through the waiting places."""
        assert agents >= 1
        assert places >= 0
        assert min(erlangs, aht_s) > 0
        full = all_busy = erlang_b(agents, erlangs)
        waiting = 0.0
        for place in range(1, places + 1):
            full = erlangs * full / (agents + erlangs * full)
            all_busy = all_busy * (1.0 - full) + full
            waiting = waiting * (1.0 - full) + place * full
        accepted = 1.0 - full
        p_wait, asa_s = (all_busy - full) / accepted, waiting * aht_s / (erlangs * accepted)
        return cls(agents, places, erlangs, aht_s, full, p_wait, waiting, asa_s)

    @property
    def occupancy(self) -> float:
        """Share of their time that agents serve."""
        return self.erlangs * (1.0 - self.p_blocked) / self.agents

    def p_wait_beyond(self, wait_s: float) -> float:
        """Probability that an accepted contact waits longer than `wait_s` ≥ 0.

        Behind j others it does if the busy agents finish at most j contacts in that time, a Poisson number; and j
        others are found with a chance in proportion to (erlangs ÷ agents)^j.
        """
        finished = self.agents * wait_s / self.aht_s
        ln_load, ln_finished = math.log(self.erlangs / self.agents), math.log(finished) if finished else -math.inf
        ln_likeliest = max(0.0, ln_load * (self.places - 1))
        found_all, late, at_most = 0.0, 0.0, math.exp(-finished)
        for behind in range(self.places):
            if behind and finished:
                at_most += math.exp(behind * ln_finished - finished - math.lgamma(behind + 1.0))
            found = math.exp(behind * ln_load - ln_likeliest)
            found_all += found
            late += found * at_most
        return self.p_wait * min(1.0, late / found_all) if found_all else 0.0

    def wait_quantile_s(self, share: float) -> float:
        """The wait that `share` in [0, 1) of the accepted contacts do not exceed."""
        beyond = 1.0 - share
        if self.p_wait <= beyond:
            return 0.0
        high_s = self.aht_s
        while self.p_wait_beyond(high_s) > beyond:
            high_s *= 2.0
        return least(lambda wait_s: self.p_wait_beyond(wait_s) <= beyond, 0.0, high_s)

    def service_level(self, within_s: float) -> float:
        """Share of the accepted contacts answered within `within_s`."""
        return 1.0 - self.p_wait_beyond(within_s)


# ---- Tiers ----


def priority_waits_s(agents: int, erlangs: Sequence[float], aht_s: float) -> list[float]:
    """Mean wait of each value tier, highest first, when a free agent always takes the highest waiting (Cobham).

    `erlangs` is the traffic of each tier; a contact being served is not interrupted. Raises UnstableQueue.
    """
    total = math.fsum(erlangs)
    residual_s = erlang_c(agents, total) * aht_s / agents
    waits_s, higher = [], 0.0
    for traffic in erlangs:
        served_before = higher + traffic / agents
        waits_s.append(residual_s / ((1.0 - higher) * (1.0 - served_before)))
        higher = served_before
    return waits_s


def accumulating_waits_s(agents: int, erlangs: Sequence[float], slopes: Sequence[float], aht_s: float) -> list[float]:
    """Mean wait of each value tier when a free agent takes who has the most points, slope × wait (Kleinrock).

    `erlangs` is the traffic of each tier, `slopes` > 0 its points per second, without head starts; the answer is in
    the same order. With ρᵢ = traffic ÷ agents, from the lowest slope up:
    Wₚ = (W − Σ ρᵢ Wᵢ (1 − bᵢ ÷ bₚ) over the lower) ÷ (1 − Σ ρᵢ (1 − bₚ ÷ bᵢ) over the higher), where W is the mean
    wait in order of arrival. Equal slopes give W to all, slopes far apart the waits of strict priority. Raises
    UnstableQueue.
    """
    assert len(erlangs) == len(slopes)
    assert min(slopes) > 0
    in_order_s = ErlangC.of(agents, math.fsum(erlangs), aht_s).wait_s
    rising = sorted(range(len(slopes)), key=lambda tier: (slopes[tier], tier))
    waits_s = [0.0] * len(slopes)
    for place, tier in enumerate(rising):
        lower, higher = rising[:place], rising[place + 1 :]
        overtaken_s = math.fsum(erlangs[i] * waits_s[i] * (1.0 - slopes[i] / slopes[tier]) for i in lower) / agents
        overtaking = math.fsum(erlangs[i] * (1.0 - slopes[tier] / slopes[i]) for i in higher) / agents
        waits_s[tier] = (in_order_s - overtaken_s) / (1.0 - overtaking)
    return waits_s


# ---- Large centers: agents = a + β √a ----


def square_root_agents(erlangs: float, beta: float) -> int:
    """Agents by the square-root rule, ⌈a + β √a⌉; `beta` is the grade of service, 0.5 to 2 in practice."""
    return math.ceil(erlangs + beta * math.sqrt(erlangs))


def halfin_whitt(beta: float) -> float:
    """Erlang C of many agents staffed by `beta` > 0: 1 ÷ (1 + β Φ(β) ÷ φ(β))."""
    assert beta > 0
    return _hazard(-beta) / (_hazard(-beta) + beta)


def garnett_p_wait(beta: float, aht_per_patience: float) -> float:
    """P(W>0) of Erlang A with many agents staffed by `beta` (of any sign), at AHT ÷ patience > 0."""
    root = math.sqrt(aht_per_patience)
    return _hazard(-beta) / (_hazard(-beta) + root * _hazard(beta / root))


def garnett_abandonment(agents: int, beta: float, aht_per_patience: float) -> float:
    """Abandonment of Erlang A with many agents staffed by `beta`, at AHT ÷ patience > 0."""
    root = math.sqrt(aht_per_patience)
    given_wait = root / math.sqrt(agents) * (_hazard(beta / root) - beta / root)
    return garnett_p_wait(beta, aht_per_patience) * given_wait


def beta_for(p_wait: float, aht_per_patience: float | None = None) -> float:
    """The grade of service at which the share `p_wait` in (0, 1) must wait; `square_root_agents` makes it agents.

    By Halfin and Whitt, or with `aht_per_patience` by Garnett, where fewer agents than erlangs (β < 0) may do. The
    answer lies within ±30, beyond which nobody, or everybody, waits.
    """
    assert 0 < p_wait < 1
    if aht_per_patience is None:
        return least(lambda beta: halfin_whitt(beta) <= p_wait, 0.0, 30.0)
    return least(lambda beta: garnett_p_wait(beta, aht_per_patience) <= p_wait, -30.0, 30.0)


def _hazard(z: float) -> float:
    """Hazard rate of the standard normal law, φ(z) ÷ (1 − Φ(z)); far out by Laplace's continued fraction."""
    if z > 10.0:
        fraction = z
        for step in range(60, 0, -1):
            fraction = z + step / fraction
        return fraction
    return math.sqrt(2.0 / math.pi) * math.exp(-z * z / 2.0) / math.erfc(z / math.sqrt(2.0))
