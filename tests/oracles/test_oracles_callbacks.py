"""T44, callbacks at the scale of a center: the place is kept, the slot too, and nobody is called too many or too early.

The twin of a customer is the same customer under the same load who stays on the line: same instant, same tier, same
lots. Where handling times belong to the n-th served, twins make a difference only if the order of service does.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from routing.messages import AgentChanged, Configured, CustomerDialed, Decision, DialCustomer, Input
from routing.model import Activity, CallbackMode, CallbackRules, Presence
from routing.policy import Discipline, Tier, TierPolicy
from routing.simulate.day import simulate
from routing.simulate.draw import Day, draw
from routing.simulate.durations import Duration, Exponential, LogNormal
from routing.simulate.load import AT_ONCE, Arrivals, Callbacks, Kind, Load, Redials
from routing.simulate.record import End, Record
from routing.simulate.results import slots
from tests.simulated import AHT_S, on_duty, one_pool, steady

AGENT_FIRST, CUSTOMER_FIRST = CallbackMode.AGENT_FIRST, CallbackMode.CUSTOMER_FIRST
DIAL_S, RING_MAX_S = 15.0, 30.0
TIERS = TierPolicy(Discipline.ACCUMULATING, (Tier("vip", 4.0, 15.0), Tier("standard", 2.0), Tier("basic", 1.0)))


def pool(agents: int, mode: CallbackMode, policy: TierPolicy | None = None) -> Configured:
    return one_pool(agents, policy or TierPolicy(Discipline.FIFO), callback=CallbackRules(mode, dial_s=DIAL_S))


def rush(site: Configured, *, peak: float, unreached: float) -> Load:
    """Four hours, of which one brings `peak` times what the agents can do; every other customer takes a callback."""
    per_half_hour = len(site.agents) / AHT_S * 1_800.0
    means = tuple(per_half_hour * load for load in (0.8, 0.95, peak, peak, 1.0, 0.8, 0.7, 0.6))
    kind = Kind("orders", handling=LogNormal.of(AHT_S, 1.0), patience=Exponential(600.0))
    return Load(
        Arrivals(means, interval_s=1_800.0),
        (kind,),
        on_duty(site),
        Redials(0.35),
        callbacks=Callbacks(taken=0.5, after_s=60.0, unreached=unreached, ring_max_s=RING_MAX_S),
    )


# --- the slot ---------------------------------------------------------------------------------------------------------


def kept(agents: int, mode: CallbackMode, peak: float, unreached: float, seeds: int) -> tuple[float, int]:
    """Which share of the callbacks came within five minutes of what was told, and how many there were."""
    site = pool(agents, mode)
    told = came = 0
    for seed in range(seeds):
        found = slots(simulate(site, draw(rush(site, peak=peak, unreached=unreached), seed), announce=True))
        told, came = told + int(found[0].sum()), came + int(found[1].sum())
    return came / told, told


@pytest.mark.parametrize(
    ("agents", "mode", "peak", "seeds"),
    [
        (5, AGENT_FIRST, 1.3, 6),
        (20, AGENT_FIRST, 1.3, 2),
        (50, AGENT_FIRST, 1.5, 1),
        (50, CUSTOMER_FIRST, 1.3, 1),
        (5, CUSTOMER_FIRST, 1.3, 6),
    ],
)
def test_a_callback_comes_within_five_minutes_of_what_was_told(
    agents: int, mode: CallbackMode, peak: float, seeds: int
) -> None:
    """T44: of the interval told as it was chosen, in 95 % of the cases or more; a fifth of the attempts ring out."""
    share, told = kept(agents, mode, peak, 0.2, seeds)
    assert told > 200
    assert share >= 0.95


# --- the place --------------------------------------------------------------------------------------------------------


def twins(mode: CallbackMode, policy: TierPolicy, seed: int, ring: Duration = AT_ONCE) -> tuple[Day, Record, Record]:
    """A day, what came of it with callbacks (all are reached at the first attempt), and without."""
    site = pool(20, mode, policy)
    load = steady(site, 19.2, 4_000, [1.0] * len(policy.tiers))
    callbacks = Callbacks(taken=0.5, after_s=20.0, ring=ring, unreached=0.0)
    day = draw(replace(load, callbacks=callbacks), seed, in_order=True)
    return day, simulate(site, day), simulate(site, replace(day, callbacks=None))


@pytest.mark.parametrize(
    "policy", [TIERS, TierPolicy(Discipline.FIFO, TIERS.tiers), TierPolicy(Discipline.STRICT, TIERS.tiers)]
)
def test_who_hangs_up_is_served_when_their_twin_who_stayed_is(policy: TierPolicy) -> None:
    """Agent first and picked up at once: to the microsecond, by the same agent, whatever the discipline."""
    _, called, stayed = twins(AGENT_FIRST, policy, seed=41)
    assert called.called_back().sum() > 300
    np.testing.assert_allclose(called.left_at, stayed.left_at, atol=1e-6)
    assert called.agent.tolist() == stayed.agent.tolist()


def test_a_ring_delays_a_callback_and_changes_no_order() -> None:
    """Agent first, ten seconds until they pick up: agents still take contacts in the order in which they entered."""
    _, called, _ = twins(AGENT_FIRST, TierPolicy(Discipline.FIFO, TIERS.tiers), 42, LogNormal.of(10.0, 0.4))
    taken_at = np.where(called.called_back(), called.dialed_at, called.left_at)
    assert called.called_back().sum() > 300
    assert (np.diff(taken_at[np.argsort(called.entered_at, kind="stable")]) >= -1e-6).all()


def test_customer_first_costs_hardly_more_wait_than_staying() -> None:
    """Customer first, the forecast may err: on the mean over all callbacks, less than a ring and a half."""
    _, called, stayed = twins(CUSTOMER_FIRST, TierPolicy(Discipline.FIFO, TIERS.tiers), 43, LogNormal.of(10.0, 0.4))
    back = called.called_back() & called.answered()
    assert back.sum() > 300
    assert float(np.mean(called.wait_s[back] - stayed.wait_s[back])) < 15.0


# --- how many are called ----------------------------------------------------------------------------------------------


class Dials:
    """Follows a day and counts, at every attempt, how many phones ring and how many agents may be expected free."""

    def __init__(self) -> None:
        self.dialing = 0
        self.doing: dict[str, Activity] = {}
        self.freed_at: deque[float] = deque()
        self.seen: list[tuple[int, float]] = []

    def __call__(self, now: float, given: Input, decisions: Sequence[Decision]) -> None:
        if isinstance(given, CustomerDialed):
            self.dialing -= 1
        for decision in decisions:
            if isinstance(decision, AgentChanged):
                before = self.doing.get(decision.agent_id)
                self.doing[decision.agent_id] = decision.activity
                if decision.presence is not Presence.AVAILABLE:
                    del self.doing[decision.agent_id]
                elif before is not None and before is not Activity.IDLE and decision.activity is Activity.IDLE:
                    self.freed_at.append(now)
        while self.freed_at and self.freed_at[0] < now - RING_MAX_S:
            self.freed_at.popleft()
        for decision in decisions:
            if isinstance(decision, DialCustomer):
                self.dialing += 1
                self.seen.append((self.dialing, self.expected()))

    def expected(self) -> float:
        """Agents who are idle, become free within DIAL_S, or became free while phones may have rung."""
        idle = sum(activity is Activity.IDLE for activity in self.doing.values())
        return idle + (len(self.doing) - idle) * (1 - math.exp(-DIAL_S / AHT_S)) + len(self.freed_at)


def test_there_are_never_more_dial_outs_than_agents_to_be_free() -> None:
    site, dials = pool(50, CUSTOMER_FIRST), Dials()
    record = simulate(site, draw(rush(site, peak=1.3, unreached=0.2), 44), observe=dials)
    ringing, expected = np.array(dials.seen).T
    assert len(ringing) > 500
    assert (ringing <= expected + 1e-9).all()
    assert ringing.max() >= 3, "or nothing was tried"
    back = record.called_back()
    assert np.mean(record.end[back] == End.ABANDONED) <= 0.01, "who picks up finds an agent before they hang up"


def test_an_agent_rarely_waits_for_nobody() -> None:
    """Every fifth attempt rings out: agent first that costs under 2 % of the agents' time, customer first nothing."""
    shares = {}
    for mode in CallbackMode:
        site = pool(50, mode)
        record = simulate(site, draw(rush(site, peak=1.3, unreached=0.2), 45))
        for_nobody_s = RING_MAX_S * (record.dials - record.answered() * record.called_back())[record.held_s > 0].sum()
        shares[mode] = for_nobody_s / sum(agent.busy_s for agent in record.agents.values())
        assert record.dials.sum() > 500
    assert 0.0 < shares[AGENT_FIRST] <= 0.02
    assert shares[CUSTOMER_FIRST] == 0.0
