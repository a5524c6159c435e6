"""The parts of a center that may fail, each its own process, and how each fails; a supervisor starts what died."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.databases import Database
from tests.chaos.disks import Disk
from tests.chaos.logs import LogPipe
from tests.chaos.plan import Fault
from tests.contract.line import Relay
from tests.kit.parts import DEMO_SITE, RealAsterisk, plan_for, running
from tests.kit.service import Service, service_on

READY_S = 60.0
SLOW_S = 1.0  # each way; a request takes twice as long
LOOK_S = 0.1


@dataclass
class Stage:
    """One call center with links that can be cut and a disk that can be filled."""

    asterisk: RealAsterisk
    database: Database
    service: Service
    ari: Relay
    ami: Relay
    journal_disk: Disk
    log: LogPipe
    back_s: dict[str, list[float]] = field(default_factory=dict)
    asterisk_died: list[tuple[float, float]] = field(default_factory=list)
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def supervise(self) -> None:
        """Start the service again whenever it has ended, as systemd would."""
        while True:
            async with self._alone:
                if self.service.process.returncode is not None:
                    await self.service.start("run", ready=False)
            await asyncio.sleep(LOOK_S)

    async def fail(self, fault: Fault) -> None:
        """Let it happen; returns when what failed works again, and keeps how long that took after the fault's end."""
        happens: Mapping[str, Callable[[float], Awaitable[None]]] = {
            "service_kill": self._service_kill,
            "service_hang": self._service_hang,
            "handover": self._handover,
            "asterisk_kill": self._asterisk_kill,
            "ari_cut": lambda for_s: self._cut(self.ari, for_s),
            "ari_slow": self._ari_slow,
            "ari_stall": self._ari_stall,
            "ami_cut": lambda for_s: self._cut(self.ami, for_s),
            "journal_full": self._journal_full,
            "log_stuck": self.log.stuck,
            "release_broken": self._release_broken,
            **self.database.faults,
        }
        await happens[fault.what](fault.for_s)
        over_at = time.monotonic()
        try:
            await self.service_ready()
        except AssertionError as error:
            error.add_note(f"after {fault}")
            raise
        self.back_s.setdefault(fault.what, []).append(round(time.monotonic() - over_at, 2))

    async def service_ready(self) -> None:
        """Wait until callers can be served."""
        deadline = time.monotonic() + READY_S
        while await self.service.status("/v1/readyz") != 200:
            assert time.monotonic() < deadline, f"nobody serves: {self.service.said[-6000:]}"
            await asyncio.sleep(LOOK_S)

    async def _service_kill(self, for_s: float) -> None:
        async with self._alone:
            await self.service.kill()
            await asyncio.sleep(for_s)

    async def _service_hang(self, for_s: float) -> None:
        process = self.service.process
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(for_s)
        process.send_signal(signal.SIGCONT)

    async def _handover(self, _: float) -> None:
        async with self._alone:
            former = self.service.process
            await self.service.start("restart", ready=False)
            assert await asyncio.wait_for(former.wait(), READY_S) == 0, self.service.said[-4000:]

    async def _asterisk_kill(self, for_s: float) -> None:
        companion, died_at = self.asterisk.companion, time.monotonic()
        assert companion.pid is not None
        os.kill(companion.pid, signal.SIGKILL)
        await asyncio.sleep(for_s)
        await companion.leave()
        await companion.start()
        self.asterisk_died.append((died_at, time.monotonic()))

    async def _cut(self, relay: Relay, for_s: float) -> None:
        until_at = time.monotonic() + for_s
        while time.monotonic() < until_at:
            relay.cut()
            await asyncio.sleep(LOOK_S)

    async def _ari_slow(self, for_s: float) -> None:
        self.ari.delay_s = SLOW_S
        await asyncio.sleep(for_s)
        self.ari.delay_s = 0.0

    async def _release_broken(self, for_s: float) -> None:
        """A release that ends as it starts, again and again, until the one before is put back."""
        until_at = time.monotonic() + for_s
        async with self._alone:
            await self.service.kill()
            while time.monotonic() < until_at:
                process = await self.service.command("run", CALLCENTER_SITE=str(self.service.var / "no-such-site"))
                assert await asyncio.wait_for(process.wait(), READY_S) != 0, "a service without a site does not start"

    async def _ari_stall(self, for_s: float) -> None:
        self.ari.stall()
        await asyncio.sleep(for_s)
        self.ari.flowing.set()

    async def _journal_full(self, for_s: float) -> None:
        await self.journal_disk.full()
        await asyncio.sleep(for_s)
        await self.journal_disk.roomy()


def _open_directory() -> Path:
    made = Path(tempfile.mkdtemp(prefix="chaos-"))
    made.chmod(0o755)  # PostgreSQL's user has to pass
    return made


@asynccontextmanager
async def _a_database(var: Path) -> AsyncIterator[Database]:
    """PostgreSQL on a disk of its own."""
    with Disk(var / "db") as disk:
        database = Database(disk)
        try:
            await database.start()
            yield database
        finally:
            await database.companion.stop()


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """All parts, started; the service is not. In the end nothing of them is left. Without root, disks are folders."""
    var = await asyncio.to_thread(_open_directory)
    try:
        async with (
            _a_database(var) as database,
            running(plan_for(var / "asterisk", "chaos", prompts_dir=DEMO_SITE / "prompts")) as asterisk,
        ):
            plan = asterisk.plan
            with Disk(var / "service" / "main") as disk, LogPipe(var / "service") as log:
                async with (
                    Relay("127.0.0.1", plan.http_port).open() as ari,
                    Relay("127.0.0.1", plan.ami_port).open() as ami,
                    service_on(
                        asterisk,
                        var / "service",
                        database.url,
                        ARI_URL=f"http://127.0.0.1:{ari.port}/ari",
                        AMI_PORT=str(ami.port),
                    ) as service,
                ):
                    service.log = log.path
                    yield Stage(asterisk, database, service, ari, ami, disk, log)
    finally:
        shutil.rmtree(var, ignore_errors=True)
