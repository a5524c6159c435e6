"""What Asterisk has against what we believe, at every connect and every 30 s beside it; differences are made up for.

A reconcile at a connect is alone: events wait until it is through. A look beside a running service is not: whatever
is on its way, an event, a command, a commit, looks like a difference. So a look counts only what it finds twice,
GRACE_S apart, with every append of before on the disk and no command about that contact still under way. What
remains is a signal that was lost on a healthy connection. In a healthy service there is none (`mended`).

Asterisk's own account is asked how channels ended that are gone. That takes a moment, so what differs is looked at
once more afterwards.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from callcenter.clock import Clock
from callcenter.contact.model import Contact
from callcenter.contact.signals import Signal
from callcenter.errors import JournalError, TelephonyError
from callcenter.ports import CallerAtTheDoor, ChannelEnded, ChannelSeen
from callcenter.reconcile import Findings, compare, gone, witnessed

log = structlog.get_logger()

EVERY_S: Final = 30.0
GRACE_S: Final = 3.0
"""An event takes milliseconds, a command at most its time-out of 2 s and the lanes before it, which are looked at."""


class Asterisk(Protocol):
    """Asterisk, as it can be asked and looked at; what asks raises TelephonyError."""

    @property
    def syncs(self) -> int:
        """How many connections were made so far."""

    @property
    def in_sync(self) -> bool:
        """Whether events come to us and commands may leave."""

    async def survey(self) -> Sequence[ChannelSeen]:
        """Every live channel of ours."""

    async def bridges(self) -> Sequence[str]:
        """The ids of all live bridges of ours."""

    async def how_ended(self, there_at: Mapping[str, float], since: float) -> Mapping[str, ChannelEnded]:
        """How these channels ended, as far as anybody can tell; each was there at its instant, all at `since`."""

    def soon_told(self) -> Collection[str]:
        """Channels whose end waits to be handed on, and says more than we could."""

    def under_way(self, resource_id: str) -> bool:
        """Whether a command that touches this channel or bridge has not been answered yet."""

    async def silent(self, older_than_s: float) -> Sequence[str]:
        """Prompts taken so long ago at least whose end was not heard, and that do not play any more."""

    def tell_ended(self, playbacks: Iterable[str]) -> int:
        """Tell of the end of these, as far as it was not heard meanwhile; how many they were."""

    def ask_again(self) -> Collection[str]:
        """Ask once more what failed and nobody else would ask again; the channels that are to end or to leave."""

    async def relearn_phones(self, *, news_only: bool) -> int:
        """Ask for all phones; tell of those that were not as we believed, and how many they were."""

    def clear(self, legs: Iterable[str], bridges: Iterable[str]) -> None:
        """End what belongs to nobody."""


class Contacts(Protocol):
    """The switchboard."""

    @property
    def contacts(self) -> Iterable[Contact]:
        """Every live contact."""

    def signal(self, resource_id: str, signal: Signal, at: float | None = None) -> None:
        """Deliver a signal; `at`: when it happened, if not now."""

    def resume(self, contact_id: str) -> None:
        """A contact of an earlier process goes on."""

    def arrived(self, caller: CallerAtTheDoor) -> None:
        """A caller is at the door."""


class Drift:
    """Finds what was lost and makes up for it; `mended` counts what the looks beside the running service found."""

    def __init__(
        self,
        asterisk: Asterisk,
        switchboard: Contacts,
        clock: Clock,
        unseen: Callable[[Iterable[str]], None],
        on_disk: Callable[[], Awaitable[object]],
    ) -> None:
        self._asterisk = asterisk
        self._switchboard = switchboard
        self._clock = clock
        self._unseen = unseen
        self._on_disk = on_disk
        self._true_at = clock.now()
        self.mended = 0

    def restore(self, true_at: float) -> None:
        """What we believe was true then: an earlier process of ours lived at least until that instant."""
        self._true_at = true_at

    async def reconcile(self, left_behind: Iterable[Contact] = ()) -> int:
        """At a connect: find what was missed and make up for it; how many differences there were."""
        began_at = self._clock.now()
        found = await self.differences()
        ended: Mapping[str, ChannelEnded] = {}
        if gone(found, self._switchboard.contacts):
            ended = await self._how_ended(found)
            found = await self.differences()  # time has passed
        self.make_up(found, ended, left_behind)
        self._true_at = began_at
        return found.count

    async def _how_ended(self, found: Findings) -> Mapping[str, ChannelEnded]:
        there_at = gone(found, self._switchboard.contacts)
        return await self._asterisk.how_ended(there_at, self._true_at) if there_at else {}

    async def differences(self) -> Findings:
        """What differs now; raises TelephonyError. Nothing is awaited between the comparison and the return."""
        bridges = await self._asterisk.bridges()
        channels = await self._asterisk.survey()
        return compare(self._switchboard.contacts, channels, bridges, ending=self._asterisk.soon_told())

    def make_up(self, found: Findings, ended: Mapping[str, ChannelEnded], left_behind: Iterable[Contact] = ()) -> None:
        """Tell the contacts what they missed; those of an earlier process go on; clear what is nobody's."""
        leaving = self._asterisk.ask_again()
        late = witnessed(found, self._switchboard.contacts, ended)
        self._unseen(contact_id for contact_id, _, at in late if at is None)
        for contact_id, signal, at in late:
            self._switchboard.signal(contact_id, signal, at)
        for contact in left_behind:
            self._switchboard.resume(contact.contact_id)
        for caller in found.arrivals:
            if caller.channel_id not in leaving:
                self._switchboard.arrived(caller)
        self._asterisk.clear(found.stray_legs, found.stray_bridges)

    async def run(self) -> None:
        """Look, for ever: a vital task."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                self.mended += await self.look()
            except (TelephonyError, JournalError) as error:
                log.info("a look at Asterisk was cut short", cause=str(error))

    async def look(self) -> int:
        """One look beside the running service: how many differences there were. Raises TelephonyError, JournalError."""
        asterisk = self._asterisk
        if not asterisk.in_sync:
            return 0
        syncs, began_at = asterisk.syncs, self._clock.now()
        first, silent = await self.differences(), await asterisk.silent(GRACE_S)
        await asyncio.sleep(GRACE_S)
        await self._on_disk()
        ended = await self._how_ended(first)
        found = (await self.differences()).also_in(first) if first.count else first
        if not asterisk.in_sync or asterisk.syncs != syncs:
            return 0  # a reconcile has made up for all of it
        found = self._at_rest(found)
        if found.count:
            log.warning("signals were lost", found=found.told())
        self.make_up(found, ended)
        self._true_at = began_at
        unheard = asterisk.tell_ended(silent)
        return found.count + unheard + await asterisk.relearn_phones(news_only=True)

    def _at_rest(self, found: Findings) -> Findings:
        """Without what a command that is under way may have changed meanwhile."""
        contacts = {contact.contact_id: contact for contact in self._switchboard.contacts}
        busy = self._asterisk.under_way

        def quiet(contact_id: str) -> bool:
            contact = contacts.get(contact_id)
            return contact is not None and not any(map(busy, _resources(contact)))

        return Findings(
            lost=[(contact_id, signal) for contact_id, signal in found.lost if quiet(contact_id)],
            arrivals=[caller for caller in found.arrivals if not busy(caller.channel_id)],
            stray_legs=[leg_id for leg_id in found.stray_legs if not busy(leg_id)],
            stray_bridges=[bridge_id for bridge_id in found.stray_bridges if not busy(bridge_id)],
        )


def _resources(contact: Contact) -> list[str]:
    """Every channel and bridge of a contact."""
    own: list[str | None] = [contact.channel_id, *(offer.offer_id for offer in contact.offers)]
    if contact.talk is not None:
        own += [contact.talk.leg_id, contact.talk.bridge_id]
    if contact.outside is not None:
        own += [contact.outside.leg_id, contact.outside.bridge_id]
    if contact.callback is not None:
        own += [contact.callback.leg_id, contact.callback.agent_leg]
    return [resource_id for resource_id in own if resource_id]
