"""Callbacks at a time of the caller's choice: within the queue's hours, never more than it takes, kept, called then."""

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.appointments import Appointments
from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact import signals as sig
from callcenter.contact.draft import Step
from callcenter.contact.machine import advance, arrive, resume
from callcenter.contact.model import Contact, Phase
from callcenter.contact.plan import HotlinePlan, Plan
from callcenter.contact.slots import LEAD_S, SlotRules, slots
from ivr.calendar import Calendar, is_open
from ivr.model import Flow, QueueNode, SlotsNode
from routing.model import SoFar
from tests.contacts import CALLER, ID, PLAN, types

TAIPEI = ZoneInfo("Asia/Taipei")
OFFICE = Calendar(TAIPEI, (((9 * 3600, 12 * 3600), (13 * 3600 + 1_800, 18 * 3600)),) * 5 + ((),) * 2)
RULES = SlotRules(1_800.0, 2, 3)
LINE = "0800000800"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=TAIPEI).timestamp()


NOW = at("2026-11-19 16:40")  # a Thursday
FIRST = (at("2026-11-19 17:00"), at("2026-11-19 17:30"))
FLOW = Flow(
    id="later",
    version="1",
    start="later",
    nodes={"later": SlotsNode("product", ("menu",), "person", "person"), "person": QueueNode("product")},
    agent_node="person",
)
LATER: Plan = replace(
    PLAN,
    hotlines={**PLAN.hotlines, LINE: HotlinePlan(LINE, "later", None, "zh-TW")},
    queues={**PLAN.queues, "product": replace(PLAN.queues["product"], slots=RULES, hours="office")},
    flows={**PLAN.flows, "later": FLOW},
    calendars={"office": OFFICE},
    zone=TAIPEI,
)


# --- which there are ---


def test_times_are_those_of_today_and_tomorrow_within_the_hours() -> None:
    found = [
        datetime.fromtimestamp(begin, TAIPEI).strftime("%d %H:%M") for begin, _ in slots(RULES, OFFICE, TAIPEI, NOW)
    ]
    today, tomorrow = ["19 17:00", "19 17:30"], [each for each in found if each.startswith("20")]
    assert found == [*today, *tomorrow]
    assert (tomorrow[0], tomorrow[5], tomorrow[6], tomorrow[-1]) == ("20 09:00", "20 11:30", "20 13:30", "20 17:30")


def test_on_holidays_and_at_the_weekend_there_are_none() -> None:
    holiday = replace(OFFICE, holidays=frozenset({date(2026, 11, 20)}))
    assert list(slots(RULES, holiday, TAIPEI, at("2026-11-19 18:00"))) == []
    assert list(slots(RULES, OFFICE, TAIPEI, at("2026-11-21 10:00"))) == []


def in_pairs(quarters: list[int]) -> tuple[tuple[int, int], ...]:
    edges = [900 * quarter for quarter in sorted(quarters)]
    return tuple(zip(edges[::2], edges[1::2], strict=False))


hours = st.lists(st.integers(0, 95), min_size=2, max_size=6, unique=True).map(in_pairs)
instants = st.integers(0, 2 * 365 * 96).map(lambda quarter: NOW + 900.0 * quarter + 7.0)
zones = st.sampled_from([TAIPEI, ZoneInfo("Asia/Kolkata"), ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")])


@given(
    hours,
    zones,
    st.integers(0, 2 * 365 * 96).map(lambda quarter: NOW + 900.0 * quarter + 7.0),
    st.sampled_from([900.0, 1_800.0, 3_600.0]),
)
def test_every_time_lies_in_the_hours_in_order_and_not_too_soon(
    hours: tuple[tuple[int, int], ...], zone: ZoneInfo, now: float, slot_s: float
) -> None:
    calendar = Calendar(zone, (hours,) * 7)
    found = list(slots(SlotRules(slot_s, 1), calendar, zone, now))
    assert found == sorted(found)
    for begin, end in found:
        assert end - begin == slot_s
        assert begin >= now + LEAD_S
        assert all(is_open(calendar, begin + 60.0 * minute) for minute in range(int(slot_s // 60)))


# --- how many may be called in each ---


def test_a_time_takes_so_many_and_no_more() -> None:
    booked = Appointments()
    told = ask.TellSlots("c", 1, "product", (FIRST, (FIRST[1], FIRST[1] + 1_800.0)), 2, 1)
    for contact_id, outcome in (("c1", "found"), ("c2", "found"), ("c3", "none")):
        assert booked.answer(ask.BookSlot(contact_id, 2, "product", FIRST[0], 2)).outcome == outcome
    assert booked.answer(told).values == {"1.begin": FIRST[1], "1.end": FIRST[1] + 1_800.0}
    booked.forget("c1")
    assert booked.answer(told).values == {"1.begin": FIRST[0], "1.end": FIRST[1]}
    assert booked.count("orders", FIRST[0]) == 0


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([1.0, 2.0]), st.booleans()), max_size=40))
def test_no_time_is_ever_overbooked_and_nobody_is_booked_twice(happened: list[tuple[str, float, bool]]) -> None:
    booked, has = Appointments(), dict[str, float]()
    for contact_id, begin, books in happened:
        if books:
            outcome = booked.answer(ask.BookSlot(contact_id, 1, "q", begin, 2)).outcome
            has.pop(contact_id, None)
            assert (outcome == "found") == (list(has.values()).count(begin) < 2)
            if outcome == "found":
                has[contact_id] = begin
        else:
            booked.forget(contact_id)
            has.pop(contact_id, None)
        assert all(booked.count("q", each) == list(has.values()).count(each) for each in (1.0, 2.0))


# --- the contact ---


def course(*signals: sig.Signal, plan: Plan = LATER, **more: str | None) -> list[Step]:
    """The steps of a caller on the line that offers times, all at NOW."""
    told = sig.Arrival(ID, CALLER, LINE, LINE, "+886910000001", "0910000001")
    made = [arrive(replace(told, **more), plan, NOW)]  # type: ignore[arg-type]
    for signal in signals:
        made.append(advance(made[-1].contact, signal, plan, NOW))
    return made


FREE = sig.WorldAnswered(1, "found", {"1.begin": FIRST[0], "1.end": FIRST[1]})
BOOKED = (FREE, sig.DigitPressed("1"), sig.WorldAnswered(2, "found"), sig.PromptEnded(f"{ID}.p2"))


def test_the_floor_is_asked_which_times_are_free_and_then_for_the_chosen_one() -> None:
    first, _, chosen = course(*BOOKED[:2])
    (told,) = [command for command in first.commands if isinstance(command, ask.TellSlots)]
    assert (told.queue, told.slots[0], told.slot_max, told.offered) == ("product", FIRST, 2, 3)
    assert ask.BookSlot(ID, 2, "product", FIRST[0], 2) in chosen.commands


def test_who_chose_a_time_is_promised_it_let_go_and_rests_until_then() -> None:
    made = course(*BOOKED)
    (promised,) = [event for step in made for event in step.events if isinstance(event, ev.CallbackPromised)]
    assert (promised.slot_begin, promised.slot_end, promised.why) == (*FIRST, "flow")
    assert made[-1].contact.phase is Phase.CALLBACK
    (entering,) = [command for command in made[-1].commands if isinstance(command, ask.EnterQueue)]
    assert entering.so_far == SoFar(0, FIRST[1] + 86_400.0, FIRST[0])
    assert entering.slot_begin == FIRST[0]
    assert types(made)[-1] == "callback.waiting"


def stored(contact: Contact) -> Contact:
    return msgspec.json.decode(msgspec.json.encode(contact), type=Contact)


def test_the_time_is_kept_over_a_restart_and_over_attempts_that_fail() -> None:
    waits = course(*BOOKED)[-1].contact
    (again,) = [each for each in resume(stored(waits), LATER, NOW + 60.0).commands if isinstance(each, ask.EnterQueue)]
    assert (again.slot_begin, again.so_far) == (FIRST[0], SoFar(0, FIRST[1] + 86_400.0, FIRST[0]))
    dialed = advance(waits, sig.CallbackDue(1), LATER, FIRST[0])
    failed = advance(dialed.contact, sig.CustomerLegEnded(f"{ID}.c1", 17, 486), LATER, FIRST[0] + 20.0)
    (later,) = [
        each
        for each in resume(stored(failed.contact), LATER, FIRST[0] + 60.0).commands
        if isinstance(each, ask.EnterQueue)
    ]
    assert later.so_far == SoFar(1, FIRST[1] + 86_400.0, FIRST[0] + 20.0 + 300.0)


@pytest.mark.parametrize(
    ("plan", "caller"),
    [(LATER, None), (replace(LATER, dial_out=None), "+886910000001"), (replace(LATER, calendars={}), "+886910000001")],
)
def test_who_can_not_be_called_is_offered_no_time(plan: Plan, caller: str | None) -> None:
    (step,) = course(plan=plan, caller=caller)
    assert step.contact.phase is Phase.QUEUED
    assert not [command for command in step.commands if isinstance(command, ask.TellSlots)]
