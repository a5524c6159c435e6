"""How much longer waits come out than they were foreseen: one factor of a queue, and one of each tier in it.

Agents are shared with other queues, and the formula errs for one tier more than for another. What the tier's own waits
say is trusted as far as there are enough of them; till then the queue's factor stands for it, and for the queue's, 1.
"""

import math
from dataclasses import dataclass, field
from typing import Final

MEMORY_S: Final = 86_400.0
"""A wait counts half after this long: how agents are shared changes slowly."""
TRUSTED: Final = 20.0
"""The formula is trusted as much as so many AHT of waiting."""
FACTOR_MAX: Final = 3.0
"""A factor lies between this and its inverse."""


@dataclass(slots=True)
class Waits:
    """Waits that came and waits that were foreseen, seconds in all, fading; as of `at`."""

    came_s: float = 0.0
    foreseen_s: float = 0.0
    at: float = -math.inf

    def add(self, came_s: float, foreseen_s: float, now: float) -> None:
        """One wait more, or more than one by weight."""
        keep = math.exp2(-max(0.0, now - self.at) / MEMORY_S)
        self.at = max(now, self.at)
        self.came_s = self.came_s * keep + came_s
        self.foreseen_s = self.foreseen_s * keep + foreseen_s

    def factor(self, otherwise: float, trusted_s: float) -> float:
        """Waits that came ÷ waits foreseen, where `otherwise` counts as much as `trusted_s` seconds of them."""
        factor = (self.came_s + trusted_s * otherwise) / (self.foreseen_s + trusted_s)
        return min(max(factor, 1.0 / FACTOR_MAX), FACTOR_MAX)


@dataclass(slots=True)
class Correction:
    """What one queue's estimates are multiplied by."""

    queue: Waits = field(default_factory=Waits)
    tiers: dict[int, Waits] = field(default_factory=dict)

    def add(self, tier: int, came_s: float, foreseen_s: float, now: float) -> None:
        """A contact of this tier waited `came_s` where the formula alone had said `foreseen_s`."""
        self.queue.add(came_s, foreseen_s, now)
        self.tiers.setdefault(tier, Waits()).add(came_s, foreseen_s, now)

    def factor(self, aht_s: float) -> float:
        """That of the queue."""
        return self.queue.factor(1.0, TRUSTED * aht_s)

    def factors(self, aht_s: float) -> dict[int, float]:
        """Those of the tiers of which waits are known."""
        queues = self.factor(aht_s)
        return {tier: waits.factor(queues, TRUSTED * aht_s) for tier, waits in self.tiers.items()}
