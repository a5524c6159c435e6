"""Clients who ask the API all the time, each time on a connection of their own: what came of it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from tests.kit.service import Service

ASK_EVERY_S: Final = 0.02
PATHS: Final = ("/v1/queues/live", "/v1/agents", "/v1/contacts?limit=5", "/v1/healthz")


@dataclass
class Clients:
    """What the clients were answered, by status or by the error's name."""

    answers: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    async def ask_on(self, service: Service) -> None:
        """One client: asks until cancelled."""
        headers = {"Authorization": f"Bearer {service.token}"}
        for number in range(1_000_000):
            began_at = time.monotonic()
            try:
                async with (
                    aiohttp.ClientSession(headers=headers) as session,
                    session.get(service.url + PATHS[number % len(PATHS)]) as answer,
                ):
                    await answer.read()
                    self.answers[str(answer.status)] += 1
            except aiohttp.ClientError as error:
                self.answers[type(error).__name__] += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began_at)
            await asyncio.sleep(ASK_EVERY_S)


@asynccontextmanager
async def asking(service: Service) -> AsyncIterator[Clients]:
    """Two clients beside whatever happens meanwhile."""
    clients = Clients()
    tasks = [asyncio.create_task(clients.ask_on(service)) for _ in range(2)]
    try:
        yield clients
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
