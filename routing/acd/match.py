"""Who could serve whom, kept so that a match compares heads and never scans contacts or agents.

Agents who differ in nothing that routing looks at form a *group*; contacts of one queue, value tier and reach form a
*line*. Which group may serve which line depends on the site alone and is worked out when the line is made. Inside a
group the idle agents are sorted by their standing, inside a line the contacts by age, neither of which changes with
time. So an arriving contact looks at the heads of a few groups, and a free agent at the heads of a few lines.

What does change with time is a contact's reach; it then moves to another line, with the same key.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Sequence
from math import inf
from typing import TypeAlias

from routing.acd.standing import ORDER_KEPT, Standing
from routing.model import AgentOrder, AgentProfile, Loan, Membership, QueueRules
from routing.policy import Discipline, TierPolicy
from routing.requirement import All, Held, Named, Requirement, atoms, met, proficiency

Head: TypeAlias = tuple[float, str]
"""(key, contact id) of a waiting contact: smaller is served first within its line."""

Candidate: TypeAlias = tuple[int, Head]
"""(tier, the first contact of it)."""

_LAST: Head = (inf, "")

_LENT = 1_000_000
"""The rank of borrowed agents: after all that the queue has itself."""


class Gate:
    """Whether one queue's loan of agents is on; the engine opens and shuts it."""

    __slots__ = ("borrower", "loan", "open")

    def __init__(self, borrower: str, loan: Loan) -> None:
        self.borrower, self.loan = borrower, loan
        self.open = False


class Shelf:
    """The lines that a group serves at one rank; those behind a gate only while it is open.

    `waiting` holds, by tier, who waits in each line: the lists are the lines' own, for a quick look at all of them.
    """

    __slots__ = ("gate", "lines", "rank", "waiting")

    def __init__(self, rank: int, gate: Gate | None, tiers: int) -> None:
        self.rank, self.gate = rank, gate
        self.lines: list[Line] = []
        self.waiting: list[list[list[Head]]] = [[] for _ in range(tiers)]

    def add(self, line: Line) -> None:
        """Serve this line from now on."""
        self.lines.append(line)
        self.waiting[line.tier].append(line.waiting)

    def heads(self) -> list[Candidate]:
        """The first contact of each tier in which anybody waits."""
        found = []
        for tier, lines in enumerate(self.waiting):
            first_at, first = inf, _LAST
            for waiting in lines:
                if waiting:
                    head = waiting[0]
                    at = head[0]  # comparing instants alone is cheaper, and nearly always enough
                    if at <= first_at and (at < first_at or head < first):
                        first_at, first = at, head
            if first is not _LAST:
                found.append((tier, first))
        return found

    def oldest(self) -> list[Candidate]:
        """The oldest contact of each line, where the first is not the oldest."""
        return [(line.tier, line.oldest) for line in self.lines if line.waiting]


class Group:
    """Agents alike; `sample` is any of them. `idle` lists who is ready, by order.

    `staffed` counts those logged in, `available` those of them whose presence is available, busy or not.
    """

    __slots__ = ("available", "idle", "sample", "serves", "shelves", "staffed")

    def __init__(self, sample: AgentProfile, orders: Iterable[AgentOrder]) -> None:
        self.sample = sample
        self.idle: dict[AgentOrder, list[Standing]] = {order: [] for order in orders}
        self.shelves: list[Shelf] = []
        self.serves: tuple[str, ...] | None = None  # Matching.serves, once it was asked
        self.staffed = 0
        self.available = 0

    def add(self, order: AgentOrder, standing: Standing) -> None:
        """An agent of this group is ready and finds no contact."""
        insort(self.idle[order], standing)

    def remove(self, order: AgentOrder, standing: Standing) -> None:
        """That agent is not idle any more; they must have been added with this very standing."""
        listed = self.idle[order]
        at = bisect_left(listed, standing)
        assert listed[at] == standing, "only who is idle can be taken"
        del listed[at]

    def shelf(self, rank: int, gate: Gate | None, tiers: int) -> Shelf:
        """Where the lines stand that it serves at this rank."""
        for shelf in self.shelves:
            if shelf.rank == rank and shelf.gate is gate:
                return shelf
        shelf = Shelf(rank, gate, tiers)
        self.shelves.append(shelf)
        self.shelves.sort(key=lambda each: each.rank)
        return shelf


class Bucket:
    """Groups that a line prefers equally, and the rank at which they serve it.

    `idle` holds who is ready in each, in the order by which the line takes agents: the lists are the groups' own.
    """

    __slots__ = ("gate", "groups", "idle", "order", "rank")

    def __init__(self, rank: int, gate: Gate | None, order: AgentOrder) -> None:
        self.rank, self.gate, self.order = rank, gate, order
        self.groups: list[Group] = []
        self.idle: list[list[Standing]] = []

    def add(self, group: Group) -> None:
        """From now on one group more."""
        self.groups.append(group)
        self.idle.append(group.idle[self.order])

    def heads(self, passed_over: Collection[str]) -> list[Standing]:
        """The first of each group who is not passed over; few ever are, so the search beyond the head is short."""
        found = (next((each for each in idle if each[2] not in passed_over), None) for idle in self.idle)
        return [head for head in found if head is not None]


class Service:
    """Who serves the lines, one a tier, of contacts with the same reach; `shelves` are those on which they stand."""

    __slots__ = ("buckets", "shelves")

    def __init__(self, buckets: Sequence[Bucket] = ()) -> None:
        self.buckets = buckets
        self.shelves: list[Shelf] = []


class Line:
    """Contacts of one queue, tier and reach; `buckets` are the groups that may serve them, best first.

    `waiting` is in the order of service: the oldest first or, with LIFO, the youngest, whose key is negative.
    """

    __slots__ = ("buckets", "lifo", "order", "queue", "requires", "tier", "waiting")

    def __init__(
        self, rules: QueueRules, requires: Requirement, tier: int, buckets: Sequence[Bucket], *, lifo: bool
    ) -> None:
        self.queue = rules.queue
        self.requires = requires
        self.tier = tier
        self.order = ORDER_KEPT[rules.agent_order]
        self.lifo = lifo
        self.buckets = buckets
        self.waiting: list[Head] = []

    def push(self, entered_at: float, contact_id: str) -> None:
        """A contact waits in this line from now on."""
        insort(self.waiting, (-entered_at if self.lifo else entered_at, contact_id))

    def remove(self, entered_at: float, contact_id: str) -> None:
        """A contact waits here no more; it must have been added with this very instant."""
        waiting, head = self.waiting, (-entered_at if self.lifo else entered_at, contact_id)
        at = bisect_left(waiting, head)
        assert waiting[at] == head, "only who waits here can be taken"
        del waiting[at]

    @property
    def oldest(self) -> Head:
        """When the contact of the greatest age entered, and its id; the line must not be empty."""
        if not self.lifo:
            return self.waiting[0]
        key, contact_id = self.waiting[bisect_left(self.waiting, (self.waiting[-1][0], ""))]
        return (-key, contact_id)

    @property
    def staffed(self) -> bool:
        """Whether anyone who could serve it now or once they are free is logged in."""
        return any(
            group.staffed
            for bucket in self.buckets
            if bucket.gate is None or bucket.gate.open
            for group in bucket.groups
        )

    def first_agent(self, passed_over: Collection[str]) -> tuple[Bucket | None, list[Standing]]:
        """Where the next agent is, and the heads compared there, the best first.

        Agents in `passed_over` are taken only when nobody else is idle.
        """
        for spared in (passed_over, ()) if passed_over else ((),):
            for bucket in self.buckets:
                if bucket.gate is not None and not bucket.gate.open:
                    continue
                heads = bucket.heads(spared) if spared else [idle[0] for idle in bucket.idle if idle]
                if heads:
                    if len(heads) > 1:
                        heads.sort()
                    return bucket, heads
        return None, []

    def ready(self) -> list[str]:
        """Every ready agent who may serve this line, best first."""
        standings: list[Standing] = []
        for bucket in self.buckets:
            if bucket.gate is None or bucket.gate.open:
                standings += sorted(each for idle in bucket.idle for each in idle)
        return [agent_id for _, _, agent_id in standings]


_Key: TypeAlias = tuple[object, ...]


def _nobody_listed(agent_id: str, before: Group, after: Group) -> None:
    """Nothing to do when an agent changes groups: none is listed as idle yet."""


class Matching:
    """All groups and lines under one site. Lines and groups of one agent are made when they are first needed.

    `moved` is told when an agent comes into a group of their own, so that what is listed in the old one moves along.
    """

    def __init__(
        self,
        queues: Iterable[QueueRules],
        agents: Iterable[AgentProfile],
        policy: TierPolicy,
        moved: Callable[[str, Group, Group], None] = _nobody_listed,
    ) -> None:
        self._queues = queues = tuple(queues)
        self._moved = moved
        self.tiers = len(policy.tiers)
        self.orders = sorted({ORDER_KEPT[rules.agent_order] for rules in queues} or {AgentOrder.LONGEST_IDLE})
        self.gates: list[Gate] = [Gate(rules.queue, loan) for rules in queues for loan in rules.loans]
        self.lines: dict[_Key, Line] = {}
        self.groups: dict[_Key, Group] = {}
        self._lifo = policy.discipline is Discipline.LIFO
        self._services: dict[tuple[str, Requirement, float], Service] = {}
        self.group_of: dict[str, Group] = {}  # by agent
        self.desks: dict[str, dict[int, Line]] = {}  # by agent and tier: contacts that wait for this agent alone
        self._delays: dict[str, set[float]] = {}
        self._by_skill: dict[str, list[Group]] = {}
        self._profiles = {profile.agent_id: profile for profile in agents}
        for profile in self._profiles.values():
            self._admit(profile)

    def delays(self, queue: str) -> Iterable[float]:
        """The delays with which members see this queue."""
        return self._delays.get(queue, ())

    def serves(self, group: Group) -> tuple[str, ...]:
        """The queues that the group has a part in, its own or by a loan, and of whose steps it meets at least one."""
        if group.serves is None:
            group.serves = tuple(rules.queue for rules in self._queues if self._has_a_part(group.sample, rules))
        return group.serves

    def _has_a_part(self, sample: AgentProfile, rules: QueueRules) -> bool:
        membership, _ = self._part(sample, rules)
        if membership is None or not met(rules.requires, sample):
            return False
        return any(met(step.requires, sample) for step in rules.steps)

    def desk_line(self, agent_id: str, rules: QueueRules, tier: int) -> Line:
        """The line of contacts of this tier that wait for this agent alone, from whatever queue."""
        desk = self.desks.setdefault(agent_id, {})
        tier = min(tier, self.tiers - 1)
        if tier not in desk:
            desk[tier] = Line(rules, Named(agent_id), tier, (), lifo=self._lifo)
        return desk[tier]

    def line(self, rules: QueueRules, requires: Requirement, delay_s: float, tier: int) -> Line:
        """The line of contacts in this queue and tier that require this and whom members up to this delay see."""
        tier = min(tier, self.tiers - 1)
        key = (rules.queue, requires, delay_s, tier)
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = self._new_line(rules, requires, delay_s, tier)
        return line

    def _admit(self, profile: AgentProfile) -> None:
        memberships = profile.memberships
        key: _Key = (
            tuple(sorted(profile.skills.items())),
            profile.experience,
            profile.team,
            profile.location,
            None if memberships is None else tuple(sorted((q, m.rank, m.delay_s) for q, m in memberships.items())),
        )
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = self._new_group(profile)
            for queue, membership in (memberships or {}).items():
                self._delays.setdefault(queue, set()).add(membership.delay_s)
        self.group_of[profile.agent_id] = group

    def _new_group(self, sample: AgentProfile) -> Group:
        group = Group(sample, self.orders)
        for skill in sample.skills:
            self._by_skill.setdefault(skill, []).append(group)
        return group

    def _new_line(self, rules: QueueRules, requires: Requirement, delay_s: float, tier: int) -> Line:
        key = (rules.queue, requires, delay_s)
        service = self._services.get(key)
        if service is None:
            service = self._services[key] = self._new_service(rules, requires, delay_s)
        line = Line(rules, requires, tier, service.buckets, lifo=self._lifo)
        for shelf in service.shelves:
            shelf.add(line)
        return line

    def _new_service(self, rules: QueueRules, requires: Requirement, delay_s: float) -> Service:
        for atom in atoms(requires):
            if isinstance(atom, Named) and atom.agent_id in self.group_of:
                self._isolate(atom.agent_id)
        order = ORDER_KEPT[rules.agent_order]
        better = {AgentOrder.MOST_PROFICIENT: -1, AgentOrder.LEAST_PROFICIENT: 1}.get(rules.agent_order, 0)
        buckets: dict[tuple[int, int], Bucket] = {}
        for group in self._candidates(requires):
            membership, gate = self._part(group.sample, rules)
            if membership is None or membership.delay_s > delay_s or not met(requires, group.sample):
                continue
            level = better * proficiency(requires, group.sample.skills) if better else 0
            bucket = buckets.setdefault((membership.rank, level), Bucket(membership.rank, gate, order))
            bucket.add(group)
        service = Service(tuple(buckets[key] for key in sorted(buckets)))
        for bucket in service.buckets:
            for group in bucket.groups:
                self._shelve(service, bucket, group)
        return service

    def _shelve(self, service: Service, bucket: Bucket, group: Group) -> Shelf:
        shelf = group.shelf(bucket.rank, bucket.gate, self.tiers)
        service.shelves.append(shelf)
        return shelf

    def _candidates(self, requires: Requirement) -> Iterable[Group]:
        """Groups among which are all that meet the requirement: those with the rarest skill that it insists on."""
        parts = requires.parts if isinstance(requires, All) else (requires,)
        indexed = [self._by_skill.get(part.skill, []) for part in parts if isinstance(part, Held)]
        if not indexed:
            return self.groups.values()
        rarest: list[Group] = min(indexed, key=len)
        return rarest

    def _part(self, sample: AgentProfile, rules: QueueRules) -> tuple[Membership | None, Gate | None]:
        """The group's part in a queue: its own, or what the queue borrows, with the gate of the loan."""
        membership = sample.membership(rules.queue)
        if membership is not None:
            return membership, None
        for at, gate in enumerate(each for each in self.gates if each.borrower == rules.queue):
            if sample.membership(gate.loan.lender) is not None:
                return Membership(rank=_LENT + at), gate
        return None, None

    def _isolate(self, agent_id: str) -> None:
        """Give an agent whom some requirement names a group of their own, which serves all that theirs serves."""
        if (agent_id,) in self.groups:
            return
        known = self.group_of[agent_id]
        own = self.groups[(agent_id,)] = self._new_group(self._profiles[agent_id])
        self.group_of[agent_id] = own
        stay = (each for each, group in self.group_of.items() if group is known)
        if (other := next(stay, None)) is not None:
            known.sample = self._profiles[other]
        for service in self._services.values():
            for bucket in service.buckets:
                if known in bucket.groups:
                    bucket.add(own)
                    shelf = self._shelve(service, bucket, own)
                    for line in self.lines.values():
                        if line.buckets is service.buckets:
                            shelf.add(line)
        self._moved(agent_id, known, own)
