"""A line of callers before a pool of agents, simulated without our engine: what estimates of a wait are judged by.

M/G/s+M in one pool, by value tier and in order of arrival within it. It says nothing about the engine, only whether a
predictor that is told what the engine knows would have been right.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from routing.policy import TierPolicy
from routing.waiting.calibration import Forecast
from routing.waiting.estimate import Promise, QueueHistory
from routing.waiting.passage import power_sums

AHT_S = 180.0


def exponential(rng: random.Random) -> float:
    return rng.expovariate(1.0 / AHT_S)


def lognormal(cv: float) -> Callable[[random.Random], float]:
    """Handling times with this coefficient of variation and the mean AHT_S."""
    variance = math.log(1.0 + cv * cv)
    return lambda rng: rng.lognormvariate(math.log(AHT_S) - variance / 2.0, math.sqrt(variance))


@dataclass
class Waiting:
    """A contact that had to wait."""

    tier: int
    entered_at: float
    promise: Promise
    qla_s: float
    """What Whitt's predictor says that knows the true rates."""
    gone: bool = False


@dataclass
class Judged:
    """What came of the forecasts of one tier, and the squared errors of ours and of QLa with the true rates."""

    forecasts: list[Forecast] = field(default_factory=list)
    ours: float = 0.0
    qla: float = 0.0

    @property
    def rase_ratio(self) -> float:
        """RASE of our mean ÷ RASE of QLa."""
        return math.sqrt(self.ours / self.qla)


class Pool:
    """`agents` who serve `load` × their number of erlangs, whose callers stay for `patience` AHT on average."""

    def __init__(
        self,
        agents: int,
        load: float,
        patience: float | None,
        *,
        seed: int,
        handling: Callable[[random.Random], float] = exponential,
        tiers: Sequence[float] = (1.0,),
        policy: TierPolicy | None = None,
        believed: float = 1.0,
        ages_known: bool = True,
    ) -> None:
        self.rng = random.Random(seed)
        self.agents, self.patience_s = agents, math.inf if patience is None else patience * AHT_S
        self.arrival_rate = load * agents / AHT_S
        self.handling, self.tiers, self.policy = handling, tiers, policy
        self.believed, self.ages_known = believed, ages_known
        self.history = QueueHistory()
        self.judged = [Judged() for _ in tiers]
        self.idle = agents
        self.lines: list[deque[Waiting]] = [deque() for _ in tiers]
        self.in_line = [0 for _ in tiers]
        self.began: dict[int, float] = {}
        self.ends: list[tuple[float, int]] = []
        self.leaves: list[tuple[float, int, Waiting]] = []

    def run(self, contacts: int, warm_up: float = 0.2) -> list[Judged]:
        """Let so many contacts come; the first are only learned from."""
        arrives_at, came = self.rng.expovariate(self.arrival_rate), 0
        while came < contacts:
            ends_at = self.ends[0][0] if self.ends else math.inf
            leaves_at = self.leaves[0][0] if self.leaves else math.inf
            self.judging = came > warm_up * contacts
            if arrives_at <= min(ends_at, leaves_at):
                came += 1
                self.arrive(arrives_at, came)
                arrives_at += self.rng.expovariate(self.arrival_rate)
            elif ends_at <= leaves_at:
                self.end()
            else:
                self.leave()
        return self.judged

    def arrive(self, now: float, number: int) -> None:
        tier = self.rng.choices(range(len(self.tiers)), self.tiers)[0]
        self.history.entered(now, tier)
        if self.idle:
            self.idle -= 1
            self.history.started(now, 0.0, in_time=True)
            self.begin(now, number)
            return
        ahead = sum(self.in_line[: tier + 1])
        ages = [now - began for began in self.began.values()] if self.ages_known else []
        promise = Promise()
        serving = self.agents * self.believed
        promise.update(
            self.history.estimate(
                ahead=ahead, serving=serving, idle=0, ages=ages, now=now, policy=self.policy, tier=tier
            ),
            now,
        )
        contact = Waiting(tier, now, promise, power_sums(self.agents / AHT_S, 1.0 / self.patience_s, ahead)[0])
        self.lines[tier].append(contact)
        self.in_line[tier] += 1
        if self.patience_s < math.inf:
            heapq.heappush(self.leaves, (now + self.rng.expovariate(1.0 / self.patience_s), number, contact))

    def begin(self, now: float, number: int) -> None:
        self.began[number] = now
        heapq.heappush(self.ends, (now + self.handling(self.rng), number))

    def end(self) -> None:
        now, number = heapq.heappop(self.ends)
        self.history.ended(now, now - self.began.pop(number))
        for line in self.lines:
            while line and line[0].gone:
                line.popleft()
        filled = [line for line in self.lines if line]
        if not filled:
            self.idle += 1
            return
        contact = filled[0].popleft()
        self.settle(contact, now, answered=True)
        self.begin(now, number)

    def leave(self) -> None:
        now, _, contact = heapq.heappop(self.leaves)
        if not contact.gone:
            self.settle(contact, now, answered=False)

    def settle(self, contact: Waiting, now: float, *, answered: bool) -> None:
        contact.gone = True
        self.in_line[contact.tier] -= 1
        wait_s = now - contact.entered_at
        told = contact.promise.first
        assert told is not None
        if answered:
            self.history.started(now, wait_s, wait_s <= 20.0, contact.promise)
        else:
            self.history.abandoned(now, wait_s)
        if self.judging:
            judged = self.judged[contact.tier]
            judged.forecasts.append(Forecast(told, wait_s, answered))
            if answered:
                judged.ours += (told.mean_s - wait_s) ** 2
                judged.qla += (contact.qla_s - wait_s) ** 2
