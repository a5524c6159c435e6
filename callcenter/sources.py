"""What knows the answers to what flows ask: the database, and other systems by HTTP."""

from collections.abc import Callable, Mapping
from typing import Protocol, assert_never

from sqlalchemy.ext.asyncio import AsyncEngine

from callcenter.config.numbers import e164
from callcenter.config.settings import Settings
from callcenter.config.site import Site
from callcenter.contact.commands import AskWorld
from callcenter.contact.signals import CustomerCard, WorldAnswered
from callcenter.db.self_service import SelfService
from callcenter.egress import Egress
from ivr.expression import Value, as_text
from ivr.turn import ComparePin, KeepAnswers, LookUp, PastUse, RecallVerified, Request


class Answers(Protocol):
    """Who knows the answers; the world takes care that each question has one in time."""

    async def find(self, command: AskWorld) -> WorldAnswered:
        """The answer, which may take its time. Raises NoAnswer with a reason, or CallCenterError."""

    async def close(self) -> None:
        """Nothing is asked any more."""


class Sources:
    """The database and other systems. `customer` tells a customer's card by their id, `site` the site in use."""

    def __init__(
        self,
        database: SelfService,
        egress: Egress,
        *,
        site: Callable[[], Site],
        customer: Callable[[str], CustomerCard | None],
    ) -> None:
        self._database = database
        self._egress = egress
        self._site = site
        self._customer = customer

    async def close(self) -> None:
        """Let go of the connections to other systems."""
        await self._egress.close()

    async def find(self, command: AskWorld) -> WorldAnswered:
        """What is known, or what became of it. Raises NoAnswer, and CallCenterError while the database is away."""
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


def make_sources(
    engine: AsyncEngine, settings: Settings, site: Callable[[], Site], customer: Callable[[str], CustomerCard | None]
) -> Sources:
    """The sources by this database and these settings."""
    egress = Egress(settings.http_allowed_hosts, settings.http_credentials)
    return Sources(SelfService(engine), egress, site=site, customer=customer)


def _as_answer(request: int, found: Mapping[str, Value | None] | None) -> WorldAnswered:
    if found is None:
        return WorldAnswered(request, "none")
    return WorldAnswered(request, "found", {name: value for name, value in found.items() if value is not None})
