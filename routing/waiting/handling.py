"""What is known of how long contacts are handled: mean, spread, and how near their end those in progress are.

Handling times are learned from contacts that ended and fade with a half-life, so that the afternoon is not judged by
the morning; but a quiet night does not make us forget: the last contacts always count. Before there are any, the
site's AHT counts as a few.

Only for exponential times does the age of a contact in progress say nothing. Otherwise its *residual* does: the mean
time that is still ahead of it. We keep the hazard of ending by age, constant in each of twenty-odd geometric bins
(the piecewise exponential model: ended ÷ time spent there), drawn to the exponential where there is little data, and
from it the residual of every age. Renewal theory (Cox 1962, ch. 5) says what the ages change: agents whose contacts
have on average `gain_s` less ahead of them than usual finish, in the long run, as if they were `gain_s` ahead in time.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

HALF_LIFE_S: Final = 7_200.0
"""After this long a contact counts half …"""
KEPT: Final = 30.0
"""… but what is known never fades below this many contacts' worth."""
PRIOR: Final = 4.0
"""The site's AHT counts as this many contacts; so does the exponential law in each bin."""
CV2_MAX: Final = 4.0
"""Squared coefficient of variation beyond which a few endless contacts would make every forecast useless."""

_SCALE_MIN: Final = 1e-100
"""Below this the data are scaled anew, before a float ends."""
_EDGES: Final = tuple(8.0 * 2.0 ** (half / 2.0) for half in range(20))
"""Bins of age: from 8 seconds to 1 hour 37 minutes, each edge √2 of the one before."""
_LOWS: Final = (0.0, *_EDGES)
_WIDTHS: Final = tuple(high - low for low, high in pairwise(_LOWS))


def keeping(weight: float, elapsed_s: float) -> float:
    """The factor by which data of this weight (in contacts) fades over `elapsed_s`."""
    if weight <= KEPT or elapsed_s <= 0.0:
        return 1.0
    return max(math.exp2(-elapsed_s / HALF_LIFE_S), KEPT / weight)


@dataclass(frozen=True, slots=True)
class Headway:
    """How far contacts in progress are ahead of the usual: after t seconds gain_s × (1 − e^(−t ÷ reach_s)).

    gain_s < 0 if they lag behind.
    """

    gain_s: float
    reach_s: float

    def waiting_s(self, usual_s: float) -> float:
        """The wait t for what usually takes `usual_s`: t + gain_s (1 − e^(−t ÷ reach_s)) = usual_s, by Newton."""
        if self.gain_s == 0.0 or usual_s == 0.0:
            return usual_s
        wait_s = usual_s
        for _ in range(5):
            left = self.gain_s * math.exp(-wait_s / self.reach_s)
            wait_s -= (wait_s + self.gain_s - left - usual_s) / (1.0 + left / self.reach_s)
            # Concave or convex, the curve is never far: the wait lies between the two straight lines that bound it.
            wait_s = max(0.0, wait_s)
        return wait_s


NO_HEADWAY: Final = Headway(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Handled:
    """What is known of handling times, as plain values; the lists are by bin of age, in units of `scale`."""

    prior_s: float
    weight: float
    since_at: float | None
    total_s: float
    squares: float
    scale: float
    ended: tuple[float, ...]
    into_s: tuple[float, ...]


class HandleTimes:
    """The handling times of one queue, seconds. Instants must not run backwards; one that does counts as no time."""

    def __init__(self, prior_s: float, known: Handled | None = None) -> None:
        assert prior_s > 0
        self.prior_s = prior_s
        self.weight = 0.0
        """How many contacts the data is worth."""
        self._since_s: float | None = None
        self._total_s = self._squares = 0.0
        # Fading multiplies everything; so that it costs nothing, all is kept in units that shrink instead.
        self._scale = 1.0
        self._ended = [0.0] * len(_LOWS)
        self._into_s = [0.0] * len(_LOWS)
        """How far into their last bin contacts came, summed."""
        self._read = False
        self._residual_s: list[float] = []
        self._hazard: list[float] = []
        self._reference_s = 0.0
        if known is not None and len(known.ended) == len(known.into_s) == len(_LOWS):
            self.prior_s, self.weight, self._since_s = known.prior_s, known.weight, known.since_at
            self._total_s, self._squares, self._scale = known.total_s, known.squares, known.scale
            self._ended, self._into_s = [*known.ended], [*known.into_s]

    def known(self) -> Handled:
        """All that is known; `HandleTimes(prior_s, known)` goes on with it."""
        sums = (self.prior_s, self.weight, self._since_s, self._total_s, self._squares, self._scale)
        return Handled(*sums, tuple(self._ended), tuple(self._into_s))

    def mean_variance(self, now: float) -> float:
        """Squared relative error of `mean_s`, as far as it comes from having seen few contacts, or none for long."""
        elapsed_s = 0.0 if self._since_s is None else max(0.0, now - self._since_s)
        return self.cv2 / (PRIOR + self.weight * keeping(self.weight, elapsed_s))

    @property
    def mean_s(self) -> float:
        """The mean, seconds."""
        return (PRIOR * self.prior_s + self._total_s) / (PRIOR + self.weight)

    def known_s(self, in_progress_s: float) -> float:
        """The mean, where contacts now in progress have taken `in_progress_s` so far, all together; seconds.

        At first only the short ones have ended. Exponential times are judged by all the time spent ÷ those that ended
        (Epstein and Sobel 1953); of regular ones the time spent says the less, the more regular they are.
        """
        counted_s = min(1.0, self.cv2) * in_progress_s
        return (PRIOR * self.prior_s + self._total_s + counted_s) / (PRIOR + self.weight)

    @property
    def cv2(self) -> float:
        """Squared coefficient of variation: 1 for exponential times, 0 if all take as long."""
        second = (2.0 * PRIOR * self.prior_s**2 + self._squares) / (PRIOR + self.weight)
        return min(max(0.0, second / self.mean_s**2 - 1.0), CV2_MAX)

    def ended(self, now: float, handle_s: float) -> None:
        """A contact was handled for `handle_s` ≥ 0."""
        assert handle_s >= 0
        since_s, weight = self._since_s, self.weight
        if since_s is None or now > since_s:
            self._since_s = now
        if weight > KEPT and since_s is not None and now > since_s:
            keep = keeping(weight, now - since_s)
            weight *= keep
            self._total_s *= keep
            self._squares *= keep
            self._scale *= keep
            if self._scale < _SCALE_MIN:
                self._ended = [count * self._scale for count in self._ended]
                self._into_s = [into_s * self._scale for into_s in self._into_s]
                self._scale = 1.0
        self.weight = weight + 1.0
        self._total_s += handle_s
        self._squares += handle_s * handle_s
        last = bisect_right(_EDGES, handle_s)
        self._ended[last] += 1.0 / self._scale
        self._into_s[last] += (handle_s - _LOWS[last]) / self._scale
        self._read = False

    def headway(self, ages: Sequence[float]) -> Headway:
        """How far the contacts of these `ages` (seconds in progress) are ahead of the usual."""
        if not ages:
            return NO_HEADWAY
        if not self._read:
            self._work_out()
        bins = [bisect_right(_EDGES, age) for age in ages]
        gain_s = self._reference_s - sum(map(self._residual_s.__getitem__, bins)) / len(bins)
        pace = sum(map(self._hazard.__getitem__, bins)) / len(bins)
        # At first they end at `pace` times the usual rate, so gain_s ÷ reach_s = pace − 1, if the signs agree.
        longest_s = 2.0 * self.mean_s
        reach_s = gain_s / (pace - 1.0) if gain_s * (pace - 1.0) > 0.0 else longest_s
        shortest_s = max(self.mean_s / 8.0, -1.25 * gain_s)
        return Headway(gain_s, min(max(reach_s, shortest_s), max(longest_s, shortest_s)))

    def _work_out(self) -> None:
        """Hazard relative to the mean rate and mean residual, at the middle of each bin, from the last bin down."""
        self._read = True
        prior_s = PRIOR * self.mean_s
        rates = []
        beyond = 0.0  # who came past the bin spent all of its width in it
        for count, into_s, width_s in zip(
            reversed(self._ended), reversed(self._into_s), (0.0, *reversed(_WIDTHS)), strict=True
        ):
            rates.append((count * self._scale + PRIOR) / ((into_s + beyond * width_s) * self._scale + prior_s))
            beyond += count
        rates.reverse()
        residual_s = 1.0 / rates[-1]
        residuals = [residual_s]
        passing = []
        for rate, width_s in zip(reversed(rates[:-1]), reversed(_WIDTHS), strict=True):
            half = math.exp(-rate * width_s / 2.0)
            middle_s = (1.0 - half) / rate + half * residual_s
            residual_s = (1.0 - half) / rate + half * middle_s
            residuals.append(middle_s)
            passing.append((1.0 - half * half) / rate)
        residuals.reverse()
        passing.reverse()
        # The usual residual: over the ages at which contacts in progress are found, as often as they get there.
        alive, found_s, weighed = 1.0, 0.0, 0.0
        for at, rate in enumerate(rates):
            here_s = alive * (passing[at] if at < len(passing) else 1.0 / rate)
            found_s += here_s
            weighed += here_s * residuals[at]
            alive -= here_s * rate
        self._reference_s = weighed / found_s
        self._residual_s = residuals
        self._hazard = [rate * residual_s for rate in rates]
