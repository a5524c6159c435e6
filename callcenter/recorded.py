"""What a studio recording came to, as values: for who keeps it and tells of it, without the arithmetic of `studio`."""

from dataclasses import dataclass
from typing import Final

from callcenter.errors import CallCenterError

TARGET_DBFS: Final = -20.0  # the loudness of every prompt


class BadRecording(CallCenterError):
    """It can't become a prompt; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What became of it: `audio` is a wav file. Levels are in dBFS, before and after."""

    audio: bytes
    length_s: float
    loudness_before_dbfs: float
    loudness_dbfs: float
    peak_dbfs: float
