"""What happened, as facts that add up: a visit to a queue, an offer, an agent's state are a handful of facts each.

A fact says: this quantity, so much of it, at this instant. Facts only ever add up, in whole microseconds and whole
contacts, so half-hours sum to the day exactly. A fact lies in the interval of *enqueue* (view ENTERED: what became of
those who entered then) or in that of its own event (view EVENT: what was done then). `callcenter.db.reports` counts the
same quantities in SQL; a test holds the two together. Instants are seconds since the epoch, durations seconds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias, assert_never

US_PER_S: Final = 1_000_000
ANSWER_IN_S: Final = 20.0
SHORT_ABANDON_S: Final = 5.0

ENDINGS: Final = {
    "answered": "answered",
    "abandoned": "abandoned",
    "callback": "callbacks",
    **dict.fromkeys(("diverted", "overflow", "timeout", "closed", "voicemail", "goodbye"), "flow_outs"),
}
"""Outcome of a visit → the quantity it counts in. Any other outcome is our failure: lost."""

SETTLEMENTS: Final = {
    "accepted": "offers_accepted",
    "caller_gone": "offers_caller_gone",
    **dict.fromkeys(("rejected", "no_answer", "busy", "unreachable"), "offers_unanswered"),
}
"""Outcome of an offer → the quantity it counts in. Any other outcome was our doing: withdrawn."""

_IN_TIME: Final = frozenset({"answered", "abandoned", "callbacks"})
_TALKED: Final = frozenset({"answered", "callbacks"})


class View(StrEnum):
    """To which interval a fact belongs."""

    ENTERED = "entered"
    EVENT = "event"


class By(StrEnum):
    """What rows are made for; SITE: one for everything."""

    SITE = "site"
    QUEUE = "queue"
    AGENT = "agent"
    SKILL = "skill"
    VALUE_TIER = "value_tier"
    DIALED = "dialed"
    LANGUAGE = "language"


@dataclass(frozen=True, slots=True)
class Visit:
    """A contact's stay in one queue, and what came of it; the next queue of the same contact is another visit.

    `outcome` is None while it waits. `wait_s` is entered → left; `ring_s` the part of it in which a phone was rung.
    `agent_id` answered. `done_at` is when talk and wrap-up were over, None until then; `talk_s` is without `hold_s`.
    """

    contact_id: str
    queue: str
    entered_at: float
    value_tier: str = ""
    dialed: str = ""
    language: str = ""
    skills: tuple[str, ...] = ()
    outcome: str | None = None
    left_at: float | None = None
    wait_s: float = 0.0
    ring_s: float = 0.0
    agent_id: str | None = None
    talk_s: float = 0.0
    hold_s: float = 0.0
    wrap_up_s: float = 0.0
    done_at: float | None = None
    answer_in_s: float = ANSWER_IN_S
    short_abandon_s: float = SHORT_ABANDON_S

    def __post_init__(self) -> None:
        assert (self.outcome is None) == (self.left_at is None), "a visit that is over says how"


@dataclass(frozen=True, slots=True)
class Offer:
    """A settled offer of a visit to an agent."""

    visit: Visit
    agent_id: str
    made_at: float
    settled_at: float
    outcome: str

    @property
    def contact_id(self) -> str:
        """Who was offered."""
        return self.visit.contact_id


@dataclass(frozen=True, slots=True)
class AgentState:
    """An agent in one state from `started_at` to `ended_at`; `contact_id` is whom they were busy with, if anybody."""

    agent_id: str
    presence: str
    activity: str
    started_at: float
    ended_at: float
    contact_id: str | None = None


Record: TypeAlias = Visit | Offer | AgentState


class Fact(NamedTuple):
    """So much of a quantity (whole microseconds if it is a time) at an instant, and the record that says so."""

    quantity: str
    at: float
    amount: int
    record: Record


def facts(record: Record, view: View = View.ENTERED) -> Iterator[Fact]:
    """Everything that a record adds to."""
    match record:
        case Visit():
            yield from _of_visit(record, view)
        case Offer():
            at = record.visit.entered_at if view is View.ENTERED else record.settled_at
            yield Fact(SETTLEMENTS.get(record.outcome, "offers_withdrawn"), at, 1, record)
        case AgentState():
            quantity = _state_quantity(record)
            if quantity is not None:
                # Rounded at both ends, so that the parts of a state add up to the state.
                yield Fact(quantity, record.started_at, _us(record.ended_at) - _us(record.started_at), record)
        case _:
            assert_never(record)


def _of_visit(visit: Visit, view: View) -> Iterator[Fact]:
    entered_at = visit.entered_at
    yield Fact("entered", entered_at, 1, visit)
    if visit.left_at is None:
        yield Fact("waiting", entered_at, 1, visit)
        return
    left_at = entered_at if view is View.ENTERED else visit.left_at
    wait_us = _us(visit.wait_s)
    ending = ENDINGS.get(visit.outcome or "", "lost")
    yield Fact(ending, left_at, 1, visit)
    if ending in _IN_TIME and wait_us <= _us(visit.answer_in_s):
        yield Fact(f"{ending}_in_time", left_at, 1, visit)
    if ending == "abandoned" and wait_us <= _us(visit.short_abandon_s):
        yield Fact("short_abandons", left_at, 1, visit)
    if ending == "answered":
        yield Fact("wait_s", left_at, wait_us, visit)
        yield Fact("ring_s", left_at, _us(visit.ring_s), visit)
    if ending in _TALKED and visit.done_at is not None:
        done_at = entered_at if view is View.ENTERED else visit.done_at
        yield Fact("handled", done_at, 1, visit)
        yield Fact("talk_s", done_at, _us(visit.talk_s), visit)
        yield Fact("hold_s", done_at, _us(visit.hold_s), visit)
        yield Fact("wrap_up_s", done_at, _us(visit.wrap_up_s), visit)


def _state_quantity(state: AgentState) -> str | None:
    """Busy is busy whatever the presence; idle counts only for who is available."""
    if state.activity == "idle":
        return "agent_idle_s" if state.presence == "available" else None
    return f"agent_{state.activity}_s"


def _us(duration_s: float) -> int:
    return round(duration_s * US_PER_S)


def groups(record: Record, by: By) -> tuple[str | None, ...]:
    """The groups that a record is counted in; several for SKILL, none where it can't be told; None: in nobody's."""
    if by is By.SITE:
        return (None,)
    if by is By.AGENT:
        return (record.agent_id,)
    if isinstance(record, AgentState):
        return ()  # who is idle is idle for every queue, tier and language at once
    visit = record if isinstance(record, Visit) else record.visit
    return visit.skills if by is By.SKILL else (getattr(visit, by.value),)


def split(state: AgentState, at: Sequence[float]) -> Iterator[AgentState]:
    """The parts of a state that lie between the edges `at`, each within one interval."""
    between = at[bisect_right(at, state.started_at) : bisect_left(at, state.ended_at)]
    starts = [state.started_at, *between]
    for start, end in zip(starts, [*starts[1:], state.ended_at], strict=True):
        if at[0] <= start < end <= at[-1]:
            yield replace(state, started_at=start, ended_at=end)
