"""The quiet behind a prompt is lent by us as well: when we die, Asterisk plays music to whom nobody speaks any more.

Behind each prompt stands a music class that begins with QUIET_S of silence (callcenter_music.conf). Asterisk takes it
up by itself when the prompt ends, even if nobody hears of that end. While we live and the caller has reason to hear
nothing, since a flow waits for a key, the class is begun anew, so that its music is never heard beside us.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from callcenter.asterisk.ari import Ari
from callcenter.asterisk.faults import Refused
from callcenter.errors import ChannelGone, TelephonyError

log = logging.getLogger(__name__)

MUSIC_CLASS: Final = "callcenter-quiet"

QUIET_S: Final = 4.0
"""How long a caller hears nothing when nobody cares for them: the announcement of the class, `silence/4`."""

RENEWED_EVERY_S: Final = QUIET_S / 2


class Quiet:
    """Whom a prompt was said to and nothing since; `run` is a vital task.

    `in_charge` says whether these callers are ours; `saying` whether a playback is still being said, as we heard.
    """

    def __init__(self, ari: Ari, *, in_charge: Callable[[], bool], saying: Callable[[str], bool]) -> None:
        self._ari = ari
        self._in_charge = in_charge
        self._saying = saying
        # By channel, the last playback; a dict for its order.
        self._behind: dict[str, str] = {}

    async def follow(self, channel_id: str, playback_id: str) -> None:
        """Quiet behind this prompt, which Asterisk has taken; it is said even if the quiet is refused."""
        self._behind[channel_id] = playback_id
        try:
            await self._ask(self._ari.start_music(channel_id, MUSIC_CLASS), channel_id)
        except TelephonyError as error:
            log.info("no quiet behind a prompt", extra={"channel": channel_id, "cause": str(error)})

    def broken(self, channel_id: str) -> None:
        """Something else is to be heard there, or the channel is not in our hands any more."""
        self._behind.pop(channel_id, None)

    async def run(self) -> None:
        """Renew in time; never returns. Who is gone, or has left us, is forgotten at the first refusal."""
        while True:
            await asyncio.sleep(RENEWED_EVERY_S)
            await self.round()

    async def round(self) -> None:
        """Begin the quiet anew for each who hears it."""
        for channel_id, playback_id in list(self._behind.items()):
            # Looked up now: since the round began, somebody else may be in charge, or something else be heard.
            if not self._in_charge():
                return
            if self._behind.get(channel_id) != playback_id or self._saying(playback_id):
                continue
            try:
                # A class that plays already would not begin anew.
                await self._ask(self._ari.stop_music(channel_id), channel_id)
                if self._behind.get(channel_id) == playback_id:
                    await self._ask(self._ari.start_music(channel_id, MUSIC_CLASS), channel_id)
            except TelephonyError as error:
                log.info("quiet not renewed", extra={"channel": channel_id, "cause": str(error)})
                return

    async def _ask(self, request: Awaitable[None], channel_id: str) -> None:
        try:
            await request
        except (ChannelGone, Refused):
            self.broken(channel_id)
