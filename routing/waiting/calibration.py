"""What was told against what came: whether half of the waits exceed the median we gave, and a tenth the 90 % quantile.

A caller who gives up hides how long they would have waited; leaving them out would make waits look short, and counting
the time they stayed even more so. So shares are those of Kaplan and Meier (1958), who count such a contact among the
rest until it is gone. Errors of the mean and median can only be those of contacts that were answered.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from routing.waiting.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Forecast:
    """One contact: what it was told on entering, how long it then waited, and whether until an agent answered."""

    told: Estimate
    wait_s: float
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Calibration:
    """How good a number of forecasts were. Well calibrated are 0.5, 0.4 and 0.1 for the three shares.

    None where nobody was answered (or, for the ratios, nobody had to wait).
    """

    forecasts: int
    """Contacts that had to wait and were told how long."""
    answered: int
    unknown: int
    """Further contacts that were told nothing, as nobody served their queue."""
    beyond_p50: float | None
    """Share of the contacts that wait longer than the median they were told, if they stay."""
    between: float | None
    """Share that waits longer than the median but no longer than the 90 % quantile."""
    beyond_p90: float | None
    bias_s: float | None
    """Mean of (wait − told mean) of the answered: > 0 if we promise too much."""
    median_error: float | None
    """Median of |told median − wait| ÷ wait of the answered (REQUIREMENTS T45)."""
    rase: float | None
    """Root mean squared error of the told mean ÷ mean wait, of the answered (Ibrahim and Whitt 2009)."""


def calibration(forecasts: Iterable[Forecast]) -> Calibration:
    """Compare what was told with what came, over the contacts that had to wait (told more than nothing)."""
    all_of_them = list(forecasts)
    known = [each for each in all_of_them if 0.0 < each.told.mean_s < math.inf]
    unknown = sum(1 for each in all_of_them if each.told.mean_s == math.inf)
    waits = [(each.told, each.wait_s) for each in known if each.answered]
    if not waits:
        return Calibration(len(known), 0, unknown, None, None, None, None, None, None)
    beyond_p50 = _share_beyond([each.told.p50_s for each in known], known)
    beyond_p90 = _share_beyond([each.told.p90_s for each in known], known)
    mean_s = fmean(wait_s for _, wait_s in waits)
    errors = [abs(told.p50_s - wait_s) / wait_s for told, wait_s in waits if wait_s > 0.0]
    squared = fmean((told.mean_s - wait_s) ** 2 for told, wait_s in waits)
    return Calibration(
        forecasts=len(known),
        answered=len(waits),
        unknown=unknown,
        beyond_p50=beyond_p50,
        between=beyond_p50 - beyond_p90,
        beyond_p90=beyond_p90,
        bias_s=fmean(wait_s - told.mean_s for told, wait_s in waits),
        median_error=median(errors) if errors else None,
        rase=math.sqrt(squared) / mean_s if mean_s > 0.0 else None,
    )


def _share_beyond(told_s: Sequence[float], forecasts: Sequence[Forecast]) -> float:
    """Share of the contacts that wait longer than each was told, by Kaplan and Meier on wait ÷ told.

    At the same ratio those who were answered come before those who gave up, as they were still there.
    """
    ratios = sorted(
        (each.wait_s / limit_s if limit_s > 0.0 else (math.inf if each.wait_s > 0.0 else 0.0), not each.answered)
        for limit_s, each in zip(told_s, forecasts, strict=True)
    )
    beyond, there = 1.0, len(ratios)
    for ratio, gave_up in ratios:
        if ratio > 1.0:
            break
        if not gave_up:
            beyond *= 1.0 - 1.0 / there
        there -= 1
    return beyond
