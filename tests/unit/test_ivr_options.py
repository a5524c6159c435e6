"""The menu whose options come in the order of what the customer used most: keys and prompts go with the order."""

from dataclasses import replace
from typing import Any

import pytest

from ivr.check import check
from ivr.drawing import mermaid
from ivr.interpreter import Answered, Ask, HangUp, Say, ToQueue, Turn, resume
from ivr.model import Flow
from ivr.options import needed_for_options
from ivr.parse import FlowError
from ivr.speech import SPEAKERS
from ivr.turn import PastUse
from tests.unit.test_ivr_world import AROUND, KNOWN, NOW, noted, read, visit

MENU: dict[str, Any] = {
    "type": "menu",
    "prompts": ["wait"],
    "options": [
        {"prompts": ["pin"], "to": "person"},
        {"prompts": ["wrong"], "to": "end"},
        {"prompts": ["moment"], "to": "again"},
    ],
    "on_exhausted": "person",
    "tries_max": 2,
}
AGAIN: dict[str, Any] = {"type": "say", "prompts": ["moment"], "next": "end"}
SPOKEN = replace(
    AROUND,
    prompts={lang: {*there, "wait", *needed_for_options(SPEAKERS[lang])} for lang, there in AROUND.prompts.items()},
)
STRANGER = replace(KNOWN, known=False, customer_id=None)


def flow(**nodes: dict[str, Any]) -> Flow:
    made = read(again=AGAIN, **nodes)
    assert check(made, SPOKEN) == ()
    return made


def said(turn: Turn) -> list[str]:
    """What the caller hears, without the words that every option has."""
    (say,) = [action for action in turn.actions if isinstance(action, Say)]
    return [prompt for prompt in say.prompts if prompt != "menu_press"]


def test_a_stranger_hears_the_options_as_they_are_written_and_nobody_is_asked() -> None:
    (turn,) = visit(flow(start=MENU), facts=STRANGER)
    assert said(turn) == ["wait", "pin", "num_1", "wrong", "num_2", "moment", "num_3"]
    assert not [action for action in turn.actions if isinstance(action, Ask)]


def test_a_customer_hears_first_what_they_used_most_and_the_keys_go_with_it() -> None:
    asked, told, chosen = visit(flow(start=MENU), Answered(1, "found", {"again": 5, "end": 2, "gone": 9}), "2")
    (ask,) = [action for action in asked.actions if isinstance(action, Ask)]
    assert ask.inquiry == PastUse("c1", "f", "start")
    assert said(told) == ["wait", "moment", "num_1", "wrong", "num_2", "pin", "num_3"]
    assert chosen.exit == HangUp("self_service")
    (by,) = [note["by"] for note in noted([chosen], "node_entered")]
    assert by == "options[2]", "the way is the option's, whatever its key"


@pytest.mark.parametrize(
    "answer", [Answered(1, "none"), Answered(1, "error", why="unavailable"), Answered(1, "found", {"again": "x"}), 1.0]
)
def test_without_a_past_or_an_answer_in_time_they_come_as_they_are_written(answer: Answered | float) -> None:
    told = visit(flow(start=MENU), answer)[-1]
    assert said(told) == ["wait", "pin", "num_1", "wrong", "num_2", "moment", "num_3"]


def test_a_key_typed_ahead_is_what_it_means_in_the_order_of_the_customer() -> None:
    turn = visit(flow(start=MENU), "1", Answered(1, "found", {"end": 1}))[-1]
    assert turn.exit == HangUp("self_service")


def test_wrong_keys_and_silence_have_an_end_and_zero_leads_to_a_person() -> None:
    used = Answered(1, "found", {"again": 5})
    assert isinstance(visit(flow(start=MENU), used, "9", "9")[-1].exit, ToQueue)
    assert isinstance(visit(flow(start=MENU), used, "0")[-1].exit, ToQueue)
    assert said(visit(flow(start=MENU), used, "9")[-1])[:3] == ["wait", "moment", "num_1"], "in the same order again"


def test_after_a_restart_the_order_is_kept_or_asked_for_again() -> None:
    made = flow(start=MENU)
    asked, told = visit(made, Answered(1, "found", {"again": 5}))
    assert said(resume(made, told.cursor, KNOWN, NOW))[:3] == ["wait", "moment", "num_1"]
    (again,) = [action for action in resume(made, asked.cursor, KNOWN, NOW).actions if isinstance(action, Ask)]
    assert again.request == 1


def test_every_option_is_a_way_in_the_drawing() -> None:
    assert mermaid(flow(start=MENU)).count("==>") == 3


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ({"options": []}, "options: must be a list"),
        ({"options": [{"prompts": ["pin"], "to": "nowhere"}]}, "options[1]: no such node 'nowhere'"),
        ({"options": [{"prompts": ["gone"], "to": "end"}]}, "options[1].prompts: no such prompt 'gone'"),
        ({"options": [{"prompts": ["pin"], "to": "end"}] * 2}, "options: two of them lead to 'end'"),
        ({"choices": {"1": "end"}}, "choices: "),
    ],
)
def test_what_can_not_be_meant_is_refused(change: dict[str, Any], mistake: str) -> None:
    try:
        found: tuple[str, ...] = check(read(start={**MENU, **change}, again=AGAIN), SPOKEN)
    except FlowError as error:
        found = error.mistakes
    assert any(f"nodes.start.{mistake}" in each for each in found), found


def test_the_words_of_the_keys_must_be_there() -> None:
    (found,) = [each for each in check(read(start=MENU, again=AGAIN), AROUND) if "their keys" in each]
    assert found.startswith("nodes.start.options: their keys need the prompts num_")
