"""Customers of another system sent to the API: as CSV or JSON, all or none, by admins alone, known to the next call."""

from typing import Any

import pytest

from api.problems import CUSTOMERS_BYTES_MAX
from tests.api_center import PLATINUM, Center, center
from tests.database import fetch, until

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

PATH = "/v1/customers/import"
HEAD = "customer_id,name,phones,value_tier,preferred_agent,at_risk,usage\n"
CSV = HEAD + "c2001,車隊,0912 345 678;+886223456789,vip,agent04,yes,125.5\nc2002,O'Brien,,,,,\n"
JSON = {
    "customers": [
        {
            "customer_id": "c2001",
            "name": "車隊",
            "phones": ["0912 345 678", "+886223456789"],
            "value_tier": "vip",
            "preferred_agent": "agent04",
            "at_risk": True,
            "usage": 125.5,
        },
        {"customer_id": "c2002", "name": "O'Brien", "phones": [], "usage": None},
    ]
}
STORED = "SELECT * FROM customer WHERE customer_id LIKE 'c20%' ORDER BY customer_id"
PHONES = "SELECT value FROM customer_identity WHERE customer_id = 'c2001' ORDER BY value"
FORGET = (
    "DELETE FROM customer_identity WHERE customer_id LIKE 'c20%'",
    "DELETE FROM customer WHERE customer_id LIKE 'c20%'",
)


async def sent(center: Center, body: str | dict[str, Any], query: str = "", kind: str = "text/csv") -> tuple[int, Any]:
    if isinstance(body, str):
        return await center.json("POST", PATH + query, "admin", data=body.encode(), headers={"Content-Type": kind})
    return await center.json("POST", PATH + query, "admin", json=body)


@pytest.mark.parametrize("body", [CSV, "\ufeff" + CSV.replace("\n", "\r\n"), JSON], ids=["csv", "of Excel", "json"])
async def test_customers_are_taken_over_and_who_calls_is_known_at_once(
    center: Center, body: str | dict[str, Any]
) -> None:
    for forget in FORGET:
        await fetch(center.database_url, forget)
    assert await sent(center, body, "?check=true") == (200, {"customers": 2, "mistakes": [], "stored": False})
    assert await fetch(center.database_url, STORED) == []
    assert await sent(center, body) == (200, {"customers": 2, "mistakes": [], "stored": True})
    first, second = await fetch(center.database_url, STORED)
    assert (first["name"], first["value_tier"], first["preferred_agent"]) == ("車隊", "vip", "agent04")
    assert (first["at_risk"], first["usage"], second["name"]) == (True, 125.5, "O'Brien")
    assert (second["value_tier"], second["at_risk"], second["usage"]) == ("standard", None, None)
    assert [row["value"] for row in await fetch(center.database_url, PHONES)] == ["+886223456789", "+886912345678"]
    await until(lambda: getattr(center.backend.customers.find("+886912345678"), "customer_id", "") == "c2001")
    assert center.backend.customers.find(PLATINUM) is not None, "other customers stay"


async def test_with_a_mistake_nobody_is_taken_over_and_each_is_told_with_its_place(center: Center) -> None:
    bad = HEAD + "c2003,王,0912345679,,,,\nc2004,王,12,gold,agent99,perhaps,-1\n"
    status, problem = await sent(center, bad)
    assert (status, problem["code"]) == (422, "customers_refused")
    assert [mistake["where"] for mistake in problem["errors"]] == ["line 3"] * 5
    status, found = await sent(center, bad, "?check=true")
    assert (status, found["customers"], found["stored"]) == (200, 0, False)
    assert found["mistakes"] == [f"{mistake['where']}: {mistake['what']}" for mistake in problem["errors"]]
    twice = {"customer_id": "c2003", "name": "王", "phones": ["0912345679"]}
    status, problem = await sent(center, {"customers": [twice, {**twice, "name": "a\x00b"}]})
    assert (status, [mistake["where"] for mistake in problem["errors"]]) == (422, ["customers.1"] * 2)
    assert await fetch(center.database_url, STORED.replace("c20%", "c2003")) == []


@pytest.mark.parametrize(
    ("body", "kind", "status", "says"),
    [
        ("<c/>", "application/xml", 415, "text/csv or application/json"),
        (CSV, "", 415, "text/csv or application/json"),
        ("", "text/csv", 422, "the column 'customer_id' is missing"),
        ("{", "application/json", 422, "Invalid JSON"),
        ('{"customers": [{"customer_id": "c2005", "name": "王"}]}', "application/json", 422, "body.customers.0.phones"),
        ('{"customers": [{"customer_id": 5, "name": "王", "phones": []}]}', "application/json", 422, "0.customer_id"),
        ('{"customers": [{"tier": "vip"}]}', "application/json", 422, "customers.0.tier"),
        ("[]", "application/json", 422, "body"),
        ("x" * (CUSTOMERS_BYTES_MAX + 1), "text/csv", 413, f"at most {CUSTOMERS_BYTES_MAX} bytes"),
    ],
)  # fmt: skip
async def test_what_can_not_be_read_is_refused_with_the_reason(
    center: Center, body: str, kind: str, status: int, says: str
) -> None:
    got, problem = await sent(center, body, kind=kind)
    assert got == status
    assert says in str(problem)


async def test_what_is_no_utf_8_is_refused(center: Center) -> None:
    headers = {"Content-Type": "text/csv; charset=big5"}
    status, problem = await center.json("POST", PATH, "admin", data=CSV.encode("big5"), headers=headers)
    assert (status, problem["detail"]) == (422, "body: the text is no UTF-8")
    status, problem = await center.json("POST", PATH + "?chek=true", "admin", json=JSON)
    assert (status, problem["errors"][0]["where"]) == (422, "query.chek")


async def test_a_list_without_a_length_is_counted_as_it_comes(center: Center) -> None:
    async def endless() -> Any:
        for _ in range(CUSTOMERS_BYTES_MAX // 10_000 + 1):
            yield b"x" * 10_000

    headers = {"Content-Type": "text/csv"}
    status, problem = await center.json("POST", PATH, "admin", data=endless(), headers=headers)
    assert (status, problem["detail"]) == (413, f"Send at most {CUSTOMERS_BYTES_MAX} bytes in a request body.")
