"""How long things last: the distributions that handling times, patience and breaks are drawn from, in seconds.

A duration draws any number of samples at once from a numpy generator that it is given; it never makes its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Seconds: TypeAlias = NDArray[np.float64]


class Duration(Protocol):
    """A distribution on [0, ∞], in seconds."""

    @property
    def mean_s(self) -> float:
        """What samples are on average."""
        ...

    def draw(self, lots: np.random.Generator, count: int) -> Seconds:
        """`count` independent samples."""
        ...


@dataclass(frozen=True, slots=True)
class Always:
    """The same duration each time; `inf` never ends."""

    duration_s: float

    @property
    def mean_s(self) -> float:
        """What samples are on average."""
        return self.duration_s

    def draw(self, lots: np.random.Generator, count: int) -> Seconds:  # noqa: ARG002 - there is nothing to draw
        """`count` times the same."""
        return np.full(count, self.duration_s)


NEVER = Always(math.inf)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Without memory."""

    mean_s: float

    def draw(self, lots: np.random.Generator, count: int) -> Seconds:
        """`count` independent samples."""
        return lots.standard_exponential(count) * self.mean_s


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Its logarithm is normal with mean `mu` and deviation `sigma`: what talks are like (Brown et al. 2005)."""

    mu: float
    sigma: float

    @classmethod
    def of(cls, mean_s: float, cv: float) -> LogNormal:
        """The one of this mean and coefficient of variation (standard deviation ÷ mean)."""
        sigma2 = math.log1p(cv * cv)
        return cls(math.log(mean_s) - sigma2 / 2, math.sqrt(sigma2))

    @property
    def mean_s(self) -> float:
        """What samples are on average."""
        return math.exp(self.mu + self.sigma**2 / 2)

    def draw(self, lots: np.random.Generator, count: int) -> Seconds:
        """`count` independent samples."""
        return lots.lognormal(self.mu, self.sigma, count)


@dataclass(frozen=True, slots=True)
class SomeShort:
    """A share of the samples is over at once, evenly spread below `short_s`; the others last `otherwise`."""

    share: float
    short_s: float
    otherwise: Duration

    @property
    def mean_s(self) -> float:
        """What samples are on average."""
        return self.share * self.short_s / 2 + (1 - self.share) * self.otherwise.mean_s

    def draw(self, lots: np.random.Generator, count: int) -> Seconds:
        """`count` independent samples."""
        short = lots.random(count) < self.share
        return np.where(short, lots.random(count) * self.short_s, self.otherwise.draw(lots, count))


@dataclass(frozen=True, slots=True)
class Hazard:
    """Ends at a rate that changes with age: `rates[i]` per second from `ages_s[i]` to the next age, the last for ever.

    `ages_s` begins with 0 and rises; the last rate is positive, so that everything ends. This is how patience is
    estimated (the hazard of a Kaplan-Meier curve) and how it is drawn again: by inverting the cumulative hazard.
    """

    ages_s: tuple[float, ...]
    rates: tuple[float, ...]

    def __post_init__(self) -> None:
        assert len(self.ages_s) == len(self.rates)
        assert self.ages_s[0] == 0.0
        assert all(rate >= 0 for rate in self.rates)
        assert self.rates[-1] > 0, "the last rate holds for ever, so it must end what is left"

    def times(self, factor: float) -> Hazard:
        """The same shape, lasting about `factor` times as long: every rate divided by it."""
        return Hazard(self.ages_s, tuple(rate / factor for rate in self.rates))

    @property
    def mean_s(self) -> float:
        """What samples are on average: the area under the survival curve."""
        mean, survival = 0.0, 1.0
        lengths = [*np.diff(self.ages_s), math.inf]
        for length, rate in zip(lengths, self.rates, strict=True):
            still = survival * math.exp(-rate * length) if rate > 0 else survival
            mean += (survival - still) / rate if rate > 0 else survival * length
            survival = still
        return mean

    def survival(self, age_s: float) -> float:
        """The probability in [0, 1] of lasting longer than this."""
        return math.exp(-float(self._cumulative(np.array([age_s]))[0]))

    def draw(self, lots: np.random.Generator, count: int) -> Seconds:
        """`count` independent samples."""
        return self._age_at(lots.standard_exponential(count))

    def draw_beyond(self, lots: np.random.Generator, ages_s: Seconds) -> Seconds:
        """One sample for each age, given that it lasts longer than that."""
        return self._age_at(self._cumulative(ages_s) + lots.standard_exponential(len(ages_s)))

    def _cumulative(self, ages_s: Seconds) -> Seconds:
        starts, rates = np.array(self.ages_s), np.array(self.rates)
        reached = np.concatenate(([0.0], np.cumsum(np.diff(starts) * rates[:-1])))
        at = np.searchsorted(starts, ages_s, side="right") - 1
        cumulative: Seconds = reached[at] + (ages_s - starts[at]) * rates[at]
        return cumulative

    def _age_at(self, cumulative: Seconds) -> Seconds:
        starts, rates = np.array(self.ages_s), np.array(self.rates)
        reached = np.concatenate(([0.0], np.cumsum(np.diff(starts) * rates[:-1])))
        # Where the rate is 0 the cumulative hazard is flat, and 'left' steps over the flat stretch.
        at = np.searchsorted(reached, cumulative, side="left") - 1
        at = np.where(cumulative <= 0.0, 0, at)
        ages: Seconds = starts[at] + (cumulative - reached[at]) / np.where(rates[at] > 0, rates[at], np.inf)
        return ages


def kaplan_meier(waits_s: Sequence[float], gave_up: Sequence[bool]) -> Hazard:
    """The patience behind these waits, of which some ended in giving up and the others were cut short by an answer.

    The Kaplan-Meier estimate as a hazard: between two waits at which somebody gave up it is constant, with d of n who
    still waited giving up: -ln(1 - d/n) over the stretch. Beyond the last wait the overall rate holds, people who gave
    up ÷ time waited. At least one must have given up after a wait longer than 0.
    """
    waits, ends = np.asarray(waits_s, dtype=float), np.asarray(gave_up, dtype=bool)
    order = np.argsort(waits, kind="stable")
    waits, ends = np.maximum(waits[order], 1e-3), ends[order]
    assert ends.any(), "nobody gave up, so nothing says how patient they are"
    times, first = np.unique(waits, return_index=True)
    left = np.add.reduceat(ends.astype(int), first)
    at_risk = len(waits) - first
    overall = float(ends.sum() / waits.sum())
    ages, rates = [0.0], []
    for time, gone, waiting in zip(times, left, at_risk, strict=True):
        if gone:
            share = gone / waiting
            if share >= 1.0:  # the last one of all; nothing is known beyond
                share = gone / (waiting + 1)
            rates.append(-math.log1p(-share) / (float(time) - ages[-1]))
            ages.append(float(time))
    return Hazard(tuple(ages), (*rates, overall))


def duration(described: Mapping[str, Any]) -> Duration:
    """The duration that a preset describes; raises ValueError for a kind it does not know, KeyError for a gap.

    {"always_s": 5} · {"exponential_s": 300} · {"lognormal": {"mu": 5.3, "sigma": 0.8}} · {"lognormal": {"mean_s": 300,
    "cv": 1}} · {"hazard": {"ages_s": [0, …], "per_1000_s": [3.86, …]}}, and beside any of them {"short_share": 0.05,
    "short_s": 10}.
    """
    kinds = described.keys() - {"short_share", "short_s"}
    if len(kinds) != 1:
        raise ValueError(f"a duration is of one kind, not {sorted(kinds)}")
    (kind,) = kinds
    given = described[kind]
    made: Duration
    match kind:
        case "always_s":
            made = Always(float(given))
        case "exponential_s":
            made = Exponential(float(given))
        case "lognormal" if "mean_s" in given:
            made = LogNormal.of(float(given["mean_s"]), float(given["cv"]))
        case "lognormal":
            made = LogNormal(float(given["mu"]), float(given["sigma"]))
        case "hazard":
            made = Hazard(tuple(map(float, given["ages_s"])), tuple(rate / 1000.0 for rate in given["per_1000_s"]))
        case _:
            raise ValueError(f"{kind!r} is no kind of duration")
    share = float(described.get("short_share", 0.0))
    return SomeShort(share, float(described["short_s"]), made) if share else made
