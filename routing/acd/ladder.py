"""A contact's reach over its wait: which agents it may be given to, widening rung by rung with its step clock.

Three things change the reach as the clock runs: the queue's steps, the end of the time in which only experienced
agents serve the tier (while any of them is logged in), and the delays after which back-up members see the queue. A
ladder holds all three for one queue, tier and requirement, worked out once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from routing.acd.match import Line
from routing.model import QueueRules
from routing.policy import Tier
from routing.requirement import Experience, Requirement, asked, both, show

CLOCK_GRAIN_S = 1e-6
"""Instants are floats since the epoch: a timer may wake a contact this much before its time."""


@dataclass(frozen=True, slots=True)
class Rung:
    """From `at_s` on the step clock: who is required, by which step. `skip`: leave it while nobody is logged in.

    `experienced` asks for the tier's experience besides; None if the tier asks for none. `skills` are those that the
    requirement asks for; `text` spells it out.
    """

    at_s: float
    step: int
    requires: Requirement
    experienced: Requirement | None
    skip: bool
    skills: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs from the first, the delays of the queue's back-up members in order, and when the last step ends.

    Until `spill_s` the experienced come first. `changes_s` holds, for each rung, when the reach of a contact on it may
    change, in order. `lines` are those found so far, by (rung, experienced, delay): see `routing.acd.board`.
    """

    rules: QueueRules
    tier: int
    rungs: tuple[Rung, ...]
    spill_s: float
    delays: tuple[float, ...]
    exit_at_s: float | None
    changes_s: tuple[tuple[float, ...], ...]
    lines: dict[tuple[int, bool, float], Line] = field(default_factory=dict, compare=False)

    def rung(self, clock_s: float, at_least: int = 0) -> int:
        """The index of the rung that the clock has reached, or `at_least` if that is higher."""
        index = at_least
        while index + 1 < len(self.rungs) and self.rungs[index + 1].at_s <= clock_s + CLOCK_GRAIN_S:
            index += 1
        return index

    def delay_s(self, clock_s: float) -> float:
        """The longest delay that is over: members with a longer one do not see the contact yet."""
        over = 0.0
        for delay_s in self.delays:
            if delay_s > clock_s + CLOCK_GRAIN_S:
                break
            over = delay_s
        return over

    def leaves(self, clock_s: float) -> bool:
        """Whether the last step is over."""
        return self.exit_at_s is not None and self.exit_at_s <= clock_s + CLOCK_GRAIN_S

    def next_s(self, clock_s: float, rung: int) -> float | None:
        """The clock at which the reach changes next; None if it stays as it is."""
        changes_s = self.changes_s[rung]
        at = bisect_right(changes_s, clock_s + CLOCK_GRAIN_S)
        return changes_s[at] if at < len(changes_s) else None


def rungs(rules: QueueRules, experience: int, requires: Requirement) -> tuple[Rung, ...]:
    """The rungs of contacts that require this in a queue, of a tier that asks for this experience."""
    made = []
    for index, step in enumerate(rules.steps):
        required = both(rules.requires, requires, step.requires)
        experienced = both(required, Experience(experience)) if experience > 0 else None
        skills, text = asked(required), show(required)
        made.append(Rung(step.after_s, index, required, experienced, step.skip_if_unstaffed, skills, text))
    return tuple(made)


def ladder(rules: QueueRules, rank: int, tier: Tier, steps: tuple[Rung, ...], delays: Iterable[float]) -> Ladder:
    """The ladder of a contact of the tier of this rank on these rungs; `delays` are those of the queue's members."""
    spill_s = tier.spill_s if tier.experience > 0 else 0.0
    exit_at_s = rules.exit_after_s if rules.exit_to is not None else None
    delays = tuple(sorted({delay_s for delay_s in delays if delay_s > 0}))
    always = {*delays, spill_s} if exit_at_s is None else {*delays, spill_s, exit_at_s}
    changes_s = (tuple(sorted(always.union(rung.at_s for rung in steps[at + 1 :]))) for at in range(len(steps)))
    return Ladder(rules, rank, steps, spill_s, delays, exit_at_s, tuple(changes_s))
