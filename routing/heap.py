"""A heap that forgets lazily: removing is a note, and the dead are dropped when they come to the head."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Id = TypeVar("Id", bound=Hashable)
Key = TypeVar("Key")

_DEAD_SPARED = 64
"""Dead entries kept for free; beyond that, and beyond half of the heap, the heap is rebuilt."""


class LazyHeap(Generic[Key, Id]):
    """Entries (key, id), smallest first, at most one per id; `entries[0]` is alive whenever `entries` is not empty.

    Keys and ids must be comparable. Push and pop are O(log n), removal O(1) plus its share of the clean-up.
    """

    __slots__ = ("_alive", "entries")

    def __init__(self) -> None:
        self.entries: list[tuple[Key, Id]] = []
        self._alive: dict[Id, tuple[Key, Id]] = {}

    def __len__(self) -> int:
        return len(self._alive)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._alive

    def push(self, key: Key, item_id: Id) -> None:
        """Add an entry, or give a present one another key."""
        entries, alive = self.entries, self._alive
        entry = (key, item_id)
        known = alive.get(item_id)
        alive[item_id] = entry
        heapq.heappush(entries, entry)
        if known is not None:
            self._clean()

    def pop(self) -> tuple[Key, Id]:
        """Take the smallest entry; the heap must not be empty."""
        entry = heapq.heappop(self.entries)
        alive = self._alive
        del alive[entry[1]]
        if self.entries and alive.get(self.entries[0][1]) is not self.entries[0]:
            self._clean()
        return entry

    def remove(self, item_id: Id) -> None:
        """Forget an entry, if it is there."""
        entry = self._alive.pop(item_id, None)
        if entry is not None:
            entries = self.entries
            if entries[0] is entry or len(entries) > 2 * len(self._alive) + _DEAD_SPARED:
                self._clean()

    def live(self) -> Iterable[tuple[Key, Id]]:
        """The entries, in no useful order."""
        return self._alive.values()

    def _clean(self) -> None:
        entries, alive = self.entries, self._alive
        # By identity: the same id may be dead in one entry and alive, with an equal key, in another.
        while entries and alive.get(entries[0][1]) is not entries[0]:
            heapq.heappop(entries)
        if len(entries) > 2 * len(alive) + _DEAD_SPARED:
            entries[:] = alive.values()
            heapq.heapify(entries)
