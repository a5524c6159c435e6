"""What an agent may not read of other people's contacts: numbers and names masked, events cut to bare facts."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from callcenter.feed.hub import Committed
from callcenter.ports import Entry

MINE_MAX: Final = 1_000

BARE_FACTS: Final = {
    "queue.entered": ("queue", "value_tier"),
    "queue.left": ("queue", "outcome", "wait_s"),
    "agent.changed": ("presence", "aux_code", "activity"),
}
"""Of a foreign stream an agent gets only these types and fields: enough to keep a snapshot right."""


def masked_phone(phone: str | None) -> str | None:
    """A number that can be told apart but not called: +886910000001 → +8869****001."""
    if phone is None:
        return None
    return f"{phone[:5]}****{phone[-3:]}" if len(phone) >= 10 else "****"


def masked_name(name: str | None) -> str | None:
    """The first character of a name."""
    return f"{name[0]}**" if name else name


class AgentFeed:
    """Which committed events an agent's live feed carries, and how much of each.

    The agent's own stream and the contacts in their hands pass whole: from the offer made to them until it
    settles otherwise, or until the contact they accepted ends. The rest is BARE_FACTS. Bounded: MINE_MAX contacts.
    """

    def __init__(self, agent_id: str, past: Iterable[Committed]) -> None:
        self._agent_id = agent_id
        self._mine: OrderedDict[str, None] = OrderedDict()
        for event in past:
            self.seen(event.entry)

    def seen(self, entry: Entry) -> dict[str, Any] | None:
        """The event's data as this agent may read it; None if it is none of their business."""
        if entry.stream == f"agent/{self._agent_id}":
            return self._data(entry)
        if entry.stream in self._mine:
            data = self._data(entry)
            theirs = entry.type == "offer.settled" and data.get("agent_id") == self._agent_id
            settled = theirs and data.get("outcome") != "accepted"
            if entry.type == "contact.ended" or settled:
                del self._mine[entry.stream]
            return data
        if entry.type == "offer.made":
            data = self._data(entry)
            if data.get("agent_id") != self._agent_id:
                return None
            self._mine[entry.stream] = None
            if len(self._mine) > MINE_MAX:
                self._mine.popitem(last=False)
            return data
        fields = BARE_FACTS.get(entry.type)
        if fields is None:
            return None
        data = self._data(entry)
        return {name: data[name] for name in fields if name in data}

    @staticmethod
    def _data(entry: Entry) -> dict[str, Any]:
        return msgspec.json.decode(entry.data, type=dict[str, Any])
