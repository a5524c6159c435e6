"""The preferred agent is waited for, alone and for a bounded time, as long as that makes sense; then all serve."""

from dataclasses import replace

import pytest

from routing.acd.engine import Acd
from routing.messages import Configured, DeviceChanged, Engaged, MakeOffer, PresenceChosen, TalkEnded, Tick
from routing.model import AgentOrder, Outcome, Presence, QueueRules, Step
from routing.policy import Tier, TierPolicy
from routing.requirement import Held, InTeam
from tests.acd import (
    accepted,
    agent,
    contact,
    entered,
    follow,
    in_queues,
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

TEN_S = QueueRules("orders", preferred_wait_s=10.0, wrap_up_s=0.0)


def center(rules: QueueRules = TEN_S, policy: TierPolicy | None = None) -> Acd:
    """Ann, bob and cat, ready in this order."""
    config = site({"ann": {}, "bob": {"en": 1}, "cat": {}}, rules)
    return staffed(config if policy is None else replace(config, policy=policy))


def test_a_preferred_agent_who_is_ready_serves_though_others_are_idle_longer() -> None:
    acd = center()
    made = acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)[-1]
    assert isinstance(made, MakeOffer)
    assert (made.agent_id, made.trace.why, made.trace.rank) == ("cat", "affinity", 0)


def test_a_busy_preferred_agent_is_waited_for_and_then_all_may_serve() -> None:
    """T36: ten seconds, then the group."""
    acd = center()
    occupy(acd, 9.0, "cat")
    assert said(acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)) == []
    assert follow(acd, 19.99) == []
    assert follow(acd, 20.0) == [(20.0, "c1 rings ann")]


def test_a_preferred_agent_who_becomes_free_in_time_serves() -> None:
    acd = center()
    occupy(acd, 9.0, "cat")
    acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)
    assert release(acd, 19.0, "cat") == ["c1 rings cat"]


def test_then_the_queue_s_steps_go_on_from_the_clock_they_have_reached() -> None:
    steps = (Step(InTeam("gold")), Step(Held("en"), after_s=5.0), Step(after_s=60.0))
    acd = center(replace(TEN_S, steps=steps))
    occupy(acd, 9.0, "cat")
    acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)
    assert follow(acd, 25.0) == [(20.0, "c1 in step 1 (time)"), (20.0, "c1 rings bob")]


def test_without_a_wait_the_preferred_agent_serves_only_if_ready_at_once() -> None:
    acd = center(replace(TEN_S, preferred_wait_s=0.0))
    occupy(acd, 9.0, "cat")
    assert said(acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)) == ["c1 rings ann"]


@pytest.mark.parametrize(("queue_s", "tier_s", "told_s"), [(10.0, 0.0, 0.0), (5.0, 10.0, 0.0), (0.0, 5.0, 10.0)])
def test_the_longest_of_the_waits_counts(queue_s: float, tier_s: float, told_s: float) -> None:
    policy = TierPolicy(tiers=(Tier("vip", preferred_wait_s=tier_s), Tier("standard")))
    acd = center(replace(TEN_S, preferred_wait_s=queue_s), policy)
    occupy(acd, 9.0, "cat")
    acd.step(entered("c1", 10.0, value_tier=0, preferred_agent="cat", preferred_wait_s=told_s), 10.0)
    assert follow(acd, 29.0) == [(20.0, "c1 rings ann")]


def test_the_wait_goes_by_the_step_clock_which_stands_still_while_they_ring() -> None:
    acd = center()
    occupy(acd, 9.0, "cat")
    acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)
    release(acd, 14.0, "cat")
    acd.step(Engaged("cat", "call"), 16.0)  # cat is called directly: the offer is rescinded
    assert contact(acd, "c1").clock_s == 4.0


# --- when there is no sense in waiting --------------------------------------------------------------------------------


def test_a_preferred_agent_on_a_break_is_not_waited_for_and_the_offer_says_why() -> None:
    acd = center()
    acd.step(PresenceChosen("cat", Presence.AUX, "lunch"), 9.0)
    made = acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)[-1]
    assert isinstance(made, MakeOffer)
    assert (made.agent_id, made.trace.excluded) == ("ann", (("cat", "lunch"),))


@pytest.mark.parametrize(
    ("preferred", "reason"), [("bob", "logged_out"), ("cat", "phone_lost"), ("ann", "may_not_serve")]
)
def test_the_reason_why_the_preferred_agent_does_not_serve_is_told(preferred: str, reason: str) -> None:
    acd = staffed(site({"ann": {}, "bob": {"en": 1}, "cat": {"en": 1}, "dan": {"en": 1}}, TEN_S))
    run(acd, 9.0, PresenceChosen("bob", Presence.LOGGED_OUT), DeviceChanged("cat", reachable=False))
    made = acd.step(entered("c1", 10.0, requires=Held("en"), preferred_agent=preferred), 10.0)[-1]
    assert isinstance(made, MakeOffer)
    assert (made.agent_id, made.trace.excluded) == ("dan", ((preferred, reason),))


def test_an_agent_whom_the_site_does_not_know_is_not_waited_for() -> None:
    acd = center()
    assert said(acd.step(entered("c1", 10.0, preferred_agent="gone"), 10.0)) == ["c1 rings ann"]


@pytest.mark.parametrize("what", ["break", "logs out", "phone lost", "leaves the site"])
def test_who_goes_away_while_they_are_waited_for_sets_the_contact_free(what: str) -> None:
    acd = center()
    occupy(acd, 9.0, "cat")
    acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)
    match what:
        case "break":
            told = acd.step(PresenceChosen("cat", Presence.AUX, "lunch"), 12.0)
        case "logs out":
            told = acd.step(PresenceChosen("cat", Presence.LOGGED_OUT), 12.0)
        case "phone lost":
            told = acd.step(DeviceChanged("cat", reachable=False), 12.0)
        case _:
            told = acd.step(site({"ann": {}, "bob": {}}, TEN_S), 12.0)
    assert said(told) == ["c1 rings ann"]


def test_a_break_taken_back_in_time_makes_waiting_sensible_again_for_newcomers() -> None:
    acd = center()
    occupy(acd, 9.0, "cat")
    run(acd, 10.0, PresenceChosen("cat", Presence.AUX, "lunch"), PresenceChosen("cat", Presence.AVAILABLE))
    assert said(acd.step(entered("c1", 11.0, preferred_agent="cat"), 11.0)) == []


def test_a_wait_for_the_preferred_agent_once_given_up_is_not_taken_up_again() -> None:
    acd = center(replace(TEN_S, steps=(Step(Held("en")), Step(after_s=60.0))))
    occupy(acd, 8.0, "bob")
    acd.step(PresenceChosen("cat", Presence.AUX, "lunch"), 9.0)
    acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)
    assert said(acd.step(PresenceChosen("cat", Presence.AVAILABLE), 15.0)) == []  # c1 waits for all by now
    assert said(acd.step(Tick(), 70.0))[-1] == "c1 rings ann"


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.NO_ANSWER, Outcome.BUSY, Outcome.FAILED])
def test_a_preferred_agent_who_let_the_offer_go_is_not_waited_for_again(outcome: Outcome) -> None:
    acd = center()
    acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)
    assert said(acd.step(settled("c1.o1", outcome), 12.0)) == ["c1 rings ann"]


@pytest.mark.parametrize("goes", ["rings out", "asked for a break and refuses", "asked to log out; the caller leaves"])
def test_who_goes_away_by_an_offer_sets_those_free_who_wait_for_them(goes: str) -> None:
    acd = center(replace(TEN_S, preferred_wait_s=600.0))
    occupy(acd, 9.0, "ann", "bob")
    run(acd, 10.0, entered("c1", 10.0, preferred_agent="cat"), entered("c2", 10.0, preferred_agent="cat"))
    release(acd, 11.0, "ann")
    assert contact(acd, "c2").offers == ()
    match goes:
        case "rings out":
            acd.step(Tick(), 30.0)
        case "asked for a break and refuses":
            run(acd, 20.0, settled("c1.o1", Outcome.REJECTED), PresenceChosen("cat", Presence.AUX, "lunch"))
        case _:
            run(acd, 20.0, PresenceChosen("cat", Presence.LOGGED_OUT), settled("c1.o1", Outcome.CALLER_GONE))
    release(acd, 31.0, "bob")
    waiting = [each for each in ("c1", "c2") if each in in_queues(acd) and not contact(acd, each).offers]
    assert waiting == []


def test_a_preferred_agent_in_wrap_up_is_waited_for() -> None:
    acd = center(replace(TEN_S, wrap_up_s=5.0))
    run(acd, 9.0, entered("c0", 9.0, preferred_agent="cat"), accepted("c0.o1"), TalkEnded("cat", "c0"))
    acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)
    assert follow(acd, 14.0) == [(14.0, "c1 rings cat")]


# --- in the order of service ------------------------------------------------------------------------------------------


def test_among_those_who_wait_for_one_agent_and_for_all_the_order_of_service_decides() -> None:
    acd = center()
    occupy(acd, 5.0, "ann", "bob", "cat")
    run(acd, 10.0, entered("mine", 10.0, preferred_agent="cat"), entered("vip", 12.0, value_tier=0))
    run(acd, 12.0, entered("old", 9.0))
    assert release(acd, 13.0, "cat") == ["vip rings cat"]
    run(acd, 13.0, settled("vip.o1", Outcome.CALLER_GONE))
    assert agent(acd, "cat").contact_id == "old"
    run(acd, 14.0, settled("old.o1", Outcome.CALLER_GONE))
    assert agent(acd, "cat").contact_id == "mine"


def test_two_who_wait_for_the_same_agent_are_served_by_age() -> None:
    acd = center()
    occupy(acd, 5.0, "cat")
    run(acd, 10.0, entered("c2", 10.0, preferred_agent="cat"), entered("c1", 8.0, preferred_agent="cat"))
    assert release(acd, 12.0, "cat") == ["c1 rings cat"]


def test_who_waits_for_one_agent_does_not_keep_another_from_the_next() -> None:
    acd = center()
    occupy(acd, 5.0, "ann", "bob", "cat")
    run(acd, 10.0, entered("mine", 1.0, preferred_agent="cat"), entered("next", 10.0))
    assert release(acd, 11.0, "ann") == ["next rings ann"]


def test_the_overdue_who_waits_for_one_agent_is_first_for_them_and_for_nobody_else() -> None:
    policy = TierPolicy(tiers=(Tier("vip", starvation_s=30.0),))
    acd = center(replace(TEN_S, preferred_wait_s=600.0), policy)
    occupy(acd, 5.0, "ann", "bob", "cat")
    run(acd, 50.0, entered("mine", 10.0, value_tier=0, preferred_agent="cat"), entered("next", 45.0, value_tier=0))
    assert release(acd, 51.0, "ann") == ["next rings ann"]
    assert release(acd, 52.0, "cat") == ["mine rings cat"]


# --- membership, delay, orders ----------------------------------------------------------------------------------------


def test_a_preferred_agent_of_another_queue_does_not_serve() -> None:
    acd = staffed(Configured((TEN_S, QueueRules("other")), (member("cat", other=1), member("ann", orders=1))))
    assert said(acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)) == ["c1 rings ann"]


def test_a_preferred_agent_of_a_lower_rank_serves_at_once() -> None:
    acd = staffed(Configured((TEN_S,), (member("cat", orders=9), member("ann", orders=1))))
    assert said(acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)) == ["c1 rings cat"]


@pytest.mark.parametrize("order", AgentOrder)
def test_no_agent_order_goes_before_the_preferred_agent(order: AgentOrder) -> None:
    acd = center(replace(TEN_S, agent_order=order))
    assert offers(acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)) == [("c1", "cat")]


def test_a_restart_goes_on_waiting_for_the_same_agent_for_what_is_left() -> None:
    acd = center()
    occupy(acd, 9.0, "cat")
    acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)
    acd.step(Tick(), 16.0)
    restored = Acd.restore(site({"ann": {}, "bob": {"en": 1}, "cat": {}}, TEN_S), acd.snapshot())
    assert follow(restored, 30.0) == [(20.0, "c1 rings ann")]
