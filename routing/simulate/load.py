"""What comes to the center and who is there to serve: the description that a simulated day is drawn from.

A `Load` holds expectations and distributions only; `routing.simulate.draw` turns it, with a seed, into the very
customers and shifts of one day. Times are seconds since the day began.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from routing.requirement import ANYONE, Requirement
from routing.rules import Facts
from routing.simulate.durations import NEVER, Always, Duration, LogNormal

AT_ONCE = Always(0.0)
DEFAULT_HANDLING = Always(180.0)
PICKS_UP = LogNormal.of(10.0, 0.4)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When customers call: `means` expected calls in each stretch of `interval_s`, from `from_s` on.

    Real calls scatter more than a Poisson process: each interval's rate is multiplied by a gamma factor of mean 1 and
    coefficient of variation `cv`, the whole day's by one of `day_cv`, and with probability `spike_share` an interval
    is a spike of `spike_factor` times as many calls. All three are 0 by default, which is a Poisson process.
    """

    means: tuple[float, ...]
    interval_s: float = 3_600.0
    from_s: float = 0.0
    cv: float = 0.0
    day_cv: float = 0.0
    spike_share: float = 0.0
    spike_factor: float = 1.0

    @property
    def until_s(self) -> float:
        """When nobody calls any more."""
        return self.from_s + len(self.means) * self.interval_s


@dataclass(frozen=True, slots=True)
class Ivr:
    """How long callers are in the IVR before their queue, and the share `self_served` who get there what they want.

    They take a trunk all the while. Who is served by the IVR enters no queue and does not call again.
    """

    lasts: Duration = AT_ONCE
    self_served: float = 0.0

    @classmethod
    def of(cls, mean_s: float, sd_s: float = 0.0, self_served: float = 0.0) -> Ivr:
        """Log-normal with this mean and standard deviation; always the mean if that is 0.

        Raises ValueError for what is negative or endless, for a deviation without a mean, for a share beyond [0, 1].
        """
        if not (0 <= mean_s < math.inf and 0 <= sd_s < math.inf) or (sd_s > 0 and mean_s == 0):
            raise ValueError("mean and standard deviation are 0 s or more, and without a mean there is no deviation")
        if not 0 <= self_served <= 1:
            raise ValueError("the share of those who are served by the IVR is between 0 and 1")
        return cls(LogNormal.of(mean_s, sd_s / mean_s) if sd_s > 0 else Always(mean_s), self_served)


NO_IVR = Ivr()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of customers: what they call for, how long serving them takes, how long they wait.

    `weight` is their part of all calls, relative to the other kinds'. `handling` is talk and wrap-up together,
    `patience` the wait in the queue after which they give up. `facts` is what the site's rules decide by; without them
    the kind is routed as it says itself.
    """

    queue: str
    weight: float = 1.0
    requires: Requirement = ANYONE
    value_tier: int = 0
    handling: Duration = DEFAULT_HANDLING
    patience: Duration = NEVER
    ivr: Ivr = NO_IVR
    preferred_agent: str | None = None
    preferred_wait_s: float = 0.0
    facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class Redials:
    """A share of those who gave up calls again within the next `within_s`, evenly; `attempts_max` calls in all."""

    share: float = 0.0
    within_s: float = 900.0
    attempts_max: int = 4


@dataclass(frozen=True, slots=True)
class Answering:
    """How agents take offers: after `ring`, but a share `missed` rings out; `back_s` after RONA they are back."""

    ring: Duration = AT_ONCE
    missed: float = 0.0
    back_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Shift:
    """An agent at work from `from_s` to `to_s`, away on each break: (when it begins, how long it lasts)."""

    agent_id: str
    from_s: float
    to_s: float
    breaks: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Roster:
    """Who works when. A share `absent` of the shifts is not worked; breaks begin up to `jitter_s` early or late.

    `speed_cv`: how much the agents' own mean handling times differ (log-normal around 1). `wrap_up_share`: which part
    of the handling time is wrap-up.
    """

    shifts: tuple[Shift, ...]
    absent: float = 0.0
    jitter_s: float = 0.0
    speed_cv: float = 0.0
    wrap_up_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Who takes a callback instead of waiting on, and how they are reached.

    A share `taken` of the customers takes one: after waiting `after_s` (inf: only when a rule of the queue sends them
    out to be called back). Their phone rings for `ring` until they pick up; a share `unreached` of the attempts rings
    out after `ring_max_s`, and a share `refused` of the customers wants no call any more when they pick up. Who picks
    up before an agent is there holds for `holds_s`.
    """

    taken: float = 0.0
    after_s: float = 60.0
    ring: Duration = PICKS_UP
    ring_max_s: float = 30.0
    unreached: float = 0.2
    refused: float = 0.0
    holds_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """Everything that a day is drawn from."""

    arrivals: Arrivals
    kinds: tuple[Kind, ...]
    roster: Roster
    redials: Redials = Redials()
    answering: Answering = Answering()
    callbacks: Callbacks = Callbacks()

    def scaled(self, factor: float) -> Load:
        """The same day with `factor` times as many calls; the agents stay."""
        means = tuple(mean * factor for mean in self.arrivals.means)
        return replace(self, arrivals=replace(self.arrivals, means=means))
