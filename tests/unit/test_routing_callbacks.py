"""Virtual hold: the caller hangs up and keeps the place, the age and the step clock, and is called back in turn."""

from dataclasses import replace

import pytest
from msgspec import structs

from routing.acd.contacts import Away
from routing.acd.engine import Acd
from routing.messages import (
    CallbackChosen,
    CallbackOver,
    CustomerDialed,
    DialCustomer,
    DialOutcome,
    DialsHeld,
    Left,
    MakeOffer,
    PresenceChosen,
    TalkEnded,
    Tick,
)
from routing.model import (
    Activity,
    CallbackMode,
    CallbackRules,
    Exit,
    ExitKind,
    Outcome,
    Presence,
    QueueRules,
    SoFar,
    Step,
)
from routing.requirement import Held
from tests.acd import (
    accepted,
    agent,
    contact,
    ends_within,
    entered,
    follow,
    in_queues,
    occupy,
    offers,
    release,
    run,
    said,
    settled,
    site,
    staffed,
)

AGENT_FIRST = CallbackRules(attempts_max=3, retry_s=300.0, expires_s=3_600.0)
CUSTOMER_FIRST = replace(AGENT_FIRST, mode=CallbackMode.CUSTOMER_FIRST)


def center(rules: CallbackRules = AGENT_FIRST, agents: int = 1, **more: object) -> Acd:
    """A queue that calls back by these rules; its agents a0, a1 … all talk from 5 s on."""
    orders = QueueRules("orders", callback=rules, wrap_up_s=0.0, **more)  # type: ignore[arg-type]
    acd = staffed(site({f"a{n}": {} for n in range(agents)}, orders))
    occupy(acd, 5.0, *(f"a{n}" for n in range(agents)))
    return acd


def promised(acd: Acd, contact_id: str, now: float, **more: object) -> list[str]:
    """This contact entered and chose to be called back; what follows."""
    return said(run(acd, now, entered(contact_id, now, **more), CallbackChosen(contact_id)))


def dialed(contact_id: str, outcome: DialOutcome) -> CustomerDialed:
    """The dialer's word."""
    return CustomerDialed(contact_id, outcome)


# --- too few trunks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [AGENT_FIRST, CUSTOMER_FIRST])
def test_while_too_few_trunks_are_free_for_its_tier_a_callback_keeps_its_place_and_is_not_called(
    rules: CallbackRules,
) -> None:
    acd = center(rules)
    promised(acd, "c1", 10.0)
    run(acd, 20.0, DialsHeld((1, 2)))
    assert contact(acd, "c1").away is Away.HELD_BACK
    assert release(acd, 30.0, "a0") == []
    explained = acd.explain("c1", 31.0)
    assert explained is not None
    assert (explained.situation, explained.wait_s) == ("held_back", 21.0)
    went_on = said(run(acd, 40.0, DialsHeld((2,))))
    assert went_on == (["c1 rings a0"] if rules is AGENT_FIRST else ["c1 is dialed (1)"])


def test_a_callback_promised_while_trunks_are_short_is_held_back_and_a_more_valuable_one_is_not() -> None:
    acd = center()
    run(acd, 5.0, DialsHeld((1,)))
    promised(acd, "c1", 10.0)
    promised(acd, "c2", 20.0, value_tier=0)
    assert release(acd, 30.0, "a0") == ["c2 rings a0"]


def test_who_waits_on_the_line_is_served_however_few_trunks_are_free() -> None:
    acd = center()
    run(acd, 5.0, DialsHeld((0, 1, 2)))
    run(acd, 10.0, entered("c1", 10.0))
    assert release(acd, 30.0, "a0") == ["c1 rings a0"]


@pytest.mark.parametrize("rules", [AGENT_FIRST, CUSTOMER_FIRST])
def test_trunks_that_run_short_in_the_last_second_cost_no_attempt_and_free_the_agent(rules: CallbackRules) -> None:
    acd = center(rules)
    promised(acd, "c1", 10.0)
    release(acd, 20.0, "a0")
    if rules is AGENT_FIRST:
        run(acd, 21.0, accepted("c1.o1"))
    run(acd, 22.0, dialed("c1", DialOutcome.HELD_BACK), DialsHeld((1,)))
    assert agent(acd, "a0").activity is Activity.IDLE
    assert follow(acd, 30.0) == []
    assert (contact(acd, "c1").away, contact(acd, "c1").attempts) == (Away.HELD_BACK, 0)
    assert said(run(acd, 40.0, DialsHeld(()))) == (["c1 rings a0"] if rules is AGENT_FIRST else ["c1 is dialed (1)"])


def test_what_is_held_back_is_kept_over_a_restart() -> None:
    acd = center()
    promised(acd, "c1", 10.0)
    run(acd, 20.0, DialsHeld((1,)))
    again = Acd.restore(site({"a0": {}}, QueueRules("orders", callback=AGENT_FIRST, wrap_up_s=0.0)), acd.snapshot())
    assert release(again, 30.0, "a0") == []
    assert said(run(again, 40.0, DialsHeld(()))) == ["c1 rings a0"]


def test_a_callback_that_is_held_back_expires_and_is_taken_up_like_any_other() -> None:
    acd = center()
    run(acd, 5.0, DialsHeld((1,)))
    promised(acd, "c1", 10.0, customer_id="kim")
    promised(acd, "c2", 20.0, customer_id="lee")
    assert said(run(acd, 30.0, entered("c3", 30.0, customer_id="kim"))) == ["c1 no callback (returned as c3)"]
    assert contact(acd, "c3").entered.entered_at == 10.0
    assert [what for _, what in follow(acd, 4_000.0) if what.startswith("c2")] == ["c2 no callback (expired)"]


# --- keeping the place ------------------------------------------------------------------------------------------------


def test_who_chose_a_callback_keeps_age_position_and_priority() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 20.0), entered("c3", 15.0))
    acd.step(CallbackChosen("c3"), 30.0)
    assert in_queues(acd) == ["c1", "c3", "c2"]
    assert contact(acd, "c3").entered.entered_at == 15.0
    estimate = acd.estimate("c2", 30.0)
    assert estimate is not None
    assert estimate.position == 3


def test_the_step_clock_of_a_callback_runs_on() -> None:
    acd = center(steps=(Step(Held("tech")), Step(after_s=50.0)))
    promised(acd, "c1", 10.0)
    assert release(acd, 30.0, "a0") == []
    assert follow(acd, 60.0) == [(60.0, "c1 in step 1 (time)"), (60.0, "c1 rings a0")]


def test_choosing_while_the_phone_rings_lets_the_agent_go_and_the_callback_stands_in_line() -> None:
    acd = center()
    run(acd, 6.0, entered("c1", 6.0), entered("c2", 3.0))
    release(acd, 10.0, "a0")
    assert said(acd.step(CallbackChosen("c2"), 12.0)) == ["c2.o1 rescinded", "c2 rings a0"]
    made = acd.snapshot().queues[0].waiting[0]
    assert made.entered.callback


def test_choosing_too_late_or_twice_or_for_nobody_changes_nothing() -> None:
    acd = center()
    promised(acd, "c1", 10.0)
    assert acd.step(CallbackChosen("c1"), 11.0) == []
    assert acd.step(CallbackChosen("nobody"), 11.0) == []
    run(acd, 12.0, entered("c2", 1.0))
    release(acd, 13.0, "a0")
    acd.step(accepted("c2.o1"), 14.0)
    assert acd.step(CallbackChosen("c2"), 15.0) == []
    assert agent(acd, "a0").activity is Activity.TALKING


# --- agent first ------------------------------------------------------------------------------------------------------


def test_agent_first_the_agent_accepts_and_then_the_customer_is_dialed() -> None:
    acd = center()
    promised(acd, "c1", 10.0)
    made = acd.step(TalkEnded("a0", "with-a0", 0.0), 20.0)[-1]
    assert isinstance(made, MakeOffer)
    assert (made.contact_id, made.callback) == ("c1", True)
    assert said(acd.step(accepted("c1.o1"), 25.0)) == ["c1 is dialed (1)"]
    assert (agent(acd, "a0").activity, agent(acd, "a0").contact_id) == (Activity.TALKING, "c1")
    assert acd.step(dialed("c1", DialOutcome.ANSWERED), 35.0) == []
    run(acd, 100.0, TalkEnded("a0", "c1", 0.0))
    assert agent(acd, "a0").activity is Activity.IDLE
    assert in_queues(acd) == []


def test_a_callback_takes_its_turn_among_those_on_the_line() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0), entered("c3", 12.0))
    promised(acd, "c2", 11.0)
    order = [release(acd, 20.0, "a0")[0]]
    for contact_id, now in (("c1", 30.0), ("c2", 40.0)):
        order += offers(run(acd, now, accepted(f"{contact_id}.o1"), TalkEnded("a0", contact_id, 0.0)))[0][:1]
    assert order == ["c1 rings a0", "c2", "c3"]


def test_a_customer_who_cannot_be_reached_rests_with_their_age_and_is_tried_again() -> None:
    acd = center()
    promised(acd, "c1", 10.0)
    release(acd, 20.0, "a0")
    acd.step(accepted("c1.o1"), 21.0)
    assert said(acd.step(dialed("c1", DialOutcome.FAILED), 40.0)) == []
    assert agent(acd, "a0").activity is Activity.IDLE
    assert contact(acd, "c1").entered.entered_at == 10.0
    assert follow(acd, 340.0) == [(340.0, "c1 rings a0")]
    assert said(acd.step(accepted("c1.o2"), 341.0)) == ["c1 is dialed (2)"]


def test_who_rests_is_offered_to_nobody() -> None:
    acd = center(agents=2)
    promised(acd, "c1", 10.0)
    release(acd, 20.0, "a0")
    run(acd, 21.0, accepted("c1.o1"), dialed("c1", DialOutcome.FAILED))
    assert release(acd, 30.0, "a1") == []
    assert contact(acd, "c1").offers == ()


def test_after_the_last_attempt_the_callback_is_over() -> None:
    acd = center(replace(AGENT_FIRST, attempts_max=2))
    promised(acd, "c1", 10.0)
    release(acd, 20.0, "a0")
    run(acd, 21.0, accepted("c1.o1"), dialed("c1", DialOutcome.FAILED))
    follow(acd, 321.0)
    told = said(run(acd, 322.0, accepted("c1.o2"), dialed("c1", DialOutcome.FAILED)))
    assert told == ["c1 is dialed (2)", "c1 no callback (unreached)"]
    assert in_queues(acd) == []
    assert agent(acd, "a0").activity is Activity.IDLE


def test_a_customer_who_wants_no_callback_is_left_alone() -> None:
    acd = center()
    promised(acd, "c1", 10.0)
    release(acd, 20.0, "a0")
    told = said(run(acd, 21.0, accepted("c1.o1"), dialed("c1", DialOutcome.REFUSED)))
    assert told == ["c1 is dialed (1)", "c1 no callback (refused)"]
    assert follow(acd, 10_000.0) == []


def test_an_agent_who_refuses_a_callback_does_not_have_the_customer_dialed() -> None:
    acd = center()
    promised(acd, "c1", 10.0)
    release(acd, 20.0, "a0")
    assert said(acd.step(settled("c1.o1", Outcome.REJECTED), 22.0)) == []
    assert follow(acd, 27.0) == [(27.0, "c1 rings a0")]


def test_the_dialer_s_word_about_a_callback_that_is_not_being_dialed_changes_nothing() -> None:
    acd = center()
    promised(acd, "c1", 10.0)
    assert acd.step(dialed("c1", DialOutcome.ANSWERED), 11.0) == []
    assert acd.step(dialed("nobody", DialOutcome.FAILED), 11.0) == []
    assert in_queues(acd) == ["c1"]


# --- expiry -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [AGENT_FIRST, CUSTOMER_FIRST])
def test_a_callback_expires(rules: CallbackRules) -> None:
    acd = center(replace(rules, expires_s=60.0))
    promised(acd, "c1", 10.0)
    assert follow(acd, 1_000.0) == [(70.0, "c1 no callback (expired)")]
    assert in_queues(acd) == []


def test_a_callback_that_is_being_worked_on_when_it_expires_comes_to_that_end_first() -> None:
    acd = center(replace(AGENT_FIRST, expires_s=60.0))
    promised(acd, "c1", 10.0)
    release(acd, 65.0, "a0")
    assert follow(acd, 74.0) == []
    assert said(acd.step(settled("c1.o1", Outcome.REJECTED), 75.0)) in ([], ["c1 no callback (expired)"])
    follow(acd, 77.0)
    assert in_queues(acd) == []


def test_a_callback_accepted_before_it_expired_is_called() -> None:
    acd = center(replace(AGENT_FIRST, expires_s=60.0))
    promised(acd, "c1", 10.0)
    release(acd, 65.0, "a0")
    assert said(acd.step(accepted("c1.o1"), 75.0)) == ["c1 is dialed (1)"]
    assert acd.step(dialed("c1", DialOutcome.ANSWERED), 80.0) == []


def test_no_retry_comes_after_the_expiry() -> None:
    acd = center(replace(AGENT_FIRST, expires_s=60.0, retry_s=500.0))
    promised(acd, "c1", 10.0)
    release(acd, 20.0, "a0")
    run(acd, 21.0, accepted("c1.o1"), dialed("c1", DialOutcome.FAILED))
    assert follow(acd, 10_000.0) == [(70.0, "c1 no callback (expired)")]


def test_a_callback_outlives_the_exit_of_its_queue() -> None:
    acd = center(exit_to=Exit(ExitKind.VOICEMAIL), exit_after_s=20.0)
    promised(acd, "c1", 10.0)
    run(acd, 10.0, entered("c2", 10.0))
    with ends_within(2.0):
        assert follow(acd, 1_000.0) == [(30.0, "c2 to voicemail (last_step)")]
    assert release(acd, 1_000.0, "a0") == ["c1 rings a0"]


# --- customer first ---------------------------------------------------------------------------------------------------


def test_customer_first_the_customer_is_dialed_when_an_agent_is_free_and_offered_when_they_answer() -> None:
    acd = center(CUSTOMER_FIRST)
    promised(acd, "c1", 10.0)
    assert follow(acd, 20.0) == []
    assert release(acd, 20.5, "a0") == []
    assert follow(acd, 22.0) == [(21.0, "c1 is dialed (1)")]
    made = acd.step(dialed("c1", DialOutcome.ANSWERED), 30.0)[-1]
    assert isinstance(made, MakeOffer)
    assert (made.agent_id, made.callback, made.trace.wait_s) == ("a0", False, 20.0)


def test_never_more_customers_are_dialed_than_agents_are_forecast_to_be_free() -> None:
    acd = center(CUSTOMER_FIRST, agents=5)
    for n in range(20):
        promised(acd, f"c{n:02}", 10.0 + n / 100)
    dials = release(acd, 20.5, "a0", "a1") + [phrase for _, phrase in follow(acd, 60.0)]
    assert dials == ["c00 is dialed (1)", "c01 is dialed (1)"]  # the oldest two, and no more however often we look


def test_many_busy_agents_are_forecast_to_be_free_soon() -> None:
    """AHT 180 s, 15 s to pick up: of 40 agents who talk, 3.2 will be free; so three customers are dialed."""
    acd = center(CUSTOMER_FIRST, agents=40)
    dials = [phrase for n in range(20) for phrase in promised(acd, f"c{n:02}", 10.0)]
    dials += [phrase for _, phrase in follow(acd, 30.0)]
    assert len(dials) == 3


def test_those_on_the_line_who_are_served_before_count_against_the_free_agents() -> None:
    acd = center(CUSTOMER_FIRST, agents=2, requires=Held("en"))
    skilled = QueueRules("orders", callback=CUSTOMER_FIRST)
    acd.step(site({"a0": {}, "a1": {}}, skilled), 6.0)
    run(acd, 8.0, entered("c0", 8.0), entered("c1", 8.0))
    promised(acd, "c2", 10.0)
    release(acd, 20.5, "a0", "a1")
    assert follow(acd, 25.0) == []  # both ring for those on the line
    run(acd, 26.0, accepted("c0.o1"), accepted("c1.o1"))
    assert follow(acd, 27.0) == []


def test_a_customer_who_does_not_answer_rests_and_frees_their_part_of_the_forecast() -> None:
    acd = center(CUSTOMER_FIRST)
    promised(acd, "c1", 10.0)
    promised(acd, "c2", 11.0)
    follow(acd, 20.5)
    release(acd, 20.5, "a0")
    assert follow(acd, 25.0) == [(21.0, "c1 is dialed (1)")]
    told = said(acd.step(dialed("c1", DialOutcome.FAILED), 30.0)) + [phrase for _, phrase in follow(acd, 31.5)]
    assert told == ["c2 is dialed (1)"]
    run(acd, 40.0, dialed("c2", DialOutcome.ANSWERED), accepted("c2.o1"))
    run(acd, 50.0, TalkEnded("a0", "c2", 0.0))
    assert follow(acd, 331.0)[-1][1] == "c1 is dialed (2)"


def test_when_the_agent_has_gone_meanwhile_the_customer_waits_first_in_line() -> None:
    acd = center(CUSTOMER_FIRST)
    promised(acd, "c1", 10.0)
    run(acd, 15.0, entered("c2", 15.0))
    assert release(acd, 20.5, "a0") == ["c2 rings a0", "c1 is dialed (1)"]  # who is overtaken is called
    run(acd, 21.0, settled("c2.o1", Outcome.CALLER_GONE))
    occupy(acd, 24.0, "a0")
    assert said(acd.step(dialed("c1", DialOutcome.ANSWERED), 30.0)) == []
    acd.step(entered("c3", 12.0), 31.0)
    assert in_queues(acd) == ["c1", "c3"]
    assert release(acd, 40.0, "a0") == ["c1 rings a0"]


def test_a_customer_who_was_called_back_is_not_sent_away_by_the_exit() -> None:
    acd = center(CUSTOMER_FIRST, exit_to=Exit(ExitKind.VOICEMAIL), exit_after_s=15.0)
    promised(acd, "c1", 10.0)
    release(acd, 30.5, "a0")
    follow(acd, 32.0)
    occupy(acd, 32.5, "a0")
    assert said(acd.step(dialed("c1", DialOutcome.ANSWERED), 40.0)) == []
    assert not contact(acd, "c1").entered.callback
    assert follow(acd, 1_000.0) == []
    assert release(acd, 1_000.0, "a0") == ["c1 rings a0"]


def test_no_look_is_due_once_nobody_is_to_be_called() -> None:
    acd = center(CUSTOMER_FIRST)
    promised(acd, "c1", 10.0)
    follow(acd, 15.0)
    acd.step(Left("c1"), 15.5)
    follow(acd, 100.0)
    assert acd.next_at() is None


# --- one a customer and queue -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [AGENT_FIRST, CUSTOMER_FIRST])
def test_a_customer_who_calls_again_takes_up_the_pending_callback_with_its_age(rules: CallbackRules) -> None:
    acd = center(rules)
    promised(acd, "c1", 10.0, customer_id="kim")
    acd.step(entered("c2", 15.0), 15.0)
    assert said(acd.step(entered("c3", 30.0, customer_id="kim"), 30.0)) == ["c1 no callback (returned as c3)"]
    assert contact(acd, "c3").entered.entered_at == 10.0
    assert in_queues(acd) == ["c3", "c2"]


def test_who_takes_up_a_callback_has_its_step_clock_and_its_agent() -> None:
    acd = center(preferred_wait_s=60.0, agents=2)
    promised(acd, "c1", 10.0, customer_id="kim", preferred_agent="a0")
    acd.step(entered("c2", 30.0, customer_id="kim"), 30.0)
    assert contact(acd, "c2").entered.preferred_agent == "a0"
    assert contact(acd, "c2").clock_s == 20.0
    assert release(acd, 40.0, "a1") == []
    assert release(acd, 50.0, "a0") == ["c2 rings a0"]


def test_who_takes_up_a_resting_callback_is_not_called() -> None:
    acd = center()
    promised(acd, "c1", 10.0, customer_id="kim")
    release(acd, 20.0, "a0")
    run(acd, 21.0, accepted("c1.o1"), dialed("c1", DialOutcome.FAILED))
    told = said(acd.step(entered("c2", 30.0, customer_id="kim"), 30.0))
    assert told == ["c1 no callback (returned as c2)", "c2 rings a0"]
    run(acd, 31.0, accepted("c2.o1"))
    assert follow(acd, 100_000.0) == []


def test_another_customer_or_another_queue_takes_up_nothing() -> None:
    acd = staffed(site({"a0": {}}, QueueRules("orders"), QueueRules("other")))
    occupy(acd, 5.0, "a0")
    promised(acd, "c1", 10.0, customer_id="kim")
    assert said(acd.step(entered("c2", 11.0, customer_id="lee"), 11.0)) == []
    assert said(acd.step(entered("c3", 12.0, customer_id="kim", queue="other"), 12.0)) == []
    assert in_queues(acd) == ["c1", "c2", "c3"]


def test_a_second_callback_of_the_customer_replaces_the_first() -> None:
    acd = center()
    promised(acd, "c1", 10.0, customer_id="kim")
    assert promised(acd, "c2", 30.0, customer_id="kim") == ["c1 no callback (returned as c2)"]
    assert in_queues(acd) == ["c2"]
    assert contact(acd, "c2").entered.entered_at == 10.0


@pytest.mark.parametrize("outcome", [DialOutcome.FAILED, DialOutcome.REFUSED])
@pytest.mark.parametrize("rules", [AGENT_FIRST, CUSTOMER_FIRST])
def test_a_customer_who_calls_while_we_dial_them_is_not_called_again(
    rules: CallbackRules, outcome: DialOutcome
) -> None:
    """Their line is busy because they are calling us (FreePBX#525: the duplicate call)."""
    acd = center(rules)
    promised(acd, "c1", 10.0, customer_id="kim")
    release(acd, 20.5, "a0")
    follow(acd, 22.0)
    if rules is AGENT_FIRST:
        acd.step(accepted("c1.o1"), 22.0)
    acd.step(entered("c2", 23.0, customer_id="kim"), 23.0)
    told = run(acd, 24.0, dialed("c1", outcome))
    assert [each.contact_id for each in told if isinstance(each, CallbackOver)] == ["c1"]
    assert contact(acd, "c2").entered.entered_at == 10.0
    run(acd, 25.0, accepted("c2.o1"), TalkEnded("a0", "c2", 0.0))
    assert [phrase for _, phrase in follow(acd, 100_000.0) if "dialed" in phrase] == []


def test_a_customer_who_calls_while_an_agent_is_asked_is_one_contact_in_the_end() -> None:
    acd = center()
    promised(acd, "c1", 10.0, customer_id="kim")
    release(acd, 20.0, "a0")
    acd.step(entered("c2", 23.0, customer_id="kim"), 23.0)
    told = said(acd.step(settled("c1.o1", Outcome.REJECTED), 24.0))
    assert "c1 no callback (returned as c2)" in told
    assert in_queues(acd) == ["c2"]


def test_a_customer_on_two_lines_who_chooses_twice_has_one_callback() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0, customer_id="kim"), entered("c2", 11.0, customer_id="kim"))
    told = said(run(acd, 20.0, CallbackChosen("c1"), CallbackChosen("c2")))
    assert told == ["c1 no callback (returned as c2)"]
    assert in_queues(acd) == ["c2"]
    assert contact(acd, "c2").entered.entered_at == 10.0


def test_a_contact_that_enters_again_while_it_is_being_called_is_called_no_more() -> None:
    acd = center()
    promised(acd, "c1", 10.0)
    release(acd, 20.0, "a0")
    run(acd, 21.0, accepted("c1.o1"), entered("c1", 10.0, offers_made=1), TalkEnded("a0", "c1", 0.0))
    assert contact(acd, "c1").offers[0].agent_id == "a0"
    assert said(run(acd, 22.0, dialed("c1", DialOutcome.FAILED), accepted("c1.o2"))) == []
    assert follow(acd, 100_000.0) == []


def test_a_callback_told_again_after_a_restart_waits_as_before() -> None:
    acd = center()
    run(acd, 50.0, entered("c1", 10.0, customer_id="kim", callback=True, clock_s=40.0))
    assert release(acd, 60.0, "a0") == ["c1 rings a0"]
    assert said(acd.step(accepted("c1.o1"), 61.0)) == ["c1 is dialed (1)"]


# --- the agent in between ---------------------------------------------------------------------------------------------


def test_a_callback_whose_contact_ends_while_the_agent_waits_is_forgotten() -> None:
    acd = center()
    promised(acd, "c1", 10.0, customer_id="kim")
    release(acd, 20.0, "a0")
    acd.step(accepted("c1.o1"), 21.0)
    run(acd, 22.0, Left("c1"), TalkEnded("a0", "c1", 0.0))
    assert acd.step(dialed("c1", DialOutcome.FAILED), 23.0) == []
    assert in_queues(acd) == []
    assert acd.step(entered("c2", 30.0, customer_id="kim"), 30.0) != []
    assert contact(acd, "c2").entered.entered_at == 30.0


def test_an_agent_who_logs_out_during_the_dial_is_free_after_it() -> None:
    acd = center()
    promised(acd, "c1", 10.0)
    release(acd, 20.0, "a0")
    run(acd, 21.0, accepted("c1.o1"), PresenceChosen("a0", Presence.LOGGED_OUT))
    acd.step(dialed("c1", DialOutcome.FAILED), 30.0)
    assert agent(acd, "a0").presence is Presence.LOGGED_OUT
    assert in_queues(acd) == ["c1"]


@pytest.mark.parametrize("rules", [AGENT_FIRST, CUSTOMER_FIRST])
def test_a_restored_engine_goes_on_with_its_callbacks(rules: CallbackRules) -> None:
    acd = center(rules, agents=2)
    for n, at in enumerate((10.0, 11.0, 12.0)):
        promised(acd, f"c{n}", at, customer_id=f"kim{n}")
    release(acd, 20.5, "a0")
    follow(acd, 22.0)
    if rules is AGENT_FIRST:
        acd.step(accepted("c0.o1"), 22.0)
    acd.step(dialed("c0", DialOutcome.FAILED), 23.5)  # c0 rests, c1 is next
    config = site({"a0": {}, "a1": {}}, QueueRules("orders", callback=rules, wrap_up_s=0.0))
    restored = Acd.restore(config, acd.snapshot())
    assert follow(restored, 22.0 + 500.0) == follow(acd, 22.0 + 500.0)


def test_a_new_site_holds_for_a_callback_that_is_being_dialed() -> None:
    acd = center()
    promised(acd, "c1", 10.0)
    release(acd, 20.0, "a0")
    acd.step(accepted("c1.o1"), 21.0)
    acd.step(site({"a0": {}}, QueueRules("orders", callback=replace(AGENT_FIRST, attempts_max=1))), 22.0)
    assert said(acd.step(dialed("c1", DialOutcome.FAILED), 23.0)) == ["c1 no callback (unreached)"]


def test_time_alone_never_dials_a_customer_twice() -> None:
    acd = center(CUSTOMER_FIRST)
    promised(acd, "c1", 10.0)
    release(acd, 10.5, "a0")
    dials = [each for at in range(20, 300) for each in acd.step(Tick(), float(at)) if isinstance(each, DialCustomer)]
    assert dials == [DialCustomer("c1", 1)]


# --- an earlier process, and who is there by themselves ---------------------------------------------------------------


def test_attempts_pause_and_expiry_of_an_earlier_process_hold() -> None:
    acd = center()
    so_far = SoFar(attempts=2, expires_at=400.0, retry_at=100.0)
    acd.step(structs.replace(entered("c1", 10.0), callback=True, so_far=so_far), 20.0)
    release(acd, 30.0, "a0")
    assert contact(acd, "c1").attempts == 2
    assert follow(acd, 99.0) == []
    assert follow(acd, 100.0) == [(100.0, "c1 rings a0")]
    run(acd, 101.0, accepted("c1.o1"))
    assert said(acd.step(dialed("c1", DialOutcome.FAILED), 110.0)) == ["c1 no callback (unreached)"]


def test_a_promise_that_is_too_old_is_over_at_once() -> None:
    acd = center()
    given = structs.replace(entered("c1", 10.0), callback=True, so_far=SoFar(0, expires_at=20.0))
    assert said(acd.step(given, 20.0)) == ["c1 no callback (expired)"]
    assert in_queues(acd) == []


def test_who_takes_up_their_callback_is_not_sent_away_by_the_exit() -> None:
    orders = QueueRules("orders", callback=AGENT_FIRST, exit_to=Exit(ExitKind.CALLBACK), exit_after_s=15.0)
    config = site({"a0": {}}, orders)
    acd = staffed(config)
    occupy(acd, 5.0, "a0")
    promised(acd, "c1", 10.0, customer_id="kim")
    run(acd, 60.0, entered("c2", 60.0, customer_id="kim"))
    assert (in_queues(acd), contact(acd, "c2").entered.entered_at) == (["c2"], 10.0)
    acd = Acd.restore(config, acd.snapshot())
    assert follow(acd, 500.0) == []
    assert release(acd, 500.0, "a0") == ["c2 rings a0"]


def test_who_picks_up_although_they_called_again_meanwhile_is_there_twice() -> None:
    acd = center(CUSTOMER_FIRST)
    promised(acd, "c1", 10.0, customer_id="kim")
    release(acd, 20.5, "a0")
    follow(acd, 21.6)
    occupy(acd, 22.0, "a0")
    assert contact(acd, "c1").away is Away.DIALING
    run(acd, 23.0, entered("c2", 23.0, customer_id="kim"))
    assert said(acd.step(dialed("c1", DialOutcome.ANSWERED), 24.0)) == []
    assert sorted(in_queues(acd)) == ["c1", "c2"]
