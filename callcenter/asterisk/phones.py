"""Which desks have a phone that answers: AMI's contact events, kept per phone and told per desk.

A phone that registers from a new address is announced before its old address is removed. So a desk is reachable
while one of its addresses is, whatever the order of the news. A desk whose address is written in Asterisk's own
configuration never registers: AMI does not list it, ARI calls its endpoint online, and that counts until AMI says more.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from callcenter.asterisk.ami import Contact
from callcenter.ports import DeviceSeen

_GONE = frozenset({"Removed", "Unreachable"})

# Stands for the address of a desk that is online without having registered.
_FIXED = ""

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

    def tell(self, desks: Collection[str]) -> None:
        """Tell once more which of these desks are reachable: somebody new wants to know."""
        for desk in sorted(self._reachable.keys() & set(desks)):
            self._seen(DeviceSeen(desk, reachable=True))

    async def relearn(
        self,
        contacts: Callable[[], Awaitable[Sequence[Contact]]],
        online: Callable[[], Awaitable[Collection[str]]],
        *,
        news_only: bool = False,
    ) -> int:
        """Take fresh lists (of addresses, of desks online), tell every desk once, then what was heard meanwhile.

        With `news_only`, only desks that are not as we believed are told. Returns how many those were.
        """
        self._meanwhile = []
        try:
            known, desks_online = await contacts(), await online()
        finally:
            meanwhile, self._meanwhile = self._meanwhile, None
        before = set(self._reachable)
        self._reachable = {}
        for contact in known:
            if contact.status not in _GONE:
                self._reachable.setdefault(contact.endpoint, set()).add(contact.uri)
        registered = {contact.endpoint for contact in known}
        self._reachable |= {desk: {_FIXED} for desk in sorted(desks_online) if desk not in registered}
        news = before ^ set(self._reachable)
        for desk in sorted(news if news_only else before | set(self._reachable)):
            self._seen(DeviceSeen(desk, desk in self._reachable))
        for event in meanwhile:
            self.heard(event)
        return len(news)

    def _note(self, desk: str, uri: str, status: str) -> None:
        addresses = self._reachable.setdefault(desk, set())
        was_reachable = bool(addresses)
        addresses.discard(_FIXED)
        if status in _GONE:
            addresses.discard(uri)
        else:
            addresses.add(uri)
        is_reachable = bool(addresses)
        if not addresses:
            del self._reachable[desk]
        if is_reachable is not was_reachable:
            self._seen(DeviceSeen(desk, is_reachable))
