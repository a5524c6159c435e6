"""The demo as a newcomer runs it: small, on the real system, in a process and an instance of its own."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.demo.figures import as_data, differences
from api.demo.recount import recount
from callcenter.companions.place import place_of
from callcenter.companions.postgres import PostgresCompanion
from callcenter.config.site import load_site
from callcenter.db.engine import connect
from tests.kit.parts import CHECKOUT, DEMO_SITE, asterisk_root

pytestmark = pytest.mark.integration

RUN_S = 150.0
END_S = 30.0
SL_S = {queue.queue: queue.sl_s for queue in load_site(DEMO_SITE).queues.values()}


@dataclass(frozen=True, slots=True)
class DemoPlace:
    """Where a test's demo lives: nothing else on the machine has these names."""

    var: Path
    instance: str

    @property
    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("CALLCENTER_")}
        return {
            **ours,
            "CALLCENTER_VAR": str(self.var),
            "CALLCENTER_INSTANCE": self.instance.removesuffix("-demo"),
            "CALLCENTER_ASTERISK_ROOT": str(asterisk_root() or "/"),
        }

    def processes(self) -> list[str]:
        """Command lines of all living processes that the demo started."""
        found = []
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            try:
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                where = str((process / "cwd").readlink())
            except OSError:
                continue
            if f"/{self.instance}/" in words or where.startswith(str(self.var)):
                found.append(words)
        return found


@pytest.fixture
def place() -> Iterator[DemoPlace]:
    var = Path(tempfile.mkdtemp(prefix="demo-"))  # a short path: PostgreSQL's socket lives below it
    place = DemoPlace(var, f"t{os.getpid()}-demo")
    yield place
    shutil.rmtree(place_of(place.instance, var=var, root=asterisk_root()).host, ignore_errors=True)
    shutil.rmtree(var, ignore_errors=True)


@asynccontextmanager
async def demo(place: DemoPlace, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "demo", *words),
        cwd=CHECKOUT,
        env=place.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.communicate(), END_S)


async def test_a_small_demo_serves_everybody_and_its_summary_equals_a_recount_from_the_events(place: DemoPlace) -> None:
    async with demo(place, "--calls", "12", "--json") as process:
        said, told = await asyncio.wait_for(process.communicate(), RUN_S)
    assert process.returncode == 0, f"{said.decode()}\n{told.decode()}"
    summary = json.loads(said)
    assert summary["findings"] == []
    assert summary["recount"] == {"equal": True, "differences": []}
    assert summary["served"] >= 12
    assert (summary["failed"], summary["callers_failed"]) == (0, 0)
    assert summary["contacts"] == summary["callers"]
    assert summary["end_states"]["closed"] == 1
    assert summary["queues"]["vip"]["answered"] >= 2
    assert summary["offers"]["accepted"] == summary["total"]["answered"] == summary["served"]
    assert "callers" in told.decode(), "without a terminal, progress is told in lines"
    assert place.processes() == []
    await recount_finds_what_was_changed(place, summary)


async def recount_finds_what_was_changed(place: DemoPlace, summary: dict[str, object]) -> None:
    """The recount reads the rows: one changed wait, one missing event, and it is another."""
    postgres = PostgresCompanion(var=place.var, instance=place.instance)
    await postgres.attach()
    try:
        first = await recount(postgres.url, "n1", 0, SL_S)
        assert as_data(first).items() <= summary.items()
        connection = await connect(postgres.url, "test")
        try:
            await connection.execute(
                "UPDATE contact_event SET data = jsonb_set(data, '{wait_s}', '99') WHERE (contact_id, seq) ="
                " (SELECT contact_id, seq FROM contact_event WHERE type = 'queue.left'"
                ' AND data @> \'{"queue": "vip", "outcome": "answered"}\' LIMIT 1)'
            )
            await connection.execute(
                "DELETE FROM contact_event WHERE (contact_id, seq) ="
                " (SELECT contact_id, seq FROM contact_event WHERE type = 'offer.ringing' LIMIT 1)"
            )
        finally:
            await connection.close()
        found = {text.partition(":")[0] for text in differences(first, await recount(postgres.url, "n1", 0, SL_S))}
        assert {"events", "whole", "queues.vip.wait_us", "total.wait_us", "total.answered_in_time"} <= found
    finally:
        await postgres.stop()


async def test_ctrl_c_ends_the_demo_and_all_that_it_started(place: DemoPlace) -> None:
    async with demo(place, "--calls", "50") as process:
        assert process.stderr is not None
        async with asyncio.timeout(RUN_S):
            while not (line := await process.stderr.readline()).startswith(b"demo: "):
                assert line, "the demo ended by itself"
        assert any("sipp" in words for words in place.processes())
        assert any("asterisk" in words for words in place.processes())
        process.send_signal(signal.SIGINT)
        said, _ = await asyncio.wait_for(process.communicate(), END_S)
    assert process.returncode == 130
    assert said == b""
    assert place.processes() == []
