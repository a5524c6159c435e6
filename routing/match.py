"""Who could serve whom, kept so that a match compares heads and never scans contacts or agents.

Agents with the same skills form a *group*, contacts of one queue with the same needs a *line*. Which group may serve
which line depends on the site alone and is worked out once. Inside a group the idle agents are sorted by
`ready_since`, inside a line the contacts by priority, neither of which changes with time. So an arriving contact
looks at the heads of a few groups, and a free agent at the heads of a few lines.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from routing.heap import LazyHeap
from routing.model import AgentOrder, AgentProfile, Needs, QueueRules, SkillId
from routing.priority import Priority

Idle: TypeAlias = tuple[float, str]
"""(ready_since, agent id): smaller is longer idle."""

_SkillsKey: TypeAlias = tuple[tuple[SkillId, int], ...]


class Group:
    """The agents with exactly these skills, and the lines that they may serve."""

    __slots__ = ("idle", "lines", "skills")

    def __init__(self, skills: Mapping[SkillId, int]) -> None:
        self.skills = skills
        self.idle: list[Idle] = []
        self.lines: list[Line] = []

    def add(self, idle: Idle) -> None:
        """An agent of this group is ready and finds no contact."""
        insort(self.idle, idle)

    def remove(self, idle: Idle) -> None:
        """That agent is not idle any more; they must have been added with this very pair."""
        at = bisect_left(self.idle, idle)
        assert self.idle[at] == idle, "only who is idle can be taken"
        del self.idle[at]

    def first_line(self) -> tuple[Line | None, int]:
        """The line whose head is served next by an agent of this group, and how many heads were compared."""
        best: Line | None = None
        best_head: tuple[Priority, str] | None = None
        compared = 0
        for line in self.lines:
            heads = line.waiting.entries
            if heads:
                compared += 1
                if best_head is None or heads[0] < best_head:
                    best, best_head = line, heads[0]
        return best, compared


class Line:
    """The contacts of one queue with the same needs; `steps` are the groups that may serve them, best step first."""

    __slots__ = ("needs", "steps", "waiting")

    def __init__(self, needs: Needs, steps: list[list[Group]]) -> None:
        self.needs = needs
        self.steps = steps
        self.waiting: LazyHeap[Priority, str] = LazyHeap()

    def first_agent(self, passed_over: Collection[str]) -> tuple[str | None, int]:
        """The idle agent to serve this line's next contact, and how many candidates were compared.

        Agents in `passed_over` are taken only when nobody else is idle.
        """
        agent_id, compared = self._first_agent(passed_over)
        if agent_id is None and passed_over:
            return self._first_agent(())
        return agent_id, compared

    def _first_agent(self, passed_over: Collection[str]) -> tuple[str | None, int]:
        compared = 0
        for step in self.steps:
            best: Idle | None = None
            for group in step:
                idle = group.idle
                if not idle:
                    continue
                # Few agents are ever passed over, so the search beyond the head is short.
                head = next((each for each in idle if each[1] not in passed_over), None) if passed_over else idle[0]
                if head is None:
                    continue
                compared += 1
                if best is None or head < best:
                    best = head
            if best is not None:
                return best[1], compared
        return None, compared


class Matching:
    """All groups and lines under one site. Groups are fixed; a line is made when its first contact enters."""

    def __init__(self, agents: Iterable[AgentProfile]) -> None:
        self._lines: dict[tuple[str, Needs], Line] = {}
        self._groups: dict[_SkillsKey, Group] = {}
        self._group_of: dict[str, Group] = {}
        for profile in agents:
            skills = tuple(sorted(profile.skills.items()))
            group = self._groups.setdefault(skills, Group(profile.skills))
            self._group_of[profile.agent_id] = group

    def group(self, agent_id: str) -> Group:
        """The group of an agent of this site."""
        return self._group_of[agent_id]

    def line(self, rules: QueueRules, needs: Needs) -> Line:
        """The line for contacts of this queue with these needs on top of the queue's own."""
        line = self._lines.get((rules.queue, needs))
        if line is None:
            line = self._lines[rules.queue, needs] = self._new_line(rules, rules.needs.joined(needs))
        return line

    def _new_line(self, rules: QueueRules, needs: Needs) -> Line:
        able = [group for group in self._groups.values() if needs.met_by(group.skills)]
        steps = [able]
        if rules.agent_order is AgentOrder.MOST_PROFICIENT:
            by_proficiency: dict[int, list[Group]] = {}
            for group in able:
                by_proficiency.setdefault(needs.proficiency_of(group.skills), []).append(group)
            steps = [by_proficiency[level] for level in sorted(by_proficiency, reverse=True)]
        line = Line(needs, steps)
        for group in able:
            group.lines.append(line)
        return line
