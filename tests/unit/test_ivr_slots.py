"""The node that offers times for a callback: only free ones, each with its key, and one that is booked is promised."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ivr.check import check
from ivr.interpreter import Answered, AskSlots, BookSlot, Say, ToCallback, ToQueue, Turn, resume
from ivr.model import Flow
from ivr.parse import FlowError
from ivr.reach import ways
from ivr.speech import SPEAKERS
from ivr.speech.slots import needed_for_slots, say_slot
from tests.unit.test_ivr_world import AROUND, KNOWN, NOW, noted, read, visit

LATER: dict[str, Any] = {
    "type": "callback",
    "queue": "orders",
    "prompts": ["moment"],
    "on_none": "person",
    "on_exhausted": "person",
    "tries_max": 2,
}
SPOKEN = replace(
    AROUND,
    prompts={lang: {*there, *needed_for_slots(SPEAKERS[lang])} for lang, there in AROUND.prompts.items()},
)
ONE, TWO = (NOW + 3_600.0, NOW + 5_400.0), (NOW + 5_400.0, NOW + 7_200.0)


def flow(**nodes: dict[str, Any]) -> Flow:
    made = read(**nodes)
    assert [mistake for mistake in check(made, SPOKEN) if "unreachable" not in mistake] == []
    return made


def free(request: int, *slots: tuple[float, float]) -> Answered:
    ends = {f"{n}.{end}": at for n, slot in enumerate(slots, 1) for end, at in zip(("begin", "end"), slot, strict=True)}
    return Answered(request, "found", ends)


def asked(turn: Turn) -> Any:
    (action,) = [action for action in turn.actions if isinstance(action, AskSlots | BookSlot)]
    return action


def test_free_times_are_asked_for_said_with_their_keys_and_the_chosen_one_is_booked() -> None:
    first, said, booking, out = visit(flow(start=LATER), free(1, ONE, TWO), "2", Answered(2, "found"))
    assert asked(first) == AskSlots(1, "orders")
    zone = KNOWN.zone
    words = [say_slot("zh-TW", zone, NOW, begin=begin, end=end, key=n) for n, (begin, end) in ((1, ONE), (2, TWO))]
    assert said.actions == (Say(("moment", *words[0], *words[1]), "zh-TW"),)
    assert asked(booking) == BookSlot(2, "orders", TWO[0])
    assert out.exit == ToCallback("orders", TWO)


def test_one_that_is_taken_meanwhile_is_offered_no_more() -> None:
    turns = visit(
        flow(start=LATER), free(1, ONE, TWO), "1", Answered(2, "none"), free(3, TWO), "1", Answered(4, "found")
    )
    assert asked(turns[3]) == AskSlots(3, "orders")
    assert [note["why"] for note in noted(turns, "reprompted")] == ["taken"]
    assert turns[-1].exit == ToCallback("orders", TWO)


@pytest.mark.parametrize("answer", [Answered(1, "none"), Answered(1, "error", why="timeout"), Answered(1, "found")])
def test_without_a_free_time_the_flow_goes_on(answer: Answered) -> None:
    assert isinstance(visit(flow(start=LATER), answer)[-1].exit, ToQueue)


def test_nobody_waits_long_for_an_answer() -> None:
    assert isinstance(visit(flow(start=LATER), 3.0)[-1].exit, ToQueue)


def test_who_chooses_nothing_or_something_else_is_asked_again_and_then_goes_on() -> None:
    turns = visit(flow(start=LATER), free(1, ONE), "7", free(2, ONE), "*")
    assert [note["why"] for note in noted(turns, "reprompted") + noted(turns, "exhausted")] == ["wrong_key"] * 2
    assert isinstance(turns[-1].exit, ToQueue)


def test_a_key_that_was_typed_ahead_chooses_and_zero_leads_to_a_person() -> None:
    assert asked(visit(flow(start=LATER), "1", free(1, ONE))[-1]) == BookSlot(2, "orders", ONE[0])
    assert isinstance(visit(flow(start=LATER), free(1, ONE), "0")[-1].exit, ToQueue)


def test_after_a_restart_free_times_are_asked_for_anew() -> None:
    made = flow(start=LATER)
    booking = visit(made, free(1, ONE), "1")[-1].cursor
    assert asked(resume(made, booking, KNOWN, NOW)) == AskSlots(2, "orders")


def test_the_callback_is_among_the_ways_of_the_flow() -> None:
    assert ("1", ToCallback("orders", (0.0, 1_800.0))) in [
        (way.keys, way.exit) for way in ways(flow(start=LATER), KNOWN, NOW)
    ]


@pytest.mark.parametrize(
    ("change", "mistake"),
    [({"queue": "gone"}, "queue: no such queue 'gone'"), ({"on_none": "gone"}, "on_none: no such node 'gone'")],
)
def test_what_can_not_be_meant_is_refused(change: dict[str, Any], mistake: str) -> None:
    try:
        found: tuple[str, ...] = check(read(start={**LATER, **change}), AROUND)
    except FlowError as error:
        found = error.mistakes
    assert any(f"nodes.start.{mistake}" in each for each in found), found


def test_a_time_is_said_with_its_day_as_people_say_it() -> None:
    zone, now = ZoneInfo("Asia/Taipei"), 1_763_690_400.0  # 2025-11-21 10:00
    said = {
        language: say_slot(language, zone, now, begin=now + begin_s, end=now + begin_s + 1_800.0, key=2)
        for language, begin_s in (("zh-TW", 86_400.0), ("en", 7_200.0))
    }
    words = {language: [SPEAKERS[language].words[prompt] for prompt in prompts] for language, prompts in said.items()}
    assert "".join(words["zh-TW"]) == "明天上午十點整到上午十點三十分請按二"
    assert " ".join(words["en"]) == "For today, twelve noon to twelve thirty p m press two"
    assert all(set(prompts) <= set(needed_for_slots(SPEAKERS[language])) for language, prompts in said.items())
