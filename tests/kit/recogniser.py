"""A recogniser for tests: a program of its own protocol that takes tones for words."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np
from aiohttp import WSMsgType, web

from api.dialing.recogniser import Program, running
from tests.kit.tones import peaks

WINDOW_S: Final = 0.25
NEAR_HZ: Final = 15.0


class ToneRecogniser(Program):
    """A tone of `words` is that word, any other one no word; `heard_s` is how much audio came in all."""

    def __init__(self, words: Mapping[float, str]) -> None:
        super().__init__()
        self.words = words
        self.heard_s = 0.0
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

    async def listen(self, socket: web.WebSocketResponse, start: dict[str, Any]) -> None:
        """Hear what the audio is."""
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
    recogniser = ToneRecogniser(words)
    async with running(recogniser):
        try:
            yield recogniser
        finally:
            await recogniser.die()
