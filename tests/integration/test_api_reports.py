"""GET /v1/reports and `callcenter report`: the numbers of the recount, the contacts behind them, and every refusal."""

import csv
import io
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from api.report_schemas import DAYS_MAX, ReportBody
from callcenter.ports import Append
from routing.facts import By, View
from routing.measure import Interval, edges, figure, tabulate
from routing.metrics import METRICS, Source
from tests.api_center import SITE, Center, center
from tests.integration.test_api_cli import run
from tests.report_days import AGENTS, recount, shift, story

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

MIDNIGHT = 1_764_950_400.0  # in Taipei, a year ago
DAY = {"from": "2025-12-06T00:00:00+08:00", "to": "2025-12-07T00:00:00+08:00"}
PATH = "/v1/reports/queues"
CONTACTS = "/v1/reports/queues/contacts"
OWN = {name: queue.sl_s for name, queue in SITE.queues.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(center: Center) -> Center:
    """The running API, with a day behind it."""
    dice = random.Random(10)
    entries = [
        event
        for n in range(1, 201)
        for event in story(n, round(MIDNIGHT + dice.randint(0, 86_400_000) / 1000, 3), dice)
    ]
    for agent_id in AGENTS:
        entries += shift(agent_id, MIDNIGHT, MIDNIGHT + 86_400.0, dice)
    center.journal.append(Append(entries))
    await center.settled()
    return center


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


async def expected(center: Center, by: By, view: View, interval: Interval | None, now: float) -> dict[object, object]:
    """Each row's metrics as the pure rules have them, by (from, key); key "TOTAL" for the total."""
    bounds = edges(MIDNIGHT, MIDNIGHT + 86_400.0, interval, SITE.zone)
    known = await recount(center.database_url, now, OWN)
    table = tabulate(known, bounds, by=by, view=view)
    rows: dict[object, object] = {}
    for (i, key), totals in table.rows.items():
        in_rows = [m for m in METRICS.values() if m.source is not Source.STATE or by in {By.AGENT, By.SITE}]
        rows[at(bounds[i]), key] = {m.id: vars_of(figure(m, totals)) for m in in_rows}
    rows["TOTAL"] = {m.id: vars_of(figure(m, table.total)) for m in METRICS.values()}
    return rows


def vars_of(found: Any) -> dict[str, float | None]:
    return {"value": found.value, "numerator": found.numerator, "denominator": found.denominator}


@pytest.mark.parametrize(
    ("by", "view", "interval"),
    [
        (By.QUEUE, View.ENTERED, Interval.HALF_HOUR),
        (By.AGENT, View.EVENT, Interval.HOUR),
        (By.SKILL, View.ENTERED, None),
    ],
)
async def test_a_report_has_the_numbers_of_the_recount_from_raw_events(
    told: Center, by: By, view: View, interval: Interval | None
) -> None:
    asked = DAY | {"by": by.value, "view": view.value} | ({"interval": interval.value} if interval else {})
    status, body = await told.json("GET", PATH, params=asked)
    assert status == 200
    parsed = ReportBody.model_validate(body)
    expect = await expected(told, by, view, interval, parsed.as_of.timestamp())
    assert {(row["from"], row["key"]): row["metrics"] for row in body["items"]} == {
        cell: metrics for cell, metrics in expect.items() if cell != "TOTAL"
    }
    assert body["total"]["metrics"] == expect["TOTAL"]
    assert body["answer_in_s"] == OWN
    assert [(formula["id"], formula["version"]) for formula in body["formulas"]] == [
        (metric.id, metric.version) for metric in METRICS.values()
    ]


async def test_the_half_hours_of_a_day_sum_to_the_day(told: Center) -> None:
    """T10, as a client sees it."""
    _, fine = await told.json("GET", PATH, params=DAY | {"interval": "30m"})
    _, whole = await told.json("GET", PATH, params=DAY)
    for row in whole["items"]:
        for name in ("entered", "answered", "abandoned", "answered_in_time", "handled"):
            parts = [one["metrics"][name]["value"] for one in fine["items"] if one["key"] == row["key"]]
            assert sum(parts) == row["metrics"][name]["value"]
        share = row["metrics"]["service_level"]
        parts = [one["metrics"]["service_level"] for one in fine["items"] if one["key"] == row["key"]]
        assert sum(part["numerator"] for part in parts) == share["numerator"]
        assert sum(part["denominator"] for part in parts) == share["denominator"]


async def test_the_contacts_behind_a_number_are_listed_in_pages_and_add_up_to_it(told: Center) -> None:
    _, report = await told.json("GET", PATH, params=DAY | {"interval": "1h", "metrics": "abandonment,asa_s"})
    row = max(report["items"], key=lambda one: one["metrics"]["abandonment"]["denominator"])
    for metric, part in [("abandonment", "denominator"), ("asa_s", "numerator")]:
        asked = {"from": row["from"], "to": row["to"], "key": row["key"], "metric": metric, "part": part, "limit": "2"}
        items: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            status, page = await told.json("GET", CONTACTS, params=asked | ({"cursor": cursor} if cursor else {}))
            assert status == 200
            items += page["items"]
            cursor = page["next_cursor"]
        assert sum(item["amount"] for item in items) == pytest.approx(row["metrics"][metric][part])
        assert len({item["contact_id"] for item in items}) == len(items)
        for item in items[:3]:
            _, contact = await told.json("GET", f"/v1/contacts/{item['contact_id']}")
            assert row["key"] in {segment["queue"] for segment in contact["segments"]}


async def test_the_time_behind_an_occupancy_is_listed_agent_by_agent(told: Center) -> None:
    _, report = await told.json("GET", PATH, params=DAY | {"by": "agent"})
    row = next(one for one in report["items"] if one["key"] == "agent02")
    asked = DAY | {"by": "agent", "key": "agent02", "metric": "occupancy", "part": "denominator", "limit": "1000"}
    _, page = await told.json("GET", CONTACTS, params=asked)
    assert sum(item["amount"] for item in page["items"]) == pytest.approx(row["metrics"]["occupancy"]["denominator"])
    assert {item["agent_id"] for item in page["items"]} == {"agent02"}
    assert any(item["contact_id"] is None for item in page["items"]), "who is idle is with nobody"


async def test_what_nobody_answered_is_a_row_of_its_own_by_agent(told: Center) -> None:
    _, report = await told.json("GET", PATH, params=DAY | {"by": "agent"})
    row = next(one for one in report["items"] if one["key"] is None)
    asked = DAY | {"by": "agent", "key": "", "metric": "abandoned", "limit": "1000"}
    _, page = await told.json("GET", CONTACTS, params=asked)
    assert len(page["items"]) == row["metrics"]["abandoned"]["value"] > 0


async def test_a_threshold_of_ones_own_takes_the_place_of_the_queues(told: Center) -> None:
    _, own = await told.json("GET", PATH, params=DAY | {"metrics": "answered_in_time,answered"})
    asked = DAY | {"metrics": "answered_in_time,answered", "answer_in_s": "3600", "short_abandon_s": "0"}
    _, patient = await told.json("GET", PATH, params=asked)
    assert patient["answer_in_s"] == {}
    assert patient["answer_in_else_s"] == 3600.0
    counted = {name: body["total"]["metrics"]["answered_in_time"]["value"] for name, body in
               (("own", own), ("patient", patient))}  # fmt: skip
    assert counted["own"] < counted["patient"] <= patient["total"]["metrics"]["answered"]["value"]


@pytest.mark.parametrize("how", [{"params": {"format": "csv"}}, {"headers": {"Accept": "text/csv"}}])
async def test_a_report_comes_as_csv_for_a_sheet(told: Center, how: Mapping[str, Any]) -> None:
    params = DAY | {"interval": "30m", "metrics": "entered,service_level,occupancy"} | dict(how.get("params", {}))
    async with told.request("GET", PATH, params=params, headers=how.get("headers", {})) as response:
        assert response.status == 200
        assert response.content_type == "text/csv"
        rows = list(csv.DictReader(io.StringIO(await response.text())))
    _, report = await told.json(
        "GET", PATH, params=DAY | {"interval": "30m", "metrics": "entered,service_level,occupancy"}
    )
    assert list(rows[0]) == ["from", "to", "queue", "service_level", "occupancy", "entered"]
    assert len(rows) == len(report["items"]) + 1
    for row, item in zip(rows, [*report["items"], report["total"]], strict=True):
        assert (row["from"], row["to"], row["queue"]) == (item["from"], item["to"], item["key"] or "TOTAL")
        for name in ("entered", "service_level"):
            value = item["metrics"][name]["value"]
            assert (float(row[name]) if row[name] else None) == value
        assert (row["occupancy"] == "") == (item["key"] is not None), "the time of agents has no queue"


async def test_the_catalogue_says_what_every_number_means(told: Center) -> None:
    status, body = await told.json("GET", "/v1/reports/metrics")
    assert status == 200
    found = {one["id"]: one for one in body["items"]}
    assert found.keys() == METRICS.keys()
    assert found["sl_ignore"]["formula"] == "answered_in_time ÷ (answered + abandoned − abandoned_in_time)"
    assert found["sl_ignore"]["formula_zh"] == "時限內接聽 ÷ (接聽 + 放棄 − 時限內放棄)"
    assert found["asa_s"]["unit"] == "seconds"


@pytest.mark.parametrize(
    ("path", "change", "where"),
    [
        (PATH, {"to": DAY["from"]}, "query.to"),
        (PATH, {"to": "2026-03-20T00:00:00Z"}, "query.to"),
        (PATH, {"from": "2025-12-06T00:00:00"}, "query.from"),
        (PATH, {"from": "yesterday"}, "query.from"),
        (PATH, {"by": "colour"}, "query.by"),
        (PATH, {"view": "both"}, "query.view"),
        (PATH, {"interval": "5m"}, "query.interval"),
        (PATH, {"metrics": "sl_all,sl_best"}, "query.metrics"),
        (PATH, {"metrics": ""}, "query.metrics"),
        (PATH, {"format": "xml"}, "query.format"),
        (PATH, {"answer_in_s": "nan"}, "query.answer_in_s"),
        (PATH, {"short_abandon_s": "-1"}, "query.short_abandon_s"),
        (PATH, {"quue": "vip"}, "query.quue"),
        (CONTACTS, {"metric": "sl_best"}, "query.metric"),
        (CONTACTS, {"metric": "sl_all", "part": "both"}, "query.part"),
        (CONTACTS, {"metric": "sl_all", "limit": "1001"}, "query.limit"),
        (CONTACTS, {"metric": "sl_all", "key": "a\0b"}, "query.key"),
        (CONTACTS, {"metric": "sl_all", "cursor": "MSB4"}, "query.cursor"),
        (CONTACTS, {"metric": "sl_all", "cursor": "%"}, "query.cursor"),
        (CONTACTS, {}, "query.metric"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name(
    told: Center, path: str, change: dict[str, str], where: str
) -> None:
    status, problem = await told.json("GET", path, params=DAY | change)
    assert (status, problem["code"]) == (422, "invalid_request")
    assert where in [mistake["where"] for mistake in problem["errors"]]


async def test_the_range_is_bounded_and_the_bound_is_named(told: Center) -> None:
    _, problem = await told.json("GET", PATH, params=DAY | {"to": "2026-03-20T00:00:00Z"})
    assert f"{DAYS_MAX} days" in problem["detail"]


async def test_a_report_too_large_is_refused_with_the_way_out(told: Center, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callcenter.db.reports.ROWS_MAX", 5)
    status, problem = await told.json("GET", PATH, params=DAY | {"interval": "30m"})
    assert (status, problem["code"]) == (422, "invalid_request")
    assert "shorter range" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "params"), [(PATH, DAY), (CONTACTS, DAY | {"metric": "lost"}), ("/v1/reports/metrics", {})]
)
async def test_reports_are_for_supervisors(told: Center, path: str, params: dict[str, str]) -> None:
    assert (await told.json("GET", path, "supervisor", params=params))[0] == 200
    assert (await told.json("GET", path, "agent01", params=params))[0] == 403
    assert (await told.json("GET", path, None, params=params))[0] == 401


async def test_a_report_of_a_time_without_contacts_is_empty_and_has_no_shares(told: Center) -> None:
    asked = {"from": "2024-01-01T00:00:00Z", "to": "2024-01-02T00:00:00Z", "interval": "30m"}
    status, body = await told.json("GET", PATH, params=asked)
    assert (status, body["items"]) == (200, [])
    assert body["total"]["metrics"]["service_level"] == {"value": None, "numerator": 0, "denominator": 0}


async def test_the_command_gives_the_same_report_as_the_api(told: Center) -> None:
    url = {"CALLCENTER_DATABASE_URL": told.database_url}
    range_ = ("--from", "2025-12-06", "--to", "2025-12-07")  # by the site's clock
    code, out, err = await run("report", *range_, "--interval", "30m", "--json", **url)
    assert code == 0, err
    _, body = await told.json("GET", PATH, params=DAY | {"interval": "30m"})
    found = json.loads(out)
    assert found["items"] == body["items"]
    code, out, err = await run("report", *range_, "--metrics", "entered,service_level", **url)
    assert code == 0, err
    assert out.splitlines()[-1].split()[:3] == ["2025-12-06", "00:00", "TOTAL"]
    code, out, err = await run("report", *range_, "--csv", "--by", "value_tier", **url)
    assert out.startswith("from,to,value_tier,service_level,")
    code, out, err = await run("report", *range_, "--metrics", "sl_best", **url)
    assert (code, out) == (2, "")
    assert "--metrics" in err
    code, out, err = await run("report", "--from", "2025-12-06", "--to", "soon", **url)
    assert code == 2
