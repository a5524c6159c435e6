"""Why not yet, and who: the full account of a contact's place, worked out when somebody asks.

A decision looks at heads and tells those (`trace`). Here every agent is looked at once, with the reason that
keeps them from the contact now; asking changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from routing.acd.agents import Agent
from routing.acd.board import Board
from routing.acd.contacts import Contact
from routing.acd.doors import Doors
from routing.acd.pairing import Pairing, Reach
from routing.messages import Entered
from routing.model import QueueRules
from routing.requirement import show, why_not
from routing.waiting.estimate import Estimate
from routing.waiting.forecast import Forecast


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A reason, how many agents it keeps away, and some of them."""

    reason: str
    agents: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ahead:
    """A contact that is served before, by the order of service."""

    contact_id: str
    value_tier: int
    wait_s: float
    score: float
    overdue: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """A contact's place now.

    `situation` is waiting, offered, to_call, dialing, resting, held_back or would_enter.
    `candidates`: ready agents who may serve it, best first (empty for one that waits, by work conservation).
    `next_change_s`: seconds of waiting until its reach changes; None if it stays. `ahead`: the first of those who are
    served before it, `ahead_total` all of them. `excluded`: everybody else, by the first reason that keeps them away.
    `turned_away`: why the queue would not take it (closed, full …); None if it would, or has.
    """

    contact_id: str
    queue: str
    situation: str
    value_tier: int
    wait_s: float
    clock_s: float
    score: float
    overdue: bool
    step: int
    requires: str
    next_change_s: float | None
    preferred_agent: str | None
    candidates: tuple[str, ...]
    ahead_total: int
    ahead: tuple[Ahead, ...]
    excluded: tuple[Exclusion, ...]
    estimate: Estimate | None
    turned_away: str | None = None


TOLD_MAX = 10
"""Contacts and agents named in each list."""


class Explainer:
    """Explains one board."""

    def __init__(self, board: Board, pairing: Pairing, doors: Doors, forecast: Forecast) -> None:
        self._board, self._pairing, self._doors, self._forecast = board, pairing, doors, forecast

    def contact(self, contact: Contact, now: float) -> Explanation:
        """Why this contact in a queue is not served yet, or who is being asked."""
        situation = contact.away.name.lower() if contact.away else "waiting" if contact.waits else "offered"
        return self._explained(contact, situation, now)

    def would_enter(self, entered: Entered, now: float) -> Explanation:
        """What would happen if this contact entered now; raises UnknownQueueError."""
        contact = self._board.new_contact(entered, entered)
        contact.waiting_since = now
        explained = self._explained(contact, "would_enter", now)
        refusal = self._doors.refusal(entered, now)
        return explained if refusal is None else replace(explained, turned_away=refusal[1])

    def _explained(self, contact: Contact, situation: str, now: float) -> Explanation:
        board, entered, rules = self._board, contact.entered, contact.rules
        clock_s = contact.clock(now)
        reach = self._pairing.reach(contact, now)
        rung = contact.ladder.rungs[reach.rung]
        tier, age = entered.value_tier, entered.entered_at
        next_s = contact.ladder.next_s(clock_s, reach.rung)
        if contact.preferred_until_s > clock_s:
            next_s = contact.preferred_until_s if next_s is None else min(next_s, contact.preferred_until_s)
        ahead = self._ahead(contact, now)
        return Explanation(
            contact_id=entered.contact_id,
            queue=rules.queue,
            situation=situation,
            value_tier=tier,
            wait_s=now - age,
            clock_s=clock_s,
            score=board.order.score(tier, age, now),
            overdue=board.order.due_at(tier, age) <= now,
            step=rung.step,
            requires=show(reach.line.requires),
            next_change_s=None if next_s is None else max(0.0, next_s - clock_s),
            preferred_agent=entered.preferred_agent,
            candidates=self._candidates(contact, situation, reach),
            ahead_total=len(ahead),
            ahead=tuple(ahead[:TOLD_MAX]),
            excluded=self._excluded(contact, rules, clock_s, reach),
            estimate=self._forecast.estimate(contact, now),
        )

    def _candidates(self, contact: Contact, situation: str, reach: Reach) -> tuple[str, ...]:
        if situation not in {"would_enter", "waiting"} or reach.exit_to is not None:
            return ()
        preferred = self._board.agents.get(contact.entered.preferred_agent or "")
        first: tuple[str, ...] = ()
        if situation == "would_enter" and preferred is not None and self._pairing.may_serve(preferred, contact):
            first = (preferred.agent_id,) if preferred.ready else ()
        if reach.why == "preferred":
            return first
        ready = [agent_id for agent_id in reach.line.ready() if agent_id not in first]
        ready.sort(key=lambda agent_id: agent_id in contact.refusals)
        return (*first, *ready)[:TOLD_MAX]

    def _ahead(self, contact: Contact, now: float) -> list[Ahead]:
        """Who waits in the same queue and is served before, the first to be served first."""
        order = self._board.order

        def key(each: Contact) -> tuple[int, float, float, str]:
            entered = each.entered
            return order.sort_key(entered.value_tier, entered.entered_at, entered.contact_id, now)

        mine = key(contact)
        same = (each for each in self._board.contacts.values() if each.rules.queue == contact.rules.queue)
        before = sorted((each for each in same if not each.offers and key(each) < mine), key=key)
        return [
            Ahead(
                each.contact_id,
                each.entered.value_tier,
                now - each.entered.entered_at,
                order.score(each.entered.value_tier, each.entered.entered_at, now),
                order.due_at(each.entered.value_tier, each.entered.entered_at) <= now,
            )
            for each in before
        ]

    def _excluded(self, contact: Contact, rules: QueueRules, clock_s: float, reach: Reach) -> tuple[Exclusion, ...]:
        reasons: dict[str, list[str]] = {}
        for agent in self._board.agents.values():
            reason = self._reason(agent, contact, rules, clock_s, reach)
            if reason is not None:
                reasons.setdefault(reason, []).append(agent.agent_id)
        return tuple(
            Exclusion(reason, len(agents), tuple(sorted(agents)[:TOLD_MAX]))
            for reason, agents in sorted(reasons.items(), key=lambda each: (-len(each[1]), each[0]))
        )

    def _reason(self, agent: Agent, contact: Contact, rules: QueueRules, clock_s: float, reach: Reach) -> str | None:
        """The first reason why this agent is not asked: preference, membership, requirement, delay, state, history."""
        if reach.why == "preferred" and agent.agent_id != contact.entered.preferred_agent:
            return f"waits for {contact.entered.preferred_agent} alone until {contact.preferred_until_s:g} s"
        membership = agent.profile.membership(rules.queue)
        if membership is None:
            lenders = [gate for gate in self._board.matching.gates if gate.borrower == rules.queue]
            lent = [gate for gate in lenders if agent.profile.membership(gate.loan.lender) is not None]
            if not lent:
                return "not a member of the queue"
            if not any(gate.open for gate in lent):
                return f"not lent now by {lent[0].loan.lender}"
        missing = why_not(reach.line.requires, agent.profile)
        if missing is not None:
            return f"does not meet: {missing}"
        if membership is not None and membership.delay_s > clock_s:
            return f"back-up after {membership.delay_s:g} s"
        state = agent.why_not()
        if state is not None:
            return state
        refused = contact.refusals.get(agent.agent_id)
        return None if refused is None or refused.outcome is None else f"let it go: {refused.outcome.value}"
