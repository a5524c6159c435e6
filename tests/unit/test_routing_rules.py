"""Routing by the customer's record (S242, T11): one rule table, twelve customers, and where each of them goes."""

import json
from dataclasses import replace

import pytest

from routing.requirement import ANYONE, parse, show
from routing.rules import Facts, Routing, Rule, Then, When, decide

RULES = (
    Rule(
        "fraud line",
        When(dialed=("+886800111000",)),
        Then(queue="fraud", requires=parse("fraud >= 50"), stop=True),
    ),
    Rule("at risk", When(at_risk=True, value_tier=("vip", "platinum")), Then(value_tier="vip_risk")),
    Rule("open case", When(open_case=True), Then(prefer="case_owner", prefer_s=15.0)),
    Rule(
        "high usage",
        When(usage_min=1_000.0, segment=("mobile", "fiber")),
        Then(value_tier="platinum", requires=parse("experience >= 4")),
    ),
    Rule("vip", When(value_tier=("vip", "platinum")), Then(prefer="preferred_agent", prefer_s=10.0)),
    Rule(
        "business in English",
        When(segment=("business",), language=("en",)),
        Then(queue="business", requires=parse("team:business")),
    ),
    Rule("cancelling", When(attributes={"reason": ("cancel", "move")}, verified_min=1), Then(queue="retention")),
    Rule("unknown", When(known_customer=False), Then(value_tier="basic")),
    Rule("debt", When(customer_id=("c11",)), Then(queue="orders", prefer="agent:dora", prefer_s=60.0)),
)

PLAIN = Facts("+886212345678", "orders", "zh-TW", "standard")
NO_WISH = ("orders", "standard", "anyone", None, 0.0)

# customer → what is known of them → (queue, tier, requirement, preferred agent, wait), and the rules that applied
CUSTOMERS: dict[str, tuple[Facts, tuple[str, str, str, str | None, float], list[str]]] = {
    "plain": (replace(PLAIN, customer_id="c1"), NO_WISH, []),
    "served before": (
        replace(PLAIN, customer_id="c2", last_agent="ann"),
        ("orders", "standard", "anyone", "ann", 0.0),
        [],
    ),
    "withheld number": (PLAIN, ("orders", "basic", "anyone", None, 0.0), ["unknown"]),
    "vip with a preferred agent": (
        replace(PLAIN, customer_id="c3", value_tier="vip", preferred_agent="ann", last_agent="bob"),
        ("orders", "vip", "anyone", "ann", 10.0),
        ["vip"],
    ),
    "vip without one": (
        replace(PLAIN, customer_id="c4", value_tier="vip", last_agent="bob"),
        ("orders", "vip", "anyone", "bob", 0.0),
        ["vip"],
    ),
    "vip at risk with an open case": (
        replace(
            PLAIN,
            customer_id="c5",
            value_tier="vip",
            at_risk=True,
            open_case=True,
            case_owner="cat",
            preferred_agent="ann",
        ),
        ("orders", "vip_risk", "anyone", "cat", 15.0),
        ["at risk", "open case", "vip"],
    ),
    "standard at risk": (replace(PLAIN, customer_id="c6", at_risk=True), NO_WISH, []),
    "open case without an owner": (
        replace(PLAIN, customer_id="c7", value_tier="platinum", open_case=True, preferred_agent="ann"),
        ("orders", "platinum", "anyone", "ann", 10.0),
        ["open case", "vip"],
    ),
    "high usage": (
        replace(PLAIN, customer_id="c8", segment="fiber", usage=1_000.0),
        ("orders", "platinum", "experience >= 4", None, 0.0),
        ["high usage"],
    ),
    "business in English, cancelling": (
        replace(
            PLAIN,
            customer_id="c9",
            segment="business",
            language="en",
            verified=2,
            attributes={"reason": "cancel"},
        ),
        ("business", "standard", "team:business", None, 0.0),
        ["business in English", "cancelling"],
    ),
    "cancelling, not verified": (replace(PLAIN, customer_id="c10", attributes={"reason": "cancel"}), NO_WISH, []),
    "on the fraud line, everything else too": (
        replace(
            PLAIN,
            dialed="+886800111000",
            customer_id="c11",
            value_tier="vip",
            segment="fiber",
            usage=5_000.0,
            at_risk=True,
            open_case=True,
            case_owner="cat",
            last_agent="eve",
        ),
        ("fraud", "vip", "fraud >= 50", "eve", 0.0),
        ["fraud line"],
    ),
}


def routed(facts: Facts) -> Routing:
    return decide(RULES, facts)


@pytest.mark.parametrize(("facts", "expected", "applied"), CUSTOMERS.values(), ids=CUSTOMERS)
def test_each_of_twelve_customers_goes_where_the_rules_say(
    facts: Facts, expected: tuple[str, str, str, str | None, float], applied: list[str]
) -> None:
    routing = routed(facts)
    assert (
        routing.queue,
        routing.value_tier,
        show(routing.requires),
        routing.preferred_agent,
        routing.preferred_wait_s,
    ) == expected
    assert [entry.rule for entry in routing.trace if entry.matched] == applied
    looked_at = 1 if applied == ["fraud line"] else len(RULES)
    assert [entry.rule for entry in routing.trace] == [rule.name for rule in RULES[:looked_at]]


def test_the_trace_says_of_every_rule_what_it_did_or_which_condition_failed() -> None:
    facts, _, _ = CUSTOMERS["vip at risk with an open case"]
    assert routed(facts).as_dict() == {
        "queue": "orders",
        "value_tier": "vip_risk",
        "requires": "anyone",
        "preferred_agent": "cat",
        "preferred_wait_s": 15.0,
        "trace": [
            _failed("fraud line", "dialed is '+886212345678', not '+886800111000'"),
            _applied("at risk", "value tier vip_risk"),
            _applied("open case", "prefers cat (case_owner) for 15 s"),
            _failed("high usage", "segment is not known, not 'mobile' or 'fiber'"),
            _applied(
                "vip", without="prefers ann (preferred_agent) for 10 s: preferred agent is settled by 'open case'"
            ),
            _failed("business in English", "language is 'zh-TW', not 'en'"),
            _failed("cancelling", "verified is 0, less than 1"),
            _failed("unknown", "known_customer is yes, not no"),
            _failed("debt", "customer_id is 'c5', not 'c11'"),
        ],
    }


def test_a_rule_that_prefers_an_agent_nobody_knows_says_so_and_leaves_the_wish_to_the_next() -> None:
    facts, _, _ = CUSTOMERS["open case without an owner"]
    by_rule = {entry.rule: entry for entry in routed(facts).trace}
    assert by_rule["open case"].effects == ()
    assert by_rule["open case"].without_effect == ("prefers case_owner: none is known",)
    assert by_rule["vip"].effects == ("prefers ann (preferred_agent) for 10 s",)


def test_the_first_rule_that_sets_the_queue_wins_and_requirements_add_up() -> None:
    rules = (
        Rule("one", When(), Then(queue="a", requires=parse("en"))),
        Rule("two", When(), Then(queue="b", requires=parse("product >= 3"), value_tier="vip")),
        Rule("one", When(), Then(value_tier="basic", prefer="agent:dora", prefer_s=60.0)),
    )
    routing = decide(rules, PLAIN)
    assert (routing.queue, routing.value_tier) == ("a", "vip")
    assert routing.requires == parse("en and product >= 3")
    assert (routing.preferred_agent, routing.preferred_wait_s) == ("dora", 60.0)
    assert routing.trace[1].without_effect == ("queue b: queue is settled by 'one'",)
    assert routing.trace[2].effects == ("prefers dora for 60 s",)
    assert routing.trace[2].without_effect == ("value tier basic: value tier is settled by 'two'",)


def test_conditions_look_at_the_facts_and_not_at_what_an_earlier_rule_made_of_them() -> None:
    rules = (
        Rule("promote", When(), Then(value_tier="vip", queue="first")),
        Rule("promoted", When(value_tier=("vip",)), Then(prefer="agent:dora")),
        Rule("moved", When(queue=("first",)), Then(prefer="agent:dora")),
    )
    assert [entry.matched for entry in decide(rules, PLAIN).trace] == [True, False, False]


def test_after_a_stop_no_rule_is_looked_at_but_a_stop_that_does_not_match_stops_nothing() -> None:
    rules = (
        Rule("elsewhere", When(queue=("billing",)), Then(stop=True)),
        Rule("here", When(queue=("orders",)), Then(stop=True)),
        Rule("after", When(), Then(queue="never")),
    )
    routing = decide(rules, PLAIN)
    assert routing.queue == "orders"
    assert [(entry.rule, entry.effects) for entry in routing.trace] == [("elsewhere", ()), ("here", ("stop",))]


def test_without_rules_the_contact_goes_as_given_and_its_last_agent_is_preferred_without_a_wait() -> None:
    routing = decide((), replace(PLAIN, last_agent="ann", preferred_agent="bob", case_owner="cat"))
    assert routing == Routing("orders", "standard", ANYONE, "ann", 0.0, ())


@pytest.mark.parametrize(
    ("when", "facts", "why"),
    [
        (When(usage_min=10.0), PLAIN, "usage is not known"),
        (When(usage_min=10.0), replace(PLAIN, usage=float("nan")), "usage is not known"),
        (When(usage_min=10.0), replace(PLAIN, usage=9.5), "usage is 9.5, less than 10"),
        (When(usage_min=10.0, usage_max=20.0), replace(PLAIN, usage=20.0), None),
        (When(usage_max=20.0), replace(PLAIN, usage=20.5), "usage is 20.5, more than 20"),
        (When(known_customer=True), PLAIN, "known_customer is no, not yes"),
        (When(open_case=False), replace(PLAIN, open_case=True), "open_case is yes, not no"),
        (When(at_risk=False), PLAIN, None),
        (When(verified_min=2), replace(PLAIN, verified=2), None),
        (When(last_agent=("ann", "bob")), replace(PLAIN, last_agent="bob"), None),
        (When(preferred_agent=("ann",)), PLAIN, "preferred_agent is not known, not 'ann'"),
        (When(case_owner=("ann",)), replace(PLAIN, case_owner="bob"), "case_owner is 'bob', not 'ann'"),
        (When(queue=("orders", "billing")), PLAIN, None),
        (When(attributes={"reason": ("bill",)}), PLAIN, "attributes.reason is not known, not 'bill'"),
        (When(attributes={"reason": ("bill",)}), replace(PLAIN, attributes={"reason": "bill"}), None),
        (When(), PLAIN, None),
    ],
)
def test_a_condition_holds_or_names_the_value_it_met(when: When, facts: Facts, why: str | None) -> None:
    assert when.why_not(facts) == why


@pytest.mark.parametrize(
    "then",
    [
        {"prefer": "ann"},
        {"prefer": "agent:"},
        {"prefer": "last_agent", "prefer_s": -1.0},
        {"prefer": "last_agent", "prefer_s": float("inf")},
        {"prefer": "last_agent", "prefer_s": float("nan")},
        {"prefer_s": 5.0},
    ],
)
def test_an_effect_that_makes_no_sense_cannot_be_made(then: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        Then(**then)  # type: ignore[arg-type]


def test_a_routing_is_plain_json_and_its_requirement_can_be_read_back() -> None:
    for facts, _, _ in CUSTOMERS.values():
        routing = routed(facts)
        body = json.loads(json.dumps(routing.as_dict()))
        assert body == routing.as_dict()
        assert parse(body["requires"]) == routing.requires


def _failed(rule: str, why: str) -> dict[str, object]:
    return {"rule": rule, "matched": False, "why": why, "effects": [], "without_effect": []}


def _applied(rule: str, *effects: str, without: str | None = None) -> dict[str, object]:
    without_effect = [] if without is None else [without]
    return {"rule": rule, "matched": True, "why": "", "effects": list(effects), "without_effect": without_effect}
