"""The first schema: events, who may write them, projections, customers, tokens."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

EVENTS = """
CREATE TABLE contact_event (
    day date NOT NULL,
    contact_id uuid NOT NULL,
    seq integer NOT NULL,
    position bigint NOT NULL,
    epoch bigint NOT NULL,
    at timestamptz NOT NULL,
    version smallint NOT NULL,
    node text NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    site text NOT NULL,
    cause text NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (day, contact_id, seq)
) PARTITION BY RANGE (day);
CREATE TABLE contact_event_default PARTITION OF contact_event DEFAULT;
CREATE INDEX contact_event_position ON contact_event (node, position);

CREATE TABLE floor_event (
    journal bigint NOT NULL,
    seq integer NOT NULL,
    stream text NOT NULL,
    position bigint NOT NULL,
    epoch bigint NOT NULL,
    at timestamptz NOT NULL,
    version smallint NOT NULL,
    node text NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    site text NOT NULL,
    cause text NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (node, journal, stream, seq)
);
CREATE INDEX floor_event_position ON floor_event (node, position);

CREATE TABLE event_conflict (
    position bigint NOT NULL,
    epoch bigint NOT NULL,
    at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    seq integer NOT NULL,
    node text NOT NULL,
    stream text NOT NULL,
    type text NOT NULL,
    reason text NOT NULL,
    data bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (node, stream, seq, hash)
);

CREATE TABLE cell (
    node text PRIMARY KEY,
    epoch bigint NOT NULL,
    position bigint NOT NULL,
    written_at timestamptz NOT NULL
);
"""

PROJECTIONS = """
CREATE TABLE contact (
    contact_id uuid PRIMARY KEY,
    started_at timestamptz NOT NULL,
    answered_at timestamptz,
    ended_at timestamptz,
    ivr_s double precision NOT NULL,
    wait_s double precision NOT NULL,
    talk_s double precision NOT NULL,
    hold_s double precision NOT NULL,
    wrap_up_s double precision NOT NULL,
    offers integer NOT NULL,
    last_seq integer NOT NULL,
    closed boolean NOT NULL,
    node text NOT NULL,
    direction text NOT NULL,
    channel text NOT NULL,
    caller text,
    dialed text NOT NULL,
    customer_id text,
    value_tier text NOT NULL,
    language text NOT NULL,
    queue text,
    agent_id text,
    end_state text,
    ended_by text,
    recording_ids text[] NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX contact_started ON contact (started_at, contact_id);
CREATE INDEX contact_queue ON contact (queue, started_at, contact_id) WHERE queue IS NOT NULL;
CREATE INDEX contact_agent_id ON contact (agent_id, started_at, contact_id) WHERE agent_id IS NOT NULL;
CREATE INDEX contact_customer_id ON contact (customer_id, started_at, contact_id) WHERE customer_id IS NOT NULL;
CREATE INDEX contact_caller ON contact (caller, started_at, contact_id) WHERE caller IS NOT NULL;
CREATE INDEX contact_end_state ON contact (end_state, started_at, contact_id) WHERE end_state IS NOT NULL;

CREATE TABLE segment (
    contact_id uuid NOT NULL,
    n integer NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    node text NOT NULL,
    kind text NOT NULL,
    queue text,
    agent_id text,
    outcome text,
    PRIMARY KEY (contact_id, n)
) WITH (fillfactor = 80);

CREATE TABLE recording (
    recording_id text PRIMARY KEY,
    contact_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    duration_s double precision,
    node text NOT NULL,
    agent_id text,
    caller_file text NOT NULL,
    agent_file text NOT NULL,
    policy text NOT NULL,
    state text NOT NULL,
    reason text
);
CREATE INDEX recording_contact ON recording (contact_id);
CREATE INDEX recording_started ON recording (started_at);

CREATE TABLE agent_state_interval (
    position bigint NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    node text NOT NULL,
    agent_id text NOT NULL,
    presence text NOT NULL,
    aux_code text,
    activity text NOT NULL,
    contact_id text,
    cause text NOT NULL,
    PRIMARY KEY (node, position)
) WITH (fillfactor = 80);
CREATE INDEX agent_state_interval_agent ON agent_state_interval (agent_id, started_at);
CREATE INDEX agent_state_interval_open ON agent_state_interval (node, agent_id) WHERE ended_at IS NULL;
"""

PEOPLE = """
CREATE TABLE customer (
    customer_id text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    name text NOT NULL,
    value_tier text NOT NULL,
    language text
);
CREATE INDEX customer_updated ON customer (updated_at);

CREATE TABLE customer_identity (
    kind text NOT NULL,
    value text NOT NULL,
    customer_id text NOT NULL REFERENCES customer (customer_id) ON DELETE CASCADE,
    PRIMARY KEY (kind, value, customer_id)
);
CREATE INDEX customer_identity_customer ON customer_identity (customer_id);

CREATE TABLE api_token (
    hash bytea PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    role text NOT NULL,
    label text NOT NULL,
    agent_id text,
    CONSTRAINT api_token_role CHECK (role IN ('agent', 'supervisor', 'admin')),
    CONSTRAINT api_token_agent CHECK ((role = 'agent') = (agent_id IS NOT NULL))
);
"""


def upgrade() -> None:
    for group in (EVENTS, PROJECTIONS, PEOPLE):
        for statement in group.split(";"):
            if statement.strip():
                op.execute(statement)
