"""How much longer waits come out than they were foreseen: one factor of a queue, and one of each tier in it.

Agents are shared with other queues, and the formula errs for one tier more than for another. What the tier's own waits
say is trusted as far as there are enough of them; till then the queue's factor stands for it, and for the queue's, 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MEMORY_S: Final = 86_400.0
"""A wait counts half after this long: how agents are shared changes slowly."""
TRUSTED: Final = 20.0
"""The formula is trusted as much as so many AHT of waiting."""
FACTOR_MAX: Final = 3.0
"""A factor lies between this and its inverse."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Waits that came and waits that were foreseen, seconds in all, fading; as of `at`."""

    came_s: float = 0.0
    foreseen_s: float = 0.0
    at: float = 0.0

    def plus(self, came_s: float, foreseen_s: float, now: float) -> "Waits":
        """With one wait more, or more than one by weight."""
        keep = math.exp2(-max(0.0, now - self.at) / MEMORY_S)
        return Waits(self.came_s * keep + came_s, self.foreseen_s * keep + foreseen_s, max(now, self.at))

    def factor(self, otherwise: float, trusted_s: float) -> float:
        """Waits that came ÷ waits foreseen, where `otherwise` counts as much as `trusted_s` seconds of them."""
        factor = (self.came_s + trusted_s * otherwise) / (self.foreseen_s + trusted_s)
        return min(max(factor, 1.0 / FACTOR_MAX), FACTOR_MAX)


NOTHING: Final = Waits()


class Correction:
    """What one queue's estimates are multiplied by."""

    def __init__(self, queue: Waits = NOTHING, tiers: Mapping[int, Waits] | None = None) -> None:
        self.queue = queue
        self.tiers = dict(tiers or {})

    def add(self, tier: int, came_s: float, foreseen_s: float, now: float) -> None:
        """A contact of this tier waited `came_s` where the formula alone had said `foreseen_s`."""
        self.queue = self.queue.plus(came_s, foreseen_s, now)
        self.tiers[tier] = self.tiers.get(tier, NOTHING).plus(came_s, foreseen_s, now)

    def factor(self, aht_s: float) -> float:
        """That of the queue."""
        return self.queue.factor(1.0, TRUSTED * aht_s)

    def factors(self, aht_s: float) -> dict[int, float]:
        """Those of the tiers of which waits are known."""
        queues = self.factor(aht_s)
        return {tier: waits.factor(queues, TRUSTED * aht_s) for tier, waits in self.tiers.items()}
