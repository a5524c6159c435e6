"""The ACD by example: history, input, decisions."""

import pytest

from routing.acd.engine import Acd
from routing.messages import (
    AgentChanged,
    DeviceChanged,
    Left,
    MakeOffer,
    PresenceChosen,
    RescindOffer,
    TalkEnded,
    Tick,
    WrapUpFinished,
    WrapUpOver,
)
from routing.model import (
    RONA,
    Activity,
    AgentOrder,
    Choice,
    Outcome,
    Presence,
    QueueRules,
)
from routing.requirement import needing
from tests.acd import agent, entered, offers, run, settled, site, staffed

EN = needing({"en": 1})


def test_a_contact_is_offered_at_once_to_the_agent_idle_longest() -> None:
    acd = staffed(site({"bob": {}, "ann": {}}))
    changed, offer = acd.step(entered("c1", 10.0), 10.0)
    assert isinstance(changed, AgentChanged)
    assert (changed.activity, changed.since, changed.contact_id) == (Activity.RESERVED, 10.0, "c1")
    assert isinstance(offer, MakeOffer)
    assert (offer.offer_id, offer.agent_id, offer.made_at, offer.expires_at) == ("c1.o1", "bob", 10.0, 30.0)
    assert acd.next_at() == 30.0


def test_the_trace_says_why_this_pair() -> None:
    rules = QueueRules("orders", agent_order=AgentOrder.MOST_PROFICIENT)
    acd = staffed(site({"ann": {"en": 2}, "bob": {"en": 4}, "mute": {}}, rules))
    offer = acd.step(entered("c1", 8.0, requires=EN, preferred_agent="mute"), 10.0)[-1]
    assert isinstance(offer, MakeOffer)
    assert offer.trace.as_dict() == {
        "why": "arrival",
        "queue": "orders",
        "step": 0,
        "requires": "en >= 1",
        "rank": 1,
        "value_tier": 1,
        "wait_s": 2.0,
        "score": 2.0,
        "idle_s": 8.0,
        "proficiency": 4,
        "heads": [["bob", 2.0]],
        "excluded": [["mute", "may_not_serve"]],
        "comeback": False,
        "overdue": False,
    }


def test_an_agent_without_the_skills_is_never_offered_the_contact() -> None:
    acd = staffed(site({"ann": {"en": 2}}))
    assert acd.step(entered("c1", 10.0, requires=needing({"en": 3})), 10.0) == []
    assert [view.entered.contact_id for view in acd.snapshot().queues[0].waiting] == ["c1"]


def test_the_needs_of_the_queue_bind_every_contact_in_it() -> None:
    acd = staffed(site({"ann": {"en": 2}, "bob": {}}, QueueRules("orders", requires=needing({"en": 2}))))
    assert offers(acd.step(entered("c1", 10.0), 10.0)) == [("c1", "ann")]
    assert offers(acd.step(entered("c2", 10.0), 10.0)) == []


def test_a_freed_agent_gets_the_highest_tier_then_the_oldest_then_the_lower_id() -> None:
    acd = Acd(site({"ann": {"en": 5}}), 0.0)
    run(
        acd,
        50.0,
        entered("young", 40.0),
        entered("old-b", 20.0),
        entered("old-a", 20.0, requires=EN),
        entered("vip", 49.0, value_tier=0),
    )
    acd.step(DeviceChanged("ann", reachable=True), 50.0)
    order = []
    decisions = acd.step(PresenceChosen("ann", Presence.AVAILABLE), 50.0)
    while made := offers(decisions):
        contact_id = made[0][0]
        order.append(contact_id)
        acd.step(settled(f"{contact_id}.o1", Outcome.ACCEPTED), 51.0)
        decisions = acd.step(TalkEnded("ann", contact_id, wrap_up_s=0.0), 52.0)
    assert order == ["vip", "old-a", "old-b", "young"]


def test_a_refused_contact_goes_to_the_next_agent_at_once_and_keeps_its_age() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    decisions = acd.step(settled("c1.o1", Outcome.REJECTED), 12.0)
    assert offers(decisions) == [("c1", "bob")]
    assert acd.snapshot().queues[0].waiting[0].entered.entered_at == 10.0
    made = decisions[-1]
    assert isinstance(made, MakeOffer)
    assert made.offer_id == "c1.o2"
    assert made.trace.excluded == (("ann", "rejected"),)


@pytest.mark.parametrize(
    ("outcome", "delay_s"),
    [(Outcome.REJECTED, 5.0), (Outcome.BUSY, 10.0), (Outcome.UNREACHABLE, 5.0), (Outcome.FAILED, 5.0)],
)
def test_the_only_agent_gets_the_contact_again_after_the_delay_of_the_outcome(outcome: Outcome, delay_s: float) -> None:
    acd = staffed(site({"ann": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    assert offers(acd.step(settled("c1.o1", outcome), 12.0)) == []
    assert acd.next_at() == 12.0 + delay_s
    assert offers(acd.step(Tick(), 12.0 + delay_s)) == [("c1", "ann")]


def test_an_agent_who_refused_is_passed_over_while_another_is_ready() -> None:
    acd = staffed(site({"ann": {}, "bob": {}, "cat": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(settled("c1.o1", Outcome.REJECTED), 10.0)  # by ann, idle longest; now with bob
    assert acd.step(Tick(), 16.0) == []
    assert agent(acd, "ann").spared_until is None
    decisions = acd.step(settled("c1.o2", Outcome.REJECTED), 20.0)
    assert offers(decisions) == [("c1", "cat")]


def test_an_offer_that_rings_out_sends_the_agent_to_aux_rona_and_the_contact_to_the_next() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    assert acd.step(Tick(), 29.9) == []
    decisions = acd.step(Tick(), 30.0)
    assert decisions[0] == RescindOffer("c1.o1", "c1", Outcome.NO_ANSWER)
    assert offers(decisions) == [("c1", "bob")]
    assert (agent(acd, "ann").presence, agent(acd, "ann").aux_code) == (Presence.AUX, RONA)


def test_a_break_chosen_while_the_phone_rang_is_not_overwritten_by_rona() -> None:
    acd = staffed(site({"ann": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    requested = acd.step(PresenceChosen("ann", Presence.AUX, "lunch"), 11.0)
    assert [each.requested_next for each in requested if isinstance(each, AgentChanged)] == [
        Choice(Presence.AUX, "lunch")
    ]
    acd.step(Tick(), 30.0)
    assert agent(acd, "ann").aux_code == "lunch"


def test_a_caller_who_leaves_while_offered_frees_the_agent_for_the_next_contact() -> None:
    acd = staffed(site({"ann": {}}))
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 10.0))
    decisions = acd.step(Left("c1"), 11.0)
    assert decisions[0] == RescindOffer("c1.o1", "c1", Outcome.CALLER_GONE)
    assert offers(decisions) == [("c2", "ann")]
    assert acd.step(settled("c1.o1", Outcome.CALLER_GONE), 11.1) == []


def test_a_contact_moved_by_a_rule_has_its_offer_rescinded() -> None:
    acd = staffed(site({"ann": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    assert acd.step(Left("c1", abandoned=False), 11.0)[0] == RescindOffer("c1.o1", "c1", Outcome.RESCINDED)


def test_a_contact_that_enters_another_queue_keeps_its_age_and_never_repeats_an_offer_id() -> None:
    acd = staffed(site({"ann": {}, "bob": {"vip": 1}}, QueueRules("orders"), QueueRules("vip", needing({"vip": 1}))))
    acd.step(entered("c1", 10.0), 10.0)
    decisions = acd.step(entered("c1", 10.0, queue="vip"), 15.0)
    assert decisions[0] == RescindOffer("c1.o1", "c1", Outcome.RESCINDED)
    made = decisions[-1]
    assert isinstance(made, MakeOffer)
    assert (made.offer_id, made.agent_id, made.trace.wait_s) == ("c1.o2", "bob", 5.0)


def test_a_contact_that_moves_competes_at_once_for_the_agent_it_releases() -> None:
    acd = staffed(site({"ann": {}}, QueueRules("orders"), QueueRules("other")))
    run(acd, 10.0, entered("c1", 10.0, value_tier=0), entered("c2", 10.0))
    assert offers(acd.step(entered("c1", 10.0, value_tier=0, queue="other"), 11.0)) == [("c1", "ann")]


def test_the_agent_released_by_a_move_serves_by_priority_even_if_the_mover_prefers_them() -> None:
    acd = staffed(site({"ann": {}}))
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 10.0, value_tier=0))
    assert offers(acd.step(entered("c1", 10.0, preferred_agent="ann"), 11.0)) == [("c2", "ann")]


def test_entering_told_twice_changes_nothing() -> None:
    acd = staffed(site({"ann": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    assert acd.step(entered("c1", 10.0), 10.5) == []


def test_offer_ids_go_on_where_the_session_says_they_stopped() -> None:
    acd = staffed(site({"ann": {}}))
    made = acd.step(entered("c1", 10.0, offers_made=4), 10.0)[-1]
    assert isinstance(made, MakeOffer)
    assert made.offer_id == "c1.o5"


def test_talk_then_wrap_up_then_idle_again() -> None:
    acd = staffed(site({"ann": {}}))
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 10.0), settled("c1.o1", Outcome.ACCEPTED))
    assert agent(acd, "ann").activity is Activity.TALKING
    acd.step(TalkEnded("ann", "c1"), 100.0)
    assert (agent(acd, "ann").activity, acd.next_at()) == (Activity.WRAP_UP, 115.0)
    decisions = acd.step(Tick(), 115.0)
    assert decisions[0] == WrapUpOver("ann", "c1")
    assert offers(decisions) == [("c2", "ann")]


def test_wrap_up_can_be_finished_early_and_only_once() -> None:
    acd = staffed(site({"ann": {}}))
    run(acd, 10.0, entered("c1", 10.0), settled("c1.o1", Outcome.ACCEPTED), TalkEnded("ann", "c1", 60.0))
    assert acd.step(WrapUpFinished("ann"), 20.0)[0] == WrapUpOver("ann", "c1")
    assert agent(acd, "ann").ready_since == 20.0
    assert acd.next_at() is None
    assert acd.step(WrapUpFinished("ann"), 21.0) == []
    assert acd.step(Tick(), 70.0) == []


def test_the_end_of_another_talk_does_not_end_this_one() -> None:
    acd = staffed(site({"ann": {}}))
    run(acd, 10.0, entered("c1", 10.0), settled("c1.o1", Outcome.ACCEPTED))
    assert acd.step(TalkEnded("ann", "c0"), 11.0) == []
    assert agent(acd, "ann").activity is Activity.TALKING


def test_a_log_out_chosen_while_talking_takes_effect_after_wrap_up() -> None:
    acd = staffed(site({"ann": {}}))
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 10.0), settled("c1.o1", Outcome.ACCEPTED))
    acd.step(PresenceChosen("ann", Presence.LOGGED_OUT), 50.0)
    assert agent(acd, "ann").presence is Presence.AVAILABLE
    acd.step(TalkEnded("ann", "c1"), 100.0)
    assert offers(acd.step(Tick(), 115.0)) == []
    assert agent(acd, "ann").presence is Presence.LOGGED_OUT


def test_a_lost_phone_excludes_its_agent_without_penalty_until_it_registers_again() -> None:
    acd = staffed(site({"ann": {}}))
    acd.step(DeviceChanged("ann", reachable=False), 5.0)
    assert offers(acd.step(entered("c1", 10.0), 10.0)) == []
    assert agent(acd, "ann").presence is Presence.AVAILABLE
    assert offers(acd.step(DeviceChanged("ann", reachable=True), 60.0)) == [("c1", "ann")]
    assert agent(acd, "ann").ready_since == 1.0


def test_a_phone_lost_while_ringing_passes_the_contact_on_and_does_not_send_its_agent_to_aux() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    decisions = acd.step(DeviceChanged("ann", reachable=False), 12.0)
    assert RescindOffer("c1.o1", "c1", Outcome.UNREACHABLE) in decisions
    assert offers(decisions) == [("c1", "bob")]
    assert agent(acd, "ann").presence is Presence.AVAILABLE


def test_a_new_registration_ends_the_delay_of_an_unreachable_phone_but_not_of_a_refusal() -> None:
    acd = staffed(site({"ann": {}}))
    run(acd, 10.0, entered("c1", 10.0), settled("c1.o1", Outcome.UNREACHABLE))
    assert offers(acd.step(DeviceChanged("ann", reachable=True), 11.0)) == [("c1", "ann")]
    acd.step(settled("c1.o2", Outcome.REJECTED), 12.0)
    assert offers(acd.step(DeviceChanged("ann", reachable=True), 13.0)) == []


def test_the_preferred_agent_serves_if_ready_even_if_another_is_idle_longer() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}))
    made = acd.step(entered("c1", 10.0, preferred_agent="bob"), 10.0)[-1]
    assert isinstance(made, MakeOffer)
    assert (made.agent_id, made.trace.why) == ("bob", "affinity")
    assert offers(acd.step(entered("c2", 11.0, preferred_agent="bob"), 11.0)) == [("c2", "ann")]


def test_time_does_not_run_backwards() -> None:
    acd = staffed(site({"ann": {}}))
    acd.step(Tick(), 100.0)
    made = acd.step(entered("c1", 40.0), 40.0)[-1]
    assert isinstance(made, MakeOffer)
    assert (made.made_at, made.expires_at) == (100.0, 120.0)


def test_the_snapshot_counts_agents_by_state_and_names_the_oldest_contact() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}))
    run(acd, 10.0, PresenceChosen("bob", Presence.AUX, "lunch"), entered("c1", 9.0), entered("c2", 8.0))
    snapshot = acd.snapshot()
    assert snapshot.agents_by_state() == {
        (Presence.AVAILABLE, Activity.RESERVED): 1,
        (Presence.AUX, Activity.IDLE): 1,
    }
    assert snapshot.queues[0].oldest_entered_at == 8.0
    assert [view.entered.contact_id for view in snapshot.queues[0].waiting] == ["c2", "c1"]
