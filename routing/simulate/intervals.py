"""How sure a simulated figure is: confidence intervals over batches, for ratios and for differences of ratios.

Every figure is a sum over a sum (answered in time ÷ entered, waits ÷ answered, busy ÷ staffed), so one estimator serves
all. A batch is a replication, or a stretch of consecutive customers of one; batches are taken as independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Figure:
    """A value and the half width of its confidence interval; None: unknown (nothing to divide by, one batch only)."""

    value: float | None
    plus_minus: float | None = None

    @property
    def low(self) -> float:
        """The lower end; -inf if nothing is known."""
        return -math.inf if self.value is None or self.plus_minus is None else self.value - self.plus_minus

    @property
    def high(self) -> float:
        """The upper end; inf if nothing is known."""
        return math.inf if self.value is None or self.plus_minus is None else self.value + self.plus_minus

    def holds(self, expected: float) -> bool:
        """Whether `expected` lies in the interval."""
        return self.low <= expected <= self.high

    def scaled(self, factor: float) -> Figure:
        """The same figure in another unit; `factor` > 0."""
        value = None if self.value is None else self.value * factor
        return Figure(value, None if self.plus_minus is None else self.plus_minus * factor)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Batch by batch, what is divided by what."""

    over: tuple[float, ...]
    under: tuple[float, ...]

    def __post_init__(self) -> None:
        assert len(self.over) == len(self.under)

    def value(self) -> float | None:
        """All batches together; None if there is nothing to divide by."""
        under = math.fsum(self.under)
        return math.fsum(self.over) / under if under > 0 else None

    def figure(self, confidence: float = CONFIDENCE) -> Figure:
        """The value with its interval: the ratio estimator (Cochran 1977, chapter 6), Student's t over the batches."""
        value = self.value()
        if value is None:
            return Figure(None)
        return Figure(value, _half_width(self._residuals(value), confidence))

    def _residuals(self, value: float) -> list[float]:
        """What each batch contributes to the error; they add up to 0."""
        mean = math.fsum(self.under) / len(self.under)
        return [(over - value * under) / mean for over, under in zip(self.over, self.under, strict=True)]


def difference(ours: Ratio, theirs: Ratio, confidence: float = CONFIDENCE) -> Figure:
    """`theirs` - `ours`, batch by batch from the same customers: what both have in common falls out of the interval."""
    assert len(ours.over) == len(theirs.over), "only days of the same customers can be paired"
    before, after = ours.value(), theirs.value()
    if before is None or after is None:
        return Figure(None)
    pairs = zip(ours._residuals(before), theirs._residuals(after), strict=True)
    return Figure(after - before, _half_width([new - old for old, new in pairs], confidence))


def mean(batches: Sequence[float | None], confidence: float = CONFIDENCE) -> Figure:
    """The mean of one value a batch; batches without a value are left out."""
    known = [each for each in batches if each is not None]
    return Ratio(tuple(known), (1.0,) * len(known)).figure(confidence) if known else Figure(None)


def batches(values: ArrayLike, count: int) -> tuple[float, ...]:
    """The sums of `count` consecutive stretches of the values, equally long but for one."""
    return tuple(float(np.sum(stretch)) for stretch in np.array_split(np.asarray(values, dtype=float), count))


def _half_width(residuals: Sequence[float], confidence: float) -> float | None:
    count = len(residuals)
    if count < 2:
        return None
    error = math.sqrt(math.fsum(each * each for each in residuals) / (count * (count - 1)))
    return student_t(count - 1, confidence) * error


def student_t(freedom: int, confidence: float) -> float:
    """The t of which Student's distribution has `confidence` in (0, 1) between -t and t.

    By bisection on the closed form for whole degrees of freedom ≥ 1 (Abramowitz and Stegun 26.7.3 and 26.7.4).
    """
    assert freedom >= 1
    assert 0 < confidence < 1
    low, high = 0.0, 1.0
    while _within(freedom, high) < confidence:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(freedom, middle) < confidence else (low, middle)
    return high


def _within(freedom: int, t: float) -> float:
    """The probability that Student's t lies between -t and t."""
    theta = math.atan2(t, math.sqrt(freedom))
    cosine, sine = math.cos(theta), math.sin(theta)
    odd = freedom % 2 == 1
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return 2 / math.pi * (theta + sine * total) if odd else sine * total
