"""The parts of a center that may fail, each its own process, and how each fails; a supervisor starts what died."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from callcenter.companions.postgres import PostgresCompanion
from tests.chaos.plan import Fault
from tests.contract.line import Relay
from tests.kit.parts import DEMO_SITE, RealAsterisk, plan_for, running
from tests.kit.service import Service, service_on

READY_S = 60.0
LOOK_S = 0.1
DISK_BYTES = 320_000_000  # more than what the journal calls critical, so that it serves until the filler comes


@dataclass
class Stage:
    """One call center with links that can be cut and a disk that can be filled."""

    asterisk: RealAsterisk
    postgres: PostgresCompanion
    service: Service
    ari: Relay
    ami: Relay
    journal_disk: Path
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
            "ari_stall": self._ari_stall,
            "ami_cut": lambda for_s: self._cut(self.ami, for_s),
            "postgres_stop": lambda for_s: self._postgres(signal.SIGINT, for_s),
            "postgres_kill": lambda for_s: self._postgres(signal.SIGKILL, for_s),
            "journal_full": self._journal_full,
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

    async def _ari_stall(self, for_s: float) -> None:
        self.ari.stall()
        await asyncio.sleep(for_s)
        self.ari.flowing.set()

    async def _postgres(self, how: signal.Signals, for_s: float) -> None:
        pid = self.postgres.pid
        assert pid is not None
        os.kill(pid, how)
        await asyncio.sleep(for_s)
        while self.postgres.pid is not None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_S)
        await self.postgres.leave()
        await self.postgres.start()

    async def _journal_full(self, for_s: float) -> None:
        filler = self.journal_disk / "filler"
        await asyncio.to_thread(_fill, filler)
        await asyncio.sleep(for_s)
        filler.unlink()


def _fill(filler: Path) -> None:
    with filler.open("wb") as file, suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(1 << 20))


def _open_directory() -> Path:
    made = Path(tempfile.mkdtemp(prefix="chaos-"))
    made.chmod(0o755)  # PostgreSQL's user has to pass
    return made


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=755", "callcenter-chaos", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """All parts, started; the service is not. In the end nothing of them is left. Needs to be root, for the disk."""
    var = await asyncio.to_thread(_open_directory)
    postgres = PostgresCompanion(var=var / "db", instance="chaos")
    try:
        await postgres.start()
        url = await postgres.database("chaos")
        async with running(plan_for(var / "asterisk", "chaos", prompts_dir=DEMO_SITE / "prompts")) as asterisk:
            plan = asterisk.plan
            disk = var / "service" / "main"
            with _small_disk(disk):
                async with (
                    Relay("127.0.0.1", plan.http_port).open() as ari,
                    Relay("127.0.0.1", plan.ami_port).open() as ami,
                    service_on(
                        asterisk,
                        var / "service",
                        url,
                        ARI_URL=f"http://127.0.0.1:{ari.port}/ari",
                        AMI_PORT=str(ami.port),
                    ) as service,
                ):
                    yield Stage(asterisk, postgres, service, ari, ami, disk)
    finally:
        await postgres.stop()
        shutil.rmtree(var, ignore_errors=True)
