"""Which waiting contact a free agent serves next: the discipline of `routing.policy`, applied to heads.

One candidate a tier is compared: within a tier the head start and the slope are the same, so the oldest is ahead
whatever the instant (LIFO: the youngest). The overdue come first, over all ranks; else the best rank that has anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import TypeAlias

from msgspec import Struct

from routing.acd.match import Candidate, Group, Head, Line
from routing.policy import Discipline, TierPolicy

SortKey: TypeAlias = tuple[int, float, float, str]


class Next(Struct, frozen=True, gc=False):
    """The contact to serve, at which rank, and the heads that were compared, each with when it entered."""

    contact_id: str
    rank: int
    heads: Sequence[Candidate]
    overdue: bool


class Order:
    """The discipline of one site. `waiting_by_tier` is kept by the owner; queue ratio compares it with the shares."""

    def __init__(self, policy: TierPolicy) -> None:
        self.policy = policy
        ranks = range(len(policy.tiers))
        self.waiting_by_tier = [0 for _ in ranks]
        self._lifo = policy.discipline is Discipline.LIFO
        self._first: Callable[[list[Candidate], float], Candidate] = {
            Discipline.STRICT: _first_by_tier,
            Discipline.LIFO: _first_by_head,
            Discipline.QUEUE_RATIO: self._first_by_excess,
        }.get(policy.discipline, self._first_by_score)
        self._slopes = [policy.slope(rank) for rank in ranks]
        self._head_starts_s = [policy.head_start_s(rank) for rank in ranks]
        self._starvation_s = [tier.starvation_s for tier in policy.tiers]
        shares = sum(tier.share for tier in policy.tiers)
        self._shares = [tier.share / shares if shares else 0.0 for tier in policy.tiers]

    def score(self, tier: int, entered_at: float, now: float) -> float:
        """The contact's score now."""
        tier = min(tier, len(self._slopes) - 1)
        return self._slopes[tier] * (now - entered_at + self._head_starts_s[tier])

    def due_at(self, tier: int, entered_at: float) -> float:
        """When the contact is overdue."""
        return entered_at + self._starvation_s[min(tier, len(self._slopes) - 1)]

    def sort_key(self, tier: int, entered_at: float, contact_id: str, now: float) -> SortKey:
        """Sorted by this, contacts stand in the order in which one agent who may serve all would serve them now."""
        due_at = self.due_at(tier, entered_at)
        if due_at <= now:
            return (0, due_at, entered_at, contact_id)
        match self.policy.discipline:
            case Discipline.STRICT:
                return (1, tier, entered_at, contact_id)
            case Discipline.LIFO:
                return (1, -entered_at, 0.0, contact_id)
            case Discipline.QUEUE_RATIO:
                return (1, -self._excess(min(tier, len(self._shares) - 1)), entered_at, contact_id)
            case _:
                return (1, -self.score(tier, entered_at, now), entered_at, contact_id)

    def next_contact(self, group: Group, desk: Collection[Line], now: float) -> Next | None:
        """The contact that an agent of this group serves next, of the group's lines and of their own desk's."""
        best: list[Candidate] = []
        rank = 0
        overdue: list[tuple[float, Head, int, int]] = []  # (due at, head, tier, rank): the least first
        for shelf in group.shelves:
            if shelf.gate is not None and not shelf.gate.open:
                continue
            found = shelf.heads()
            for tier, head in shelf.oldest() if self._lifo else found:
                due_at = head[0] + self._starvation_s[tier]
                if due_at <= now:
                    overdue.append((due_at, head, tier, shelf.rank))
            if found and not best:
                best, rank = found, shelf.rank
        for line in desk:
            if line.waiting:
                best.append((line.tier, line.waiting[0]))
                oldest = line.oldest
                due_at = oldest[0] + self._starvation_s[line.tier]
                if due_at <= now:
                    overdue.append((due_at, oldest, line.tier, 0))
        if overdue:
            _, head, tier, rank = min(overdue)
            return Next(head[1], rank, ((tier, head),), overdue=True)
        if not best:
            return None
        chosen = best[0] if len(best) == 1 else self._first(best, now)
        if self._lifo:
            best = [(tier, (-key, contact_id)) for tier, (key, contact_id) in best]
        return Next(chosen[1][1], rank, best, overdue=False)

    def _first_by_score(self, candidates: list[Candidate], now: float) -> Candidate:
        slopes, credits_s = self._slopes, self._head_starts_s
        best = candidates[0]
        best_score = -inf
        for candidate in candidates:
            tier, head = candidate
            score = slopes[tier] * (now - head[0] + credits_s[tier])
            if score > best_score or (score == best_score and head < best[1]):
                best, best_score = candidate, score
        return best

    def _first_by_excess(self, candidates: list[Candidate], _now: float) -> Candidate:
        return min(candidates, key=lambda each: (-self._excess(each[0]), each[1]))

    def _excess(self, tier: int) -> float:
        """By how much the tier's part of the line exceeds its share, in contacts."""
        return self.waiting_by_tier[tier] - self._shares[tier] * sum(self.waiting_by_tier)


def _first_by_tier(candidates: list[Candidate], _now: float) -> Candidate:
    return min(candidates)


def _first_by_head(candidates: list[Candidate], _now: float) -> Candidate:
    return min(candidates, key=lambda each: each[1])
