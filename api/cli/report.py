"""report: what the center did, from the database: a table for people, JSON or CSV for programs."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from api.cli.database import engine
from api.cli.output import Exit, err, out, table
from api.report_schemas import FigureBody, ReportBody, ReportRequest, ReportRow
from api.reports import as_csv, as_json, query_of, report_body, sources_of
from callcenter.clock import AnchoredClock
from callcenter.config.settings import Settings
from callcenter.config.site import load_site
from callcenter.db.reports import Reports
from routing.metrics import METRICS, Unit

SHOWN: Final = "entered,answered,abandoned,short_abandons,service_level,abandonment,asa_s,wait_p90_s,aht_s,occupancy"


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options. Instants without a zone are by the site's clock."""

    start: datetime
    end: datetime
    by: str
    view: str
    interval: str | None
    metrics: str | None
    form: str


async def run(settings: Settings, asked: Asked) -> Exit:
    """Print the report; USAGE, with every mistake said, if it makes no sense. Raises DatabaseError, ReportTooLarge."""
    site = load_site(settings.site)
    start, end = (at if at.tzinfo else at.replace(tzinfo=site.zone) for at in (asked.start, asked.end))
    given = {"from": start, "to": end, "by": asked.by, "view": asked.view, "interval": asked.interval}
    try:
        wanted = ReportRequest.model_validate(given | {"metrics": asked.metrics or (SHOWN if not asked.form else None)})
    except ValidationError as error:
        for mistake in error.errors():
            where = ".".join(f"--{name}" for name in mistake["loc"])
            err().print(f"callcenter: {where}: {mistake['msg']}", markup=False)
        return Exit.USAGE
    query = query_of(wanted, site, AnchoredClock().now(), wanted.interval)
    async with engine(settings) as database:
        found = await Reports(database).table(query, sources_of(wanted.chosen))
    body = report_body(wanted, query, found)
    if asked.form:
        sys.stdout.write(as_csv(body) if asked.form == "csv" else as_json(body) + "\n")
    else:
        _print(body, site.zone)
    return Exit.OK


def _print(body: ReportBody, zone: ZoneInfo) -> None:
    names = list(body.total.metrics)
    # A metric that no row can have (occupancy, by queue) is in the total alone.
    out().print(table(("from", body.by.value, *names), _lines(body, names, zone)))
    err().print(
        f"view {body.view.value}; instants by the clock of {zone.key}; 'callcenter report --json' has the formulas",
        markup=False,
    )


def _lines(body: ReportBody, names: list[str], zone: ZoneInfo) -> Iterator[tuple[str, ...]]:
    for row in body.items:
        yield _at(row, zone), row.key or "-", *(_shown(row.metrics, name) for name in names)
    yield _at(body.total, zone), "TOTAL", *(_shown(body.total.metrics, name) for name in names)


def _at(row: ReportRow, zone: ZoneInfo) -> str:
    return row.from_.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _shown(metrics: Mapping[str, FigureBody], name: str) -> str:
    found = metrics.get(name)
    if found is None or found.value is None:
        return ""
    match METRICS[name].unit:
        case Unit.SHARE:
            return f"{found.value:.1%}"
        case Unit.SECONDS:
            return f"{found.value:.1f}"
        case Unit.COUNT:
            return f"{found.value:g}"
