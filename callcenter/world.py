"""What flows ask of the world, asked: the database, other systems, recognisers. Each question is answered in time.

A question is answered once, with an error if need be; what it asks for is never done twice by us. The answer goes to
whoever holds the contact then, and to nobody if the caller has left.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, assert_never

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from callcenter.asterisk.telephony import Access
from callcenter.config.numbers import e164
from callcenter.config.settings import Settings
from callcenter.config.site import Site
from callcenter.contact.commands import AskWorld, WorldCommand
from callcenter.contact.signals import CustomerCard, SpeechHeard, WorldAnswered
from callcenter.db.self_service import SelfService
from callcenter.egress import Egress, NoAnswer
from callcenter.errors import CallCenterError
from callcenter.listening import Listener, make_listener
from ivr.expression import Value, as_text
from ivr.turn import ComparePin, KeepAnswers, LookUp, PastUse, RecallVerified, Request

log = structlog.get_logger()

ASKED_MAX: Final = 500  # at a time; who asks then gets an error at once


class World:
    """Implements what `Switchboard` asks by; `run` is a vital task. `tell` is set before it runs.

    `customer` tells a customer's card by their id, `site` the site in use.
    """

    def __init__(
        self,
        database: SelfService,
        egress: Egress,
        listener: Listener,
        *,
        site: Callable[[], Site],
        customer: Callable[[str], CustomerCard | None],
    ) -> None:
        self._database = database
        self._egress = egress
        self._listener = listener
        self._site = site
        self._customer = customer
        self._inbox: asyncio.Queue[AskWorld] = asyncio.Queue(ASKED_MAX)
        self._asked = 0
        self.tell: Callable[[str, WorldAnswered | SpeechHeard], None]

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
            await self._egress.close()

    async def _answer(self, command: AskWorld) -> None:
        try:
            async with asyncio.timeout(command.within_s):
                answered = await self._found(command)
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

    async def _found(self, command: AskWorld) -> WorldAnswered:
        inquiry, request = command.inquiry, command.request
        match inquiry:
            case LookUp():
                return _as_answer(request, await self._look_up(inquiry))
            case Request():
                key = f"{command.contact_id}.q{request}"
                return _as_answer(request, await self._egress.send(inquiry, key))
            case ComparePin(customer_id, pin):
                outcome = await self._database.compare_pin(customer_id, pin, command.caller)
            case KeepAnswers(customer_id, answers, fresh_s):
                await self._database.keep(customer_id, answers, fresh_s)
                return WorldAnswered(request, "found")
            case PastUse(customer_id, flow, place):
                return _as_answer(request, await self._database.use(customer_id, flow, place) or None)
            case RecallVerified(customer_id, fresh_s):
                lately = await self._database.verified_lately(customer_id, command.caller, fresh_s)
                outcome = "verified" if lately else "none"
            case _:
                assert_never(inquiry)
        verified = outcome == "verified"
        return WorldAnswered(request, outcome, customer=self._customer(customer_id) if verified else None)

    async def _look_up(self, inquiry: LookUp) -> Mapping[str, str | int | float | bool | None] | None:
        number, zone = None if inquiry.by is None else as_text(inquiry.by), self._site().zone.key
        if inquiry.what == "customer" and number is not None:
            return await self._database.customer_by(self._identities(number)) if number else None
        if inquiry.customer_id is None or number == "":
            return None
        match inquiry.what:
            case "customer":
                return await self._database.customer(inquiry.customer_id)
            case "case":
                return await self._database.case(inquiry.customer_id, number, zone)
            case "answers":
                return await self._database.answers(inquiry.customer_id)
            case "order":
                return await self._database.order(inquiry.customer_id, number, zone)
            case _:
                raise AssertionError(f"the check lets no flow look up {inquiry.what!r}")

    def _identities(self, number: str) -> list[str]:
        """What a keyed number may stand for: itself, or a telephone number of the site's region."""
        phone = e164(number, self._site().region)
        return [number, *([phone] if phone is not None else [])]

    def _tell_soon(self, command: AskWorld, answered: WorldAnswered) -> None:
        asyncio.get_running_loop().call_soon(self.tell, command.contact_id, answered)


def make_world(
    engine: AsyncEngine,
    settings: Settings,
    asterisk: Access,
    site: Callable[[], Site],
    customer: Callable[[str], CustomerCard | None],
) -> World:
    """The world by this database and these settings."""
    egress = Egress(settings.http_allowed_hosts, settings.http_credentials)
    return World(SelfService(engine), egress, make_listener(settings, asterisk), site=site, customer=customer)


def _as_answer(request: int, found: Mapping[str, Value | None] | None) -> WorldAnswered:
    if found is None:
        return WorldAnswered(request, "none")
    return WorldAnswered(request, "found", {name: value for name, value in found.items() if value is not None})
