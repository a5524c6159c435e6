"""Every mistake a flow can have is found, all at once, each with its path."""

from dataclasses import replace

import pytest

from ivr.check import Surroundings, check, check_roots
from ivr.nodes import READ
from ivr.parse import FlowError, parse
from ivr.speech import SPEAKERS, Style

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
        f"nodes.a.type: must be one of {', '.join(READ)}, not 'menue'; did you mean 'menu'?",
        "nodes.b.prompts: must name at least one prompt",
        "nodes.b.choices.12: '12' is not a key of a telephone",
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


# What flows compute and say


def test_undeclared_variables_and_mistakes_of_type_are_named_with_their_paths() -> None:
    source: dict[str, object] = {
        "start": "a",
        "variables": {"code": "digits", "sum": "number"},
        "nodes": {
            "a": {"type": "set", "set": {"cod": "1", "tier": "'vip'", "sum": "'x'", "code": "name"}, "next": "b"},
            "b": {"type": "branch", "cases": [{"when": "sum", "to": "q"}, {"when": "tier = 'gold'", "to": "q"}]}
            | {"otherwise": "c"},
            "c": {"type": "collect", "prompts": ["hello"], "into": "code2", "next": "d", "on_exhausted": "q"},
            "d": {"type": "survey", "survey": "s", "next": "q"}
            | {"questions": [{"id": "q", "prompts": ["hello"], "scale": "likert", "into": "code"}]},
            "q": QUEUE,
        },
    }
    assert list(check(parse(source, "f", "1"), AROUND)) == [
        "nodes.a.set.cod: no such variable 'cod'; did you mean 'code'?; declare it under [variables]",
        "nodes.a.set.tier: 'tier' can only be read",
        "nodes.a.set.sum: must be number, not text",
        "nodes.a.set.code: no such variable 'name' (at 1)",
        "nodes.b.cases[1].when: must be boolean, not number",
        "nodes.b.cases[2].when: no such tier 'gold' (at 8)",
        "nodes.c.into: no such variable 'code2'; did you mean 'code'?; declare it under [variables]",
        "nodes.d.questions[1].into: 'code' must be number, not digits",
    ]


def test_mistakes_inside_expressions_and_parts_of_nodes_come_all_at_once() -> None:
    found = refused(
        {
            "start": "a",
            "variables": {"Code": "digits", "hour": "number", "x": "money", "n": {"type": "number", "value": "1"}},
            "nodes": {
                "a": {"type": "branch", "cases": [{"when": "1 +", "to": "b"}], "otherwise": "b"},
                "b": {"type": "say", "prompts": ["{n as cash}", "{n + as money}", "{n}"], "next": "c"},
                "c": {"type": "collect", "prompts": ["p"], "into": "x", "next": "d", "on_exhausted": "d"}
                | {"digits_min": 5, "digits_max": 4, "terminator": "9", "keys": {"1": "d"}},
                "d": {"type": "consent", "prompts": ["p"], "on_accepted": "e", "on_declined": "e", "decline_key": "1"},
                "e": {"type": "survey", "survey": "A B", "questions": [], "next": "f"},
                "f": {"type": "return", "outcome": ""},
            },
        }
    )
    assert list(found) == [
        "variables.Code: 'Code' can't be a variable's name (lower-case letters, digits, underscores)",
        "variables.hour: has a meaning of its own in expressions; name the variable otherwise",
        "variables.x: must be one of text, number, boolean, digits, date, not 'money'",
        "variables.n.value: must be a value of type number, not '1'",
        "nodes.a.cases[1].when: a value is expected (at 4)",
        f"nodes.b.prompts: nothing is said as 'cash'; there are {', '.join(Style)}",
        "nodes.b.prompts: in '{n + as money}': a value is expected (at 4)",
        "nodes.b.prompts: '{n}' is no spoken value; write {balance as money}",
        'nodes.c.terminator: must be "*", "#" or "" for none, not \'9\'',
        "nodes.c.digits_min: is more than digits_max (4)",
        "nodes.c.keys.1: '1' is part of the answer; only * # A B C D lead elsewhere",
        "nodes.d.decline_key: is the accept_key too (1)",
        "nodes.e.survey: must be 1-32 lower-case letters, digits and underscores, not 'A B'",
        "nodes.e.questions: must be a list of questions, from 1 to 20 of them",
        "nodes.f.outcome: must be a non-empty text, not ''",
    ]


def speaking(style: str, **prompts: set[str]) -> list[str]:
    source: dict[str, object] = {
        "start": "a",
        "variables": {"n": "number"},
        "nodes": {"a": {"type": "say", "prompts": [f"{{n as {style}}}"], "next": "q"}, "q": QUEUE},
    }
    there = {language.replace("_", "-"): found for language, found in prompts.items()}
    return list(check(parse(source, "f", "1"), replace(AROUND, prompts=there)))


def test_a_spoken_value_needs_its_prompts_and_rules_in_every_language_and_a_type_that_can_be_said() -> None:
    everything = set(SPEAKERS["en"].words)
    assert speaking("money", en=everything) == []
    assert speaking("duration", en=everything - {"dur_hour", "cur_and"}) == [
        "nodes.a.prompts: {n as duration} needs the prompts dur_hour (in en)"
    ]
    (lacking,) = speaking("number", zh_TW=set())
    assert lacking.endswith("needs the prompts num_0, num_1, num_2 and 17 more (in zh-TW)")
    (ruleless,) = speaking("number", nan=everything)
    assert ruleless.endswith("can't be said in 'nan': it has no rules for values")
    (mistyped,) = speaking("date", en=everything)
    assert mistyped == "nodes.a.prompts: in {n as date}: must be date, not number"


# Loops, dead ends and people, at the new nodes


def test_a_question_may_lead_back_by_an_answer_but_not_by_silence() -> None:
    collect = {"type": "collect", "prompts": ["hello"], "into": "code", "next": "a", "on_exhausted": "q"}
    source: dict[str, object] = {"start": "a", "variables": {"code": "digits"}, "nodes": {"a": collect, "q": QUEUE}}
    assert check(parse(source, "f", "1"), AROUND) == ()
    source["nodes"] = {"a": {**collect, "next": "q", "on_exhausted": "a"}, "q": QUEUE}
    assert check(parse(source, "f", "1"), AROUND) == ("nodes.a: loop without input: a → a",)


@pytest.mark.parametrize(
    "node",
    [
        {"type": "collect", "prompts": ["hello"], "into": "code", "next": "end", "on_exhausted": "end"},
        {"type": "language_choice", "prompts": ["hello"], "choices": {"1": "en"}, "next": "end"},
        {"type": "consent", "prompts": ["hello"], "on_accepted": "end", "on_declined": "end"},
    ],
)
def test_whoever_is_asked_can_reach_a_person(node: dict[str, object]) -> None:
    source: dict[str, object] = {"start": "a", "variables": {"code": "digits"}, "nodes": {"a": node, "end": END}}
    (found,) = check(parse(source, "f", "1"), AROUND)
    assert found.startswith("nodes.a: question without a way to a person")
    source |= {"agent_node": "q", "nodes": {"a": node, "end": END, "q": QUEUE}}
    assert check(parse(source, "f", "1"), AROUND) == ()


# Sub-flows


def within(flows: dict[str, dict[str, object]], name: str = "outer") -> list[str]:
    parsed = {flow_id: parse(source, flow_id, "1") for flow_id, source in flows.items()}
    return list(check(parsed[name], replace(AROUND, flows=parsed)))


def calling(flow: str, **more: object) -> dict[str, object]:
    return {"type": "sub_flow", "flow": flow, "outcomes": {"done": "q"}, **more}


INNER: dict[str, object] = {
    "start": "ask",
    "variables": {"found": "digits", "wanted": "number"},
    "nodes": {
        "ask": {"type": "collect", "prompts": ["hello"], "into": "found", "next": "ok", "on_exhausted": "ok"},
        "ok": {"type": "return", "outcome": "done"},
    },
}


def test_a_sub_flow_must_exist_and_return_as_it_is_written() -> None:
    outer: dict[str, object] = {"start": "a", "nodes": {"a": calling("iner"), "q": QUEUE}}
    assert within({"outer": outer, "inner": INNER}) == ["nodes.a.flow: no such flow 'iner'; did you mean 'inner'?"]
    outer["nodes"] = {"a": calling("inner", outcomes={"dun": "q"}), "q": QUEUE}
    assert within({"outer": outer, "inner": INNER}) == [
        "nodes.a.outcomes: 'done' is missing, with which flow 'inner' may return",
        "nodes.a.outcomes.dun: flow 'inner' never returns with it",
    ]


def test_a_sub_flow_that_never_returns_ends_the_visit_and_needs_no_outcome() -> None:
    ends: dict[str, object] = {"start": "a", "nodes": {"a": say("end"), "end": END}}
    outer: dict[str, object] = {"start": "a", "agent_node": "q", "nodes": {"a": say("call"), "q": QUEUE}}
    outer["nodes"] = {"a": say("call"), "call": {"type": "sub_flow", "flow": "ends"}, "q": QUEUE}
    assert within({"outer": outer, "ends": ends}) == []
    outer["nodes"] = {"a": say("call"), "call": {"type": "sub_flow", "flow": "inner"}, "q": QUEUE}
    assert within({"outer": outer, "inner": INNER}) == [
        "nodes.call.outcomes: 'done' is missing, with which flow 'inner' may return"
    ]


def test_what_goes_into_a_sub_flow_and_comes_out_of_it_is_typed() -> None:
    declare = "; declare it under [variables]"
    exchange = {"inputs": {"wanted": "'x'", "wnted": "1"}, "outputs": {"code": "fund", "sum": "found"}}
    outer: dict[str, object] = {
        "start": "a",
        "variables": {"code": "digits", "sum": "number"},
        "nodes": {"a": calling("inner", **exchange), "q": QUEUE},
    }
    assert within({"outer": outer, "inner": INNER}) == [
        "nodes.a.inputs.wanted: must be number, not text",
        f"nodes.a.inputs.wnted: in flow 'inner': no such variable 'wnted'; did you mean 'wanted'?{declare}",
        "nodes.a.outputs.code: in flow 'inner': no such variable 'fund'; did you mean 'found'?",
        "nodes.a.outputs.sum: must be number, not digits",
    ]


def test_a_flow_can_not_be_its_own_sub_flow_however_far_around() -> None:
    def through(flow: str) -> dict[str, object]:
        done = {"type": "return", "outcome": "done"}
        return {"start": "a", "nodes": {"a": {**calling(flow), "outcomes": {"done": "q"}}, "q": done}}

    found = within({"outer": through("b"), "b": through("c"), "c": through("outer")})
    assert found == ["nodes.a.flow: a flow can't be its own sub-flow: outer → b → c → outer"]
    chain = {f"f{n}": through(f"f{n + 1}") for n in range(12)} | {"f12": INNER}
    assert within(chain, "f0") == ["nodes.a.flow: sub-flows are nested more than 8 deep"]
    assert within(chain, "f5") == []


def test_sub_flows_that_double_at_every_level_are_refused_by_what_a_key_could_cost() -> None:
    def twice(flow: str) -> dict[str, object]:
        nodes: dict[str, object] = {f"n{n}": calling(flow, outcomes={"done": f"n{n + 1}"}) for n in range(10)}
        return {"start": "n0", "nodes": {**nodes, "n10": {"type": "return", "outcome": "done"}}}

    flows = {f"f{n}": twice(f"f{n + 1}") for n in range(6)} | {"f6": INNER}
    found = within(flows, "f0")
    assert len(found) == 10
    assert found[0].endswith("more than 20000 nodes could be passed without a key, sub-flows counted each time")
    assert within(flows, "f4") == []


def test_a_hotline_can_not_lead_into_a_sub_flow() -> None:
    (found,) = check_roots({"inner": parse(INNER, "inner", "1")}, {"hotlines.1.flow": "inner"})
    assert found == "hotlines.1.flow: flow 'inner' returns at 'ok', so it is a sub-flow and can't be the first one"


def test_a_sub_flow_that_leads_to_a_queue_is_a_way_to_a_person() -> None:
    inner: dict[str, object] = {"start": "q", "nodes": {"q": QUEUE}}
    ask = menu("end", k1="call")
    outer: dict[str, object] = {
        "start": "a",
        "nodes": {"a": ask, "call": calling("inner", outcomes={"x": "end"}), "end": END},
    }
    assert within({"outer": outer, "inner": inner}) == ["nodes.call.outcomes.x: flow 'inner' never returns with it"]
    asking: dict[str, object] = {
        "start": "call",
        "nodes": {"call": calling("ask", outcomes={"done": "end"}), "end": END},
    }
    (found,) = within({"outer": asking, "ask": INNER})
    assert found.startswith("nodes.call: sub-flow without a way to a person")
