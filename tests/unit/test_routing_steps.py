"""Who may serve widens step by step with the wait, by a clock that stands still while a phone rings."""

from dataclasses import replace

import pytest

from routing.acd.engine import Acd
from routing.messages import Configured, Engaged, Input, Left, PresenceChosen, StepTaken, TalkEnded, Tick
from routing.model import AgentProfile, Exit, ExitKind, Membership, Outcome, Presence, QueueRules, Step
from routing.policy import Tier, TierPolicy
from routing.requirement import ANYONE, Either, Held, InTeam, Named, Not, parse
from tests.acd import (
    accepted,
    agent,
    contact,
    ends_within,
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

VOICEMAIL = Exit(ExitKind.VOICEMAIL)
EXPERT = Held("tech", 80)
WIDENING = QueueRules("orders", steps=(Step(EXPERT), Step(Held("tech"), after_s=10.0), Step(after_s=25.0)))
SKILLS = {"eva": {"tech": 90}, "tom": {"tech": 30}, "ann": {}}


def center(rules: QueueRules = WIDENING) -> Acd:
    """An expert, a technician and one who is neither, all ready."""
    return staffed(site(SKILLS, rules))


def test_a_contact_waits_for_the_agents_of_its_step_and_widens_when_the_step_is_over() -> None:
    acd = center()
    occupy(acd, 10.0, "eva", "tom")
    assert offers(acd.step(entered("c1", 10.0), 10.0)) == []
    assert follow(acd, 50.0) == [(20.0, "c1 in step 1 (time)"), (35.0, "c1 in step 2 (time)"), (35.0, "c1 rings ann")]


def test_a_step_serves_whoever_it_names_the_moment_it_begins() -> None:
    acd = center()
    occupy(acd, 10.0, "eva")
    acd.step(entered("c1", 10.0), 10.0)
    assert acd.next_at() == 20.0
    assert said(acd.step(Tick(), 19.99)) == []
    assert said(acd.step(Tick(), 20.0)) == ["c1 in step 1 (time)", "c1 rings tom"]


def test_a_new_step_tells_the_whole_requirement() -> None:
    acd = center(replace(WIDENING, requires=Not(Held("trainee"))))
    occupy(acd, 10.0, "eva", "tom")
    acd.step(entered("c1", 10.0, requires=Held("en")), 10.0)
    (told,) = acd.step(Tick(), 20.0)
    assert told == StepTaken("c1", "orders", 1, "time", "en and not trainee and tech")


def test_what_the_queue_and_the_contact_require_binds_in_every_step() -> None:
    acd = staffed(site({"ann": {"en": 1}, "bob": {}}, replace(WIDENING, requires=Held("en"))))
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(entered("c2", 10.0, requires=Held("fr")), 10.0)
    assert [phrase for _, phrase in follow(acd, 1_000.0) if "rings" in phrase] == ["c1 rings ann"]


# --- the step clock ---------------------------------------------------------------------------------------------------


def test_the_step_clock_stands_still_while_an_offer_rings() -> None:
    """Amazon Connect's trap: an expiry that runs on while a phone rings skips the next best agent."""
    acd = staffed(site({"eva": {"tech": 90}, "eli": {"tech": 80}, "ann": {}}, WIDENING))
    occupy(acd, 10.0, "eli")
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 rings eva"]
    assert said(acd.step(Tick(), 30.0)) == ["c1.o1 no_answer"]  # after 20 s, twice the time of the step
    assert contact(acd, "c1").clock_s == 0.0
    assert release(acd, 39.9, "eli") == ["c1 rings eli"]


def test_the_clock_adds_up_the_waits_between_offers() -> None:
    acd = center()
    occupy(acd, 10.0, "eva", "tom")
    acd.step(entered("c1", 10.0), 10.0)
    release(acd, 14.0, "eva")  # after 4 s of waiting
    assert contact(acd, "c1").clock_s == 4.0
    acd.step(settled("c1.o1", Outcome.NO_ANSWER), 30.0)
    assert contact(acd, "c1").clock_s == 4.0
    assert acd.next_at() == 36.0
    release(acd, 31.0, "tom")
    assert said(acd.step(Tick(), 36.0)) == ["c1 in step 1 (time)", "c1 rings tom"]


def test_the_clock_stands_while_any_of_several_phones_rings() -> None:
    acd = center(replace(WIDENING, steps=(Step(Held("tech")), Step(after_s=10.0)), ring_several=2))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 rings eva", "c1 rings tom"]
    acd.step(settled("c1.o1", Outcome.REJECTED), 15.0)
    assert contact(acd, "c1").clock_s == 0.0
    acd.step(settled("c1.o2", Outcome.REJECTED), 16.0)
    assert contact(acd, "c1").clock_s == 0.0
    assert acd.step(Tick(), 19.0) == []
    assert contact(acd, "c1").clock_s == 3.0


def test_the_age_runs_on_while_the_clock_stands() -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    explained = acd.explain("c1", 25.0)
    assert explained is not None
    assert (explained.wait_s, explained.clock_s, explained.situation) == (15.0, 0.0, "offered")


def test_a_contact_begins_with_the_clock_it_had_before_a_restart() -> None:
    acd = center()
    occupy(acd, 10.0, "eva", "tom")
    assert said(acd.step(entered("c1", 0.0, clock_s=12.0), 10.0)) == ["c1 in step 1 (time)"]
    assert follow(acd, 100.0)[0] == (23.0, "c1 in step 2 (time)")


def test_the_clock_begins_anew_in_another_queue_and_the_age_does_not() -> None:
    acd = staffed(site(SKILLS, WIDENING, replace(WIDENING, queue="other")))
    occupy(acd, 10.0, "eva", "tom")
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(entered("c1", 10.0, queue="other"), 18.0)
    assert (contact(acd, "c1").clock_s, contact(acd, "c1").entered.entered_at) == (0.0, 10.0)
    assert acd.next_at() == 28.0


def test_a_new_site_with_other_steps_counts_the_same_clock() -> None:
    acd = center()
    occupy(acd, 10.0, "eva", "tom")
    acd.step(entered("c1", 10.0), 10.0)
    sooner = replace(WIDENING, steps=(Step(EXPERT), Step(after_s=7.0)))
    assert said(acd.step(site(SKILLS, sooner), 15.0)) == []
    assert follow(acd, 30.0) == [(17.0, "c1 in step 1 (time)"), (17.0, "c1 rings ann")]


def test_a_step_is_told_with_one_of_two_reasons_after_a_change_of_site_too() -> None:
    acd = staffed(site(SKILLS, replace(WIDENING, ring_s=60.0, preferred_wait_s=40.0)))
    acd.step(PresenceChosen("ann", Presence.AUX, "lunch"), 5.0)
    occupy(acd, 10.0, "eva", "tom")
    acd.step(entered("c1", 10.0, preferred_agent="ann"), 10.0)
    follow(acd, 21.0)
    assert contact(acd, "c1").step == 1
    run(acd, 22.0, PresenceChosen("ann", Presence.AVAILABLE), Engaged("ann", "x"))
    told = acd.step(site(SKILLS, replace(WIDENING, preferred_wait_s=40.0)), 23.0)
    assert {each.why for each in told if isinstance(each, StepTaken)} <= {"time", "unstaffed"}
    assert contact(acd, "c1").step in {0, 1}


# --- skipped while unstaffed ------------------------------------------------------------------------------------------

SKIPPED = QueueRules("orders", steps=(Step(EXPERT, skip_if_unstaffed=True), Step(after_s=60.0)))


def test_a_step_is_skipped_on_entry_if_nobody_who_meets_it_is_logged_in() -> None:
    acd = staffed(site({"tom": {"tech": 30}}, SKIPPED))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 in step 1 (unstaffed)", "c1 rings tom"]


@pytest.mark.parametrize("presence", [Presence.AVAILABLE, Presence.AUX])
def test_who_talks_or_is_on_a_break_is_staff(presence: Presence) -> None:
    """Unstaffed means that nobody could become free; FreeSWITCH and Twilio count other things."""
    acd = center(SKIPPED)
    occupy(acd, 5.0, "eva")
    acd.step(PresenceChosen("eva", presence, "lunch" if presence is Presence.AUX else None), 6.0)
    release(acd, 7.0, *(["eva"] if presence is Presence.AUX else []))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == []


def test_a_lost_phone_does_not_make_its_agent_absent() -> None:
    acd = staffed(site({"eva": {"tech": 90}}, SKIPPED))
    acd.step(Engaged("eva", "x"), 5.0)
    assert said(acd.step(entered("c1", 10.0), 10.0)) == []


def test_a_step_is_left_at_once_when_the_last_one_who_meets_it_logs_out() -> None:
    acd = staffed(site(SKILLS | {"eli": {"tech": 80}}, SKIPPED))
    occupy(acd, 10.0, "eva", "eli")
    run(acd, 10.0, PresenceChosen("eva", Presence.LOGGED_OUT), PresenceChosen("eli", Presence.LOGGED_OUT))
    assert said(acd.step(entered("c1", 11.0), 11.0)) == []  # both still talk
    assert release(acd, 12.0, "eva") == []
    assert release(acd, 13.0, "eli") == ["c1 in step 1 (unstaffed)", "c1 rings tom"]


@pytest.mark.parametrize("ends", ["accepted elsewhere", "rejected", "rings out", "caller leaves"])
def test_a_log_out_that_comes_true_when_an_offer_ends_leaves_the_step_too(ends: str) -> None:
    rules = replace(SKIPPED, ring_several=2 if ends == "accepted elsewhere" else 1)
    acd = staffed(
        site({"eva": {"tech": 90}, "tom": {}, "ann": {}}, rules, replace(rules, queue="any", steps=(Step(),)))
    )
    occupy(acd, 10.0, "tom", *(["ann"] if ends != "accepted elsewhere" else []))
    run(acd, 10.0, entered("c0", 10.0, queue="any"), entered("c1", 10.0))
    assert agent(acd, "eva").contact_id == "c0"
    acd.step(PresenceChosen("eva", Presence.LOGGED_OUT), 11.0)
    release(acd, 12.0, "tom")
    happens: dict[str, Input] = {
        "accepted elsewhere": accepted("c0.o2"),
        "rejected": settled("c0.o1", Outcome.REJECTED),
        "rings out": Tick(),
        "caller leaves": Left("c0"),
    }
    acd.step(happens[ends], 30.0)
    assert agent(acd, "eva").presence is Presence.LOGGED_OUT
    assert contact(acd, "c1").step == 1


def test_who_logs_in_later_does_not_bring_back_the_step_that_was_left() -> None:
    acd = staffed(site({"eva": {"tech": 90}, "tom": {}}, SKIPPED))
    acd.step(PresenceChosen("eva", Presence.LOGGED_OUT), 5.0)
    occupy(acd, 5.0, "tom")
    acd.step(entered("c1", 10.0), 10.0)
    assert contact(acd, "c1").step == 1
    assert said(acd.step(PresenceChosen("eva", Presence.AVAILABLE), 11.0)) == ["c1 rings eva"]


def test_several_unstaffed_steps_are_skipped_together() -> None:
    steps = (
        Step(Held("latin"), skip_if_unstaffed=True),
        Step(Held("greek"), after_s=5.0, skip_if_unstaffed=True),
        Step(Held("tech"), after_s=9.0),
        Step(after_s=20.0),
    )
    acd = center(QueueRules("orders", steps=steps))
    occupy(acd, 5.0, "eva", "tom")
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 in step 2 (unstaffed)"]
    assert follow(acd, 40.0) == [(30.0, "c1 in step 3 (time)"), (30.0, "c1 rings ann")]


def test_a_contact_already_offered_leaves_its_step_when_the_offer_is_over() -> None:
    acd = staffed(site({"eva": {"tech": 90}, "tom": {}}, SKIPPED))
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(PresenceChosen("eva", Presence.LOGGED_OUT), 11.0)
    told = said(acd.step(settled("c1.o1", Outcome.REJECTED), 12.0))
    assert told == ["c1 in step 1 (unstaffed)", "c1 rings tom"]


def test_a_back_up_member_who_is_logged_in_is_staff_even_while_the_contact_is_hidden_from_them() -> None:
    config = Configured((SKIPPED,), (member("eva", {"tech": 90}, orders=Membership(2, 15.0)), member("tom", orders=1)))
    acd = staffed(config)
    assert said(acd.step(entered("c1", 10.0), 10.0)) == []
    assert follow(acd, 30.0) == [(25.0, "c1 rings eva")]


# --- the last step ----------------------------------------------------------------------------------------------------


def test_without_an_exit_a_contact_waits_on_in_the_last_step() -> None:
    acd = center()
    occupy(acd, 10.0, "eva", "tom", "ann")
    acd.step(entered("c1", 10.0), 10.0)
    assert [at for at, _ in follow(acd, 1e6)] == [20.0, 35.0]
    assert acd.next_at() is None
    assert release(acd, 1e6, "ann") == ["c1 rings ann"]


@pytest.mark.parametrize(
    ("exit_to", "told"),
    [
        (Exit(ExitKind.QUEUE, "other"), "c1 to other (last_step)"),
        (VOICEMAIL, "c1 to voicemail (last_step)"),
        (Exit(ExitKind.CALLBACK), "c1 to callback (last_step)"),
        (Exit(ExitKind.GOODBYE), "c1 to goodbye (last_step)"),
    ],
)
def test_the_last_step_ends_where_the_queue_says(exit_to: Exit, told: str) -> None:
    acd = center(replace(WIDENING, exit_to=exit_to, exit_after_s=60.0))
    occupy(acd, 10.0, "eva", "tom", "ann")
    acd.step(entered("c1", 10.0), 10.0)
    assert follow(acd, 1_000.0)[-1] == (70.0, told)
    assert in_queues(acd) == []
    assert acd.next_at() is None


def test_who_is_being_offered_does_not_leave_by_the_last_step_unless_the_offer_fails_after_it() -> None:
    acd = center(QueueRules("orders", exit_to=VOICEMAIL, exit_after_s=5.0))
    occupy(acd, 10.0, "eva", "tom", "ann")
    acd.step(entered("c1", 10.0), 10.0)
    release(acd, 14.0, "ann")
    assert follow(acd, 33.9) == []
    assert said(acd.step(settled("c1.o1", Outcome.REJECTED), 33.9)) == []
    assert follow(acd, 100.0) == [(34.9, "c1 to voicemail (last_step)")]


def test_a_last_step_that_is_skipped_while_unstaffed_leads_to_the_exit() -> None:
    last = QueueRules("orders", steps=(Step(EXPERT, skip_if_unstaffed=True),), exit_to=VOICEMAIL, exit_after_s=1e9)
    acd = staffed(site({"tom": {}}, last))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 to voicemail (unstaffed)"]
    assert in_queues(acd) == []


def test_a_last_step_that_is_skipped_while_unstaffed_is_waited_in_when_there_is_no_exit() -> None:
    acd = staffed(site({"eva": {"tech": 90}}, QueueRules("orders", steps=(Step(EXPERT, skip_if_unstaffed=True),))))
    acd.step(PresenceChosen("eva", Presence.LOGGED_OUT), 5.0)
    assert said(acd.step(entered("c1", 10.0), 10.0)) == []
    assert said(acd.step(PresenceChosen("eva", Presence.AVAILABLE), 50.0)) == ["c1 rings eva"]


@pytest.mark.parametrize("waits_for_eva", [True, False])
def test_the_exit_binds_whoever_is_waited_for(waits_for_eva: bool) -> None:
    rules = QueueRules("orders", exit_to=VOICEMAIL, exit_after_s=5.0, preferred_wait_s=10.0)
    acd = center(rules)
    occupy(acd, 10.0, "eva", *([] if waits_for_eva else ["tom", "ann"]))
    acd.step(entered("c1", 10.0, preferred_agent="eva" if waits_for_eva else None), 10.0)
    with ends_within(2.0):
        assert follow(acd, 100.0) == [(15.0, "c1 to voicemail (last_step)")]


# --- what a step can ask for ------------------------------------------------------------------------------------------

STAFF = (
    AgentProfile("ann", {"en": 90, "tech": 40}, experience=8, team="gold", location="taipei"),
    AgentProfile("bob", {"en": 50}, experience=2, team="silver", location="taipei"),
    AgentProfile("cat", {"tech": 80, "trainee": 0}, experience=5, team="gold", location="tainan"),
    AgentProfile("dan", {}, experience=9),
)


@pytest.mark.parametrize(
    ("text", "able"),
    [
        ("anyone", ["ann", "bob", "cat", "dan"]),
        ("en", ["ann", "bob"]),
        ("en >= 51", ["ann"]),
        ("en <= 50", ["bob"]),
        ("tech >= 40 and tech <= 60", ["ann"]),
        ("trainee", ["cat"]),  # held at level 0 is held
        ("not trainee", ["ann", "bob", "dan"]),
        ("not en and not tech", ["dan"]),
        ("en and tech", ["ann"]),
        ("en or tech", ["ann", "bob", "cat"]),
        ("(en or tech) and team:gold", ["ann", "cat"]),
        ("tech >= 80 or experience >= 9", ["cat", "dan"]),
        ("team:gold", ["ann", "cat"]),
        ("location:taipei and not team:gold", ["bob"]),
        ("experience >= 5", ["ann", "cat", "dan"]),
        ("agent:bob or agent:dan", ["bob", "dan"]),
        ("not agent:ann", ["bob", "cat", "dan"]),
        ("agent:nobody", []),
    ],
)
def test_a_step_reaches_exactly_the_agents_whom_its_expression_describes(text: str, able: list[str]) -> None:
    acd = staffed(Configured((QueueRules("orders", steps=(Step(parse(text)),)),), STAFF))
    served = [agent_id for n in range(len(STAFF)) for _, agent_id in offers(acd.step(entered(f"c{n}", 10.0), 10.0 + n))]
    assert served == able


def test_a_contact_for_one_agent_alone_never_goes_to_another_who_is_like_them() -> None:
    acd = staffed(site({"ann": {}, "bob": {}, "cat": {}}))
    occupy(acd, 5.0, "ann")
    assert offers(acd.step(entered("c1", 10.0, requires=Named("ann")), 10.0)) == []
    assert offers(acd.step(entered("c2", 10.0, requires=Not(Named("ann"))), 10.0)) == [("c2", "bob")]
    assert release(acd, 12.0, "ann") == ["c1 rings ann"]


def test_named_agents_come_first_when_the_first_step_names_them() -> None:
    steps = (Step(Either((Named("dan"), Named("bob")))), Step(ANYONE, after_s=10.0))
    acd = staffed(Configured((QueueRules("orders", steps=steps),), STAFF))
    occupy(acd, 5.0, "bob", "dan")
    acd.step(entered("c1", 10.0), 10.0)
    assert release(acd, 12.0, "dan") == ["c1 rings dan"]
    acd.step(entered("c2", 12.0), 12.0)
    assert follow(acd, 22.0) == [(22.0, "c2 in step 1 (time)"), (22.0, "c2 rings ann")]


def test_a_team_is_preferred_by_a_first_step_of_its_own() -> None:
    steps = (Step(InTeam("silver")), Step(ANYONE, after_s=5.0))
    acd = staffed(Configured((QueueRules("orders", steps=steps),), STAFF))
    assert offers(acd.step(entered("c1", 10.0), 10.0)) == [("c1", "bob")]
    assert offers(acd.step(entered("c2", 10.0), 10.0)) == []
    assert follow(acd, 15.0) == [(15.0, "c2 in step 1 (time)"), (15.0, "c2 rings ann")]


# --- experience by tier -----------------------------------------------------------------------------------------------

VIP_TO_THE_EXPERIENCED = TierPolicy(tiers=(Tier("vip", experience=5, spill_s=8.0), Tier("standard")))


def test_a_high_tier_goes_to_experienced_agents_first_and_spills_after_its_time() -> None:
    acd = staffed(Configured((QueueRules("orders"),), STAFF, VIP_TO_THE_EXPERIENCED))
    assert offers(acd.step(entered("v1", 10.0, value_tier=0), 10.0)) == [("v1", "ann")]
    assert offers(acd.step(entered("s1", 10.0, value_tier=1), 10.0)) == [("s1", "bob")]
    occupy(acd, 11.0, "cat", "dan")
    run(acd, 12.0, accepted("s1.o1"), TalkEnded("bob", "s1", 0.0))
    assert offers(acd.step(entered("v2", 13.0, value_tier=0), 13.0)) == []
    assert follow(acd, 100.0)[:1] == [(21.0, "v2 rings bob")]


def test_the_spill_is_no_step_and_is_not_told_as_one() -> None:
    acd = staffed(Configured((WIDENING,), STAFF, VIP_TO_THE_EXPERIENCED))
    occupy(acd, 5.0, "ann", "bob", "cat", "dan")
    acd.step(entered("v1", 10.0, value_tier=0), 10.0)
    assert [phrase for _, phrase in follow(acd, 100.0)] == ["v1 in step 1 (time)", "v1 in step 2 (time)"]


def test_nobody_experienced_at_work_spills_at_once() -> None:
    acd = staffed(Configured((QueueRules("orders"),), STAFF[1:2], VIP_TO_THE_EXPERIENCED))
    assert offers(acd.step(entered("v1", 10.0, value_tier=0), 10.0)) == [("v1", "bob")]


def test_nobody_experienced_at_work_spills_within_the_step_and_not_beyond_it() -> None:
    steps = (Step(EXPERT), Step(ANYONE, after_s=5.0))
    novices = {"tom": {"tech": 90}, "ann": {}}
    acd = staffed(site(novices, QueueRules("orders", steps=steps), policy=VIP_TO_THE_EXPERIENCED))
    occupy(acd, 5.0, "tom")
    assert said(acd.step(entered("v1", 10.0, value_tier=0), 10.0)) == []
    assert follow(acd, 100.0)[:2] == [(15.0, "v1 in step 1 (time)"), (15.0, "v1 rings ann")]
