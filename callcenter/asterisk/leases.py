"""Every caller in our hands has a lease; while we hold it, we renew it; when we hang, Asterisk takes the caller.

A lease is TIMEOUT(absolute) on the channel: the dialplan gives the first one just before Stasis(), and its extension
T takes the caller to the fallback when it lapses. Renewal goes over AMI, where it never waits for a prompt to end.
"""

import asyncio
import logging
from typing import Protocol

from callcenter.errors import ChannelGone, TelephonyError

log = logging.getLogger(__name__)

# Talk outlives us, but not for ever: a cap frees calls that nobody ended.
CAP_S = 4 * 3600.0

# Renewals on their way at once, so that a round never holds up a recording or a cap behind hundreds.
AT_ONCE_MAX = 32


class Timeouts(Protocol):
    """Who can set a channel's absolute timeout: AmiClient."""

    async def absolute_timeout(self, channel: str, seconds: float) -> None:
        """Let the channel leave for extension T that many seconds from now."""


class Leases:
    """Which channels we hold and which we owe a cap; `run` is a vital task. `lease_s` as in the dialplan."""

    def __init__(self, ami: Timeouts, *, lease_s: float, cap_s: float = CAP_S) -> None:
        self._ami = ami
        self._lease_s = lease_s
        self._cap_s = cap_s
        # Dicts for their order: a round goes through callers as they came.
        self._held: dict[str, None] = {}
        self._to_cap: dict[str, None] = {}
        self._hurry = asyncio.Event()

    @property
    def held(self) -> int:
        """Callers whose lease we renew."""
        return len(self._held)

    async def take_up(self, channel_id: str) -> None:
        """Renew now and from then on: how much is left of a lease that an earlier process held is not known."""
        self.hold(channel_id)
        await self._set(channel_id, self._lease_s)

    def hold(self, channel_id: str) -> None:
        """Renew from the next round on, at most a third of a lease from now."""
        self._to_cap.pop(channel_id, None)
        self._held[channel_id] = None

    async def cap(self, channel_id: str) -> None:
        """No more renewals, the long cap instead; set now, or as soon as AMI is there again."""
        self._held.pop(channel_id, None)
        self._to_cap[channel_id] = None
        await self._set_cap(channel_id)

    def forget(self, channel_id: str) -> None:
        """The channel is not in our hands any more."""
        self._held.pop(channel_id, None)
        self._to_cap.pop(channel_id, None)

    def hurry(self) -> None:
        """Start a round now: AMI was away, and leases are running out."""
        self._hurry.set()

    async def run(self) -> None:
        """A round every third of a lease, so that one may fail; never returns."""
        while True:
            try:
                async with asyncio.timeout(self._lease_s / 3):
                    await self._hurry.wait()
            except TimeoutError:
                pass
            self._hurry.clear()
            await self.round()

    async def round(self) -> None:
        """Renew every lease held and set every cap owed, once."""
        work = [*self._to_cap, *self._held]
        for start in range(0, len(work), AT_ONCE_MAX):
            await asyncio.gather(*(self._one(channel_id) for channel_id in work[start : start + AT_ONCE_MAX]))

    async def _one(self, channel_id: str) -> None:
        # Looked up now: since the round began, the caller may have left or begun to talk.
        if channel_id in self._held:
            await self._set(channel_id, self._lease_s)
        elif channel_id in self._to_cap:
            await self._set_cap(channel_id)

    async def _set_cap(self, channel_id: str) -> None:
        if await self._set(channel_id, self._cap_s):
            self._to_cap.pop(channel_id, None)

    async def _set(self, channel_id: str, seconds: float) -> bool:
        try:
            await self._ami.absolute_timeout(channel_id, seconds)
        except ChannelGone:
            self.forget(channel_id)
            return False
        except TelephonyError as error:
            log.warning("lease not renewed", extra={"channel": channel_id, "cause": str(error)})
            return False
        return True
