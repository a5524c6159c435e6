"""Who of those in a queue will be served before a contact, if it is served at a later instant.

Scores grow at the slopes of their tiers. Who has more points now may be overtaken until then, and who has fewer may
overtake; so the places that count for a wait are those at its end, not those at its beginning.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable

from routing.policy import Discipline, TierPolicy

_BY_SCORE = frozenset({Discipline.ACCUMULATING, Discipline.TARGET})


def may_change(policy: TierPolicy) -> bool:
    """Whether contacts that wait overtake each other under this policy."""
    ranks = range(len(policy.tiers))
    return policy.discipline in _BY_SCORE and len({policy.slope(rank) for rank in ranks}) > 1


class Places:
    """Who waits in one queue, by tier and age: (tier, entered at) of each."""

    def __init__(self, policy: TierPolicy, waiting: Iterable[tuple[int, float]]) -> None:
        ranks = range(len(policy.tiers))
        self._slopes = [policy.slope(rank) for rank in ranks]
        self._head_starts_s = [policy.head_start_s(rank) for rank in ranks]
        self._starvation_s = [tier.starvation_s for tier in policy.tiers]
        self._entered_at: list[list[float]] = [[] for _ in ranks]
        for tier, entered_at in waiting:
            self._entered_at[self._rank(tier)].append(entered_at)
        for each in self._entered_at:
            each.sort()

    @property
    def total(self) -> int:
        """How many wait."""
        return sum(map(len, self._entered_at))

    def ahead(self, tier: int, entered_at: float, at: float) -> int:
        """How many are served before such a contact at this instant. Who ties with it counts as behind."""
        rank = self._rank(tier)
        due_at = entered_at + self._starvation_s[rank]
        if due_at <= at:  # only who was overdue before comes first
            before = zip(self._entered_at, self._starvation_s, strict=True)
            return sum([bisect_left(ages, due_at - starvation_s) for ages, starvation_s in before])
        score = self._slopes[rank] * (at - entered_at + self._head_starts_s[rank])
        ahead = 0
        for each, ages in enumerate(self._entered_at):
            as_high = entered_at if each == rank else at + self._head_starts_s[each] - score / self._slopes[each]
            ahead += max(bisect_left(ages, as_high), bisect_right(ages, at - self._starvation_s[each]))
        return ahead

    def ahead_at_turn(self, tier: int, entered_at: float, turn_at: Callable[[int], float]) -> int:
        """How many are served before such a contact, whose turn comes at `turn_at(n)` if n of them are.

        When the turn after n comes, no more than n are ahead; of n − 1 that would not be true. Found by halving, in
        log2 of the line's length looks.
        """
        low, high = 0, self.total
        while low < high:
            middle = (low + high) // 2
            if self.ahead(tier, entered_at, turn_at(middle)) <= middle:
                high = middle
            else:
                low = middle + 1
        return low

    def passed_per_s(self, tier: int, entered_at: float, turn_at: float, around_s: float) -> float:
        """How many others such a contact overtakes, a second, about the instant of its turn; negative if they do it.

        Looks at so many seconds on either side of that instant; `around_s` > 0.
        """
        before, after = (self.ahead(tier, entered_at, turn_at + each_s) for each_s in (-around_s, around_s))
        return (before - after) / (2.0 * around_s)

    def _rank(self, tier: int) -> int:
        return min(tier, len(self._slopes) - 1)
