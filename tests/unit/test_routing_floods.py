"""Bad weather: a hundred thousand contacts in a second, agents who vanish, a clock that steps, sites that shrink."""

from collections import Counter
from time import process_time

import pytest

from routing.messages import AgentChanged, Configured, DeviceChanged, Left, MakeOffer, PresenceChosen, TalkEnded, Tick
from routing.model import Activity, AgentProfile, Outcome, Presence, QueueRules, Step
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import Held
from tests.acd import accepted, agent, contact, contacts, entered, follow, in_queues, run, said, settled, site, staffed

TIERS = (
    Tier("vip", slope=4.0, starvation_s=1e6),
    Tier("gold", slope=2.0, starvation_s=1e6),
    Tier("standard", starvation_s=1e6),
)
MANY = 100_000


def test_a_hundred_thousand_contacts_in_a_second_are_taken_and_served_in_order() -> None:
    """Bounded: entering and serving cost the same when many wait as when few do."""
    steps = (Step(Held("en", 50)), Step(Held("en"), after_s=600.0))
    config = Configured(
        (QueueRules("orders", steps=steps),),
        (AgentProfile("ann", {"en": 90}),),
        TierPolicy(Discipline.ACCUMULATING, TIERS),
    )
    acd = staffed(config)
    run(acd, 10.0, entered("first", 10.0, value_tier=0), accepted("first.o1"))
    began = process_time()
    for n in range(MANY):
        at = 100.0 + n / MANY
        assert acd.step(entered(f"c{n:06}", at, value_tier=n % 3), at) == []
    assert process_time() - began < 30.0  # about 1.5 s here; a cost that grows with the line takes hours
    served, now = [], 110.0
    decisions = acd.step(TalkEnded("ann", "first", 0.0), now)
    for _ in range(100):
        (made,) = [each for each in decisions if isinstance(each, MakeOffer)]
        served.append(made.contact_id)
        acd.step(accepted(made.offer_id), now)
        decisions = acd.step(TalkEnded("ann", made.contact_id, 0.0), now)
    # All of them are vip, the oldest first: 4 × 9 s is more than 2 × 10 s.
    assert served == [f"c{n:06}" for n in range(0, 300, 3)]


def test_many_whose_reach_widens_at_one_instant_all_widen() -> None:
    config = site({"ann": {}}, QueueRules("orders", steps=(Step(Held("en")), Step(after_s=60.0))))
    acd = staffed(config)
    run(acd, 10.0, *(entered(f"c{n:04}", 10.0) for n in range(2_000)))
    told = Counter(phrase.split(" ", 1)[1] for phrase in said(acd.step(Tick(), 70.0)))
    assert told == {"in step 1 (time)": 2_000, "rings ann": 1}


def test_nothing_is_kept_of_those_who_are_gone() -> None:
    acd = staffed(site({"ann": {}}))
    acd.step(entered("first", 9.0), 9.0)
    for n in range(5_000):
        run(acd, 10.0, entered(f"c{n}", 10.0), Left(f"c{n}"))
    assert in_queues(acd) == ["first"]
    assert follow(acd, 1e6) == [(29.0, "first.o1 no_answer")]
    assert acd.next_at() is None


# --- an agent who vanishes from the site ------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.NO_ANSWER, Outcome.CALLER_GONE])
def test_an_agent_who_vanishes_while_they_ring_comes_to_the_end_of_that(outcome: Outcome) -> None:
    acd = staffed(site({"ann": {}, "bob": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    assert said(acd.step(site({"bob": {}}), 12.0)) == []
    told = said(acd.step(settled("c1.o1", outcome), 13.0))
    if outcome is Outcome.ACCEPTED:
        assert agent(acd, "ann").activity is Activity.TALKING
        acd.step(TalkEnded("ann", "c1", 0.0), 20.0)
    elif outcome is not Outcome.CALLER_GONE:
        assert told == ["c1 rings bob"]
    assert [each.agent_id for each in acd.snapshot().agents] == ["bob"]


def test_an_agent_who_vanishes_while_they_ring_out_is_gone_and_the_contact_goes_on() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(site({"bob": {}}), 12.0)
    assert follow(acd, 30.0) == [(30.0, "c1.o1 no_answer"), (30.0, "c1 rings bob")]
    assert [each.agent_id for each in acd.snapshot().agents] == ["bob"]


def test_an_agent_who_vanishes_while_they_talk_or_wrap_up_serves_nobody_afterwards() -> None:
    acd = staffed(site({"ann": {}}))
    run(acd, 10.0, entered("c1", 10.0), accepted("c1.o1"), entered("c2", 10.0))
    acd.step(site({}), 12.0)
    run(acd, 13.0, DeviceChanged("ann", reachable=False), DeviceChanged("ann", reachable=True))
    assert said(run(acd, 20.0, TalkEnded("ann", "c1", 5.0), Tick())) == []
    assert follow(acd, 100.0) == []
    assert acd.snapshot().agents == ()
    assert in_queues(acd) == ["c2"]


def test_an_agent_who_comes_back_into_the_site_while_they_talk_is_logged_out_after_it() -> None:
    acd = staffed(site({"ann": {}}))
    run(acd, 10.0, entered("c1", 10.0), accepted("c1.o1"))
    run(acd, 12.0, site({}), site({"ann": {}}))
    run(acd, 20.0, TalkEnded("ann", "c1", 0.0), entered("c2", 20.0))
    assert agent(acd, "ann").presence is Presence.LOGGED_OUT
    assert said(acd.step(PresenceChosen("ann", Presence.AVAILABLE), 30.0)) == ["c2 rings ann"]


def test_all_agents_may_vanish_at_once_and_new_ones_come() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}))
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 10.0), entered("c3", 10.0))
    acd.step(site({"cat": {}}), 11.0)
    run(acd, 12.0, DeviceChanged("cat", reachable=True))
    assert said(acd.step(PresenceChosen("cat", Presence.AVAILABLE), 12.0)) == ["c3 rings cat"]


# --- a clock that steps -----------------------------------------------------------------------------------------------


def test_a_clock_that_steps_back_stands_still_until_it_has_caught_up() -> None:
    acd = staffed(site({"ann": {}}, QueueRules("orders", steps=(Step(Held("en")), Step(after_s=10.0)))))
    acd.step(entered("c1", 100.0), 100.0)
    for at in (50.0, 70.0, 99.0, 100.0):
        assert acd.step(Tick(), at) == []
    assert contact(acd, "c1").clock_s == 0.0
    assert acd.snapshot().at == 100.0
    assert said(acd.step(Tick(), 110.0)) == ["c1 in step 1 (time)", "c1 rings ann"]


def test_an_offer_made_while_the_clock_is_back_rings_its_whole_time() -> None:
    acd = staffed(site({"ann": {}}))
    acd.step(Tick(), 100.0)
    acd.step(entered("c1", 40.0), 40.0)
    assert follow(acd, 1_000.0) == [(120.0, "c1.o1 no_answer")]


def test_a_clock_that_jumps_ahead_works_off_all_that_fell_due_in_between() -> None:
    steps = (Step(Held("en")), Step(Held("fr"), after_s=10.0), Step(after_s=20.0))
    acd = staffed(site({"ann": {"fr": 1}, "bob": {}}, QueueRules("orders", steps=steps)))
    acd.step(entered("c1", 10.0), 10.0)
    told = said(acd.step(Tick(), 100_000.0))
    assert told[-1] == "c1 rings ann"
    assert acd.next_at() == 100_020.0


def test_an_entry_from_the_future_waits_less_than_nothing_and_is_served() -> None:
    acd = staffed(site({"ann": {}}))
    made = acd.step(entered("c1", 50.0), 10.0)[-1]
    assert isinstance(made, MakeOffer)
    assert made.trace.wait_s == -40.0


# --- every message at any time ----------------------------------------------------------------------------------------


def test_a_state_that_is_told_twice_is_told_once() -> None:
    acd = staffed(site({"ann": {}}))
    assert acd.step(PresenceChosen("ann", Presence.AVAILABLE), 5.0) == []
    assert acd.step(DeviceChanged("ann", reachable=True), 5.0) == []
    assert acd.step(Left("nobody"), 5.0) == []
    assert acd.step(TalkEnded("ann", "nobody"), 5.0) == []
    assert acd.step(settled("nobody.o1", Outcome.ACCEPTED), 5.0) == []


def test_the_same_site_again_changes_nothing() -> None:
    config = site({"ann": {}, "bob": {}}, QueueRules("orders", steps=(Step(Held("en")), Step(after_s=60.0))))
    acd = staffed(config)
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 10.0, requires=Held("en")))
    before, due_at = acd.snapshot(), acd.next_at()
    assert [each for each in acd.step(config, 10.0) if not isinstance(each, AgentChanged)] == []
    assert (acd.snapshot(), acd.next_at()) == (before, due_at)


def test_a_hundred_changes_of_site_lose_nobody() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}, QueueRules("orders", ring_s=1e6)))
    run(acd, 10.0, *(entered(f"c{n}", 10.0) for n in range(10)))
    for n in range(100):
        skills = {"ann": {"en": n % 2}, "bob": {"fr": 1}} if n % 3 else {"ann": {}, "bob": {}}
        acd.step(site(skills, QueueRules("orders", ring_s=1e6), QueueRules(f"q{n}")), 11.0 + n)
    assert sorted(in_queues(acd)) == [f"c{n}" for n in range(10)]
    assert Counter(len(view.offers) for view in contacts(acd.snapshot())) == {1: 2, 0: 8}
