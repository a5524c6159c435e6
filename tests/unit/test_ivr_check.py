"""Every mistake a flow can have is found, all at once, each with its path."""

import pytest

from ivr.check import Surroundings, check
from ivr.parse import FlowError, parse

AROUND = Surroundings(
    languages=("zh-TW", "en"),
    value_tiers=("platinum", "basic"),
    queues=("orders", "vip"),
    calendars=("office",),
    prompts={"zh-TW": {"hello", "menu"}, "en": {"hello"}},
)
QUEUE = {"type": "queue", "queue": "orders"}
END = {"type": "hang_up", "end_state": "self_service"}


def say(to: str, prompt: str = "hello") -> dict[str, object]:
    return {"type": "say", "prompts": [prompt], "next": to}


def menu(exhausted: str, **choices: str) -> dict[str, object]:
    keyed = {key.removeprefix("k"): to for key, to in choices.items()}
    return {"type": "menu", "prompts": ["hello"], "choices": keyed, "on_exhausted": exhausted}


def mistakes(start: str = "a", agent_node: str | None = None, **nodes: object) -> list[str]:
    source: dict[str, object] = {"start": start, "nodes": nodes}
    if agent_node:
        source["agent_node"] = agent_node
    return list(check(parse(source, "f", "1"), AROUND))


def refused(source: dict[str, object]) -> tuple[str, ...]:
    with pytest.raises(FlowError) as refusal:
        parse(source, "f", "1")
    return refusal.value.mistakes


def test_a_sound_flow_has_no_mistakes() -> None:
    assert mistakes(a=say("m"), m=menu("q", k1="q", k2="m"), q=QUEUE) == []


def test_every_dangling_way_is_named_with_its_path_and_the_nearest_node() -> None:
    found = mistakes(start="a", agent_node="queu", a=menu("gone", k1="queues"), queue=QUEUE)
    assert found == [
        "agent_node: no such node 'queu'; did you mean 'queue'?",
        "nodes.a.choices.1: no such node 'queues'; did you mean 'queue'?",
        "nodes.a.on_exhausted: no such node 'gone'",
    ]


def test_unreachable_nodes_are_named() -> None:
    assert mistakes(a=say("q"), q=QUEUE, lost=END) == ["nodes.lost: unreachable: no way leads here"]


def test_the_agent_node_is_reached_by_zero() -> None:
    assert mistakes(agent_node="q", a=say("end"), end=END, q=QUEUE) == []


def test_a_loop_that_runs_without_a_key_is_named_once_and_is_a_dead_end() -> None:
    found = mistakes(a=say("b"), b=say("a"))
    assert found == [
        "nodes.a: dead end: neither a queue nor a hang_up can be reached from here",
        "nodes.b: dead end: neither a queue nor a hang_up can be reached from here",
        "nodes.a: loop without input: a → b → a",
    ]


def test_a_menu_that_gives_up_on_itself_loops_without_input() -> None:
    assert mistakes(a=menu("b", k1="q"), b=say("a"), q=QUEUE) == ["nodes.a: loop without input: a → b → a"]


def test_a_loop_that_needs_a_key_is_fine() -> None:
    assert mistakes(a=menu("q", k1="b"), b=say("a"), q=QUEUE) == []


def test_a_menu_must_have_a_way_to_a_person() -> None:
    (found,) = mistakes(a=menu("end", k1="end"), end=END)
    assert found.startswith("nodes.a: menu without a way to a person")
    assert mistakes(agent_node="q", a=menu("end", k1="end"), end=END, q=QUEUE) == []


def test_names_that_do_not_exist_are_mistakes() -> None:
    branch = {"type": "branch", "cases": {"platinm": "q"}, "on": "value_tier", "otherwise": "c"}
    hours = {"type": "branch", "cases": {"open": "q"}, "on": "calendar", "calendar": "ofice", "otherwise": "l"}
    found = mistakes(
        a=branch, c=hours, l={"type": "language", "language": "jp", "next": "q"}, q={"type": "queue", "queue": "ordrs"}
    )
    assert found == [
        "nodes.a.cases: no such value tier 'platinm'; did you mean 'platinum'?",
        "nodes.c.calendar: no such calendar 'ofice'; did you mean 'office'?",
        "nodes.l.language: no such language 'jp'",
        "nodes.q.queue: no such queue 'ordrs'; did you mean 'orders'?",
    ]


def test_a_prompt_must_be_there_in_every_language_it_is_said_in() -> None:
    assert mistakes(a=say("q", "menu"), q=QUEUE) == ["nodes.a.prompts: no such prompt 'menu' (in en)"]
    assert mistakes(a={**say("q", "menu"), "said_in": ["zh-TW"]}, q=QUEUE) == []


def test_mistakes_of_shape_come_all_at_once_with_their_paths() -> None:
    found = refused(
        {
            "start": "a",
            "agnet_node": "q",
            "nodes": {
                "a": {"type": "menue"},
                "b": {"type": "menu", "prompts": [], "choices": {"12": "q"}, "on_exhausted": 3, "tries_max": 0},
                "c": {"type": "branch", "on": "known", "cases": {"ja": "q"}, "otherwise": "q"},
                "d": {"type": "say", "prompts": ["../etc"], "next": "q", "interuptible": True},
                "e": {"type": "hang_up", "end_state": "tired"},
                "f": "queue",
            },
        }
    )
    assert list(found) == [
        "nodes.a.type: must be one of say, menu, language, branch, queue, hang_up, not 'menue'; did you mean 'menu'?",
        "nodes.b.choices.12: '12' is not a key of a telephone",
        "nodes.b.prompts: must name at least one prompt",
        "nodes.b.on_exhausted: must be a non-empty text, not 3",
        "nodes.b.tries_max: must be between 1 and 10, not 0",
        "nodes.c.cases.ja: must be one of yes, no",
        "nodes.d.prompts: '../etc' is not a prompt id (lower-case letters, digits, underscores)",
        "nodes.d.interuptible: unknown key; did you mean 'interruptible'?",
        "nodes.e.end_state: must be one of self_service, closed, no_input, not 'tired'",
        "nodes.f: must be a table, not 'queue'",
        "nodes.f.type: is missing",
        "agnet_node: unknown key; did you mean 'agent_node'?",
    ]


def test_a_flow_of_five_thousand_nodes_is_checked_and_one_more_is_refused() -> None:
    nodes: dict[str, object] = {f"n{i}": say(f"n{i + 1}") for i in range(4_999)} | {"n4999": QUEUE}
    assert check(parse({"start": "n0", "nodes": nodes}, "f", "1"), AROUND) == ()
    assert refused({"start": "n0", "nodes": nodes | {"more": QUEUE}}) == ("nodes: at most 5000 nodes, not 5001",)
