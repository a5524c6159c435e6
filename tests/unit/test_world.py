"""Who answers what flows ask: in time, once, and with an error if need be."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from callcenter.config.site import load_site
from callcenter.contact.commands import AskWorld
from callcenter.contact.signals import CustomerCard, SpeechHeard, WorldAnswered
from callcenter.db.engine import make_engine
from callcenter.db.self_service import SelfService
from callcenter.egress import Egress
from callcenter.listening import Listener
from callcenter.sources import Sources
from callcenter.world import ASKED_MAX, World
from ivr.turn import ComparePin, LookUp, RecallVerified, Request
from tests.kit.parts import DEMO_SITE

SITE = load_site(DEMO_SITE)
CARD = CustomerCard("c1", "林", "vip", "en")
NOWHERE = "postgresql+asyncpg://nobody@127.0.0.1:9/none"


class Shelf(SelfService):
    """A database of one customer with the PIN 2580, that takes `delay_s`."""

    def __init__(self, delay_s: float = 0.0) -> None:
        super().__init__(make_engine(NOWHERE))
        self.delay_s = delay_s
        self.asked: list[tuple[Any, ...]] = []

    async def customer_by(self, values: list[str]) -> Mapping[str, Any] | None:
        self.asked.append(tuple(values))
        await asyncio.sleep(self.delay_s)
        return {"customer_id": "c1", "value_tier": "vip", "language": None}

    async def order(self, customer_id: str, number: str | None, zone: str) -> Mapping[str, Any] | None:
        self.asked.append((customer_id, number, zone))
        if number == "broken":
            raise RuntimeError("a bug of ours")
        return None

    async def compare_pin(self, customer_id: str, pin: str, caller: str | None) -> str:
        return "verified" if pin == "2580" else "wrong"

    async def verified_lately(self, customer_id: str, caller: str | None, fresh_s: float) -> bool:
        return caller is not None


@asynccontextmanager
async def running(database: SelfService) -> AsyncIterator[tuple[World, "asyncio.Queue[tuple[str, WorldAnswered]]"]]:
    told: asyncio.Queue[tuple[str, WorldAnswered]] = asyncio.Queue()
    made = World(Sources(database, Egress(), site=lambda: SITE, customer={"c1": CARD}.get), Listener())

    def tell(contact_id: str, answered: WorldAnswered | SpeechHeard) -> None:
        assert isinstance(answered, WorldAnswered)
        told.put_nowait((contact_id, answered))

    made.tell = tell
    task = asyncio.create_task(made.run())
    yield made, told
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def answer(database: SelfService, inquiry: Any, within_s: float = 2.0, caller: str | None = "+8861") -> Any:
    async with running(database) as (world, told):
        world.ask(AskWorld("k", 3, inquiry, within_s, caller))
        contact_id, answered = await asyncio.wait_for(told.get(), 5.0)
    assert (contact_id, answered.request) == ("k", 3)
    return answered


async def test_what_is_found_is_told_and_what_it_lacks_is_left_out() -> None:
    shelf = Shelf()
    found = await answer(shelf, LookUp("customer", "0910000001", None))
    assert (found.outcome, found.values) == ("found", {"customer_id": "c1", "value_tier": "vip"})
    assert shelf.asked == [("0910000001", "+886910000001")]


async def test_an_order_is_looked_for_among_those_of_the_customer_by_the_sites_days() -> None:
    shelf = Shelf()
    assert (await answer(shelf, LookUp("order", 42, "c1"))).outcome == "none"
    assert shelf.asked == [("c1", "42", "Asia/Taipei")]
    for nobodys in (LookUp("order", None, None), LookUp("order", "", "c1"), LookUp("customer", "", "c1")):
        assert (await answer(shelf, nobodys)).outcome == "none"
    assert len(shelf.asked) == 1


async def test_who_is_verified_is_told_with_their_card_and_who_is_not_without() -> None:
    assert (await answer(Shelf(), ComparePin("c1", "2580"))).customer == CARD
    wrong = await answer(Shelf(), ComparePin("c1", "0000"))
    assert (wrong.outcome, wrong.customer) == ("wrong", None)
    assert (await answer(Shelf(), RecallVerified("c1", 60.0))).customer == CARD
    assert (await answer(Shelf(), RecallVerified("c1", 60.0), caller=None)).outcome == "none"


@pytest.mark.parametrize(
    ("database", "inquiry", "why"),
    [
        (Shelf(delay_s=9.0), LookUp("customer", "1", None), "timeout"),
        (SelfService(make_engine(NOWHERE)), LookUp("customer", "1", None), "unavailable"),
        (Shelf(), LookUp("order", "broken", "c1"), "fault"),
        (Shelf(), Request("http://127.0.0.1:9/", {}, None, ()), "private_address"),
    ],
)
async def test_what_can_not_be_answered_is_an_error_with_its_reason(
    database: SelfService, inquiry: Any, why: str
) -> None:
    answered = await answer(database, inquiry, within_s=0.3 if why == "timeout" else 2.0)
    assert (answered.outcome, answered.why) == ("error", why)


async def test_who_asks_when_too_much_is_asked_already_is_answered_at_once() -> None:
    async with running(Shelf(delay_s=60.0)) as (world, told):
        for _ in range(ASKED_MAX):
            world.ask(AskWorld("k", 1, LookUp("customer", "1", None), 60.0, None))
        await asyncio.sleep(0)
        world.ask(AskWorld("late", 1, LookUp("customer", "1", None), 60.0, None))
        contact_id, answered = await asyncio.wait_for(told.get(), 1.0)
    assert (contact_id, answered.outcome, answered.why) == ("late", "error", "busy")
