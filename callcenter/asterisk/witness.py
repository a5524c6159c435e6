"""How channels ended while nobody of ours heard it: the last lines of Asterisk's own account, the CEL file.

Nothing is read while all goes well, so a call costs nothing and no place in the file is kept: what is asked about
happened lately, and is looked for from the file's end backwards, across rotation. The account is written a moment
after the fact. Of channels that died with their Asterisk it says nothing at all, but a start of Asterisk later than
the last time we heard of them does.
"""

import asyncio
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from callcenter.asterisk.cel import FALLBACK_CONTEXTS, Witnessed, parsed
from callcenter.asterisk.cel_files import backwards, files_of
from callcenter.ports import ChannelEnded

log = logging.getLogger(__name__)

MARGIN_S: Final = 10.0
"""Lines are looked for from so long before the time asked for: they are not strictly in order, nor are clocks alike."""
READ_BYTES_MAX: Final = 256 << 20
"""Some hours of 500 calls at a time; what lies further back is not looked for."""
LATE_S: Final = 0.3
"""So long an account that is not there yet is waited for."""
LOOK_S: Final = 0.05

_TELLING = (b'"HANGUP",', b'"APP_END",')


@dataclass(slots=True)
class _Found:
    """What a look into the file found: lines by channel, in order, and the instant of the last line before a start."""

    by_channel: dict[str, list[Witnessed]] = field(default_factory=lambda: defaultdict(list))
    last_at: float = 0.0


class Witness:
    """Asked about channels of one Asterisk. `path` None: nobody knows where it writes its account."""

    def __init__(self, path: Path | None, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._started_at = 0.0
        self._heard_to = 0.0

    @property
    def silent(self) -> str:
        """Why it can't be asked; '' if it can."""
        if self._path is None:
            return "nobody knows where Asterisk writes its account: set CALLCENTER_CEL_FILE"
        if not os.access(self._path, os.R_OK):
            return f"Asterisk's account is not there, or can't be read: {self._path} (it begins with the first call)"
        return ""

    def met(self, startup_time: str) -> None:
        """We are connected with an Asterisk that has been running since then."""
        try:
            self._started_at = datetime.strptime(startup_time, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
        except ValueError:
            log.warning("Asterisk's start is not an instant", extra={"startup_time": startup_time})
            self._started_at = 0.0

    def deaf(self) -> None:
        """From now on we hear nothing of Asterisk."""
        self._heard_to = self._now()

    async def how_ended(self, there_at: Mapping[str, float], since: float) -> dict[str, ChannelEnded]:
        """How these channels ended, or left our hands, by channel; those that nobody can tell of are missing.

        `there_at` says when each was certainly there, `since` when all of them were.
        """
        restarted = self._started_at > since
        found = _Found()
        if not self.silent:
            deadline = asyncio.get_running_loop().time() + LATE_S
            while True:
                found = await asyncio.to_thread(self._look, there_at, since, self._started_at if restarted else 0.0)
                late = asyncio.get_running_loop().time() >= deadline
                if restarted or late or found.by_channel.keys() >= there_at.keys():
                    break
                await asyncio.sleep(LOOK_S)
        ended = {channel_id: account for channel_id in there_at if (account := _account(found.by_channel[channel_id]))}
        if restarted:
            died_at = min(self._started_at, max(since, self._heard_to, found.last_at))
            for channel_id, at in there_at.items():
                ended.setdefault(channel_id, ChannelEnded(max(at, died_at), "system"))
        return ended

    def _look(self, there_at: Mapping[str, float], since: float, started_at: float) -> _Found:
        """Read backwards until nothing older matters; `started_at` 0: nobody asks for the last line. Blocking."""
        assert self._path is not None
        found = _Found()
        for block in _blocks(self._path, since - MARGIN_S):
            lines = block.splitlines()
            if started_at and not found.last_at:
                found.last_at = next((at for line in reversed(lines) if 0.0 < (at := _at(line)) < started_at), 0.0)
            for line in reversed(lines):
                if line.startswith(_TELLING) and _channel(line) in there_at:
                    for one in parsed(line):
                        if one.at >= there_at[one.channel_id] - MARGIN_S:
                            found.by_channel[one.channel_id].insert(0, one)
        return found


def _account(lines: Sequence[Witnessed]) -> ChannelEnded | None:
    """What the lines of one channel say of its end, or of when the dialplan took it from us."""
    left = next((one for one in lines if one.kind == "APP_END" and one.app == "Stasis"), None)
    hung_up = next((one for one in lines if one.kind == "HANGUP"), None)
    if left is not None and (hung_up is None or hung_up.context in FALLBACK_CONTEXTS):
        return ChannelEnded(left.at, "fallback")
    if hung_up is None:
        return None
    source = str(hung_up.extra.get("hangupsource") or "")
    by = "caller" if source == hung_up.channel else "agent" if source else "system"
    cause = hung_up.extra.get("hangupcause")
    return ChannelEnded(hung_up.at, by, cause if isinstance(cause, int) else 0)


def _channel(line: bytes) -> str:
    """The channel of a line."""
    columns = line.split(b'","', 3)
    return columns[2].decode("utf-8", "replace") if len(columns) == 4 else ""


def _at(line: bytes) -> float:
    """The instant of a line; 0 if it makes no sense."""
    return next((one.at for one in parsed(line)), 0.0)


def _blocks(path: Path, since: float) -> Iterator[bytes]:
    """Whole lines from the end of the account backwards, in blocks, until one begins before `since`."""
    read = 0
    for each in reversed(files_of(path, since)):
        for block in backwards(each, partial(_reaches, since)):
            yield block
            read += len(block)
            if read >= READ_BYTES_MAX or 0.0 < _at(block[: block.find(b"\n")]) < since:
                return


def _reaches(since: float, block: bytes) -> bool:
    """Whether a block may have lines from then on: its last line that makes sense is not older."""
    at = next((at for line in reversed(block.splitlines()) if (at := _at(line))), since)
    return at >= since
