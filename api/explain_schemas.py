"""What the routes that explain routing take and answer."""

from datetime import datetime
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.report_schemas import FIRST, LAST, PRINTABLE
from api.schemas import CONTACT_ID, Answer, ClosingBody

PHONE: Final = "+886910000001"


class ExplainRequest(BaseModel):
    """Who would call, and where."""

    model_config = ConfigDict(extra="forbid")

    customer: str | None = Field(
        None, max_length=64, pattern=PRINTABLE, description="A customer's id or phone; without it, nobody we know",
        examples=[PHONE],
    )  # fmt: skip
    dialed: str = Field(max_length=64, pattern=PRINTABLE, description="The number dialed", examples=["0800000100"])
    queue: str | None = Field(
        None, max_length=64, pattern=PRINTABLE, description="Only this queue; else every one the number can lead to"
    )
    language: str | None = Field(None, max_length=32, pattern=PRINTABLE, description="Instead of the customer's")
    at: AwareDatetime | None = Field(
        None, ge=FIRST, le=LAST, description="Opening hours at this instant; who waits and works is as of now"
    )


class EstimateBody(Answer):
    """A forecast of the wait still ahead; null waits: no end is in sight, for nobody works who could serve."""

    position: int = Field(description="1 is served next")
    p50_s: float | None = Field(description="Half of such waits are longer")
    p90_s: float | None = Field(description="A tenth of such waits are longer")


class ExclusionBody(Answer):
    """A reason that keeps agents from the contact, how many, and some of them."""

    reason: str = Field(examples=["does not meet: vip >= 3"])
    agents: int
    examples: list[str]


class AheadBody(Answer):
    """A contact that is served before."""

    contact_id: str
    value_tier: str
    wait_s: float
    score: float
    overdue: bool


class ExplanationBody(Answer):
    """A contact's place in a queue at this moment, and why it is not served yet."""

    summary: str = Field(description="The same in a sentence or two")
    situation: str = Field(description="waiting, offered, to_call, dialing, resting, held_back or would_enter")
    queue: str
    value_tier: str
    wait_s: float
    step_clock_s: float = Field(description="Its wait in this queue without the time in which phones rang for it")
    score: float
    overdue: bool = Field(description="Waited so long that it is served before all who are not overdue")
    step: int = Field(description="0 is the first")
    requires: str = Field(description="The whole requirement as its reach is now")
    next_change_s: float | None = Field(description="So long until its reach changes, if no phone rings; null: never")
    preferred_agent: str | None
    candidates: list[str] = Field(description="Ready agents who may serve it, best first; at most 10")
    ahead_total: int = Field(description="Contacts of this queue that are served before")
    ahead: list[AheadBody] = Field(description="The first of them, at most 10")
    excluded: list[ExclusionBody] = Field(description="Everybody else, by the first reason that keeps them away")
    turned_away: str | None = Field(description="Why the queue would not take it now; null: it would, or has")
    estimate: EstimateBody | None


class CardBody(Answer):
    """What the rules look at; for an agent who never served the customer, little of it."""

    customer_id: str
    name: str | None
    phone: str | None = Field(description="As asked for; null if asked for by id")
    value_tier: str
    language: str | None
    segment: str | None
    preferred_agent: str | None
    last_agent: str | None
    case_owner: str | None
    open_case: bool | None
    at_risk: bool | None
    usage: float | None


class HotlineBody(Answer):
    """The number that was dialed, as the site spells it, and where it leads."""

    dialed: str
    configured: bool = Field(description="False: nobody configured what was dialed, and this is the default")
    flow: str | None
    queue: str | None


class AdmissionBody(Answer):
    """Whether the caller gets a trunk now; `trunks` null: the site sets no limit."""

    accepted: bool
    why: str
    trunks: int | None
    in_use: int
    reserve: int = Field(description="Trunks kept for more valuable tiers")


class WayBody(Answer):
    """A way through the flow: the keys in order, and the queue or the end that they lead to."""

    keys: str = Field(description="Empty: nothing is keyed", examples=["2"])
    language: str
    queue: str | None
    end_state: str | None


class RuleBody(Answer):
    """How one rule fared."""

    rule: str
    matched: bool
    why: str = Field(description="The condition that failed, with the value it met; empty if it matched")
    effects: list[str]
    without_effect: list[str]


class ReachBody(Answer):
    """Who may serve it from `after_s` on its step clock."""

    after_s: float
    step: int
    requires: str
    experienced: str | None = Field(description="Asked instead until `experienced_until_s`, if any such agent is there")
    skip_if_unstaffed: bool = Field(description="Left at once while nobody who meets it is logged in")


class WayOutBody(Answer):
    """Where a contact goes that is not served."""

    to: str = Field(description="queue:ID, callback, voicemail or goodbye")
    after_s: float | None = Field(description="On the step clock; null: at once")


class CourseBody(Answer):
    """What would follow in one queue."""

    keys: str | None = Field(description="Through the flow by these keys; null: not through a flow")
    entered: str = Field(description="The queue that flow or hotline name")
    language: str
    rules: list[RuleBody] = Field(description="Every rule looked at, in order")
    queue: str = Field(description="The queue once the rules have decided")
    value_tier: str
    requires: str = Field(description="Of every agent in every step: by the queue, the language and the rules")
    preferred_agent: str | None
    preferred_wait_s: float = Field(description="By the rules; queue or tier may say longer")
    closed: list[ClosingBody] = Field(description="Why the queue is closed at `at`; empty: it is open")
    reach: list[ReachBody]
    experienced_until_s: float | None = Field(description="On the step clock; null: the tier asks for no experience")
    backup_after_s: list[float] = Field(description="When members with a delay begin to see it")
    way_out: WayOutBody | None = Field(description="For who waited through the last step; null: they wait on")
    would_enter: ExplanationBody


class ExplainAnswer(Answer):
    """What would become of a call, step by step. Nothing of it was done."""

    as_of: datetime = Field(description="Agents, queues and trunks are as of now")
    at: datetime = Field(description="Opening hours are as of this instant")
    site: str = Field(description="Digest of the configuration that decides")
    customer: CardBody | None
    hotline: HotlineBody
    language: str
    value_tier: str = Field(description="On arrival; the rules may change it")
    admission: AdmissionBody
    ways: list[WayBody] = Field(description="Through the flow, fewest keys first; empty if the number leads to a queue")
    queues: list[CourseBody] = Field(description="One for each queue it can lead to, or for the one asked about")


class PromiseBody(Answer):
    """What a waiting contact has been told of its wait. It never rises without a cause."""

    position: int
    p50_s: float | None
    p90_s: float | None
    rose_because: str | None = Field(description="overtaken, fewer_agents, moved or site_changed; null: never rose")


class OfferWhy(Answer):
    """An offer, and why this agent: what the decision looked at as it was made."""

    offer_id: str
    agent_id: str
    queue: str
    made_at: datetime
    outcome: str | None = Field(description="Null while it is pending")
    settled_at: datetime | None
    ring_s: float | None
    summary: str
    trace: dict[str, Any]


class Why(Answer):
    """Why this contact is where it is."""

    contact_id: str = Field(examples=[CONTACT_ID])
    now: ExplanationBody | None = Field(description="Why not yet; null for a contact that is in no queue")
    told: PromiseBody | None = Field(description="What it has been told of its wait; null if nothing")
    rules: list[RuleBody] | None = Field(description="How the rules fared; null while the database can't be read")
    offers: list[OfferWhy] | None = Field(description="In order; null while the database can't be read")
