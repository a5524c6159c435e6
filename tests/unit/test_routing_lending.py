"""A queue borrows agents of another only while that one is healthy, with a dead band and an answer for no data."""

from dataclasses import replace

import pytest

from routing.acd.engine import Acd
from routing.messages import Configured, Left, MakeOffer, PresenceChosen, TalkEnded, Tick
from routing.model import Gauge, Limits, Loan, Presence, QueueRules, Step
from routing.requirement import Held
from tests.acd import (
    accepted,
    agent,
    contact,
    entered,
    follow,
    in_queues,
    member,
    occupy,
    release,
    run,
    said,
    staffed,
)

BY_WAIT = Loan("sales", Gauge.WAIT, begin=10.0, end=60.0)
BY_LEVEL = Loan("sales", Gauge.SERVICE_LEVEL, begin=0.8, end=0.5)
STAFF = (member("sal", sales=1), member("sue", sales=1), member("hal", help=1))


def center(*loans: Loan, **rules: object) -> Acd:
    """Sal and sue of `sales`, hal of `help`, which borrows from sales."""
    borrower = QueueRules("help", loans=loans, wrap_up_s=0.0, **rules)  # type: ignore[arg-type]
    acd = staffed(Configured((QueueRules("sales", wrap_up_s=0.0), borrower), STAFF))
    acd.step(Tick(), 5.0)
    return acd


def helper(acd: Acd, n: int, now: float) -> str | None:
    """Who of sales takes contact hn of help, which is done at once; None if it has to wait."""
    phrases = helped(acd, n, now)
    if not phrases:
        return None
    agent_id = phrases[0].removeprefix(f"h{n} rings ")
    run(acd, now, accepted(f"h{n}.o1"), TalkEnded(agent_id, f"h{n}", 0.0))
    return agent_id


def helped(acd: Acd, n: int, now: float) -> list[str]:
    """What happens when contact hn asks for help."""
    return said(acd.step(entered(f"h{n}", now, queue="help"), now))


def sold(acd: Acd, n: int, now: float, wait_s: float = 0.0) -> None:
    """A contact of sales is answered by sal after this wait, and done at once."""
    acd.step(entered(f"s{n}", now - wait_s, queue="sales"), now)
    (chosen,) = [each.agent_id for each in acd.snapshot().agents if each.contact_id == f"s{n}"]
    run(acd, now, accepted(f"s{n}.o1"), TalkEnded(chosen, f"s{n}", 0.0))


def test_own_members_come_first_and_borrowed_ones_after_them() -> None:
    acd = center(BY_WAIT)
    assert helped(acd, 1, 10.0) == ["h1 rings hal"]  # though sal and sue are idle longer
    assert helped(acd, 2, 10.0) == ["h2 rings sal"]


def test_a_borrowed_agent_serves_their_own_queue_first() -> None:
    acd = center(BY_WAIT)
    occupy(acd, 10.0, "sal", "sue", "hal")
    run(acd, 11.0, entered("h1", 0.0, queue="help", value_tier=0), entered("s1", 11.0, queue="sales", value_tier=4))
    assert release(acd, 12.0, "sal") == ["s1 rings sal"]


def test_without_a_loan_nobody_is_borrowed() -> None:
    acd = center()
    helped(acd, 1, 10.0)
    assert helped(acd, 2, 10.0) == []


@pytest.mark.parametrize("loan", [BY_WAIT, BY_LEVEL])
@pytest.mark.parametrize("lends", [True, False])
def test_without_data_the_loan_says_whether_to_lend(loan: Loan, lends: bool) -> None:
    """Genesys lets a rule without data fail; here the site decides."""
    acd = center(replace(loan, without_data=lends))
    helped(acd, 1, 10.0)
    assert helped(acd, 2, 10.0) == (["h2 rings sal"] if lends else [])


def test_a_lender_with_a_long_wait_lends_nobody() -> None:
    acd = center(replace(BY_WAIT, without_data=False))
    occupy(acd, 6.0, "sal", "sue", "hal")
    for n in range(6):
        acd.step(entered(f"s{n}", 7.0, queue="sales"), 7.0)
    follow(acd, 9.0)
    helped(acd, 1, 10.0)
    for n in range(6):
        run(acd, 10.0, TalkEnded("sal", "with-sal" if n == 0 else f"s{n - 1}", 0.0), accepted(f"s{n}.o1"))
    assert agent(acd, "sal").contact_id == "s5"
    assert in_queues(acd) == ["h1"]


def test_lending_by_wait_has_a_dead_band() -> None:
    """AHT is near 180 s: behind nobody, newcomers of sales wait 0 s; behind one, with two agents, near a minute."""
    acd = center(Loan("sales", Gauge.WAIT, begin=10.0, end=150.0, without_data=False))
    sold(acd, 0, 10.0)
    follow(acd, 12.0)
    occupy(acd, 12.0, "hal")
    assert helper(acd, 1, 12.5) in {"sal", "sue"}  # lends: two are idle
    occupy(acd, 13.0, "sal", "sue")
    follow(acd, 15.0)  # both busy: longer than 10 s, shorter than 150
    assert helped(acd, 2, 15.0) == []
    assert release(acd, 16.0, "sal") == ["h2 rings sal"]  # lends still
    run(acd, 16.0, *(entered(f"s{n}", 16.0, queue="sales") for n in range(1, 9)))
    follow(acd, 18.0)  # eight wait for two: no more
    assert helped(acd, 3, 18.0) == []
    run(acd, 19.0, accepted("h2.o1"), *(Left(f"s{n}") for n in range(1, 9)))
    follow(acd, 21.5)  # none waits, but both are busy: between the thresholds, from above
    assert said(acd.step(TalkEnded("sal", "h2", 0.0), 21.5)) == []  # lends not yet
    assert follow(acd, 23.0) == [(22.0, "h3 rings sal")]  # who is idle: healthy again


def test_a_queue_that_begins_to_lend_serves_those_who_wait_at_once() -> None:
    acd = center(replace(BY_WAIT, without_data=False))
    occupy(acd, 6.0, "hal")
    assert helped(acd, 1, 7.0) == []
    sold(acd, 0, 10.0)  # sales has data from now on, and is healthy
    follow(acd, 11.0)  # at the next look, a second later at most
    assert contact(acd, "h1").offers[0].agent_id == "sue"


def test_the_service_level_decides_with_a_dead_band() -> None:
    acd = center(replace(BY_LEVEL, without_data=False))
    occupy(acd, 6.0, "hal")
    for n in range(9):
        sold(acd, n, 10.0 + n)
    follow(acd, 20.0)  # 9 of 9 in time: lends
    assert helper(acd, 1, 20.0) in {"sal", "sue"}
    for n in range(9, 15):
        sold(acd, n, 20.0 + n, wait_s=100.0)
    follow(acd, 40.0)  # 9 of 15 = 0.6, between 0.5 and 0.8: still lends
    assert helper(acd, 2, 40.0) in {"sal", "sue"}
    for n in range(15, 19):
        sold(acd, n, 40.0 + n, wait_s=100.0)
    follow(acd, 60.0)  # 9 of 19 < 0.5: no more
    assert helper(acd, 3, 60.0) is None
    for n in range(19, 25):
        sold(acd, n, 60.0 + n)
    follow(acd, 90.0)  # 15 of 25 = 0.6: not yet again
    assert in_queues(acd) == ["h3"]
    for n in range(25, 60):
        sold(acd, n, 90.0 + n)
    follow(acd, 160.0)  # 50 of 60 > 0.8: lends again
    assert contact(acd, "h3").offers


def test_data_older_than_half_an_hour_is_no_data() -> None:
    acd = center(replace(BY_LEVEL, without_data=False))
    occupy(acd, 6.0, "hal")
    sold(acd, 0, 10.0)
    follow(acd, 12.0)
    acd.step(Tick(), 10.0 + 2_000.0)
    acd.step(Tick(), 10.0 + 2_001.0)
    assert helped(acd, 1, 2_012.0) == []


def test_a_borrowed_agent_must_meet_what_the_contact_requires() -> None:
    acd = center(BY_WAIT, requires=Held("tech"))
    assert helped(acd, 1, 10.0) == []


def test_who_borrows_keeps_its_steps() -> None:
    acd = center(BY_WAIT, steps=(Step(Held("tech")), Step(after_s=10.0)))
    occupy(acd, 9.0, "hal")
    helped(acd, 1, 10.0)
    assert [(at, phrase) for at, phrase in follow(acd, 20.5)] == [(20.0, "h1 in step 1 (time)"), (20.0, "h1 rings sal")]


def test_borrowed_agents_are_staff_only_while_they_are_lent() -> None:
    acd = center(replace(BY_WAIT, without_data=True), limits=Limits(unstaffed=True))
    acd.step(PresenceChosen("hal", Presence.LOGGED_OUT), 9.0)
    assert helped(acd, 1, 10.0) == ["h1 rings sal"]
    acd = center(replace(BY_WAIT, without_data=False), limits=Limits(unstaffed=True))
    acd.step(PresenceChosen("hal", Presence.LOGGED_OUT), 9.0)
    assert helped(acd, 1, 10.0) == ["h1 to goodbye (unstaffed)"]


def test_an_end_of_the_loan_takes_no_offer_back() -> None:
    acd = center(replace(BY_LEVEL, without_data=True))
    occupy(acd, 9.0, "hal")
    assert helped(acd, 1, 10.0) == ["h1 rings sal"]
    for n in range(3):
        acd.step(entered(f"s{n}", 0.0 - 100.0, queue="sales"), 11.0 + n)
        run(acd, 11.0 + n, accepted(f"s{n}.o1"), TalkEnded("sue", f"s{n}", 0.0))
    assert follow(acd, 20.0) == []
    assert agent(acd, "sal").contact_id == "h1"
    run(acd, 21.0, accepted("h1.o1"), TalkEnded("sal", "h1", 0.0))
    assert helped(acd, 2, 22.0) == []


def test_loans_are_tried_in_their_order() -> None:
    queues = (
        QueueRules("help", loans=(Loan("second"), Loan("first"))),
        QueueRules("first"),
        QueueRules("second"),
    )
    acd = staffed(Configured(queues, (member("fay", first=1), member("sid", second=1))))
    acd.step(Tick(), 5.0)
    assert helped(acd, 1, 10.0) == ["h1 rings sid"]
    assert helped(acd, 2, 10.0) == ["h2 rings fay"]


def test_an_offer_to_a_borrowed_agent_says_its_rank() -> None:
    acd = center(BY_WAIT)
    occupy(acd, 9.0, "hal")
    made = acd.step(entered("h1", 10.0, queue="help"), 10.0)[-1]
    assert isinstance(made, MakeOffer)
    assert made.trace.rank > 1
