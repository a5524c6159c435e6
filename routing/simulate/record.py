"""What came of a simulated day: every visit and every agent's time, before anything is averaged."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

OUT, IDLE, BUSY, AWAY = range(4)
"""The situations of an agent: logged out, ready, with a contact, in aux."""


class End(IntEnum):
    """How a wait ended."""

    WAITING = 0  # it did not: the day was over before
    ANSWERED = 1
    ABANDONED = 2
    SENT_AWAY = 3  # by a rule of the queue: full, closed, the last step
    UNREACHED = 4  # a callback, and no attempt reached the customer
    EXPIRED = 5  # a callback that did not come up in its time
    REFUSED = 6  # a callback that the customer did not want any more
    BLOCKED = 7  # no trunk was left for them: busy
    SELF_SERVED = 8  # by the IVR


class AgentTime:
    """How long an agent was in each situation so far; `since` is when the present one began."""

    __slots__ = ("rona", "since", "situation", "spent_s")

    def __init__(self) -> None:
        self.spent_s = [0.0, 0.0, 0.0, 0.0]
        self.situation = OUT
        self.since = 0.0
        self.rona = False

    def become(self, situation: int, now: float) -> None:
        """From now on the agent is in this one; telling the present one again changes nothing."""
        self.spent_s[self.situation] += now - self.since
        self.since = now
        self.situation = situation

    @property
    def idle_s(self) -> float:
        """Available and without a contact."""
        return self.spent_s[IDLE]

    @property
    def busy_s(self) -> float:
        """Ring, talk and wrap-up."""
        return self.spent_s[BUSY]

    @property
    def away_s(self) -> float:
        """Aux, without a contact."""
        return self.spent_s[AWAY]


@dataclass(frozen=True, slots=True)
class Record:
    """Columns by visit, in the order in which the visits were made known (first calls, then redials), and the agents.

    `queue` is the queue entered first (of who entered none, the one they would have), `tries` how many calls the same
    customer had made before. `left_at` is inf for who still waited at the end. `told` is the estimate announced on
    entering, None if nothing was. `inputs` counts the steps of the engine.

    Of callbacks: `chosen_at` is nan for who took none, `slot` the estimate of the wait from then on, `dialed_at` the
    first of `dials` attempts (nan before any), and `held_s` how long agents waited for the customer to pick up.
    `left_at` is the instant at which customer and agent talk, and `handle_s` counts from there.
    """

    customer: NDArray[np.intp]
    tries: NDArray[np.int_]
    queue: NDArray[Any]
    tier: NDArray[np.int_]
    entered_at: NDArray[np.float64]
    left_at: NDArray[np.float64]
    end: NDArray[np.int8]
    agent: NDArray[Any]
    handle_s: NDArray[np.float64]
    offers: NDArray[np.int_]
    told: NDArray[Any]
    chosen_at: NDArray[np.float64]
    slot: NDArray[Any]
    dialed_at: NDArray[np.float64]
    dials: NDArray[np.int_]
    held_s: NDArray[np.float64]
    agents: dict[str, AgentTime]
    inputs: int

    def __len__(self) -> int:
        return len(self.customer)

    def in_queues(self) -> Record:
        """Without those who entered no queue: no trunk was left for them, or the IVR was enough."""
        return self.those(~np.isin(self.end, (End.BLOCKED, End.SELF_SERVED)))

    @property
    def wait_s(self) -> NDArray[np.float64]:
        """Entered until answered, given up or sent away; inf for who still waited."""
        return self.left_at - self.entered_at

    def those(self, which: NDArray[np.bool_]) -> Record:
        """Only these visits; the agents stay."""
        columns = {each.name: getattr(self, each.name) for each in fields(self)}
        kept: dict[str, Any] = {
            name: column[which] if isinstance(column, np.ndarray) else column for name, column in columns.items()
        }
        return Record(**kept)

    def called_back(self) -> NDArray[np.bool_]:
        """Which visits took a callback, whatever came of it."""
        return ~np.isnan(self.chosen_at)

    def answered(self) -> NDArray[np.bool_]:
        """Which visits were answered: an agent and the customer talked."""
        return np.equal(self.end, End.ANSWERED)

    def abandoned(self) -> NDArray[np.bool_]:
        """Which visits ended by giving up."""
        return np.equal(self.end, End.ABANDONED)
