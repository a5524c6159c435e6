"""What is written down of each visit while a day runs."""

from __future__ import annotations

import math

import numpy as np

from routing.simulate.calling import Columns
from routing.simulate.draw import Day
from routing.simulate.record import AgentTime, End, Record
from routing.waiting.estimate import Estimate


class Visits:
    """The visits of one day; columns, for there are many. First calls are 0 … n-1, then come the redials.

    `of` is whose visit it is, `tries` how many calls the same customer made before, `offers` how often it was offered.
    """

    __slots__ = (
        "agent",
        "end",
        "entered_at",
        "handle_s",
        "left_at",
        "of",
        "offers",
        "queue",
        "told",
        "tries",
        "waiting",
    )

    def __init__(self, count: int) -> None:
        self.of = list(range(count))
        self.tries = [0] * count
        self.offers = [0] * count
        self.entered_at = [math.nan] * count
        self.left_at = [math.inf] * count
        self.end = [End.WAITING] * count
        self.agent: list[str | None] = [None] * count
        self.handle_s = [0.0] * count
        self.queue = [""] * count
        self.told: dict[int, Estimate] = {}
        self.waiting = 0

    def again(self, gave_up: int) -> int:
        """One visit more: the customer of that one calls again."""
        self.of.append(self.of[gave_up])
        self.tries.append(self.tries[gave_up] + 1)
        self.offers.append(0)
        self.entered_at.append(math.nan)
        self.left_at.append(math.inf)
        self.end.append(End.WAITING)
        self.agent.append(None)
        self.handle_s.append(0.0)
        self.queue.append("")
        return len(self.of) - 1

    def entered(self, visit: int, queue: str, now: float) -> None:
        """The customer joined this queue, or would have."""
        self.waiting += 1
        self.entered_at[visit] = now
        self.queue[visit] = queue

    def announce(self, visit: int, estimate: Estimate | None) -> None:
        """What the customer is told of their wait; only the first time counts."""
        if estimate is not None:
            self.told.setdefault(visit, estimate)

    def leave(self, visit: int, end: End, now: float, agent_id: str | None = None) -> None:
        """The wait is over."""
        self.waiting -= 1
        self.left_at[visit] = now
        self.end[visit] = end
        self.agent[visit] = agent_id

    def record(self, day: Day, called: Columns, agents: dict[str, AgentTime], inputs: int) -> Record:
        """All of it, as arrays."""
        told = np.full(len(self.of), None, dtype=object)
        for visit, estimate in self.told.items():
            told[visit] = estimate
        customer = np.array(self.of, dtype=np.intp)
        tiers = np.array([kind.value_tier for kind in day.kinds])
        return Record(
            customer=customer,
            tries=np.array(self.tries),
            queue=np.array(self.queue, dtype=object),
            tier=tiers[np.array(day.kind, dtype=np.intp)[customer]] if len(customer) else np.array([], dtype=int),
            entered_at=np.array(self.entered_at),
            left_at=np.array(self.left_at),
            end=np.array(self.end, dtype=np.int8),
            agent=np.array(self.agent, dtype=object),
            handle_s=np.array(self.handle_s),
            offers=np.array(self.offers),
            told=told,
            chosen_at=called.chosen_at,
            slot=called.slot,
            dialed_at=called.dialed_at,
            dials=called.dials,
            held_s=called.held_s,
            agents=agents,
            inputs=inputs,
        )
