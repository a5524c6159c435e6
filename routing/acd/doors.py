"""Whether a queue takes a contact: it may be closed, full, too slow, or without anybody who could ever serve."""

from __future__ import annotations

from collections.abc import Iterable

from routing.acd.board import Board
from routing.messages import Diverted, Entered, QueueClosed
from routing.model import Exit, ExitKind, QueueRules
from routing.waiting.forecast import Forecast


class Doors:
    """The queues that are closed, and the limits of those that are open."""

    def __init__(self, board: Board, forecast: Forecast) -> None:
        self._board = board
        self._forecast = forecast
        self.closed: dict[str, QueueClosed] = {}

    def close(self, closing: QueueClosed) -> None:
        """Take nobody more into this queue."""
        self.closed[closing.queue] = closing

    def open(self, queue: str) -> None:
        """Take contacts into this queue again."""
        self.closed.pop(queue, None)

    def restore(self, closed: Iterable[QueueClosed]) -> None:
        """These queues are closed."""
        self.closed = {closing.queue: closing for closing in closed}

    def turned_away(self, entered: Entered, now: float) -> bool:
        """Send a newcomer elsewhere, and say so, if the queue does not take them; raises UnknownQueueError.

        Who had been in the queue already (their step clock has run), or was promised a call, is never turned away.
        """
        found = self.refusal(entered, now)
        if found is None:
            return False
        exit_to, why = found
        self._board.decisions.append(Diverted(entered.contact_id, entered.queue, exit_to, why))
        return True

    def refusal(self, entered: Entered, now: float) -> tuple[Exit, str] | None:
        """Where the queue would send this newcomer, and why; None if it takes them. Raises UnknownQueueError."""
        rules = self._board.rules(entered.queue)
        if entered.clock_s > 0 or (entered.callback and entered.so_far is not None):
            return None
        found = self._shut(rules, entered, now)
        if found is not None and entered.callback and found[0].kind is ExitKind.CALLBACK:
            return None  # that is the way out which they are taking
        return found

    def _shut(self, rules: QueueRules, entered: Entered, now: float) -> tuple[Exit, str] | None:
        closing = self.closed.get(rules.queue)
        if closing is not None:
            return closing.newcomers_to, closing.reason
        limits = rules.limits
        if limits.unstaffed and not self._anybody(rules, entered):
            return limits.otherwise, "unstaffed"
        full = limits.waiting_max is not None and self._board.in_queue.get(rules.queue, 0) >= limits.waiting_max
        if not full and limits.wait_max_s is None:
            return None
        if self._forecast.served_at_once(rules, entered):
            return None
        if full:
            return limits.otherwise, "full"
        if limits.wait_max_s is not None and self._forecast.newcomer_s(rules, entered, now) > limits.wait_max_s:
            return limits.otherwise, "long_wait"
        return None

    def _anybody(self, rules: QueueRules, entered: Entered) -> bool:
        """Whether anybody is logged in who could serve the contact in some step, once they are free."""
        reach = self._board.ladder(rules, entered.value_tier, entered.requires)
        longest_s = max(reach.delays, default=0.0)
        return any(self._board.line(reach, rung, longest_s).staffed for rung in range(len(reach.rungs)))
