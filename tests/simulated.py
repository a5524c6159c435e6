"""Centers in virtual time for tests: pools in steady state, and an independent answer to compare with.

SIM_SCALE multiplies how many customers each oracle sees: 1 is what fits into the suite, 20 what the theory deserves.
"""

import math
import os
from collections.abc import Mapping, Sequence
from heapq import heapify, heapreplace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.messages import Configured
from routing.model import AgentProfile, QueueRules
from routing.policy import TierPolicy
from routing.simulate.draw import Day
from routing.simulate.durations import NEVER, Duration, Exponential
from routing.simulate.intervals import Ratio, batches
from routing.simulate.load import Arrivals, Kind, Load, Roster, Shift
from routing.simulate.record import Record

SCALE = float(os.environ.get("SIM_SCALE", "1"))
AHT_S = 180.0
SURE = 0.999
"""The confidence of an oracle: a right engine fails one seed in a thousand, and ours are fixed."""


def profiles(count: int, skills: Sequence[Mapping[str, int]] = ({},), **more: Any) -> tuple[AgentProfile, ...]:
    """So many agents, who take turns in having each of these skills."""
    return tuple(AgentProfile(f"a{at:04}", skills[at % len(skills)], **more) for at in range(count))


def one_pool(agents: int, policy: TierPolicy | None = None, **rules: Any) -> Configured:
    """Agents who may all serve the one queue, whose contacts take no wrap-up."""
    return Configured((QueueRules("orders", wrap_up_s=0.0, **rules),), profiles(agents), policy or TierPolicy())


def steady(
    site: Configured, erlangs: float, customers: float, shares: Sequence[float] = (1.0,), patience: Duration = NEVER
) -> Load:
    """Poisson arrivals of exponential calls for `orders`, by tier; everybody is at work for ever."""
    kinds = tuple(
        Kind("orders", share, value_tier=rank, handling=Exponential(AHT_S), patience=patience)
        for rank, share in enumerate(shares)
    )
    return Load(poisson(erlangs, customers * SCALE), kinds, on_duty(site))


def poisson(erlangs: float, customers: float) -> Arrivals:
    """So many customers, at a constant rate."""
    return Arrivals((customers,), interval_s=customers * AHT_S / erlangs)


def on_duty(site: Configured) -> Roster:
    """All agents, from the beginning, for ever."""
    return Roster(tuple(Shift(agent.agent_id, 0.0, math.inf) for agent in site.agents))


def settled(record: Record, share: float = 0.1) -> Record:
    """Without the first customers, who met an empty center."""
    return record.those(np.arange(len(record)) >= share * len(record))


def waits_in_order(day: Day, agents: int) -> NDArray[np.float64]:
    """What each customer waits for `agents` agents in order of arrival (Kiefer and Wolfowitz 1955).

    It shares no line with the engine: the n-th customer is served by whoever is free first.
    """
    free_at = [0.0] * agents
    heapify(free_at)
    waits = []
    for at, handle_s in zip(day.at_s, day.handle_s, strict=True):
        begin = max(at, free_at[0])
        heapreplace(free_at, begin + handle_s)
        waits.append(begin - at)
    return np.array(waits)


def mean_of(values: NDArray[Any], of: NDArray[Any], count: int = 20) -> Ratio:
    """The mean of the values where `of`, in batches of consecutive customers."""
    return Ratio(batches(np.where(of, values, 0.0), count), batches(of, count))


def share_of(part: NDArray[Any], whole: NDArray[Any], count: int = 20) -> Ratio:
    """The sum of one over the sum of the other, in batches of consecutive customers."""
    return Ratio(batches(part, count), batches(whole, count))


def assert_agrees(measured: Ratio, expected: float, *, within: float, what: str = "") -> None:
    """The interval of what was measured holds what is expected, and is narrow enough to have been able not to."""
    figure = measured.figure(SURE)
    assert figure.value is not None
    assert figure.plus_minus is not None
    assert figure.plus_minus <= within * abs(expected), f"{what}: ±{figure.plus_minus:.4g} is too wide"
    assert figure.holds(expected), f"{what}: {figure.value:.5g} ± {figure.plus_minus:.3g}, expected {expected:.5g}"
