"""The nodes that a flow is made of, each with a caller at it, in virtual time."""

from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ivr.calendar import Calendar
from ivr.check import Surroundings, check
from ivr.expression import Value
from ivr.interpreter import (
    Cursor,
    Digit,
    Facts,
    HangUp,
    Input,
    PromptEnded,
    Say,
    StopSaying,
    TimeIsUp,
    ToQueue,
    Turn,
    enter,
    leave,
    step,
)
from ivr.model import Flow
from ivr.parse import parse
from ivr.speech import SPEAKERS
from ivr.sub_flows import link

ZONE = ZoneInfo("Asia/Taipei")
NOW = 1_763_604_000.0  # 2025-11-20 10:00 in Taipei, a Thursday
TODAY = date(2025, 11, 20)
ALWAYS = Calendar(ZONE, (((0, 86_400),),) * 7)
FACTS = Facts("zh-TW", "vip", known=True, calendars={"always": ALWAYS}, open_case=True, zone=ZONE)
PROMPTS = {language: {"ask", "sorry", "wrong", "bye", "q1", *SPEAKERS[language].words} for language in ("zh-TW", "en")}
AROUND = Surroundings(("zh-TW", "en"), ("vip", "basic"), ("orders", "vip"), ("always",), PROMPTS)
PERSON = {"type": "queue", "queue": "orders"}
END = {"type": "hang_up", "end_state": "self_service"}
VARIABLES = {"code": "digits", "amount": "number", "born": "date", "yes": "boolean", "score": "number"}

Table = dict[str, Any]


def flow(variables: Table | None = None, inner: Flow | None = None, **nodes: Table) -> Flow:
    """A flow that starts at `start`; `person` (where `0` leads) and `end` are there."""
    source: Table = {"start": "start", "nodes": {**nodes, "person": PERSON, "end": END}}
    source["variables"] = VARIABLES | (variables or {})
    source["agent_node"] = "person"
    made = parse(source, "f", "1")
    around = AROUND if inner is None else replace(AROUND, flows={inner.id: inner})
    assert [mistake for mistake in check(made, around) if "unreachable" not in mistake] == []
    return made


def visit(made: Flow, *heard: Input | str, facts: Facts = FACTS) -> list[Turn]:
    """The turns of a caller; a text is keys; a TimeIsUp comes at the instant the turn asked for."""
    turns, now = [enter(made, facts, NOW)], NOW
    for one in heard:
        inputs: list[Input] = [Digit(key) for key in one] if isinstance(one, str) else [one]
        for each in inputs:
            cursor = turns[-1].cursor
            if isinstance(each, TimeIsUp) and cursor.timer_at is not None:
                now = cursor.timer_at
            turns.append(step(made, cursor, each, facts, now))
    return turns


def notes(turns: list[Turn], *whats: str) -> list[tuple[str, dict[str, Value]]]:
    return [(note.what, dict(note.detail)) for turn in turns for note in turn.notes if note.what in whats]


def holds(turns: list[Turn]) -> dict[str, Value]:
    return dict(turns[-1].cursor.variables)


# Set and branch


@pytest.mark.parametrize("fact", ["known", "open_case", "open_order", "at_risk", "verified"])
def test_a_branch_may_go_by_what_is_known_of_the_caller(fact: str) -> None:
    nobody = Facts("zh-TW", "basic", known=False, calendars={}, zone=ZONE)
    cases = [{"when": f"{fact} and tier = 'basic' and language = 'zh-TW'", "to": "person"}]
    made = flow(start={"type": "branch", "cases": cases, "otherwise": "end"})
    assert enter(made, nobody, NOW).exit == HangUp("self_service")
    known: dict[str, Any] = {fact: True}
    assert isinstance(enter(made, replace(nobody, **known), NOW).exit, ToQueue)


def test_variables_are_set_and_branches_look_at_them_and_at_what_is_known() -> None:
    made = flow(
        {"tries": {"type": "number", "value": 1}},
        start={"type": "set", "set": {"tries": "tries + 1", "yes": "tries = 2 and open_case"}, "next": "branch"},
        branch={
            "type": "branch",
            "cases": [
                {"when": "tier = 'basic'", "to": "end"},
                {"when": "yes and hour = 10 and weekday = 'thu' and today = 2025-11-20", "to": "person"},
            ],
            "otherwise": "end",
        },
    )
    turns = visit(made)
    assert holds(turns) == {"tries": 2, "yes": True}
    assert turns[-1].exit == ToQueue("orders", None, ())
    assert [detail["by"] for _, detail in notes(turns, "node_entered")] == ["start", "next", "cases[2]"]


def test_what_is_known_before_the_call_is_in_the_variables_if_it_fits() -> None:
    known = replace(FACTS, variables={"code": "12", "amount": "no number", "unheard_of": 1})
    assert holds(visit(flow(start={"type": "say", "prompts": ["ask"], "next": "end"}), facts=known)) == {"code": "12"}


# Collecting digits


def collecting(into: str = "code", **more: Any) -> Flow:
    node: Table = {"type": "collect", "prompts": ["ask"], "into": into, "next": "end", "on_exhausted": "person"}
    node |= {"digits_min": 2, "digits_max": 4, "no_input_prompts": ["sorry"], "wrong_prompts": ["wrong"]}
    return flow(start=node | more)


def test_the_last_digit_there_may_be_ends_the_answer() -> None:
    turns = visit(collecting(), PromptEnded(), "1234")
    assert holds(turns) == {"code": "1234"}
    assert turns[-1].exit == HangUp("self_service")
    assert notes(turns, "keyed") == [("keyed", {"digits": "1234"})]


def test_the_terminator_ends_the_answer_and_a_key_stops_the_prompt() -> None:
    turns = visit(collecting(), "12#")
    assert turns[1].actions == (StopSaying(),)
    assert holds(turns) == {"code": "12"}


def test_who_stops_keying_has_answered_if_the_digits_are_enough() -> None:
    keyed, ended = visit(collecting(), PromptEnded(), "12", TimeIsUp())[-2:]
    assert keyed.timer_at == NOW + 3.0
    assert ended.cursor.variables == {"code": "12"}


def test_too_few_digits_and_none_are_asked_again_and_then_given_to_a_person() -> None:
    turns = visit(collecting(tries_max=3), "1#", PromptEnded(), TimeIsUp(), PromptEnded(), "1", TimeIsUp())
    said = [action.prompts for turn in turns for action in turn.actions if isinstance(action, Say)]
    assert said == [("ask",), ("wrong", "ask"), ("sorry", "ask")]
    assert turns[-1].exit == ToQueue("orders", None, ())
    whys = [detail["why"] for _, detail in notes(turns, "reprompted", "exhausted")]
    assert whys == ["wrong_key", "no_input", "wrong_key"]


@pytest.mark.parametrize(
    ("into", "keys", "value"),
    [
        ("amount", "0120", 120),
        ("born", "20240229", "2024-02-29"),
        ("born", "0780520#", "1989-05-20"),  # the 78th year of the Republic
        ("born", "20230229", None),
        ("born", "1150230#", None),
    ],
)
def test_digits_become_what_the_variable_holds(into: str, keys: str, value: Value | None) -> None:
    turns = visit(collecting(into, digits_max=8 if into == "born" else 4), keys)
    assert holds(turns).get(into) == value
    assert (turns[-1].exit is None) == (value is None)


def test_digits_typed_ahead_are_collected_without_the_prompt() -> None:
    given_up = {"on_exhausted": "person"}
    made = flow(
        start={"type": "menu", "prompts": ["ask"], "choices": {"1": "code"}} | given_up,
        code={"type": "collect", "prompts": ["q1"], "into": "code", "next": "amount", "digits_max": 3} | given_up,
        amount={"type": "collect", "prompts": ["bye"], "into": "amount", "next": "end"} | given_up,
    )
    law = replace(made, nodes={**made.nodes, "law": replace_say("ask", "start")}, start="law")
    turns = visit(law, "1123", "45", PromptEnded())
    assert holds(turns) == {"code": "123"}
    assert turns[-1].cursor.collected == "45"
    assert turns[-1].timer_at == NOW + 3.0
    assert holds(visit(law, "112345#", PromptEnded())) == {"code": "123", "amount": 45}


def replace_say(prompt: str, to: str) -> Any:
    """A prompt that no key cuts short."""
    source = {"start": "a", "nodes": {"a": {"type": "say", "prompts": [prompt], "interruptible": False, "next": to}}}
    return parse(source, "x", "1").nodes["a"]


def test_keys_that_mean_nothing_are_not_heard_and_one_that_leads_elsewhere_does() -> None:
    made = collecting(keys={"*": "person"})
    turns = visit(made, "AB")
    assert [turn.actions for turn in turns[1:]] == [(), ()]
    assert turns[-1].cursor.saying
    assert visit(made, "1*")[-1].exit == ToQueue("orders", None, ())


def test_secret_digits_are_remembered_as_asterisks() -> None:
    turns = visit(collecting(secret=True), "9876")
    assert notes(turns, "keyed") == [("keyed", {"digits": "****"})]
    assert holds(turns) == {"code": "9876"}


def test_ten_thousand_digits_end_in_bounded_time_with_an_exit() -> None:
    turns = visit(collecting(digits_max=32, terminator=""), "1" * 10_000)
    assert [turn.exit for turn in turns if turn.exit] == [HangUp("self_service")]
    assert max(len(turn.cursor.ahead) + len(turn.cursor.collected) for turn in turns) <= 32


# Schedule


@pytest.mark.parametrize(
    ("calendar", "end"),
    [
        (ALWAYS, "open"),
        (replace(ALWAYS, closed_now=True), "switch"),
        (replace(ALWAYS, weekly=((),) * 7), "closed"),
        (replace(ALWAYS, holidays=frozenset({TODAY})), "holiday"),
        (replace(ALWAYS, exceptions={TODAY: ()}), "holiday"),
        (replace(ALWAYS, exceptions={TODAY: ((0, 60),)}), "closed"),
    ],
)
def test_a_schedule_says_why_it_is_closed(calendar: Calendar, end: str) -> None:
    ways = {"open": "open", "closed": "closed", "holiday": "holiday", "closed_now": "switch"}
    ends: Table = {name: {"type": "say", "prompts": ["bye"], "next": "end"} for name in ways.values()}
    facts = replace(FACTS, calendars={"always": calendar})
    made = flow(start={"type": "schedule", "calendar": "always", **ways}, **ends)
    assert visit(made, facts=facts)[-1].cursor.node == end
    shorter = flow(start={"type": "schedule", "calendar": "always", "open": "person", "closed": "end"})
    exit_ = visit(shorter, facts=facts)[-1].exit
    assert exit_ == (ToQueue("orders", None, ()) if end == "open" else HangUp("self_service"))


# Language choice


def choosing() -> Flow:
    return flow(
        start={"type": "language_choice", "prompts": ["ask"], "choices": {"1": "zh-TW", "2": "en"}, "next": "bye"},
        bye={"type": "say", "prompts": ["bye"], "next": "end"},
    )


def test_a_language_is_asked_for_in_each_and_spoken_from_then_on() -> None:
    first, second, chosen = visit(choosing(), PromptEnded(), "2")
    assert first.actions == (Say(("ask",), "zh-TW"),)
    assert second.actions == (Say(("ask",), "en"),)
    assert chosen.actions == (StopSaying(), Say(("bye",), "en"))


def test_who_chooses_no_language_keeps_their_own() -> None:
    silent = (PromptEnded(), PromptEnded(), TimeIsUp()) * 2
    assert visit(choosing(), *silent)[-1].actions == (Say(("bye",), "zh-TW"),)
    assert visit(choosing(), "0")[-1].exit == ToQueue("orders", None, ())


# Consent


def consenting(**more: Any) -> Flow:
    return flow(start={"type": "consent", "prompts": ["ask"], "on_accepted": "person", "on_declined": "end", **more})


def test_consent_is_asked_for_after_the_announcement_was_heard() -> None:
    turns = visit(consenting(), "1", PromptEnded())
    assert turns[1].actions == ()
    assert turns[-1].cursor.consent is True
    assert turns[-1].exit == ToQueue("orders", None, ())
    assert visit(consenting(), PromptEnded(), "2")[-1].exit == HangUp("self_service")


@pytest.mark.parametrize("accepts", [True, False])
def test_silence_is_what_the_flow_makes_of_it(accepts: bool) -> None:
    turns = visit(consenting(silence_accepts=accepts), *(PromptEnded(), TimeIsUp()) * 2)
    assert turns[-1].cursor.consent is accepts
    assert notes(turns, "consented") == [("consented", {"given": accepts, "by": "silence"})]


def test_who_asks_for_a_person_instead_has_not_consented() -> None:
    turns = visit(consenting(), PromptEnded(), "0")
    assert turns[-1].exit == ToQueue("orders", None, ())
    assert turns[-1].cursor.consent is False


# Surveys


def survey(**more: Any) -> Flow:
    questions = [
        {"id": "kind", "prompts": ["q1"], "scale": "likert", "into": "score"},
        {"id": "solved", "prompts": ["q1"], "scale": "yes_no", "into": "yes"},
        {"id": "nps", "prompts": ["q1"], "scale": "nps"},
    ]
    return flow(start={"type": "survey", "survey": "after", "questions": questions, "next": "end", **more})


def ended(turns: list[Turn]) -> list[tuple[Value, Value]]:
    return [(detail["outcome"], detail["answered"]) for _, detail in notes(turns, "survey_ended")]


def answers(turns: list[Turn]) -> list[Value]:
    return [detail["answer"] for _, detail in notes(turns, "survey_answered")]


def test_a_survey_that_is_answered_is_complete_and_its_answers_are_in_the_variables() -> None:
    turns = visit(survey(), PromptEnded(), "4", PromptEnded(), "2", "9")
    assert answers(turns) == [4, 0, 9]
    assert ended(turns) == [("complete", 3)]
    assert holds(turns) == {"score": 4, "yes": False}
    assert notes(turns, "survey_invited") == [("survey_invited", {"survey": "after", "questions": 3})]


@pytest.mark.parametrize(("last", "expected"), [(("10",), 10), (("0",), 0), (("1", TimeIsUp()), 1), (("7",), 7)])
def test_the_nps_scale_has_eleven_answers(last: tuple[Input | str, ...], expected: int) -> None:
    assert answers(visit(survey(), "42", *last)) == [4, 0, expected]


def test_a_six_on_the_likert_scale_is_asked_again_and_a_second_one_ends_the_survey_partial() -> None:
    turns = visit(survey(wrong_key_prompts=["wrong"]), "5", "6", "6")
    assert turns[2].actions == (StopSaying(), Say(("wrong", "q1"), "zh-TW"))
    assert ended(turns) == [("partial", 1)]
    assert turns[-1].exit == HangUp("self_service")


def test_who_hangs_up_in_a_survey_leaves_their_answers() -> None:
    made = survey()
    turns = visit(made, "5")
    (left,) = leave(made, turns[-1].cursor, FACTS, NOW)
    assert (left.what, left.detail["outcome"], left.detail["answered"]) == ("survey_ended", "partial", 1)
    (unusable,) = leave(made, visit(made)[-1].cursor, FACTS, NOW)
    assert unusable.detail["outcome"] == "unusable"
    assert leave(collecting(), visit(collecting())[-1].cursor, FACTS, NOW) == ()


def test_an_invitation_can_be_declined_and_zero_leads_to_a_person() -> None:
    made = survey(invitation=["ask"])
    assert ended(visit(made, "2")) == [("declined", 0)]
    assert ended(visit(made, *(PromptEnded(), TimeIsUp()) * 2)) == [("declined", 0)]
    person = visit(made, "150")
    assert ended(person) == [("partial", 1)]
    assert person[-1].exit == ToQueue("orders", None, ())


# Spoken values


def test_a_value_is_said_where_it_stands_among_the_prompts_in_the_language_of_the_caller() -> None:
    made = flow(
        {"balance": {"type": "number", "value": 2}},
        start={"type": "say", "prompts": ["ask", "{balance as money}", "bye"], "next": "end"},
    )
    zh, en = (visit(made, facts=replace(FACTS, language=language))[0].actions[0] for language in ("zh-TW", "en"))
    assert isinstance(zh, Say)
    assert isinstance(en, Say)
    assert zh.prompts == ("ask", "num_2_of", "cur_yuan", "bye")
    assert en.prompts == ("ask", "num_2", "cur_units", "bye")


def test_what_would_say_nothing_is_passed_over() -> None:
    made = flow(start={"type": "say", "prompts": ["{amount as money}"], "next": "end"})
    assert visit(made)[-1].exit == HangUp("self_service")


# Sub-flows


def nested() -> Flow:
    ask: Table = {"type": "collect", "prompts": ["ask"], "into": "found", "digits_max": 2, "next": "ok"}
    inner = {
        "start": "ask",
        "variables": {"found": "digits", "wanted": "number"},
        "nodes": {
            "ask": ask | {"on_exhausted": "failed"},
            "ok": {"type": "return", "outcome": "done"},
            "failed": {"type": "return", "outcome": "failed"},
        },
    }
    identify = parse(inner, "identify", "7")
    assert check(identify, AROUND) == ()
    outer = flow(
        inner=identify,
        start={"type": "set", "set": {"amount": "41"}, "next": "call"},
        call={
            "type": "sub_flow",
            "flow": "identify",
            "inputs": {"wanted": "amount + 1"},
            "outputs": {"code": "found"},
            "outcomes": {"done": "end", "failed": "person"},
        },
    )
    return link({"f": outer, "identify": identify})["f"]


def test_a_sub_flow_has_its_own_variables_and_returns_by_its_outcome() -> None:
    turns = visit(nested(), "12")
    assert turns[0].cursor.variables == {"wanted": 42}
    assert holds(turns) == {"amount": 41, "code": "12"}
    assert turns[-1].exit == HangUp("self_service")
    entered = [note.node for turn in turns for note in turn.notes if note.what == "node_entered"]
    assert entered == ["start", "call", "identify/ask", "identify/ok", "end"]


def test_a_sub_flow_that_gives_up_returns_by_its_other_outcome() -> None:
    turns = visit(nested(), *(PromptEnded(), TimeIsUp()) * 3)
    assert turns[-1].exit == ToQueue("orders", None, ())
    assert turns[-1].cursor.calls == ()


def test_zero_in_the_menu_of_a_sub_flow_leads_to_the_person_of_the_flow_around_it() -> None:
    inner = {
        "start": "menu",
        "nodes": {
            "menu": {"type": "menu", "prompts": ["ask"], "choices": {"1": "ok"}, "on_exhausted": "ok"},
            "ok": {"type": "return", "outcome": "done"},
        },
    }
    menu = parse(inner, "inner", "1")
    outer = flow(inner=menu, start={"type": "sub_flow", "flow": "inner", "outcomes": {"done": "end"}})
    made = link({"f": outer, "inner": menu})["f"]
    turns = visit(made, "0")
    assert turns[-1].exit == ToQueue("orders", None, ())
    assert turns[-1].cursor.calls == ()


def test_the_version_of_a_flow_tells_its_sub_flows_apart_too() -> None:
    made = nested()
    changed = replace(made.inner["identify"], version="8")
    other = link({"f": replace(made, version="1"), "identify": changed})["f"]
    assert other.version != made.version
    assert link({"f": other, "identify": changed})["f"].inner["identify"].version == "8"


def test_a_place_in_a_sub_flow_survives_being_stored() -> None:
    turn = visit(nested(), "1")[-1]
    stored = msgspec.json.decode(msgspec.json.encode(turn.cursor), type=Cursor)
    assert stored == turn.cursor
    assert step(nested(), stored, Digit("2"), FACTS, NOW).exit == HangUp("self_service")
