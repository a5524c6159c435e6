"""Ringing several agents for one contact: the first who answers has it, the others are let go."""

from dataclasses import replace

import pytest

from routing.acd.engine import Acd
from routing.messages import (
    AgentChanged,
    Configured,
    DeviceChanged,
    Left,
    PresenceChosen,
    QueueClosed,
    RescindOffer,
    TalkEnded,
    Tick,
)
from routing.model import Activity, Exit, ExitKind, Membership, Outcome, Presence, QueueRules
from routing.requirement import Held
from tests.acd import (
    accepted,
    agent,
    contact,
    entered,
    follow,
    in_queues,
    member,
    occupy,
    release,
    run,
    said,
    settled,
    site,
    staffed,
)

TWO = QueueRules("orders", ring_several=2)


def center(rules: QueueRules = TWO, *more: QueueRules) -> Acd:
    """Three agents, ready in this order."""
    return staffed(site({"ann": {}, "bob": {}, "cat": {}}, rules, *more))


def test_as_many_agents_ring_as_the_queue_says_the_best_first() -> None:
    acd = center()
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 rings ann", "c1 rings bob"]
    assert [offer.offer_id for offer in contact(acd, "c1").offers] == ["c1.o1", "c1.o2"]
    assert said(acd.step(entered("c2", 10.0), 10.0)) == ["c2 rings cat"]


def test_no_more_ring_than_are_ready() -> None:
    acd = center(replace(TWO, ring_several=9))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 rings ann", "c1 rings bob", "c1 rings cat"]
    assert said(acd.step(entered("c2", 10.0), 10.0)) == []


def test_the_first_who_answers_has_the_contact_and_the_losers_are_rescinded_without_penalty() -> None:
    acd = center(replace(TWO, misses_max=1))
    acd.step(entered("c1", 10.0), 10.0)
    assert said(acd.step(accepted("c1.o2"), 14.0)) == ["c1.o1 rescinded"]
    assert (agent(acd, "bob").activity, agent(acd, "bob").contact_id) == (Activity.TALKING, "c1")
    ann = agent(acd, "ann")
    assert (ann.activity, ann.presence, ann.ready_since, ann.misses) == (Activity.IDLE, Presence.AVAILABLE, 1.0, 0)
    assert in_queues(acd) == []
    assert acd.next_at() is None


def test_a_loser_is_free_for_the_next_contact_at_once() -> None:
    acd = center(replace(TWO, ring_several=3))
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 10.0))
    assert said(acd.step(accepted("c1.o3"), 12.0)) == ["c1.o1 rescinded", "c1.o2 rescinded", "c2 rings ann"]
    assert agent(acd, "bob").activity is Activity.IDLE


def test_the_loser_who_answers_too_late_changes_nothing_but_is_heard() -> None:
    """Two pick up at once: the session joins one; the other's answer comes after the ACD withdrew it."""
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(accepted("c1.o2"), 12.0)
    assert acd.step(accepted("c1.o1"), 12.1) == []
    assert agent(acd, "ann").activity is Activity.IDLE


def test_one_who_refuses_leaves_the_other_phone_ringing() -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    assert said(acd.step(settled("c1.o1", Outcome.REJECTED), 12.0)) == []
    assert agent(acd, "bob").contact_id == "c1"
    assert [offer.agent_id for offer in contact(acd, "c1").offers] == ["bob"]
    assert said(acd.step(settled("c1.o2", Outcome.REJECTED), 13.0)) == ["c1 rings cat"]


def test_a_phone_lost_while_two_ring_leaves_the_other() -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    assert said(acd.step(DeviceChanged("bob", reachable=False), 12.0)) == ["c1.o2 unreachable"]
    assert said(acd.step(accepted("c1.o1"), 13.0)) == []
    assert agent(acd, "ann").activity is Activity.TALKING


def test_when_all_ring_out_all_have_missed_and_the_next_are_rung() -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    told = follow(acd, 30.0)
    assert sorted(told[:2]) == [(30.0, "c1.o1 no_answer"), (30.0, "c1.o2 no_answer")]
    assert told[2:] == [(30.0, "c1 rings cat")]
    assert [agent(acd, each).presence for each in ("ann", "bob", "cat")] == [
        Presence.AUX,
        Presence.AUX,
        Presence.AVAILABLE,
    ]


def test_when_the_caller_leaves_every_phone_stops() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0))
    told = acd.step(Left("c1"), 12.0)
    assert [each for each in told if isinstance(each, RescindOffer)] == [
        RescindOffer("c1.o1", "c1", Outcome.CALLER_GONE),
        RescindOffer("c1.o2", "c1", Outcome.CALLER_GONE),
    ]
    assert {each.activity for each in acd.snapshot().agents} == {Activity.IDLE}


def test_when_one_session_says_the_caller_is_gone_the_others_are_rescinded() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0))
    assert said(acd.step(settled("c1.o1", Outcome.CALLER_GONE), 12.0)) == ["c1.o2 caller_gone"]
    assert in_queues(acd) == []


def test_an_agent_who_becomes_free_meanwhile_is_not_rung_too() -> None:
    acd = center()
    occupy(acd, 9.0, "bob", "cat")
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 rings ann"]
    assert release(acd, 11.0, "bob") == []
    assert agent(acd, "bob").activity is Activity.IDLE


def test_a_waiting_contact_rings_at_the_one_who_became_free() -> None:
    acd = center()
    occupy(acd, 9.0, "ann", "bob", "cat")
    acd.step(entered("c1", 10.0), 10.0)
    assert release(acd, 11.0, "bob") == ["c1 rings bob"]
    assert release(acd, 12.0, "ann") == []


def test_the_second_agent_may_be_of_a_lower_rank() -> None:
    acd = staffed(Configured((TWO,), (member("bea", orders=2), member("ann", orders=1))))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 rings ann", "c1 rings bea"]


def test_a_hidden_contact_rings_only_at_those_who_see_it() -> None:
    acd = staffed(Configured((TWO,), (member("ann", orders=1), member("bea", orders=Membership(2, 20.0)))))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 rings ann"]


def test_an_agent_who_let_it_go_is_rung_again_only_when_there_is_no_other() -> None:
    acd = center(replace(TWO, reject_delay_s=0.0))
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(settled("c1.o1", Outcome.REJECTED), 11.0)
    assert said(acd.step(settled("c1.o2", Outcome.REJECTED), 12.0)) == ["c1 rings cat", "c1 rings ann"]


@pytest.mark.parametrize("waiting_to", [Exit(ExitKind.VOICEMAIL), None])
def test_a_closing_queue_stops_every_phone_or_none(waiting_to: Exit | None) -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    told = said(acd.step(QueueClosed("orders", "fire", Exit(ExitKind.GOODBYE), waiting_to), 12.0))
    assert told == ([] if waiting_to is None else ["c1.o1 rescinded", "c1.o2 rescinded", "c1 to voicemail (fire)"])


def test_the_preferred_agent_is_rung_alone() -> None:
    acd = center()
    assert said(acd.step(entered("c1", 10.0, preferred_agent="cat"), 10.0)) == ["c1 rings cat"]


def test_whoever_picks_up_as_all_offers_ran_out_has_the_contact() -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    follow(acd, 30.0)
    assert said(acd.step(accepted("c1.o2"), 30.1)) == ["c1.o3 rescinded"]
    assert (agent(acd, "bob").activity, agent(acd, "bob").presence) == (Activity.TALKING, Presence.AVAILABLE)
    assert agent(acd, "cat").activity is Activity.IDLE


def test_two_contacts_never_ring_at_one_agent() -> None:
    acd = center()
    occupy(acd, 9.0, "ann", "bob", "cat")
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 10.0), entered("c3", 10.0, requires=Held("en")))
    assert release(acd, 11.0, "ann", "bob", "cat") == ["c1 rings ann", "c2 rings bob"]
    told = acd.step(PresenceChosen("ann", Presence.LOGGED_OUT), 12.0)
    assert [each.activity for each in told if isinstance(each, AgentChanged)] == [Activity.RESERVED]
    run(acd, 13.0, accepted("c1.o1"), TalkEnded("ann", "c1", 0.0), Tick())
    assert agent(acd, "ann").presence is Presence.LOGGED_OUT
