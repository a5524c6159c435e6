"""The contact that is called back: what it promises, keeps, dials and gives up."""

from dataclasses import replace

import msgspec
import pytest

from callcenter.contact import callback_events as cb
from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.dial_policy import DialPolicy, why_not
from callcenter.contact.machine import advance, fail, resume
from callcenter.contact.model import Callback, Contact, Phase
from routing.messages import DialOutcome
from routing.model import SoFar
from tests.contacts import (
    AGENT,
    AGENT_WAITS,
    CALLBACK,
    CALLED,
    CALLER,
    DIALED,
    GOODBYE,
    ID,
    OFFER,
    OTHER_OFFER,
    PLAN,
    PROMISED,
    RINGING,
    after,
    arrival,
    diverted,
    gapless,
    steps,
    types,
)

NUMBER = "+886910000001"
DIAL = ask.DialOut(CALLED, ID, NUMBER, "0800000200", "0800000200", 30.0)
FAILED, ANSWERED = ask.TellDialed(ID, DialOutcome.FAILED), ask.TellDialed(ID, DialOutcome.ANSWERED)


# --- the promise ---


def test_who_is_to_be_called_back_hears_so_is_let_go_and_waits_on_with_age_and_clock() -> None:
    made = steps(*PROMISED)
    told, let_go = made[-2:]
    assert types([told]) == ["queue.left", "callback.promised"]
    assert told.commands == (ask.StopMusic(CALLER), ask.Say(CALLER, f"{ID}.p1", ("callback",), "zh-TW"))
    left = told.events[0]
    assert isinstance(left, ev.QueueLeft)
    assert (left.outcome, left.why, left.exit_to, left.wait_s) == ("callback", "last_step", "callback", 10.0)
    hang_up, entering = let_go.commands
    assert hang_up == ask.HangUp(CALLER)
    assert isinstance(entering, ask.EnterQueue)
    assert (entering.callback, entering.entered_at, entering.clock_s) == (True, 100.0, 20.0)
    assert entering.so_far == SoFar(0, expires_at=110.0 + 86_400.0)
    assert types([let_go]) == ["callback.waiting"]
    assert (let_go.contact.phase, let_go.contact.channel_id, let_go.contact.on_a_trunk) == (Phase.CALLBACK, "", False)
    assert gapless(made)


def test_who_hangs_up_while_they_hear_the_promise_is_called_back_all_the_same() -> None:
    step = steps(diverted(CALLBACK), sig.CallerLeft("caller", 16))[-1]
    assert step.contact.phase is Phase.CALLBACK
    assert [type(command) for command in step.commands] == [ask.EnterQueue]


def test_the_queues_key_takes_the_caller_out_of_the_queue_and_promises_a_callback() -> None:
    step = steps(sig.DigitPressed("*"))[-1]
    assert step.commands[0] == ask.LeaveQueue(ID, abandoned=False)
    assert cb.CallbackPromised("vip", NUMBER, "key") in step.events
    assert steps(sig.DigitPressed("1"))[-1].commands == ()


@pytest.mark.parametrize(
    ("caller", "policy", "why"),
    [
        (None, PLAN.dial_out, "no_number"),
        (NUMBER, None, "no_dial_out"),
        ("+811234567", PLAN.dial_out, "not_allowed"),
        ("+886204123456", PLAN.dial_out, "not_allowed"),
    ],
)
def test_who_may_not_be_dialed_is_promised_nothing(caller: str | None, policy: DialPolicy | None, why: str) -> None:
    plan = replace(PLAN, dial_out=policy)
    contact = arrival(caller=caller, plan=plan).contact
    step = advance(contact, diverted(CALLBACK), plan, 110.0)
    assert cb.CallbackRefused("vip", caller, why) in step.events
    assert "callback.promised" not in types([step])
    assert ask.Say(CALLER, f"{ID}.p1", ("closed",), "zh-TW") in step.commands
    pressed = advance(contact, sig.DigitPressed("*"), plan, 110.0)
    assert (pressed.contact.phase, pressed.commands) == (Phase.QUEUED, ())


def test_of_two_beginnings_that_fit_the_longer_decides() -> None:
    policy = DialPolicy(allow=("+886", "+8862041"), refuse=("+886204", "+8869"))
    assert [why_not(policy, number) for number in ("+8862", "+886204", "+88620412", "+88691")] == [
        None,
        "not_allowed",
        None,
        "not_allowed",
    ]
    assert why_not(replace(policy, refuse=("+886",)), "+8862") == "not_allowed", "of two that are equal, no"


# --- customer first ---


def test_customer_first_the_customer_is_dialed_and_waits_among_the_first_as_they_pick_up() -> None:
    dialed, answered, heard = steps(*DIALED, sig.CustomerAnswered(CALLED), sig.PromptEnded(f"{ID}.p2"))[-3:]
    assert dialed.commands == (DIAL,)
    assert dialed.events == (cb.CallbackDialed(1, CALLED, NUMBER, "0800000200", None),)
    assert dialed.contact.on_a_trunk
    assert answered.commands == (
        ANSWERED,
        ask.HoldLease(CALLED),
        ask.Say(CALLED, f"{ID}.p2", ("called_back",), "zh-TW"),
    )
    assert (answered.contact.phase, answered.contact.channel_id) == (Phase.QUEUED, CALLED)
    assert heard.commands == (ask.StartMusic(CALLED, "default"),)


def test_a_called_customer_and_an_agent_talk_as_any_two() -> None:
    made = steps(*DIALED, sig.CustomerAnswered(CALLED), *RINGING, sig.AgentAnswered(OFFER), sig.CallerLeft("caller"))
    joined = next(command for command in made[-2].commands if isinstance(command, ask.Join))
    assert joined.channel_ids == (CALLED, OFFER)
    assert types(made).count("queue.left") == 1, "the visit to the queue ended with the promise"
    assert (made[-1].contact.phase, made[-1].contact.end_state) == (Phase.WRAP_UP, "agent")


def test_the_number_shown_is_the_sites_if_it_has_one() -> None:
    plan = replace(PLAN, dial_out=DialPolicy(("+886",), caller_id="0223456789", ring_s=10.0))
    (dial,) = steps(*DIALED, plan=plan)[-1].commands
    assert dial == replace(DIAL, shown="0223456789", ring_s=10.0)


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        (sig.CustomerLegEnded(CALLED, 17, 486), "busy"),
        (sig.CustomerLegEnded(CALLED, 19), "no_answer"),
        (sig.CustomerLegEnded(CALLED, 21, 603), "rejected"),
        (sig.CommandFailed("DialOut", CALLED, "unreachable"), "unreachable"),
        (sig.CommandFailed("DialOut", CALLED, "timeout"), "failed"),
        (sig.TimerDue(), "no_answer"),
    ],
)
@pytest.mark.parametrize("history", [DIALED, AGENT_WAITS], ids=["customer first", "agent first"])
def test_a_customer_who_is_not_reached_is_waited_for_again(
    history: tuple[sig.Signal, ...], ends: sig.Signal, outcome: str
) -> None:
    step = steps(*history, ends)[-1]
    (failed,) = step.events
    assert isinstance(failed, cb.CallbackFailed)
    assert (failed.attempt, failed.leg_id, failed.outcome) == (1, CALLED, outcome)
    assert step.commands[-1] == FAILED
    assert (ask.HangUp(OFFER) in step.commands) == (history is AGENT_WAITS)
    assert (step.contact.phase, step.contact.busy_agent, step.contact.timer_at) == (Phase.CALLBACK, None, None)
    assert step.contact.callback is not None
    assert step.contact.callback.attempts == 1


def test_while_too_few_trunks_are_free_nobody_is_dialed_and_an_agent_who_answered_is_let_go() -> None:
    """It is no attempt: the floor says when to try again."""
    short = replace(PLAN, held_back="1 trunk is free, 1 kept for more valuable tiers")
    held = ask.TellDialed(ID, DialOutcome.HELD_BACK)
    waiting = steps(*PROMISED)[-1].contact
    dialed = advance(waiting, sig.CallbackDue(1), short, 120.0)
    assert dialed.events == (cb.CallbackHeldBack("vip", "1 trunk is free, 1 kept for more valuable tiers"),)
    assert dialed.commands == (held,)
    assert dialed.contact.callback is not None
    assert (dialed.contact.phase, dialed.contact.callback.attempts) == (Phase.CALLBACK, 0)
    ringing = steps(*AGENT_WAITS[:-1])[-1].contact
    answered = advance(ringing, sig.AgentAnswered(OFFER), short, 120.0)
    assert ask.HangUp(OFFER) in answered.commands
    assert not any(isinstance(command, ask.DialOut) for command in answered.commands)
    told = advance(answered.contact, sig.CallbackDue(1), short, 120.0)
    assert (told.commands, told.contact.phase) == ((held,), Phase.CALLBACK)


@pytest.mark.parametrize("rings", [(), RINGING], ids=["waits", "a phone rings"])
def test_a_called_customer_who_was_cut_off_before_an_agent_was_there_is_called_again(
    rings: tuple[sig.Signal, ...],
) -> None:
    there = (*DIALED, sig.CustomerAnswered(CALLED), *rings)
    step = steps(*there, sig.CallerLeft("system", 31))[-1]
    (failed, *_, waits) = step.events
    assert failed == cb.CallbackFailed(1, CALLED, "cut_off", 31)
    assert waits == cb.CallbackWaiting("vip")
    assert (step.contact.phase, step.contact.channel_id, step.contact.offers) == (Phase.CALLBACK, "", ())
    assert ask.LeaveQueue(ID, abandoned=False) in step.commands
    assert isinstance(step.commands[-1], ask.EnterQueue)
    assert step.commands[-1].callback
    assert (ask.HangUp(OFFER, "no_answer") in step.commands) == bool(rings)
    own_will = steps(*there, sig.CallerLeft("caller", 16))[-1]
    assert own_will.contact.phase is Phase.ENDED


def test_the_second_attempt_rings_a_leg_of_its_own() -> None:
    step = steps(*DIALED, sig.CustomerLegEnded(CALLED, 17), sig.CallbackDue(2))[-1]
    assert step.commands == (replace(DIAL, leg_id=f"{ID}.c2"),)
    late = advance(step.contact, sig.CustomerAnswered(CALLED), PLAN, 200.0)
    assert (late.commands, late.contact.phase) == ((ask.HangUp(CALLED),), Phase.DIALING)


def test_a_number_that_may_be_dialed_no_more_is_told_to_the_floor_which_gives_the_callback_up() -> None:
    plan = replace(PLAN, dial_out=replace(PLAN.dial_out or DialPolicy(()), refuse=(NUMBER,)))
    step = advance(after(*PROMISED), sig.CallbackDue(1), plan, 200.0)
    assert step.events == (cb.CallbackRefused("vip", NUMBER, "not_allowed"),)
    assert step.commands == (ask.TellDialed(ID, DialOutcome.REFUSED),)
    over = advance(step.contact, sig.CallbackOver("refused"), plan, 200.0)
    assert types([over]) == ["callback.over", "caller.left", "contact.ended"]
    assert (over.contact.end_state, over.contact.ended_by) == ("callback_failed", "system")


# --- agent first ---


def test_agent_first_the_agent_hears_music_until_the_customer_picks_up() -> None:
    made = steps(*AGENT_WAITS, sig.CallbackDue(1), sig.CustomerAnswered(CALLED))
    ring = next(command for step in made for command in step.commands if isinstance(command, ask.RingDesk))
    assert (ring.caller_channel, ring.caller) == ("", NUMBER)
    taken, asked_again, answered = made[-3:]
    assert taken.commands == (ask.SettleOffer(OFFER, "accepted"), ask.StartMusic(OFFER, "default"), DIAL)
    assert (taken.contact.phase, taken.contact.busy_agent) == (Phase.DIALING, AGENT)
    assert asked_again.commands == ()
    assert answered.commands[:4] == (
        ANSWERED,
        ask.StopMusic(OFFER),
        ask.Join(f"{ID}.b1", (CALLED, OFFER)),
        ask.CapLease(CALLED),
    )
    assert answered.contact.phase is Phase.TALKING


def test_an_agent_who_does_not_wait_for_the_customer_ends_the_attempt() -> None:
    step = steps(*AGENT_WAITS, sig.AgentLegEnded(OFFER, 16))[-1]
    assert step.commands == (ask.HangUp(CALLED, "no_answer"), FAILED)
    assert [event.outcome for event in step.events if isinstance(event, cb.CallbackFailed)] == ["agent_gone"]


def test_a_second_agent_who_picks_up_is_let_go() -> None:
    step = steps(*AGENT_WAITS, sig.AgentAnswered(OTHER_OFFER))[-1]
    assert step.commands == (ask.HangUp(OTHER_OFFER, "answered_elsewhere"),)


def test_an_offer_that_rings_out_leaves_the_callback_waiting() -> None:
    step = steps(*PROMISED, *RINGING, sig.OfferWithdrawn(OFFER, "no_answer"))[-1]
    assert (step.contact.phase, step.contact.channel_id) == (Phase.CALLBACK, "")


# --- the end of it, and our own ---


def test_a_customer_who_called_again_closes_the_book_of_the_first_contact() -> None:
    step = steps(*PROMISED, sig.CallbackOver("returned", "another"))[-1]
    assert step.events[0] == cb.CallbackOver("returned", "another")
    assert (step.contact.end_state, step.contact.ended_by) == ("callback_returned", "caller")


def test_a_called_customer_whom_a_rule_sends_away_hears_the_goodbye_and_no_promise() -> None:
    step = steps(*DIALED, sig.CustomerAnswered(CALLED), diverted(GOODBYE))[-1]
    assert ask.Say(CALLED, f"{ID}.p3", ("closed",), "zh-TW") in step.commands
    assert step.contact.callback is None
    again = steps(*DIALED, sig.CustomerAnswered(CALLED), diverted(CALLBACK))[-1]
    assert again.contact.callback is not None
    assert again.contact.callback.attempts == 1
    assert "queue.left" not in types([again])


@pytest.mark.parametrize("history", [PROMISED, (*PROMISED, *RINGING), DIALED, AGENT_WAITS])
def test_after_a_restart_it_waits_on_and_an_attempt_that_we_cut_off_does_not_count(
    history: tuple[sig.Signal, ...],
) -> None:
    contact = after(*history)
    read = msgspec.json.decode(msgspec.json.encode(contact), type=Contact)
    assert read == contact
    step = resume(read, PLAN, 500.0)
    assert step.contact.phase is Phase.CALLBACK
    assert step.contact.callback == Callback(promised_at=110.0, number=NUMBER)
    entering = step.commands[-1]
    assert isinstance(entering, ask.EnterQueue)
    assert (entering.callback, entering.entered_at, entering.so_far) == (True, 100.0, SoFar(0, 110.0 + 86_400.0))
    let_go = {command.channel_id for command in step.commands if isinstance(command, ask.HangUp)}
    rung = {*(offer.offer_id for offer in contact.offers), *([OFFER] if contact.busy_agent else [])}
    assert let_go == rung | ({CALLED} if contact.phase is Phase.DIALING else set())


def test_a_failed_attempt_is_remembered_over_a_restart_with_the_pause_after_it() -> None:
    step = resume(after(*DIALED, sig.CustomerLegEnded(CALLED, 17)), PLAN, 200.0)
    entering = step.commands[-1]
    assert isinstance(entering, ask.EnterQueue)
    assert entering.so_far == SoFar(1, expires_at=110.0 + 86_400.0, retry_at=140.0 + 300.0)


@pytest.mark.parametrize("history", [PROMISED, DIALED, AGENT_WAITS])
def test_a_fault_of_ours_lets_everybody_go_and_leaves_nobody_reserved(history: tuple[sig.Signal, ...]) -> None:
    step = fail(after(*history), "bug", PLAN, 200.0)
    assert ask.LeaveQueue(ID) in step.commands
    assert (ask.HangUp(CALLED) in step.commands) == (history is not PROMISED)
    assert (ask.FinishTalk(ID, AGENT, 0.0) in step.commands) == (history is AGENT_WAITS)
    assert (step.contact.phase, step.contact.end_state) == (Phase.ENDED, "failed")
    assert not any(isinstance(command, ask.SendToFallback) for command in step.commands)
