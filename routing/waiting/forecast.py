"""What the queues look like from here on: the state of the board, put to the estimators of `estimate`.

The board knows who waits, who is at work and how long each has been talking; the histories know how long contacts of
a queue take and how patient their callers are. Here the one is counted out for the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import exp, sqrt
from typing import NamedTuple

from routing.acd.agents import Agent
from routing.acd.board import Board
from routing.acd.contacts import Contact
from routing.acd.match import Group, Line
from routing.acd.order import SortKey
from routing.messages import Entered
from routing.model import Activity, QueueRules
from routing.policy import Discipline
from routing.requirement import Requirement, show
from routing.waiting.estimate import Estimate, Learned, Outlook, Promise, QueueHistory
from routing.waiting.places import Places, may_change

SHARE_FORGET_S = 1_800.0
_AROUND = 0.25
"""How fast a contact overtakes is counted so far, in waits, before and after the end of its wait."""
_NARROWED_MIN = 0.5
"""Where others overtake it, its wait varies more than the line; at most by the inverse of this."""


class Prospect(NamedTuple):
    """What a contact in a queue looks forward to: the agents at work who may serve it as its reach is now.

    `estimate` is None while nobody is asked or somebody is: a callback whose customer is called first, a pending offer.
    """

    queue: str
    step: int
    requires: str
    score: float
    overdue: bool
    agents: int
    estimate: Estimate | None


class QueueLearned(NamedTuple):
    """What one queue has taught; `starts` counts the contacts taken of late, as of `at`."""

    queue: str
    history: Learned
    starts: float
    at: float


NOTHING_LEARNED = QueueHistory().learned()


class Forecast:
    """Estimates for the contacts of one board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.histories: dict[str, QueueHistory] = {}
        self._starts: dict[str, tuple[float, float]] = {}  # queue → contacts taken, forgotten exponentially; as of

    # --- what happens ---------------------------------------------------------------------------------------------

    def history(self, queue: str) -> QueueHistory:
        """The history of a queue, begun when it is first asked for."""
        known = self.histories.get(queue)
        if known is None:
            known = self.histories[queue] = QueueHistory()
        return known

    def entered(self, contact: Contact, now: float) -> None:
        """A contact entered its queue."""
        self.history(contact.rules.queue).entered(now, contact.entered.value_tier)

    def started(self, contact: Contact, agent: Agent, rang_s: float, now: float) -> None:
        """An agent took this contact; their phone rang for `rang_s`."""
        rules = contact.rules
        wait_s = now - contact.entered.entered_at
        history, tier = self.history(rules.queue), contact.entered.value_tier
        history.started(now, wait_s, wait_s <= rules.answer_in_s, contact.promise, rang_s, tier)
        starts, at = self._starts.get(rules.queue, (0.0, now))
        self._starts[rules.queue] = (starts * exp((at - now) / SHARE_FORGET_S) + 1.0, now)
        agent.talk_since = now

    def abandoned(self, contact: Contact, now: float) -> None:
        """The caller gave up."""
        self.history(contact.rules.queue).abandoned(now, now - contact.entered.entered_at)

    def ended(self, agent: Agent, now: float) -> None:
        """The agent is done with a contact, wrap-up included."""
        if agent.talk_with is not None:
            self.history(agent.talk_with.queue).ended(now, now - agent.talk_since)

    def learned(self) -> tuple[QueueLearned, ...]:
        """What the queues have taught so far, by queue; those that have taught nothing are left out."""
        known = ((queue, self.histories[queue].learned()) for queue in sorted(self.histories))
        return tuple(
            QueueLearned(queue, history, *self._starts.get(queue, (0.0, 0.0)))
            for queue, history in known
            if history != NOTHING_LEARNED
        )

    def restore(self, learned: Iterable[QueueLearned]) -> None:
        """Go on with what was learned before, of the queues that there are."""
        for queue, known, starts, at in learned:
            if queue in self._board.queues:
                self.histories[queue] = QueueHistory(learned=known)
                self._starts[queue] = (starts, at)

    # --- what follows ---------------------------------------------------------------------------------------------

    def estimate(self, contact: Contact, now: float) -> Estimate:
        """The wait still ahead of this contact, and its position in its queue (1: next)."""
        outlook, _ = self._outlook(contact, self._talking_since(), now)
        return self._foretold(contact, outlook, self._ahead_of(contact, now), self._places(contact.rules.queue), now)

    def promise(self, contact: Contact, now: float) -> Estimate:
        """The estimate that this contact is told as it enters; it is compared with what comes."""
        contact.promise = contact.promise or Promise()
        return contact.promise.update(self.estimate(contact, now), now)

    def at_work(self, contact: Contact, now: float) -> int:
        """How many agents are at work who may serve this contact as its reach is now, busy or not."""
        return sum([group.available for group in self._groups(self._line(contact, now))])

    def prospect(self, contact: Contact, now: float) -> Prospect:
        """What this contact looks forward to."""
        return self._prospect(
            contact, self.at_work(contact, now), self.estimate(contact, now) if contact.waits else None, now
        )

    def prospects(self, now: float, queue_max: int) -> dict[str, Prospect]:
        """Of the first contacts of every queue, in the order of service, at most so many each; by contact id.

        The estimates are those of `estimate`, worked out together.
        """
        board, talking_since = self._board, self._talking_since()
        seen: dict[str, int] = {}
        ahead: dict[str, int] = {}
        places: dict[str, Places | None] = {}
        outlooks: dict[tuple[str, Requirement, float], tuple[Outlook, int]] = {}
        told: dict[str, Prospect] = {}
        for contact in sorted(board.contacts.values(), key=lambda each: self.key(each, now)):
            queue = contact.rules.queue
            seen[queue] = seen.get(queue, 0) + 1
            if seen[queue] > queue_max:
                continue
            # The lines of different tiers, where they ask for the same, are served by the same agents.
            key = (queue, self._line(contact, now).requires, contact.ladder.delay_s(contact.clock(now)))
            if key not in outlooks:
                outlooks[key] = self._outlook(contact, talking_since, now)
            outlook, agents = outlooks[key]
            if queue not in places:
                places[queue] = self._places(queue)
            foretold = (
                self._foretold(contact, outlook, ahead.get(queue, 0), places[queue], now) if contact.waits else None
            )
            told[contact.contact_id] = self._prospect(contact, agents, foretold, now)
            ahead[queue] = ahead.get(queue, 0) + (not contact.offers)
        return told

    def newcomer_s(self, rules: QueueRules, entered: Entered, now: float) -> float:
        """The median wait of a contact that would enter now; counts who waits, not where they stand."""
        reach = self._board.ladder(rules, entered.value_tier, entered.requires)
        line = self._board.line(reach, 0, 0.0)
        serving = self._serving(rules.queue, self._groups(line))
        history = self.history(rules.queue)
        return history.estimate(
            ahead=self._waiting(rules.queue, entered.value_tier), serving=serving, idle=0, ages=(), now=now
        ).p50_s

    def wait_s(self, queue: str, now: float) -> float | None:
        """The median wait of a contact of the best tier that would enter now; None if the queue has no recent past."""
        history = self.histories.get(queue)
        rules = self._board.queues.get(queue)
        if history is None or rules is None or history.arrival_rate(now) == 0.0:
            return None
        reach = self._board.ladder(rules, 0, rules.requires)
        line = self._board.line(reach, len(reach.rungs) - 1, max(reach.delays, default=0.0))
        groups = self._groups(line)
        if any(group.idle[line.order] for group in groups):
            return 0.0
        serving = self._serving(queue, groups)
        waiting = self._board.in_queue.get(queue, 0)
        return history.estimate(ahead=waiting, serving=serving, idle=0, ages=(), now=now).p50_s

    def service_level(self, queue: str, now: float) -> float | None:
        """The share answered in time of the last half hour; None if the queue has no recent past."""
        history = self.histories.get(queue)
        return None if history is None else history.service_level(now)

    def served_at_once(self, rules: QueueRules, entered: Entered) -> bool:
        """Whether a contact that would enter now finds a ready agent."""
        if not self._board.idle:
            return False
        reach = self._board.ladder(rules, entered.value_tier, entered.requires)
        line = self._board.line(reach, reach.rung(0.0), reach.delay_s(0.0))
        return line.first_agent(())[0] is not None

    def agents_free_for(self, contact: Contact, within_s: float, now: float) -> float:
        """How many agents who may serve this contact are expected to be free for it within so many seconds.

        Who is idle counts whole, who is busy by the chance to finish in time (exponential with the queue's mean), all
        by their share for this queue; less the contacts that are served before.
        """
        queue = contact.rules.queue
        reach, clock_s = contact.ladder, contact.clock(now)
        line = self._board.line(reach, reach.rung(clock_s, contact.rung), reach.delay_s(clock_s))
        mean_s = self.history(queue).handle_mean_s
        finishing = 1.0 - exp(-within_s / mean_s)
        free = 0.0
        for group in self._groups(line):
            idle = len(group.idle[line.order])
            free += self._share(queue, group) * (idle + (group.available - idle) * finishing)
        return free - self._present_ahead_of(contact, now)

    def _ahead_of(self, contact: Contact, now: float) -> int:
        key, mine = self.key(contact, now), contact.rules.queue
        others = self._board.contacts.values()
        return sum(1 for each in others if each.rules.queue == mine and not each.offers and self.key(each, now) < key)

    def _present_ahead_of(self, contact: Contact, now: float) -> int:
        key, mine = self.key(contact, now), contact.rules.queue
        others = self._board.contacts.values()
        return sum(1 for each in others if each.waits and each.rules.queue == mine and self.key(each, now) < key)

    def key(self, contact: Contact, now: float) -> SortKey:
        """Sorted by this, contacts stand in the order of service."""
        entered = contact.entered
        return self._board.order.sort_key(entered.value_tier, entered.entered_at, entered.contact_id, now)

    def _waiting(self, queue: str, tier: int) -> int:
        """Contacts of the queue that a newcomer of this tier would find before them, by count alone."""
        everybody = self._board.in_queue.get(queue, 0)
        if self._board.order.policy.discipline is Discipline.LIFO:
            return 0
        if self._board.order.policy.discipline is Discipline.STRICT:
            lines = self._board.matching.lines.values()
            return sum(len(line.waiting) for line in lines if line.queue == queue and line.tier <= tier)
        return everybody

    def _groups(self, line: Line) -> list[Group]:
        return [group for bucket in line.buckets if bucket.gate is None or bucket.gate.open for group in bucket.groups]

    def _line(self, contact: Contact, now: float) -> Line:
        """Where the contact waits or, if it waits for its preferred agent alone, where it would without them."""
        if contact.line.buckets:
            return contact.line
        return self._board.line(contact.ladder, contact.rung, contact.ladder.delay_s(contact.clock(now)))

    def _places(self, queue: str) -> Places | None:
        """Who waits in this queue; None if they keep their places for as long as they wait."""
        policy = self._board.order.policy
        if not may_change(policy):
            return None
        others = self._board.contacts.values()
        waiting = (each.entered for each in others if each.rules.queue == queue and not each.offers)
        return Places(policy, ((entered.value_tier, entered.entered_at) for entered in waiting))

    def _foretold(self, contact: Contact, outlook: Outlook, ahead: int, places: Places | None, now: float) -> Estimate:
        """The wait of a contact that is behind `ahead` others now, and may be behind others when its turn comes."""
        tier, entered_at = contact.entered.value_tier, contact.entered.entered_at
        if places is None or outlook.serving <= 0.0:
            return outlook.estimate(ahead, tier)
        count = places.ahead_at_turn(tier, entered_at, lambda each: now + outlook.estimate(each, tier).mean_s)
        told = outlook.estimate(count, tier)
        if count < outlook.idle:
            return replace(told, position=ahead + 1)
        next_s = outlook.estimate(count + 1, tier).mean_s - told.mean_s
        gained = next_s * places.passed_per_s(tier, entered_at, now + told.mean_s, max(_AROUND * told.mean_s, 1.0))
        # It overtakes more if the line moves slowly, and fewer if fast: so its wait varies less than the line. But not
        # the last step: once nobody is before it, it waits for the next free agent, whomever it could overtake.
        last = 1.0 / (count - outlook.idle + 1.0)
        times = 1.0 / sqrt(last + (1.0 - last) / max(1.0 + gained, _NARROWED_MIN) ** 2)
        # Who overtakes comes to be first between two steps of the line, and from then on waits for a whole one, not for
        # the half that would be left of it on average if all steps took as long.
        later_s = next_s / 2.0 * (1.0 - 1.0 / (1.0 + max(gained, 0.0)))
        return replace(told.narrowed(times).later(later_s), position=ahead + 1)

    def _prospect(self, contact: Contact, agents: int, estimate: Estimate | None, now: float) -> Prospect:
        entered = contact.entered
        return Prospect(
            queue=contact.rules.queue,
            step=contact.step_told,
            requires=show(contact.line.requires),
            score=self._board.order.score(entered.value_tier, entered.entered_at, now),
            overdue=self._board.order.due_at(entered.value_tier, entered.entered_at) <= now,
            agents=agents,
            estimate=estimate,
        )

    def _outlook(self, contact: Contact, talking_since: dict[int, list[float]], now: float) -> tuple[Outlook, int]:
        """The contact's line as it stands, and how many agents are at work for it."""
        queue = contact.rules.queue
        groups = self._groups(self._line(contact, now))
        outlook = self.history(queue).outlook(
            serving=self._serving(queue, groups),
            idle=sum([len(next(iter(group.idle.values()))) for group in groups]),
            ages=[now - since for group in groups for since in talking_since.get(id(group), ())],
            now=now,
            policy=self._board.order.policy,
        )
        return outlook, sum([group.available for group in groups])

    def _serving(self, queue: str, groups: list[Group]) -> float:
        """Agents for this queue, each by their share."""
        return sum([group.available * self._share(queue, group) for group in groups])

    def _talking_since(self) -> dict[int, list[float]]:
        """Since when each agent who talks does, by their group."""
        found: dict[int, list[float]] = {}
        for agent in self._board.agents.values():
            if agent.activity is Activity.TALKING and not agent.retired:
                found.setdefault(id(self._board.matching.group_of[agent.agent_id]), []).append(agent.talk_since)
        return found

    def _share(self, queue: str, group: Group) -> float:
        """Which part of the group's work is this queue's, by the contacts of late; even, where nothing is known.

        Only queues count that somebody has entered.
        """
        in_use = self._board.in_queue
        others = [each for each in self._board.matching.serves(group) if each != queue and each in in_use]
        if not others:
            return 1.0
        starts = self._starts
        own = starts[queue][0] if queue in starts else 0.0
        total = own + sum([starts[each][0] for each in others if each in starts])
        return (own + 1.0) / (total + len(others) + 1)
