"""Callers whom a recogniser hears: from the word of a contact to the outcome, which comes back as a signal.

Every listening ends: with its outcome, by the contact's word, or after LISTEN_MAX_S. The contact then asks for its end
in any case, and only that clears Asterisk; what nobody asks any more to be ended, the drift check clears.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import structlog

from callcenter.asterisk.ears import AsteriskEars
from callcenter.asterisk.telephony import Access
from callcenter.config.settings import Settings
from callcenter.contact.commands import Listen, StopListening
from callcenter.contact.signals import SpeechHeard
from callcenter.errors import CallCenterError
from callcenter.ports import Ears, Recogniser
from callcenter.recogniser import WebSocketRecogniser
from ivr import turn as ivr

log = structlog.get_logger()

LISTEN_MAX_S: Final = 300.0
LISTENINGS_MAX: Final = 500  # at a time; whoever comes then has their keys

ENDS: Final = ("matched", "no_match", "away", "stopped")

Tell = Callable[[str, SpeechHeard], None]


class Listener:
    """Hears callers for their contacts; without a recogniser every listening is over at once, with `away`.

    `counts` are of those since the start: `started`, and how they ended: `matched`, `no_match`, `away`, or `stopped`
    by the contact's word before there was an outcome.
    """

    def __init__(self, recogniser: Recogniser | None = None, ears: Ears | None = None) -> None:
        self._recogniser = recogniser
        self._ears = ears
        self._inbox: asyncio.Queue[Listen | StopListening] = asyncio.Queue()
        self._hearing: dict[str, asyncio.Task[None]] = {}
        self.counts: Counter[str] = Counter()

    def take(self, command: Listen | StopListening) -> None:
        """Begin or end; returns at once."""
        self._inbox.put_nowait(command)

    async def run(self, tell: Tell) -> None:
        """Hear until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    command = await self._inbox.get()
                    self.counts["started"] += isinstance(command, Listen)
                    if isinstance(command, Listen) and len(self._hearing) >= LISTENINGS_MAX:
                        self.counts["away"] += 1
                        log.warning("too many are listened to at a time", contact=command.contact_id)
                        tell(command.contact_id, SpeechHeard(command.listening_id, "away"))
                    elif isinstance(command, Listen):
                        self._hearing[command.listening_id] = group.create_task(self._hear(command, tell))
                    else:
                        ended = self._hearing.pop(command.listening_id, None)
                        group.create_task(self._shut(command.listening_id, ended))
        finally:
            if self._ears is not None:
                await self._ears.close()

    async def _hear(self, command: Listen, tell: Tell) -> None:
        try:
            async with asyncio.timeout(LISTEN_MAX_S):
                heard = await self._heard(command, tell)
        except (CallCenterError, TimeoutError) as error:
            log.info("nobody listens", listening=command.listening_id, why=str(error) or type(error).__name__)
            heard = ivr.SpeechHeard("away")
        except Exception:
            log.exception("a listening failed", listening=command.listening_id)
            heard = ivr.SpeechHeard("away")
        finally:
            self._hearing.pop(command.listening_id, None)
        self.counts[heard.outcome] += 1
        tell(command.contact_id, SpeechHeard(command.listening_id, heard.outcome, heard.said))

    async def _heard(self, command: Listen, tell: Tell) -> ivr.SpeechHeard:
        if self._recogniser is None or self._ears is None:
            return ivr.SpeechHeard("away")

        def began() -> None:
            tell(command.contact_id, SpeechHeard(command.listening_id, "began"))

        async with aclosing(self._ears.hear(command.listening_id, command.channel_id)) as audio:
            return await self._recogniser.recognise(command.listening_id, command.wanted, audio, began)

    async def _shut(self, listening_id: str, hearing: asyncio.Task[None] | None) -> None:
        if hearing is not None:
            hearing.cancel()
            await asyncio.wait({hearing})
            self.counts["stopped"] += hearing.cancelled()
        if self._ears is not None:
            try:
                await self._ears.shut(listening_id)
            except Exception:  # a bug in one listening is no end of all
                log.exception("a listening could not be ended", listening=listening_id)


def make_listener(settings: Settings, asterisk: Access) -> Listener:
    """The listener by these settings."""
    if settings.recogniser is None:
        return Listener()
    recogniser = WebSocketRecogniser(settings.recogniser, settings.recogniser_rate)
    return Listener(recogniser, AsteriskEars(asterisk, settings.app, settings.recogniser_rate))
