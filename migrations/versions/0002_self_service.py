"""What a caller can be told by a flow, how they prove who they are, what they need not be asked again."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SELF_SERVICE = """
CREATE TABLE customer_case (
    case_number text PRIMARY KEY,
    customer_id text NOT NULL REFERENCES customer (customer_id) ON DELETE CASCADE,
    status text NOT NULL,
    subject text NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz
);
CREATE INDEX customer_case_customer ON customer_case (customer_id, opened_at);

CREATE TABLE customer_order (
    order_number text PRIMARY KEY,
    customer_id text NOT NULL REFERENCES customer (customer_id) ON DELETE CASCADE,
    status text NOT NULL,
    total numeric(14, 2) NOT NULL,
    ordered_at timestamptz NOT NULL,
    arrives_on date
);
CREATE INDEX customer_order_customer ON customer_order (customer_id, ordered_at);

CREATE TABLE customer_pin (
    customer_id text PRIMARY KEY REFERENCES customer (customer_id) ON DELETE CASCADE,
    hash text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    tried_at timestamptz,
    verified_at timestamptz,
    verified_caller text
);

CREATE TABLE customer_answer (
    customer_id text NOT NULL REFERENCES customer (customer_id) ON DELETE CASCADE,
    name text NOT NULL,
    value jsonb NOT NULL,
    fresh_until timestamptz NOT NULL,
    PRIMARY KEY (customer_id, name)
);
"""


def upgrade() -> None:
    for statement in SELF_SERVICE.split(";"):
        if statement.strip():
            op.execute(statement)
