"""The customers who are to be called back: who takes a callback, what they are told, and how the attempts go."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.messages import DialOutcome
from routing.simulate.draw import Callees
from routing.waiting.estimate import Estimate


@dataclass(slots=True)
class Course:
    """A callback so far. `agent_id` is who waits for the customer to pick up; `held_s` how long agents did.

    `on_line`: the customer has picked up and waits for an agent.
    """

    chosen_at: float
    slot: Estimate | None
    dialed_at: float = math.nan
    dials: int = 0
    agent_id: str | None = None
    held_s: float = 0.0
    on_line: bool = False


class Calling:
    """The callbacks of one day, by visit."""

    __slots__ = ("_callees", "courses")

    def __init__(self, callees: Callees | None) -> None:
        self._callees = callees
        self.courses: dict[int, Course] = {}

    @property
    def after_s(self) -> float:
        """After how long in line a callback is taken; inf if never."""
        return math.inf if self._callees is None else self._callees.after_s

    @property
    def holds_s(self) -> float:
        """How long a customer who picked up waits for an agent."""
        assert self._callees is not None
        return self._callees.holds_s

    def takes(self, customer: int) -> bool:
        """Whether this customer takes a callback when they may."""
        return self._callees is not None and self._callees.takes[customer]

    def dial(self, visit: int, customer: int, attempt: int, now: float) -> tuple[float, DialOutcome]:
        """Ring this customer: how long it rings, and how it ends. `attempt` counts from 1."""
        callees, course = self._callees, self.courses[visit]
        assert callees is not None
        if course.dials == 0:
            course.dialed_at = now
        course.dials += 1
        ring_s = callees.ring_s[min(attempt, len(callees.ring_s)) - 1][customer]
        if ring_s == math.inf:
            ring_s, outcome = callees.ring_max_s, DialOutcome.FAILED
        else:
            outcome = DialOutcome.REFUSED if callees.refuses[customer] else DialOutcome.ANSWERED
        if course.agent_id is not None:
            course.held_s += ring_s
        return ring_s, outcome


@dataclass(frozen=True, slots=True)
class Columns:
    """The callbacks as columns of a record."""

    chosen_at: NDArray[np.float64]
    slot: NDArray[np.object_]
    dialed_at: NDArray[np.float64]
    dials: NDArray[np.int_]
    held_s: NDArray[np.float64]

    @classmethod
    def of(cls, courses: Mapping[int, Course], visits: int) -> Columns:
        """A row for each visit; those who took no callback have none of it."""
        columns = cls(
            np.full(visits, math.nan),
            np.full(visits, None, dtype=object),
            np.full(visits, math.nan),
            np.zeros(visits, dtype=int),
            np.zeros(visits),
        )
        for visit, course in courses.items():
            columns.chosen_at[visit], columns.slot[visit] = course.chosen_at, course.slot
            columns.dialed_at[visit], columns.dials[visit] = course.dialed_at, course.dials
            columns.held_s[visit] = course.held_s
        return columns
