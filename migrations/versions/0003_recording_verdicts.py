"""What was found as a recording's files were looked at is read by the recording's id."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEX = """
CREATE INDEX floor_event_recording ON floor_event ((data ->> 'recording_id')) WHERE stream = 'recordings'
"""


def upgrade() -> None:
    op.execute(INDEX)
