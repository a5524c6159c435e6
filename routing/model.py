"""Values the ACD thinks in: agents and queues as the site describes them, and the states they can be in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias

from routing.requirement import ANYONE, Requirement

SkillId: TypeAlias = str

RONA = "RONA"
"""The aux code that the system imposes on an agent whose offer rang unanswered."""


class Presence(StrEnum):
    """What the agent chose (or, for aux RONA, what a missed offer imposed)."""

    __hash__ = str.__hash__  # Enum's own is a function in Python, and these are keys of the tables

    LOGGED_OUT = "logged_out"
    AVAILABLE = "available"
    AUX = "aux"


class Activity(StrEnum):
    """What the system imposed on the agent."""

    __hash__ = str.__hash__  # Enum's own is a function in Python, and these are keys of the tables

    IDLE = "idle"
    RESERVED = "reserved"
    TALKING = "talking"
    WRAP_UP = "wrap_up"


class Outcome(StrEnum):
    """How an offer settled; an offer without one is pending."""

    __hash__ = str.__hash__  # Enum's own is a function in Python, and these are keys of the tables

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    CALLER_GONE = "caller_gone"
    RESCINDED = "rescinded"
    FAILED = "failed"


class AgentOrder(StrEnum):
    """Which idle agent a queue prefers. After the queue's rank for the agent; ties end in longest idle, then agent id.

    LEAST_OCCUPIED goes by the share of recent time spent on contacts (exponentially forgotten), FEWEST_CONTACTS by the
    contacts taken since logging in (a newcomer begins level with whoever took fewest), ROUND_ROBIN by who was offered
    a contact longest ago, LINEAR by the order of the site, WEIGHTED gives out contacts in proportion to the agents'
    weights, without drawing lots.
    """

    __hash__ = str.__hash__

    LONGEST_IDLE = "longest_idle"
    LEAST_OCCUPIED = "least_occupied"
    MOST_PROFICIENT = "most_proficient"
    LEAST_PROFICIENT = "least_proficient"
    FEWEST_CONTACTS = "fewest_contacts"
    ROUND_ROBIN = "round_robin"
    LINEAR = "linear"
    WEIGHTED = "weighted"


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
class Membership:
    """An agent's part in a queue. Lower ranks come first, both ways; contacts younger than `delay_s` are hidden."""

    rank: int = 1
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """An agent as the site describes them: proficiency 0…100 by skill; a skill not listed is not held.

    `memberships` by queue: None means every queue whose requirement the agent meets, at rank 1 without delay.
    `experience` is the level S294 speaks of; `weight` is for AgentOrder.WEIGHTED.
    """

    agent_id: str
    skills: Mapping[SkillId, int]
    experience: int = 0
    team: str | None = None
    location: str | None = None
    weight: float = 1.0
    memberships: Mapping[str, Membership] | None = None

    def membership(self, queue: str) -> Membership | None:
        """The agent's part in this queue; None if they have none."""
        if self.memberships is None:
            return _EVERYWHERE
        return self.memberships.get(queue)


_EVERYWHERE = Membership()


class ExitKind(StrEnum):
    """Where a contact goes that leaves a queue by rule."""

    QUEUE = "queue"  # another one, with its age
    CALLBACK = "callback"  # it is offered to be called back
    VOICEMAIL = "voicemail"
    GOODBYE = "goodbye"  # the closed treatment: a prompt, then hang up


@dataclass(frozen=True, slots=True)
class Exit:
    """The way out of a queue; `queue` is set for kind QUEUE and None otherwise."""

    kind: ExitKind
    queue: str | None = None

    def __post_init__(self) -> None:
        assert (self.queue is not None) == (self.kind is ExitKind.QUEUE)


@dataclass(frozen=True, slots=True)
class Step:
    """Who may serve a contact once its step clock has reached `after_s`; it replaces the step before.

    The step clock counts the contact's wait in this queue and stands still while an offer rings.
    With `skip_if_unstaffed` the step is left at once while nobody who meets `requires` is logged in.
    """

    requires: Requirement = ANYONE
    after_s: float = 0.0
    skip_if_unstaffed: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """When a queue takes nobody more, and where they go instead; a limit of None does not exist.

    `waiting_max` counts contacts in the queue, `wait_max_s` bounds the estimated wait (median), `unstaffed` refuses
    while nobody who could serve is logged in.
    """

    waiting_max: int | None = None
    wait_max_s: float | None = None
    unstaffed: bool = False
    otherwise: Exit = Exit(ExitKind.GOODBYE)


class Gauge(StrEnum):
    """By what the health of a queue is judged when it is asked for agents."""

    WAIT = "wait"  # estimated wait (median) of a contact that would enter now, seconds: lower is healthier
    SERVICE_LEVEL = "service_level"  # share of the last half hour answered in time: higher is healthier


@dataclass(frozen=True, slots=True)
class Loan:
    """The members of queue `lender` also serve this queue, after its own, while the lender is healthy.

    Lending begins when `gauge` reaches `begin` and ends when it comes to `end`: for WAIT `begin` < `end`, for
    SERVICE_LEVEL `begin` > `end`; between the two nothing changes. `without_data`: whether to lend while the gauge
    says nothing (no contact in the last half hour).
    """

    lender: str
    gauge: Gauge = Gauge.WAIT
    begin: float = 10.0
    end: float = 30.0
    without_data: bool = True


class CallbackMode(StrEnum):
    """Who is called first when a callback comes up."""

    AGENT_FIRST = "agent_first"
    CUSTOMER_FIRST = "customer_first"


@dataclass(frozen=True, slots=True)
class SoFar:
    """How far calling a customer back has come: attempts made, when it expires, and before when it is not tried."""

    attempts: int
    expires_at: float
    retry_at: float | None = None


KEPT_S_MAX = 2 * 86_400.0
"""A callback is over so long after it was promised; reports look so far back from a talk to the arrival."""


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """How a queue calls back. `dial_s`: how long a customer's phone is taken to ring until it is picked up."""

    mode: CallbackMode = CallbackMode.AGENT_FIRST
    dial_s: float = 15.0
    attempts_max: int = 3
    retry_s: float = 300.0
    expires_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class QueueRules:
    """How a queue hands out its contacts.

    `requires` binds every contact of the queue in every step. `exit_to` is taken once the step clock reaches
    `exit_after_s`; without it a contact waits on in the last step. A preferred agent is waited for
    `preferred_wait_s` (or as the tier says, the longer of the two).

    After an offer that came to nothing the agent is spared for `reject_delay_s` (refused), `busy_delay_s` (the phone
    was busy), `no_answer_delay_s` (rang out) or `fault_delay_s` (the phone was unreachable, or the offer failed on
    our side; the phone's next registration ends that delay at once). `misses_max` offers in a row that rang out send
    the agent to aux RONA. `ring_several` agents at most are rung at the same time for one contact.
    """

    queue: str
    requires: Requirement = ANYONE
    steps: tuple[Step, ...] = (Step(),)
    exit_to: Exit | None = None
    exit_after_s: float = 0.0
    ring_s: float = 20.0
    wrap_up_s: float = 15.0
    agent_order: AgentOrder = AgentOrder.LONGEST_IDLE
    preferred_wait_s: float = 0.0
    ring_several: int = 1
    misses_max: int = 1
    no_answer_delay_s: float = 0.0
    reject_delay_s: float = 5.0
    busy_delay_s: float = 10.0
    fault_delay_s: float = 5.0
    answer_in_s: float = 20.0
    limits: Limits = Limits()
    loans: tuple[Loan, ...] = ()
    callback: CallbackRules = CallbackRules()

    def __post_init__(self) -> None:
        assert self.steps, "a queue has at least one step"
        assert self.steps[0].after_s == 0.0, "the first step begins at once"
        assert all(a.after_s < b.after_s for a, b in pairwise(self.steps)), "steps come one after the other"

    def delay_s(self, outcome: Outcome) -> float:
        """Seconds for which the agent gets no offer after this outcome."""
        match outcome:
            case Outcome.REJECTED:
                return self.reject_delay_s
            case Outcome.BUSY:
                return self.busy_delay_s
            case Outcome.NO_ANSWER:
                return self.no_answer_delay_s
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
