"""What routing rules decide by: segment, preferred agent, risk, usage, and who owns an open case."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

RECORD = (
    """
ALTER TABLE customer
    ADD COLUMN segment text,
    ADD COLUMN preferred_agent text,
    ADD COLUMN at_risk boolean,
    ADD COLUMN usage double precision
""",
    "ALTER TABLE customer_case ADD COLUMN owner_agent text",
    # A case is opened, handed over or closed: the customer's record is another one, and whoever keeps it in memory
    # reads it again.
    """
CREATE FUNCTION customer_case_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE customer SET updated_at = now() WHERE customer_id = OLD.customer_id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE customer SET updated_at = now() WHERE customer_id = NEW.customer_id;
    END IF;
    PERFORM pg_notify('callcenter_customers', '');
    RETURN NULL;
END
$$
""",
    """
CREATE TRIGGER customer_case_changed AFTER INSERT OR UPDATE OR DELETE ON customer_case
FOR EACH ROW EXECUTE FUNCTION customer_case_changed()
""",
)


def upgrade() -> None:
    for statement in RECORD:
        op.execute(statement)
