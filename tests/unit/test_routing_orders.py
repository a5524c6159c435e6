"""Which ready agent serves: eight agent orders, ranks, and the delay after which back-up members see a contact."""

from collections import Counter
from dataclasses import dataclass, field, replace
from math import exp
from random import Random

import pytest

from routing.acd.engine import Acd
from routing.acd.standing import FORGET_S
from routing.messages import Configured, DeviceChanged, MakeOffer, PresenceChosen, TalkEnded, Tick
from routing.model import AgentOrder, AgentProfile, Membership, Outcome, Presence, QueueRules
from routing.policy import Tier, TierPolicy
from routing.requirement import Held
from tests.acd import (
    accepted,
    agent,
    entered,
    follow,
    member,
    occupy,
    offers,
    release,
    run,
    said,
    settled,
    site,
    staffed,
)

NOBODY_SPARED = QueueRules("orders", wrap_up_s=0.0, reject_delay_s=0.0, busy_delay_s=0.0, fault_delay_s=0.0)


def ordered(order: AgentOrder, *agents: AgentProfile) -> Acd:
    """A center that hands out by this order, its agents ready one second apart."""
    return staffed(Configured((replace(NOBODY_SPARED, agent_order=order),), agents))


def serve(acd: Acd, contact_id: str, at: float, handle_s: float) -> str:
    """Have one contact served; returns by whom. It must find a ready agent."""
    ((_, agent_id),) = offers(acd.step(entered(contact_id, at), at))
    acd.step(accepted(f"{contact_id}.o1"), at)
    acd.step(TalkEnded(agent_id, contact_id, 0.0), at + handle_s)
    return agent_id


# --- every order, over a thousand contacts ----------------------------------------------------------------------------

CREW = (
    AgentProfile("ann", {"en": 40}, weight=4.0),
    AgentProfile("bob", {"en": 90}, weight=1.0),
    AgentProfile("cat", {"en": 60}, weight=1.0),
    AgentProfile("dan", {"en": 40}, weight=2.0),
    AgentProfile("eve", {"en": 75}, weight=0.5),
)


@dataclass
class Record:
    """What one agent has done, kept by the test from decisions alone."""

    profile: AgentProfile
    place: int
    ready_since: float
    taken: int = 0
    last_offer: int = 0
    work: list[tuple[float, float]] = field(default_factory=list)

    def occupancy(self, now: float) -> float:
        """The share of time at work, where time is forgotten exponentially."""
        return sum(exp((end - now) / FORGET_S) - exp((start - now) / FORGET_S) for start, end in self.work)

    def measure(self, order: AgentOrder, now: float) -> float:
        """Smaller is asked first, by the order's own words."""
        return {
            AgentOrder.LONGEST_IDLE: 0.0,
            AgentOrder.LEAST_OCCUPIED: round(self.occupancy(now), 9),
            AgentOrder.MOST_PROFICIENT: -self.profile.skills["en"],
            AgentOrder.LEAST_PROFICIENT: self.profile.skills["en"],
            AgentOrder.FEWEST_CONTACTS: self.taken,
            AgentOrder.ROUND_ROBIN: self.last_offer,
            AgentOrder.LINEAR: self.place,
            AgentOrder.WEIGHTED: round(self.taken / self.profile.weight, 9),
        }[order]


@pytest.mark.parametrize("order", AgentOrder)
def test_each_of_a_thousand_contacts_goes_to_the_agent_whom_the_order_puts_first(order: AgentOrder) -> None:
    """T9: the same thousand contacts under each order, each offer judged by a record of what agents did."""
    acd, rng = ordered(order, *CREW), Random(240)
    records = {each.agent_id: Record(each, place, place + 1.0) for place, each in enumerate(CREW)}
    busy: dict[str, tuple[float, str, float]] = {}  # who talks: until, with whom, since
    now, judged = 100.0, 0
    for n in range(1_000):
        now += rng.expovariate(1 / 20.0)
        for agent_id, (until, contact_id, since) in sorted(busy.items(), key=lambda each: each[1]):
            if until <= now:
                del busy[agent_id]
                freed = offers(acd.step(TalkEnded(agent_id, contact_id, 0.0), until))
                records[agent_id].ready_since = until
                records[agent_id].work.append((since, until))
                assert freed == []
        if len(busy) == len(CREW):
            continue
        ((_, chosen),) = offers(acd.step(entered(f"c{n}", now, requires=Held("en")), now))
        idle = [records[each.agent_id] for each in CREW if each.agent_id not in busy]
        expected = min(idle, key=lambda each: (each.measure(order, now), each.ready_since, each.profile.agent_id))
        assert chosen == expected.profile.agent_id
        acd.step(accepted(f"c{n}.o1"), now)
        records[chosen].taken += 1
        records[chosen].last_offer = n + 1
        busy[chosen] = (now + rng.expovariate(1 / 60.0), f"c{n}", now)
        judged += 1
    assert judged > 800


def test_round_robin_hands_out_so_evenly_that_no_two_agents_are_more_than_one_contact_apart() -> None:
    acd = ordered(AgentOrder.ROUND_ROBIN, *CREW)
    rng, taken = Random(9), Counter({each.agent_id: 0 for each in CREW})
    for n in range(200):
        taken[serve(acd, f"c{n}", 100.0 * (n + 1), rng.uniform(1.0, 90.0))] += 1
        assert max(taken.values()) - min(taken.values()) <= 1


def test_weighted_hands_out_in_proportion_to_the_weights() -> None:
    acd = ordered(AgentOrder.WEIGHTED, *CREW)
    total, taken = sum(each.weight for each in CREW), Counter({each.agent_id: 0 for each in CREW})
    for n in range(1, 171):
        taken[serve(acd, f"c{n}", 10.0 * (n + 1), 1.0)] += 1
        for each in CREW:
            assert abs(taken[each.agent_id] - n * each.weight / total) < 2.0
    assert [taken[each.agent_id] for each in CREW] == [80, 20, 20, 40, 10]


def test_linear_asks_in_the_order_of_the_site_whatever_happened_before() -> None:
    acd = ordered(AgentOrder.LINEAR, *CREW)
    assert [serve(acd, f"c{n}", 100.0 + n, 0.5) for n in range(4)] == ["ann"] * 4
    occupy(acd, 200.0, "ann", "bob")
    assert serve(acd, "c9", 200.0, 1.0) == "cat"


def test_an_order_of_one_queue_leaves_that_of_another_alone() -> None:
    linear = replace(NOBODY_SPARED, queue="linear", agent_order=AgentOrder.LINEAR)
    acd = staffed(site({"ann": {}, "bob": {}}, NOBODY_SPARED, linear))
    assert serve(acd, "c1", 10.0, 1.0) == "ann"
    assert offers(acd.step(entered("c2", 20.0, queue="linear"), 20.0)) == [("c2", "ann")]
    assert offers(acd.step(entered("c3", 21.0), 21.0)) == [("c3", "bob")]


# --- longest idle -----------------------------------------------------------------------------------------------------


def test_longest_idle_counts_from_the_end_of_wrap_up_and_over_all_queues() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}, QueueRules("orders", wrap_up_s=30.0), QueueRules("other")))
    run(acd, 10.0, entered("c1", 10.0, queue="other"), accepted("c1.o1"))
    run(acd, 11.0, entered("c2", 11.0), accepted("c2.o1"))
    acd.step(TalkEnded("ann", "c1", 30.0), 20.0)  # idle from 50
    acd.step(TalkEnded("bob", "c2", 0.0), 40.0)
    assert offers(acd.step(entered("c3", 60.0, queue="other"), 60.0)) == [("c3", "bob")]


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.BUSY, Outcome.UNREACHABLE, Outcome.FAILED])
def test_an_offer_that_came_to_nothing_does_not_move_the_agent_back(outcome: Outcome) -> None:
    acd = staffed(site({"ann": {}, "bob": {}}, NOBODY_SPARED))
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(settled("c1.o1", outcome), 15.0)
    assert agent(acd, "ann").ready_since == 1.0
    assert offers(acd.step(entered("c2", 20.0), 20.0)) == [("c2", "ann")]


def test_a_break_begins_idle_time_anew_and_a_lost_phone_does_not() -> None:
    acd = staffed(site({"ann": {}, "bob": {}, "cat": {}}))
    run(acd, 10.0, PresenceChosen("ann", Presence.AUX, "lunch"), DeviceChanged("bob", reachable=False))
    run(acd, 20.0, PresenceChosen("ann", Presence.AVAILABLE), DeviceChanged("bob", reachable=True))
    served = [offers(acd.step(entered(f"c{n}", 30.0 + n), 30.0 + n))[0][1] for n in range(3)]
    assert served == ["bob", "cat", "ann"]


# --- the newcomer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [AgentOrder.FEWEST_CONTACTS, AgentOrder.WEIGHTED])
def test_a_newcomer_is_not_flooded_until_they_have_caught_up(order: AgentOrder) -> None:
    """Asterisk's fewest-calls gives a fresh login every call until it has as many as the others."""
    acd = ordered(order, AgentProfile("ann", {}), AgentProfile("bob", {}), AgentProfile("new", {}))
    acd.step(PresenceChosen("new", Presence.LOGGED_OUT), 10.0)
    for n in range(40):
        serve(acd, f"c{n}", 20.0 + n, 0.5)
    acd.step(PresenceChosen("new", Presence.AVAILABLE), 100.0)
    served = [serve(acd, f"d{n}", 110.0 + n, 0.5) for n in range(9)]
    assert sorted(Counter(served).values()) == [3, 3, 3]


def test_a_newcomer_takes_their_turn_in_the_round_once() -> None:
    acd = ordered(AgentOrder.ROUND_ROBIN, AgentProfile("ann", {}), AgentProfile("bob", {}), AgentProfile("new", {}))
    acd.step(PresenceChosen("new", Presence.LOGGED_OUT), 10.0)
    for n in range(10):
        serve(acd, f"c{n}", 20.0 + n, 0.5)
    acd.step(PresenceChosen("new", Presence.AVAILABLE), 100.0)
    served = [serve(acd, f"d{n}", 110.0 + n, 0.5) for n in range(6)]
    assert Counter(served) == {"ann": 2, "bob": 2, "new": 2}
    assert served[0] == "new"


def test_who_comes_back_from_a_break_goes_on_with_their_count() -> None:
    acd = ordered(AgentOrder.FEWEST_CONTACTS, AgentProfile("ann", {}), AgentProfile("bob", {}))
    acd.step(PresenceChosen("bob", Presence.AUX, "lunch"), 10.0)
    for n in range(5):
        serve(acd, f"c{n}", 20.0 + n, 0.5)
    acd.step(PresenceChosen("bob", Presence.AVAILABLE), 100.0)
    assert [serve(acd, f"d{n}", 110.0 + n, 0.5) for n in range(5)] == ["bob"] * 5


# --- least occupied ---------------------------------------------------------------------------------------------------


def test_least_occupied_counts_ringing_and_wrap_up_as_work() -> None:
    acd = ordered(AgentOrder.LEAST_OCCUPIED, AgentProfile("ann", {}), AgentProfile("bob", {}))
    run(acd, 10.0, entered("c1", 10.0))  # rings at ann for 15 s, who then lets it go
    acd.step(settled("c1.o1", Outcome.REJECTED), 25.0)
    acd.step(settled("c1.o2", Outcome.ACCEPTED), 26.0)
    acd.step(TalkEnded("bob", "c1", 0.0), 30.0)
    assert offers(acd.step(entered("c2", 40.0), 40.0)) == [("c2", "bob")]


def test_occupancy_is_forgotten() -> None:
    acd = ordered(AgentOrder.LEAST_OCCUPIED, AgentProfile("ann", {}), AgentProfile("bob", {}))
    assert serve(acd, "c1", 10.0, 3_600.0) == "ann"
    assert serve(acd, "c2", 30_000.0, 60.0) == "bob"
    assert offers(acd.step(entered("c3", 30_100.0), 30_100.0)) == [("c3", "ann")]


# --- proficiency ------------------------------------------------------------------------------------------------------


def test_most_proficient_adds_up_the_levels_of_the_skills_that_are_asked_for() -> None:
    most = replace(NOBODY_SPARED, agent_order=AgentOrder.MOST_PROFICIENT)
    skills = {"ann": {"en": 50, "tech": 50}, "bob": {"en": 90, "tech": 5}, "cat": {"en": 40, "tech": 40, "fr": 99}}
    acd = staffed(site(skills, most))
    requires = Held("en"), Held("tech")
    assert offers(acd.step(entered("c1", 10.0, requires=requires[0]), 10.0)) == [("c1", "bob")]
    assert offers(acd.step(entered("c2", 10.0, requires=requires[1]), 10.0)) == [("c2", "ann")]


def test_least_proficient_keeps_the_expert_free() -> None:
    least = replace(NOBODY_SPARED, agent_order=AgentOrder.LEAST_PROFICIENT)
    acd = staffed(site({"eva": {"tech": 95}, "tom": {"tech": 20}, "ann": {}}, least))
    assert offers(acd.step(entered("c1", 10.0, requires=Held("tech")), 10.0)) == [("c1", "tom")]
    assert offers(acd.step(entered("c2", 11.0, requires=Held("tech")), 11.0)) == [("c2", "eva")]


# --- rank and delay ---------------------------------------------------------------------------------------------------


def test_members_of_a_better_rank_serve_before_others_who_are_idle_longer() -> None:
    acd = staffed(Configured((QueueRules("orders"),), (member("old", orders=2), member("new", orders=1))))
    assert offers(acd.step(entered("c1", 10.0), 10.0)) == [("c1", "new")]
    assert offers(acd.step(entered("c2", 11.0), 11.0)) == [("c2", "old")]


def test_the_rank_goes_before_proficiency() -> None:
    most = replace(NOBODY_SPARED, agent_order=AgentOrder.MOST_PROFICIENT)
    acd = staffed(Configured((most,), (member("eva", {"en": 99}, orders=2), member("tom", {"en": 1}, orders=1))))
    assert offers(acd.step(entered("c1", 10.0, requires=Held("en")), 10.0)) == [("c1", "tom")]


def test_a_free_agent_serves_the_queue_of_their_best_rank_first_whatever_waits_in_the_other() -> None:
    queues = (QueueRules("orders"), QueueRules("vip"))
    acd = staffed(Configured(queues, (member("ann", orders=1, vip=2),)))
    occupy(acd, 5.0, "ann")
    run(acd, 10.0, entered("v1", 1.0, queue="vip", value_tier=0), entered("c1", 10.0, value_tier=4))
    assert release(acd, 20.0, "ann") == ["c1 rings ann"]


def test_who_is_overdue_goes_before_every_rank() -> None:
    policy = TierPolicy(tiers=(Tier("vip", starvation_s=60.0), Tier("standard", starvation_s=60.0)))
    queues = (QueueRules("orders"), QueueRules("back"))
    acd = staffed(Configured(queues, (member("ann", orders=1, back=2),), policy))
    occupy(acd, 5.0, "ann")
    run(acd, 10.0, entered("b1", 10.0, queue="back"), entered("c1", 50.0, value_tier=0))
    assert release(acd, 69.0, "ann") == ["c1 rings ann"]
    run(acd, 69.0, settled("c1.o1", Outcome.CALLER_GONE))
    assert offers(acd.step(entered("c2", 69.5, value_tier=0), 69.5)) == []


def test_a_back_up_member_sees_a_contact_only_after_the_delay() -> None:
    acd = staffed(
        Configured((QueueRules("orders"),), (member("ann", orders=1), member("bea", orders=Membership(2, 20.0))))
    )
    occupy(acd, 5.0, "ann")
    acd.step(entered("c1", 10.0), 10.0)
    assert acd.next_at() == 30.0
    assert follow(acd, 40.0) == [(30.0, "c1 rings bea")]


def test_a_back_up_member_who_becomes_free_skips_contacts_that_are_too_young_for_them() -> None:
    queues = (QueueRules("orders"), QueueRules("home"))
    acd = staffed(Configured(queues, (member("bea", orders=Membership(1, 20.0), home=2), member("ann", orders=1))))
    occupy(acd, 5.0, "ann", "bea")
    run(acd, 10.0, entered("old", 10.0))
    run(acd, 25.0, entered("young", 25.0), entered("home", 25.0, queue="home"))
    assert release(acd, 29.9, "bea") == ["home rings bea"]
    run(acd, 30.0, settled("home.o1", Outcome.CALLER_GONE))
    assert follow(acd, 30.0) == []
    assert agent(acd, "bea").contact_id == "old"
    assert release(acd, 31.0, "ann") == ["young rings ann"]


def test_the_delay_goes_by_the_step_clock_which_stands_still_while_a_phone_rings() -> None:
    acd = staffed(
        Configured(
            (replace(NOBODY_SPARED, reject_delay_s=500.0),),
            (member("ann", orders=1), member("bea", orders=Membership(2, 20.0))),
        )
    )
    acd.step(entered("c1", 10.0), 10.0)
    assert said(acd.step(settled("c1.o1", Outcome.REJECTED), 25.0)) == []
    assert follow(acd, 60.0)[:1] == [(45.0, "c1 rings bea")]


def test_a_contact_that_was_seen_stays_seen_over_a_second_delay() -> None:
    members = (member("ann", orders=Membership(1, 5.0)), member("bea", orders=Membership(2, 9.0)))
    acd = staffed(Configured((QueueRules("orders"),), members))
    occupy(acd, 8.0, "ann", "bea")
    acd.step(entered("c1", 10.0), 10.0)
    assert follow(acd, 30.0) == []
    assert acd.next_at() is None
    assert release(acd, 30.0, "ann") == ["c1 rings ann"]


def test_an_agent_without_a_part_in_the_queue_serves_none_of_it() -> None:
    acd = staffed(Configured((QueueRules("orders"), QueueRules("other")), (member("ann", {"en": 9}, other=1),)))
    assert offers(acd.step(entered("c1", 10.0), 10.0)) == []
    assert acd.step(Tick(), 1e6) == []


def test_an_offer_tells_the_rank_and_the_agents_that_were_compared() -> None:
    acd = staffed(Configured((QueueRules("orders"),), (member("ann", orders=3), member("bob", orders=3))))
    made = acd.step(entered("c1", 10.0), 10.0)[-1]
    assert isinstance(made, MakeOffer)
    assert (made.trace.rank, made.trace.heads[0]) == (3, ("ann", 1.0))
