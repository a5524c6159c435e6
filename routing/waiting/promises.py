"""What waiting contacts have been told of their wait, and why it rose where it did.

An estimate that is worked out anew moves up and down with every call that lasts longer or shorter than usual. What a
caller is told does not: it falls as it may, and rises only for something that happened to the line. There are four such
causes: somebody came before the contact, fewer agents are at work for it, it was moved to another queue, or the site
changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from routing.waiting.estimate import Estimate, Promise
from routing.waiting.forecast import Prospect

OVERTAKEN: Final = "overtaken"
FEWER_AGENTS: Final = "fewer_agents"
MOVED: Final = "moved"
SITE_CHANGED: Final = "site_changed"


@dataclass(slots=True)
class _Told:
    """A promise, and how things stood as it was told last."""

    promise: Promise
    queue: str
    agents: int
    cause: str | None = None


class Promises:
    """The promises to the contacts of one floor; whoever tells a contact its wait asks here what to say."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def begin(self, contact_id: str, queue: str, agents: int, estimate: Estimate, now: float) -> None:
        """The contact was told this as it entered the queue, with so many agents at work for it.

        Unless it was told better before (`keep`): that is not taken back.
        """
        known = self._told.setdefault(contact_id, _Told(Promise(), queue, agents))
        known.queue, known.agents = queue, agents
        known.promise.update(estimate, now)

    def keep(self, contact_id: str, queue: str, told: Estimate, now: float) -> None:
        """The contact, which is about to enter this queue again, was told this in it by a process that ended."""
        known = self._told[contact_id] = _Told(Promise(), queue, 0)
        known.promise.update(told, now)

    def tell(self, contact_id: str, prospect: Prospect, now: float) -> Promise | None:
        """What the contact is told now; None while it has no estimate and was never told one."""
        known = self._told.get(contact_id)
        estimate = prospect.estimate
        if estimate is None:
            return None if known is None else known.promise
        if known is None:
            known = self._told[contact_id] = _Told(Promise(), prospect.queue, prospect.agents)
        known.promise.update(estimate, now, _cause(known, prospect, estimate))
        known.queue, known.agents, known.cause = prospect.queue, prospect.agents, None
        return known.promise

    def forget(self, contact_id: str) -> None:
        """The contact waits no more."""
        self._told.pop(contact_id, None)

    def site_changed(self) -> None:
        """Every estimate may rise once, for queues and agents are others now."""
        for known in self._told.values():
            known.cause = SITE_CHANGED

    def __len__(self) -> int:
        return len(self._told)


def _cause(known: _Told, prospect: Prospect, estimate: Estimate) -> str | None:
    """What has happened to the contact's line since it was told last, if it explains that it waits longer now."""
    told = known.promise.told
    if told is None:
        return None
    if prospect.queue != known.queue:
        return MOVED
    if estimate.position > told.position:
        return OVERTAKEN
    if prospect.agents < known.agents:
        return FEWER_AGENTS
    return known.cause
