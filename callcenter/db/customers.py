"""Who is calling, answered from memory: every customer's numbers, loaded once and kept fresh."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from callcenter.contact.signals import CustomerCard
from callcenter.db.engine import FAULTS, connect, reaching, reason, unless_cancelled

REFRESH_S = 30.0
RETRY_CAP_S = 10.0
OVERLAP_S = 10.0  # rows of a transaction that committed while we were reading carry an older time
ROWS_MAX = 5_000  # read at once, so that the event loop breathes
LAST_AGENT_DAYS = 90
CHANNEL = "callcenter_customers"

RECORDS = """
SELECT c.customer_id, c.name, c.value_tier, c.language, c.segment, c.preferred_agent, c.at_risk, c.usage, c.updated_at,
    ARRAY(SELECT i.value FROM customer_identity i WHERE i.customer_id = c.customer_id AND i.kind = 'phone') AS phones,
    open.case_number IS NOT NULL AS open_case, open.owner_agent AS case_owner
FROM customer c LEFT JOIN LATERAL (
    SELECT case_number, owner_agent FROM customer_case o WHERE o.customer_id = c.customer_id AND o.closed_at IS NULL
    ORDER BY o.owner_agent IS NULL, o.opened_at DESC, o.case_number LIMIT 1
) open ON true
WHERE {which}
"""
CHANGED = "c.updated_at >= coalesce($1::timestamptz - make_interval(secs => $2), '-infinity')"
CUSTOMERS = RECORDS.format(which=CHANGED)
LAST_AGENTS = """
SELECT DISTINCT ON (customer_id) customer_id, agent_id FROM contact
WHERE customer_id IS NOT NULL AND agent_id IS NOT NULL AND answered_at > now() - make_interval(days => $1)
ORDER BY customer_id, answered_at DESC
"""
SEED_CUSTOMERS = """
INSERT INTO customer (customer_id, name, value_tier, language)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
ON CONFLICT (customer_id) DO UPDATE
    SET name = excluded.name, value_tier = excluded.value_tier, language = excluded.language, updated_at = now()
"""
SEED_FORGET = "DELETE FROM customer_identity WHERE kind = 'phone' AND customer_id = ANY ($1::text[])"
SEED_PHONES = """
INSERT INTO customer_identity (kind, value, customer_id)
SELECT 'phone', * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CustomerSeed:
    """A customer to be in the database; `phones` are E.164 and replace those known before."""

    customer_id: str
    name: str
    value_tier: str
    language: str | None
    phones: tuple[str, ...]


async def seed(url: str, customers: Sequence[CustomerSeed]) -> None:
    """Put these customers into the database, or bring them up to date; others stay. Raises DatabaseError."""
    pairs = [(phone, customer.customer_id) for customer in customers for phone in customer.phones]
    async with reaching("the customers could not be stored"):
        connection = await connect(url, "callcenter seed")
        try:
            async with connection.transaction():
                ids = [customer.customer_id for customer in customers]
                await connection.execute(
                    SEED_CUSTOMERS,
                    ids,
                    [customer.name for customer in customers],
                    [customer.value_tier for customer in customers],
                    [customer.language for customer in customers],
                )
                await connection.execute(SEED_FORGET, ids)
                await connection.execute(SEED_PHONES, [phone for phone, _ in pairs], [owner for _, owner in pairs])
                await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
        finally:
            await connection.close(timeout=5.0)


@dataclass(frozen=True, slots=True)
class Known:
    """What the site says of a customer; it holds where their record says nothing. See `contact.signals.CustomerCard`.

    They are at risk, or have an open case, if either says so.
    """

    segment: str | None = None
    preferred_agent: str | None = None
    case_owner: str | None = None
    open_case: bool = False
    at_risk: bool = False
    usage: float | None = None
    open_order: bool = False


class CustomerIndex:
    """Implements ports.Customers; while the database is away it answers from what it has.

    `tiers` ranks value tiers, 0 highest: of several customers with one number the highest is taken.
    `last_agents` (customer → agent) holds for those whom nobody served yet, as far as the database knows.
    `known` (by customer) is what the site says where the database says nothing.
    """

    def __init__(
        self,
        url: str,
        tiers: Mapping[str, int],
        rng: random.Random,
        last_agents: Mapping[str, str] | None = None,
        known: Mapping[str, Known] | None = None,
    ) -> None:
        self._url = url
        self._tiers = tiers
        self._last_agents_before = last_agents or {}
        self._known = known or {}
        self._rng = rng
        self._cards: dict[str, CustomerCard] = {}
        self._recorded: dict[str, CustomerCard] = {}  # those of `known`, without what the site says
        self._phones: dict[str, tuple[str, ...]] = {}
        self._phones_of: dict[str, tuple[str, ...]] = {}
        self._last_agents: dict[str, str] = {}
        self._read_to: Any = None
        self._failures = 0
        self._changed = asyncio.Event()
        self._loaded = asyncio.Event()

    def find(self, caller: str) -> CustomerCard | None:
        """The customer with this E.164 number, or None."""
        owners = self._phones.get(caller)
        return None if owners is None else self._cards[owners[0]]

    def card(self, customer_id: str) -> CustomerCard | None:
        """The customer of this id, or None."""
        return self._cards.get(customer_id)

    def served(self, customer_id: str, agent_id: str) -> None:
        """An agent answered this customer: from now on their last one."""
        self._last_agents[customer_id] = agent_id
        card = self._cards.get(customer_id)
        if card is not None:
            self._cards[customer_id] = replace(card, last_agent=agent_id)

    def reconfigure(self, tiers: Mapping[str, int], known: Mapping[str, Known]) -> None:
        """The site changed: it holds for the next caller."""
        self._tiers, self._known = tiers, known
        for customer_id, recorded in self._recorded.items():
            self._cards[customer_id] = replace(recorded, last_agent=self._cards[customer_id].last_agent)
        self._recorded = {each: self._cards[each] for each in self._cards.keys() & known.keys()}
        self._cards |= {customer_id: self._card(card) for customer_id, card in self._recorded.items()}
        self._phones = {phone: tuple(sorted(owners, key=self._rank)) for phone, owners in self._phones.items()}

    @property
    def loaded(self) -> bool:
        """Whether the customers have been read at all."""
        return self._loaded.is_set()

    async def until_loaded(self, timeout_s: float) -> bool:
        """Wait for the first reading; False if it takes longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._loaded.wait()
        return self.loaded

    async def run(self) -> None:
        """Read, then follow changes until cancelled."""
        while True:
            try:
                await self._follow()
            except FAULTS as error:
                unless_cancelled(error)
                log.warning("customers not refreshed", extra={"why": reason(error), "known": len(self._cards)})
            self._failures += 1
            await asyncio.sleep(self._rng.uniform(0.1, min(RETRY_CAP_S, 0.2 * 2.0 ** min(self._failures, 10))))

    async def _follow(self) -> None:
        connection = await connect(self._url, "callcenter customers")
        try:
            await connection.add_listener(CHANNEL, lambda *_: self._changed.set())
            if not self.loaded:
                for record in await connection.fetch(LAST_AGENTS, LAST_AGENT_DAYS):
                    self._last_agents.setdefault(record["customer_id"], record["agent_id"])
                self._last_agents = {**self._last_agents_before, **self._last_agents}
            while True:
                self._changed.clear()
                await self._refresh(connection)
                self._loaded.set()
                self._failures = 0
                with suppress(TimeoutError):
                    async with asyncio.timeout(REFRESH_S):
                        await self._changed.wait()
        finally:
            connection.terminate()

    async def _refresh(self, connection: Any) -> None:
        """Read what changed since the last time, with a little overlap."""
        latest = self._read_to
        async with connection.transaction():
            async for record in connection.cursor(CUSTOMERS, self._read_to, OVERLAP_S, prefetch=ROWS_MAX):
                self._put(record)
                latest = record["updated_at"] if latest is None else max(latest, record["updated_at"])
        self._read_to = latest

    def _put(self, record: Mapping[str, Any]) -> None:
        customer_id, phones = record["customer_id"], tuple(record["phones"])
        card = CustomerCard(
            customer_id,
            record["name"],
            record["value_tier"],
            record["language"],
            self._last_agents.get(customer_id),
            record["segment"],
            record["preferred_agent"],
            record["case_owner"],
            record["open_case"],
            bool(record["at_risk"]),
            record["usage"],
        )
        if customer_id in self._known:
            self._recorded[customer_id] = card
        self._cards[customer_id] = self._card(card)
        before = self._phones_of.get(customer_id, ())
        self._phones_of[customer_id] = phones
        for phone in {*before, *phones}:
            owners = {owner for owner in self._phones.get(phone, ()) if owner != customer_id}
            if phone in phones:
                owners.add(customer_id)
            if owners:
                self._phones[phone] = tuple(sorted(owners, key=self._rank))
            else:
                del self._phones[phone]

    def _card(self, card: CustomerCard) -> CustomerCard:
        """The card with what the site says where the record says nothing."""
        known = self._known.get(card.customer_id)
        if known is None:
            return card
        return replace(
            card,
            segment=card.segment or known.segment,
            preferred_agent=card.preferred_agent or known.preferred_agent,
            case_owner=card.case_owner or known.case_owner,
            open_case=card.open_case or known.open_case,
            open_order=card.open_order or known.open_order,
            at_risk=card.at_risk or known.at_risk,
            usage=known.usage if card.usage is None else card.usage,
        )

    def _rank(self, customer_id: str) -> tuple[int, str]:
        return self._tiers.get(self._cards[customer_id].value_tier, len(self._tiers)), customer_id
