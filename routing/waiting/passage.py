"""How long a line takes until it has moved past everybody ahead: first passage of a birth and death process.

A contact waits behind n others. Agents come free at rate r, each waiting caller gives up at rate θ, so with i contacts
before this one the line moves on at rate xᵢ = r + iθ. If nobody comes in between, the steps from n down to "served"
take Σ 1 ÷ xᵢ, i = 0 … n, with variance Σ 1 ÷ xᵢ²: the predictor QLa of Whitt (1999). It is the wait of one who stays.

Contacts that enter later and are served before push it back, at rate λ. Then the step from i to i − 1 takes, on
average, bᵢ = (1 + λ bᵢ₊₁) ÷ xᵢ (Keilson 1965), which for large i is near 1 ÷ (xᵢ − λ), a busy period.
"""

import math
from dataclasses import dataclass
from typing import Final

from routing.policy import Discipline, TierPolicy

LEFT_MIN: Final = 0.1
"""However many overtake, no step is taken to last longer than if this share of the agents' work was left."""

_STEPS: Final = 24
"""So many steps are gone through one by one, and those beyond are summed up by Euler and Maclaurin …"""
_STEPS_MAX: Final = 64
"""… unless those who overtake outnumber the agents, where it takes more until they give up as fast as they come."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The time until a line has moved past everybody ahead, seconds."""

    mean_s: float
    variance: float
    squares: float
    """Sum of the squared steps: if agents come free faster by dr, the mean falls by this times dr."""


def passage(rate: float, patience_rate: float, ahead: int, overtaking: float = 0.0) -> Passage:
    """The passage of a contact behind `ahead` others, when contacts enter before it at rate `overtaking`, per second.

    Requires rate > 0, the others ≥ 0. In constant time, to 1e-6 relative without overtaking.
    """
    assert rate > 0
    if overtaking <= 0.0:
        mean_s, squares, _ = power_sums(rate, patience_rate, ahead)
        return Passage(mean_s, squares, squares)
    top = _STEPS
    if patience_rate > 0.0:
        top = min(max(top, math.ceil((2.0 * overtaking - rate) / patience_rate)), _STEPS_MAX)
    mean_s = squares = variance = 0.0
    first = rate + (top + 1) * patience_rate
    left = max(first - overtaking, LEFT_MIN * first)
    if ahead > top:
        mean_s, squares, cubes = power_sums(left, patience_rate, ahead - top - 1)
        # A busy period of overtakers has the variance (x + λ) ÷ (x − λ)³.
        variance = squares + 2.0 * overtaking * cubes
    step_s, second = 1.0 / left, 2.0 * first / left**3
    for i in range(top, -1, -1):
        moving = rate + i * patience_rate
        either = moving + overtaking
        above_s = step_s
        step_s = min((1.0 + overtaking * above_s) / moving, 1.0 / (LEFT_MIN * moving))
        # The first event is one way or the other; if it was up, there are two steps down to go.
        second = (
            2.0 / either
            + 2.0 * overtaking / either * (above_s + step_s)
            + overtaking * (second + 2.0 * above_s * step_s)
        )
        second = min(second / moving, 2.0 * moving / (LEFT_MIN * moving) ** 3)
        if i <= ahead:
            mean_s += step_s
            squares += step_s * step_s
            variance += max(second - step_s * step_s, 0.0)
    return Passage(mean_s, variance, squares)


def power_sums(rate: float, patience_rate: float, ahead: int) -> tuple[float, float, float]:
    """Σ 1 ÷ x, Σ 1 ÷ x² and Σ 1 ÷ x³ over x = r + iθ, i = 0 … `ahead`; to 1e-6 relative, in constant time."""
    first_sum = second_sum = third_sum = 0.0
    summed = min(ahead, _STEPS)
    for i in range(summed + 1):
        each_s = 1.0 / (rate + i * patience_rate)
        square = each_s * each_s
        first_sum += each_s
        second_sum += square
        third_sum += square * each_s
    if ahead > summed:
        # Euler and Maclaurin: the integral, half of both ends, and a twelfth of the difference of their slopes.
        a, b = 1.0 / (rate + (summed + 1) * patience_rate), 1.0 / (rate + ahead * patience_rate)
        count = ahead - summed - 1
        growth = patience_rate * count * a
        first_sum += count * a * (math.log1p(growth) / growth if growth > 0.0 else 1.0) + (a + b) / 2.0
        second_sum += count * a * b + (a * a + b * b) / 2.0
        third_sum += count * a * b * (a + b) / 2.0 + (a**3 + b**3) / 2.0
        first_sum += patience_rate / 12.0 * (a**2 - b**2)
        second_sum += patience_rate / 6.0 * (a**3 - b**3)
        third_sum += patience_rate / 4.0 * (a**4 - b**4)
    return first_sum, second_sum, third_sum


def overtaking_share(policy: TierPolicy, tier: int, other: int, wait_s: float) -> float:
    """Which part of the contacts of tier `other` that enter while one of `tier` waits `wait_s` are served before it.

    One that enters u later has overtaken by the end if slope' (wait_s − u + head start') > slope (wait_s + head start);
    so with accumulating points, or targets, it is 1 − slope ÷ slope', and what the head starts add (Kleinrock 1964).
    Queue ratio has no such order; it counts as order of arrival.
    """
    match policy.discipline:
        case Discipline.LIFO:
            return 1.0
        case Discipline.STRICT:
            return 1.0 if other < tier else 0.0
        case Discipline.ACCUMULATING | Discipline.TARGET:
            steeper = policy.slope(tier) / policy.slope(other)
            ahead_s = policy.head_start_s(other) - steeper * policy.head_start_s(tier)
            return min(max(1.0 - steeper + ahead_s / max(wait_s, 1.0), 0.0), 1.0)
        case _:
            return 0.0
