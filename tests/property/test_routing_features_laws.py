"""Laws of the ACD with every feature mixed: steps, tiers, delays, loans, callbacks, limits, closings, random days."""

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from routing.acd.engine import Acd
from routing.acd.snapshot import Snapshot
from routing.messages import Decision, Diverted, Entered, MakeOffer, Tick
from routing.model import AgentOrder, CallbackMode
from routing.policy import Discipline
from tests.days import HAPPENINGS, Day, Happening, Kind
from tests.laws import (
    Books,
    Law,
    an_agent_has_one_offer_and_a_contact_no_more_than_its_queue_rings,
    estimates_and_explanations_agree,
    offers_go_to_who_may_serve,
    steps_are_taken_for_a_reason,
    the_overdue_are_served_first,
    the_step_clock_stands_still_while_a_phone_rings,
    work_is_conserved,
)

kinds = st.builds(
    Kind,
    st.sampled_from(Discipline),
    st.sampled_from(AgentOrder),
    st.sampled_from(CallbackMode),
    st.integers(1, 3),
    st.booleans(),
)
happenings = st.lists(
    st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 59), st.integers(0, 59)), min_size=20, max_size=80
)


def holds(kind: Kind, what: list[Happening], *laws: Law) -> None:
    """These laws at every moment of the day."""
    for moment in Day(kind).play(what):
        for law in laws:
            law(moment)


@given(kinds, happenings)
@settings(max_examples=80, deadline=None)
def test_nobody_waits_while_an_agent_whom_their_reach_includes_is_ready(kind: Kind, what: list[Happening]) -> None:
    holds(kind, what, work_is_conserved)


@given(kinds, happenings)
@settings(max_examples=40, deadline=None)
def test_offers_go_to_who_may_serve_and_steps_are_taken_for_a_reason(kind: Kind, what: list[Happening]) -> None:
    holds(kind, what, offers_go_to_who_may_serve, steps_are_taken_for_a_reason)


@given(kinds, happenings)
@settings(max_examples=40, deadline=None)
def test_a_contact_rings_at_no_more_agents_than_its_queue_says_and_an_agent_for_one(
    kind: Kind, what: list[Happening]
) -> None:
    holds(kind, what, an_agent_has_one_offer_and_a_contact_no_more_than_its_queue_rings)


@given(kinds, happenings)
@settings(max_examples=40, deadline=None)
def test_the_step_clock_never_runs_while_a_phone_rings(kind: Kind, what: list[Happening]) -> None:
    holds(kind, what, the_step_clock_stands_still_while_a_phone_rings)


@given(kinds, happenings)
@settings(max_examples=40, deadline=None)
def test_the_overdue_are_served_before_all_others(kind: Kind, what: list[Happening]) -> None:
    holds(kind, what, the_overdue_are_served_first)


@given(kinds, happenings)
@settings(max_examples=80, deadline=None)
def test_nobody_is_lost_and_an_offer_settles_once(kind: Kind, what: list[Happening]) -> None:
    holds(kind, what, Books().check)


@given(kinds, happenings)
@settings(max_examples=40, deadline=None)
def test_every_question_has_an_answer_that_agrees_with_the_decisions(kind: Kind, what: list[Happening]) -> None:
    day = Day(kind)
    for moment in day.play(what):
        estimates_and_explanations_agree(day.acd, moment)


def decided(kind: Kind, what: list[Happening], *, curious: bool = False) -> list[list[Decision]]:
    """The decisions of the day; the curious ask for everybody's estimate and explanation all the time."""
    day, told = Day(kind), []
    for moment in day.play(what):
        told.append(moment.decisions)
        if curious:
            estimates_and_explanations_agree(day.acd, moment)
            day.acd.prospects(moment.now, 5)
            if isinstance(moment.given, Entered):
                day.acd.explain_entry(structs.replace(moment.given, contact_id="somebody"), moment.now)
    return told


agent_first = kinds.map(lambda kind: kind._replace(loans=False, callbacks=CallbackMode.AGENT_FIRST))
"""Loans, waits and customer-first callbacks go by forecasts."""


@given(kinds, happenings)
@settings(max_examples=30, deadline=None)
def test_the_same_day_gives_the_same_decisions_whoever_asks_in_between(kind: Kind, what: list[Happening]) -> None:
    assert decided(kind, what) == decided(kind, what, curious=True)


@given(kinds, happenings)
@settings(max_examples=50, deadline=None)
def test_what_is_explained_of_an_entry_is_what_happens_to_it(kind: Kind, what: list[Happening]) -> None:
    day = Day(kind)
    for _ in day.play(what):
        pass
    for n in range(6):
        due_at = day.acd.next_at()
        given_now = day.entry(n, 59 - 7 * n)
        if due_at is not None and due_at <= day.now:
            return  # what is due comes in the same step
        told = day.acd.explain_entry(given_now, day.now)
        decisions = day.step(given_now).decisions
        offered = [each.agent_id for each in decisions if isinstance(each, MakeOffer)]
        away = [each.why for each in decisions if isinstance(each, Diverted)]
        assert away == ([] if told.turned_away is None else [told.turned_away])
        if not away:
            assert offered[:1] == list(told.candidates[:1])


def plain(snapshot: Snapshot) -> Snapshot:
    """Without what a restored engine finds out later or needs no more.

    Queue ratio sorts by who stands in line, where a restored engine puts them with its first step. The offers of a
    callback that was accepted are history.
    """
    by_id = [tuple(sorted(queue.waiting, key=lambda view: view.entered.contact_id)) for queue in snapshot.queues]
    queues = tuple(replace(queue, waiting=waiting) for queue, waiting in zip(snapshot.queues, by_id, strict=True))
    return replace(
        snapshot, queues=queues, calling=tuple(replace(view, offers=(), refusals=()) for view in snapshot.calling)
    )


def texts(decisions: list[Decision]) -> list[str]:
    """The decisions as text, times to 10 µs: a timer set anew is a rounding error beside the old one."""
    return sorted(re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.5f}", repr(each)) for each in decisions)


@given(agent_first, happenings, happenings)
@settings(max_examples=40, deadline=None)
def test_an_engine_restored_from_a_snapshot_goes_on_as_the_first_would_have(
    kind: Kind, what: list[Happening], then: list[Happening]
) -> None:
    """What goes by forecasts aside: their history is not part of a snapshot."""
    first = Day(kind)
    for _ in first.play(what):
        pass
    first.acd.step(Tick(), first.now)
    snapshot = first.acd.snapshot()
    if {view.agent_id for view in snapshot.agents} != {profile.agent_id for profile in first.config.agents}:
        return  # those who only finish their last contact are left behind by a restore
    second = first.twin(Acd.restore(first.config, snapshot))
    assert plain(second.acd.snapshot()) == plain(snapshot)
    assert second.acd.step(Tick(), first.now) == []
    went_on, goes_on = (
        [told for moment in day.go_on(then) if (told := texts(moment.decisions))] for day in (first, second)
    )
    assert goes_on == went_on
