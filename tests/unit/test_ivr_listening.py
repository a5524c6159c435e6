"""A node that listens: what is said is an answer as a key is, two failures leave the keys, and keys always count."""

from collections.abc import Mapping
from typing import Any

import pytest

from ivr.expression import Type
from ivr.interpreter import enter, resume, step
from ivr.model import CollectNode, Flow, HangUpNode, MenuNode, QueueNode, Variable
from ivr.parse import FlowError, parse
from ivr.rehearsal import play
from ivr.script import Conversation, Keys, Says, Silence
from ivr.turn import (
    Digit,
    Facts,
    Input,
    Listen,
    PromptEnded,
    Say,
    SpeechHeard,
    StopListening,
    StopSaying,
    TimeIsUp,
    ToQueue,
    Turn,
)

FACTS = Facts(language="en", value_tier="standard", known=False, calendars={})
MENU = MenuNode(
    prompts=("main_menu",),
    choices={"1": "account", "2": "person"},
    on_exhausted="bye",
    wrong_key_prompts=("wrong_key",),
    speech={"en": {"my orders": "1", "a person": "2"}},
)
ACCOUNT = CollectNode(("enter_account",), "account", "person", "bye", digits_min=4, digits_max=4, speech=True)
FLOW = Flow(
    id="talk",
    version="1",
    start="menu",
    nodes={"menu": MENU, "account": ACCOUNT, "person": QueueNode("product"), "bye": HangUpNode("no_input")},
    agent_node="person",
    variables={"account": Variable(Type.DIGITS)},
)
ORDERS, NO_MATCH, AWAY = SpeechHeard("matched", "My  Orders"), SpeechHeard("no_match"), SpeechHeard("away")


def hear(*inputs: Input | SpeechHeard, facts: Facts = FACTS) -> list[Turn]:
    """The turns of a caller to whom this happens, a minute after one another."""
    turns = [enter(FLOW, facts, 0.0)]
    for n, each in enumerate(inputs, 1):
        turns.append(step(FLOW, turns[-1].cursor, each, facts, 60.0 * n))
    return turns


def noted(turns: list[Turn]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(note.what, dict(note.detail)) for turn in turns for note in turn.notes if note.what != "node_entered"]


def test_a_menu_listens_from_its_first_word_on() -> None:
    (first,) = hear()
    assert first.actions == (Listen("en", ("my orders", "a person")), Say(("main_menu",), "en"))
    assert first.cursor.listening


def test_a_phrase_stops_the_prompt_and_takes_the_way_of_its_key() -> None:
    *_, turn = hear(ORDERS)
    assert turn.actions[:2] == (StopListening(), StopSaying())
    assert turn.actions[2] == Listen("en", digits_min=4, digits_max=4)
    assert [(note.what, dict(note.detail)) for note in turn.notes] == [
        ("spoken", {"said": "My  Orders"}),
        ("node_entered", {"by": "choices.1"}),
    ]


def test_digits_that_are_said_are_the_answer_to_a_collect() -> None:
    *_, turn = hear(ORDERS, SpeechHeard("matched", "2468"))
    assert turn.cursor.variables == {"account": "2468"}
    assert turn.exit == ToQueue("product", None)


@pytest.mark.parametrize("said", ["", "orders", "1", "my orders please", "2468", "٢٤٦٨"])
def test_what_the_menu_does_not_say_is_not_understood_whatever_the_recogniser_says(said: str) -> None:
    *_, turn = hear(SpeechHeard("matched", said))
    assert noted([turn]) == [
        ("misheard", {"why": "no_match", "failures": 1}),
        ("reprompted", {"why": "not_understood", "tries": 1}),
    ]
    assert turn.actions[-1] == Say(("wrong_key", "main_menu"), "en")


@pytest.mark.parametrize("said", ["", "123", "12345", "12a4", "٢٤٦٨", "my orders"])
def test_digits_that_nobody_asked_for_are_not_understood(said: str) -> None:
    *_, turn = hear(ORDERS, SpeechHeard("matched", said))
    assert turn.cursor.variables == {}
    assert turn.cursor.misheard == 1


@pytest.mark.parametrize(
    "failures",
    [
        (NO_MATCH, NO_MATCH),
        (NO_MATCH, PromptEnded(), TimeIsUp()),
        (PromptEnded(), TimeIsUp(), PromptEnded(), TimeIsUp()),
    ],
)
def test_after_two_failures_nobody_listens_and_the_keys_are_asked_for(failures: tuple[Input, ...]) -> None:
    turns = hear(*failures, Digit("1"))
    assert [isinstance(each, Listen) for turn in turns for each in turn.actions].count(True) == 2
    assert not turns[-1].cursor.listening
    assert turns[-1].cursor.node == "account"


def test_a_recogniser_that_is_away_is_no_reason_to_ask_again() -> None:
    first, away = hear(AWAY)
    assert noted([away]) == [("misheard", {"why": "away", "failures": 1})]
    assert (away.cursor.saying, away.timer_at) == (first.cursor.saying, first.timer_at)
    *_, after = hear(AWAY, Digit("1"), AWAY, *(Digit(each) for each in "2468"))
    assert after.exit == ToQueue("product", None)


def test_nobody_talks_over_a_caller_who_begins_to_speak_and_they_have_ten_seconds_once() -> None:
    first = enter(FLOW, FACTS, 0.0)
    began = step(FLOW, first.cursor, SpeechHeard("began"), FACTS, 1.0)
    assert (began.actions, began.timer_at, began.cursor.listening) == ((StopSaying(),), 11.0, True)
    assert step(FLOW, began.cursor, SpeechHeard("began"), FACTS, 9.0).timer_at == 11.0
    assert step(FLOW, began.cursor, ORDERS, FACTS, 9.0).cursor.node == "account"
    late = step(FLOW, began.cursor, TimeIsUp(), FACTS, 11.0)
    assert noted([late])[0] == ("misheard", {"why": "no_speech", "failures": 1})
    again = step(FLOW, late.cursor, SpeechHeard("began"), FACTS, 12.0)
    assert again.timer_at == 22.0


def test_a_key_beside_the_recogniser_counts_and_ends_the_listening() -> None:
    *_, turn = hear(Digit("2"))
    assert set(turn.actions) == {StopSaying(), StopListening()}
    assert turn.exit == ToQueue("product", None)


def test_a_word_that_comes_after_the_key_is_nobodys_business() -> None:
    first_digit = hear(Digit("1"), Digit("2"))[-1]
    assert not first_digit.cursor.listening
    late = step(FLOW, first_digit.cursor, ORDERS, FACTS, 999.0)
    assert (late.actions, late.notes, late.cursor.collected) == ((), (), "2")


def test_in_a_language_without_phrases_there_are_keys_only() -> None:
    (first,) = hear(facts=Facts(language="zh-TW", value_tier="standard", known=False, calendars={}))
    assert first.actions == (Say(("main_menu",), "zh-TW"),)


def test_after_a_restart_of_ours_somebody_listens_anew() -> None:
    (first,) = hear()
    again = resume(FLOW, first.cursor, FACTS, 5.0)
    assert again.actions == (Listen("en", ("my orders", "a person")), Say(("main_menu",), "en"))


def test_an_answer_by_voice_counts_as_a_key_so_that_nobody_goes_round_for_ever() -> None:
    menu = MenuNode(("main_menu",), {"1": "menu"}, "bye", speech={"en": {"again": "1"}})
    flow = Flow("round", "1", "menu", {"menu": menu, "bye": HangUpNode("no_input")}, None)
    turn = enter(flow, FACTS, 0.0)
    for n in range(1, 10_000):
        heard = SpeechHeard("matched", "again") if turn.cursor.listening else TimeIsUp()
        turn = step(flow, turn.cursor, heard, FACTS, 3600.0 * n)
        if turn.exit is not None:
            return
    raise AssertionError("the caller goes round for ever")


def test_a_rehearsal_speaks() -> None:
    steps = (Says("my orders"), Says("nonsense"), Says("1234"))
    played = play(FLOW, Conversation("speaks", 0.0, steps, "queue:product", holds={"account": "1234"}), FACTS)
    assert played.mistakes == ()
    unheard = (Says(""), Keys("1"), Says(""), Silence(3), Says("1234"))
    deaf = play(FLOW, Conversation("deaf", 0.0, unheard, "in_flow"), FACTS)
    assert deaf.mistakes == ("step 5: the caller says '1234', but nobody listens, at node 'account'",)


def written(node: dict[str, object]) -> tuple[str, ...]:
    """The mistakes of a flow with this node."""
    nodes = {"a": node, "q": {"type": "queue", "queue": "product"}}
    source = {"start": "a", "agent_node": "q", "variables": {"n": "digits"}, "nodes": nodes}
    try:
        parse(source, "f", "1")
    except FlowError as error:
        return error.mistakes
    return ()


def test_speech_is_read_and_its_mistakes_have_their_paths() -> None:
    menu = {"type": "menu", "prompts": ["p"], "choices": {"1": "q"}, "on_exhausted": "q"}
    assert written({**menu, "speech": {"en": {"orders": "1"}}}) == ()
    assert written({**menu, "tries_max": 2, "speech": {"en": {"orders": "2", " ": "1", "a": "1", "A": "3"}}}) == (
        "nodes.a.speech: needs tries_max of more than 2: one is left for the keys",
        "nodes.a.speech.en.orders: '2' is none of the menu's choices",
        "nodes.a.speech.en. : a phrase has 1-100 characters",
        "nodes.a.speech.en.A: '3' is none of the menu's choices",
    )
    collect = {"type": "collect", "prompts": ["p"], "into": "n", "next": "q", "on_exhausted": "q", "speech": True}
    assert written(collect) == ()
    assert written({**collect, "secret": True, "interruptible": False}) == (
        "nodes.a.speech: what is secret is not said aloud",
        "nodes.a.speech: whoever speaks interrupts, and these prompts are not interruptible",
    )
