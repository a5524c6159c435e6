"""Our service as the process that `callcenter run` is, on an Asterisk and a PostgreSQL that are there."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp
import asyncpg

from bench.asterisks import RunningAsterisk
from bench.site import AUX_CODE
from tests.kit.ports import free_port

READY_S: Final = 60.0
AT_ONCE_MAX: Final = 16
WRITTEN_S: Final = 30.0
STOP_S: Final = 15.0

Presence = Literal["available", "aux"]


_CLOSED: Final = "SELECT count(*) FROM contact WHERE started_at >= to_timestamp($1) AND closed"
_WRITTEN: Final = """
    SELECT count(*)::int AS contacts,
        (count(*) FILTER (WHERE closed AND end_state = 'agent'))::int AS served,
        coalesce(sum(found.events), 0)::int AS events,
        coalesce(sum(last_seq - found.events), 0)::int AS missing
    FROM contact,
        LATERAL (SELECT count(*) AS events FROM contact_event AS e WHERE e.contact_id = contact.contact_id) AS found
    WHERE started_at >= to_timestamp($1)
"""


@dataclass(frozen=True, slots=True)
class Written:
    """A burst's contacts in the database; `missing` are events that a contact counted and the table has not."""

    contacts: int
    served: int
    events: int
    missing: int


class Service:
    """The running service: its process, its API with an admin's token, and its events in the database."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, database: asyncpg.Connection) -> None:
        self.pid = process.pid
        self._process = process
        self.url = url
        self._database = database

    async def ready(self) -> None:
        """Return when it says that callers can be served; raises AssertionError when it ended or does not."""
        async with asyncio.timeout(READY_S), aiohttp.ClientSession() as session:
            while True:
                assert self._process.returncode is None, "the service ended: see service.log"
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)

    async def log_in(self, token: str, agents: Sequence[str], presence: Presence) -> None:
        """Every agent chooses the presence; returns when all are as wanted, their phones reachable."""
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
            few = asyncio.Semaphore(AT_ONCE_MAX)

            async def choose(agent: str) -> None:
                chosen = {"presence": presence, "aux_code": AUX_CODE if presence == "aux" else None}
                async with few, session.post(f"{self.url}/v1/agents/{agent}/presence", json=chosen):
                    pass

            await asyncio.gather(*(choose(agent) for agent in agents))
            async with asyncio.timeout(READY_S):
                while not await self._all(session, presence):  # noqa: ASYNC110 - the API has no such event
                    await asyncio.sleep(0.2)

    async def _all(self, session: aiohttp.ClientSession, presence: Presence) -> bool:
        async with session.get(f"{self.url}/v1/agents") as answer:
            agents: list[dict[str, Any]] = (await answer.json())["items"]
        wanted = {"presence": presence, "activity": "idle", "reachable": True}
        return all(agent.get(name) == value for agent in agents for name, value in wanted.items())

    async def postgres_version(self) -> str:
        """The database server's version."""
        return str(await self._database.fetchval("SHOW server_version"))

    async def written(self, contacts: int, since_at: float) -> Written:
        """Wait until that many contacts begun since then are closed in the database; what is there by then."""
        try:
            async with asyncio.timeout(WRITTEN_S):
                while await self._database.fetchval(_CLOSED, since_at) < contacts:  # noqa: ASYNC110 - the database tells nobody
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pass  # said by the count
        row = await self._database.fetchrow(_WRITTEN, since_at)
        return Written(**dict(row))


@asynccontextmanager
async def running_service(
    var: Path, site: Path, asterisk: RunningAsterisk, database_url: str, profile: Path | None = None
) -> AsyncIterator[tuple[Service, str]]:
    """The service, ready, and a token for its API. `profile`: sample where its time goes into this file."""
    there = asterisk.companion
    api_port = free_port()
    environment = {
        "VAR": var,
        "INSTANCE": "service",
        "SITE": site,
        "DATABASE_URL": database_url,
        "API_PORT": api_port,
        "ASTERISK": "external",
        "ARI_URL": there.ari_url,
        "ARI_USER": there.ari_user,
        "ARI_PASSWORD": there.ari_password,
        "AMI_HOST": there.ami_host,
        "AMI_PORT": there.ami_port,
        "AMI_USER": there.ami_user,
        "AMI_PASSWORD": there.ami_password,
        "RECORDINGS_DIR": there.recordings_dir,
        "SOUNDS_DIR": there.sounds_dir_in_asterisk,
    }
    ours = {f"CALLCENTER_{name}": str(value) for name, value in environment.items()}
    others = {name: value for name, value in os.environ.items() if not name.startswith("CALLCENTER_")}
    program = ["-m", "bench.sampler", str(profile)] if profile else ["-m", "api.cli"]
    with (var / "service.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *program, "run", env=others | ours, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
    database = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        service = Service(process, f"http://127.0.0.1:{api_port}", database)
        await service.ready()
        yield service, await _token(others | ours)
    finally:
        await database.close()
        await _end(process)


async def _token(environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "token", "create", "--role", "admin", "--json"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, "no token could be made"
    return str(json.loads(said)["token"])


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            continue
