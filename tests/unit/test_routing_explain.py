"""Explain: why a contact is not served yet, who would serve one that entered now; asking changes nothing."""

from dataclasses import replace

import pytest

from routing.acd.engine import Acd
from routing.acd.explain import Explanation
from routing.messages import CallbackChosen, Configured, DeviceChanged, PresenceChosen, QueueClosed, TalkEnded, Tick
from routing.model import (
    AgentProfile,
    CallbackMode,
    CallbackRules,
    Exit,
    ExitKind,
    Limits,
    Loan,
    Membership,
    Outcome,
    Presence,
    QueueRules,
    Step,
    UnknownQueueError,
)
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import Held
from tests.acd import accepted, entered, follow, member, occupy, offers, release, run, settled, site, staffed


def why(acd: Acd, contact_id: str, now: float) -> Explanation:
    """The explanation of a contact that is in a queue."""
    explained = acd.explain(contact_id, now)
    assert explained is not None
    return explained


def reasons(explained: Explanation) -> dict[str, tuple[str, ...]]:
    """Who is kept away, by reason."""
    assert all(each.agents >= len(each.examples) > 0 for each in explained.excluded)
    return {each.reason: each.examples for each in explained.excluded}


def test_every_agent_is_kept_away_by_the_first_reason_that_does() -> None:
    queues = (
        QueueRules("orders", requires=Held("en"), loans=(Loan("lender", without_data=False),), wrap_up_s=30.0),
        QueueRules("lender"),
        QueueRules("other"),
    )
    able = {"en": 50}
    agents = (
        member("talks", able, orders=1),
        member("wraps", able, orders=1),
        member("rings", able, orders=1),
        member("eats", able, orders=1),
        member("out", able, orders=1),
        member("phone", able, orders=1),
        member("lazy", able, orders=1),
        member("late", able, orders=Membership(2, 60.0)),
        member("mute", {}, orders=1),
        member("lent", able, lender=1),
        member("far", able, other=1),
    )
    acd = staffed(Configured(queues, agents))
    occupy(acd, 20.0, "talks", "eats", "out", "phone")
    for at, (contact_id, outcome) in enumerate((("x1", None), ("x2", None), ("x3", Outcome.REJECTED)), start=20):
        acd.step(entered(contact_id, at, queue="orders"), at)
        if outcome is not None:
            acd.step(settled(f"{contact_id}.o1", outcome), at)
    chosen = {each.contact_id: each.agent_id for each in acd.snapshot().agents if each.contact_id in {"x1", "x2"}}
    assert chosen == {"x1": "wraps", "x2": "rings"}
    run(acd, 23.0, accepted("x1.o1"), TalkEnded("wraps", "x1"))
    run(acd, 23.0, PresenceChosen("eats", Presence.AUX, "lunch"), PresenceChosen("out", Presence.LOGGED_OUT))
    release(acd, 23.0, "eats", "out", "phone")
    acd.step(DeviceChanged("phone", reachable=False), 23.0)
    acd.step(entered("c1", 23.0), 23.0)
    assert reasons(why(acd, "c1", 24.0)) == {
        "talking": ("talks",),
        "wrap_up": ("wraps",),
        "reserved": ("rings",),
        "lunch": ("eats",),
        "logged_out": ("out",),
        "phone_lost": ("phone",),
        "rejected": ("lazy",),
        "back-up after 60 s": ("late",),
        "does not meet: en": ("mute",),
        "not lent now by lender": ("lent",),
        "not a member of the queue": ("far",),
    }


def test_an_agent_who_let_the_contact_go_and_is_ready_again_is_told_as_such() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}, QueueRules("orders", reject_delay_s=0.0)))
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(settled("c1.o1", Outcome.REJECTED), 11.0)
    assert reasons(why(acd, "c1", 12.0)) == {"let it go: rejected": ("ann",), "reserved": ("bob",)}


def test_the_first_part_of_the_requirement_that_is_not_met_is_named() -> None:
    acd = staffed(site({"ann": {"en": 10}, "bob": {}}))
    acd.step(entered("c1", 10.0, requires=Held("en", 30)), 10.0)
    assert reasons(why(acd, "c1", 12.0)) == {"does not meet: en >= 30": ("ann", "bob")}


def test_ten_agents_are_named_and_all_are_counted() -> None:
    acd = staffed(site({f"a{n:02}": {} for n in range(25)}))
    acd.step(entered("c1", 30.0, requires=Held("en")), 30.0)
    (excluded,) = why(acd, "c1", 31.0).excluded
    assert (excluded.agents, len(excluded.examples)) == (25, 10)


# --- where a contact stands -------------------------------------------------------------------------------------------


def test_a_waiting_contact_tells_its_step_and_when_its_reach_changes_next() -> None:
    acd = staffed(site({"ann": {}}, QueueRules("orders", steps=(Step(Held("en")), Step(Held("fr"), after_s=30.0)))))
    acd.step(entered("c1", 10.0), 10.0)
    told = why(acd, "c1", 15.0)
    assert (told.situation, told.step, told.requires, told.next_change_s) == ("waiting", 0, "en", 25.0)
    follow(acd, 40.0)
    told = why(acd, "c1", 41.0)
    assert (told.step, told.requires, told.next_change_s, told.clock_s) == (1, "fr", None, 31.0)


def test_a_delay_of_back_up_members_and_an_exit_are_changes_too() -> None:
    rules = QueueRules("orders", exit_to=Exit(ExitKind.VOICEMAIL), exit_after_s=50.0)
    acd = staffed(Configured((rules,), (member("bea", orders=Membership(2, 20.0)), member("ann", orders=1))))
    occupy(acd, 5.0, "ann", "bea")
    acd.step(entered("c1", 10.0), 10.0)
    assert why(acd, "c1", 12.0).next_change_s == 18.0
    follow(acd, 30.0)
    assert why(acd, "c1", 32.0).next_change_s == 28.0


def test_an_offered_contact_is_offered() -> None:
    acd = staffed(site({"ann": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    told = why(acd, "c1", 12.0)
    assert (told.situation, told.candidates, reasons(told)) == ("offered", (), {"reserved": ("ann",)})


@pytest.mark.parametrize("mode", CallbackMode)
def test_a_callback_tells_that_it_is_one(mode: CallbackMode) -> None:
    acd = staffed(site({"ann": {}}, QueueRules("orders", callback=CallbackRules(mode))))
    occupy(acd, 5.0, "ann")
    run(acd, 10.0, entered("c1", 10.0), CallbackChosen("c1"))
    assert why(acd, "c1", 11.0).situation == ("to_call" if mode is CallbackMode.CUSTOMER_FIRST else "waiting")


def test_those_ahead_are_told_in_the_order_of_service_with_their_scores() -> None:
    tiers = (Tier("vip", slope=4.0, starvation_s=300.0), Tier("standard", starvation_s=300.0))
    acd = staffed(site({"ann": {}}, policy=TierPolicy(Discipline.ACCUMULATING, tiers)))
    occupy(acd, 5.0, "ann")
    run(acd, 400.0, entered("me", 390.0), entered("old", 50.0), entered("vip", 395.0, value_tier=0))
    run(acd, 400.0, entered("young", 399.0))
    told = why(acd, "me", 400.0)
    assert [(each.contact_id, each.score, each.overdue) for each in told.ahead] == [
        ("old", 350.0, True),
        ("vip", 20.0, False),
    ]
    assert (told.ahead_total, told.score, told.overdue) == (2, 10.0, False)
    assert told.estimate is not None
    assert told.estimate.position == 3


def test_nobody_is_explained_who_is_in_no_queue() -> None:
    acd = staffed(site({"ann": {}}))
    run(acd, 10.0, entered("c1", 10.0), accepted("c1.o1"))
    assert acd.explain("c1", 11.0) is None
    assert acd.explain("nobody", 11.0) is None


def test_who_waits_for_the_preferred_agent_alone_says_so() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}, QueueRules("orders", preferred_wait_s=60.0)))
    occupy(acd, 5.0, "ann")
    acd.step(entered("c1", 10.0, preferred_agent="ann"), 10.0)
    told = why(acd, "c1", 20.0)
    assert (told.candidates, told.next_change_s, told.preferred_agent) == ((), 50.0, "ann")
    assert reasons(told) == {"talking": ("ann",), "waits for ann alone until 60 s": ("bob",)}


# --- without a call ---------------------------------------------------------------------------------------------------


def test_an_entry_is_explained_as_it_would_go() -> None:
    acd = staffed(site({"ann": {"en": 1}, "bob": {"en": 1}, "cat": {}}))
    told = acd.explain_entry(entered("c1", 10.0, requires=Held("en")), 10.0)
    assert (told.situation, told.candidates, told.turned_away) == ("would_enter", ("ann", "bob"), None)
    assert reasons(told) == {"does not meet: en": ("cat",)}


def test_explaining_an_entry_changes_nothing() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}))
    occupy(acd, 5.0, "ann")
    before, due_at = acd.snapshot(), acd.next_at()
    acd.explain_entry(entered("c1", 10.0, preferred_agent="ann", preferred_wait_s=60.0), 10.0)
    assert (acd.snapshot(), acd.next_at()) == (before, due_at)
    assert acd.explain("c1", 10.0) is None
    assert acd.step(Tick(), 10.0) == []


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"preferred_agent": "bob"},
        {"preferred_agent": "bob", "preferred_wait_s": 10.0},
        {"preferred_agent": "cat", "preferred_wait_s": 10.0},
        {"requires": Held("fr")},
        {"value_tier": 0},
    ],
)
@pytest.mark.parametrize("skip", [True, False])
def test_the_first_candidate_is_who_the_offer_goes_to(more: dict[str, object], skip: bool) -> None:
    steps = (Step(Held("latin"), skip_if_unstaffed=True), Step(after_s=60.0)) if skip else (Step(),)
    agents = (
        AgentProfile("ann", {}, experience=1),
        AgentProfile("bob", {"fr": 1}, experience=2),
        AgentProfile("cat", {}, experience=9),
    )
    policy = TierPolicy(tiers=(Tier("vip", experience=5, spill_s=9.0), Tier("standard")))
    acd = staffed(Configured((QueueRules("orders", steps=steps),), agents, policy))
    occupy(acd, 5.0, "cat")
    given = entered("c1", 10.0, **more)
    told = acd.explain_entry(given, 10.0)
    made = offers(acd.step(given, 10.0))
    assert [agent_id for _, agent_id in made] == list(told.candidates[:1])
    assert told.step == why(acd, "c1", 10.0).step


@pytest.mark.parametrize(
    ("limits", "closed", "expected"),
    [
        (Limits(), True, "hours"),
        (Limits(waiting_max=1), False, "full"),
        (Limits(), False, None),
    ],
)
def test_an_entry_that_would_be_turned_away_says_why(
    limits: Limits,
    closed: bool,
    expected: str | None,
) -> None:
    acd = staffed(site({"ann": {}}, QueueRules("orders", limits=limits)))
    occupy(acd, 5.0, "ann")
    acd.step(entered("c0", 6.0), 6.0)
    if closed:
        acd.step(QueueClosed("orders", "hours", Exit(ExitKind.GOODBYE)), 7.0)
    given = entered("c1", 10.0)
    assert acd.explain_entry(given, 10.0).turned_away == expected
    assert bool(acd.step(given, 10.0)) is (expected is not None)


def test_an_entry_into_a_queue_that_the_site_does_not_have_is_refused() -> None:
    acd = staffed(site({"ann": {}}))
    with pytest.raises(UnknownQueueError):
        acd.explain_entry(entered("c1", 10.0, queue="nowhere"), 10.0)


def test_an_entry_tells_who_would_be_ahead() -> None:
    acd = staffed(site({"ann": {}}))
    occupy(acd, 5.0, "ann")
    run(acd, 10.0, *(entered(f"c{n:02}", 10.0) for n in range(15)))
    told = acd.explain_entry(entered("me", 11.0), 11.0)
    assert (told.ahead_total, [each.contact_id for each in told.ahead]) == (15, [f"c{n:02}" for n in range(10)])


def test_a_back_up_member_is_named_with_the_delay_until_it_is_over() -> None:
    config = Configured((QueueRules("orders"),), (member("bea", orders=Membership(2, 20.0)),))
    acd = staffed(config)
    told = acd.explain_entry(entered("c1", 10.0), 10.0)
    assert (told.candidates, reasons(told)) == ((), {"back-up after 20 s": ("bea",)})
    told = acd.explain_entry(entered("c1", 10.0, clock_s=20.0), 10.0)
    assert told.candidates == ("bea",)
    assert acd.step(replace(config), 11.0) == []


def test_asking_about_another_queue_keeps_no_callback_from_being_dialed() -> None:
    dials = []
    for asks in (True, False):
        rules = QueueRules("orders", callback=CallbackRules(CallbackMode.CUSTOMER_FIRST))
        acd = staffed(site({"ann": {}}, rules, QueueRules("other")))
        occupy(acd, 5.0, "ann")
        run(acd, 10.0, entered("c1", 10.0), CallbackChosen("c1"))
        if asks:
            acd.explain_entry(entered("c2", 11.0, queue="other"), 11.0)
        dials.append([*release(acd, 20.0, "ann"), *(phrase for _, phrase in follow(acd, 25.0))])
    assert dials[0] == dials[1] == ["c1 is dialed (1)"]
