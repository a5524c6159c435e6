"""What an offer that came to nothing means to its agent: delays by outcome, RONA by misses, no penalty for faults."""

from dataclasses import replace

import pytest

from routing.acd.engine import Acd
from routing.messages import DeviceChanged, PresenceChosen, TalkEnded, Tick
from routing.model import RONA, Activity, Outcome, Presence, QueueRules
from tests.acd import accepted, agent, entered, follow, occupy, release, run, said, settled, site, staffed

RULES = QueueRules(
    "orders",
    ring_s=20.0,
    misses_max=3,
    no_answer_delay_s=7.0,
    reject_delay_s=11.0,
    busy_delay_s=13.0,
    fault_delay_s=17.0,
)
FAULTS = [Outcome.UNREACHABLE, Outcome.FAILED]


def center(rules: QueueRules = RULES) -> Acd:
    """A center of ann alone."""
    return staffed(site({"ann": {}}, rules))


@pytest.mark.parametrize(
    ("outcome", "delay_s"),
    [
        (Outcome.NO_ANSWER, 7.0),
        (Outcome.REJECTED, 11.0),
        (Outcome.BUSY, 13.0),
        (Outcome.UNREACHABLE, 17.0),
        (Outcome.FAILED, 17.0),
    ],
)
def test_the_agent_is_spared_as_long_as_the_outcome_says(outcome: Outcome, delay_s: float) -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(settled("c1.o1", outcome), 12.0)
    assert (agent(acd, "ann").presence, agent(acd, "ann").spared_until) == (Presence.AVAILABLE, 12.0 + delay_s)
    assert follow(acd, 12.0 + delay_s) == [(12.0 + delay_s, "c1 rings ann")]


@pytest.mark.parametrize("outcome", [Outcome.RESCINDED, Outcome.CALLER_GONE])
def test_no_delay_follows_what_the_agent_had_no_part_in(outcome: Outcome) -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 10.0))
    assert "rings ann" in said(acd.step(settled("c1.o1", outcome), 12.0))[0]


def test_the_delay_of_an_outcome_can_be_none() -> None:
    acd = center(replace(RULES, reject_delay_s=0.0))
    acd.step(entered("c1", 10.0), 10.0)
    assert said(acd.step(settled("c1.o1", Outcome.REJECTED), 12.0)) == ["c1 rings ann"]


def test_as_many_misses_in_a_row_as_the_queue_says_send_the_agent_to_rona() -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    told = follow(acd, 1_000.0)
    assert told == [
        (30.0, "c1.o1 no_answer"),
        (37.0, "c1 rings ann"),
        (57.0, "c1.o2 no_answer"),
        (64.0, "c1 rings ann"),
        (84.0, "c1.o3 no_answer"),
    ]
    assert (agent(acd, "ann").presence, agent(acd, "ann").aux_code) == (Presence.AUX, RONA)


def test_an_answer_between_misses_begins_the_row_anew() -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    follow(acd, 64.0)  # two misses, rings again
    run(acd, 65.0, accepted("c1.o3"), TalkEnded("ann", "c1", 0.0))
    acd.step(entered("c2", 70.0), 70.0)
    follow(acd, 130.0)  # two more
    assert agent(acd, "ann").presence is Presence.AVAILABLE


def test_misses_of_yesterday_are_forgotten_at_log_in() -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    follow(acd, 64.0)
    run(acd, 65.0, PresenceChosen("ann", Presence.LOGGED_OUT), settled("c1.o3", Outcome.REJECTED))
    run(acd, 100.0, PresenceChosen("ann", Presence.AVAILABLE))
    assert agent(acd, "ann").misses == 0


def test_from_rona_the_agent_comes_back_by_choosing_to_be_available() -> None:
    acd = center(replace(RULES, misses_max=1))
    acd.step(entered("c1", 10.0), 10.0)
    follow(acd, 30.0)
    assert agent(acd, "ann").aux_code == RONA
    assert said(acd.step(PresenceChosen("ann", Presence.AVAILABLE), 40.0)) == ["c1 rings ann"]
    assert agent(acd, "ann").ready_since == 40.0


@pytest.mark.parametrize("outcome", FAULTS)
def test_faults_in_any_number_never_send_the_agent_away(outcome: Outcome) -> None:
    """ "Always auto-paused when not answering immediately": a device fault is not the person's doing."""
    acd = center(replace(RULES, misses_max=1))
    acd.step(entered("c1", 0.0), 10.0)
    now = 10.0
    for n in range(1, 30):
        acd.step(settled(f"c1.o{n}", outcome), now)
        assert (agent(acd, "ann").presence, agent(acd, "ann").misses) == (Presence.AVAILABLE, 0)
        assert agent(acd, "ann").ready_since == 1.0
        now += 17.0
        assert said(acd.step(Tick(), now)) == ["c1 rings ann"]


def test_a_phone_that_registers_again_ends_the_delay_of_an_unreachable_phone() -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(settled("c1.o1", Outcome.UNREACHABLE), 12.0)
    assert said(acd.step(DeviceChanged("ann", reachable=True), 13.0)) == ["c1 rings ann"]


def test_a_phone_that_registers_again_ends_the_delay_of_a_failed_offer_too() -> None:
    """`fault_delay_s` covers both: "the phone's next registration ends that delay at once"."""
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(settled("c1.o1", Outcome.FAILED), 12.0)
    assert said(acd.step(DeviceChanged("ann", reachable=True), 13.0)) == ["c1 rings ann"]


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.BUSY, Outcome.NO_ANSWER])
def test_a_registration_does_not_end_a_delay_that_is_the_persons(outcome: Outcome) -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(settled("c1.o1", outcome), 12.0)
    assert said(acd.step(DeviceChanged("ann", reachable=True), 13.0)) == []
    assert agent(acd, "ann").spared_for is outcome


def test_a_phone_that_is_lost_and_comes_back_serves_without_anybody_doing_anything() -> None:
    """Amazon Connect: the agent's missed contact puts them offline until they notice."""
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    assert said(acd.step(DeviceChanged("ann", reachable=False), 12.0)) == ["c1.o1 unreachable"]
    assert follow(acd, 5_000.0) == []
    assert agent(acd, "ann").presence is Presence.AVAILABLE
    assert said(acd.step(DeviceChanged("ann", reachable=True), 5_000.0)) == ["c1 rings ann"]


def test_a_phone_lost_during_a_talk_does_not_end_it() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0), accepted("c1.o1"))
    assert said(acd.step(DeviceChanged("ann", reachable=False), 12.0)) == []
    assert agent(acd, "ann").activity is Activity.TALKING
    run(acd, 20.0, TalkEnded("ann", "c1", 0.0), entered("c2", 20.0))
    assert said(acd.step(DeviceChanged("ann", reachable=True), 30.0)) == ["c2 rings ann"]


def test_a_delay_that_is_over_while_the_phone_is_lost_leaves_the_agent_unready() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0), settled("c1.o1", Outcome.REJECTED), DeviceChanged("ann", reachable=False))
    assert follow(acd, 100.0) == []
    assert agent(acd, "ann").spared_until is None
    assert said(acd.step(DeviceChanged("ann", reachable=True), 101.0)) == ["c1 rings ann"]


def test_an_agent_who_is_spared_takes_a_break_and_comes_back_within_the_delay() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0), settled("c1.o1", Outcome.BUSY))
    run(acd, 11.0, PresenceChosen("ann", Presence.AUX, "lunch"))
    assert said(run(acd, 15.0, PresenceChosen("ann", Presence.AVAILABLE))) == []
    assert follow(acd, 23.0) == [(23.0, "c1 rings ann")]


def test_another_agent_is_asked_at_once_while_the_first_is_spared() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}, RULES))
    acd.step(entered("c1", 10.0), 10.0)
    assert said(acd.step(settled("c1.o1", Outcome.BUSY), 12.0)) == ["c1 rings bob"]


def test_each_miss_is_counted_by_the_limit_of_the_queue_it_rang_for() -> None:
    acd = staffed(site({"ann": {}}, RULES, replace(RULES, queue="strict", misses_max=1)))
    acd.step(entered("c1", 10.0, queue="strict"), 10.0)
    follow(acd, 30.0)
    assert agent(acd, "ann").aux_code == RONA


def test_an_outcome_told_twice_counts_once() -> None:
    acd = center()
    acd.step(entered("c1", 10.0), 10.0)
    run(acd, 12.0, settled("c1.o1", Outcome.NO_ANSWER), settled("c1.o1", Outcome.NO_ANSWER))
    assert (agent(acd, "ann").misses, agent(acd, "ann").spared_until) == (1, 19.0)
    assert acd.step(settled("c1.o1", Outcome.REJECTED), 13.0) == []
    assert agent(acd, "ann").spared_until == 19.0


def test_who_was_called_away_while_ringing_passes_the_contact_on() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}, RULES))
    acd.step(entered("c1", 10.0), 10.0)
    occupy(acd, 12.0, "ann")
    assert agent(acd, "bob").contact_id == "c1"
    assert release(acd, 13.0, "ann") == []
