"""Sizing by simulation: where a formula is exact it finds what the formula says; elsewhere, what a search must find."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from api.cli.simulate import PRESETS
from routing.messages import Configured
from routing.model import AgentProfile, Presence, QueueRules
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import Held, parse
from routing.simulate.day import simulate
from routing.simulate.draw import Turn, draw
from routing.simulate.durations import NEVER, Always, Exponential
from routing.simulate.groups import groups_of
from routing.simulate.load import Arrivals, Kind, Load, Roster
from routing.simulate.presets import own_center
from routing.simulate.sizing import CannotStaff, Staffing, staff
from routing.simulate.targets import Wanted
from routing.sizing import Target, agents_for
from tests.simulated import AHT_S, SCALE, one_pool, steady

IN_TIME = Wanted(0.8, 20.0)
ALIKE = TierPolicy(Discipline.FIFO, (Tier("all"),))


@pytest.mark.parametrize(("erlangs", "patience_s"), [(10.0, 120.0), (20.0, None)])
def test_one_group_for_one_queue_is_as_large_as_erlang_says(erlangs: float, patience_s: float | None) -> None:
    """M/M/c+M (and M/M/c): give or take one agent, as a sample of customers must."""
    site = one_pool(3, ALIKE)
    load = steady(site, erlangs, 1_000, patience=NEVER if patience_s is None else Exponential(patience_s))
    found = staff(site, load, IN_TIME, calls_per_hour=erlangs / AHT_S * 3_600.0, customers=round(12_000 * SCALE))
    assert abs(found.agents - agents_for(erlangs, AHT_S, Target(0.8, 20.0), patience_s).agents) <= 1
    assert found.result.met
    assert found.checked.met


# --- two skills -------------------------------------------------------------------------------------------------------

CALLS_PER_HOUR, CUSTOMERS = 400.0, 3_000
SKILLED = (
    AgentProfile("orders1", {"orders": 50}),
    AgentProfile("product1", {"product": 50}),
    AgentProfile("both1", {"orders": 50, "product": 50}),
)
SITE = Configured(
    (
        QueueRules("orders", requires=Held("orders"), wrap_up_s=0.0),
        QueueRules("product", requires=Held("product"), wrap_up_s=0.0),
    ),
    SKILLED,
    TierPolicy(Discipline.ACCUMULATING, (Tier("vip", 4.0, 15.0, target_s=10.0), Tier("basic", 1.0, target_s=40.0))),
)
LOAD = Load(
    Arrivals((1.0,)),
    tuple(
        Kind(queue, weight * share, value_tier=rank, handling=Exponential(AHT_S), patience=Exponential(240.0))
        for queue, weight in (("orders", 3.0), ("product", 1.0))
        for rank, share in enumerate((0.2, 0.8))
    ),
    Roster(()),
)


@pytest.fixture(scope="module")
def found() -> Staffing:
    """The crew for two queues whose agents have one skill or both."""
    return staff(SITE, LOAD, IN_TIME, calls_per_hour=CALLS_PER_HOUR, customers=CUSTOMERS)


def met_by(found: Staffing, crew: tuple[int, ...], replication: int) -> bool:
    """The targets, counted here once more, customer by customer, from what came of the simulated customers."""
    agents = tuple(each for group, count in zip(found.groups, crew, strict=True) for each in group.agents(count))
    rush = replace(LOAD, arrivals=Arrivals((float(CUSTOMERS),), CUSTOMERS / CALLS_PER_HOUR * 3_600.0))
    day = draw(rush, 1, replication)
    stretched = AHT_S * len(day) / sum(day.handle_s), len(day) / CUSTOMERS
    day = replace(
        day,
        handle_s=[each * stretched[0] for each in day.handle_s],
        at_s=[each * stretched[1] for each in day.at_s],
        turns=[Turn(0.0, each.agent_id, Presence.AVAILABLE) for each in agents],
    )
    record = simulate(replace(SITE, agents=agents), day)
    entered, in_time = Counter[str](), Counter[str]()
    for visit in range(round(0.1 * len(record)), len(record)):
        tier = SITE.policy.tiers[record.tier[visit]]
        for name, within_s in ((record.queue[visit], 20.0), (tier.name, tier.target_s)):
            entered[name] += 1
            in_time[name] += bool(record.answered()[visit]) and record.wait_s[visit] <= within_s + 1e-6
    return all(in_time[name] >= 0.8 * count for name, count in entered.items())


def test_the_crew_meets_every_queue_and_tier_on_two_samples_of_customers(found: Staffing) -> None:
    assert met_by(found, found.crew, 0)
    assert met_by(found, found.crew, 1)


def test_one_agent_less_of_any_group_misses_a_target(found: Staffing) -> None:
    for at, count in enumerate(found.crew):
        if count:
            fewer = tuple(each - (which == at) for which, each in enumerate(found.crew))
            assert not (met_by(found, fewer, 0) and met_by(found, fewer, 1)), found.groups[at].members


def test_agents_with_both_skills_save_some_and_cannot_save_more_than_all_flexible_would(found: Staffing) -> None:
    assert found.pooled - 1 <= found.agents < found.alone
    assert found.erlangs == pytest.approx(CALLS_PER_HOUR * AHT_S / 3_600.0)
    assert 0.7 < found.checked.occupancy < 1.0


def test_the_same_seed_finds_the_same_crew() -> None:
    first, again = (staff(SITE, LOAD, IN_TIME, calls_per_hour=CALLS_PER_HOUR, customers=1_000) for _ in range(2))
    assert first == again


def test_groups_that_keep_their_proportions_need_more(found: Staffing) -> None:
    alike = staff(SITE, LOAD, IN_TIME, calls_per_hour=CALLS_PER_HOUR, customers=CUSTOMERS, keep_proportions=True)
    assert alike.agents >= found.agents
    assert alike.checked.met


def test_tiers_can_be_left_out() -> None:
    """Nobody is answered within a tenth of a second when phones ring for two; who asks nothing of tiers minds not."""
    hasty = replace(SITE, policy=TierPolicy(Discipline.FIFO, (Tier("vip", target_s=0.1), Tier("basic"))))
    ringing = replace(LOAD, answering=replace(LOAD.answering, ring=Always(2.0)))
    without = replace(IN_TIME, tiers=False)
    found = staff(hasty, ringing, without, calls_per_hour=CALLS_PER_HOUR, customers=1_000)
    assert found.checked.met
    assert found.checked.tiers == {}


def test_agents_who_are_alike_are_one_group_and_who_serves_nobody_is_in_none() -> None:
    agents = (*SKILLED, replace(SKILLED[0], agent_id="orders2"), AgentProfile("stranger", {"cooking": 100}))
    groups = groups_of(replace(SITE, agents=agents), LOAD.kinds)
    assert [group.members for group in groups] == [("orders1", "orders2"), ("product1",), ("both1",)]
    assert [group.queues for group in groups] == [("orders",), ("product",), ("orders", "product")]
    assert [agent.agent_id for agent in groups[0].agents(4)] == ["orders1", "orders2", "orders1+1", "orders1+2"]


def test_what_nobody_may_serve_is_said() -> None:
    kinds = (*LOAD.kinds, Kind("orders", requires=parse("klingon")))
    with pytest.raises(CannotStaff, match="queue orders: no agent of the site may serve who requires klingon"):
        staff(SITE, replace(LOAD, kinds=kinds), IN_TIME, calls_per_hour=CALLS_PER_HOUR, customers=1_000)


def test_what_no_number_of_agents_achieves_is_said() -> None:
    slow = replace(LOAD, answering=replace(LOAD.answering, ring=Always(12.0)))
    with pytest.raises(CannotStaff, match="vip misses its target with"):
        staff(SITE, slow, IN_TIME, calls_per_hour=100.0, customers=1_000)


# --- many groups ------------------------------------------------------------------------------------------------------


def test_120_groups_are_sized_in_so_many_runs_as_one_may_wait_for_and_the_same_each_time() -> None:
    """The reference site: a search that is not through by then ends with a crew that meets every target."""
    site, load = own_center(json.loads((PRESETS / "site-1500.json").read_text(encoding="utf-8")))
    told: list[tuple[int, int, int]] = []

    def sized(runs_max: int) -> Staffing:
        return staff(
            site,
            load,
            IN_TIME,
            calls_per_hour=3_600.0,
            customers=1_000,
            runs_max=runs_max,
            progress=lambda *each: told.append(each),
        )

    short, again = sized(40), sized(40)
    assert len(short.groups) == 120
    assert short == again
    assert not short.complete
    assert short.result.met
    assert short.checked.met
    assert short.pooled * 0.9 < short.agents < short.alone
    assert short.runs <= 40 + 2 * 20, "what is left then is to mend what the second sample misses"
    assert [runs for runs, _, _ in told[: short.runs]] == [*range(1, short.runs + 1)]
    assert {most for _, most, _ in told} == {40}
    longer = sized(120)
    assert longer.agents <= short.agents
