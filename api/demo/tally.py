"""The first computation: figures counted from the live feed, event by event, while the demo runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from api.demo.figures import SHORT_ABANDON_S, Figures, Group, microseconds
from callcenter.feed.hub import Committed

TROUBLED_MAX: Final = 100
_CONTACT: Final = "contact/"


@dataclass(slots=True)
class _Visit:
    """What is known of a contact that has not ended. In the demo a contact enters one queue at most."""

    events: int = 0
    queue: str | None = None
    value_tier: str = ""
    answered: bool = False


class Tally:
    """Takes committed events in order. Contacts that began before the tally are not counted.

    `sl_s`: queue → threshold of "answered in time". `troubled` are the contacts that we failed, TROUBLED_MAX at most.
    """

    def __init__(self, sl_s: Mapping[str, float], position: int) -> None:
        self.figures = Figures()
        self.position = position
        self.troubled: list[str] = []
        self._sl_s = sl_s
        self._visits: dict[str, _Visit] = {}

    @property
    def unfinished(self) -> list[str]:
        """Contacts that have begun and not ended."""
        return list(self._visits)

    def take(self, committed: Committed) -> None:
        """Count one event."""
        self.position = committed.position
        entry = committed.entry
        if not entry.stream.startswith(_CONTACT):
            return
        contact_id = entry.stream.removeprefix(_CONTACT)
        if entry.type == "contact.started":
            self._visits[contact_id] = _Visit()
            self.figures.contacts += 1
        visit = self._visits.get(contact_id)
        if visit is None:
            return
        visit.events += 1
        self.figures.events += 1
        data = msgspec.json.decode(entry.data)
        match entry.type:
            case "queue.entered":
                self._entered(visit, data)
            case "offer.settled":
                _add(self.figures.offers, data["outcome"])
            case "queue.left":
                self._left(contact_id, visit, data)
            case "contact.failed":
                self._trouble(contact_id)
            case "contact.ended":
                self._ended(contact_id, visit, data)

    def _entered(self, visit: _Visit, data: Mapping[str, Any]) -> None:
        visit.queue, visit.value_tier = data["queue"], data["value_tier"]
        for group in self._groups(visit):
            group.entered += 1

    def _left(self, contact_id: str, visit: _Visit, data: Mapping[str, Any]) -> None:
        wait_us = microseconds(data["wait_s"])
        outcome = data["outcome"]
        visit.answered = outcome == "answered"
        for group in self._groups(visit):
            if outcome == "answered":
                group.answered += 1
                group.wait_us += wait_us
                group.answered_in_time += wait_us <= microseconds(self._sl_s[data["queue"]])
            elif outcome == "abandoned":
                group.abandoned += 1
                group.short_abandons += wait_us <= microseconds(SHORT_ABANDON_S)
        if outcome not in {"answered", "abandoned"}:
            self._trouble(contact_id)

    def _ended(self, contact_id: str, visit: _Visit, data: Mapping[str, Any]) -> None:
        _add(self.figures.end_states, data["end_state"])
        self.figures.whole += visit.events == data["seq_total"]
        if visit.answered:
            for group in self._groups(visit):
                group.handled_us += microseconds(data["talk_s"], data["hold_s"], data["wrap_up_s"])
        if data["end_state"] == "failed":
            self._trouble(contact_id)
        del self._visits[contact_id]

    def _groups(self, visit: _Visit) -> tuple[Group, ...]:
        assert visit.queue is not None
        figures = self.figures
        return (
            figures.total,
            figures.queues.setdefault(visit.queue, Group()),
            figures.tiers.setdefault(visit.value_tier, Group()),
        )

    def _trouble(self, contact_id: str) -> None:
        if contact_id not in self.troubled and len(self.troubled) < TROUBLED_MAX:
            self.troubled.append(contact_id)


def _add(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
