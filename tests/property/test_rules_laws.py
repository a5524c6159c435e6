"""Laws of the routing rules, for any rules and any facts."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from routing.model import AgentProfile
from routing.requirement import Held, met
from routing.rules import Facts, Rule, Then, When, decide

QUEUES = st.sampled_from(["orders", "billing"])
TIERS = st.sampled_from(["vip", "basic"])
AGENTS = st.sampled_from(["ann", "bob"])
SKILLS = st.sampled_from(["en", "product"])

FACTS = st.builds(
    Facts,
    dialed=st.just("100"),
    queue=QUEUES,
    language=st.just("en"),
    value_tier=TIERS,
    customer_id=st.none() | st.just("c1"),
    preferred_agent=st.none() | AGENTS,
    last_agent=st.none() | AGENTS,
    case_owner=st.none() | AGENTS,
    open_case=st.booleans(),
    at_risk=st.booleans(),
    usage=st.none() | st.floats(0, 100),
)
CONDITIONS = st.builds(
    When,
    queue=st.lists(QUEUES, max_size=1).map(tuple),
    value_tier=st.lists(TIERS, max_size=1).map(tuple),
    known_customer=st.none() | st.booleans(),
    at_risk=st.none() | st.booleans(),
    usage_min=st.none() | st.floats(0, 100),
)
PREFER = st.sampled_from(["preferred_agent", "last_agent", "case_owner", "agent:dora"])
EFFECTS = st.builds(
    Then,
    queue=st.none() | QUEUES,
    value_tier=st.none() | TIERS,
    requires=st.none() | st.builds(Held, SKILLS, st.integers(0, 100)),
    prefer=st.none() | PREFER,
    stop=st.sampled_from([False, False, False, True]),
)
RULES = st.lists(st.builds(Rule, st.sampled_from("abcd"), CONDITIONS, EFFECTS), max_size=6).map(tuple)
LEVELS = st.dictionaries(SKILLS, st.integers(0, 100))


@given(RULES, FACTS)
def test_the_trace_has_one_entry_for_each_rule_up_to_the_one_that_stops(rules: tuple[Rule, ...], facts: Facts) -> None:
    trace = decide(rules, facts).trace
    stops = [n for n, rule in enumerate(rules) if rule.then.stop and rule.when.why_not(facts) is None]
    looked_at = rules[: stops[0] + 1] if stops else rules
    assert [entry.rule for entry in trace] == [rule.name for rule in looked_at]
    for entry, rule in zip(trace, looked_at, strict=True):
        assert entry.matched == (rule.when.why_not(facts) is None) == (entry.why == "")
        wanted = [rule.then.queue, rule.then.value_tier, rule.then.requires, rule.then.prefer, rule.then.stop or None]
        told = len(entry.effects) + len(entry.without_effect)
        assert told == (sum(each is not None for each in wanted) if entry.matched else 0)


@given(RULES, FACTS)
def test_a_rule_that_does_not_match_changes_nothing(rules: tuple[Rule, ...], facts: Facts) -> None:
    matching = tuple(rule for rule in rules if rule.when.why_not(facts) is None)
    assert replace(decide(rules, facts), trace=()) == replace(decide(matching, facts), trace=())


@given(RULES, FACTS)
def test_queue_and_tier_come_from_the_first_matching_rule_that_sets_them(rules: tuple[Rule, ...], facts: Facts) -> None:
    routing = decide(rules, facts)
    applied = [rules[n].then for n, entry in enumerate(routing.trace) if entry.matched]
    assert routing.queue == next((then.queue for then in applied if then.queue), facts.queue)
    assert routing.value_tier == next((then.value_tier for then in applied if then.value_tier), facts.value_tier)
    wishes = [then.preferred(facts) for then in applied if then.prefer]
    assert routing.preferred_agent == next(filter(None, wishes), facts.last_agent)


@given(RULES, FACTS, LEVELS)
def test_an_agent_serves_who_meets_the_requirement_of_every_rule_that_applied(
    rules: tuple[Rule, ...], facts: Facts, levels: dict[str, int]
) -> None:
    agent = AgentProfile("ann", levels)
    routing = decide(rules, facts)
    applied = [rules[n].then.requires for n, entry in enumerate(routing.trace) if entry.matched]
    assert met(routing.requires, agent) == all(met(each, agent) for each in applied if each is not None)
