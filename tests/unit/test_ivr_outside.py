"""The node that connects a caller with a phone outside: what it dials, what is heard, and where every outcome leads."""

from dataclasses import replace
from typing import Any

import pytest

from ivr.check import check
from ivr.drawing import mermaid
from ivr.interpreter import Answered, Dial, Digit, PromptEnded, Say, TimeIsUp, ToOutside, ToQueue, Turn, resume, step
from ivr.parse import FlowError
from ivr.rehearsal import play
from ivr.script import Conversation, World
from tests.unit.test_ivr_world import AROUND, KNOWN, NOW, flow, noted, read, visit

OFFICE: dict[str, Any] = {
    "type": "transfer",
    "number": "'+886223456789'",
    "ring_s": 25,
    "on_busy": "end",
    "on_failed": "person",
}


def dialed(turn: Turn) -> Dial:
    (action,) = [action for action in turn.actions if isinstance(action, Dial)]
    return action


def test_it_rings_at_once_or_after_the_announcement() -> None:
    (turn,) = visit(flow(start=OFFICE))
    assert dialed(turn) == Dial(1, "+886223456789", 25.0, False, False)
    assert turn.timer_at == NOW + 40.0
    said, rings = visit(flow(start={**OFFICE, "announcement": ["moment"]}), PromptEnded())
    assert [type(action) for action in said.actions] == [Say]
    assert dialed(rings).request == 1


@pytest.mark.parametrize(
    ("outcome", "end"), [("busy", "self_service"), ("no_answer", "orders"), ("failed", "orders"), ("?", "orders")]
)
def test_every_outcome_leads_on_and_on_failed_stands_for_what_is_not_written(outcome: str, end: str) -> None:
    turn = visit(flow(start=OFFICE), Answered(1, outcome))[-1]
    assert turn.exit is not None
    assert getattr(turn.exit, "end_state", None) == end or getattr(turn.exit, "queue", None) == end


def test_who_is_answered_is_out_of_the_flow() -> None:
    turns = visit(flow(start=OFFICE), Answered(1, "answered"))
    assert turns[-1].exit == ToOutside()
    (note,) = noted(turns, "answered")
    assert (note["what"], note["outcome"]) == ("transfer", "answered")


def test_of_whom_nothing_is_heard_goes_on_in_time() -> None:
    turns = visit(flow(start=OFFICE), 39.0, 1.0)
    assert turns[1].exit is None
    assert isinstance(turns[2].exit, ToQueue)


def test_an_answer_to_another_question_is_nobodys_and_keys_are_kept() -> None:
    made = flow(start=OFFICE)
    turns = visit(made, Answered(2, "answered"), "12")
    assert turns[1].exit is None
    assert turns[-1].cursor.ahead == "12"


def test_a_number_that_is_not_known_is_not_dialed() -> None:
    turn = visit(flow(start={**OFFICE, "number": "status"}))[0]
    assert isinstance(turn.exit, ToQueue)
    assert not [action for action in turn.actions if isinstance(action, Dial)]


def test_after_a_restart_it_rings_again_under_the_same_number() -> None:
    made = flow(start=OFFICE)
    before = visit(made)[0].cursor
    assert dialed(resume(made, before, KNOWN, NOW + 5.0)).request == 1
    said = visit(flow(start={**OFFICE, "announcement": ["moment"]}))[0].cursor
    again = resume(flow(start={**OFFICE, "announcement": ["moment"]}), said, KNOWN, NOW)
    assert [type(action) for action in again.actions] == [Say]


def test_once_out_nothing_changes() -> None:
    made = flow(start=OFFICE)
    out = visit(made, Answered(1, "answered"))[-1].cursor
    for heard in (Digit("1"), PromptEnded(), TimeIsUp(), Answered(1, "busy")):
        turn = step(made, out, heard, KNOWN, NOW + 99.0)
        assert (turn.exit, turn.actions, turn.notes) == (None, (), ())


def test_it_can_be_rehearsed_and_is_drawn() -> None:
    made = flow(start=OFFICE)
    calls = Conversation("the office answers", NOW, (World("answered"),), "transferred")
    assert play(made, calls, KNOWN).mistakes == ()
    busy = replace(calls, steps=(World("busy"),), exit="self_service")
    assert play(made, busy, KNOWN).mistakes == ()
    assert "phone '+886223456789'" in mermaid(made)


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ({"number": "known"}, "number: must be text or digits"),
        ({"number": "nobody"}, "number: no such variable 'nobody'"),
        ({"on_busy": "nowhere"}, "on_busy: no such node 'nowhere'"),
        ({"announcement": ["gone"]}, "announcement: no such prompt 'gone'"),
        ({"ring_s": 1}, "ring_s: must be"),
        ({"queue": "orders"}, "queue: "),
    ],
)
def test_what_can_not_be_meant_is_refused(change: dict[str, Any], mistake: str) -> None:
    try:
        found: tuple[str, ...] = check(read(start={**OFFICE, **change}), AROUND)
    except FlowError as error:
        found = error.mistakes
    assert any(f"nodes.start.{mistake}" in each for each in found), found
