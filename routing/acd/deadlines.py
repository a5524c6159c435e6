"""Who is due when: one deadline for each kind and id, the earliest first, dropped lazily.

The heap holds every deadline that was ever set; `_at` says which of them still stand. What does not is passed over when
it comes to the head, and all of it is thrown out when it makes up half of the heap.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

_DEAD_SPARED = 64
"""Entries that may be dead before anything is thrown out."""


class Deadlines:
    """Entries (at, kind, id); `entries[0]` stands whenever there are any. Of two at one instant the lesser is first."""

    __slots__ = ("_at", "_dead", "entries")

    def __init__(self, kinds: Iterable[str]) -> None:
        self.entries: list[tuple[float, str, str]] = []
        self._at: dict[str, dict[str, float]] = {kind: {} for kind in kinds}
        self._dead = 0

    def __len__(self) -> int:
        return len(self.entries) - self._dead

    def __contains__(self, due: tuple[str, str]) -> bool:
        """Whether this (kind, id) is due at any time."""
        kind, item_id = due
        return item_id in self._at[kind]

    def set(self, at: float, kind: str, item_id: str) -> None:
        """Be due at this instant, and no more at another one that was set before."""
        standing = self._at[kind]
        before = standing.get(item_id)
        standing[item_id] = at
        heappush(self.entries, (at, kind, item_id))
        if before is not None:
            self._dead += 1
            self._clean()

    def drop(self, kind: str, item_id: str) -> None:
        """Be due no more, if anything was set."""
        at = self._at[kind].pop(item_id, None)
        if at is None:
            return
        self._dead += 1
        if self.entries[0][0] == at or 2 * self._dead > len(self.entries) + _DEAD_SPARED:
            self._clean()

    def pop(self) -> tuple[float, str, str]:
        """Take the first; there must be one."""
        entry = heappop(self.entries)
        _, kind, item_id = entry
        del self._at[kind][item_id]
        if self._dead:
            self._clean()
        return entry

    def _clean(self) -> None:
        entries, standing = self.entries, self._at
        while entries and standing[entries[0][1]].get(entries[0][2]) != entries[0][0]:
            heappop(entries)
            self._dead -= 1
        if 2 * self._dead > len(entries) + _DEAD_SPARED:
            entries[:] = [(at, kind, item_id) for kind, due in standing.items() for item_id, at in due.items()]
            heapify(entries)
            self._dead = 0
