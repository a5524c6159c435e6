"""How the database fails and what is done to it under calls: ended, full, slow, restored, migrated."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import asyncpg

from callcenter.companions import process
from callcenter.companions.postgres import PostgresCompanion
from callcenter.db.engine import FAULTS, connect
from tests.chaos.disks import Disk

NAME: Final = "chaos"
LOOK_S: Final = 0.1
BACK_S: Final = 60.0
FILL: Final = "INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
WIDENED: Final = ("contact", "contact_event", "floor_event", "segment")
"""Tables to which the next version adds a column, while this one writes them."""


class Database:
    """The PostgreSQL of a stage, on a disk of its own, and the service's database in it."""

    def __init__(self, disk: Disk) -> None:
        self.companion = PostgresCompanion(var=disk.folder, instance=NAME)
        self._disk = disk
        self.url = ""

    async def start(self) -> None:
        """Start it, and make the service's database if it is missing."""
        await self.companion.start()
        self.url = await self.companion.database(NAME)

    @property
    def faults(self) -> Mapping[str, Callable[[float], Awaitable[None]]]:
        """What can happen to it, for how many seconds; each returns when it works again."""
        return {
            "postgres_stop": lambda for_s: self._ended(signal.SIGINT, for_s),
            "postgres_kill": lambda for_s: self._ended(signal.SIGKILL, for_s),
            "postgres_full": self._full,
            "postgres_slow": self._slow,
            "postgres_restored": self._restored,
            "schema_widened": self._widened,
        }

    async def _ended(self, how: signal.Signals, for_s: float) -> None:
        await self._end(how)
        await asyncio.sleep(for_s)
        await self._start_again()

    async def _end(self, how: signal.Signals) -> None:
        pid = self.companion.pid
        assert pid is not None
        os.kill(pid, how)

    async def _is_gone(self) -> None:
        assert await process.until(lambda: self.companion.pid is None, BACK_S), "PostgreSQL does not end"

    async def _start_again(self) -> None:
        await self._is_gone()
        await self.companion.leave()
        await self.companion.start()

    async def _full(self, for_s: float) -> None:
        """Nothing is left on its disk; it says so to whoever writes, or ends (the log can't be written), or both."""
        await self._disk.full()
        with suppress(*FAULTS):
            await self._run("CREATE TABLE filler (text text)", *[FILL] * 20)
            raise AssertionError("the disk was not full")
        await asyncio.sleep(for_s)
        await self._disk.roomy()
        await self._answers()
        await self._run("DROP TABLE IF EXISTS filler")

    async def _answers(self) -> None:
        """It recovers by itself, or is started again if it could not go on."""
        deadline = time.monotonic() + BACK_S
        while time.monotonic() < deadline:
            if self.companion.pid is None:
                await self._start_again()
            with suppress(*FAULTS):
                return await self._run("SELECT 1")
            await asyncio.sleep(LOOK_S)
        raise AssertionError("PostgreSQL does not answer")

    async def _slow(self, for_s: float) -> None:
        """Who writes an event waits: somebody else has the table."""
        connection = await connect(self.url, "chaos", statement_s=None)
        try:
            with suppress(asyncpg.LockNotAvailableError):
                async with connection.transaction():
                    await connection.execute("LOCK TABLE contact_event, contact IN ACCESS EXCLUSIVE MODE")
                    await asyncio.sleep(for_s)
        finally:
            connection.terminate()

    async def _restored(self, for_s: float) -> None:
        """A backup is made, calls go on, and the backup is put in the place of the database."""
        data, backup = self._disk.folder / NAME / "postgres" / "data", self._disk.folder / "backup"
        await self._end(signal.SIGINT)
        await self._is_gone()
        await asyncio.to_thread(_copied, data, backup)
        await self._start_again()
        await asyncio.sleep(for_s)
        await self._end(signal.SIGINT)
        await self._is_gone()
        await asyncio.to_thread(_put_back, backup, data)
        await self._start_again()

    async def _widened(self, for_s: float) -> None:
        """The next version's schema while this one writes: wider tables; and back."""
        for table in WIDENED:
            await self._patiently(f"ALTER TABLE {table} ADD COLUMN next_version text")
        await asyncio.sleep(for_s)
        for table in WIDENED:
            await self._patiently(f"ALTER TABLE {table} DROP COLUMN next_version")

    async def _patiently(self, sql: str) -> None:
        """A migration waits 2 s for a lock at most, so that nobody waits longer behind it, and tries again."""
        deadline = time.monotonic() + BACK_S
        while time.monotonic() < deadline:
            with suppress(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                return await self._run("SET lock_timeout = '2s'", sql)
            await asyncio.sleep(LOOK_S)
        raise AssertionError(f"never had the lock: {sql}")

    async def _run(self, *statements: str) -> None:
        connection = await connect(self.url, "chaos")
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            connection.terminate()


def _copied(data: Path, backup: Path) -> None:
    shutil.rmtree(backup, ignore_errors=True)
    _with_owners(data, backup)


def _put_back(backup: Path, data: Path) -> None:
    shutil.rmtree(data)
    _with_owners(backup, data)
    shutil.rmtree(backup)


def _with_owners(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True)
    for path in (source, *source.rglob("*")):
        there, status = target / path.relative_to(source), path.lstat()
        os.chown(there, status.st_uid, status.st_gid, follow_symlinks=False)
