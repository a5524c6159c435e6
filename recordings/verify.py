"""Whether a recording's files hold the talk: Asterisk reports success on a full disk, so the files are looked at."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from recordings.stereo import SAMPLE_BYTES, AudioMissing, Side, find, open_side

SHORT_BY_S: Final = 1.0
"""A side may lack so much of the talk: the recording begins as the agent answers, not before, and ends in packets."""
SHORT_BY_SHARE: Final = 0.01
"""And so much of a long talk, for packets get lost."""
SILENT_TALK_S: Final = 5.0
"""A talk of so many seconds in which neither side says anything was not recorded, or not heard."""
LOOKED_BYTES: Final = 1 << 18
LOOKED_BYTES_MAX: Final = 64 << 20
"""Of a silent file no more is looked at."""


class Verdict(StrEnum):
    """What became of a recording."""

    VERIFIED = "verified"
    TRUNCATED = "truncated"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdict on one recording, and why.

    `reason` is empty for a verified one; else no_file, unreadable, short or silent. Durations are seconds of audio on
    each side, 0 where there is none. `second`: it lies in the second folder.
    """

    verdict: Verdict
    reason: str = ""
    caller_s: float = 0.0
    agent_s: float = 0.0
    second: bool = False


def check(root: Path, second: Path | None, caller_file: str, agent_file: str, talk_s: float) -> Checked:
    """Compare both files with a talk of at least `talk_s` seconds; blocking, reads 64 MB of a side at most.

    Holds: both files are there, their headers can be read, neither is shorter than the talk, and somebody is heard.
    """
    names = (caller_file, agent_file)
    try:
        paths = [find(root, name, second) for name in names]
    except AudioMissing:
        return Checked(Verdict.MISSING, "no_file")
    in_second = second is not None and all(path.is_relative_to(second.resolve()) for path in paths)
    try:
        caller, agent = (open_side(root, name, second) for name in names)
        short = min(caller.duration_s, agent.duration_s) < talk_s - SHORT_BY_S - talk_s * SHORT_BY_SHARE
        silent = talk_s >= SILENT_TALK_S and not short and not any(_heard(side) for side in (caller, agent))
    except (AudioMissing, OSError):
        return Checked(Verdict.TRUNCATED, "unreadable", second=in_second)
    reason = "short" if short else "silent" if silent else ""
    verdict = Verdict.TRUNCATED if reason else Verdict.VERIFIED
    return Checked(verdict, reason, round(caller.duration_s, 3), round(agent.duration_s, 3), in_second)


def _heard(side: Side) -> bool:
    """Whether any byte of the audio is not zero."""
    with side.path.open("rb") as file:
        file.seek(side.offset)
        left = min(side.samples * SAMPLE_BYTES, LOOKED_BYTES_MAX)
        while found := file.read(min(LOOKED_BYTES, left)):
            left -= len(found)
            if found.count(0) < len(found):
                return True
    return False
