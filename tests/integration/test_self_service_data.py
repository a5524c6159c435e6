"""What flows look up, and PINs, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from callcenter.db.engine import make_engine
from callcenter.db.migrate import upgrade
from callcenter.db.self_service import PIN_TRIES_MAX, SelfService
from callcenter.errors import DatabaseError
from tests.database import database_server, fetch, fresh_url

pytestmark = pytest.mark.integration
__all__ = ["database_server", "fresh_url"]

ZONE = "Asia/Taipei"
CALLER = "+886910000001"
DATA = """
INSERT INTO customer (customer_id, name, value_tier, language) VALUES
    ('c1', '林', 'vip', 'zh-TW'), ('c2', '陳', 'basic', NULL), ('c3', '王', 'basic', NULL);
INSERT INTO customer_identity VALUES
    ('phone', '+886910000001', 'c1'), ('phone', '+886222222222', 'c1'), ('phone', '+886222222222', 'c2'),
    ('account', '12345678', 'c2'), ('email', 'c2@example.com', 'c2');
INSERT INTO customer_case VALUES
    ('K1', 'c1', 'waiting', '退貨', '2026-11-01 20:00Z', NULL),
    ('K2', 'c1', 'done', '', '2026-11-05Z', '2026-11-06Z'),
    ('K3', 'c2', 'new', '', '2026-11-07Z', NULL);
INSERT INTO customer_order VALUES
    ('A1', 'c1', 'sent', 1250.50, '2026-11-01Z', '2026-11-09'),
    ('A2', 'c1', 'new', 99, '2026-11-02 23:00Z', NULL),
    ('B1', 'c2', 'sent', 5, '2026-11-03Z', NULL)
"""


@pytest.fixture
async def service(url: str) -> AsyncIterator[SelfService]:
    for statement in DATA.split(";"):
        await fetch(url, statement)
    engine = make_engine(url)
    yield SelfService(engine)
    await engine.dispose()


async def test_a_customer_is_found_by_id_number_or_account_if_nobody_else_has_it(service: SelfService) -> None:
    assert await service.customer("c1") == {"customer_id": "c1", "value_tier": "vip", "language": "zh-TW"}
    assert await service.customer("nobody") is None
    for by, found in (("+886910000001", "c1"), ("12345678", "c2"), ("c3", "c3")):
        row = await service.customer_by([by])
        assert row is not None
        assert row["customer_id"] == found
    assert await service.customer_by(["+886222222222"]) is None, "a number that two customers have tells neither"
    assert await service.customer_by(["c2@example.com"]) is None, "nobody keys that"
    assert await service.customer_by(["' OR TRUE --"]) is None


async def test_a_case_is_the_one_of_that_number_or_the_newest_that_is_open(service: SelfService) -> None:
    newest = await service.case("c1", None, ZONE)
    assert newest == {"number": "K1", "status": "waiting", "subject": "退貨", "opened_on": "2026-11-02"}
    closed = await service.case("c1", "K2", ZONE)
    assert closed is not None
    assert closed["status"] == "done"
    assert await service.case("c3", None, ZONE) is None


async def test_an_order_is_the_one_of_that_number_or_the_newest_and_its_day_is_the_sites(service: SelfService) -> None:
    newest = await service.order("c1", None, ZONE)
    assert newest == {"number": "A2", "status": "new", "total": 99.0, "ordered_on": "2026-11-03", "arrives_on": None}
    first = await service.order("c1", "A1", ZONE)
    assert first is not None
    assert (first["total"], first["arrives_on"]) == (1250.5, "2026-11-09")


async def test_nobody_is_told_of_an_order_or_a_case_of_somebody_else(service: SelfService) -> None:
    assert await service.order("c1", "B1", ZONE) is None
    assert await service.case("c1", "K3", ZONE) is None


async def test_the_right_pin_verifies_and_is_nowhere_in_the_database(service: SelfService, url: str) -> None:
    await service.set_pin("c1", "2580")
    assert await service.compare_pin("c1", "2581", CALLER) == "wrong"
    assert await service.compare_pin("c1", "2580", CALLER) == "verified"
    (row,) = await fetch(url, "SELECT hash, tries FROM customer_pin")
    assert "2580" not in row["hash"]
    assert row["tries"] == 0


async def test_after_three_wrong_pins_in_a_row_over_all_calls_nothing_is_compared_for_a_while(
    service: SelfService, url: str
) -> None:
    await service.set_pin("c1", "2580")
    assert [await service.compare_pin("c1", "0000", None) for _ in range(4)] == ["wrong", "wrong", "locked", "locked"]
    assert await service.compare_pin("c1", "2580", CALLER) == "locked"
    await fetch(url, "UPDATE customer_pin SET tried_at = now() - interval '1799 seconds'")
    assert await service.compare_pin("c1", "2580", CALLER) == "locked"
    await fetch(url, "UPDATE customer_pin SET tried_at = now() - interval '1801 seconds'")
    assert await service.compare_pin("c1", "2580", CALLER) == "verified"


async def test_who_tries_on_many_lines_at_once_has_no_more_tries(service: SelfService) -> None:
    await service.set_pin("c1", "2580")
    outcomes = await asyncio.gather(*(service.compare_pin("c1", f"{n:04}", None) for n in range(8)))
    assert outcomes.count("wrong") == PIN_TRIES_MAX - 1
    assert outcomes.count("locked") == 8 - (PIN_TRIES_MAX - 1)


async def test_who_has_no_pin_is_never_verified(service: SelfService) -> None:
    for pin in ("", "0000", "2580"):
        assert await service.compare_pin("c2", pin, CALLER) == "locked"
    assert await service.set_pin("c2", "2580")
    assert not await service.set_pin("nobody", "2580")


async def test_a_proof_holds_for_the_number_it_came_from_for_its_time_and_until_a_wrong_pin(
    service: SelfService, url: str
) -> None:
    await service.set_pin("c1", "2580")
    assert not await service.verified_lately("c1", CALLER, 600.0)
    await service.compare_pin("c1", "2580", CALLER)
    assert await service.verified_lately("c1", CALLER, 600.0)
    assert not await service.verified_lately("c1", "+886911111111", 600.0)
    assert not await service.verified_lately("c1", None, 600.0)
    assert not await service.verified_lately("c2", CALLER, 600.0)
    await fetch(url, "UPDATE customer_pin SET verified_at = now() - interval '601 seconds'")
    assert not await service.verified_lately("c1", CALLER, 600.0)
    await service.compare_pin("c1", "2580", CALLER)
    await service.compare_pin("c1", "1111", None)
    assert not await service.verified_lately("c1", CALLER, 600.0)
    await service.set_pin("c1", "1234")
    assert not await service.verified_lately("c1", CALLER, 600.0)


async def test_answers_are_kept_while_they_are_fresh_and_a_newer_one_takes_the_place(
    service: SelfService, url: str
) -> None:
    assert await service.answers("c1") is None
    await service.keep("c1", {"account": "42", "size": 1.5, "yes": True}, 3600.0)
    await service.keep("c1", {"account": "43"}, 3600.0)
    await service.keep("nobody", {"account": "1"}, 3600.0)
    assert await service.answers("c1") == {"account": "43", "size": 1.5, "yes": True}
    assert await service.answers("c2") is None
    await fetch(url, "UPDATE customer_answer SET fresh_until = now() WHERE name = 'account'")
    assert await service.answers("c1") == {"size": 1.5, "yes": True}


async def test_a_database_that_is_away_is_a_fault_that_says_so(url: str) -> None:
    await upgrade(url)
    engine = make_engine("postgresql+asyncpg://nobody@127.0.0.1:9/none")
    with pytest.raises(DatabaseError, match="could not be compared"):
        await SelfService(engine).compare_pin("c1", "2580", None)
    await engine.dispose()
