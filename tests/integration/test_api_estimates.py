"""GET /v1/reports/estimates: what was told against what came, recounted; the contacts behind it; every refusal."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from callcenter.contact import events as ev
from routing.waiting.calibration import Forecast, calibration
from routing.waiting.estimate import Estimate
from tests.api_center import Center, center

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

MIDNIGHT = 1_764_950_400.0
DAY = {"from": "2025-12-06T00:00:00+08:00", "to": "2025-12-07T00:00:00+08:00"}
PATH = "/v1/reports/estimates"
OUTCOMES = ("answered", "answered", "answered", "abandoned", "diverted")

Told = tuple[str, str, Forecast]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(center: Center) -> list[Told]:
    """A day of forecasts and what came of them: (contact, queue, forecast), by contact."""
    dice = random.Random(5)
    made: list[Told] = []
    for _ in range(120):
        at = round(MIDNIGHT + dice.uniform(0, 86_000), 3)
        contact_id = center.entropy.contact_id(at)
        queue, outcome = dice.choice(("orders", "vip")), dice.choice(OUTCOMES)
        p50_s = round(dice.uniform(5, 60), 3)
        estimate = Estimate(dice.randint(1, 9), p50_s, round(2.2 * p50_s, 3), round(1.2 * p50_s, 3))
        wait_s = round(dice.expovariate(1 / (1.4 * p50_s)), 3)
        _remember(center, contact_id, at, queue, estimate, wait_s, outcome)
        made.append((contact_id, queue, Forecast(estimate, wait_s, answered=outcome == "answered")))
    # Before the day and after it, still waiting, and answered at once: none of them counts.
    for at in (MIDNIGHT - 60.0, MIDNIGHT + 86_400.0):
        _remember(center, center.entropy.contact_id(at), at, "orders", Estimate(1, 9.0, 9.0, 9.0), 900.0, "answered")
    waiting = center.entropy.contact_id(MIDNIGHT + 5)
    center.remember(f"contact/{waiting}", MIDNIGHT + 5, ev.QueueEstimated("orders", 1, 9.0, 9.0, 9.0))
    nobody = center.entropy.contact_id(MIDNIGHT + 6)
    center.remember(f"contact/{nobody}", MIDNIGHT + 6, ev.QueueEstimated("vip", 1, None, None))
    center.remember(f"contact/{nobody}", MIDNIGHT + 66, ev.QueueLeft("vip", "abandoned", 60.0))
    center.served_contact(started_at=MIDNIGHT + 7)
    await center.settled()
    return sorted(made)


def _remember(
    center: Center, contact_id: str, at: float, queue: str, told: Estimate, wait_s: float, outcome: str
) -> None:
    body = ev.QueueEstimated(queue, told.position, told.p50_s, told.p90_s, told.mean_s)
    center.remember(f"contact/{contact_id}", at, body)
    center.remember(f"contact/{contact_id}", at + wait_s, ev.QueueLeft(queue, outcome, wait_s))


async def test_the_report_is_the_calibration_of_what_was_told_and_came_by_queue_and_together(
    center: Center, told: list[Told]
) -> None:
    status, body = await center.json("GET", PATH, params=DAY)
    assert status == 200
    assert [row["queue"] for row in body["items"]] == ["orders", "vip"]
    for row in [*body["items"], body["total"]]:
        expected = calibration(each for _, queue, each in told if row["queue"] in {None, queue})
        for name in ("forecasts", "answered"):
            assert row[name] == getattr(expected, name)
        for name in ("beyond_p50", "between", "beyond_p90", "bias_s", "median_error", "rase"):
            assert row[name] == pytest.approx(getattr(expected, name))
    assert [row["unknown"] for row in (*body["items"], body["total"])] == [0, 1, 1]
    assert {formula["id"] for formula in body["formulas"]} == body["total"].keys() - {"queue"}


async def test_the_contacts_behind_it_come_in_pages_and_say_what_was_told_and_what_came(
    center: Center, told: list[Told]
) -> None:
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = DAY | {"limit": "50"} | ({"cursor": cursor} if cursor else {})
        status, page = await center.json("GET", f"{PATH}/contacts", params=asked)
        assert status == 200
        items += page["items"]
        cursor = page["next_cursor"]
    known = {contact_id: (queue, each.told.p50_s, each.wait_s) for contact_id, queue, each in told}
    shown = {each["contact_id"]: (each["queue"], each["p50_s"], each["wait_s"]) for each in items if each["p50_s"]}
    assert shown == known
    assert len(items) == len(told) + 1


async def test_one_queue_can_be_asked_for(center: Center, told: list[Told]) -> None:
    _, body = await center.json("GET", PATH, params=DAY | {"queue": "vip"})
    assert [row["queue"] for row in body["items"]] == ["vip"]
    _, page = await center.json("GET", f"{PATH}/contacts", params=DAY | {"queue": "vip", "limit": "1000"})
    assert len(page["items"]) == sum(queue == "vip" for _, queue, _ in told) + 1


async def test_a_time_without_forecasts_says_nothing_rather_than_nought(center: Center) -> None:
    _, body = await center.json("GET", PATH, params={"from": "2024-01-01T00:00:00Z", "to": "2024-01-02T00:00:00Z"})
    assert (body["items"], body["total"]["forecasts"], body["total"]["beyond_p90"]) == ([], 0, None)


async def test_a_contact_that_arrived_the_day_before_is_found_by_when_it_was_told(center: Center) -> None:
    arrived, at = 1_700_000_000.0, 1_700_000_000.0 + 100_000.0
    contact_id = center.entropy.contact_id(arrived)
    _remember(center, contact_id, at, "orders", Estimate(1, 9.0, 9.0, 9.0), 5.0, "answered")
    await center.settled()
    span = {"from": _text(at - 1), "to": _text(at + 1)}
    _, body = await center.json("GET", PATH, params=span)
    assert body["total"]["forecasts"] == 1


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"to": DAY["from"]}, "query.to"),
        ({"to": "2026-02-07T00:00:00+08:00"}, "query.to"),
        ({"from": "2025-12-06T00:00:00"}, "query.from"),
        ({"cursor": "nonsense"}, "query.cursor"),
        ({"limit": "0"}, "query.limit"),
        ({"queues": "vip"}, "query.queues"),
    ],
)
async def test_a_question_that_makes_no_sense_is_a_problem(center: Center, change: dict[str, str], where: str) -> None:
    status, problem = await center.json("GET", f"{PATH}/contacts", params=DAY | change)
    assert (status, problem["code"]) == (422, "invalid_request")
    assert where in [error["where"] for error in problem["errors"]]
