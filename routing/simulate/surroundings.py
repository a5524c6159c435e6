"""What stands around the ACD at a site: its trunks, its opening hours, and the rules that look at customers' records.

The decisions are the live path's own: `routing.admission` for trunks, `routing.rules` for rules, and the instants at
which queues close and open are worked out from the site's calendars by whoever asks for the simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from routing.admission import admit, admit_dial, held_tiers
from routing.messages import DialsHeld, QueueClosed, QueueOpened
from routing.policy import TierPolicy
from routing.requirement import both
from routing.rules import Rule, decide
from routing.simulate.load import Kind

Door: TypeAlias = tuple[float, QueueClosed | QueueOpened]
"""A queue closes, or opens, so many seconds after the day began."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`trunks` None: as many as come. `doors` in order; what is closed as the day begins closes at 0."""

    trunks: int | None = None
    doors: tuple[Door, ...] = ()
    rules: tuple[Rule, ...] = ()


NOTHING_AROUND = Surroundings()


def routed(kinds: Sequence[Kind], rules: Sequence[Rule], policy: TierPolicy) -> tuple[Kind, ...]:
    """These kinds of customers as the rules send them on; those of whom no facts are given go where they want to."""
    ranks = {tier.name: rank for rank, tier in enumerate(policy.tiers)}
    return tuple(kind if kind.facts is None else _routed(kind, rules, ranks) for kind in kinds)


def _routed(kind: Kind, rules: Sequence[Rule], ranks: dict[str, int]) -> Kind:
    assert kind.facts is not None
    routing = decide(rules, kind.facts)
    return replace(
        kind,
        queue=routing.queue,
        value_tier=ranks.get(routing.value_tier, kind.value_tier),
        requires=both(kind.requires, routing.requires),
        preferred_agent=routing.preferred_agent,
        preferred_wait_s=routing.preferred_wait_s,
    )


class Trunks:
    """Who is on the line, or being called, and who may be: as the switchboard counts."""

    __slots__ = ("_busy", "_count", "_policy", "held")

    def __init__(self, count: int | None, policy: TierPolicy) -> None:
        self._count, self._policy = count, policy
        self._busy: set[int] = set()
        self.held: tuple[int, ...] = ()

    def admits(self, tier: int) -> bool:
        """Whether a caller of this tier is taken."""
        return self._count is None or admit(self._count - len(self._busy), self._policy.tier(tier)).accepted

    def may_dial(self, tier: int) -> bool:
        """Whether a customer of this tier may be called now."""
        return self._count is None or admit_dial(self._count - len(self._busy), self._policy.tier(tier)).accepted

    def take(self, visit: int) -> DialsHeld | None:
        """A visit takes a trunk; what the ACD is to be told, if anything."""
        if self._count is None:
            return None
        self._busy.add(visit)
        return self._look()

    def free(self, visit: int) -> DialsHeld | None:
        """A visit has none any more; what the ACD is to be told, if anything."""
        if self._count is None:
            return None
        self._busy.discard(visit)
        return self._look()

    def _look(self) -> DialsHeld | None:
        assert self._count is not None, "who has trunks without number counts none"
        held = held_tiers(self._count - len(self._busy), self._policy.tiers)
        if held == self.held:
            return None
        self.held = held
        return DialsHeld(held)
