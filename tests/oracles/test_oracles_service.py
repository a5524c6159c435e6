"""What the ACD promises to tiers, experienced agents and skills, at the scale of a center: acceptance oracles in
virtual time, each against an exact figure, an independent recursion, or what its own decisions say.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from routing.admission import Traffic, blocking
from routing.erlang import erlang_c
from routing.messages import AgentChanged, Configured, Decision, Entered, Input, MakeOffer
from routing.model import Activity, AgentOrder, AgentProfile, Membership, Presence, QueueRules, Step
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import ANYONE, Experience, met, parse
from routing.simulate.day import simulate
from routing.simulate.draw import draw
from routing.simulate.durations import Always, Exponential
from routing.simulate.load import Kind, Load
from routing.simulate.record import End, Record
from routing.simulate.surroundings import Surroundings
from tests.simulated import (
    AHT_S,
    SCALE,
    assert_agrees,
    on_duty,
    one_pool,
    poisson,
    profiles,
    settled,
    share_of,
    steady,
    waits_in_order,
)

WITHOUT_BOUND_S = 1e9


def within(record: Record, tier: int, limit_s: float) -> float:
    """Which share of the tier was answered in this time."""
    theirs = record.wait_s[record.tier == tier]
    return float(np.mean(theirs <= limit_s))


# --- tiers ------------------------------------------------------------------------------------------------------------

MIX = (0.2, 0.3, 0.5)
PROMISED = TierPolicy(
    Discipline.ACCUMULATING, (Tier("vip", 4.0, 15.0), Tier("standard", 2.0, 0.0), Tier("basic", 1.0, 0.0))
)


LARGE = pytest.mark.skipif(SCALE < 2, reason="takes a minute: run with SIM_SCALE=2 or more")


@pytest.mark.parametrize(("agents", "erlangs"), [(50, 44.5), (100, 93.0), pytest.param(309, 300.0, marks=LARGE)])
def test_tiers_are_answered_in_their_time_where_order_of_arrival_fails_the_first(agents: int, erlangs: float) -> None:
    """T33: 90 % of VIPs within 10 s, and the others none the worse for it."""
    site = one_pool(agents, PROMISED)
    day = draw(steady(site, erlangs, 30_000, MIX), seed=11, in_order=True)
    record, in_order = settled(simulate(site, day)), settled_waits(waits_in_order(day, agents))
    assert np.mean(in_order <= 10) < 0.9, "in order of arrival the promise is broken"
    assert within(record, 0, 10) >= 0.9
    assert within(record, 1, 20) >= 0.84
    assert within(record, 2, 60) >= 0.91
    assert np.mean(record.wait_s <= 20) >= np.mean(in_order <= 20) - 0.005


def settled_waits(waits: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return waits[np.arange(len(waits)) >= 0.1 * len(waits)]


SHARED, TARGETS = (0.2, 0.6, 0.2), ((10.0, 0.95), (20.0, 0.8), (60.0, 0.8))
HEAD_STARTS = TierPolicy(
    Discipline.ACCUMULATING,
    tuple(Tier(f"t{at}", 1.0, head, starvation_s=WITHOUT_BOUND_S) for at, head in enumerate((150.0, 43.0, 0.0))),
)
STRICTLY = TierPolicy(Discipline.STRICT, tuple(Tier(f"t{at}", starvation_s=WITHOUT_BOUND_S) for at in range(3)))


def answered_in_time(agents: int, erlangs: float, limit_s: float) -> float:
    """Which share has an answer within this time in order of arrival: M/M/c, Erlang (1917)."""
    return 1.0 - erlang_c(agents, erlangs) * math.exp(-(agents - erlangs) * limit_s / AHT_S)


def test_three_targets_are_met_by_agents_too_few_for_strict_priority_or_order_of_arrival() -> None:
    """Q6: 95 % in 10 s, 80 % in 20 s, 80 % in 60 s, of 20, 60 and 20 % of the customers; the same customers for all.

    As more agents make no wait longer, the other two need one more at the least. A day that chance made hard or easy is
    told by the same customers in order of arrival (control variate): it moves the two longer targets as much as theirs,
    whose exact share is known. So shares are good to 0.3 points (a standard error), where days differ by three.
    """
    agents, erlangs = 90, 84.0
    site, days, usual = one_pool(agents), 6, answered_in_time(agents, erlangs, 20.0)
    ours, strictly = np.zeros(3), np.zeros(3)
    for seed in range(days):
        day = draw(steady(site, erlangs, 40_000, SHARED), seed, in_order=True)
        luck = float(np.mean(settled_waits(waits_in_order(day, agents)) <= 20.0)) - usual
        for shares, policy in ((ours, HEAD_STARTS), (strictly, STRICTLY)):
            record = settled(simulate(one_pool(agents, policy), day))
            shares += [within(record, tier, limit_s) - luck * (tier > 0) for tier, (limit_s, _) in enumerate(TARGETS)]
    targets = np.array([share for _, share in TARGETS])
    assert (ours / days >= targets).all()
    assert strictly[2] / days < targets[2] - 0.01, "the last tier pays for it all"
    assert answered_in_time(agents, erlangs, 10.0) < targets[0], "in order of arrival, the first pays"


def test_queue_ratio_keeps_each_tiers_part_of_the_line() -> None:
    """Q5 (Gurvich and Whitt 2009): while more than 20 wait, each tier's part of them is within 0.03 of its share."""
    shares = (0.2, 0.3, 0.5)
    policy = TierPolicy(
        Discipline.QUEUE_RATIO,
        tuple(Tier(f"t{at}", share=share, starvation_s=WITHOUT_BOUND_S) for at, share in enumerate(shares)),
    )
    site = one_pool(50, policy)
    # As many of each tier, so that their parts of the line can only come from the rule.
    record = simulate(site, draw(steady(site, 62.0, 12_000, (1.0, 1.0, 1.0), Exponential(600.0)), seed=13))
    parts, total_s = parts_of_the_line(record, 20)
    assert total_s > 10_000
    assert parts == pytest.approx(shares, abs=0.03)


def parts_of_the_line(record: Record, above: int) -> tuple[list[float], float]:
    """Each tier's mean part of those who wait, over the time in which more than `above` do; and how long that was."""
    tiers = np.concatenate([record.tier, record.tier])
    steps = np.concatenate([np.ones(len(record)), -np.ones(len(record))])
    order = np.argsort(instants := np.concatenate([record.entered_at, record.left_at]), kind="stable")
    lines = np.stack([np.cumsum(np.where(tiers == tier, steps, 0.0)[order]) for tier in range(3)])[:, :-1]
    lasted, total = np.diff(instants[order]), lines.sum(axis=0)
    long = total > above
    parts = [float(np.sum((line / np.maximum(total, 1) * lasted)[long]) / lasted[long].sum()) for line in lines]
    return parts, float(lasted[long].sum())


# --- who serves -------------------------------------------------------------------------------------------------------


class Watch:
    """Follows the decisions of a day: who is idle, and for each offer what there was to choose from."""

    def __init__(self, site: Configured) -> None:
        self.profiles = {agent.agent_id: agent for agent in site.agents}
        self.idle: dict[str, float] = {}  # agent → idle since
        self.offers: list[tuple[float, MakeOffer, dict[str, float]]] = []  # when, what, who was idle before
        self.on_arrival: list[tuple[MakeOffer, dict[str, float]]] = []
        self.entered: dict[str, Entered] = {}
        self.answered: Counter[str] = Counter()

    def __call__(self, now: float, given: Input, decisions: Sequence[Decision]) -> None:
        idle = dict(self.idle)
        if isinstance(given, Entered):
            self.entered[given.contact_id] = given
        for decision in decisions:
            if isinstance(decision, MakeOffer):
                self.offers.append((now, decision, idle))
                if isinstance(given, Entered):
                    self.on_arrival.append((decision, idle))
            elif isinstance(decision, AgentChanged):
                if decision.activity is Activity.TALKING:
                    self.answered[decision.agent_id] += 1
                if decision.presence is Presence.AVAILABLE and decision.activity is Activity.IDLE:
                    self.idle.setdefault(decision.agent_id, now)
                else:
                    self.idle.pop(decision.agent_id, None)


def watched(site: Configured, load: Load, seed: int) -> tuple[Record, Watch]:
    watch = Watch(site)
    return simulate(site, draw(load, seed), observe=watch), watch


def light_load(site: Configured, customers: int = 1_000) -> Load:
    """T9: a trace of 1,000 calls for ten agents, who are often idle."""
    return Load(poisson(5.0, customers), (Kind("orders", handling=Exponential(AHT_S)),), on_duty(site))


def ordered(order: AgentOrder, **more: object) -> Configured:
    rules = QueueRules("orders", wrap_up_s=0.0, agent_order=order)
    levels = [{"product": 10 + 9 * at} for at in range(10)]
    agents = tuple(AgentProfile(f"a{at:02}", skills, weight=1.0 + at % 2) for at, skills in enumerate(levels))
    return Configured((rules,), agents)


@pytest.mark.parametrize("order", list(AgentOrder))
def test_every_order_of_agents_serves_the_same_trace_without_idling_beside_a_waiting_contact(order: AgentOrder) -> None:
    """T9: agents who are all able and equally fast make no difference to the customers."""
    site = ordered(order)
    load = light_load(site)
    day = draw(load, seed=21, in_order=True)
    np.testing.assert_allclose(simulate(site, day).wait_s, waits_in_order(day, 10), atol=1e-4)


def choices(order: AgentOrder, requires: str = "product") -> list[tuple[MakeOffer, dict[str, float], Watch]]:
    """The offers of the trace that had a choice: a customer came while several agents were idle."""
    site = ordered(order)
    kinds = (Kind("orders", requires=parse(requires), handling=Exponential(AHT_S)),)
    load = Load(poisson(5.0, 1_000), kinds, on_duty(site))
    _, watch = watched(site, load, seed=22)
    found = [(offer, idle, watch) for offer, idle in watch.on_arrival if len(idle) > 1]
    assert len(found) > 300
    return found


def test_longest_idle_goes_to_who_has_been_idle_longest() -> None:
    assert all(idle[offer.agent_id] == min(idle.values()) for offer, idle, _ in choices(AgentOrder.LONGEST_IDLE))


def test_linear_goes_to_the_first_of_the_site_who_is_idle() -> None:
    assert all(offer.agent_id == min(idle) for offer, idle, _ in choices(AgentOrder.LINEAR))


@pytest.mark.parametrize(("order", "best"), [(AgentOrder.MOST_PROFICIENT, max), (AgentOrder.LEAST_PROFICIENT, min)])
def test_proficiency_decides_who_is_chosen(order: AgentOrder, best: object) -> None:
    for offer, idle, watch in choices(order):
        levels = {agent: watch.profiles[agent].skills["product"] for agent in idle}
        assert levels[offer.agent_id] == best(levels.values())  # type: ignore[operator]


@pytest.mark.parametrize("order", [AgentOrder.ROUND_ROBIN, AgentOrder.FEWEST_CONTACTS])
def test_taking_turns_hands_out_the_trace_evenly(order: AgentOrder) -> None:
    """T9: when everybody is free again before the next call, nobody gets two more than another."""
    site = ordered(order)
    kinds = (Kind("orders", handling=Always(1.0)),)
    _, watch = watched(site, Load(poisson(0.5, 1_000), kinds, on_duty(site)), seed=23)
    counts = [watch.answered[agent.agent_id] for agent in site.agents]
    assert sum(counts) > 900
    assert max(counts) - min(counts) <= 1


def test_weights_share_the_trace_out_in_proportion() -> None:
    site = ordered(AgentOrder.WEIGHTED)
    kinds = (Kind("orders", handling=Always(1.0)),)
    _, watch = watched(site, Load(poisson(0.5, 1_500), kinds, on_duty(site)), seed=24)
    per_weight = [watch.answered[agent.agent_id] / agent.weight for agent in site.agents]
    assert max(per_weight) - min(per_weight) <= 2


def test_accumulating_priority_serves_the_most_points_first() -> None:
    """T9: whenever an agent takes somebody who waited, nobody else had more points."""
    site = one_pool(10, PROMISED)
    record = simulate(site, draw(steady(site, 9.5, 3_000, MIX), seed=25))
    policy = site.policy
    waited = np.flatnonzero(record.wait_s > 0)
    assert len(waited) > 1_000
    for visit in waited[::7]:
        now = record.left_at[visit]
        others = np.flatnonzero((record.entered_at < now) & (record.left_at > now))
        ours = policy.score(int(record.tier[visit]), float(record.wait_s[visit]))
        assert all(
            policy.score(int(record.tier[other]), float(now - record.entered_at[other])) <= ours + 1e-6
            for other in others
        )


# --- skills, experience, preferred agents -----------------------------------------------------------------------------


def test_skills_relax_step_by_step_and_no_offer_goes_to_an_unskilled_agent() -> None:
    """T14: AND, OR and levels; the level falls after 20 and 40 s, and whoever then may serve is taken at once (Q7)."""
    steps = (
        Step(parse("product >= 80 and (en or ja)")),
        Step(parse("product >= 50 and (en or ja)"), after_s=20.0),
        Step(parse("product and (en or ja)"), after_s=40.0),
    )
    skills: list[dict[str, int]] = [
        {"product": 90, "en": 50},
        {"product": 60, "en": 50},
        {"product": 20, "ja": 50},
        {"product": 95},
        {"en": 90},
    ]
    site = Configured((QueueRules("orders", steps=steps, wrap_up_s=0.0),), profiles(20, skills))
    kinds = (Kind("orders", handling=Exponential(AHT_S), patience=Exponential(300.0)),)
    record, watch = watched(site, Load(poisson(11.0, 4_000), kinds, on_duty(site)), seed=26)
    by_step = Counter[int]()
    for now, offer, _ in watch.offers:
        # The step clock stands still while an offer rings; here offers are answered at once, so it is the wait.
        waited_s = now - watch.entered[offer.contact_id].entered_at
        step = max(at for at, each in enumerate(steps) if waited_s >= each.after_s - 1e-6)
        assert met(steps[step].requires, watch.profiles[offer.agent_id])
        by_step[step] += 1
    assert min(by_step[step] for step in range(3)) > 50
    assert record.answered().any()
    assert_nobody_waits_beside_an_able_idle_agent(record, watch, steps)


def assert_nobody_waits_beside_an_able_idle_agent(record: Record, watch: Watch, steps: Sequence[Step]) -> None:
    """Q7: at every offer, whoever is idle may serve nobody who has been waiting."""
    for now, offer, idle in watch.offers[::5]:
        still_idle = [agent for agent in idle if agent != offer.agent_id]
        waiting = np.flatnonzero((record.entered_at < now) & (record.left_at > now))
        for visit in waiting:
            waited_s = now - record.entered_at[visit]
            step = max(at for at, each in enumerate(steps) if waited_s > each.after_s or at == 0)
            requires = steps[step].requires
            assert not any(met(requires, watch.profiles[agent]) for agent in still_idle), (now, visit)


def test_high_usage_customers_go_to_experienced_agents_and_to_others_only_after_their_time() -> None:
    """T35 (S294): 95 % and more of them to agents of level 4 while such agents idle; spill only after 20 s."""
    policy = TierPolicy(
        Discipline.ACCUMULATING,
        (Tier("high_usage", 2.0, 10.0, experience=4, spill_s=20.0), Tier("standard", 1.0)),
    )
    agents = tuple(AgentProfile(f"a{at:02}", {}, experience=5 if at % 5 < 2 else 1) for at in range(30))
    site = Configured((QueueRules("orders", wrap_up_s=0.0),), agents, policy)
    kinds = tuple(
        Kind("orders", share, value_tier=rank, handling=Exponential(AHT_S)) for rank, share in enumerate((1, 3))
    )
    _, watch = watched(site, Load(poisson(27.5, 6_000), kinds, on_duty(site)), seed=27)
    experienced = {agent.agent_id for agent in agents if met(Experience(4), agent)}
    high = [(now, offer, idle) for now, offer, idle in watch.offers if watch.entered[offer.contact_id].value_tier == 0]
    while_idle = [offer.agent_id in experienced for _, offer, idle in high if experienced & idle.keys()]
    assert len(while_idle) > 300
    assert np.mean(while_idle) >= 0.95
    spilled = [
        now - watch.entered[offer.contact_id].entered_at for now, offer, _ in high if offer.agent_id not in experienced
    ]
    assert len(spilled) > 20
    assert min(spilled) >= 20.0 - 1e-6


def test_a_preferred_agent_is_waited_for_and_then_the_group_serves() -> None:
    """T36: ten seconds for the preferred agent, then whoever is there."""
    site = Configured((QueueRules("orders", wrap_up_s=0.0, preferred_wait_s=10.0),), profiles(10))
    kinds = (
        Kind("orders", 1.0, handling=Exponential(AHT_S), preferred_agent="a0003"),
        Kind("orders", 9.0, handling=Exponential(AHT_S)),
    )
    _, watch = watched(site, Load(poisson(5.0, 4_000), kinds, on_duty(site)), seed=28)
    wanted = [
        (now, offer, idle) for now, offer, idle in watch.offers if watch.entered[offer.contact_id].preferred_agent
    ]
    waits = {"theirs": [], "others": []}  # type: dict[str, list[float]]
    for now, offer, idle in wanted:
        waited_s = now - watch.entered[offer.contact_id].entered_at
        waits["theirs" if offer.agent_id == "a0003" else "others"].append(waited_s)
        if "a0003" in idle:
            assert offer.agent_id == "a0003", "idle, and the customer's own"
    assert len(waits["theirs"]) > 100
    assert len(waits["others"]) > 50
    assert min(waits["others"]) >= 10.0 - 1e-6
    assert max(waits["theirs"][:50]) > 0, "some of them waited for their agent"


def test_backup_agents_see_a_contact_only_after_their_delay() -> None:
    """A pool of second rank whose delay is 15 s never takes anybody earlier, and does take some."""
    own = tuple(AgentProfile(f"own{at}", {}, memberships={"orders": Membership()}) for at in range(8))
    backup = tuple(AgentProfile(f"backup{at}", {}, memberships={"orders": Membership(2, 15.0)}) for at in range(4))
    site = Configured((QueueRules("orders", wrap_up_s=0.0),), own + backup)
    kinds = (Kind("orders", requires=ANYONE, handling=Exponential(AHT_S)),)
    _, watch = watched(site, Load(poisson(8.5, 4_000), kinds, on_duty(site)), seed=29)
    delays = [
        now - watch.entered[offer.contact_id].entered_at
        for now, offer, _ in watch.offers
        if offer.agent_id.startswith("backup")
    ]
    assert len(delays) > 100
    assert min(delays) >= 15.0 - 1e-6


# --- trunks -----------------------------------------------------------------------------------------------------------


def test_trunks_kept_for_the_valuable_refuse_as_many_as_the_exact_chain_says() -> None:
    """T34 on the simulated day: as many agents as trunks, so that nobody waits; 20 trunks, the last is kept."""
    trunks, erlangs, mix = 20, 20.0, (0.25, 0.75)
    policy = TierPolicy(Discipline.STRICT, (Tier("vip"), Tier("basic", trunk_reserve=1)))
    center = one_pool(trunks, policy)
    record = settled(
        simulate(center, draw(steady(center, erlangs, 40_000, mix), seed=34), around=Surroundings(trunks=trunks))
    )
    blocked = record.end == End.BLOCKED
    classes = [Traffic(erlangs * share, tier.trunk_reserve) for share, tier in zip(mix, policy.tiers, strict=True)]
    exact = blocking(trunks, classes)
    for tier, (expected, narrow) in enumerate(zip(exact, (0.4, 0.1), strict=True)):
        theirs = record.tier == tier
        assert_agrees(share_of(blocked & theirs, theirs), expected, within=narrow, what=policy.tiers[tier].name)
    assert 3.0 * exact[0] < exact[1]
    assert record.wait_s[~blocked].max() == 0.0
