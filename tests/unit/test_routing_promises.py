"""What a waiting contact is told of its wait: it never rises without a cause, and the cause has a name."""

import math

import pytest

from routing.messages import Configured, DeviceChanged, PresenceChosen
from routing.model import AgentProfile, Loan, Presence, QueueRules
from routing.policy import Discipline, Tier, TierPolicy
from routing.waiting.estimate import Estimate
from routing.waiting.forecast import Prospect
from routing.waiting.promises import FEWER_AGENTS, MOVED, OVERTAKEN, SITE_CHANGED, Promises
from tests.acd import entered, occupy, run, site, staffed

CENTER = site({"ann": {}, "bob": {}})


def prospect(p50_s: float, position: int = 1, agents: int = 2) -> Prospect:
    return Prospect("orders", 0, "anyone", 1.0, False, agents, Estimate(position, p50_s, 2 * p50_s, p50_s))


def told(promises: Promises, given: Prospect) -> tuple[float, str | None]:
    """The median that the contact is told now, and why what it was told rose last."""
    promise = promises.tell("c1", given, 0.0)
    assert promise is not None
    assert promise.told is not None
    return promise.told.p50_s, promise.rose_because


def test_a_call_that_lasts_longer_than_usual_does_not_raise_what_was_told() -> None:
    promises = Promises()
    assert told(promises, prospect(60.0)) == (60.0, None)
    assert told(promises, prospect(90.0)) == (60.0, None)
    assert told(promises, prospect(40.0)) == (40.0, None)


@pytest.mark.parametrize(
    ("after", "because"),
    [
        (prospect(90.0, position=2), OVERTAKEN),
        (prospect(90.0, agents=1), FEWER_AGENTS),
        (prospect(90.0)._replace(queue="vip"), MOVED),
    ],
)
def test_what_happens_to_the_line_may_raise_it_and_is_named(after: Prospect, because: str) -> None:
    promises = Promises()
    told(promises, prospect(60.0))
    assert told(promises, after) == (90.0, because)


def test_a_cause_raises_it_once() -> None:
    promises = Promises()
    told(promises, prospect(60.0))
    promises.site_changed()
    assert told(promises, prospect(90.0)) == (90.0, SITE_CHANGED)
    assert told(promises, prospect(120.0)) == (90.0, SITE_CHANGED)


def test_who_has_no_estimate_hears_what_they_were_told_before() -> None:
    promises = Promises()
    offered = Prospect("orders", 0, "anyone", 1.0, False, 2, None)
    assert promises.tell("c1", offered, 0.0) is None
    told(promises, prospect(60.0))
    again = promises.tell("c1", offered, 1.0)
    assert again is not None
    assert again.told == Estimate(1, 60.0, 120.0, 60.0)


def test_who_waits_no_more_is_forgotten() -> None:
    promises = Promises()
    told(promises, prospect(60.0))
    promises.forget("c1")
    promises.forget("c1")
    assert len(promises) == 0
    assert told(promises, prospect(90.0)) == (90.0, None)


# --- on the engine: what everybody in a queue looks forward to ----------------------------------------------------


def test_prospects_are_the_estimates_one_by_one_worked_out_together() -> None:
    acd = staffed(CENTER)
    run(acd, 10.0, *(entered(f"c{n}", 10.0 + n / 10) for n in range(8)))
    prospects = acd.prospects(20.0, 100)
    assert prospects["c0"].estimate is None  # a phone rings for it
    for n in range(2, 8):
        one = prospects[f"c{n}"]
        assert one.estimate == acd.estimate(f"c{n}", 20.0)
        assert one == acd.prospect(f"c{n}", 20.0)
        assert (one.step, one.requires, one.overdue, one.agents) == (0, "anyone", False, 2)
    assert [prospects[f"c{n}"].estimate.position for n in range(2, 8)] == [1, 2, 3, 4, 5, 6]  # type: ignore[union-attr]


def test_only_so_many_of_a_queue_are_looked_at() -> None:
    acd = staffed(site({"ann": {}}, QueueRules("orders"), QueueRules("vip")))
    run(acd, 10.0, *(entered(f"c{n}", 10.0 + n) for n in range(8)), entered("v", 10.0, queue="vip"))
    assert set(acd.prospects(30.0, 3)) == {"c0", "c1", "c2", "v"}


def test_a_more_valuable_newcomer_raises_the_position_of_who_waits_behind() -> None:
    policy = TierPolicy(Discipline.STRICT, (Tier("vip", starvation_s=600.0), Tier("basic", starvation_s=600.0)))
    acd = staffed(Configured((QueueRules("orders"),), (AgentProfile("ann", {}),), policy))
    promises = Promises()
    run(acd, 10.0, entered("talking", 10.0), entered("c1", 10.0))
    first = promises.tell("c1", acd.prospects(10.0, 10)["c1"], 10.0)
    assert first is not None
    assert first.told is not None
    assert first.told.position == 1
    before_s = first.told.p50_s
    run(acd, 11.0, entered("v", 11.0, value_tier=0))
    after = promises.tell("c1", acd.prospects(11.0, 10)["c1"], 11.0)
    assert after is not None
    assert after.told is not None
    assert (after.told.position, after.rose_because) == (2, OVERTAKEN)
    assert after.told.p50_s > before_s


def test_who_will_be_overtaken_does_not_count_as_ahead() -> None:
    """Six basic contacts have more points than the gold one now, but not for long: gold's wait is that of few."""

    def told_s(slope: float) -> float:
        policy = TierPolicy(Discipline.ACCUMULATING, (Tier("gold", slope=slope), Tier("basic", slope=1.0)))
        acd = staffed(site({"ann": {}}, policy=policy))
        occupy(acd, 10.0, "ann")
        run(acd, 100.0, *(entered(f"c{n}", 90.0 + n) for n in range(6)), entered("g", 100.0, value_tier=0))
        estimate = acd.prospects(100.0, 10)["g"].estimate
        assert estimate is not None
        assert estimate.position == 7  # as things stand
        return estimate.mean_s

    assert told_s(slope=4.0) < 0.5 * told_s(slope=1.0)


def test_an_agent_who_leaves_is_a_cause_and_nobody_at_work_is_no_end_in_sight() -> None:
    acd = staffed(CENTER)
    promises = Promises()
    run(acd, 10.0, *(entered(f"c{n}", 10.0 + n / 10) for n in range(4)))
    promises.tell("c3", acd.prospects(11.0, 10)["c3"], 11.0)
    run(acd, 12.0, PresenceChosen("ann", Presence.LOGGED_OUT), PresenceChosen("bob", Presence.LOGGED_OUT))
    run(acd, 12.0, DeviceChanged("ann", reachable=False), DeviceChanged("bob", reachable=False))
    found = acd.prospects(12.0, 10)["c3"]
    assert found.agents == 0
    after = promises.tell("c3", found, 12.0)
    assert after is not None
    assert after.told is not None
    assert (math.isinf(after.told.p50_s), after.rose_because) == (True, OVERTAKEN)  # c0 and c1 wait before it again


def test_who_waits_for_their_preferred_agent_alone_is_told_the_wait_without_them_at_most() -> None:
    rules = QueueRules("orders", preferred_wait_s=60.0)
    acd = staffed(site({"ann": {}, "bob": {}}, rules))
    run(acd, 10.0, entered("c0", 10.0, preferred_agent="ann"), entered("c1", 10.0, preferred_agent="ann"))
    waiting = acd.prospects(11.0, 10)["c1"]
    assert waiting.agents == 2
    assert waiting.estimate is not None
    assert math.isfinite(waiting.estimate.p50_s)


def test_a_loan_is_told_with_its_borrower_and_lender() -> None:
    acd = staffed(site({"ann": {}}, QueueRules("orders", loans=(Loan("vip"),)), QueueRules("vip")))
    assert acd.loans() == (("orders", "vip", True),)


def test_what_was_told_before_a_restart_is_not_taken_back_without_a_cause() -> None:
    promises = Promises()
    promises.keep("c1", "orders", Estimate(2, 60.0, 120.0, 60.0), 0.0)
    promises.begin("c1", "orders", 2, Estimate(3, 90.0, 180.0, 90.0), 0.0)
    assert told(promises, prospect(100.0, position=2)) == (60.0, None)
    assert told(promises, prospect(100.0, position=3)) == (100.0, OVERTAKEN)


def test_who_was_told_that_no_end_is_in_sight_hears_of_one() -> None:
    promises = Promises()
    promises.keep("c1", "orders", Estimate(1, math.inf, math.inf, math.inf), 0.0)
    promises.begin("c1", "orders", 2, Estimate(1, 90.0, 180.0, 90.0), 0.0)
    assert told(promises, prospect(90.0)) == (90.0, None)
