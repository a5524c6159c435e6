"""How long a waiting contact has still to wait: an interval from the state of its line, corrected by what came.

The wait of a contact behind n others ends when one agent is free after those ahead were served or gave up; QLa, the
predictor of Whitt (1999), gives its mean and variance for exponential times in one line (`passage`). It is the
wait of a contact that stays. We add what QLa does not know:

- who comes later and is served before, by their tier (`passage`);
- how near their end the contacts in progress are, by their ages (`handling`), as a change of time;
- that handling times spread less, or more, than exponential ones: over a long wait each agent's completions vary as
  those of a renewal process do, in the limit cv² times as much (Cox 1962, ch. 4);
- that AHT and patience are known only from so many contacts: their errors, by the delta method;
- that waits come out longer or shorter than all this says, as agents are shared with other queues (`correction`).

The law is taken as gamma with these two moments, its quantiles by Wilson and Hilferty (1931).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from routing.policy import TierPolicy
from routing.waiting.correction import NOTHING, Correction, Waits
from routing.waiting.handling import Handled, HandleTimes, Headway, keeping
from routing.waiting.passage import overtaking_share, passage
from routing.waiting.recent import Recent, RecentSeen

AHT_S: Final = 180.0
"""What contacts are taken to last before any has ended, unless the site says."""
PATIENCE_S: Final = 600.0
"""What callers are taken to wait before giving up; counts as one caller who did."""
SPREAD_MAX: Final = 2.0
"""Squared coefficient of variation that a wait is granted at most: beyond it the gamma law's median says nothing."""

_Z90: Final = 1.2815515655446004
"""The normal law's 90 % quantile."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is still ahead of a waiting contact: half of such waits exceed `p50_s`, a tenth `p90_s`.

    `position` counts from 1, the next to be served. The waits are infinite while nobody serves the line.
    """

    position: int
    p50_s: float
    p90_s: float
    mean_s: float
    factor: float = 1.0
    """What the formula gave was multiplied by this, as earlier waits had come out longer or shorter than it."""

    def narrowed(self, times: float) -> "Estimate":
        """The interval so many times narrower around its mean; wider if below 1."""
        p50_s, p90_s = (max(0.0, self.mean_s + (each_s - self.mean_s) / times) for each_s in (self.p50_s, self.p90_s))
        return replace(self, p50_s=p50_s, p90_s=p90_s)

    def later(self, by_s: float) -> "Estimate":
        """The same wait, so much longer."""
        return replace(self, p50_s=self.p50_s + by_s, p90_s=self.p90_s + by_s, mean_s=self.mean_s + by_s)


@dataclass(frozen=True, slots=True)
class Outlook:
    """A line as seen at one instant; gives the estimate of every contact in it. Made by `QueueHistory.outlook`."""

    serving: float
    idle: int
    cycle_s: float
    """Mean time an agent takes for a contact: ring and handling."""
    cycle_variance: float
    """Squared relative error of `cycle_s`."""
    cv2: float
    """Squared coefficient of variation of handling times."""
    ring_s: float
    patience_rate: float
    patience_variance: float
    """Squared relative error of `patience_rate`."""
    headway: Headway
    factor: float
    factors: Mapping[int, float]
    """By tier; tiers of which nothing is known yet have `factor`."""
    policy: TierPolicy | None
    arrivals: tuple[tuple[int, float], ...]
    """Rate per second of each tier."""
    _known: dict[tuple[int, int], Estimate] = field(default_factory=dict, init=False, repr=False, compare=False)

    def estimate(self, ahead: int, tier: int = 0) -> Estimate:
        """The wait of a contact of this tier that `ahead` others, now in line, will be served before.

        Each is worked out once: those who look where they stand in a line look at the same places.
        """
        assert ahead >= 0
        known = self._known.get((ahead, tier))
        if known is None:
            known = self._known[ahead, tier] = self._estimate(ahead, tier)
        return known

    def _estimate(self, ahead: int, tier: int) -> Estimate:
        factor = self.factors.get(tier, self.factor)
        if ahead < self.idle:
            return Estimate(ahead + 1, self.ring_s, self.ring_s, self.ring_s, factor)
        if self.serving <= 0.0:
            return Estimate(ahead + 1, math.inf, math.inf, math.inf, factor)
        mean_s, variance = self._moments(ahead - self.idle, tier)
        variance = min(variance, SPREAD_MAX * mean_s * mean_s)
        # Wilson and Hilferty: the cube root of a gamma number is nearly normal.
        ninth = variance / (9.0 * mean_s * mean_s)
        centre = max(0.0, 1.0 - ninth)
        usual_s = (mean_s * centre**3, mean_s * (centre + _Z90 * math.sqrt(ninth)) ** 3, mean_s)
        p50_s, p90_s, mean_s = [factor * (self.headway.waiting_s(each_s) + self.ring_s) for each_s in usual_s]
        return Estimate(ahead + 1, p50_s, p90_s, mean_s, factor)

    def _moments(self, behind: int, tier: int) -> tuple[float, float]:
        """Mean and variance of the wait behind so many others, as if the contacts in progress had any age."""
        rate = self.serving / self.cycle_s
        overtaking = 0.0
        line = passage(rate, self.patience_rate, behind)
        if self.policy is not None:
            # Who may overtake can depend on how long the wait is, so look twice.
            for _ in range(2):
                known, overtaking = overtaking, self._overtaking(tier, line.mean_s)
                if overtaking != known:
                    line = passage(rate, self.patience_rate, behind, overtaking)
        mean_s = line.mean_s
        # By each agent's completions in that time: if they are few, it says nothing how regular they are.
        each = rate * mean_s / self.serving
        apart = math.exp(-each * (1.0 + each) if self.cv2 < 1.0 else -each / self.cv2)
        dispersion = self.cv2 + (1.0 - self.cv2) * apart
        # Of all who leave the line, some give up, as irregularly as ever.
        served = min(1.0, rate * mean_s / (behind + 1.0 + overtaking * mean_s))
        variance = line.variance * (1.0 - served + served * dispersion)
        # If agents are slower by a part, or callers more patient, by so much the mean moves.
        by_agents_s = rate * line.squares
        by_patience_s = max(0.0, mean_s - (rate - overtaking) * line.squares)
        variance += by_agents_s**2 * self.cycle_variance + by_patience_s**2 * self.patience_variance
        # Seen at any instant, the next of regular completions is half an interval away, of exponential ones a whole.
        return mean_s - max(0.0, 1.0 - dispersion) / (2.0 * rate), variance

    def _overtaking(self, tier: int, wait_s: float) -> float:
        assert self.policy is not None
        return sum([each * overtaking_share(self.policy, tier, other, wait_s) for other, each in self.arrivals])


@dataclass(frozen=True, slots=True)
class Learned:
    """What a queue's history has learned, to be kept over a restart."""

    handling: Handled | None = None
    settled_at: float = 0.0
    settled: float = 0.0
    answered: float = 0.0
    gave_up: float = 0.0
    waited_s: float = 0.0
    rang_s: float = 0.0
    waits: Waits = NOTHING
    waits_by_tier: Mapping[int, Waits] = field(default_factory=dict)
    recent: RecentSeen | None = None


class QueueHistory:
    """What one queue has seen, fading, and the estimates that follow from it.

    The engine tells it of every contact: entered, then started or abandoned, then ended. Instants are seconds; one that
    runs backwards counts as no time passed. Asking changes nothing, so who looks on does not change what is decided.
    """

    def __init__(self, aht_s: float = AHT_S, short_abandon_s: float = 5.0, learned: Learned | None = None) -> None:
        known = learned or Learned()
        self.handling = HandleTimes(aht_s, known.handling)
        self.short_abandon_s = short_abandon_s
        self._settled_at = known.settled_at
        self._settled, self._answered, self._gave_up = known.settled, known.answered, known.gave_up
        self._waited_s, self._rang_s = known.waited_s, known.rang_s
        self._correction = Correction(known.waits, known.waits_by_tier)
        self._recent = Recent(known.recent)

    def learned(self) -> Learned:
        """All that it knows, as plain values; `QueueHistory(learned=…)` goes on with it."""
        return Learned(
            self.handling.known(),
            self._settled_at,
            self._settled,
            self._answered,
            self._gave_up,
            self._waited_s,
            self._rang_s,
            self._correction.queue,
            {**self._correction.tiers},
            self._recent.seen(),
        )

    # ---- What happened ----

    def entered(self, now: float, tier: int = 0) -> None:
        """A contact of this tier joined the queue."""
        self._recent.entered(now, tier)

    def started(
        self,
        now: float,
        wait_s: float,
        in_time: bool,
        promise: "Promise | None" = None,
        rang_s: float = 0.0,
        tier: int = 0,
    ) -> None:
        """An agent accepted a contact that had waited `wait_s`, the last `rang_s` of it while their phone rang.

        `promise` is what it was told in this queue; None if it was offered at once.
        """
        self._fade(now)
        self._settled += 1.0
        self._answered += 1.0
        self._waited_s += wait_s
        self._rang_s += rang_s
        self._recent.settled(now, in_time=in_time)
        if promise is not None and promise.first is not None:
            self._judge(promise.first, now - promise.first_at, now, tier)

    def abandoned(self, now: float, wait_s: float) -> None:
        """The caller of a contact hung up after `wait_s`."""
        self._fade(now)
        self._settled += 1.0
        self._gave_up += 1.0
        self._waited_s += wait_s
        if wait_s > self.short_abandon_s:
            self._recent.settled(now, in_time=False)

    def ended(self, now: float, handle_s: float) -> None:
        """An agent is done with a contact after `handle_s` of talk, hold and wrap-up."""
        self.handling.ended(now, handle_s)

    # ---- What is known ----

    @property
    def handle_mean_s(self) -> float:
        """AHT, seconds."""
        return self.handling.mean_s

    @property
    def patience_rate(self) -> float:
        """At which rate a waiting caller gives up, per second: those who did ÷ the time that all have waited."""
        return (self._gave_up + 1.0) / (self._waited_s + PATIENCE_S)

    @property
    def factor(self) -> float:
        """How much longer waits come out than the formula says, by those who were told and then answered."""
        return self._correction.factor(self.handling.mean_s)

    def service_level(self, now: float) -> float | None:
        """Answered in time ÷ (answered + abandoned, without short abandons) of the last half hour; None without any."""
        return self._recent.service_level(now)

    def arrival_rates(self, now: float) -> dict[int, float]:
        """Contacts of each tier that entered, per second of the last half hour, or since the first if that is less."""
        return self._recent.arrival_rates(now)

    def arrival_rate(self, now: float) -> float:
        """Contacts of all tiers that entered, per second of the last half hour."""
        return math.fsum(self.arrival_rates(now).values())

    def outlook(
        self, *, serving: float, idle: int, ages: Sequence[float], now: float, policy: TierPolicy | None = None
    ) -> Outlook:
        """The line as it stands, for the estimates of all contacts in it.

        `serving`: agents at work who serve this line, busy or idle; fractional where other lines share them. `idle`:
        how many of them are free for it. `ages`: how long each of their contacts has been handled, seconds; may be
        empty. With `policy`, who enters later may be served before.
        """
        ring_s = self._rang_s / self._answered if self._answered else 0.0
        in_progress_s = sum(ages) * min(1.0, serving / len(ages)) if ages else 0.0
        return Outlook(
            serving=serving,
            idle=idle,
            cycle_s=self.handling.known_s(in_progress_s) + ring_s,
            cycle_variance=self.handling.mean_variance(now),
            cv2=self.handling.cv2,
            ring_s=ring_s,
            patience_rate=self.patience_rate,
            patience_variance=1.0 / (self._gave_up + 1.0),
            headway=self.handling.headway(ages),
            factor=self.factor,
            factors=self._correction.factors(self.handling.mean_s),
            policy=policy,
            arrivals=() if policy is None else tuple(self.arrival_rates(now).items()),
        )

    def estimate(
        self,
        *,
        ahead: int,
        serving: float,
        idle: int,
        ages: Sequence[float],
        now: float,
        policy: TierPolicy | None = None,
        tier: int = 0,
    ) -> Estimate:
        """The wait of one contact that `ahead` others will be served before; those now being offered don't count."""
        return self.outlook(serving=serving, idle=idle, ages=ages, now=now, policy=policy).estimate(ahead, tier)

    # ---- Helpers ----

    def _fade(self, now: float) -> None:
        elapsed_s = now - self._settled_at
        if elapsed_s <= 0.0:
            return
        self._settled_at = now
        keep = keeping(self._settled, elapsed_s)
        if keep == 1.0:
            return
        self._settled *= keep
        self._answered *= keep
        self._gave_up *= keep
        self._waited_s *= keep
        self._rang_s *= keep

    def _judge(self, told: Estimate, wait_s: float, now: float, tier: int) -> None:
        """Learn from a contact that was told something and was answered `wait_s` later.

        It stands for e^(θ wait_s) who would have been, had none given up before; else the impatient, who leave the long
        waits to be nobody's, would make us believe that waits are short.
        """
        if not 0.0 < told.mean_s < math.inf:
            return
        stands_for = math.exp(min(self.patience_rate * wait_s, 2.0))
        self._correction.add(tier, stands_for * wait_s, stands_for * told.mean_s / told.factor, now)


class Promise:
    """What one contact has been told of its wait. It never rises without a cause that can be named."""

    __slots__ = ("first", "first_at", "rose_at", "rose_because", "told")

    def __init__(self) -> None:
        self.first: Estimate | None = None
        """What it was told first, at `first_at`: this is compared with what came."""
        self.first_at = 0.0
        self.told: Estimate | None = None
        """What it was told last."""
        self.rose_at: float | None = None
        self.rose_because: str | None = None
        """When what it was told last rose, and why; None if it never has."""

    def update(self, estimate: Estimate, now: float, cause: str | None = None) -> Estimate:
        """What the contact is told now: the new estimate, or where it would rise without a `cause`, what it was told.

        A cause is something that happened to the line: agents left, someone of a higher tier came, the contact moved.
        """
        told = self.told
        if told is None:
            self.first, self.first_at = estimate, now
            self.told = estimate
        elif cause is None:
            self.told = Estimate(
                min(told.position, estimate.position),
                min(told.p50_s, estimate.p50_s),
                min(told.p90_s, estimate.p90_s),
                min(told.mean_s, estimate.mean_s),
                estimate.factor,
            )
        else:
            if estimate.position > told.position or estimate.p50_s > told.p50_s or estimate.p90_s > told.p90_s:
                self.rose_at, self.rose_because = now, cause
            self.told = estimate
        return self.told
