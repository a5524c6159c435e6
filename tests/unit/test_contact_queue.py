"""Into a queue by the customer's record, through it by its steps, and out of it by rule."""

from dataclasses import replace

import pytest

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.exit_steps import MOVES_MAX
from callcenter.contact.machine import advance, resume
from callcenter.contact.model import Contact, Phase
from ivr.prompts import PROMPT_MAX_S
from routing.model import Exit, ExitKind
from routing.requirement import Held, both
from routing.rules import Rule, Then, When
from tests.contacts import (
    BOTH_RINGING,
    CALLER,
    CUSTOMER,
    ID,
    MENU,
    OFFER,
    OTHER_OFFER,
    PLAN,
    RINGING,
    TALKING,
    VIP,
    VOICEMAIL,
    after,
    arrival,
    diverted,
    gapless,
    steps,
    types,
)

ORDERS = Exit(ExitKind.QUEUE, "orders")
PRODUCT = Exit(ExitKind.QUEUE, "product")
RULES = replace(
    PLAN,
    rules=(
        Rule("an open case", When(open_case=True), Then(prefer="case_owner", prefer_s=15.0)),
        Rule("leaving", When(at_risk=True, value_tier=("vip",)), Then(value_tier="platinum", requires=Held("vip", 4))),
        Rule("orders only", When(segment=("shop",)), Then(queue="orders")),
    ),
)


def entering(commands: tuple[ask.Command, ...]) -> ask.EnterQueue:
    """What the floor was told of the contact as it entered."""
    (command,) = [command for command in commands if isinstance(command, ask.EnterQueue)]
    return command


def left(events: tuple[ev.ContactEvent, ...]) -> ev.QueueLeft:
    """How the contact left its queue."""
    (event,) = [event for event in events if isinstance(event, ev.QueueLeft)]
    return event


# --- routed by the customer's record ---


def test_the_rules_set_tier_agent_and_requirement_and_say_why() -> None:
    customer = replace(CUSTOMER, open_case=True, at_risk=True, case_owner="agent07")
    step = arrival(customer=customer, plan=RULES)
    assert types([step]) == ["contact.started", "routing.decided", "queue.entered"]
    entered = entering(step.commands)
    assert (entered.queue, entered.value_tier) == ("vip", 0)
    assert (entered.preferred_agent, entered.preferred_wait_s) == ("agent07", 15.0)
    assert entered.requires == both(Held("en"), Held("vip", 4))
    decided = step.events[1]
    assert isinstance(decided, ev.RoutingDecided)
    assert (decided.value_tier, decided.requires) == ("platinum", "vip >= 4")
    assert [(each["rule"], each["matched"]) for each in decided.trace] == [
        ("an open case", True),
        ("leaving", True),
        ("orders only", False),
    ]
    assert step.contact.value_tier == "platinum"


def test_a_rule_can_choose_the_queue() -> None:
    step = arrival(customer=replace(CUSTOMER, segment="shop"), plan=RULES)
    assert (entering(step.commands).queue, step.contact.queue) == ("orders", "orders")
    assert step.commands[-1] == ask.StartMusic(CALLER, "jazz")


def test_rules_look_at_the_hotline_as_the_site_spells_it_and_at_the_language_chosen() -> None:
    rule = Rule("english vip line", When(dialed=(VIP,), language=("en",)), Then(queue="product"))
    step = arrival(customer=CUSTOMER, plan=replace(PLAN, rules=(rule,)), dialed="+886800000200")
    assert entering(step.commands).queue == "product"


def test_without_rules_the_last_agent_is_preferred_and_nothing_is_said_of_routing() -> None:
    step = arrival(customer=CUSTOMER)
    assert "routing.decided" not in types([step])
    assert (entering(step.commands).preferred_agent, entering(step.commands).preferred_wait_s) == ("agent03", 0.0)


def test_a_rule_that_names_what_the_site_does_not_have_is_a_bug() -> None:
    plan = replace(PLAN, rules=(Rule("typo", When(), Then(value_tier="vpi")),))
    with pytest.raises(AssertionError, match="vpi"):
        arrival(plan=plan)


def test_a_caller_is_known_again_by_customer_else_by_number_else_not_at_all() -> None:
    assert entering(arrival(customer=CUSTOMER).commands).customer_id == "c1"
    assert entering(arrival().commands).customer_id == "tel:+886910000001"
    assert entering(arrival(caller=None).commands).customer_id is None


# --- waiting ---


def test_a_step_of_the_queue_is_remembered_and_asks_nothing_of_anybody() -> None:
    step = steps(sig.StepTaken("vip", 1, "time", "en and vip >= 1"))[-1]
    assert step.events == (ev.QueueStepTaken("vip", 1, "time", "en and vip >= 1"),)
    assert step.commands == ()


def test_the_estimate_is_told_once_a_queue() -> None:
    forecast = sig.Estimated(3, 40.0, 90.0)
    made = steps(forecast, sig.Estimated(2, 30.0, 60.0), diverted(ORDERS), forecast)
    told = [event for step in made for event in step.events if isinstance(event, ev.QueueEstimated)]
    assert told == [ev.QueueEstimated("vip", 3, 40.0, 90.0), ev.QueueEstimated("orders", 3, 40.0, 90.0)]


# --- out of it, by rule ---


def test_a_contact_that_is_moved_on_keeps_its_age_and_begins_the_other_queue_anew() -> None:
    made = steps(*RINGING, sig.OfferWithdrawn(OFFER, "no_answer"), diverted(ORDERS, why="last_step"))
    step = made[-1]
    assert left(step.events) == ev.QueueLeft("vip", "diverted", 40.0, "last_step", "queue:orders")
    entered = entering(step.commands)
    assert (entered.queue, entered.entered_at, entered.clock_s, entered.offers_made) == ("orders", 100.0, 0.0, 1)
    assert (step.contact.queued_at, step.contact.waiting_since, step.contact.moves) == (140.0, 100.0, 1)
    told = step.events[-1]
    assert isinstance(told, ev.QueueEntered)
    assert (told.queue, told.moves, told.requires) == ("orders", 1, "orders >= 2 and zh-TW")
    later = steps(diverted(ORDERS), sig.CallerLeft("caller"))[-1]
    assert left(later.events).wait_s == 10.0
    assert later.contact.wait_s == 20.0


def test_the_music_changes_with_the_queue_only_where_the_queues_differ() -> None:
    assert steps(diverted(ORDERS))[-1].commands[-2:] == (ask.StopMusic(CALLER), ask.StartMusic(CALLER, "jazz"))
    assert not any(isinstance(each, ask.StartMusic) for each in steps(diverted(PRODUCT))[-1].commands)


def test_an_announcement_is_heard_out_and_then_the_other_queues_music() -> None:
    history = (sig.PromptEnded(f"{ID}.p1"), sig.DigitPressed("1"), diverted(ORDERS, "product"))
    made = steps(*history, sig.PromptEnded(f"{ID}.p3"), hotline=MENU)
    assert not any(isinstance(each, ask.StopSaying | ask.StartMusic) for each in made[-2].commands)
    assert made[-1].commands == (ask.StartMusic(CALLER, "jazz"),)


def test_who_was_moved_on_is_not_routed_again_and_waits_for_no_preferred_agent() -> None:
    customer = replace(CUSTOMER, segment="shop", open_case=True, case_owner="agent07")
    made = steps(diverted(PRODUCT, "orders"), customer=customer, plan=RULES)
    entered = entering(made[-1].commands)
    assert (entered.queue, entered.preferred_agent, entered.preferred_wait_s) == ("product", "agent07", 0.0)
    assert types(made).count("routing.decided") == 1


def test_nobody_is_moved_from_queue_to_queue_for_ever() -> None:
    there_and_back = [diverted(ORDERS, "vip"), diverted(Exit(ExitKind.QUEUE, "vip"), "orders")]
    made = steps(*(there_and_back[n % 2] for n in range(MOVES_MAX + 1)))
    assert made[-2].contact.moves == MOVES_MAX
    assert (left(made[-1].events).why, left(made[-1].events).exit_to) == ("moves_max", "goodbye")
    assert made[-1].contact.phase is Phase.GOODBYE


def test_a_queue_that_takes_nobody_sends_a_newcomer_on_before_any_offer() -> None:
    made = steps(diverted(why="full"))
    assert types(made)[-1] == "queue.left"
    assert left(made[-1].events).why == "full"


def test_a_way_out_of_a_queue_that_the_contact_has_left_leads_nowhere() -> None:
    step = steps(diverted(ORDERS), diverted(VOICEMAIL, "vip"))[-1]
    assert (step.events, step.commands) == ((), ())


def test_phones_that_ring_as_the_contact_is_sent_away_are_let_go() -> None:
    step = steps(*BOTH_RINGING, diverted(VOICEMAIL))[-1]
    outcomes = [(each.offer_id, each.outcome) for each in step.events if isinstance(each, ev.OfferSettled)]
    assert outcomes == [(OFFER, "rescinded"), (OTHER_OFFER, "rescinded")]
    assert {ask.HangUp(OFFER), ask.HangUp(OTHER_OFFER)} <= set(step.commands)


def test_a_rule_that_comes_up_as_an_agent_answers_is_too_late() -> None:
    step = steps(*TALKING, diverted(VOICEMAIL))[-1]
    assert (step.events, step.commands) == ((), ())


def test_a_caller_sent_to_voicemail_goes_to_the_dialplan_and_our_part_is_over() -> None:
    step = steps(diverted(VOICEMAIL))[-1]
    assert step.commands == (ask.StopMusic(CALLER), ask.SendToVoicemail(CALLER))
    assert types([step]) == ["queue.left", "caller.left", "contact.ended"]
    assert (step.contact.end_state, step.contact.channel_id) == ("voicemail", "")


def goodbye(plan_changes: dict[str, object] | None = None) -> Contact:
    """A contact that hears the goodbye since 110."""
    return after(diverted(), plan=replace(PLAN, **(plan_changes or {})))  # type: ignore[arg-type]


def test_a_goodbye_is_said_and_then_the_caller_is_let_go() -> None:
    made = steps(diverted(), sig.PromptEnded(f"{ID}.p1"))
    assert made[-2].commands == (ask.StopMusic(CALLER), ask.Say(CALLER, f"{ID}.p1", ("closed",), "zh-TW"))
    assert made[-1].commands == (ask.HangUp(CALLER),)
    assert (made[-1].contact.end_state, made[-1].contact.ended_by) == ("closed", "system")
    assert gapless(made)


def test_a_site_without_words_for_it_lets_go_in_silence() -> None:
    step = steps(diverted(), plan=replace(PLAN, closed_prompts=()))[-1]
    assert step.commands == (ask.StopMusic(CALLER), ask.HangUp(CALLER))
    assert step.contact.end_state == "closed"


@pytest.mark.parametrize(
    "comes", [sig.CommandFailed("Say", f"{ID}.p1", "500"), sig.PromptEnded(f"{ID}.p1", failed=True), sig.TimerDue()]
)
def test_a_goodbye_that_cannot_be_said_strands_nobody(comes: sig.Signal) -> None:
    contact = goodbye()
    assert contact.timer_at == 110.0 + PROMPT_MAX_S
    step = advance(contact, comes, PLAN, contact.timer_at)
    assert ask.HangUp(CALLER) in step.commands
    assert step.contact.phase is Phase.ENDED


def test_who_does_not_hear_the_goodbye_out_found_it_closed() -> None:
    step = advance(goodbye(), sig.CallerLeft("caller", 16), PLAN, 112.0)
    assert step.commands == ()
    assert (step.contact.end_state, step.contact.ended_by) == ("closed", "caller")


def test_the_goodbye_is_said_again_after_a_restart() -> None:
    step = resume(goodbye(), PLAN, 120.0)
    assert ask.Say(CALLER, f"{ID}.p2", ("closed",), "zh-TW") in step.commands
    assert ask.HoldLease(CALLER) in step.commands


# --- never let in, and broken off ---


def test_a_caller_for_whom_no_trunk_is_free_is_turned_away_before_the_call_is_answered() -> None:
    step = arrival(refused="3 of 432 trunks are free, 4 are kept for higher tiers")
    assert types([step]) == ["contact.started", "contact.blocked", "caller.left", "contact.ended"]
    assert step.commands == (ask.HangUp(CALLER, "congestion"),)
    assert (step.contact.phase, step.contact.end_state, step.contact.ended_by) == (Phase.ENDED, "blocked", "system")


@pytest.mark.parametrize(
    ("ends", "dropped"),
    [
        (sig.CallerLeft("caller", 16), False),
        (sig.AgentLegEnded(OFFER, 16), False),
        (sig.AgentLegEnded(OFFER, 41), True),
        (sig.CallerLeft("caller", 38), True),
        (sig.CommandFailed("Join", f"{ID}.b1", "500"), True),
    ],
)
def test_the_floor_learns_whether_a_talk_was_ended_or_broke_off(ends: sig.Signal, dropped: bool) -> None:
    (finish,) = [each for each in steps(*TALKING, ends)[-1].commands if isinstance(each, ask.FinishTalk)]
    assert finish.dropped is dropped


def test_a_contact_whose_queue_the_site_gave_up_meanwhile_is_wrapped_up_all_the_same() -> None:
    plan = replace(PLAN, queues={})
    step = advance(after(*TALKING), sig.CallerLeft("caller", 16), plan, 200.0)
    assert step.contact.phase is Phase.WRAP_UP
