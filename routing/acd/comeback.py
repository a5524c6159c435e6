"""Who gave up, or was cut off, and may come back: their age and their agent are kept for a while.

A customer is known by who they are, not by the number they call from; the caller's side (`Entered.customer_id`)
decides what identifies one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from msgspec.structs import replace

from routing.messages import Entered

KEPT_MAX = 100_000
"""Customers remembered at most; beyond it the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class Departed:
    """A visit that ended before its time. `agent_id`: who talked to them when it broke, or whom they waited for."""

    customer_id: str
    queue: str
    entered_at: float
    left_at: float
    agent_id: str | None


class Comebacks:
    """The departed of the last `kept_s` seconds, by customer.

    `changed` is what has become of customers since it was cleared; None: they came back, or were forgotten.
    """

    def __init__(self, kept_s: float) -> None:
        self.kept_s = kept_s
        self._known: dict[str, Departed] = {}
        self._in_order: deque[Departed] = deque()
        self.changed: dict[str, Departed | None] = {}

    def remember(self, entered: Entered, agent_id: str | None, now: float) -> None:
        """Keep the age and agent of a customer who is gone before they were served to the end."""
        if entered.customer_id is None or self.kept_s <= 0:
            return
        departed = Departed(entered.customer_id, entered.queue, entered.entered_at, now, agent_id)
        self._known[entered.customer_id] = self.changed[entered.customer_id] = departed
        self._in_order.append(departed)
        self._forget(now)

    def regained(self, entered: Entered, now: float) -> tuple[Entered, bool]:
        """The entry as it counts: with age (in the same queue) and agent if the customer came back; and whether so.

        They take it up once; the wait of the time they were gone counts for nothing and costs nothing: the age is
        that of the instant at which they first entered.
        """
        self._forget(now)
        departed = self._known.pop(entered.customer_id, None) if entered.customer_id is not None else None
        if departed is None:
            return entered, False
        self.changed[departed.customer_id] = None
        age = min(entered.entered_at, departed.entered_at) if departed.queue == entered.queue else entered.entered_at
        return replace(entered, entered_at=age, preferred_agent=departed.agent_id or entered.preferred_agent), True

    def all(self) -> tuple[Departed, ...]:
        """Everybody remembered, the longest gone first."""
        return tuple(each for each in self._in_order if self._known.get(each.customer_id) is each)

    def restore(self, departed: tuple[Departed, ...]) -> None:
        """Remember these, the longest gone first."""
        for each in departed:
            self._known[each.customer_id] = each
            self._in_order.append(each)

    def _forget(self, now: float) -> None:
        in_order = self._in_order
        while in_order and (in_order[0].left_at + self.kept_s < now or len(in_order) > KEPT_MAX):
            gone = in_order.popleft()
            if self._known.get(gone.customer_id) is gone:
                del self._known[gone.customer_id]
                self.changed[gone.customer_id] = None
