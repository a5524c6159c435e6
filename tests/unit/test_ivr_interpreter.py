"""The interpreter, one caller at a time, on the demo site's main flow and on small flows made for the case."""

from dataclasses import replace
from pathlib import Path

import pytest

import callcenter.config
from callcenter.config.site import Site, load_site
from ivr.interpreter import (
    AHEAD_MAX,
    KEYS_MAX,
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
    step,
)
from ivr.model import Flow
from ivr.parse import parse
from ivr.prompts import PROMPT_MAX_S

SITE: Site = load_site(Path(callcenter.config.__file__).parent / "demo_site")
MAIN = SITE.flows["main"]
NOW = 1_760_000_000.0
FACTS = Facts(language="zh-TW", value_tier="standard", known=False, calendars=SITE.calendars)
MENU = ("main_menu", "other_language")


def visit(*heard: Input, flow: Flow = MAIN, facts: Facts = FACTS) -> list[Turn]:
    """The turns of a caller who does all this at NOW; a TimeIsUp comes at the instant the turn asked for."""
    turns = [enter(flow, facts, NOW)]
    for one in heard:
        cursor = turns[-1].cursor
        now = cursor.timer_at if isinstance(one, TimeIsUp) and cursor.timer_at is not None else NOW
        turns.append(step(flow, cursor, one, facts, now))
    return turns


def says(turn: Turn) -> list[tuple[str, ...]]:
    return [action.prompts for action in turn.actions if isinstance(action, Say)]


def announcement(**changes: object) -> Flow:
    """A flow that says one prompt and ends; 0 leads to a queue."""
    node = {"type": "say", "prompts": ["news"], "next": "end", **changes}
    end, agent = {"type": "hang_up", "end_state": "self_service"}, {"type": "queue", "queue": "orders"}
    nodes = {"news": node, "end": end, "agent": agent}
    return parse({"start": "news", "agent_node": "agent", "nodes": nodes}, "news", "1")


def test_a_caller_hears_the_welcome_then_the_menu_and_a_key_leads_to_the_queue() -> None:
    welcome, menu, listening, chosen = visit(PromptEnded(), PromptEnded(), Digit("2"))
    assert welcome.actions == (Say(("welcome",), "zh-TW"),)
    assert menu.actions == (Say(MENU, "zh-TW"),)
    assert listening.actions == ()
    assert chosen.exit == ToQueue("orders", None, ("to_agent",))
    assert [note.what for note in chosen.notes] == ["keyed", "node_entered"]
    assert chosen.timer_at is None


def test_a_key_cuts_the_menu_short() -> None:
    chosen = visit(PromptEnded(), Digit("1"))[-1]
    assert chosen.actions == (StopSaying(),)
    assert chosen.exit == ToQueue("product", None, ("to_agent",))


def test_a_key_typed_ahead_in_the_welcome_answers_the_menu_unsaid() -> None:
    turn = visit(Digit("3"))[-1]
    assert turn.actions == (StopSaying(),)
    assert turn.exit == ToQueue("activities", None, ("to_agent",))


def test_keys_typed_ahead_before_an_uninterruptible_prompt_ends_are_kept_in_order_and_bounded() -> None:
    flow = announcement(interruptible=False, next="agent")
    turns = visit(*[Digit("5")] * (AHEAD_MAX + 5), flow=flow)
    assert all(turn.actions == () for turn in turns[1:])
    assert turns[-1].cursor.ahead == "5" * AHEAD_MAX


def test_a_wrong_key_typed_ahead_discards_those_behind_it() -> None:
    nodes = {
        "law": {"type": "say", "prompts": ["law"], "interruptible": False, "next": "ask"},
        "ask": {"type": "menu", "prompts": ["ask"], "choices": {"1": "q"}, "on_exhausted": "q"},
        "q": {"type": "queue", "queue": "orders"},
    }
    flow = parse({"start": "law", "nodes": nodes}, "law", "1")
    asked = visit(Digit("7"), Digit("1"), PromptEnded(), flow=flow)[-1]
    assert asked.actions == (Say(("ask",), "zh-TW"),)
    assert (asked.cursor.ahead, asked.cursor.tries) == ("", 1)


def test_a_prompt_that_is_not_interruptible_is_heard_to_its_end() -> None:
    *_, ended = visit(Digit("5"), PromptEnded(), flow=announcement(interruptible=False))
    assert ended.exit == HangUp("self_service")


def test_the_no_input_timer_starts_when_the_prompt_has_ended() -> None:
    saying, listening = visit(PromptEnded(), PromptEnded())[-2:]
    assert saying.timer_at == NOW + PROMPT_MAX_S * len(MENU)
    assert listening.timer_at == NOW + 5.0


def test_a_caller_who_keys_nothing_is_asked_three_times_and_then_given_a_person() -> None:
    round_ = (TimeIsUp(), PromptEnded())
    turns = visit(PromptEnded(), PromptEnded(), *round_, *round_, TimeIsUp())
    assert [says(turn) for turn in turns if says(turn)][2:] == [[("no_input", *MENU)]] * 2
    assert turns[-1].exit == ToQueue("product", None, ("to_agent",))
    notes = [(note.what, dict(note.detail)) for turn in turns for note in turn.notes if note.what != "node_entered"]
    assert notes == [
        ("reprompted", {"why": "no_input", "tries": 1}),
        ("reprompted", {"why": "no_input", "tries": 2}),
        ("exhausted", {"why": "no_input"}),
    ]


def test_a_wrong_key_is_told_so_and_counts_like_a_missing_one() -> None:
    wrong, listening, missing, out = visit(PromptEnded(), Digit("7"), PromptEnded(), TimeIsUp(), Digit("#"))[2:]
    assert wrong.actions == (StopSaying(), Say(("wrong_key", *MENU), "zh-TW"))
    assert (wrong.cursor.tries, listening.cursor.tries, missing.cursor.tries) == (1, 1, 2)
    assert out.exit == ToQueue("product", None, ("to_agent",))
    assert out.notes[1].what == "exhausted"


def test_a_prompt_whose_end_is_never_reported_does_not_hold_the_caller() -> None:
    menu = visit(TimeIsUp())[-1]
    assert menu.actions == (StopSaying(), Say(MENU, "zh-TW"))


@pytest.mark.parametrize("before", [(), (PromptEnded(),), (PromptEnded(), PromptEnded())])
def test_zero_leads_to_a_person_from_every_node_that_listens(before: tuple[Input, ...]) -> None:
    assert visit(*before, Digit("0"))[-1].exit == ToQueue("product", None, ("to_agent",))


def test_zero_in_the_last_words_leads_to_a_person_instead_of_the_end() -> None:
    assert visit(Digit("0"), flow=announcement())[-1].exit == ToQueue("orders", None, ())
    assert visit(Digit("4"), flow=announcement())[-1].exit == HangUp("self_service")


def test_nine_changes_the_language_there_and_back() -> None:
    english = visit(PromptEnded(), Digit("9"))[-1]
    assert english.cursor.language == "en"
    assert english.actions == (StopSaying(), Say(MENU, "en"))
    assert visit(PromptEnded(), Digit("9"), Digit("9"))[-1].cursor.language == "zh-TW"


@pytest.mark.parametrize(
    ("tier", "welcome"), [("platinum", "welcome_vip"), ("vip", "welcome_vip"), ("basic", "welcome")]
)
def test_the_greeting_branches_on_the_value_tier(tier: str, welcome: str) -> None:
    assert says(visit(facts=replace(FACTS, value_tier=tier))[0]) == [(welcome,)]


def test_a_valued_customer_who_asks_for_a_person_comes_to_the_vip_queue() -> None:
    turn = visit(Digit("0"), facts=replace(FACTS, value_tier="vip"))[-1]
    assert turn.exit == ToQueue("vip", None, ("to_agent",))


def test_a_closed_line_says_so_and_ends() -> None:
    said, ended = visit(PromptEnded(), flow=SITE.flows["after_hours"])
    assert says(said) == [("closed", "goodbye")]
    assert ended.exit == HangUp("closed")


def test_an_unknown_calendar_counts_as_closed() -> None:
    assert says(visit(facts=replace(FACTS, calendars={}))[0]) == [("closed", "goodbye")]


def test_a_language_choice_is_said_in_each_language_in_turn() -> None:
    choice = {"type": "menu", "prompts": ["ask"], "said_in": ["zh-TW", "en"], "choices": {"2": "en"}}
    nodes = {
        "ask": {**choice, "on_exhausted": "q"},
        "en": {"type": "language", "language": "en", "next": "q"},
        "q": {"type": "queue", "queue": "orders", "music_class": "calm"},
    }
    flow = parse({"start": "ask", "nodes": nodes}, "ask", "1")
    first, second, listening, chosen = visit(PromptEnded(), PromptEnded(), Digit("2"), flow=flow)
    assert first.actions == (Say(("ask",), "zh-TW"),)
    assert second.actions == (Say(("ask",), "en"),)
    assert listening.timer_at == NOW + 5.0
    assert chosen.exit == ToQueue("orders", "calm", ())
    assert chosen.cursor.language == "en"


def test_an_early_timer_and_a_late_end_of_a_prompt_do_nothing() -> None:
    listening = visit(PromptEnded(), PromptEnded())[-1]
    assert step(MAIN, listening.cursor, TimeIsUp(), FACTS, NOW + 4.9) == Turn(listening.cursor)
    assert step(MAIN, listening.cursor, PromptEnded(), FACTS, NOW + 1.0) == Turn(listening.cursor)


@pytest.mark.parametrize("late", [Digit("1"), PromptEnded(), TimeIsUp()])
def test_after_the_exit_every_input_does_nothing(late: Input) -> None:
    out = visit(PromptEnded(), Digit("1"))[-1]
    assert step(MAIN, out.cursor, late, FACTS, NOW) == Turn(out.cursor)


@pytest.mark.parametrize("digit", ["", "12", "x", "\x00", "０", "1" * 65_536])
def test_what_is_no_key_is_not_heard(digit: str) -> None:
    menu = visit(PromptEnded())[-1]
    assert step(MAIN, menu.cursor, Digit(digit), FACTS, NOW) == Turn(menu.cursor)


def test_ten_thousand_keys_end_in_a_queue_all_the_same() -> None:
    turns = visit(PromptEnded(), *[Digit("9")] * 10_000)
    assert turns[-1].cursor.keyed == KEYS_MAX
    assert turns[-1].exit is None
    for _ in range(6):  # three times asked, three times silent
        cursor = turns[-1].cursor
        turns.append(step(MAIN, cursor, TimeIsUp(), FACTS, cursor.timer_at or NOW))
    assert turns[-1].exit == ToQueue("product", None, ("to_agent",))


def test_a_caller_whose_version_of_the_flow_is_gone_starts_over() -> None:
    old = Cursor("main", "gone", "a_node_of_then", "en", keyed=3)
    turn = step(MAIN, old, Digit("1"), FACTS, NOW)
    assert turn.notes[0].what == "flow_restarted"
    assert says(turn) == [("welcome",)]


def test_a_flow_straight_to_a_queue_is_out_at_once() -> None:
    flow = parse({"start": "q", "nodes": {"q": {"type": "queue", "queue": "vip"}}}, "vip", "1")
    turn = enter(flow, FACTS, NOW)
    assert turn.exit == ToQueue("vip", None, ())
    assert turn.actions == ()
