"""Virtual time: a loop that jumps to its next timer when idle, and processes in it that can be killed like real ones.

Time starts at 0 and a clock adds the epoch: at 1.7e9 the loop's resolution of 1 ns is lost to rounding, and it would
spin for ever. A loop with nothing to run and no timer is a deadlock, which is an exception here.

A process is a context: whatever it schedules carries it. A kill takes away everything that it has scheduled and closes
its coroutines; nothing of it runs again, as after kill -9. What its coroutines do in their `finally` is done by the
dead: the loop takes no more from them, and neither do the worlds they reach (they ask `Process.dead`).
"""

import asyncio
import contextvars
import heapq
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_790_000_000.0
"""The instant at which virtual time begins, in seconds since the Unix epoch."""

_owner: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("process", default=None)


class Deadlock(Exception):
    """Nothing is ready and nothing is due: whoever still waits would wait for ever."""


class _Jump(selectors.SelectSelector):
    """Never waits: the time that the loop would sleep has passed at once."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock
        if timeout > 0.0:
            self.loop.jump()
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time. Threads are not used: work for an executor is done at once, in place."""

    _ready: Any
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        jump = _Jump()
        super().__init__(jump)
        jump.loop = self
        self._at = 0.0
        self.set_task_factory(_make_task)

    def time(self) -> float:
        """Virtual seconds since the loop began."""
        return self._at

    def jump(self) -> None:
        """Go to the next timer."""
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]
        if self._scheduled:
            self._at = max(self._at, self._scheduled[0].when())

    def call_soon(  # type: ignore[override]  # the stub's type variables say no more than this
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """As every loop, but nothing more of the dead."""
        handle = super().call_soon(callback, *args, context=context)
        if _dead(context):
            handle.cancel()
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """There is one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """As every loop, but nothing more of the dead."""
        handle = super().call_at(when, callback, *args, context=context)
        if _dead(context):
            handle.cancel()
        return handle

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> Any:  # type: ignore[override]
        """Blocking work is done now; its answer comes later, as from a thread."""
        answer = self.create_future()
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            self.call_soon(_settle, answer, None, error)
        else:
            self.call_soon(_settle, answer, result, None)
        return answer


class Process:
    """One life of a program: started by `run`, ended by `kill`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.dead = False
        self.loop = loop
        self.at_death: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._context = contextvars.copy_context()
        self._context.run(_owner.set, self)

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call something of the process, as part of it."""
        return self._context.copy().run(function, *args)

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start its first task."""
        return self.loop.create_task(work, context=self._context.copy())

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """A task that it has begun."""
        if len(self._tasks) > 256:
            self._tasks = [each for each in self._tasks if not each.done()]
        self._tasks.append(task)

    def kill(self) -> None:
        """As kill -9: nothing of it runs from now on. Never call it from one of its own coroutines: see `doom`."""
        self.dead = True
        for handle in (*self.loop._ready, *self.loop._scheduled):
            if handle._context.get(_owner) is self:
                handle.cancel()
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            if not task.done():
                self._context.copy().run(_bury, task.get_coro())
        self._tasks.clear()
        for let_go in self.at_death:
            let_go()

    def doom(self, then: Callable[[], None]) -> None:
        """Kill it from within: dead at once, buried as soon as its own code has returned; then `then`."""
        self.dead = True

        def bury() -> None:
            self.kill()
            then()

        asyncio.SelectorEventLoop.call_soon(self.loop, bury, context=contextvars.Context())


def _bury(coroutine: Any) -> None:
    try:
        coroutine.close()
    except RuntimeError:
        pass  # it awaits in its `finally`
    except BaseExceptionGroup as group:  # a TaskGroup tells in its own way that it was closed
        if group.split(GeneratorExit)[1] is not None:
            raise


def running_process() -> Process:
    """The process whose code runs now."""
    process = _owner.get()
    assert process is not None, "this runs in no process"
    return process


def _dead(context: contextvars.Context | None) -> bool:
    process = _owner.get() if context is None else context.get(_owner)
    return process is not None and process.dead


def _make_task(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
    context = more.get("context")
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **more)
    process = _owner.get() if context is None else context.get(_owner)
    if process is not None:
        process.adopt(task)
    return task


def _settle(answer: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
