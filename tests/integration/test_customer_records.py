"""Rules decide by the customer's record in the database: from a file, by a case, seen at the next call."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from callcenter.config.settings import CHECKOUT
from callcenter.db.customer_records import CustomerRecord, store_records
from tests.database import fetch, until
from tests.kit.behaviour import Answer
from tests.kit.hotline import AGENT_HZ, VIP, Hotline, data, one
from tests.kit.phone import Phone
from tests.kit.service import Service

pytestmark = pytest.mark.integration

FLEET = CustomerRecord(
    "c2001", "車隊", "vip", ("+886912345678",), language="zh-TW", segment="business", at_risk=True, usage=125.5
)
OPENED = "INSERT INTO customer_case VALUES ('K2001', 'c2001', 'open', '退貨', now(), NULL, $1)"
CLOSED = "UPDATE customer_case SET closed_at = now() WHERE case_number = 'K2001'"


async def decided(hotline: Hotline, trunk: Phone) -> Mapping[str, object]:
    """What the rules decided for a call from FLEET's number, and for whom it waited or rang."""
    call = trunk.call(VIP, caller="0912345678")
    await call.answered()
    await call.hang_up()
    await hotline.nothing_left()
    stories = await hotline.stories()
    return data(one(stories[-1], "routing.decided"))


async def test_the_next_call_is_routed_by_what_the_record_says_now(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone], database_url: str
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    customers = hotline.center.customers
    await store_records(database_url, [FLEET])
    await until(lambda: customers.find("+886912345678") is not None)
    at_risk = await decided(hotline, trunk)
    assert (at_risk["value_tier"], at_risk["queue"]) == ("vip_risk", "vip")
    await fetch(database_url, OPENED, "agent03")
    await until(lambda: getattr(customers.card("c2001"), "case_owner", None) == "agent03")
    owned = await decided(hotline, trunk)
    assert owned["preferred_agent"] == "agent03"
    await fetch(database_url, CLOSED)
    await until(lambda: getattr(customers.card("c2001"), "open_case", None) is False)
    await store_records(database_url, [CustomerRecord("c2001", "車隊", "vip", FLEET.phones)])
    await until(lambda: getattr(customers.card("c2001"), "segment", "") is None)
    plain = await decided(hotline, trunk)
    assert plain["value_tier"] == "vip"
    assert plain["preferred_agent"] is None


async def imported(service: Service, file: Path, *words: str) -> tuple[int, dict[str, object]]:
    """Exit code and answer of `customers import`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "customers", "import", str(file), "--json", *words),
        cwd=CHECKOUT,
        env=service.environment,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 120.0)
    assert process.returncode is not None
    return process.returncode, json.loads(said)


async def test_customers_of_a_file_are_taken_over_all_or_none(service: Service, tmp_path: Path) -> None:
    url = service.environment["CALLCENTER_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
    file = tmp_path / "customers.csv"
    head = "customer_id,name,phones,value_tier,preferred_agent,at_risk,usage\n"
    good = "c2001,車隊,0912 345 678;+886223456789,vip,agent04,yes,125.5\nc2002,O'Brien,,,,,\n"
    file.write_text(head + good + "c2003,王,12,gold,agent99,perhaps,-1\n", encoding="utf-8")
    code, said = await imported(service, file)
    assert (code, said["stored"], len(str(said["mistakes"]).split("line 4:"))) == (1, False, 6)
    file.write_text(head + good, encoding="utf-8")
    assert await imported(service, file, "--check") == (0, {"customers": 2, "mistakes": [], "stored": False})
    assert await fetch(url, "SELECT * FROM customer") == []
    assert await imported(service, file) == (0, {"customers": 2, "mistakes": [], "stored": True})
    rows = await fetch(url, "SELECT value_tier, preferred_agent, at_risk, usage FROM customer ORDER BY customer_id")
    assert [tuple(row) for row in rows] == [("vip", "agent04", True, 125.5), ("standard", None, None, None)]
    phones = await fetch(url, "SELECT value FROM customer_identity WHERE customer_id = 'c2001' ORDER BY value")
    assert [row["value"] for row in phones] == ["+886223456789", "+886912345678"]
