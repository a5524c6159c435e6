"""Values the ACD thinks in: skills and needs, agents and queues as the site describes them, their states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

SkillId: TypeAlias = str

RONA = "RONA"
"""The aux code that the system imposes on an agent whose offer rang unanswered."""


class Presence(StrEnum):
    """What the agent chose (or, for aux RONA, what a missed offer imposed)."""

    LOGGED_OUT = "logged_out"
    AVAILABLE = "available"
    AUX = "aux"


class Activity(StrEnum):
    """What the system imposed on the agent."""

    IDLE = "idle"
    RESERVED = "reserved"
    TALKING = "talking"
    WRAP_UP = "wrap_up"


class Outcome(StrEnum):
    """How an offer settled; an offer without one is pending."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    CALLER_GONE = "caller_gone"
    RESCINDED = "rescinded"
    FAILED = "failed"


class AgentOrder(StrEnum):
    """Which idle agent a queue prefers; both end in longest idle, then agent id."""

    LONGEST_IDLE = "longest_idle"
    MOST_PROFICIENT = "most_proficient"


@dataclass(frozen=True, slots=True)
class Race:
    """A cell of a machine's table that changes nothing: two messages crossed, and this is how."""

    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A presence as chosen; `aux_code` says why for AUX and is None otherwise."""

    presence: Presence
    aux_code: str | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """Least proficiency (1…5) by skill, in one canonical form: equal needs are equal values. Build with `of`."""

    levels: tuple[tuple[SkillId, int], ...] = ()

    @classmethod
    def of(cls, levels: Mapping[SkillId, int]) -> Needs:
        """The needs that `levels` describes; asserts every level is in 1…5."""
        assert all(1 <= level <= 5 for level in levels.values()), levels
        return cls(tuple(sorted(levels.items())))

    def joined(self, other: Needs) -> Needs:
        """Needs that are met exactly by who meets both: the higher level of each skill."""
        levels = dict(self.levels)
        for skill, level in other.levels:
            levels[skill] = max(level, levels.get(skill, 0))
        return Needs.of(levels)

    def met_by(self, skills: Mapping[SkillId, int]) -> bool:
        """Whether every skill is held at its level or better."""
        return all(skills.get(skill, 0) >= level for skill, level in self.levels)

    def proficiency_of(self, skills: Mapping[SkillId, int]) -> int:
        """How well `skills` answer the needs: the sum of the levels held in the needed skills."""
        return sum(skills.get(skill, 0) for skill, _ in self.levels)


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """An agent as the site describes them: proficiency 1…5 by skill; a skill not listed is not held."""

    agent_id: str
    skills: Mapping[SkillId, int]


@dataclass(frozen=True, slots=True)
class QueueRules:
    """How a queue hands out its contacts.

    `needs` bind every contact of the queue. After an offer that came to nothing the agent is spared for
    `reject_delay_s` (refused), `busy_delay_s` (the phone was busy) or `fault_delay_s` (the phone was unreachable,
    or the offer failed on our side; the phone's next registration ends that delay at once). No answer within
    `ring_s` sends the agent to aux RONA.
    """

    queue: str
    needs: Needs = Needs()
    ring_s: float = 20.0
    wrap_up_s: float = 15.0
    agent_order: AgentOrder = AgentOrder.LONGEST_IDLE
    reject_delay_s: float = 5.0
    busy_delay_s: float = 10.0
    fault_delay_s: float = 5.0

    def delay_s(self, outcome: Outcome) -> float:
        """Seconds for which the agent gets no offer after this outcome."""
        match outcome:
            case Outcome.REJECTED:
                return self.reject_delay_s
            case Outcome.BUSY:
                return self.busy_delay_s
            case Outcome.UNREACHABLE | Outcome.FAILED:
                return self.fault_delay_s
            case _:
                return 0.0


class UnknownQueueError(LookupError):
    """The input names a queue that the running site does not have; nothing changed."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"no queue {queue!r} in the running site")
        self.queue = queue


class UnknownAgentError(LookupError):
    """The input names an agent that the running site does not have; nothing changed."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"no agent {agent_id!r} in the running site")
        self.agent_id = agent_id
