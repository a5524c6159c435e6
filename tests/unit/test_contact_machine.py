"""The contact machine, as the specification of what happens to a caller."""

import itertools
from typing import get_args

import pytest

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.machine import TABLE, Race, advance, fail, resume
from callcenter.contact.model import Phase
from callcenter.contact.offer_steps import outcome_of
from routing.requirement import Held
from tests.contacts import (
    AGENT,
    CALLED,
    CALLER,
    CLOSED,
    CUSTOMER,
    HISTORIES,
    ID,
    MENU,
    OFFER,
    OTHER_OFFER,
    PHONE,
    PLAN,
    RINGING,
    TALKING,
    after,
    arrival,
    gapless,
    offer,
    steps,
    types,
)

ALL_SIGNALS = get_args(sig.Signal)

ON_THE_LINE = (*(Phase.IVR, Phase.QUEUED, Phase.CONNECTING), *(Phase.TALKING, Phase.HELD, Phase.OUTSIDE, Phase.GOODBYE))

# A contact that is in its flow, or talks with a phone outside, never was in a queue.
NEVER_QUEUED = (Phase.IVR, Phase.OUTSIDE)

# Pairs that only a bug of ours could bring together; everything else is in the table.
IMPOSSIBLE = {
    *itertools.product(NEVER_QUEUED, (sig.OfferProposed, sig.OfferWithdrawn, sig.WrapUpOver)),
    *itertools.product(NEVER_QUEUED, (sig.StepTaken, sig.Diverted, sig.Estimated, sig.WaitTold)),
    *itertools.product(NEVER_QUEUED, (sig.AgentRinging, sig.AgentAnswered, sig.AgentLegEnded)),
    *itertools.product(NEVER_QUEUED, (sig.AgentHeld, sig.AgentResumed)),
    *((phase, sig.WrapUpOver) for phase in (Phase.QUEUED, Phase.CONNECTING, Phase.TALKING, Phase.HELD)),
    *((phase, sig.OfferProposed) for phase in (Phase.TALKING, Phase.HELD)),
    (Phase.GOODBYE, sig.WrapUpOver),
    *((phase, sig.LegsApart) for phase in Phase if phase not in {Phase.TALKING, Phase.HELD, Phase.OUTSIDE}),
    *itertools.product(NEVER_QUEUED, (sig.CustomerAnswered, sig.CustomerLegEnded)),
    *((phase, sig.CallbackDue) for phase in ON_THE_LINE),
    *((phase, sig.CallbackOver) for phase in (*ON_THE_LINE, Phase.DIALING)),
    (Phase.DIALING, sig.OfferProposed),
}


def test_every_pair_of_phase_and_signal_is_accounted_for() -> None:
    pairs = set(itertools.product(Phase, ALL_SIGNALS))
    assert set(TABLE) == pairs - IMPOSSIBLE


def test_every_race_says_how_the_two_came_to_meet() -> None:
    assert all(len(cell.how) > 20 for cell in TABLE.values() if isinstance(cell, Race))


@pytest.mark.parametrize("phase", list(Phase))
def test_the_histories_of_these_tests_lead_where_they_say(phase: Phase) -> None:
    hotline, history = HISTORIES[phase]
    assert after(*history, hotline=hotline).phase is phase


def test_an_impossible_pair_is_a_bug_and_says_so() -> None:
    with pytest.raises(AssertionError, match="OfferProposed can't reach a contact in phase ivr"):
        advance(arrival(MENU).contact, offer(), PLAN, 101.0)


def test_a_caller_on_the_vip_line_is_answered_and_queued_in_one_step() -> None:
    step = arrival(customer=CUSTOMER)
    assert types([step]) == ["contact.started", "queue.entered"]
    taken, entered, music = step.commands
    assert taken == ask.TakeCall(CALLER, ID)
    assert isinstance(entered, ask.EnterQueue)
    assert entered.requires == Held("en")
    assert (entered.value_tier, entered.preferred_agent, entered.customer_id) == (1, "agent03", "c1")
    told = step.events[1]
    assert isinstance(told, ev.QueueEntered)
    assert (told.needs, told.requires) == ({"vip": 3, "en": 1}, "en and vip >= 3")
    assert music == ask.StartMusic(CALLER, "default")


def test_an_unknown_caller_gets_the_default_tier_and_the_hotlines_language() -> None:
    contact = arrival().contact
    assert (contact.value_tier, contact.language) == ("basic", "zh-TW")


def test_a_key_in_the_menu_leads_to_the_queue_with_its_announcement_and_then_music() -> None:
    made = steps(sig.PromptEnded(f"{ID}.p1"), sig.DigitPressed("1"), sig.PromptEnded(f"{ID}.p3"), hotline=MENU)
    assert types(made)[-2:] == ["ivr.left", "queue.entered"]
    stopped, entered, announced = made[2].commands
    assert stopped == ask.StopSaying(CALLER, f"{ID}.p2")
    assert isinstance(entered, ask.EnterQueue)
    assert announced == ask.Say(CALLER, f"{ID}.p3", ("please_hold",), "zh-TW")
    assert made[3].commands == (ask.StartMusic(CALLER, "default"),)


def test_the_end_of_a_prompt_that_a_key_cut_short_changes_nothing() -> None:
    made = steps(sig.PromptEnded(f"{ID}.p1"), sig.DigitPressed("9"), sig.PromptEnded(f"{ID}.p2"), hotline=MENU)
    assert made[-1].events == ()
    assert made[-1].commands == ()


def test_a_prompt_that_cannot_be_played_does_not_strand_the_caller() -> None:
    step = steps(sig.CommandFailed("Say", f"{ID}.p1", "500"), hotline=MENU)[-1]
    assert step.commands == (ask.Say(CALLER, f"{ID}.p2", ("menu",), "zh-TW"),)


def test_a_caller_to_the_closed_line_hears_it_and_is_let_go() -> None:
    made = steps(sig.PromptEnded(f"{ID}.p1"), hotline=CLOSED)
    assert made[-1].contact.phase is Phase.ENDED
    assert made[-1].commands == (ask.HangUp(CALLER),)
    ended = made[-1].events[-1]
    assert isinstance(ended, ev.ContactEnded)
    assert (ended.end_state, ended.ended_by) == ("closed", "system")


def test_an_offer_rings_the_desk_and_shows_the_customer_card() -> None:
    step = steps(offer(), customer=CUSTOMER)[-1]
    made = step.events[0]
    assert isinstance(made, ev.OfferMade)
    assert made.card["name"] == "林小姐"
    (ring,) = step.commands
    assert isinstance(ring, ask.RingDesk)
    assert (ring.leg_id, ring.agent_id, ring.ring_s) == (OFFER, AGENT, 20.0)


def test_an_answer_joins_both_cuts_the_music_and_records() -> None:
    made = steps(*TALKING)
    assert types(made)[-5:] == ["offer.ringing", "offer.settled", "queue.left", "talk.started", "recording.started"]
    settle, music, join, cap, record = made[-1].commands
    assert settle == ask.SettleOffer(OFFER, "accepted")
    assert music == ask.StopMusic(CALLER)
    assert join == ask.Join(f"{ID}.b1", (CALLER, OFFER))
    assert cap == ask.CapLease(CALLER)
    assert isinstance(record, ask.StartRecording)
    assert made[-1].contact.wait_s == 30.0


def test_an_answer_during_the_announcement_cuts_it() -> None:
    history = (sig.PromptEnded(f"{ID}.p1"), sig.DigitPressed("1"), offer(), sig.AgentAnswered(OFFER))
    step = steps(*history, hotline=MENU)[-1]
    assert ask.StopSaying(CALLER, f"{ID}.p3") in step.commands
    assert ask.Join(f"{ID}.b1", (CALLER, OFFER), cut_prompt=True) in step.commands
    assert not any(isinstance(command, ask.StopMusic) for command in step.commands)


def test_a_queue_without_recording_is_not_recorded() -> None:
    history = (sig.PromptEnded(f"{ID}.p1"), sig.DigitPressed("2"), offer(), sig.AgentAnswered(OFFER))
    assert "recording.started" not in types(steps(*history, hotline=MENU))


@pytest.mark.parametrize(
    ("cause", "sip", "rang", "outcome"),
    [
        (17, 486, True, "busy"),
        (21, 603, True, "rejected"),
        (20, 480, False, "unreachable"),
        (19, 480, True, "no_answer"),
        (19, 0, True, "no_answer"),
        (1, 404, False, "unreachable"),
        (0, 503, False, "unreachable"),
        (127, 488, False, "failed"),
    ],
)
def test_the_end_of_an_unanswered_leg_tells_how_the_offer_went(cause: int, sip: int, rang: bool, outcome: str) -> None:
    assert outcome_of(cause, sip, rang=rang) == outcome


def test_a_refused_offer_settles_and_the_caller_keeps_place_and_music() -> None:
    step = steps(*RINGING, sig.AgentLegEnded(OFFER, cause=21, sip=603))[-1]
    assert step.contact.phase is Phase.QUEUED
    assert step.contact.queued_at == 100.0
    assert step.commands == (ask.SettleOffer(OFFER, "rejected"),)


def test_a_desk_that_cannot_be_rung_is_unreachable() -> None:
    step = steps(offer(), sig.CommandFailed("RingDesk", OFFER, "Allocation failed"))[-1]
    assert step.commands == (ask.SettleOffer(OFFER, "unreachable"),)


def test_the_floors_deadline_stops_the_phone() -> None:
    step = steps(*RINGING, sig.OfferWithdrawn(OFFER, "no_answer"))[-1]
    assert step.commands == (ask.HangUp(OFFER, "no_answer"),)
    assert step.contact.phase is Phase.QUEUED


def test_who_picks_up_too_late_is_let_go() -> None:
    step = steps(*RINGING, sig.OfferWithdrawn(OFFER, "no_answer"), sig.AgentAnswered(OFFER))[-1]
    assert step.commands == (ask.HangUp(OFFER, "answered_elsewhere"),)


def test_a_caller_who_hangs_up_while_a_phone_rings_stops_it() -> None:
    made = steps(*RINGING, sig.CallerLeft("caller", 127))
    assert made[-1].commands == (
        ask.HangUp(OFFER, "no_answer"),
        ask.SettleOffer(OFFER, "caller_gone"),
        ask.LeaveQueue(ID),
    )
    assert types(made)[-4:] == ["offer.settled", "queue.left", "caller.left", "contact.ended"]
    assert made[-1].contact.end_state == "abandoned_queue"


def test_an_offer_that_reaches_a_contact_whose_caller_left_is_declined() -> None:
    step = steps(sig.CallerLeft("caller"), offer())[-1]
    assert step.commands == (ask.SettleOffer(OFFER, "caller_gone"),)
    assert step.events == ()


@pytest.mark.parametrize(
    ("leaves", "by", "other"),
    [(sig.CallerLeft("caller", 16), "caller", OFFER), (sig.AgentLegEnded(OFFER, 16), "agent", CALLER)],
)
def test_whoever_hangs_up_ends_the_talk_for_both(leaves: sig.Signal, by: str, other: str) -> None:
    step = steps(*TALKING, leaves)[-1]
    hang_up, drop, finish = step.commands
    assert hang_up == ask.HangUp(other)
    assert drop == ask.DropBridge(f"{ID}.b1")
    assert finish == ask.FinishTalk(ID, AGENT, 15.0)
    assert step.contact.phase is Phase.WRAP_UP
    assert (step.contact.ended_by, step.contact.talk_s) == (by, 10.0)


def test_hold_is_not_talk() -> None:
    made = steps(*TALKING, sig.AgentHeld(OFFER), sig.AgentResumed(OFFER), sig.CallerLeft("caller"))
    contact = made[-1].contact
    assert (contact.talk_s, contact.hold_s) == (20.0, 10.0)


def test_a_caller_who_leaves_on_hold_ends_the_hold_too() -> None:
    made = steps(*TALKING, sig.AgentHeld(OFFER), sig.CallerLeft("caller"))
    assert "hold.ended" in types(made)
    assert (made[-1].contact.talk_s, made[-1].contact.hold_s) == (10.0, 10.0)


def test_the_contact_ends_with_the_agents_wrap_up_and_counts_its_events() -> None:
    made = steps(*TALKING, sig.CallerLeft("caller"), sig.WrapUpOver(AGENT))
    ended = made[-1].events[-1]
    assert isinstance(ended, ev.ContactEnded)
    assert ended.seq_total == made[-1].contact.seq == len(types(made))
    assert (ended.wait_s, ended.talk_s, ended.wrap_up_s) == (30.0, 10.0, 10.0)
    assert gapless(made)


def test_a_recording_that_could_not_start_leaves_the_talk_alone() -> None:
    step = steps(*TALKING, sig.CommandFailed("StartRecording", f"{ID}.r1", "no such channel"))[-1]
    assert types([step]) == ["recording.failed"]
    assert step.contact.phase is Phase.TALKING


def test_two_people_who_cannot_be_joined_are_not_left_in_silence() -> None:
    step = steps(*TALKING, sig.CommandFailed("Join", f"{ID}.b1", "500"))[-1]
    assert ask.SendToFallback(CALLER) in step.commands
    assert ask.HangUp(OFFER) in step.commands
    assert ask.StopRecording(f"{ID}.r1", CALLER) in step.commands, "what they say to the fallback is not recorded"


@pytest.mark.parametrize("by", ["fallback", "caller"])
def test_whom_asterisk_takes_to_the_fallback_is_recorded_no_more(by: str) -> None:
    step = steps(*TALKING, sig.CallerLeft(by))[-1]
    stopped = ask.StopRecording(f"{ID}.r1", CALLER) in step.commands
    assert stopped is (by == "fallback"), "a channel that is gone took its recording with it"


def test_a_call_that_cannot_be_answered_goes_to_the_fallback() -> None:
    step = steps(sig.CommandFailed("TakeCall", CALLER, "500"))[-1]
    assert step.contact.phase is Phase.ENDED
    assert ask.SendToFallback(CALLER) in step.commands


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.ENDED])
def test_a_failed_contact_is_closed_and_nobody_is_forgotten(phase: Phase) -> None:
    hotline, history = HISTORIES[phase]
    contact = after(*history, hotline=hotline)
    step = fail(contact, "a bug", PLAN, 300.0)
    assert step.contact.phase is Phase.ENDED
    assert step.events[0] == ev.ContactFailed("a bug")
    assert isinstance(step.events[-1], ev.ContactEnded)
    assert (ask.SendToFallback(CALLER) in step.commands) == bool(contact.channel_id)
    legs = {command.channel_id for command in step.commands if isinstance(command, ask.HangUp)}
    dialed = {Phase.DIALING: {CALLED}, Phase.OUTSIDE: {PHONE}}
    assert legs == ({OFFER} if contact.offers or contact.talk else dialed.get(phase, set()))
    assert step.contact.offers == ()


def test_who_should_talk_and_was_never_joined_is_joined_and_nobody_else_is_disturbed() -> None:
    talking = after(*TALKING)
    step = advance(talking, sig.LegsApart(OFFER), PLAN, 300.0)
    assert step.commands == (
        ask.StopMusic(CALLER),
        ask.Join(f"{ID}.b1", (CALLER, OFFER)),
        ask.CapLease(CALLER),
    )
    assert step.contact == talking
    assert advance(talking, sig.LegsApart(OTHER_OFFER), PLAN, 300.0).commands == ()


def test_after_a_restart_the_music_is_asked_for_again_for_we_may_have_died_before_it_was() -> None:
    waiting = after()
    assert waiting.music_on
    assert ask.StartMusic(CALLER, "default") in resume(waiting, PLAN, 300.0).commands
