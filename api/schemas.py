"""What the API says, in the glossary's words. Instants are RFC 3339 in UTC, durations seconds, phones E.164."""

from datetime import UTC, datetime
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Item = TypeVar("Item")

CONTACT_ID = "0198c0de-7b1e-7aaa-8000-4b1d00000001"


def instant(at: float) -> datetime:
    """Seconds since the epoch as an aware UTC datetime, to the microsecond."""
    return datetime.fromtimestamp(at, UTC)


def instant_or_none(at: float | None) -> datetime | None:
    """Like `instant`, for what may not have happened yet."""
    return None if at is None else instant(at)


class Answer(BaseModel):
    """The base of every answer: immutable, read from objects too."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Nothing(BaseModel):
    """A request body without fields: `{}` or no body at all."""

    model_config = ConfigDict(extra="forbid")


class Page(Answer, Generic[Item]):
    """One page of a list; ask again with `cursor=next_cursor` until it is null."""

    items: list[Item]
    next_cursor: str | None = Field(description="Opaque; null on the last page")


class ContactBody(Answer):
    """One continuous visit of one customer, from arrival to end."""

    contact_id: str = Field(examples=[CONTACT_ID])
    direction: str = Field(examples=["inbound"])
    channel: str = Field(description="voice", examples=["voice"])
    caller: str | None = Field(description="E.164; null if withheld or malformed", examples=["+886910000001"])
    dialed: str = Field(examples=["0800000100"])
    customer_id: str | None
    value_tier: str | None = Field(examples=["platinum"])
    language: str | None = Field(examples=["zh-TW"])
    queue: str | None = Field(description="The last queue entered", examples=["product"])
    agent_id: str | None = Field(description="The agent who answered", examples=["agent01"])
    started_at: datetime
    answered_at: datetime | None = Field(description="When an agent answered; null if none did")
    ended_at: datetime | None = Field(description="Null while the contact lives")
    end_state: str | None = Field(examples=["agent"])
    ended_by: str | None = Field(examples=["caller"])
    ivr_s: float
    wait_s: float = Field(description="Queue entered to answered, abandoned or left by rule")
    talk_s: float
    hold_s: float
    wrap_up_s: float
    offers: int = Field(description="Offers made to agents")
    recording_ids: list[str]


class SegmentBody(Answer):
    """A stretch of a contact in one situation."""

    n: int = Field(description="1 for the first")
    kind: str = Field(description="ivr, queue, callback, ring, talk, hold or wrap_up")
    queue: str | None
    agent_id: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None


class RecordingBody(Answer):
    """Audio of a talk, one side per channel; `GET /v1/recordings/{id}/audio` plays it."""

    recording_id: str
    contact_id: str
    agent_id: str | None
    started_at: datetime
    duration_s: float | None = Field(description="Null while it runs")
    state: str = Field(description="recording, done or failed")
    reason: str | None = Field(description="Why it failed")
    verdict: Literal["verified", "truncated", "missing"] | None = Field(
        description="Whether the files hold the talk; null until they were looked at, some seconds after it"
    )
    verdict_reason: str | None = Field(description="no_file, unreadable, short or silent; null if it is verified")
    verdict_at: datetime | None = Field(description="When the files were looked at")


class ContactDetail(ContactBody):
    """A contact with its segments and recordings."""

    segments: list[SegmentBody]
    recordings: list[RecordingBody]


class EventBody(Answer):
    """Something we remember: past tense, never changed. Ignore types and fields you don't know."""

    position: int = Field(description="Place in the global order; the feed's cursor")
    event_id: str
    stream: str = Field(examples=[f"contact/{CONTACT_ID}"])
    seq: int = Field(description="1, 2, 3 … without gaps in its stream")
    at: datetime
    type: str = Field(examples=["queue.entered"])
    version: int
    data: dict[str, Any]
    site: str = Field(description="Digest of the configuration that decided")
    cause: str = Field(description="What made it happen")


class ContactEvents(Answer):
    """Everything we remember of a contact, in order."""

    contact_id: str
    items: list[EventBody]


class StepBody(Answer):
    """Who may serve a contact of a queue once it has waited `after_s`; it replaces the step before."""

    after_s: float
    requires: str = Field(description="On top of what the queue requires", examples=["vip >= 3"])
    skip_if_unstaffed: bool


class QueueBody(Answer):
    """A line of contacts waiting for the same service, as the site describes it."""

    queue: str = Field(examples=["product"])
    needs: dict[str, int] = Field(description="Least level (0…100) by skill")
    requires: str = Field(description="The whole requirement of every contact, as a skill expression")
    steps: list[StepBody] = Field(description="Who may serve as the wait grows")
    ring_s: float
    wrap_up_s: float
    agent_order: str
    sl_s: float = Field(description="Answered within this many seconds counts as in time")
    recording: str = Field(description="always or never")


class WaitingBody(Answer):
    """A contact in a queue; place 1 is served next. The estimate is what it was told: it rises with a cause only."""

    place: int
    contact_id: str
    value_tier: str
    entered_at: datetime
    wait_s: float
    offered_to: str | None = Field(description="The agent whose phone rings for it")
    callback: bool = Field(description="The customer is not on the line; they are called back")
    step: int = Field(description="The queue's step that says who may serve it, 0 the first")
    requires: str = Field(description="The whole requirement as its reach is now", examples=["product and zh-TW"])
    score: float = Field(description="By the site's discipline: the largest is served first")
    overdue: bool = Field(description="Waited so long that it is served before all who are not overdue")
    position: int | None = Field(description="1: next, those with a phone ringing left out; null: told nothing yet")
    p50_s: float | None = Field(description="Half of such waits are longer; null: no end in sight, or told nothing")
    p90_s: float | None = Field(description="A tenth of such waits are longer")
    rose_because: str | None = Field(
        description="Why the estimate rose last: overtaken, fewer_agents, moved or site_changed; null: it never did"
    )


class ClosingBody(Answer):
    """A reason for which a queue takes nobody."""

    reason: str = Field(examples=["hours"])
    newcomers_to: str = Field(description="queue:ID, callback, voicemail or goodbye", examples=["voicemail"])


class LoanBody(Answer):
    """Agents of another queue who help out while that queue is healthy."""

    lender: str
    on: bool = Field(description="Whether they help out now")


class QueueLive(Answer):
    """A queue at this moment."""

    queue: str
    waiting: int
    waiting_by_tier: dict[str, int] = Field(description="The same by value tier, the most valuable first")
    oldest_wait_s: float
    callbacks: int = Field(description="Customers who hung up and wait to be called back, or are being called")
    closed: list[ClosingBody] = Field(description="Why it takes nobody more; empty: it is open")
    loans: list[LoanBody]
    contacts: list[WaitingBody] = Field(description="In the order of service; at most 200")


class QueuesLive(Answer):
    """Every queue at this moment."""

    position: int = Field(description="Every event up to this position is in here; later ones may be")
    at: datetime
    items: list[QueueLive]


class AgentBody(Answer):
    """An agent, what they can do and what they do now."""

    agent_id: str = Field(examples=["agent01"])
    name: str
    skills: dict[str, int] = Field(description="Level 0…100 by skill")
    presence: str = Field(description="What they chose: logged_out, available or aux")
    aux_code: str | None = Field(description="Why aux")
    activity: str = Field(description="What the system imposed: idle, reserved, talking or wrap_up")
    since: datetime | None = Field(description="When presence or activity last changed")
    requested_next: str | None = Field(description="Presence chosen for after this contact")
    reachable: bool = Field(description="Whether their phone is registered")
    contact_id: str | None


class Agents(Answer):
    """Every agent of the site."""

    items: list[AgentBody]


class PresenceChoice(BaseModel):
    """The presence an agent chooses; log in and out have paths of their own."""

    model_config = ConfigDict(extra="forbid")

    presence: str = Field(pattern="^(available|aux)$", examples=["aux"])
    aux_code: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_-]{1,32}$", description="Needed for aux", examples=["break"]
    )


class CustomerBody(Answer):
    """A customer; for an agent who never served them, name and numbers are masked."""

    customer_id: str
    name: str | None
    phones: list[str]
    value_tier: str
    language: str | None


class CustomerDetail(CustomerBody):
    """A customer with their latest contacts (an agent sees their own), newest first."""

    last_agent: str | None = Field(description="Who answered them last")
    contacts: list[ContactBody]


class Customers(Answer):
    """The customers with this number: none or one."""

    items: list[CustomerBody]


class Snapshot(Answer):
    """The state a live feed starts from; apply the events after it in order."""

    position: int = Field(description="Every event up to this position is in here; later ones may be, and come again")
    at: datetime
    queues: list[QueueLive]
    agents: list[AgentBody]


class SizingQuery(BaseModel):
    """A load and a target to work out agents, and trunks, for."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    calls_per_hour: float = Field(gt=0, le=10_000_000, description="Calls in the hour to plan for", examples=[6000])
    aht_s: float = Field(ge=1, le=86_400, description="Mean talk, hold and wrap-up of a call", examples=[180])
    target_share: float = Field(gt=0, lt=1, description="Least service level", examples=[0.8])
    target_s: float = Field(ge=0, le=3600, description="Answered within this many seconds is in time", examples=[20])
    patience_s: float | None = Field(
        None, ge=1, le=3600, description="Mean wait after which a caller gives up; without it nobody does"
    )
    abandonment_max: float | None = Field(
        None, gt=0, lt=1, description="Largest share that may give up; with patience_s"
    )
    occupancy_max: float | None = Field(
        None, ge=0.3, le=1, description="Largest share of their time that agents may serve"
    )
    shrinkage: float = Field(0.0, ge=0, le=0.9, description="Paid time not available ÷ paid time")
    ivr_s: float = Field(0.0, ge=0, le=3600, description="Mean time of a call in the IVR; with trunk_blocking")
    trunk_blocking: float | None = Field(
        None, ge=1e-9, le=0.5, description="Largest share of calls that may find no trunk; asks for trunks"
    )

    @model_validator(mode="after")
    def _what_belongs_together(self) -> Self:
        if self.abandonment_max is not None and self.patience_s is None:
            raise PydanticCustomError("apart", "abandonment_max needs patience_s: without it nobody gives up")
        if self.ivr_s and self.trunk_blocking is None:
            raise PydanticCustomError("apart", "ivr_s needs trunk_blocking: time in the IVR takes trunks, not agents")
        return self


class SizingBody(Answer):
    """What a load needs, and what it then gets. What was not asked is null."""

    erlangs: float = Field(description="Traffic for the agents: arrival rate × AHT", examples=[300.0])
    agents: int = Field(description="The fewest at work that meet the target", examples=[309])
    positions: int = Field(description="On the roster, shrinkage included")
    service_level: float = Field(description="Answered within target_s ÷ entered; whoever gave up was not answered")
    service_level_ignore: float = Field(description="Answered within target_s ÷ (entered − given up within target_s)")
    asa_s: float = Field(description="Mean wait of answered contacts")
    occupancy: float
    p_wait: float = Field(description="Share of the contacts that wait at all")
    abandonment: float | None = Field(description="Share of the contacts that give up; null without patience_s")
    trunk_erlangs: float | None = Field(description="Traffic for the trunks: IVR, wait and AHT of each call")
    trunks: int | None = Field(description="The fewest that lose at most trunk_blocking", examples=[432])
    trunk_blocking: float | None = Field(description="Share of the calls that then find no trunk")


class PartBody(Answer):
    """One part of the system."""

    name: str
    ok: bool
    required: bool
    detail: str


class Readiness(Answer):
    """Whether callers can be served, and how each part is."""

    ready: bool
    parts: list[PartBody]


class Alive(Answer):
    """The process answers."""

    status: str = "ok"
