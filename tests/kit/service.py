"""The real service in a process of its own (`callcenter run`), on the session's Asterisk and PostgreSQL."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from callcenter.clock import AnchoredClock
from callcenter.db.engine import make_engine
from callcenter.db.queries import EventRow, Queries
from callcenter.db.tokens import Role, Tokens
from callcenter.handover import control_path, ping
from tests.kit.parts import CHECKOUT, DEMO_SITE, RealAsterisk
from tests.kit.ports import free_port

READY_S: Final = 30.0
END_S: Final = 20.0
LOOK_S: Final = 0.02
PAGE: Final = 500


@dataclass
class Service:
    """One instance of the service: its processes come and go, its place and its database stay.

    Who waits, talks or is in the IVR is asked over its API, as anybody would; what happened, of the database.
    """

    var: Path
    environment: Mapping[str, str]
    api_port: int
    queries: Queries
    token: str
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    instance: str = "main"
    began: int = 0  # the position of the last event before this instance
    log: Path | None = None  # a pipe that leads to service.log, where its processes shall not write themselves

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def door(self) -> Path:
        """Its control socket."""
        return control_path(self.var, self.instance)

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The one started last."""
        return self.processes[-1]

    @property
    def said(self) -> str:
        """All that its processes wrote, for a failed assertion."""
        return (self.var / "service.log").read_text(errors="replace")

    async def start(self, *words: str, ready: bool = True, **variables: str) -> float:
        """Start a process and wait until callers can be served; seconds from the start until then."""
        began_at = time.monotonic()
        await self.command(*(words or ("run",)), **variables)
        if ready:
            await self.until_ready()
        return time.monotonic() - began_at

    async def command(self, *words: str, **variables: str) -> asyncio.subprocess.Process:
        """Start `callcenter WORDS…` with its output in our log; ended with the test."""
        with (self.log or self.var / "service.log").open("ab", buffering=0) as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "api.cli", *words),
                cwd=CHECKOUT,
                env={**self.environment, **variables},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    async def ask(self, *words: str, within_s: float = 60.0) -> tuple[int, str, str]:
        """Run a command to its end: exit code, stdout, stderr."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api.cli", *words),
            cwd=CHECKOUT,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), within_s)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def until_ready(self, within_s: float = READY_S) -> None:
        """Wait until the service says that callers can be served."""
        deadline = time.monotonic() + within_s
        while await self.status("/v1/readyz") != 200:
            assert self.process.returncode is None, self.said[-4000:]
            assert time.monotonic() < deadline, f"not ready within {within_s} s: {self.said[-4000:]}"
            await asyncio.sleep(LOOK_S)

    async def kill(self) -> None:
        """SIGKILL: nothing is drained, flushed or said to anybody."""
        self.process.kill()
        await asyncio.wait_for(self.process.wait(), END_S)

    async def stop(self) -> int:
        """SIGINT, as Ctrl-C; the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        return await asyncio.wait_for(self.process.wait(), END_S)

    async def status(self, path: str) -> int:
        """The HTTP status of a GET; 0 while nobody answers."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5.0)) as session,
                session.get(self.url + path, headers={"Authorization": f"Bearer {self.token}"}) as answer,
            ):
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def request(self, method: str, path: str) -> Any:
        """The JSON of a 2xx answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.url + path) as answer,
        ):
            body = await answer.read()
            assert answer.status < 300, (answer.status, body)
            return json.loads(body)

    @asynccontextmanager
    async def live(self) -> AsyncIterator[Callable[[str, float], Awaitable[Mapping[str, Any]]]]:
        """The live feed: asked for a type of event and how long to wait, it gives the body of the next one of them."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.get(f"{self.url}/v1/live") as answer,
        ):
            await answer.content.readuntil(b"\n\n")  # the snapshot

            async def following(type_: str, within_s: float) -> Mapping[str, Any]:
                async with asyncio.timeout(within_s):
                    while True:
                        line = await answer.content.readline()
                        if line.startswith(b"data:"):
                            event = json.loads(line.removeprefix(b"data:"))
                            if event["type"] == type_:
                                return dict(event["data"])

            yield following

    async def log_in(self, agent_id: str) -> None:
        """The agent is available from now on; their phone is registered by the test."""
        await self.request("POST", f"/v1/agents/{agent_id}/login")

    async def activity(self, agent_id: str) -> str:
        """What the agent does now."""
        agents = (await self.request("GET", "/v1/agents"))["items"]
        return str(next(agent["activity"] for agent in agents if agent["agent_id"] == agent_id))

    async def waiting(self) -> list[Mapping[str, Any]]:
        """The contacts in all queues, in order, each with `contact_id` and `wait_s`."""
        queues = (await self.request("GET", "/v1/queues/live"))["items"]
        return [contact for queue in queues for contact in queue["contacts"]]

    async def until_waiting(self, count: int, within_s: float = 10.0) -> list[Mapping[str, Any]]:
        """Wait until so many contacts are in the queues."""
        deadline = time.monotonic() + within_s
        while len(found := await self.waiting()) != count:
            assert time.monotonic() < deadline, f"{len(found)} wait, not {count}"
            await asyncio.sleep(LOOK_S)
        return found

    async def contacts(self) -> int:
        """How many contacts live, wrap-up included, and events that are not in the database yet."""
        return await self._metric("callcenter_contacts{", "callcenter_journal_backlog_events ")

    async def _metric(self, *names: str) -> int:
        """The sum of the metrics whose lines begin so."""
        async with aiohttp.ClientSession() as session, session.get(self.url + "/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith(names))

    async def until_written(self, within_s: float = 10.0) -> None:
        """Wait until all that happened is in the database."""
        deadline = time.monotonic() + within_s
        while (left := await self._metric("callcenter_journal_backlog_events ")) > 0:
            assert time.monotonic() < deadline, f"{left} events are still on their way"
            await asyncio.sleep(LOOK_S)

    async def until_over(self, within_s: float = 10.0) -> None:
        """Wait until every contact has ended, and all of it is in the database."""
        deadline = time.monotonic() + within_s
        while (left := await self.contacts()) > 0:
            assert time.monotonic() < deadline, f"{left} contacts and events are still on their way"
            await asyncio.sleep(LOOK_S)

    async def events(self) -> Sequence[EventRow]:
        """Every event of this instance that is in the database, in order."""
        found: list[EventRow] = []
        while page := await self.queries.events_after("n1", found[-1].position if found else self.began, PAGE):
            found += page
        return found

    async def stories(self) -> Mapping[str, Sequence[EventRow]]:
        """Each contact's events, by the last digits of its caller: each gapless from 1, and ended."""
        by_stream: dict[str, list[EventRow]] = {}
        for event in await self.events():
            if event.stream.startswith("contact/"):
                by_stream.setdefault(event.stream, []).append(event)
        for stream, events in by_stream.items():
            kinds = [event.type for event in events]
            assert [event.seq for event in events] == list(range(1, len(events) + 1)), (stream, kinds)
            assert (kinds[0], kinds[-1]) == ("contact.started", "contact.ended"), (stream, kinds, self.said[-4000:])
            assert events[-1].data["seq_total"] == len(events)
            assert "contact.failed" not in kinds, (stream, kinds)
        return {str(events[0].data["caller"])[-3:]: events for events in by_stream.values()}


@asynccontextmanager
async def service_on(asterisk: RealAsterisk, var: Path, database_url: str, **variables: str) -> AsyncIterator[Service]:
    """An instance beside a running Asterisk; nothing is started yet. In the end none of its processes lives."""
    companion = asterisk.companion
    port = free_port()
    site = _brisk_site(var / "site")
    given = {
        "ASTERISK": "external",
        "ARI_URL": companion.ari_url,
        "ARI_USER": companion.ari_user,
        "ARI_PASSWORD": companion.ari_password,
        "AMI_HOST": companion.ami_host,
        "AMI_PORT": str(companion.ami_port),
        "AMI_USER": companion.ami_user,
        "AMI_PASSWORD": companion.ami_password,
        "RECORDINGS_DIR": str(companion.recordings_dir),
        "SOUNDS_DIR": companion.sounds_dir_in_asterisk,
        "DATABASE_URL": database_url.replace("postgresql+asyncpg", "postgresql"),
        "VAR": str(var),
        "SITE": str(site),
        "API_PORT": str(port),
        "LEASE_S": str(asterisk.plan.lease_s),
        "LOG_LEVEL": "debug" if os.environ.get("CALLCENTER_LOG_LEVEL") == "debug" else "info",
        **variables,
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLCENTER_")}
    environment = {**clean, **{f"CALLCENTER_{name}": value for name, value in given.items()}}
    engine = make_engine(database_url)
    (var / "service.log").touch()
    instance = environment.get("CALLCENTER_INSTANCE", "main")
    service = Service(var, environment, port, Queries(engine), "", instance=instance)
    try:
        code, _, err = await service.ask("db", "upgrade")
        assert code == 0, err
        service.began = max((event.position for event in await service.events()), default=0)
        service.token = await Tokens(engine, AnchoredClock()).create(Role.ADMIN, "test")
        yield service
    finally:
        for process in service.processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if (alive := await ping(service.door)) is not None:
            os.kill(int(alive["pid"]), signal.SIGKILL)  # a successor that was not started by us
        await engine.dispose()


def _brisk_site(folder: Path) -> Path:
    """The demo site with a wrap-up of half a second, music without an announcement, and menus that wait for a key."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(DEMO_SITE, folder, dirs_exist_ok=True)
    for path in folder.rglob("*.toml"):
        text = re.sub(r"(?m)^(\s*wrap_up_s\s*=).*$", r"\1 0.5", path.read_text())
        text = re.sub(r"(?m)^announcement\s*=.*$", "announcement = []", text)
        path.write_text(re.sub(r"(?m)^(\s*timeout_s\s*=).*$", r"\1 60", text))
    return folder
