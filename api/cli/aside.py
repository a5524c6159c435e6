"""Commands that run the whole service for themselves: its log goes to a file, Ctrl-C ends all that was started."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import uvloop

from api.cli import logs
from callcenter.errors import CallCenterError

INTERRUPTED: Final = 130

Result = TypeVar("Result")


def run_aside(work: Callable[[], Coroutine[Any, Any, Result]], log: Path, level: str) -> Result | None:
    """What the work came to; None if SIGINT or SIGTERM ended it. Raises CallCenterError, never in a group."""
    result: Result | None = None
    fault: CallCenterError | None = None
    try:
        with _logging_to(log, level), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(_until_stopped(work()))
    except* CallCenterError as group:
        fault = _first(group)
    if fault is not None:
        raise fault
    return result


async def _until_stopped(work: Coroutine[Any, Any, Result]) -> Result | None:
    ours = asyncio.current_task()
    assert ours is not None
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped:  # the second Ctrl-C must not interrupt the end of what was started
            stopped = True
            ours.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        return await work
    except asyncio.CancelledError:
        if not stopped:
            raise
        return None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _logging_to(path: Path, level: str) -> Iterator[None]:
    """What the service logs goes to a file: the screen is the command's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as sink:
        with contextlib.redirect_stderr(sink):
            logs.configure(level)
        try:
            yield
        finally:
            logs.finish()


def _first(group: BaseExceptionGroup[CallCenterError]) -> CallCenterError:
    """The first fault of a group, however deep; the others are its consequences."""
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    assert isinstance(inner, CallCenterError)
    return inner
