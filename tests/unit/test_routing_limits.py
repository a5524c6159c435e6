"""When a queue takes nobody more: full, too slow, unstaffed or closed; where they go instead, and who is spared."""

from dataclasses import replace

import pytest

from routing.acd.engine import Acd
from routing.messages import (
    CallbackChosen,
    Configured,
    CustomerDialed,
    DeviceChanged,
    DialOutcome,
    Left,
    MakeOffer,
    PresenceChosen,
    QueueClosed,
    QueueOpened,
    TalkEnded,
)
from routing.model import Exit, ExitKind, Limits, Membership, Outcome, Presence, QueueRules, Step
from routing.requirement import Held
from tests.acd import (
    accepted,
    agent,
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

GOODBYE, VOICEMAIL, OTHER = Exit(ExitKind.GOODBYE), Exit(ExitKind.VOICEMAIL), Exit(ExitKind.QUEUE, "other")


def center(limits: Limits = Limits(), **rules: object) -> Acd:  # noqa: B008 (a frozen value)
    """Ann and bob, a queue `orders` with these limits, and `other` without any."""
    orders = QueueRules("orders", limits=limits, **rules)  # type: ignore[arg-type]
    return staffed(site({"ann": {}, "bob": {}}, orders, QueueRules("other")))


# --- size -------------------------------------------------------------------------------------------------------------


def test_a_full_queue_sends_the_next_elsewhere() -> None:
    acd = center(Limits(waiting_max=2, otherwise=VOICEMAIL))
    occupy(acd, 5.0, "ann", "bob")
    assert said(run(acd, 10.0, *(entered(f"c{n}", 10.0) for n in range(3)))) == ["c2 to voicemail (full)"]
    assert in_queues(acd) == ["c0", "c1"]


def test_who_left_makes_room() -> None:
    acd = center(Limits(waiting_max=1))
    occupy(acd, 5.0, "ann", "bob")
    run(acd, 10.0, entered("c0", 10.0), Left("c0"))
    assert said(acd.step(entered("c1", 11.0), 11.0)) == []
    assert said(acd.step(entered("c2", 11.0), 11.0)) == ["c2 to goodbye (full)"]


def test_who_is_being_offered_is_in_the_queue_and_who_talks_is_not() -> None:
    acd = center(Limits(waiting_max=1))
    occupy(acd, 5.0, "bob")
    acd.step(entered("c0", 10.0), 10.0)
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 to goodbye (full)"]
    acd.step(accepted("c0.o1"), 11.0)
    assert said(acd.step(entered("c2", 11.0), 11.0)) == []


def test_a_full_queue_takes_who_finds_a_ready_agent() -> None:
    acd = center(Limits(waiting_max=0))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 rings ann"]
    occupy(acd, 10.0, "bob")
    assert said(acd.step(entered("c2", 10.0), 10.0)) == ["c2 to goodbye (full)"]


def test_the_limit_of_one_queue_is_not_that_of_another() -> None:
    acd = center(Limits(waiting_max=0, otherwise=OTHER))
    occupy(acd, 5.0, "ann", "bob")
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 to other (full)"]
    assert said(acd.step(entered("c1", 10.0, queue="other"), 10.0)) == []


# --- wait -------------------------------------------------------------------------------------------------------------


def test_a_queue_whose_estimated_wait_is_too_long_takes_nobody_more() -> None:
    acd = center(Limits(wait_max_s=600.0, otherwise=Exit(ExitKind.CALLBACK)))
    occupy(acd, 5.0, "ann", "bob")
    told = [said(acd.step(entered(f"c{n}", 10.0), 10.0)) for n in range(40)]
    taken = told.index(["c" + str(sum(1 for each in told if not each)) + " to callback (long_wait)"])
    assert 2 <= taken < 20
    assert all(told[taken:])
    estimate = acd.estimate(f"c{taken - 1}", 10.0)
    assert estimate is not None
    assert estimate.p50_s <= 600.0


# --- nobody at work ---------------------------------------------------------------------------------------------------


def test_an_unstaffed_queue_takes_nobody() -> None:
    acd = center(Limits(unstaffed=True, otherwise=VOICEMAIL), requires=Held("fr"))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 to voicemail (unstaffed)"]


@pytest.mark.parametrize("state", ["talks", "break", "phone lost"])
def test_who_could_become_free_is_staff(state: str) -> None:
    acd = center(Limits(unstaffed=True))
    acd.step(PresenceChosen("bob", Presence.LOGGED_OUT), 5.0)
    match state:
        case "talks":
            occupy(acd, 6.0, "ann")
        case "break":
            acd.step(PresenceChosen("ann", Presence.AUX, "lunch"), 6.0)
        case _:
            acd.step(DeviceChanged("ann", reachable=False), 6.0)
    assert said(acd.step(entered("c1", 10.0), 10.0)) == []
    assert in_queues(acd) == ["c1"]


def test_when_the_last_one_logs_out_newcomers_go_elsewhere_and_who_waits_stays() -> None:
    acd = center(Limits(unstaffed=True))
    occupy(acd, 5.0, "ann", "bob")
    acd.step(entered("c1", 10.0), 10.0)
    run(acd, 11.0, *(PresenceChosen(each, Presence.LOGGED_OUT) for each in ("ann", "bob")))
    assert said(acd.step(entered("c2", 11.0), 11.0)) == []  # they talk yet
    assert in_queues(acd) == ["c1", "c2"]


def test_who_logged_out_after_their_talk_is_no_staff_any_more() -> None:
    acd = center(Limits(unstaffed=True))
    occupy(acd, 5.0, "ann", "bob")
    run(acd, 11.0, *(PresenceChosen(each, Presence.LOGGED_OUT) for each in ("ann", "bob")))
    release(acd, 12.0, "ann", "bob")
    assert said(acd.step(entered("c1", 13.0), 13.0)) == ["c1 to goodbye (unstaffed)"]


def test_staff_of_a_later_step_or_a_later_delay_is_staff() -> None:
    later = QueueRules("orders", steps=(Step(Held("fr")), Step(after_s=60.0)), limits=Limits(unstaffed=True))
    acd = staffed(Configured((later,), (member("bea", orders=Membership(2, 90.0)),)))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == []


# --- closed -----------------------------------------------------------------------------------------------------------


def test_a_closed_queue_takes_nobody_and_serves_its_last() -> None:
    acd = center()
    occupy(acd, 5.0, "ann", "bob")
    acd.step(entered("c1", 10.0), 10.0)
    assert said(acd.step(QueueClosed("orders", "hours", VOICEMAIL), 11.0)) == []
    assert said(acd.step(entered("c2", 12.0), 12.0)) == ["c2 to voicemail (hours)"]
    assert release(acd, 13.0, "ann") == ["c1 rings ann"]


def test_a_closed_queue_turns_newcomers_away_even_from_ready_agents() -> None:
    acd = center()
    acd.step(QueueClosed("orders", "hours", GOODBYE), 9.0)
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 to goodbye (hours)"]
    assert agent(acd, "ann").contact_id is None


def test_an_emergency_close_diverts_those_who_wait_and_those_who_are_offered() -> None:
    acd = center()
    occupy(acd, 5.0, "bob")
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 10.0), entered("x1", 10.0, queue="other"))
    told = said(acd.step(QueueClosed("orders", "fire", GOODBYE, OTHER), 11.0))
    assert set(told) >= {"c1.o1 rescinded", "c1 to other (fire)", "c2 to other (fire)", "x1 rings ann"}
    assert in_queues(acd) == ["x1"]


def test_an_emergency_close_rings_nobody_for_a_contact_that_it_diverts() -> None:
    acd = center()
    occupy(acd, 5.0, "bob")
    run(acd, 10.0, entered("c1", 10.0), entered("c2", 10.0))
    told = acd.step(QueueClosed("orders", "fire", GOODBYE, GOODBYE), 11.0)
    assert [each for each in told if isinstance(each, MakeOffer)] == []


def test_a_closing_queue_sends_its_contacts_on_in_the_order_of_service() -> None:
    acd = center()
    occupy(acd, 5.0, "ann", "bob")
    run(acd, 10.0, entered("c1", 9.0), entered("c2", 10.0, value_tier=0), entered("c3", 8.0))
    told = said(acd.step(QueueClosed("orders", "fire", GOODBYE, OTHER), 11.0))
    assert told == ["c2 to other (fire)", "c3 to other (fire)", "c1 to other (fire)"]


def test_who_talks_is_not_touched_by_an_emergency_close() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0), accepted("c1.o1"))
    assert acd.step(QueueClosed("orders", "fire", GOODBYE, GOODBYE), 11.0) == []


def test_an_opened_queue_takes_contacts_again() -> None:
    acd = center()
    run(acd, 9.0, QueueClosed("orders", "hours", GOODBYE), QueueOpened("orders"))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 rings ann"]


def test_a_queue_closed_twice_is_closed_as_told_last() -> None:
    acd = center()
    run(acd, 9.0, QueueClosed("orders", "hours", GOODBYE), QueueClosed("orders", "fire", VOICEMAIL))
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 to voicemail (fire)"]
    run(acd, 11.0, QueueOpened("orders"))
    assert said(acd.step(entered("c2", 11.0), 11.0)) == ["c2 rings ann"]


def test_closing_spares_callbacks_that_were_promised() -> None:
    acd = center()
    occupy(acd, 5.0, "ann", "bob")
    run(acd, 10.0, entered("c1", 10.0), CallbackChosen("c1"), entered("c2", 10.0))
    assert said(acd.step(QueueClosed("orders", "hours", GOODBYE, GOODBYE), 11.0)) == ["c2 to goodbye (hours)"]
    assert release(acd, 12.0, "ann") == ["c1 rings ann"]
    assert said(run(acd, 13.0, accepted("c1.o1"), CustomerDialed("c1", DialOutcome.ANSWERED))) == ["c1 is dialed (1)"]


def test_a_closed_queue_stays_closed_over_a_change_of_site_and_over_a_restart() -> None:
    acd = center()
    acd.step(QueueClosed("orders", "hours", GOODBYE), 9.0)
    config = site({"ann": {}, "bob": {}}, QueueRules("orders", ring_s=9.0), QueueRules("other"))
    acd.step(config, 9.5)
    assert said(acd.step(entered("c1", 10.0), 10.0)) == ["c1 to goodbye (hours)"]
    restored = Acd.restore(config, acd.snapshot())
    assert said(restored.step(entered("c2", 11.0), 11.0)) == ["c2 to goodbye (hours)"]


# --- who had been there already ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [Limits(waiting_max=0), Limits(unstaffed=True), Limits(wait_max_s=0.0)])
def test_who_waited_here_before_a_restart_is_not_turned_away(limits: Limits) -> None:
    acd = center(limits, requires=Held("fr"))
    acd.step(QueueClosed("orders", "hours", GOODBYE), 9.0)
    assert said(acd.step(entered("c1", 1.0, clock_s=9.0, offers_made=1), 10.0)) == []
    assert in_queues(acd) == ["c1"]


def test_who_waits_is_not_turned_away_by_being_told_again_with_other_wishes() -> None:
    acd = center(Limits(waiting_max=1))
    occupy(acd, 5.0, "ann", "bob")
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(QueueClosed("orders", "hours", GOODBYE), 11.0)
    assert said(acd.step(entered("c1", 10.0, value_tier=0), 12.0)) == []
    assert in_queues(acd) == ["c1"]


def test_who_overflows_from_another_queue_after_offers_there_is_a_newcomer_here() -> None:
    acd = center(Limits(waiting_max=0, otherwise=VOICEMAIL))
    first = replace(QueueRules("other"), exit_to=Exit(ExitKind.QUEUE, "orders"), exit_after_s=5.0)
    acd.step(site({"ann": {}, "bob": {}}, QueueRules("orders", limits=Limits(waiting_max=0)), first), 5.0)
    occupy(acd, 6.0, "bob")
    acd.step(entered("c1", 10.0, queue="other"), 10.0)
    run(acd, 11.0, settled("c1.o1", Outcome.NO_ANSWER))  # ann goes to aux
    assert follow(acd, 100.0) == [(16.0, "c1 to orders (last_step)")]
    assert said(acd.step(entered("c1", 10.0, offers_made=1), 16.0)) == ["c1 to goodbye (full)"]


def test_who_moves_into_a_closed_queue_is_turned_away_there_and_out_of_the_first() -> None:
    acd = center()
    occupy(acd, 5.0, "ann", "bob")
    run(acd, 10.0, QueueClosed("other", "hours", VOICEMAIL), entered("c1", 10.0))
    assert said(acd.step(entered("c1", 10.0, queue="other"), 11.0)) == ["c1 to voicemail (hours)"]
    assert in_queues(acd) == []
    run(acd, 12.0, TalkEnded("ann", "with-ann", 0.0))
    assert agent(acd, "ann").contact_id is None
