"""An agent who talks in a contact that no offer brought: dialed themselves, or called directly."""

from dataclasses import replace

import pytest

from routing.acd.engine import Acd
from routing.messages import AgentChanged, Engaged, PresenceChosen, TalkEnded, Tick, WrapUpOver
from routing.model import Activity, Outcome, Presence, QueueRules
from tests.acd import accepted, agent, contact, entered, in_queues, offers, run, said, settled, site, staffed


def center(*, outbound_counts: bool = True, **rules: object) -> Acd:
    """Ann and bob, ready at 1 s and 2 s."""
    config = site({"ann": {}, "bob": {}}, QueueRules("orders", **rules))  # type: ignore[arg-type]
    return staffed(replace(config, outbound_counts=outbound_counts))


def test_who_dials_out_is_offered_nothing_meanwhile() -> None:
    acd = center()
    (told,) = acd.step(Engaged("ann", "out"), 5.0)
    assert isinstance(told, AgentChanged)
    assert (told.activity, told.contact_id, told.cause) == (Activity.TALKING, "out", "engaged")
    assert offers(acd.step(entered("c1", 10.0), 10.0)) == [("c1", "bob")]
    assert offers(acd.step(entered("c2", 10.0), 10.0)) == []
    assert said(acd.step(TalkEnded("ann", "out"), 20.0)) == ["c2 rings ann"]


@pytest.mark.parametrize(("counts", "first"), [(True, "bob"), (False, "ann")])
def test_a_talk_of_ones_own_counts_in_longest_idle_or_not_as_the_site_says(counts: bool, first: str) -> None:
    acd = center(outbound_counts=counts)
    run(acd, 5.0, Engaged("ann", "out"))
    run(acd, 20.0, TalkEnded("ann", "out", 10.0))
    acd.step(Tick(), 30.0)
    assert agent(acd, "ann").ready_since == (30.0 if counts else 1.0)
    assert offers(acd.step(entered("c1", 40.0), 40.0)) == [("c1", first)]


def test_an_inbound_talk_counts_whatever_is_said_of_outbound_ones() -> None:
    acd = center(outbound_counts=False)
    run(acd, 10.0, entered("c1", 10.0), accepted("c1.o1"))
    run(acd, 50.0, TalkEnded("ann", "c1", 0.0))
    assert agent(acd, "ann").ready_since == 50.0


def test_dialing_out_during_wrap_up_does_not_undo_the_inbound_talk_before() -> None:
    acd = center(outbound_counts=False)
    run(acd, 10.0, entered("c1", 10.0), accepted("c1.o1"))
    run(acd, 50.0, TalkEnded("ann", "c1", 30.0))
    told = acd.step(Engaged("ann", "out"), 60.0)
    assert told[0] == WrapUpOver("ann", "c1")
    run(acd, 70.0, TalkEnded("ann", "out"))
    assert agent(acd, "ann").ready_since == 60.0
    assert acd.next_at() is None


def test_who_is_rung_and_dials_out_lets_the_offer_go_without_penalty() -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    assert said(acd.step(Engaged("ann", "out"), 12.0)) == ["c1.o1 rescinded", "c1 rings bob"]
    ann = agent(acd, "ann")
    assert (ann.activity, ann.contact_id, ann.misses, ann.spared_until) == (Activity.TALKING, "out", 0, None)
    assert contact(acd, "c1").entered.entered_at == 10.0


def test_who_talks_already_is_not_taken_from_that() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0), accepted("c1.o1"))
    assert acd.step(Engaged("ann", "out"), 12.0) == []
    assert agent(acd, "ann").contact_id == "c1"


def test_who_is_on_a_break_or_logged_out_may_dial_and_is_there_again_afterwards() -> None:
    acd = center()
    run(acd, 5.0, PresenceChosen("ann", Presence.AUX, "lunch"), Engaged("ann", "out"))
    assert agent(acd, "ann").activity is Activity.TALKING
    run(acd, 6.0, TalkEnded("ann", "out"))
    assert (agent(acd, "ann").presence, agent(acd, "ann").aux_code) == (Presence.AUX, "lunch")


def test_a_break_chosen_while_dialing_out_begins_after_it() -> None:
    acd = center()
    run(acd, 5.0, Engaged("ann", "out"), PresenceChosen("ann", Presence.AUX, "lunch"))
    assert agent(acd, "ann").presence is Presence.AVAILABLE
    run(acd, 6.0, TalkEnded("ann", "out"))
    assert agent(acd, "ann").aux_code == "lunch"


def test_dialing_out_ends_the_delay_of_an_offer_let_go() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0), settled("c1.o1", Outcome.REJECTED), settled("c1.o2", Outcome.ACCEPTED))
    run(acd, 11.0, Engaged("ann", "out"), TalkEnded("ann", "out"))
    assert agent(acd, "ann").spared_until is None
    assert offers(acd.step(entered("c2", 12.0), 12.0)) == [("c2", "ann")]


def test_a_talk_of_ones_own_is_no_contact_taken() -> None:
    acd = center()
    run(acd, 5.0, Engaged("ann", "out"), TalkEnded("ann", "out"))
    assert agent(acd, "ann").contacts == 0


def test_wrap_up_after_a_talk_of_ones_own_is_as_told_and_none_otherwise() -> None:
    acd = center(wrap_up_s=60.0)
    run(acd, 5.0, Engaged("ann", "out"), TalkEnded("ann", "out"))
    assert agent(acd, "ann").activity is Activity.IDLE
    run(acd, 6.0, Engaged("ann", "out2"), TalkEnded("ann", "out2", 9.0))
    assert (agent(acd, "ann").activity, acd.next_at()) == (Activity.WRAP_UP, 15.0)


def test_an_agent_whom_the_site_does_not_know_is_nobody_s_business() -> None:
    acd = center()
    assert acd.step(Engaged("nobody", "out"), 5.0) == []


def test_the_end_of_another_talk_does_not_end_this_one() -> None:
    acd = center()
    run(acd, 5.0, Engaged("ann", "out"))
    assert acd.step(TalkEnded("ann", "other"), 6.0) == []
    assert agent(acd, "ann").contact_id == "out"


def test_who_waits_for_the_one_who_dials_out_waits_on() -> None:
    acd = center(preferred_wait_s=60.0)
    run(acd, 5.0, Engaged("ann", "out"))
    acd.step(entered("c1", 10.0, preferred_agent="ann"), 10.0)
    assert in_queues(acd) == ["c1"]
    assert contact(acd, "c1").offers == ()
    assert said(acd.step(TalkEnded("ann", "out"), 30.0)) == ["c1 rings ann"]
