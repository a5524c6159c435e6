"""The guard: a small process beside the service that acts when the service is silent for too long.

Two things only: who waits in the hands of a dead service goes to the fallback dialplan (never who talks), and the
service is started again, ever later if it dies again and again. What it may not do is in docs/operations.md.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from callcenter.companions.process import is_alive
from callcenter.errors import CallCenterError
from callcenter.handover import Words, ping

LOOK_S: Final = 0.5
ANSWER_S: Final = 1.0
MARKER: Final = "api.cli"  # in the command line of every process of ours

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds of silence mean what. A restart takes about three, so callers are given more than that.

    Who was `deaths_max` times dead within `deaths_s` is taken for dead although they answer in between.
    """

    rescue_s: float = 15.0
    hung_s: float = 10.0
    start_s: float = 60.0
    deaths_max: int = 3
    deaths_s: float = 60.0
    pause_min_s: float = 0.5
    pause_max_s: float = 30.0


class Due(NamedTuple):
    """What is to be done now."""

    rescue: bool = False
    kill: bool = False
    start: bool = False


@dataclass(slots=True)
class Watch:
    """What has been seen of the service, and what follows from it. Instants are seconds of any clock that never jumps.

    Pure: `look` is told what is so, and says what to do; it is taken as done.
    """

    began_at: float
    patience: Patience = field(default_factory=Patience)
    pid: int | None = None
    _up_at: float | None = None
    _rescued_at: float = float("-inf")
    _started_at: float = float("-inf")
    _deaths: deque[float] = field(default_factory=deque)
    _dead: bool = False

    def silence_s(self, now: float) -> float:
        """For how long nobody has served."""
        return now - (self.began_at if self._up_at is None else self._up_at)

    def look(self, alive: Words | None, *, lives: bool, on_purpose: bool, now: float) -> Due:
        """`alive` is what the service said of itself; `lives` whether the process last known exists.

        `on_purpose`: it has ended as it was asked to, so nobody starts it again.
        """
        if alive is not None:
            self._hear(alive, now)
        if alive is None and not lives and not self._dead and self.pid is not None:
            self._dead = True
            self._deaths.append(now)
        while self._deaths and self._deaths[0] < now - self.patience.deaths_s:
            self._deaths.popleft()
        if on_purpose:
            return Due(rescue=self._rescue(now))
        hung = lives and self.silence_s(now) >= self.patience.hung_s and now - self._started_at >= self._grace_s()
        start = not lives and now - self._started_at >= self.pause_s() and alive is None
        if start or hung:
            self._started_at = now
        return Due(rescue=self._rescue(now), kill=hung, start=start or hung)

    def started(self, pid: int) -> None:
        """We started it, under this pid."""
        self.pid = pid
        self._dead = False

    def pause_s(self) -> float:
        """Seconds between two starts: twice as many for each death within the last minute."""
        doubled = self.patience.pause_min_s * 2.0 ** max(0, len(self._deaths) - 1)
        return min(self.patience.pause_max_s, doubled)

    def _grace_s(self) -> float:
        return self.patience.start_s

    def _hear(self, alive: Words, now: float) -> None:
        pid = int(alive["pid"])
        if self.pid not in {None, pid, alive["predecessor"]} and not self._dead:
            self._deaths.append(now)  # somebody else was quicker to start it again
        self.pid = pid
        self._dead = False
        if alive["up"]:
            self._up_at = now

    def _rescue(self, now: float) -> bool:
        silent = self.silence_s(now) >= self.patience.rescue_s
        crashing = len(self._deaths) >= self.patience.deaths_max and self._dead
        if (silent or crashing) and now - self._rescued_at >= self.patience.rescue_s:
            self._rescued_at = now
            return True
        return False


class Guard:
    """Looks twice a second; `run` never returns. `start` starts the service and answers its pid; None: others do."""

    def __init__(
        self,
        path: Path,
        rescue: Callable[[], Awaitable[int]],
        start: Callable[[], int] | None,
        patience: Patience,
    ) -> None:
        self._path = path
        self._rescue = rescue
        self._start = start
        self._patience = patience

    async def run(self) -> None:
        """Watch, until cancelled."""
        loop = asyncio.get_running_loop()
        watch = Watch(loop.time(), self._patience)
        while True:
            alive = await ping(self._path, ANSWER_S)
            ended = alive is None and not self._path.exists()  # who is killed leaves the socket's name behind
            lives = is_alive(watch.pid, MARKER)
            due = watch.look(alive, lives=lives, on_purpose=ended and not lives, now=loop.time())
            if due.kill and self._start is not None and watch.pid is not None:
                log.error("the service hangs; it is killed", extra={"pid": watch.pid})
                with contextlib.suppress(ProcessLookupError):
                    os.kill(watch.pid, signal.SIGKILL)
            if due.rescue:
                await self._to_the_fallback(watch.silence_s(loop.time()))
            if due.start and self._start is not None:
                watch.started(self._start())
                log.error("the service was dead; it is started", extra={"pid": watch.pid, "pause_s": watch.pause_s()})
            await asyncio.sleep(LOOK_S)

    async def _to_the_fallback(self, silence_s: float) -> None:
        try:
            count = await self._rescue()
        except CallCenterError as error:
            log.critical("the service is silent, and callers can't be sent to the fallback", extra={"why": str(error)})
            return
        log.critical("the service is silent; who waited went to the fallback", extra={"s": silence_s, "callers": count})
