"""Routing decided by the customer's record: ordered rules, each of which can say why it did or did not apply.

A rule is a condition on what is known of a contact, and its effects: another queue, another value tier, more that is
required of the agent, an agent to wait for. The rules are walked in the order of the site. Every rule whose
conditions hold applies; of two that set the same thing the earlier one wins, and requirements add up. Conditions look
at the facts alone, never at what an earlier rule made of them, so a rule means the same wherever it stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from routing.requirement import ANYONE, Requirement, both, show

RECORDED_AGENTS: Final = ("preferred_agent", "last_agent", "case_owner")
"""The agents that a customer's record can name, as `Then.prefer` speaks of them."""

_AGENT: Final = "agent:"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a contact when it is routed.

    `queue` and `value_tier` are as they would be without rules. `case_owner` is the agent who owns an open case of
    the customer. `usage` is the customer's consumption in the site's own unit, None if not known. `verified` is how
    far the caller proved who they are, 0 not at all. `attributes` is what else was found out, by the flow for one.
    """

    dialed: str
    queue: str
    language: str
    value_tier: str
    customer_id: str | None = None
    segment: str | None = None
    preferred_agent: str | None = None
    last_agent: str | None = None
    case_owner: str | None = None
    open_case: bool = False
    at_risk: bool = False
    usage: float | None = None
    verified: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class When:
    """Conditions that must all hold; one that is left out (empty or None) holds for every contact.

    A tuple lists the values of the fact that are allowed. `known_customer` asks whether the record was found at all.
    `usage_min` and `usage_max` bound the usage, both included; a usage that is not known meets neither. `attributes`
    lists allowed values by name; an attribute that the contact does not have meets none.
    """

    dialed: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    value_tier: tuple[str, ...] = ()
    segment: tuple[str, ...] = ()
    customer_id: tuple[str, ...] = ()
    preferred_agent: tuple[str, ...] = ()
    last_agent: tuple[str, ...] = ()
    case_owner: tuple[str, ...] = ()
    known_customer: bool | None = None
    open_case: bool | None = None
    at_risk: bool | None = None
    usage_min: float | None = None
    usage_max: float | None = None
    verified_min: int = 0
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def why_not(self, facts: Facts) -> str | None:
        """The first condition that fails, with the value it met; None if all hold."""
        return next(self._failures(facts), None)

    def _failures(self, facts: Facts) -> Iterator[str]:
        for name, allowed, value in (
            ("dialed", self.dialed, facts.dialed),
            ("queue", self.queue, facts.queue),
            ("language", self.language, facts.language),
            ("value_tier", self.value_tier, facts.value_tier),
            ("segment", self.segment, facts.segment),
            ("customer_id", self.customer_id, facts.customer_id),
            ("preferred_agent", self.preferred_agent, facts.preferred_agent),
            ("last_agent", self.last_agent, facts.last_agent),
            ("case_owner", self.case_owner, facts.case_owner),
        ):
            yield from _not_among(name, allowed, value)
        for name, wanted, found in (
            ("known_customer", self.known_customer, facts.customer_id is not None),
            ("open_case", self.open_case, facts.open_case),
            ("at_risk", self.at_risk, facts.at_risk),
        ):
            if wanted is not None and found != wanted:
                yield f"{name} is {_yes_or_no(found)}, not {_yes_or_no(wanted)}"
        yield from self._usage_failures(facts.usage)
        if facts.verified < self.verified_min:
            yield f"verified is {facts.verified}, less than {self.verified_min}"
        for name, allowed in self.attributes.items():
            yield from _not_among(f"attributes.{name}", allowed, facts.attributes.get(name))

    def _usage_failures(self, usage: float | None) -> Iterator[str]:
        if self.usage_min is None and self.usage_max is None:
            return
        if usage is None or math.isnan(usage):
            yield "usage is not known"
        elif self.usage_min is not None and usage < self.usage_min:
            yield f"usage is {usage:g}, less than {self.usage_min:g}"
        elif self.usage_max is not None and usage > self.usage_max:
            yield f"usage is {usage:g}, more than {self.usage_max:g}"


@dataclass(frozen=True, slots=True)
class Then:
    """What a rule does; what is None stays as it is.

    `prefer` names the agent to wait for: one of `RECORDED_AGENTS`, whoever that is for this customer, or `agent:ID`.
    `prefer_s` is how long the contact waits for them alone, in seconds. With `stop` no later rule is looked at.
    """

    queue: str | None = None
    value_tier: str | None = None
    requires: Requirement | None = None
    prefer: str | None = None
    prefer_s: float = 0.0
    stop: bool = False

    def __post_init__(self) -> None:
        assert self.prefer is None or self.prefer in RECORDED_AGENTS or self.named_agent, "prefer names no agent"
        assert 0 <= self.prefer_s < math.inf
        assert self.prefer is not None or self.prefer_s == 0.0, "a wait needs somebody to wait for"

    @property
    def named_agent(self) -> str | None:
        """The ID of `agent:ID`; None if the agent depends on the customer, or nobody is preferred."""
        if self.prefer is None or not self.prefer.startswith(_AGENT):
            return None
        return self.prefer.removeprefix(_AGENT) or None

    def preferred(self, facts: Facts) -> str | None:
        """The agent that `prefer` means for this contact; None if nobody is known."""
        match self.prefer:
            case "preferred_agent":
                return facts.preferred_agent
            case "last_agent":
                return facts.last_agent
            case "case_owner":
                return facts.case_owner
            case _:
                return self.named_agent


@dataclass(frozen=True, slots=True)
class Rule:
    """If `when` holds, `then`; `name` is how traces and mistakes speak of it."""

    name: str
    when: When
    then: Then


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """How one rule fared. `why` is the condition that failed, with the value it met, and empty if the rule matched.

    `effects` is what the rule did; `without_effect` is what it would have done, and what was in the way.
    """

    rule: str
    matched: bool
    why: str
    effects: tuple[str, ...] = ()
    without_effect: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The same in plain JSON values."""
        return {
            "rule": self.rule,
            "matched": self.matched,
            "why": self.why,
            "effects": list(self.effects),
            "without_effect": list(self.without_effect),
        }


@dataclass(frozen=True, slots=True)
class Routing:
    """Where a contact goes and what it may ask for; `trace` has one entry for every rule that was looked at."""

    queue: str
    value_tier: str
    requires: Requirement
    preferred_agent: str | None
    preferred_wait_s: float
    trace: tuple[RuleTrace, ...]

    def as_dict(self) -> dict[str, object]:
        """The same in plain JSON values; the requirement is text that `routing.requirement.parse` reads."""
        return {
            "queue": self.queue,
            "value_tier": self.value_tier,
            "requires": show(self.requires),
            "preferred_agent": self.preferred_agent,
            "preferred_wait_s": self.preferred_wait_s,
            "trace": [entry.as_dict() for entry in self.trace],
        }


def decide(rules: Sequence[Rule], facts: Facts) -> Routing:
    """What the rules make of these facts.

    Where no rule says otherwise: queue and value tier as given, anyone may serve, and the last agent is preferred
    without waiting for them.
    """
    walk = _Walk(facts)
    for rule in rules:
        walk.take(rule)
        if walk.stopped:
            break
    return walk.routing()


class _Walk:
    """What is settled so far, and which rule settled it."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.queue = facts.queue
        self.value_tier = facts.value_tier
        self.requires: list[Requirement] = []
        self.preferred_agent = facts.last_agent
        self.preferred_wait_s = 0.0
        self.settled_by: dict[str, str] = {}
        self.trace: list[RuleTrace] = []
        self.stopped = False

    def take(self, rule: Rule) -> None:
        """Look at one rule, and apply it if it matches."""
        failed = rule.when.why_not(self.facts)
        if failed is not None:
            self.trace.append(RuleTrace(rule.name, matched=False, why=failed))
            return
        effects: list[str] = []
        in_vain: list[str] = []
        then = rule.then
        if then.queue is not None and self._wins("queue", rule, f"queue {then.queue}", effects, in_vain):
            self.queue = then.queue
        if then.value_tier is not None and self._wins(
            "value tier", rule, f"value tier {then.value_tier}", effects, in_vain
        ):
            self.value_tier = then.value_tier
        if then.requires is not None:
            self.requires.append(then.requires)
            effects.append(f"requires {show(then.requires)}")
        if then.prefer is not None:
            self._prefer(rule, effects, in_vain)
        if then.stop:
            self.stopped = True
            effects.append("stop")
        self.trace.append(
            RuleTrace(rule.name, matched=True, why="", effects=tuple(effects), without_effect=tuple(in_vain))
        )

    def _prefer(self, rule: Rule, effects: list[str], in_vain: list[str]) -> None:
        """Take the rule's agent, unless nobody is known: then a later rule, or the last agent, has its turn."""
        then = rule.then
        agent_id = then.preferred(self.facts)
        if agent_id is None:
            in_vain.append(f"prefers {then.prefer}: none is known")
            return
        who = agent_id if then.named_agent else f"{agent_id} ({then.prefer})"
        if self._wins("preferred agent", rule, f"prefers {who} for {then.prefer_s:g} s", effects, in_vain):
            self.preferred_agent = agent_id
            self.preferred_wait_s = then.prefer_s

    def _wins(self, what: str, rule: Rule, said: str, effects: list[str], in_vain: list[str]) -> bool:
        """Whether this rule is the first to settle `what`; either way the trace says it."""
        if what in self.settled_by:
            in_vain.append(f"{said}: {what} is settled by {self.settled_by[what]!r}")
            return False
        self.settled_by[what] = rule.name
        effects.append(said)
        return True

    def routing(self) -> Routing:
        return Routing(
            self.queue,
            self.value_tier,
            both(*self.requires) if self.requires else ANYONE,
            self.preferred_agent,
            self.preferred_wait_s,
            tuple(self.trace),
        )


def _not_among(name: str, allowed: tuple[str, ...], value: str | None) -> Iterator[str]:
    """Say that the value is not among the allowed, if any are listed and it is not."""
    if allowed and value not in allowed:
        met = f"{name} is {value!r}" if value is not None else f"{name} is not known"
        yield f"{met}, not {' or '.join(map(repr, allowed))}"


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"
