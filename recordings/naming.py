"""Where a recording's files lie: names made of our own ids and the day, never of anything a caller sent. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class RecordingFiles:
    """Paths relative to the recordings folder: what the caller said, and what the caller heard."""

    caller_file: str
    agent_file: str


def recording_files(recording_id: str, started_at: float) -> RecordingFiles:
    """The files of a recording, in a folder per UTC day of its start."""
    day = datetime.fromtimestamp(started_at, UTC).strftime("%Y/%m/%d")
    return RecordingFiles(f"{day}/{recording_id}.caller.wav", f"{day}/{recording_id}.agent.wav")
