"""What flows look up, and how callers prove who they are: cases, orders and PINs; every statement short and indexed.

A PIN is kept as scrypt (RFC 7914) of it and 16 random bytes. A try is counted, and committed, before it is compared:
nobody gets more of them by trying on several lines at once, or by a crash of ours.
"""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncEngine

from callcenter.db.engine import reaching

PIN_TRIES_MAX: Final = 3  # wrong ones in a row, over all calls
LOCKED_S: Final = 1800.0
USE_DAYS: Final = 180  # what a customer used longer ago says nothing of what they want today
USE_VISITS: Final = 50
IDENTITIES: Final = ("phone", "account")  # by which a caller can be found, beside the customer's id

_N, _R, _P, _SALT_BYTES, _HASH_BYTES = 2**14, 8, 1, 16, 32  # 16 MB and some 50 ms a PIN

_CUSTOMERS = """
SELECT customer_id, value_tier, language FROM customer WHERE customer_id IN (
    SELECT customer_id FROM customer WHERE customer_id = ANY (:by)
    UNION SELECT customer_id FROM customer_identity WHERE kind = ANY (:kinds) AND value = ANY (:by)
) LIMIT 2
"""
_CUSTOMER = "SELECT customer_id, value_tier, language FROM customer WHERE customer_id = :customer_id"
_CASE = """
SELECT case_number AS number, status, subject, (opened_at AT TIME ZONE :zone)::date AS opened_on FROM customer_case
WHERE customer_id = :customer_id AND {which} ORDER BY opened_at DESC, case_number DESC LIMIT 1
"""
_ORDER = """
SELECT order_number AS number, status, total, (ordered_at AT TIME ZONE :zone)::date AS ordered_on, arrives_on
FROM customer_order WHERE customer_id = :customer_id AND {which} ORDER BY ordered_at DESC, order_number DESC LIMIT 1
"""
# Of the customer's last visits: from which node they went on to which by an option (`flow_paths` counts everybody's).
_USE = """
WITH mine AS (
    SELECT contact_id, (started_at AT TIME ZONE 'UTC')::date AS day FROM contact
    WHERE customer_id = :customer_id AND started_at > now() - make_interval(days => :days)
    ORDER BY started_at DESC, contact_id DESC LIMIT :visits
), told AS (
    SELECT each.contact_id, each.seq, each.type, each.data ->> 'node' AS node, each.data ->> 'by' AS by,
        max(each.data ->> 'flow') FILTER (WHERE each.type = 'ivr.entered') OVER (PARTITION BY each.contact_id) AS flow
    FROM mine JOIN contact_event AS each USING (contact_id)
    WHERE each.day BETWEEN mine.day - 1 AND mine.day + 1 AND each.type IN ('ivr.entered', 'ivr.node_entered')
), step AS (
    SELECT node, by, lag(node) OVER (PARTITION BY contact_id ORDER BY seq) AS before
    FROM told WHERE type = 'ivr.node_entered' AND flow = :flow
)
SELECT node, count(*) AS times FROM step WHERE before = :place AND by LIKE 'options[%' GROUP BY node
"""
_TRY = """
UPDATE customer_pin SET tries = CASE WHEN tries >= :most THEN 1 ELSE tries + 1 END, tried_at = now()
WHERE customer_id = :customer_id AND (tries < :most OR tried_at < now() - make_interval(secs => :locked_s))
RETURNING hash, tries
"""
_RIGHT = """
UPDATE customer_pin SET tries = 0, verified_at = now(), verified_caller = :caller WHERE customer_id = :customer_id
"""
_FRESH = """
SELECT 1 FROM customer_pin WHERE customer_id = :customer_id AND verified_caller = :caller AND tries = 0
    AND verified_at > now() - make_interval(secs => :fresh_s)
"""
_SET = """
INSERT INTO customer_pin (customer_id, hash) SELECT customer_id, :hash FROM customer WHERE customer_id = :customer_id
ON CONFLICT (customer_id) DO UPDATE
    SET hash = excluded.hash, tries = 0, tried_at = NULL, verified_at = NULL, verified_caller = NULL
"""

_ANSWERS = "SELECT name, value FROM customer_answer WHERE customer_id = :customer_id AND fresh_until > now()"
_KEEP = """
INSERT INTO customer_answer (customer_id, name, value, fresh_until)
SELECT customer_id, each.key, each.value, now() + make_interval(secs => :fresh_s)
FROM customer, jsonb_each(CAST(:answers AS jsonb)) AS each WHERE customer_id = :customer_id
ON CONFLICT (customer_id, name) DO UPDATE SET value = excluded.value, fresh_until = excluded.fresh_until
"""

Row = Mapping[str, str | int | float | bool | None]


class SelfService:
    """Reads and PINs, by a pool; every method raises DatabaseError if the database can't be reached."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def customer(self, customer_id: str) -> Row | None:
        """The customer of this id."""
        return await self._one(_CUSTOMER, customer_id=customer_id)

    async def customer_by(self, values: list[str]) -> Row | None:
        """The one customer whose id, telephone number or other identity is among these; None if several have it."""
        found = await self._rows(_CUSTOMERS, by=values, kinds=list(IDENTITIES))
        return found[0] if len(found) == 1 else None

    async def case(self, customer_id: str, number: str | None, zone: str) -> Row | None:
        """The customer's case of this number, without one their newest that is open; days are the zone's."""
        which = "closed_at IS NULL" if number is None else "case_number = :number"
        return await self._one(_CASE.format(which=which), customer_id=customer_id, number=number, zone=zone)

    async def order(self, customer_id: str, number: str | None, zone: str) -> Row | None:
        """The customer's order of this number, without one their newest; days are the zone's."""
        which = "TRUE" if number is None else "order_number = :number"
        return await self._one(_ORDER.format(which=which), customer_id=customer_id, number=number, zone=zone)

    async def answers(self, customer_id: str) -> Row | None:
        """What the customer answered before and is fresh, by name; None if there is nothing."""
        return {str(row["name"]): row["value"] for row in await self._rows(_ANSWERS, customer_id=customer_id)} or None

    async def use(self, customer_id: str, flow: str, place: str) -> Row:
        """How often the customer went on from this node of the flow by an option of it lately: node → times."""
        given = {"customer_id": customer_id, "flow": flow, "place": place, "days": USE_DAYS, "visits": USE_VISITS}
        return {str(row["node"]): row["times"] for row in await self._rows(_USE, **given)}

    async def keep(self, customer_id: str, answers: Row, fresh_s: float) -> None:
        """Keep these answers of a customer for so long; whoever does not exist is forgotten at once."""
        given = {"customer_id": customer_id, "answers": json.dumps(dict(answers)), "fresh_s": fresh_s}
        async with reaching("the answers could not be kept"), self._engine.begin() as connection:
            await connection.execute(text(_KEEP), given)

    async def compare_pin(self, customer_id: str, pin: str, caller: str | None) -> str:
        """verified, wrong or locked; who has no PIN is locked.

        After PIN_TRIES_MAX wrong ones in a row nothing is compared for LOCKED_S. `caller` is the number that calls.
        """
        async with reaching("the PIN could not be compared"), self._engine.connect() as connection:
            given = {"customer_id": customer_id, "most": PIN_TRIES_MAX, "locked_s": LOCKED_S}
            row = (await connection.execute(text(_TRY), given)).one_or_none()
            await connection.commit()
            # Who has none takes as long: how fast the answer comes says nothing.
            stored = _NOBODYS if row is None else str(row.hash)
            right = await asyncio.to_thread(_matches, pin, stored)
            if row is None:
                return "locked"
            if not right:
                return "locked" if row.tries >= PIN_TRIES_MAX else "wrong"
            await connection.execute(text(_RIGHT), {"customer_id": customer_id, "caller": caller})
            await connection.commit()
        return "verified"

    async def verified_lately(self, customer_id: str, caller: str | None, fresh_s: float) -> bool:
        """Whether the customer was verified within this time from the number that calls, without a wrong PIN since."""
        if caller is None:
            return False
        return await self._one(_FRESH, customer_id=customer_id, caller=caller, fresh_s=fresh_s) is not None

    async def set_pin(self, customer_id: str, pin: str) -> bool:
        """Give a customer this PIN; whatever was tried or proved before counts no more. False: no such customer."""
        stored = await asyncio.to_thread(_hashed, pin, secrets.token_bytes(_SALT_BYTES))
        async with reaching("the PIN could not be stored"), self._engine.begin() as connection:
            done = await connection.execute(text(_SET), {"customer_id": customer_id, "hash": stored})
        return done.rowcount == 1

    async def _one(self, statement: str, **given: Any) -> Row | None:
        return next(iter(await self._rows(statement, **given)), None)

    async def _rows(self, statement: str, **given: Any) -> list[Row]:
        async with reaching("nothing could be looked up"), self._engine.connect() as connection:
            named = {name: value for name, value in given.items() if f":{name}" in statement}
            return [_plain(row) for row in (await connection.execute(text(statement), named)).mappings()]


def _plain(row: RowMapping) -> Row:
    """Days as ISO texts, amounts as numbers."""
    return {
        name: value.isoformat() if isinstance(value, date) else float(value) if isinstance(value, Decimal) else value
        for name, value in row.items()
    }


def _hashed(pin: str, salt: bytes) -> str:
    made = hashlib.scrypt(pin.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=2**26, dklen=_HASH_BYTES)
    return f"scrypt${salt.hex()}${made.hex()}"


def _matches(pin: str, stored: str) -> bool:
    _, salt, _ = stored.split("$")
    return hmac.compare_digest(_hashed(pin, bytes.fromhex(salt)), stored)


_NOBODYS: Final = f"scrypt${'00' * _SALT_BYTES}${'00' * _HASH_BYTES}"  # no PIN is known to hash to this
