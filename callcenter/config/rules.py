"""rules.toml: routing decided by the customer's record, as ordered rules of `routing.rules`."""

from callcenter.config.fields import Names, all_known, known, requirement, spoken_name, tables
from ivr.reading import Reader, no_such, shown
from routing.rules import RECORDED_AGENTS, Rule, Then, When

PREFER_S_MAX = 3_600.0
USAGE_MAX = 1e12
VERIFIED_MAX = 3
_AGENT = "agent:"


def read_rules(reader: Reader, names: Names) -> tuple[Rule, ...]:
    """Every rule, in the order of the file."""
    rules: dict[str, Rule] = {}
    for table in tables(reader, "rule"):
        name = spoken_name(table, "name")
        if name:
            table.path = f"rules.{name}"
        rule = Rule(name, _when(table, names), _then(table, names))
        table.close()
        if name in rules:
            table.mistakes.append(f"{table.path}: two rules have this name")
        elif name:
            rules[name] = rule
    reader.close()
    return tuple(rules.values())


def _when(rule: Reader, names: Names) -> When:
    """The conditions; a rule without `when` holds for every contact."""
    if "when" not in rule:
        return When()
    table = rule.table("when")
    when = When(
        dialed=all_known(table, "dialed", "hotline", names.hotlines),
        queue=all_known(table, "queue", "queue", names.queues),
        language=all_known(table, "language", "language", names.languages),
        value_tier=all_known(table, "value_tier", "value tier", names.value_tiers),
        segment=all_known(table, "segment", "segment", names.segments),
        customer_id=table.texts("customer_id", ()),
        preferred_agent=all_known(table, "preferred_agent", "agent", names.agents),
        last_agent=all_known(table, "last_agent", "agent", names.agents),
        case_owner=all_known(table, "case_owner", "agent", names.agents),
        known_customer=_flag(table, "known_customer"),
        open_case=_flag(table, "open_case"),
        at_risk=_flag(table, "at_risk"),
        usage_min=table.number("usage_min", None, 0.0, USAGE_MAX) if "usage_min" in table else None,
        usage_max=table.number("usage_max", None, 0.0, USAGE_MAX) if "usage_max" in table else None,
        verified_min=table.whole("verified_min", 0, 0, VERIFIED_MAX),
        attributes=_attributes(table),
    )
    table.close()
    if when.usage_min is not None and when.usage_max is not None and when.usage_min > when.usage_max:
        table.wrong("usage_max", f"must not be below usage_min ({when.usage_min:g}): the rule would never hold")
    return when


def _attributes(when: Reader) -> dict[str, tuple[str, ...]]:
    if "attributes" not in when:
        return {}
    table = when.table("attributes")
    return {name: table.texts(name) for name in table.names}


def _then(rule: Reader, names: Names) -> Then:
    """The effects; a rule without any is a mistake."""
    if "then" not in rule:
        rule.wrong("then", "is missing")
        return Then()
    table = rule.table("then")
    prefer = _prefer(table, names)
    prefer_s = table.number("prefer_s", 0.0, 0.0, PREFER_S_MAX)
    then = Then(
        queue=known(table, "queue", "queue", names.queues) if "queue" in table else None,
        value_tier=known(table, "value_tier", "value tier", names.value_tiers) if "value_tier" in table else None,
        requires=requirement(table, "requires", names) if "requires" in table else None,
        prefer=prefer,
        prefer_s=prefer_s if prefer else 0.0,
        stop=table.flag("stop", default=False),
    )
    if prefer_s and "prefer" not in table:
        table.wrong("prefer_s", "needs prefer: who is waited for?")
    if not table.names:
        rule.wrong("then", "does nothing; give it queue, value_tier, requires, prefer or stop")
    table.close()
    return then


def _prefer(table: Reader, names: Names) -> str | None:
    """Whom the contact waits for: an agent of the customer's record, or one by name."""
    prefer = table.optional_text("prefer")
    if not prefer or prefer in RECORDED_AGENTS:
        return prefer or None
    agent_id = prefer.removeprefix(_AGENT)
    if agent_id == prefer or not agent_id:
        table.wrong("prefer", f"must be {', '.join(RECORDED_AGENTS)} or agent:ID, not {shown(prefer)}")
        return None
    if names.agents is not None and agent_id not in names.agents:
        table.wrong("prefer", no_such("agent", agent_id, names.agents))
    return prefer


def _flag(table: Reader, key: str) -> bool | None:
    return table.flag(key, default=False) if key in table else None
