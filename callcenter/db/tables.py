"""The tables of the database, as SQLAlchemy sees them; migrations/ makes them, a test proves that both agree.

Event tables are the truth and only ever grow; projections are computed from them and can be rebuilt. Instants are
timestamptz (UTC, microseconds), durations seconds. Every row names the node it came from.
"""

from functools import cache

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    bindparam,
    column,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.engine import make_url

metadata = MetaData()


def _instant(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _name(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _seconds(name: str) -> Column[float]:
    return Column(name, Double, nullable=False)


def _envelope() -> tuple[Column[object], ...]:
    """What every stored event has beside its stream and seq; the order fits the rows' alignment."""
    return (
        Column("position", BigInteger, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        _instant("at", nullable=False),
        Column("version", SmallInteger, nullable=False),
        _name("node"),
        _name("type"),
        Column("data", JSONB, nullable=False),
        _name("site"),
        _name("cause"),
        Column("hash", LargeBinary, nullable=False),
    )  # type: ignore[return-value]


# Partitioned by month of `day`, the UTC day in the contact's UUIDv7: it never changes, so a replay finds its row.
contact_event = Table(
    "contact_event",
    metadata,
    Column("day", Date, nullable=False),
    Column("contact_id", Uuid(as_uuid=False), nullable=False),
    Column("seq", Integer, nullable=False),
    *_envelope(),
    PrimaryKeyConstraint("day", "contact_id", "seq"),
    Index("contact_event_position", "node", "position"),
    postgresql_partition_by="RANGE (day)",
)

# Streams that outlive contacts. `journal` is where the journal file began: after the loss of a file its
# streams count from 1 again, and these are other events.
floor_event = Table(
    "floor_event",
    metadata,
    Column("journal", BigInteger, nullable=False),
    Column("seq", Integer, nullable=False),
    _name("stream"),
    *_envelope(),
    PrimaryKeyConstraint("node", "journal", "stream", "seq"),
    Index("floor_event_position", "node", "position"),
    Index("floor_event_recording", text("(data ->> 'recording_id')"), postgresql_where=text("stream = 'recordings'")),
)

# Events that could not take their place: the same seq with other content (a fork), or unreadable ones.
event_conflict = Table(
    "event_conflict",
    metadata,
    Column("position", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    _instant("at", nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("seq", Integer, nullable=False),
    _name("node"),
    _name("stream"),
    _name("type"),
    _name("reason"),
    Column("data", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("node", "stream", "seq", "hash"),
)

# Who may write for a node: the highest epoch seen. `position` is the last event it wrote, in the same transaction.
cell = Table(
    "cell",
    metadata,
    Column("node", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    _instant("written_at", nullable=False),
)

contact = Table(
    "contact",
    metadata,
    Column("contact_id", Uuid(as_uuid=False), primary_key=True),
    _instant("started_at", nullable=False),
    _instant("answered_at"),
    _instant("ended_at"),
    _seconds("ivr_s"),
    _seconds("wait_s"),
    _seconds("talk_s"),
    _seconds("hold_s"),
    _seconds("wrap_up_s"),
    Column("offers", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("closed", Boolean, nullable=False),
    _name("node"),
    _name("direction"),
    _name("channel"),
    _name("caller", nullable=True),
    _name("dialed"),
    _name("customer_id", nullable=True),
    _name("value_tier"),
    _name("language"),
    _name("queue", nullable=True),
    _name("agent_id", nullable=True),
    _name("end_state", nullable=True),
    _name("ended_by", nullable=True),
    Column("recording_ids", ARRAY(Text), nullable=False),
    Index("contact_started", "started_at", "contact_id"),
    *(
        Index(f"contact_{name}", name, "started_at", "contact_id", postgresql_where=text(f"{name} IS NOT NULL"))
        for name in ("queue", "agent_id", "customer_id", "caller", "end_state")
    ),
    postgresql_with={"fillfactor": 70},
)

segment = Table(
    "segment",
    metadata,
    Column("contact_id", Uuid(as_uuid=False), nullable=False),
    Column("n", Integer, nullable=False),
    _instant("started_at", nullable=False),
    _instant("ended_at"),
    _name("node"),
    _name("kind"),
    _name("queue", nullable=True),
    _name("agent_id", nullable=True),
    _name("outcome", nullable=True),
    PrimaryKeyConstraint("contact_id", "n"),
    postgresql_with={"fillfactor": 80},
)

recording = Table(
    "recording",
    metadata,
    Column("recording_id", Text, primary_key=True),
    Column("contact_id", Uuid(as_uuid=False), nullable=False),
    _instant("started_at", nullable=False),
    Column("duration_s", Double),
    _name("node"),
    _name("agent_id", nullable=True),
    _name("caller_file"),
    _name("agent_file"),
    _name("policy"),
    _name("state"),
    _name("reason", nullable=True),
    Index("recording_contact", "contact_id"),
    Index("recording_started", "started_at"),
)

# Until when an agent was in one state; `position` is that of the event that began it.
agent_state_interval = Table(
    "agent_state_interval",
    metadata,
    Column("position", BigInteger, nullable=False),
    _instant("started_at", nullable=False),
    _instant("ended_at"),
    _name("node"),
    _name("agent_id"),
    _name("presence"),
    _name("aux_code", nullable=True),
    _name("activity"),
    _name("contact_id", nullable=True),
    _name("cause"),
    PrimaryKeyConstraint("node", "position"),
    Index("agent_state_interval_agent", "agent_id", "started_at"),
    Index("agent_state_interval_open", "node", "agent_id", postgresql_where=text("ended_at IS NULL")),
    postgresql_with={"fillfactor": 80},
)

customer = Table(
    "customer",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _name("name"),
    _name("value_tier"),
    _name("language", nullable=True),
    _name("segment", nullable=True),
    _name("preferred_agent", nullable=True),
    Column("at_risk", Boolean),
    Column("usage", Double),
    Index("customer_updated", "updated_at"),
)

# One number may belong to several customers (a family, a company's switchboard).
customer_identity = Table(
    "customer_identity",
    metadata,
    _name("kind"),
    _name("value"),
    Column("customer_id", Text, ForeignKey("customer.customer_id", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("kind", "value", "customer_id"),
    Index("customer_identity_customer", "customer_id"),
)

# What flows look up: cases and orders of other systems, brought in by the business.
customer_case = Table(
    "customer_case",
    metadata,
    Column("case_number", Text, primary_key=True),
    Column("customer_id", Text, ForeignKey("customer.customer_id", ondelete="CASCADE"), nullable=False),
    _name("status"),
    _name("subject"),
    _instant("opened_at", nullable=False),
    _instant("closed_at"),
    _name("owner_agent", nullable=True),
    Index("customer_case_customer", "customer_id", "opened_at"),
)

customer_order = Table(
    "customer_order",
    metadata,
    Column("order_number", Text, primary_key=True),
    Column("customer_id", Text, ForeignKey("customer.customer_id", ondelete="CASCADE"), nullable=False),
    _name("status"),
    Column("total", Numeric(14, 2), nullable=False),
    _instant("ordered_at", nullable=False),
    Column("arrives_on", Date),
    Index("customer_order_customer", "customer_id", "ordered_at"),
)

# A customer's PIN as a hash; `tries` counts wrong ones in a row, the last one at `tried_at`. The number from which
# they were verified last, and when, spares them being asked again where a flow says so.
customer_pin = Table(
    "customer_pin",
    metadata,
    Column("customer_id", Text, ForeignKey("customer.customer_id", ondelete="CASCADE"), primary_key=True),
    _name("hash"),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    _instant("tried_at"),
    _instant("verified_at"),
    _name("verified_caller", nullable=True),
)

# What a customer answered in a flow, so that they need not be asked again for a while.
customer_answer = Table(
    "customer_answer",
    metadata,
    Column("customer_id", Text, ForeignKey("customer.customer_id", ondelete="CASCADE"), nullable=False),
    _name("name"),
    Column("value", JSONB, nullable=False),
    _instant("fresh_until", nullable=False),
    PrimaryKeyConstraint("customer_id", "name"),
)

api_token = Table(
    "api_token",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _instant("revoked_at"),
    _name("role"),
    _name("label"),
    _name("agent_id", nullable=True),
    CheckConstraint("role IN ('agent', 'supervisor', 'admin')", name="api_token_role"),
    CheckConstraint("(role = 'agent') = (agent_id IS NOT NULL)", name="api_token_agent"),
)

PROJECTIONS = (contact, segment, recording, agent_state_interval)


@cache
def upsert(table: Table) -> str:
    """The statement, with one parameter, that assigns whole rows: a JSON array of objects, instants as seconds."""
    instants = {column.name for column in table.c if isinstance(column.type, DateTime)}
    # Not jsonb: the text is read once, field by field, and never kept.
    given = func.json_to_recordset(bindparam("rows", type_=JSON)).table_valued(
        *(column(c.name, Double() if c.name in instants else c.type) for c in table.c)
    )
    rows = given.render_derived(name="given", with_types=True)
    values = [func.to_timestamp(rows.c[c.name]) if c.name in instants else rows.c[c.name] for c in table.c]
    statement = insert(table).from_select([c.name for c in table.c], select(*values))
    statement = statement.on_conflict_do_update(
        constraint=table.primary_key,
        set_={c.name: statement.excluded[c.name] for c in table.c if not c.primary_key},
    )
    return str(statement.compile(dialect=make_url("postgresql+asyncpg://").get_dialect()()))
