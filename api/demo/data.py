"""What the demo site's customers have, so that its self-service has something to tell: orders, cases, a PIN."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.cli.database import reached
from api.cli.output import Exit, err, say_json
from api.demo.stage import DEMO_SITE
from callcenter.config.settings import Settings
from callcenter.config.site import load_site
from callcenter.db.customers import seed
from callcenter.db.engine import make_engine, reaching
from callcenter.db.self_service import SelfService
from callcenter.errors import CallCenterError
from callcenter.site_customers import seeds

PIN: Final = "2580"
OWNERS: Final = ("c0001", "c0002", "c0003")  # who call from 0910000001, 0910000002 and 0910000003

_ORDER: Final = """
INSERT INTO customer_order (order_number, customer_id, status, total, ordered_at, arrives_on)
VALUES (:number, :customer_id, :status, :total, now() - interval '3 days', current_date + 2)
ON CONFLICT (order_number) DO UPDATE
SET status = excluded.status, total = excluded.total, ordered_at = excluded.ordered_at, arrives_on = excluded.arrives_on
"""
_CASE: Final = """
INSERT INTO customer_case (case_number, customer_id, status, subject, opened_at)
VALUES (:number, :customer_id, 'open', 'repair', now() - interval '1 day')
ON CONFLICT (case_number) DO UPDATE SET opened_at = excluded.opened_at, closed_at = NULL
"""


async def fill(settings: Settings, *, as_json: bool) -> Exit:
    """Give the demo site's customers their orders, cases and PIN. Raises CallCenterError on another site."""
    if settings.site.resolve() != DEMO_SITE.resolve():
        raise CallCenterError(f"{settings.site} is not the demo site: its customers have data of their own")
    async with reached(settings) as url:
        await seed(url, seeds(load_site(DEMO_SITE)))
        database = make_engine(url)
        try:
            await put(database)
        finally:
            await database.dispose()
    if as_json:
        say_json({"customers": list(OWNERS), "pin": PIN})
    else:
        err().print(f"{', '.join(OWNERS)} have an order, a case and the PIN {PIN}; docs/demo.md says what to dial")
    return Exit.OK


async def put(database: AsyncEngine) -> None:
    """Write what they have; whatever of it was there before is as new. Requires that the customers are there."""
    async with reaching("the demo's data could not be stored"), database.begin() as connection:
        for n, customer_id in enumerate(OWNERS, 1):
            order = {"number": f"1000{n}", "customer_id": customer_id, "status": "sent", "total": 1000 + 400 * n}
            await connection.execute(text(_ORDER), order)
            await connection.execute(text(_CASE), {"number": f"2000{n}", "customer_id": customer_id})
    for customer_id in OWNERS:
        await SelfService(database).set_pin(customer_id, PIN)
