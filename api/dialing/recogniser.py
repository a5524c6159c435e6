"""Recognisers of speech by the protocol of docs/recogniser.md, and one that hears what a script says is said."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web


class Program(ABC):
    """A recogniser: it is at `url` while `running`; what it makes of a listening is its own."""

    def __init__(self) -> None:
        self.url = ""
        self.starts: list[dict[str, Any]] = []  # what it was told to listen for
        self.live: list[web.WebSocketResponse] = []

    @abstractmethod
    async def listen(self, socket: web.WebSocketResponse, start: dict[str, Any]) -> None:
        """One listening; the connection is closed when this returns."""

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.live.append(socket)
        try:
            first = await socket.receive()
            if first.type is WSMsgType.TEXT:  # else they have thought better of it
                start = json.loads(first.data)
                self.starts.append(start)
                await self.listen(socket, start)
        finally:
            self.live.remove(socket)
        return socket


@asynccontextmanager
async def running(program: Program) -> AsyncIterator[None]:
    """Run it on a free port until the block ends."""
    app = web.Application()
    app.router.add_get("/", program.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        program.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
        yield
    finally:
        for socket in list(program.live):
            await socket.close()
        await runner.cleanup()


class ScriptedRecogniser(Program):
    """It hears words when a script says so, whatever the caller's audio is."""

    def __init__(self) -> None:
        super().__init__()
        self._hearing: dict[str, asyncio.Future[str]] = {}

    async def listen(self, socket: web.WebSocketResponse, start: dict[str, Any]) -> None:
        """Take the audio until something is said, or the other side has enough."""
        heard = self._hearing[start["listening"]] = asyncio.get_running_loop().create_future()
        taking = asyncio.create_task(_take(socket))
        try:
            await asyncio.wait({heard, taking}, return_when=asyncio.FIRST_COMPLETED)
            if heard.done() and (words := heard.result()):
                await socket.send_str(json.dumps({"type": "result", "said": words}))
                await taking  # they close once they have it
        finally:
            taking.cancel()
            del self._hearing[start["listening"]]

    def listens(self, listening_id: str) -> bool:
        """Whether it listens in this listening now."""
        return listening_id in self._hearing

    def hear(self, listening_id: str, words: str) -> None:
        """Hear these words in this listening, in which it must listen; without words, go away."""
        heard = self._hearing[listening_id]
        if not heard.done():
            heard.set_result(words)


async def _take(socket: web.WebSocketResponse) -> None:
    """Take audio until the other side closes."""
    async for _ in socket:
        pass
