"""Several phones ring for one contact: the first answer wins, and nobody else is left with a ringing phone."""

from dataclasses import replace

import pytest

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.machine import resume
from callcenter.contact.model import Phase
from tests.contacts import BOTH_RINGING, CALLER, ID, OFFER, OTHER_OFFER, PLAN, after, offer, steps, types


def settled(events: tuple[ev.ContactEvent, ...]) -> list[tuple[str, str]]:
    """How offers settled in this step, in order."""
    return [(event.offer_id, event.outcome) for event in events if isinstance(event, ev.OfferSettled)]


def test_a_second_offer_rings_beside_the_first() -> None:
    made = steps(*BOTH_RINGING)
    assert types(made)[-4:] == ["offer.made", "offer.ringing", "offer.made", "offer.ringing"]
    contact = made[-1].contact
    assert contact.phase is Phase.CONNECTING
    assert [(each.offer_id, each.agent_id, each.ringing) for each in contact.offers] == [
        (OFFER, "agent01", True),
        (OTHER_OFFER, "agent02", True),
    ]


@pytest.mark.parametrize(("first", "other"), [(OFFER, OTHER_OFFER), (OTHER_OFFER, OFFER)])
def test_the_first_answer_wins_and_the_other_phone_logs_no_missed_call(first: str, other: str) -> None:
    step = steps(*BOTH_RINGING, sig.AgentAnswered(first))[-1]
    assert settled(step.events) == [(first, "accepted"), (other, "rescinded")]
    assert step.commands[:2] == (ask.SettleOffer(first, "accepted"), ask.HangUp(other, "answered_elsewhere"))
    assert ask.Join(f"{ID}.b1", (CALLER, first)) in step.commands
    talk = step.contact.talk
    assert talk is not None
    assert talk.leg_id == first
    assert step.contact.offers == ()


def test_that_the_floor_rescinds_the_losers_too_changes_nothing() -> None:
    step = steps(*BOTH_RINGING, sig.AgentAnswered(OFFER), sig.OfferWithdrawn(OTHER_OFFER, "rescinded"))[-1]
    assert (step.events, step.commands) == ((), ())


def test_who_picks_up_just_after_another_did_is_let_go_and_the_talk_goes_on() -> None:
    step = steps(*BOTH_RINGING, sig.AgentAnswered(OFFER), sig.AgentAnswered(OTHER_OFFER))[-1]
    assert step.commands == (ask.HangUp(OTHER_OFFER, "answered_elsewhere"),)
    assert step.contact.phase is Phase.TALKING
    again = steps(*BOTH_RINGING, sig.AgentAnswered(OFFER), sig.AgentAnswered(OFFER))[-1]
    assert again.commands == (), "Up and StasisStart both say that the agent answered"


@pytest.mark.parametrize(
    ("comes_to_nothing", "outcome"),
    [
        (sig.AgentLegEnded(OFFER, cause=21, sip=603), "rejected"),
        (sig.OfferWithdrawn(OFFER, "no_answer"), "no_answer"),
        (sig.CommandFailed("RingDesk", OFFER, "unreachable"), "unreachable"),
    ],
)
def test_an_offer_that_comes_to_nothing_leaves_the_other_ringing(comes_to_nothing: sig.Signal, outcome: str) -> None:
    step = steps(*BOTH_RINGING, comes_to_nothing)[-1]
    assert settled(step.events) == [(OFFER, outcome)]
    assert step.contact.phase is Phase.CONNECTING
    assert [each.offer_id for each in step.contact.offers] == [OTHER_OFFER]


def test_with_the_last_offer_the_contact_is_back_in_the_queue() -> None:
    refusals = (sig.AgentLegEnded(OFFER, cause=21, sip=603), sig.AgentLegEnded(OTHER_OFFER, cause=17, sip=486))
    contact = after(*BOTH_RINGING, *refusals)
    assert contact.phase is Phase.QUEUED
    assert contact.queued_at == 100.0


def test_a_caller_who_leaves_stops_every_phone() -> None:
    step = steps(*BOTH_RINGING, sig.CallerLeft("caller"))[-1]
    assert settled(step.events) == [(OFFER, "caller_gone"), (OTHER_OFFER, "caller_gone")]
    assert step.commands == (
        ask.HangUp(OFFER, "no_answer"),
        ask.SettleOffer(OFFER, "caller_gone"),
        ask.HangUp(OTHER_OFFER, "no_answer"),
        ask.SettleOffer(OTHER_OFFER, "caller_gone"),
        ask.LeaveQueue(ID),
    )


def test_after_a_restart_every_ringing_phone_is_let_go_and_the_caller_keeps_age_and_step_clock() -> None:
    contact = after(*BOTH_RINGING)  # rings from 110 on
    step = resume(contact, PLAN, 200.0)
    assert settled(step.events) == [(OFFER, "rescinded"), (OTHER_OFFER, "rescinded")]
    assert {ask.HangUp(OFFER), ask.HangUp(OTHER_OFFER)} <= set(step.commands)
    (entering,) = [command for command in step.commands if isinstance(command, ask.EnterQueue)]
    assert (entering.entered_at, entering.clock_s, entering.offers_made) == (100.0, 10.0, 2)


def test_the_step_clock_stands_still_while_anything_rings_and_time_that_two_ring_counts_once() -> None:
    first = (offer(), offer(2, "agent02"), sig.OfferWithdrawn(OFFER, "no_answer"))  # 110, 120, 130
    waited = after(*first, sig.OfferWithdrawn(OTHER_OFFER, "no_answer"))  # 140
    assert waited.rang_s == 30.0
    (entering,) = [each for each in resume(waited, PLAN, 150.0).commands if isinstance(each, ask.EnterQueue)]
    assert entering.clock_s == 20.0


def test_a_queue_that_answers_for_its_agents_asks_their_phones_to_pick_up() -> None:
    (ring,) = steps(offer())[-1].commands
    assert isinstance(ring, ask.RingDesk)
    assert not ring.auto_answer
    queues = {**PLAN.queues, "vip": replace(PLAN.queues["vip"], auto_answer=True)}
    (ring,) = steps(offer(), plan=replace(PLAN, queues=queues))[-1].commands
    assert isinstance(ring, ask.RingDesk)
    assert ring.auto_answer
