"""A customer who gave up, or was cut off, comes back to the age and the agent they had."""

from dataclasses import replace

import pytest

from routing.acd import comeback
from routing.acd.engine import Acd
from routing.messages import Engaged, Left, MakeOffer, TalkEnded
from routing.model import Exit, ExitKind, Outcome, QueueRules
from tests.acd import (
    accepted,
    contact,
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

KIM = {"customer_id": "kim"}


def center(comeback_s: float = 600.0, **rules: object) -> Acd:
    """Ann and bob, both talking, and the queues `orders` and `other`."""
    orders = QueueRules("orders", wrap_up_s=0.0, **rules)  # type: ignore[arg-type]
    config = site({"ann": {}, "bob": {}}, orders, QueueRules("other"))
    acd = staffed(replace(config, comeback_s=comeback_s))
    occupy(acd, 5.0, "ann", "bob")
    return acd


def gave_up(acd: Acd, at: float = 10.0, until: float = 50.0, **more: object) -> None:
    """Kim entered and hung up."""
    run(acd, at, entered("c1", at, **KIM, **more))
    run(acd, until, Left("c1"))


def test_who_gave_up_comes_back_to_their_age() -> None:
    acd = center()
    gave_up(acd)
    acd.step(entered("c2", 60.0), 60.0)
    acd.step(entered("c3", 100.0, **KIM), 100.0)
    assert (contact(acd, "c3").entered.entered_at, contact(acd, "c3").comeback) == (10.0, True)
    assert in_queues(acd) == ["c3", "c2"]


def test_the_offer_says_that_it_is_a_comeback() -> None:
    acd = center()
    gave_up(acd)
    acd.step(entered("c3", 100.0, **KIM), 100.0)
    made = acd.step(TalkEnded("ann", "with-ann", 0.0), 110.0)[-1]
    assert isinstance(made, MakeOffer)
    assert (made.trace.comeback, made.trace.wait_s) == (True, 100.0)


def test_a_caller_who_hung_up_while_a_phone_rang_comes_back_too() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0, **KIM))
    release(acd, 20.0, "ann")
    run(acd, 25.0, settled("c1.o1", Outcome.CALLER_GONE), Left("c1"))
    occupy(acd, 26.0, "ann")
    acd.step(entered("c2", 40.0, **KIM), 40.0)
    assert contact(acd, "c2").entered.entered_at == 10.0


@pytest.mark.parametrize(("after_s", "regains"), [(599.0, True), (601.0, False)])
def test_what_they_had_is_forgotten_after_the_time_of_the_site(after_s: float, regains: bool) -> None:
    acd = center(comeback_s=600.0)
    gave_up(acd)
    acd.step(entered("c2", 50.0 + after_s, **KIM), 50.0 + after_s)
    assert contact(acd, "c2").comeback is regains


def test_a_site_can_do_without() -> None:
    acd = center(comeback_s=0.0)
    gave_up(acd)
    acd.step(entered("c2", 51.0, **KIM), 51.0)
    assert not contact(acd, "c2").comeback


def test_a_change_of_the_time_holds_for_those_who_are_gone_already() -> None:
    acd = center()
    gave_up(acd)
    config = site({"ann": {}, "bob": {}}, QueueRules("orders"), QueueRules("other"))
    acd.step(replace(config, comeback_s=30.0), 51.0)
    acd.step(entered("c2", 100.0, **KIM), 100.0)
    assert not contact(acd, "c2").comeback


def test_nobody_else_and_nobody_unknown_has_the_age() -> None:
    acd = center()
    gave_up(acd)
    run(acd, 60.0, entered("c2", 60.0, customer_id="lee"), entered("c3", 60.0))
    assert [contact(acd, each).entered.entered_at for each in ("c2", "c3")] == [60.0, 60.0]


def test_a_caller_without_a_name_is_not_remembered() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0), Left("c1"), entered("c2", 10.0))
    assert not contact(acd, "c2").comeback
    assert acd.snapshot().departed == ()


def test_another_queue_keeps_no_age() -> None:
    acd = center()
    gave_up(acd)
    acd.step(entered("c2", 60.0, queue="other", **KIM), 60.0)
    assert contact(acd, "c2").entered.entered_at == 60.0


def test_what_they_had_is_taken_up_once() -> None:
    acd = center()
    gave_up(acd)
    acd.step(entered("c2", 60.0, **KIM), 60.0)
    acd.step(entered("c3", 70.0, **KIM), 70.0)
    assert [contact(acd, each).entered.entered_at for each in ("c2", "c3")] == [10.0, 70.0]


def test_who_gives_up_again_and_comes_back_again_has_the_first_age() -> None:
    acd = center()
    gave_up(acd)
    run(acd, 100.0, entered("c2", 100.0, **KIM))
    run(acd, 120.0, Left("c2"))
    acd.step(entered("c3", 600.0, **KIM), 600.0)
    assert contact(acd, "c3").entered.entered_at == 10.0


def test_a_wait_that_a_rule_ended_is_no_visit_to_come_back_to() -> None:
    acd = center(exit_to=Exit(ExitKind.VOICEMAIL), exit_after_s=20.0)
    run(acd, 10.0, entered("c1", 10.0, **KIM))
    run(acd, 11.0, entered("c0", 11.0, customer_id="lee"))
    acd.step(Left("c0", abandoned=False), 12.0)
    assert follow(acd, 30.0) == [(30.0, "c1 to voicemail (last_step)")]
    run(acd, 40.0, entered("c2", 40.0, **KIM), entered("c3", 40.0, customer_id="lee"))
    assert not contact(acd, "c2").comeback
    assert not contact(acd, "c3").comeback


# --- the agent --------------------------------------------------------------------------------------------------------


def test_who_was_cut_off_comes_back_to_the_agent_who_talked_to_them() -> None:
    acd = center(preferred_wait_s=30.0)
    run(acd, 10.0, entered("c1", 10.0, **KIM))
    release(acd, 20.0, "ann")
    run(acd, 21.0, accepted("c1.o1"))
    run(acd, 100.0, TalkEnded("ann", "c1", 0.0, dropped=True), entered("c9", 100.0))
    assert release(acd, 105.0, "bob") == []
    acd.step(entered("c2", 110.0, **KIM), 110.0)  # ann rings for c9
    assert (contact(acd, "c2").entered.preferred_agent, contact(acd, "c2").entered.entered_at) == ("ann", 10.0)
    assert contact(acd, "c2").offers == ()  # though bob is ready
    assert offers(acd.step(settled("c9.o1", Outcome.CALLER_GONE), 115.0)) == [("c2", "ann")]


def test_who_hung_up_themselves_after_a_talk_is_a_new_visit() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0, **KIM))
    release(acd, 20.0, "ann")
    run(acd, 21.0, accepted("c1.o1"), TalkEnded("ann", "c1", 0.0))
    acd.step(entered("c2", 30.0, **KIM), 30.0)
    assert contact(acd, "c2").entered.entered_at == 30.0


def test_who_gave_up_waiting_for_their_agent_waits_for_them_again() -> None:
    acd = center(preferred_wait_s=60.0)
    gave_up(acd, preferred_agent="bob")
    acd.step(entered("c2", 60.0, **KIM), 60.0)
    assert release(acd, 61.0, "ann") == []
    assert release(acd, 62.0, "bob") == ["c2 rings bob"]


def test_the_agent_of_a_visit_that_broke_goes_before_the_one_who_was_told() -> None:
    acd = center(preferred_wait_s=60.0)
    run(acd, 10.0, entered("c1", 10.0, **KIM))
    release(acd, 20.0, "ann")
    run(acd, 21.0, accepted("c1.o1"), TalkEnded("ann", "c1", 0.0, dropped=True))
    occupy(acd, 22.0, "ann")
    acd.step(entered("c2", 30.0, preferred_agent="bob", **KIM), 30.0)
    assert contact(acd, "c2").entered.preferred_agent == "ann"


def test_another_queue_keeps_the_agent() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0, **KIM))
    release(acd, 20.0, "ann")
    run(acd, 21.0, accepted("c1.o1"), TalkEnded("ann", "c1", 0.0, dropped=True))
    assert said(acd.step(entered("c2", 30.0, queue="other", **KIM), 30.0)) == ["c2 rings ann"]


def test_a_talk_that_nobody_was_offered_leaves_nothing_behind() -> None:
    acd = center()
    run(acd, 10.0, entered("c1", 10.0, **KIM))
    release(acd, 20.0, "ann")
    run(acd, 21.0, accepted("c1.o1"), TalkEnded("ann", "c1", 60.0))
    run(acd, 30.0, Engaged("ann", "out"), TalkEnded("ann", "out", 0.0, dropped=True))
    assert acd.snapshot().departed == ()


# --- told again, moved, restarted -------------------------------------------------------------------------------------


def test_who_came_back_keeps_the_age_when_told_again() -> None:
    acd = center()
    gave_up(acd)
    acd.step(entered("c2", 60.0, **KIM), 60.0)
    acd.step(entered("c2", 60.0, value_tier=0, **KIM), 70.0)
    assert (contact(acd, "c2").entered.entered_at, contact(acd, "c2").entered.value_tier) == (10.0, 0)


def test_the_departed_outlive_a_restart() -> None:
    acd = center()
    gave_up(acd)
    config = site({"ann": {}, "bob": {}}, QueueRules("orders"), QueueRules("other"))
    restored = Acd.restore(config, acd.snapshot())
    restored.step(entered("c2", 60.0, **KIM), 60.0)
    assert contact(restored, "c2").entered.entered_at == 10.0


def test_so_many_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert comeback.KEPT_MAX == 100_000
    monkeypatch.setattr(comeback, "KEPT_MAX", 100)
    acd = center()
    for n in range(105):
        run(acd, 10.0, entered(f"c{n}", 10.0, customer_id=f"k{n}"), Left(f"c{n}"))
    assert [each.customer_id for each in acd.snapshot().departed] == [f"k{n}" for n in range(5, 105)]
