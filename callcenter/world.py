"""What flows ask of the world, asked: the database, other systems, recognisers. Each question is answered in time.

A question is answered once, with an error if need be; what it asks for is never done twice by us. The answer goes to
whoever holds the contact then, and to nobody if the caller has left.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from callcenter.asterisk.telephony import Access
from callcenter.config.settings import Settings
from callcenter.contact.commands import AskWorld, WorldCommand
from callcenter.contact.signals import SpeechHeard, WorldAnswered
from callcenter.egress import NoAnswer
from callcenter.errors import CallCenterError
from callcenter.listening import Listener, make_listener
from callcenter.sources import Answers

log = structlog.get_logger()

ASKED_MAX: Final = 500  # at a time; who asks then gets an error at once


class World:
    """Implements what `Switchboard` asks by; `run` is a vital task. `tell` is set before it runs."""

    def __init__(self, answers: Answers, listener: Listener) -> None:
        self._answers = answers
        self._listener = listener
        self._inbox: asyncio.Queue[AskWorld] = asyncio.Queue(ASKED_MAX)
        self._asked = 0
        self.tell: Callable[[str, WorldAnswered | SpeechHeard], None]

    @property
    def listenings(self) -> Mapping[str, int]:
        """Listenings since the start: see Listener."""
        return self._listener.counts

    def ask(self, command: WorldCommand) -> None:
        """Find the answer, or let a recogniser listen; returns at once."""
        if not isinstance(command, AskWorld):
            self._listener.take(command)
            return
        if self._asked >= ASKED_MAX:
            log.error("too much is asked of the world at a time", contact=command.contact_id)
            self._tell_soon(command, WorldAnswered(command.request, "error", why="busy"))
            return
        self._asked += 1
        self._inbox.put_nowait(command)

    async def run(self) -> None:
        """Answer until cancelled."""
        try:
            async with asyncio.TaskGroup() as answering:
                answering.create_task(self._listener.run(self.tell))
                while True:
                    answering.create_task(self._answer(await self._inbox.get()))
        finally:
            await self._answers.close()

    async def _answer(self, command: AskWorld) -> None:
        try:
            async with asyncio.timeout(command.within_s):
                answered = await self._answers.find(command)
        except TimeoutError:
            answered = WorldAnswered(command.request, "error", why="timeout")
        except NoAnswer as error:
            answered = WorldAnswered(command.request, "error", why=error.why)
        except CallCenterError as error:
            log.warning("the world could not be asked", contact=command.contact_id, why=str(error))
            answered = WorldAnswered(command.request, "error", why="unavailable")
        except Exception:
            log.exception("a question to the world failed", contact=command.contact_id)
            answered = WorldAnswered(command.request, "error", why="fault")
        finally:
            self._asked -= 1
        self.tell(command.contact_id, answered)

    def _tell_soon(self, command: AskWorld, answered: WorldAnswered) -> None:
        asyncio.get_running_loop().call_soon(self.tell, command.contact_id, answered)


def make_world(answers: Answers, settings: Settings, asterisk: Access) -> World:
    """The world that has its answers from there, and its recogniser by these settings."""
    return World(answers, make_listener(settings, asterisk))
