"""What the routes about a flow's traffic take and answer."""

from datetime import datetime
from typing import Final, Self

from pydantic import ConfigDict, Field

from api.flow_schemas import HASH
from api.report_schemas import PRINTABLE, Span
from api.schemas import Answer, instant
from callcenter.db.flow_paths import Behind, Kind, PathQuery, Paths, Thing
from ivr.drawing import Traffic

PLACE_MAX: Final = 100
KINDS: Final[tuple[Kind, ...]] = ("entered", "node", "way", "left")


class PathsRequest(Span):
    """Which visits: those of contacts that began in this time, in one version of the flow or in all."""

    version: str | None = Field(None, pattern=HASH, description="Only visits in this version")

    def query(self, flow: str) -> PathQuery:
        """The database's query."""
        return PathQuery(flow, self.from_.timestamp(), self.to.timestamp(), self.version)


class BehindRequest(PathsRequest):
    """Behind which number: the words of its row."""

    of: Kind = Field(description="In which list the number stands")
    node: str = Field("", max_length=PLACE_MAX, pattern=PRINTABLE)
    out_of: str = Field("", max_length=PLACE_MAX, pattern=PRINTABLE)
    way: str = Field("", max_length=PLACE_MAX, pattern=PRINTABLE)
    limit: int = Field(200, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=64, description="next_cursor of the page before")

    @property
    def thing(self) -> Thing:
        """What the number counts."""
        return Thing(self.of, self.out_of, self.way, self.node)


class CountBody(Answer):
    """A number, and to how many contacts it happened. Its words go to `…/paths/contacts` as they are."""

    node: str = Field(description="The node that was entered; of a sub-flow, flow/node; empty in entered and left")
    out_of: str = Field(description="The node before; empty at a start")
    way: str = Field(description="The way taken (start; agent: the `0`); how the flow was left; the version entered")
    times: int
    contacts: int


class PathsBody(Answer):
    """Where callers went in a flow."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    flow: str
    from_: datetime = Field(alias="from")
    to: datetime
    version: str | None
    entered: list[CountBody] = Field(description="Visits by version (`way`)")
    nodes: list[CountBody]
    ways: list[CountBody]
    left: list[CountBody] = Field(description="Ends by node (`out_of`) and kind (`way`)")

    @classmethod
    def of(cls, query: PathQuery, paths: Paths) -> Self:
        """The answer in the API's words."""
        rows = {
            kind: [
                CountBody(
                    node=thing.node, out_of=thing.out_of, way=thing.way, times=number.times, contacts=number.contacts
                )
                for thing, number in paths.of(kind)
            ]
            for kind in KINDS
        }
        return cls.model_construct(
            flow=query.flow,
            from_=instant(query.start),
            to=instant(query.end),
            version=query.version,
            entered=rows["entered"],
            nodes=rows["node"],
            ways=rows["way"],
            left=rows["left"],
        )


class BehindBody(Answer):
    """A contact behind a number."""

    contact_id: str
    at: datetime = Field(description="When it happened first")
    times: int

    @classmethod
    def of(cls, one: Behind) -> Self:
        """The contact in the API's words."""
        return cls(contact_id=one.contact_id, at=instant(one.at), times=one.times)


class BehindPage(Answer):
    """A page of the contacts behind a number; over all pages their times add up to it."""

    items: list[BehindBody]
    next_cursor: str | None = Field(description="Opaque; null on the last page")


def traffic_of(paths: Paths) -> Traffic:
    """The numbers as a drawing of the flow takes them."""
    ways = paths.of("way")
    return Traffic(
        entered=sum(number.times for _, number in paths.of("entered")),
        nodes={thing.node: number.times for thing, number in paths.of("node")},
        ways={(thing.out_of, thing.way): number.times for thing, number in ways if thing.way not in {"start", "agent"}},
        agent=sum(number.times for thing, number in ways if thing.way == "agent" and "/" not in thing.node),
    )
