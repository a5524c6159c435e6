"""uvicorn inside our own event loop: no signal handlers of its own, a clear word when the port is taken."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from fastapi import FastAPI

from callcenter.companions.errors import CompanionError
from callcenter.errors import CallCenterError

STOP_S: Final = 5
START_S: Final = 10.0


class ApiPortTaken(CompanionError):
    """Another program listens where the API should."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"the API's address {host}:{port} is in use",
            "end the program that has it (ss -lnp shows which), or choose another: CALLCENTER_API_PORT=PORT; "
            "if it is this service, 'callcenter restart' puts a new process in its place",
        )
        self.host = host
        self.port = port


class _Server(uvicorn.Server):
    """The process's signals belong to the runtime; it says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ApiServer:
    """Serves one app. `port` 0 takes a free one; read `port` after start().

    With a `listener` (see `listen`) that one is served, and ours in the end to close.
    """

    def __init__(self, app: FastAPI, host: str, port: int, listener: socket.socket | None = None) -> None:
        self.host = host
        self.port = port
        self._listener = listener
        # A live feed lasts for ever; left alone, each would keep us until STOP_S is over.
        self._end_feeds: Callable[[], None] = app.state.backend.hub.close
        self._server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=STOP_S,
                h11_max_incomplete_event_size=32_768,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; raises ApiPortTaken. Returns when requests are answered."""
        listener = self._listener or listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="api")
        self._task.add_done_callback(lambda _: self._server.listening.set())
        async with asyncio.timeout(START_S):
            await self._server.listening.wait()

    async def wait(self) -> None:
        """Until the server ends, by stop() or by itself; raises what ended it."""
        assert self._task is not None, "started before waited for"
        await self._task

    async def stop(self) -> None:
        """End the live feeds, finish what is being answered, STOP_S seconds at most. Safe to repeat."""
        if self._task is None:
            return
        self._end_feeds()
        self._server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([self._task], timeout=STOP_S + 2)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1.0)


def listen(host: str, port: int) -> socket.socket:
    """A socket on which callers of the API may knock from now on; raises ApiPortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ApiPortTaken(host, port) from error
        raise CallCenterError(
            f"the API can't listen on {host}:{port}: {error.strerror}; "
            "correct CALLCENTER_API_HOST or CALLCENTER_API_PORT"
        ) from error
    return listener
