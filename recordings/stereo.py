"""Two mono files become one stereo recording while it is sent: caller left, agent right, any byte range.

A recording lies in the first of the recordings folders, or in the second if the first was not fit when it began; it
may be moved between them, for a reader looks in both.
"""

import os
import struct
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

HEADER_BYTES: Final = 44
SAMPLE_BYTES: Final = 2
FRAME_BYTES: Final = 2 * SAMPLE_BYTES
CHUNK_FRAMES: Final = 16_384


class AudioMissing(LookupError):
    """The recording's files are not where the recording says, or are no audio we can read."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` to `last`, both inclusive, as HTTP counts them."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Side:
    """One mono file: where its samples begin and how many there are."""

    path: Path
    offset: int
    samples: int
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.samples / self.rate_hz


@dataclass(frozen=True, slots=True)
class StereoAudio:
    """A stereo 16-bit wav that exists only while it is read; the shorter side ends in silence."""

    caller: Side
    agent: Side

    @property
    def frames(self) -> int:
        """Stereo samples."""
        return max(self.caller.samples, self.agent.samples)

    @property
    def length(self) -> int:
        """Bytes of the whole wav file."""
        return HEADER_BYTES + self.frames * FRAME_BYTES

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.frames / self.caller.rate_hz

    def read(self, span: Span) -> Iterator[bytes]:
        """The bytes of `span`, in chunks; blocking, so read it in a thread."""
        if span.first < HEADER_BYTES:
            yield self._header()[span.first : span.last + 1]
        first = max(0, span.first - HEADER_BYTES)
        end = span.last + 1 - HEADER_BYTES
        if end <= first:
            return
        with ExitStack() as files:
            sides = [(side, files.enter_context(_open(side.path))) for side in (self.caller, self.agent)]
            frame, last_frame = first // FRAME_BYTES, (end - 1) // FRAME_BYTES
            while frame <= last_frame:
                count = min(CHUNK_FRAMES, last_frame - frame + 1)
                stereo = array("H", bytes(count * FRAME_BYTES))
                for column, (side, file) in enumerate(sides):
                    samples = _samples(side, file, frame, count)
                    stereo[column : 2 * len(samples) : 2] = samples
                start = frame * FRAME_BYTES
                yield stereo.tobytes()[max(0, first - start) : end - start]
                frame += count

    def _header(self) -> bytes:
        rate_hz = self.caller.rate_hz
        size = self.frames * FRAME_BYTES
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", HEADER_BYTES - 8 + size, b"WAVE", b"fmt ", 16, 1, 2, rate_hz),
            *(rate_hz * FRAME_BYTES, FRAME_BYTES, 8 * SAMPLE_BYTES, b"data", size),
        )


def open_stereo(root: Path, caller_file: str, agent_file: str, second: Path | None = None) -> StereoAudio:
    """The recording of these two files below `root`, or below `second`; blocking. Raises AudioMissing."""
    caller, agent = (open_side(root, name, second) for name in (caller_file, agent_file))
    if caller.rate_hz != agent.rate_hz:
        raise AudioMissing(f"the two sides differ in sample rate: {caller.rate_hz} and {agent.rate_hz} Hz")
    return StereoAudio(caller, agent)


def open_side(root: Path, name: str, second: Path | None = None) -> Side:
    """One side, below `root` or else below `second`; blocking. Raises AudioMissing."""
    return _side(find(root, name, second))


def find(root: Path, name: str, second: Path | None = None) -> Path:
    """The file `name` below `root` or else below `second`; raises AudioMissing if neither has it."""
    if second is None:
        return _below(root, name)
    with suppress(AudioMissing):
        return _below(root, name)
    return _below(second, name)


def _below(root: Path, name: str) -> Path:
    """The file `name` under `root`, never outside it: no way up, no symbolic link."""
    if not name or "\0" in name:
        raise AudioMissing("the recording has no file name")
    try:
        base = root.resolve(strict=True)
        path = base / name
        if path.resolve(strict=True) != path or not path.is_relative_to(base) or not path.is_file():
            raise AudioMissing(f"the file {name!r} is not a plain file of the recordings folder")
    except (OSError, RuntimeError) as error:
        raise AudioMissing(f"the file {name!r} is not in the recordings folder") from error
    return path


def _open(path: Path) -> FileIO:
    try:
        return FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError as error:
        raise AudioMissing(f"the file {path.name!r} can't be opened: {error.strerror}") from error


def _side(path: Path) -> Side:
    """Find the samples of a mono 16-bit PCM wav.

    Sizes come from the file's length, not from its header: Asterisk writes the header's sizes when it closes the
    file, so a recording still running, or cut by a crash, has zeros there.
    """
    with _open(path) as file:
        head = file.read(4096)
        size = os.fstat(file.fileno()).st_size
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise AudioMissing(f"the file {path.name!r} is no wav file")
    rate_hz, at = 0, 12
    while at + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"fmt " and at + 16 <= len(head):
            kind, channels, rate_hz = struct.unpack_from("<HHI", head, at)
            if (kind, channels, struct.unpack_from("<H", head, at + 14)[0]) != (1, 1, 16):
                raise AudioMissing(f"the file {path.name!r} is not mono 16-bit PCM")
        elif name == b"data" and rate_hz:
            available = max(0, size - at)
            return Side(path, at, min(length or available, available) // SAMPLE_BYTES, rate_hz)
        at += length + length % 2
    raise AudioMissing(f"the file {path.name!r} holds no audio")


def _samples(side: Side, file: FileIO, frame: int, count: int) -> "array[int]":
    """The samples as they lie in the file: nobody computes with them here."""
    count = max(0, min(count, side.samples - frame))
    raw = os.pread(file.fileno(), count * SAMPLE_BYTES, side.offset + frame * SAMPLE_BYTES) if count else b""
    return array("H", raw[: len(raw) // SAMPLE_BYTES * SAMPLE_BYTES])
