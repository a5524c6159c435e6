"""Which desks have a phone that answers: AMI's contact events, kept per phone and told per desk.

A phone that registers from a new address is announced before its old address is removed. So a desk is reachable
while one of its addresses is, whatever the order of the news.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from callcenter.asterisk.ami import Contact
from callcenter.ports import DeviceSeen

_GONE = frozenset({"Removed", "Unreachable"})

Event = Mapping[str, Any]


class Phones:
    """Tells `seen` each time a desk becomes reachable or unreachable."""

    def __init__(self, seen: Callable[[DeviceSeen], None]) -> None:
        self._seen = seen
        self._reachable: dict[str, set[str]] = {}
        self._meanwhile: list[Event] | None = None

    def heard(self, event: Event) -> None:
        """An AMI event; only ContactStatus says something here."""
        if event["Event"] != "ContactStatus":
            return
        if self._meanwhile is not None:
            self._meanwhile.append(event)
            return
        self._note(event["EndpointName"], event["URI"], event["ContactStatus"])

    async def relearn(self, contacts: Callable[[], Awaitable[Sequence[Contact]]]) -> None:
        """Take a fresh list, tell every desk once, then what was heard while it was on its way."""
        self._meanwhile = []
        try:
            known = await contacts()
        finally:
            meanwhile, self._meanwhile = self._meanwhile, None
        before = set(self._reachable)
        self._reachable = {}
        for contact in known:
            if contact.status not in _GONE:
                self._reachable.setdefault(contact.endpoint, set()).add(contact.uri)
        for desk in sorted(before | set(self._reachable)):
            self._seen(DeviceSeen(desk, desk in self._reachable))
        for event in meanwhile:
            self.heard(event)

    def _note(self, desk: str, uri: str, status: str) -> None:
        addresses = self._reachable.setdefault(desk, set())
        was_reachable = bool(addresses)
        if status in _GONE:
            addresses.discard(uri)
        else:
            addresses.add(uri)
        is_reachable = bool(addresses)
        if not addresses:
            del self._reachable[desk]
        if is_reachable is not was_reachable:
            self._seen(DeviceSeen(desk, is_reachable))
