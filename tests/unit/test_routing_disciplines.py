"""Which waiting contact is served next: six disciplines, each with a bound after which nobody is passed over."""

import pytest

from routing.acd.engine import Acd
from routing.messages import Configured, MakeOffer, TalkEnded
from routing.model import QueueRules
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import Held
from tests.acd import accepted, entered, occupy, release, run, site, staffed

BOUND_S = 600.0


def policy(discipline: Discipline, *tiers: Tier) -> TierPolicy:
    """This discipline over a fast and a slow tier, unless others are given."""
    vip = Tier("vip", slope=4.0, target_s=10.0, share=1.0, starvation_s=BOUND_S)
    standard = Tier("standard", slope=1.0, target_s=60.0, share=3.0, starvation_s=BOUND_S)
    return TierPolicy(discipline, tiers or (vip, standard))


def one_agent(tiers: TierPolicy) -> Acd:
    """A center of ann alone, who talks."""
    acd = staffed(site({"ann": {"en": 1}}, policy=tiers))
    occupy(acd, 1.0, "ann")
    return acd


def served(acd: Acd, now: float, handle_s: float = 0.0) -> list[str]:
    """In which order ann takes all who wait from now on, when each takes so long."""
    order: list[str] = []
    (phrase,) = release(acd, now, "ann")
    while phrase:
        contact_id = phrase.split()[0]
        order.append(contact_id)
        now += handle_s
        decisions = run(acd, now, accepted(f"{contact_id}.o1"), TalkEnded("ann", contact_id, 0.0))
        phrase = next((f"{each.contact_id} rings" for each in decisions if isinstance(each, MakeOffer)), "")
    return order


def test_first_come_first_served_knows_no_tiers() -> None:
    acd = one_agent(policy(Discipline.FIFO))
    run(acd, 30.0, entered("s", 10.0, value_tier=1), entered("v", 20.0, value_tier=0), entered("t", 5.0))
    assert served(acd, 100.0) == ["t", "s", "v"]


def test_last_come_first_served_takes_the_youngest_of_all_tiers() -> None:
    acd = one_agent(policy(Discipline.LIFO))
    run(acd, 30.0, entered("v", 10.0, value_tier=0), entered("s", 20.0), entered("t", 30.0))
    assert served(acd, 100.0) == ["t", "s", "v"]


def test_strict_priority_takes_the_best_tier_whatever_the_wait() -> None:
    acd = one_agent(policy(Discipline.STRICT))
    run(acd, 599.0, entered("s", 10.0), entered("v", 598.0, value_tier=0), entered("t", 9.5))
    assert served(acd, 600.0) == ["v", "t", "s"]


def test_accumulating_priority_turns_over_as_the_faster_tier_catches_up() -> None:
    """s has 1 × wait, v has 4 × wait: v overtakes when 4 (t − 90) = t − 0, at t = 120."""
    for at, first in ((119.0, "s"), (121.0, "v")):
        acd = one_agent(policy(Discipline.ACCUMULATING))
        run(acd, 90.0, entered("s", 0.0), entered("v", 90.0, value_tier=0))
        assert served(acd, at)[0] == first


def test_two_tiers_that_meet_are_served_by_age() -> None:
    acd = one_agent(policy(Discipline.ACCUMULATING))
    run(acd, 90.0, entered("s", 0.0), entered("v", 90.0, value_tier=0))
    assert served(acd, 120.0) == ["s", "v"]


def test_a_head_start_counts_as_wait_from_the_first_second() -> None:
    vip = Tier("vip", slope=2.0, head_start_s=30.0, starvation_s=BOUND_S)
    for at, first in ((149.0, "s"), (151.0, "v")):  # 2 (t − 120 + 30) = t − 30 at t = 150
        acd = one_agent(policy(Discipline.ACCUMULATING, vip, Tier("standard", starvation_s=BOUND_S)))
        run(acd, 120.0, entered("s", 30.0), entered("v", 120.0, value_tier=0))
        assert served(acd, at)[0] == first


def test_equal_slopes_are_first_come_first_served() -> None:
    """T32: b = 1:1:1 is FCFS exactly."""
    acd = one_agent(policy(Discipline.ACCUMULATING, *(Tier(name, starvation_s=BOUND_S) for name in "abc")))
    run(acd, 50.0, *(entered(f"c{n}", float(n), value_tier=n % 3) for n in (7, 3, 11, 5, 2)))
    assert served(acd, 60.0) == ["c2", "c3", "c5", "c7", "c11"]


def test_targets_are_compared_by_the_part_of_them_that_has_passed() -> None:
    """s waited 50 of 60 s, v 9 of 10 s: v is closer to its promise; with 8 s it is not."""
    for waited_s, first in ((9.0, "v"), (8.0, "s")):
        acd = one_agent(policy(Discipline.TARGET))
        run(acd, 100.0, entered("s", 50.0), entered("v", 100.0 - waited_s, value_tier=0))
        assert served(acd, 100.0)[0] == first


def test_queue_ratio_takes_the_tier_that_exceeds_its_share_of_the_line_most() -> None:
    """Shares 1:3. Of v1 v2 s1 the line may hold 0.75 of vip: vip exceeds. Of v1 s1 s2 s3 s4: standard does."""
    acd = one_agent(policy(Discipline.QUEUE_RATIO))
    run(acd, 10.0, entered("s1", 1.0), entered("v1", 2.0, value_tier=0), entered("v2", 3.0, value_tier=0))
    assert served(acd, 20.0) == ["v1", "v2", "s1"]
    acd = one_agent(policy(Discipline.QUEUE_RATIO))
    run(acd, 10.0, entered("v1", 1.0, value_tier=0), *(entered(f"s{n}", 1.0 + n) for n in range(1, 5)))
    assert served(acd, 20.0) == ["s1", "v1", "s2", "s3", "s4"]


def test_the_tier_at_risk_goes_before_vip() -> None:
    at_risk = Tier("VIP at risk", slope=6.0, starvation_s=BOUND_S)
    tiers = (at_risk, Tier("VIP", slope=4.0, starvation_s=BOUND_S), Tier("standard", starvation_s=BOUND_S))
    acd = one_agent(policy(Discipline.ACCUMULATING, *tiers))
    run(acd, 50.0, *(entered(f"t{rank}", 20.0, value_tier=rank) for rank in (2, 1, 0)))
    assert served(acd, 60.0) == ["t0", "t1", "t2"]


@pytest.mark.parametrize("discipline", Discipline)
def test_ties_are_broken_by_age_then_by_id(discipline: Discipline) -> None:
    acd = one_agent(policy(discipline))
    run(acd, 10.0, *(entered(contact_id, 5.0, value_tier=1) for contact_id in ("c3", "c1", "c2")))
    assert served(acd, 20.0) == ["c1", "c2", "c3"]


@pytest.mark.parametrize("discipline", Discipline)
def test_a_rank_beyond_the_last_tier_counts_as_the_last(discipline: Discipline) -> None:
    acd = one_agent(policy(discipline))
    run(acd, 10.0, entered("c1", 5.0, value_tier=1), entered("c2", 5.0, value_tier=99), entered("c3", 5.0))
    assert served(acd, 20.0) == ["c1", "c2", "c3"]


# --- the bound against starvation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("discipline", Discipline)
def test_who_has_waited_the_bound_is_served_before_all_who_have_not(discipline: Discipline) -> None:
    acd = one_agent(policy(discipline))
    fast = [entered(f"v{n}", BOUND_S - 100.0 + n, value_tier=0) for n in range(50)]
    run(acd, BOUND_S, entered("s", 1.0), *fast)
    assert served(acd, BOUND_S + 1.0)[0] == "s"


@pytest.mark.parametrize("discipline", [each for each in Discipline if each is not Discipline.FIFO])
def test_a_moment_before_the_bound_the_discipline_decides(discipline: Discipline) -> None:
    acd = one_agent(policy(discipline))
    fast = [entered(f"v{n}", BOUND_S - 500.0 + n, value_tier=0) for n in range(50)]
    run(acd, BOUND_S, entered("s", 1.0), *fast)
    assert served(acd, BOUND_S + 0.9)[0] != "s"


@pytest.mark.parametrize("discipline", Discipline)
def test_the_overdue_are_served_by_the_instant_at_which_they_became_overdue(discipline: Discipline) -> None:
    slow = Tier("standard", starvation_s=300.0)
    acd = one_agent(policy(discipline, Tier("vip", slope=4.0, starvation_s=100.0), slow))
    run(acd, 900.0, entered("s1", 400.0), entered("v1", 650.0, value_tier=0), entered("v2", 550.0, value_tier=0))
    assert served(acd, 900.0) == ["v2", "s1", "v1"]  # due at 650, 700, 750


@pytest.mark.parametrize("discipline", Discipline)
def test_a_stream_of_others_cannot_starve_a_contact(discipline: Discipline) -> None:
    """Two newcomers of the better tier for every one that is served; the standard contact is served by its bound."""
    acd, now, contact_id, n = one_agent(policy(discipline)), 10.0, "v", 0
    run(acd, now, entered("v", now, value_tier=0), TalkEnded("ann", "with-ann", 0.0), accepted("v.o1"))
    acd.step(entered("s", now), now)
    while contact_id != "s":
        assert now <= 10.0 + BOUND_S + 10.0, "served at last, one service after the bound"
        for _ in range(2):
            n += 1
            acd.step(entered(f"v{n}", now, value_tier=0), now)
        now += 10.0
        decisions = acd.step(TalkEnded("ann", contact_id, 0.0), now)
        contact_id = next(each.contact_id for each in decisions if isinstance(each, MakeOffer))
        acd.step(accepted(f"{contact_id}.o1"), now)


def test_the_bound_holds_within_what_the_agent_may_serve() -> None:
    acd = one_agent(policy(Discipline.STRICT))
    run(acd, 900.0, entered("s", 1.0, requires=Held("fr")), entered("v", 899.0, value_tier=0))
    assert release(acd, 900.0, "ann") == ["v rings ann"]


def test_an_offer_tells_that_its_contact_was_overdue_and_the_scores_that_were_compared() -> None:
    acd = one_agent(policy(Discipline.ACCUMULATING))
    run(acd, 90.0, entered("s", 40.0), entered("v", 90.0, value_tier=0))
    made = acd.step(TalkEnded("ann", "with-ann", 0.0), 100.0)[-1]
    assert isinstance(made, MakeOffer)
    assert sorted(made.trace.heads) == [("s", 60.0), ("v", 40.0)]
    assert (made.contact_id, made.trace.score, made.trace.overdue) == ("s", 60.0, False)
    acd.step(accepted("s.o1"), 100.0)
    made = acd.step(TalkEnded("ann", "s", 0.0), 700.0)[-1]
    assert isinstance(made, MakeOffer)
    assert (made.contact_id, made.trace.overdue) == ("v", True)


# --- a change of policy -----------------------------------------------------------------------------------------------


def test_a_new_policy_orders_those_who_wait_by_the_next_decision() -> None:
    acd = one_agent(policy(Discipline.STRICT))
    run(acd, 30.0, entered("s", 10.0), entered("v", 20.0, value_tier=0))
    acd.step(Configured((QueueRules("orders"),), site({"ann": {"en": 1}}).agents, policy(Discipline.FIFO)), 30.0)
    assert served(acd, 40.0) == ["s", "v"]


def test_fewer_tiers_than_before_put_the_rest_into_the_last() -> None:
    acd = one_agent(policy(Discipline.STRICT, *(Tier(name, starvation_s=BOUND_S) for name in "abcd")))
    run(acd, 30.0, entered("d", 10.0, value_tier=3), entered("c", 20.0, value_tier=2), entered("a", 25.0, value_tier=0))
    acd.step(site({"ann": {"en": 1}}, policy=policy(Discipline.STRICT)), 30.0)
    assert served(acd, 40.0) == ["a", "d", "c"]
