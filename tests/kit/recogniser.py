"""A recogniser for tests: a program of its own protocol that takes tones for words."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np
from aiohttp import WSMsgType, web

from tests.kit.ports import free_port
from tests.kit.tones import peaks

WINDOW_S: Final = 0.25
NEAR_HZ: Final = 15.0


class ToneRecogniser:
    """Listens at `url`; a tone of `words` is that word, any other one no word.

    `starts` are what it was told to listen for, `heard_s` how much audio came in all; `live` are the connections.
    """

    def __init__(self, words: Mapping[float, str], port: int) -> None:
        self.words = words
        self.url = f"ws://127.0.0.1:{port}/"
        self.starts: list[dict[str, Any]] = []
        self.heard_s = 0.0
        self.live: list[web.WebSocketResponse] = []
        self.says: str | None = None  # instead of listening: this, whatever is said

    def understood(self, samples: bytes, rate: int) -> str | None:
        """The answer to this much audio; None: nobody speaks."""
        found = peaks(np.frombuffer(samples, dtype="<i2"), rate)
        if not found:
            return None
        for hz, word in self.words.items():
            if abs(found[0].hz - hz) < NEAR_HZ:
                return json.dumps({"type": "result", "said": word})
        return json.dumps({"type": "no_match"})

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One listening."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.live.append(socket)
        try:
            await self._listen(socket)
        finally:
            self.live.remove(socket)
        return socket

    async def _listen(self, socket: web.WebSocketResponse) -> None:
        first = await socket.receive()
        if first.type is not WSMsgType.TEXT:
            return  # they have thought better of it
        start = json.loads(first.data)
        self.starts.append(start)
        if self.says is not None:
            await socket.send_str(self.says)
        samples, window = b"", round(start["rate"] * WINDOW_S) * 2
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                continue
            self.heard_s += len(message.data) / 2 / start["rate"]
            samples += message.data
            if len(samples) >= window:
                answer, samples = self.understood(samples[:window], start["rate"]), samples[window:]
                if answer is not None:
                    await socket.send_str('{"type": "speech"}')
                    await socket.send_str(answer)

    async def die(self) -> None:
        """Cut every connection, as a program that crashes does."""
        for socket in list(self.live):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def tone_recogniser(words: Mapping[float, str]) -> AsyncIterator[ToneRecogniser]:
    """Run it until the block ends."""
    port = free_port()
    recogniser = ToneRecogniser(words, port)
    app = web.Application()
    app.router.add_get("/", recogniser.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield recogniser
    finally:
        await recogniser.die()
        await runner.cleanup()
