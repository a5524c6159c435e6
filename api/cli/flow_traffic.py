"""flow show --counts: how often callers went which way, from the database."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from api.cli.database import engine
from api.cli.output import Exit, err, out, say_json
from api.path_schemas import PathsRequest, traffic_of
from callcenter.config.settings import Settings
from callcenter.db.flow_paths import FlowPaths
from ivr.drawing import as_data, mermaid
from ivr.model import Flow


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options. `start` and `end` have a zone; `version` None: visits in any version."""

    start: datetime
    end: datetime
    version: str | None
    as_json: bool


async def draw(settings: Settings, flow: Flow, asked: Asked) -> Exit:
    """Draw the flow with its numbers; USAGE if the range makes no sense. Raises DatabaseError, ReportTooLarge."""
    given = {"from": asked.start, "to": asked.end} | ({"version": asked.version} if asked.version else {})
    try:
        wanted = PathsRequest.model_validate(given)
    except ValidationError as error:
        for mistake in error.errors():
            err().print(f"callcenter: --{mistake['loc'][0]}: {mistake['msg']}", markup=False)
        return Exit.USAGE
    async with engine(settings) as database:
        traffic = traffic_of(await FlowPaths(database).count(wanted.query(flow.id)))
    if asked.as_json:
        say_json(as_data(flow, traffic))
    else:
        out().print(mermaid(flow, traffic), markup=False, end="")
    begun, ended = (at.astimezone(UTC).isoformat() for at in (asked.start, asked.end))
    err().print(f"{traffic.entered} visits by contacts that began from {begun} until before {ended}", markup=False)
    return Exit.OK
