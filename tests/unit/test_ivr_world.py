"""Nodes that ask the world: what is asked, what the caller hears meanwhile, and where each answer leads."""

from dataclasses import replace
from typing import Any

import pytest

from ivr.check import Surroundings, check
from ivr.coverage import coverage
from ivr.drawing import as_data, mermaid
from ivr.expression import Type, Value
from ivr.interpreter import (
    Answered,
    Ask,
    Digit,
    Facts,
    HangUp,
    Input,
    PromptEnded,
    Say,
    StartMusic,
    StopMusic,
    TimeIsUp,
    ToCallback,
    ToQueue,
    ToVoicemail,
    Turn,
    enter,
    resume,
    step,
)
from ivr.model import Flow
from ivr.parse import FlowError, parse
from ivr.rehearsal import play
from ivr.script import parse_script
from ivr.turn import ComparePin, KeepAnswers, LookUp, RecallVerified, Request
from ivr.world import QUIET_S, typed

NOW = 1_763_604_000.0
KNOWN = Facts("zh-TW", "vip", known=True, calendars={}, customer_id="c1")
UNKNOWN = Facts("zh-TW", "basic", known=False, calendars={})
PROMPTS = {"zh-TW": {"moment", "pin", "wrong", "sent", "bye"}}
AROUND = Surroundings(("zh-TW",), ("vip", "basic"), ("orders",), (), PROMPTS, agents=("agent03",))
PERSON = {"type": "queue", "queue": "orders"}
END = {"type": "hang_up", "end_state": "self_service"}
VARIABLES = {
    "status": {"type": "text", "personal": False},
    "total": "number",
    "number": "digits",
    "on": "date",
    "open": "boolean",
}
ORDER = {
    "type": "lookup",
    "lookup": "order",
    "into": {"status": "status", "total": "total", "on": "ordered_on"},
    "next": "end",
    "on_none": "person",
    "on_error": "person",
}
WEB = {
    "type": "http",
    "url": "https://crm.example/orders/{number}",
    "into": {"status": "order.status", "total": "order.total"},
    "next": "end",
    "on_error": "person",
}
WHO = {
    "type": "authenticate",
    "prompts": ["pin"],
    "wrong_prompts": ["wrong"],
    "digits_max": 4,
    "next": "end",
    "on_failed": "person",
    "on_error": "person",
}

Table = dict[str, Any]


def read(**nodes: Table) -> Flow:
    source: Table = {"start": "start", "agent_node": "person", "variables": VARIABLES}
    return parse({**source, "nodes": {**nodes, "person": PERSON, "end": END}}, "f", "1")


def flow(**nodes: Table) -> Flow:
    made = read(**nodes)
    assert [mistake for mistake in check(made, AROUND) if "unreachable" not in mistake] == []
    return made


def visit(made: Flow, *heard: Input | str | float, facts: Facts = KNOWN) -> list[Turn]:
    """The turns of a caller; a text is keys, a number seconds that pass until the timer is asked for."""
    turns, now = [enter(made, facts, NOW)], NOW
    for one in heard:
        if isinstance(one, int | float):
            now += one
        inputs: list[Input] = (
            [Digit(key) for key in one] if isinstance(one, str) else [TimeIsUp()] if isinstance(one, float) else [one]
        )
        turns.extend(turn for each in inputs for turn in [step(made, turns[-1].cursor, each, facts, now)])
    return turns


def asked(turn: Turn) -> Any:
    (found,) = [action for action in turn.actions if isinstance(action, Ask)]
    return found.inquiry


def noted(turns: list[Turn], what: str) -> list[dict[str, Value]]:
    return [dict(note.detail) for turn in turns for note in turn.notes if note.what == what]


def found(**values: Value) -> Answered:
    return Answered(1, "found", values)


# Lookups


def test_a_lookup_asks_for_the_callers_own_and_keeps_what_is_found_in_typed_variables() -> None:
    turns = visit(flow(start=ORDER), found(status="sent", total=12.5, ordered_on="2026-11-01"))
    assert asked(turns[0]) == LookUp("order", None, "c1")
    assert turns[1].cursor.variables == {"status": "sent", "total": 12.5, "on": "2026-11-01"}
    assert turns[1].exit == HangUp("self_service")
    (note,) = noted(turns, "answered")
    assert (note["what"], note["outcome"]) == ("lookup", "found")


def test_a_lookup_by_a_number_that_was_keyed_asks_for_it() -> None:
    collect = {"type": "collect", "prompts": ["moment"], "into": "number", "next": "by", "on_exhausted": "person"}
    turns = visit(flow(start=collect, by={**ORDER, "by": "number"}), "42#")
    assert asked(turns[-1]) == LookUp("order", "42", "c1")


@pytest.mark.parametrize(
    ("answer", "to"),
    [
        (Answered(1, "none"), "person"),
        (Answered(1, "error", why="unavailable"), "person"),
        (found(status="sent", total="many"), "person"),
        (Answered(1, "?"), "person"),
    ],
)
def test_what_is_not_found_or_makes_no_sense_has_its_way(answer: Answered, to: str) -> None:
    turns = visit(flow(start=ORDER), answer)
    assert turns[-1].exit == ToQueue("orders", None, ())
    assert turns[-1].cursor.variables == {}


def test_an_answer_to_another_question_is_nobodys() -> None:
    turns = visit(flow(start=ORDER), Answered(2, "found"), Answered(0, "found"))
    assert turns[-1].exit is None
    assert turns[-1].cursor.asked_at == NOW


def test_a_customer_who_is_found_by_a_number_is_whom_the_caller_is_taken_for_and_proves_it_anew() -> None:
    customer = {**ORDER, "lookup": "customer", "by": "'12345'", "into": {}, "next": "then"}
    turns = visit(flow(start=customer, then=ORDER), found(customer_id="c2"), facts=replace(KNOWN, verified=True))
    assert asked(turns[-1]) == LookUp("order", None, "c2")
    assert turns[-1].cursor.verified is False
    assert noted(turns, "identified") == [{"customer_id": "c2"}]


def test_who_was_verified_stays_so_if_the_number_is_their_own() -> None:
    customer = {**ORDER, "lookup": "customer", "by": "'12345'", "into": {}, "next": "then"}
    turns = visit(flow(start=customer, then=ORDER), found(customer_id="c1"), facts=replace(KNOWN, verified=True))
    assert turns[-1].cursor.verified is True


# Never ask twice

KNOWS = {"type": "lookup", "lookup": "answers", "into": {"number": "account"}, "next": "ask", "on_none": "ask",
         "on_error": "ask"}  # fmt: skip
ASK = {"type": "collect", "prompts": ["moment"], "into": "number", "unless_known": True, "next": "keep",
       "on_exhausted": "person"}  # fmt: skip
KEEP = {"type": "remember", "answers": {"account": "number", "never_said": "on"}, "fresh_s": 3600, "next": "end"}


def test_what_a_customer_answered_is_kept_and_they_are_not_asked_again() -> None:
    made = flow(start=KNOWS, ask=ASK, keep=KEEP)
    first = visit(made, Answered(1, "none"), "42#")
    assert asked(first[-1]) == KeepAnswers("c1", {"account": "42"}, 3600)
    assert first[-1].exit == HangUp("self_service")
    again = visit(made, found(account="42"))
    assert again[-1].exit == HangUp("self_service")
    assert noted(again, "keyed") == []
    assert Say(("moment",), "zh-TW") not in [action for turn in again for action in turn.actions]


def test_answers_are_kept_of_nobody_who_is_not_known_and_not_of_whom_the_caller_only_says_they_are() -> None:
    made = flow(start={**ORDER, "lookup": "customer", "by": "'1'", "into": {}, "next": "ask"}, ask=ASK, keep=KEEP)
    claimed = visit(made, found(customer_id="c2"), "42#")
    assert [action for action in claimed[-1].actions if isinstance(action, Ask)] == []
    assert claimed[-1].exit == HangUp("self_service")
    unknown = visit(flow(start=ASK, keep=KEEP), "42#", facts=UNKNOWN)
    assert unknown[-1].exit == HangUp("self_service")
    assert noted(unknown, "asked") == []


def test_that_answers_are_kept_is_waited_for_by_nobody() -> None:
    turns = visit(flow(start=ASK, keep={**KEEP, "next": "order"}, order=ORDER), "42#", found(status="late"))
    assert turns[-1].cursor.requests == 2
    assert turns[-1].cursor.asked_at == NOW
    assert turns[-1].cursor.variables == {"number": "42"}


def test_a_question_that_may_be_passed_unasked_is_no_way_back() -> None:
    made = read(start=ASK, keep={**KEEP, "next": "start"})
    assert any("loop without input" in mistake for mistake in check(made, AROUND))


# HTTP


def test_a_request_carries_what_the_caller_keyed_in_its_place_in_the_path() -> None:
    collect = {"type": "collect", "prompts": ["moment"], "into": "number", "next": "web", "on_exhausted": "person"}
    web = {**WEB, "query": {"tier": "tier", "nothing": "on"}, "body": {"n": "total", "k": "known"}}
    turns = visit(flow(start=collect, web=web), "42#")
    paths = ("order.status", "order.total")
    assert asked(turns[-1]) == Request("https://crm.example/orders/42", {"tier": "vip"}, {"k": True}, paths)


def test_without_a_value_for_its_place_a_request_is_not_made() -> None:
    (turn,) = visit(flow(start=WEB))
    assert turn.exit == ToQueue("orders", None, ())
    assert [action for action in turn.actions if isinstance(action, Ask)] == []
    assert noted([turn], "answered")[0]["why"] == "bad_value"


@pytest.mark.parametrize("bad", ["..", ".", ""])
def test_no_value_can_lead_a_request_to_another_path(bad: str) -> None:
    made = flow(start={**WEB, "url": "https://crm.example/o/{status}/x"})
    facts = replace(KNOWN, variables={"status": bad})
    assert enter(made, facts, NOW).exit is not None
    slashed = enter(made, replace(KNOWN, variables={"status": "../a?b#c"}), NOW)
    assert asked(slashed).url == "https://crm.example/o/..%2Fa%3Fb%23c/x"


@pytest.mark.parametrize(
    ("value", "kind", "kept"),
    [
        (7, Type.DIGITS, "7"),
        (7, Type.TEXT, "7"),
        (1.5, Type.TEXT, "1.5"),
        ("12.50", Type.NUMBER, 12.5),
        ("2026-11-01T08:00:00Z", Type.DATE, "2026-11-01"),
        (True, Type.BOOLEAN, True),
        ("many", Type.NUMBER, None),
        ("yes", Type.BOOLEAN, None),
        (1, Type.BOOLEAN, None),
        (-7, Type.DIGITS, None),
        (True, Type.NUMBER, None),
        ("2026-13-01", Type.DATE, None),
        ("x" * 201, Type.TEXT, None),
        (10**16, Type.NUMBER, None),
        (float("nan"), Type.NUMBER, None),
    ],
)
def test_a_value_of_the_world_becomes_one_of_the_variables_type_or_nothing(
    value: Value, kind: Type, kept: Value | None
) -> None:
    assert typed(value, kind) == kept


# The wait


def test_who_waits_hears_nothing_for_a_second_then_the_prompts_then_music_until_the_answer() -> None:
    made = flow(start={**ORDER, "wait_prompts": ["moment"], "within_s": 10})
    turns = visit(made, 0.5, 0.5, PromptEnded(), found(status="sent"))
    assert turns[0].timer_at == NOW + QUIET_S
    assert turns[1].actions == ()
    assert turns[2].actions == (Say(("moment",), "zh-TW"),)
    assert turns[3].actions == (StartMusic(),)
    assert turns[3].timer_at == NOW + 10
    assert turns[4].actions == (StopMusic(),)
    assert turns[4].exit == HangUp("self_service")


def test_an_answer_in_time_is_waited_for_in_silence_and_a_late_one_is_nobodys() -> None:
    turns = visit(flow(start={**ORDER, "on_error": "who"}, who=WHO), 1.0, 2.0, found(status="sent"))
    assert turns[1].actions == (StartMusic(),)
    assert turns[2].cursor.node == "who"
    assert turns[2].actions[0] == StopMusic()
    assert noted(turns, "answered")[0]["why"] == "timeout"
    assert turns[3].cursor.node == "who"
    assert turns[3].actions == ()


def test_keys_typed_while_the_caller_waits_answer_the_next_question() -> None:
    turns = visit(flow(start={**ORDER, "next": "who"}, who=WHO), "25", found(status="sent"), "80")
    assert asked(turns[-1]) == ComparePin("c1", "2580")


def test_a_restart_asks_again_under_the_same_number_but_never_posts_twice() -> None:
    for node, again in ((ORDER, True), ({**WEB, "url": "https://x.example/"}, True),
                        ({**WEB, "url": "https://x.example/", "body": {"n": "1"}}, False)):  # fmt: skip
        made = flow(start=node)
        turns = visit(made, 1.0)
        turn = resume(made, turns[-1].cursor, KNOWN, NOW + 60)
        if again:
            assert asked(turn) == asked(turns[0])
            assert turn.cursor.requests == 1
            assert turn.timer_at == NOW + 60 + QUIET_S
        else:
            assert turn.exit == ToQueue("orders", None, ())
            assert noted([turn], "answered")[0]["why"] == "restarted"


# Proof


def test_the_right_pin_verifies_and_the_digits_are_remembered_nowhere() -> None:
    turns = visit(flow(start=WHO), "2580", Answered(1, "verified"))
    assert asked(turns[4]) == ComparePin("c1", "2580")
    assert "2580" not in repr([turn.cursor for turn in turns[4:]]) + repr([turn.notes for turn in turns])
    assert "2580" not in repr(turns[4].actions)
    assert turns[-1].cursor.verified
    assert noted(turns, "verified") == [{"customer_id": "c1", "by": "pin"}]
    assert turns[-1].exit == HangUp("self_service")


def test_keys_typed_ahead_beyond_the_pin_wait_until_it_has_been_compared() -> None:
    turns = visit(flow(start={**ORDER, "next": "who"}, who=WHO), "258099", found(status="sent"))
    assert asked(turns[-1]) == ComparePin("c1", "2580")
    assert (turns[-1].cursor.ahead, turns[-1].cursor.collected) == ("99", "")
    assert turns[-1].timer_at == NOW + QUIET_S


def test_a_wrong_pin_is_asked_for_again_and_after_three_of_them_there_is_a_person() -> None:
    wrong = [one for n in (1, 2, 3) for one in ("1111", Answered(n, "wrong"))]
    turns = visit(flow(start=WHO), *wrong)
    assert Say(("wrong", "pin"), "zh-TW") in turns[5].actions
    assert turns[-1].exit == ToQueue("orders", None, ())
    assert not turns[-1].cursor.verified


@pytest.mark.parametrize("outcome", ["locked", "error", "none"])
def test_who_can_prove_nothing_now_is_led_to_a_person(outcome: str) -> None:
    assert visit(flow(start=WHO), "2580", Answered(1, outcome))[-1].exit == ToQueue("orders", None, ())


def test_too_few_digits_are_not_compared_and_silence_is_no_pin() -> None:
    turns = visit(flow(start=WHO), "12#", PromptEnded(), 5.0, PromptEnded(), 5.0)
    assert noted(turns, "asked") == []
    assert turns[-1].exit == ToQueue("orders", None, ())


def test_nobody_whom_we_do_not_know_is_asked_for_a_pin() -> None:
    (turn,) = visit(flow(start=WHO), facts=UNKNOWN)
    assert turn.exit == ToQueue("orders", None, ())
    assert turn.actions == ()


def test_who_is_verified_is_not_asked_again() -> None:
    (turn,) = visit(flow(start=WHO), facts=replace(KNOWN, verified=True))
    assert turn.exit == HangUp("self_service")


def test_who_was_verified_from_the_same_number_a_moment_ago_is_not_asked_and_who_was_not_is() -> None:
    made = flow(start={**WHO, "fresh_s": 600})
    turns = visit(made, Answered(1, "verified"))
    assert asked(turns[0]) == RecallVerified("c1", 600)
    assert noted(turns, "verified") == [{"customer_id": "c1", "by": "recalled"}]
    for answer in (Answered(1, "none"), Answered(1, "error"), 3.0):
        turns = visit(made, 1.0, answer, "2580")
        assert Say(("pin",), "zh-TW") in turns[2].actions
        assert asked(turns[-1]) == ComparePin("c1", "2580")


def test_after_a_restart_a_pin_is_asked_for_again_for_it_is_kept_nowhere() -> None:
    made = flow(start=WHO)
    turn = resume(made, visit(made, "2580")[-1].cursor, KNOWN, NOW + 60)
    assert turn.actions == (Say(("pin",), "zh-TW"),)
    assert turn.cursor.asked_at is None


# Ways out


def test_a_transfer_leads_to_the_agent_whom_it_names_and_without_one_to_anybody() -> None:
    made = flow(start={"type": "transfer", "queue": "orders", "agent": "status", "wait_s": 45})
    (turn,) = visit(made, facts=replace(KNOWN, variables={"status": "agent03"}))
    assert turn.exit == ToQueue("orders", None, (), "agent03", 45.0)
    (turn,) = visit(made)
    assert turn.exit == ToQueue("orders", None, (), None, 45.0)


def test_a_caller_is_called_back_from_a_queue() -> None:
    assert visit(flow(start={"type": "callback", "queue": "orders"}))[-1].exit == ToCallback("orders")


def test_a_message_is_left_from_a_flow() -> None:
    assert visit(flow(start={"type": "voicemail"}))[-1].exit == ToVoicemail()


# Check


@pytest.mark.parametrize(
    ("node", "mistake"),
    [
        (
            {**ORDER, "lookup": "invoice"},
            "nodes.start.lookup: must be one of customer, case, order, answers, not 'invoice'",
        ),
        ({**ORDER, "within_s": 60}, "nodes.start.within_s: must be between 0.2 and 20, not 60"),
        ({**WEB, "url": "ftp://crm.example/"}, "nodes.start.url: 'ftp://crm.example/' can't be asked; use"),
        ({**WEB, "url": "https://me:pw@crm.example/"}, "can't be asked"),
        ({**WEB, "url": "https://{status}.example/"}, "can't be asked"),
        ({**WEB, "url": "https://crm.example/a?b={status}"}, "can't be asked"),
        ({**WEB, "url": "https://crm.example/{Status}"}, "can't be asked"),
        ({**WEB, "url": "https://crm.example:x/"}, "is no address"),
        ({**WEB, "into": {"status": "$.a"}}, "nodes.start.into.status: '$.a' is no path in a JSON answer"),
        ({**WEB, "credential": "../shop"}, "nodes.start.credential: must be 1-32 lower-case letters"),
        ({**WEB, "query": {"a b": "1"}}, "nodes.start.query.a b: 'a b' can't be a name here"),
        ({**WHO, "digits_min": 9}, "nodes.start.digits_min: is more than digits_max (4)"),
    ],
)
def test_what_is_written_wrongly_is_refused_with_its_path(node: Table, mistake: str) -> None:
    with pytest.raises(FlowError) as told:
        read(start=node)
    assert mistake in str(told.value)


@pytest.mark.parametrize(
    ("node", "mistake"),
    [
        ({**ORDER, "into": {"status": "stats"}}, "into.status: no such order field 'stats'; did you mean 'status'?"),
        ({**ORDER, "into": {"total": "status"}}, "into.total: 'total' must be text, not number"),
        ({**ORDER, "into": {"tier": "status"}}, "into.tier: 'tier' can only be read"),
        ({**ORDER, "into": {"gone": "status"}}, "into.gone: no such variable 'gone'"),
        ({**ORDER, "by": "known"}, "by: must be text or digits or number, not boolean"),
        ({**WEB, "url": "https://crm.example/{gone}"}, "url: no such variable 'gone'"),
        ({**WEB, "body": {"a": "nothing"}}, "body.a: no such variable 'nothing'"),
        ({**WHO, "next": "start"}, "loop without input"),
        ({**ORDER, "on_error": "start"}, "loop without input: start"),
        ({**ORDER, "wait_prompts": ["gone"]}, "wait_prompts: no such prompt 'gone'"),
        ({"type": "transfer", "queue": "orders", "agent": "'agent3'"}, "agent: no such agent 'agent3'; did you mean"),
        ({"type": "transfer", "queue": "gone", "agent": "status"}, "queue: no such queue 'gone'"),
        ({"type": "transfer", "queue": "orders", "agent": "known"}, "agent: must be text or digits or number"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_path(node: Table, mistake: str) -> None:
    assert any(mistake in each for each in check(read(start=node), AROUND)), check(read(start=node), AROUND)


# Telling of it


CONVERSATION: Table = {
    "name": "an order",
    "at": "2026-11-20 10:00",
    "caller": {"known": True, "customer_id": "c1"},
    "steps": [
        {"hears": ["pin"]},
        {"keys": "1111"},
        {"world": "wrong"},
        {"hears": ["wrong", "pin"]},
        {"keys": "2580"},
        {"world": "verified"},
        {"silence_s": 2},
        {"hears": ["moment"]},
        {"world": "found", "values": {"status": "sent", "total": 9}},
    ],
    "exit": "self_service",
    "holds": {"status": "sent", "total": 9},
}


def test_a_rehearsal_says_what_the_world_answers_and_walks_every_way() -> None:
    from zoneinfo import ZoneInfo

    made = flow(start={**WHO, "next": "order"}, order={**ORDER, "wait_prompts": ["moment"]})
    ends = [
        {**CONVERSATION, "steps": [{"keys": "2580"}, {"world": one}], "exit": "queue:orders", "holds": {}}
        for one in ("locked", "error")
    ]
    nothing = {**CONVERSATION, "steps": CONVERSATION["steps"][:6], "exit": "queue:orders", "holds": {}}
    late = [{**nothing, "steps": [*nothing["steps"], each]} for each in ({"world": "none"}, {"silence_s": 5})]
    script, mistakes = parse_script({"flow": "f", "conversation": [CONVERSATION, *ends, *late]}, ZoneInfo("UTC"))
    assert mistakes == ()
    played = [play(made, each, KNOWN) for each in script.conversations]
    assert [each.mistakes for each in played] == [()] * 5
    walked = coverage(made, (each.notes for each in played))
    assert walked.ways_missed == ()


def test_an_answer_to_nothing_is_a_mistake_of_the_rehearsal() -> None:
    from zoneinfo import ZoneInfo

    source = {**CONVERSATION, "steps": [{"world": "found"}]}
    script, _ = parse_script({"flow": "f", "conversation": [source]}, ZoneInfo("UTC"))
    (mistake,) = play(flow(start=WHO), script.conversations[0], KNOWN).mistakes
    assert mistake == "step 1: the world answers found, but nothing was asked, at node 'start'"


def test_the_drawing_shows_what_is_asked() -> None:
    made = flow(
        start={**WHO, "next": "order", "on_error": "message"},
        order={**ORDER, "on_none": "web"},
        web={**WEB, "url": "https://crm.example/a"},
        message={"type": "voicemail"},
    )
    drawn = mermaid(made)
    assert '[("order<br/>lookup order")]' in drawn
    assert '[("web<br/>GET https://crm.example/a")]' in drawn
    assert {each["type"] for each in as_data(made)["nodes"]} >= {"lookup", "http", "authenticate", "voicemail"}
