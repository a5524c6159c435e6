"""Customers brought in from elsewhere, whole: who they are, and what routing rules decide by."""

from collections.abc import Sequence
from dataclasses import dataclass

from callcenter.db.customers import CHANNEL
from callcenter.db.engine import connect, reaching

_STORE = """
INSERT INTO customer (customer_id, name, value_tier, language, segment, preferred_agent, at_risk, usage)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::float8[])
ON CONFLICT (customer_id) DO UPDATE SET
    (name, value_tier, language, segment, preferred_agent, at_risk, usage, updated_at) = (excluded.name,
    excluded.value_tier, excluded.language, excluded.segment, excluded.preferred_agent, excluded.at_risk,
    excluded.usage, now())
"""
_FORGET_PHONES = "DELETE FROM customer_identity WHERE kind = 'phone' AND customer_id = ANY ($1::text[])"
_PHONES = """
INSERT INTO customer_identity (kind, value, customer_id)
SELECT 'phone', * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING
"""
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """One customer as another system knows them; None is "not known". `phones` are E.164 and replace those before."""

    customer_id: str
    name: str
    value_tier: str
    phones: tuple[str, ...]
    language: str | None = None
    segment: str | None = None
    preferred_agent: str | None = None
    at_risk: bool | None = None
    usage: float | None = None


async def store_records(url: str, records: Sequence[CustomerRecord]) -> None:
    """Put these customers into the database in one transaction: all of them or none. Raises DatabaseError.

    Ids must be different. Who is known already becomes what is given here; other customers stay as they are. A running
    service hears of it at once.
    """
    async with reaching("the customers could not be stored"):
        connection = await connect(url, "callcenter customers import")
        try:
            async with connection.transaction():
                for begin in range(0, len(records), _AT_ONCE):
                    part = records[begin : begin + _AT_ONCE]
                    ids = [each.customer_id for each in part]
                    await connection.execute(
                        _STORE,
                        ids,
                        [each.name for each in part],
                        [each.value_tier for each in part],
                        [each.language for each in part],
                        [each.segment for each in part],
                        [each.preferred_agent for each in part],
                        [each.at_risk for each in part],
                        [each.usage for each in part],
                    )
                    pairs = [(phone, each.customer_id) for each in part for phone in each.phones]
                    await connection.execute(_FORGET_PHONES, ids)
                    await connection.execute(_PHONES, [phone for phone, _ in pairs], [owner for _, owner in pairs])
                await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
        finally:
            await connection.close(timeout=5.0)
