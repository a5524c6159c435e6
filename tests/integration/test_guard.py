"""The guard beside a real service that dies, hangs, or ends as it was asked to."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from callcenter.companions.process import is_alive
from callcenter.handover import ping
from tests.integration.conftest import Figure
from tests.kit.behaviour import Answer
from tests.kit.hotline import AGENT_HZ, CALLER_HZ, MENU, VIP, hear_each_other
from tests.kit.parts import CHECKOUT
from tests.kit.phone import Phone
from tests.kit.service import Service

pytestmark = pytest.mark.integration

RESCUE_S = 5.0
TALKER, WAITER, CHOOSER = "0912000001", "0912000002", "0912000003"
UNITS = CHECKOUT / "asterisk-config/systemd"


@asynccontextmanager
async def guarded(service: Service, *words: str) -> AsyncIterator[None]:
    """A guard beside the running service; what it started ends with the test."""
    guard = await service.command("guard", *words)
    service.processes.remove(guard)
    try:
        async with asyncio.timeout(30.0):
            while "guarding" not in service.said:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)  # it has looked at the service once
        yield
    finally:
        guard.kill()
        await guard.wait()


async def pid_of(service: Service) -> int:
    alive = await ping(service.door)
    return 0 if alive is None or not alive["up"] else int(alive["pid"])


async def until_another_serves(service: Service, former: int, within_s: float = 60.0) -> int:
    """Wait until a process with another pid serves; its pid."""
    deadline = time.monotonic() + within_s
    while (pid := await pid_of(service)) in {0, former}:
        assert time.monotonic() < deadline, service.said[-4000:]
        await asyncio.sleep(0.05)
    return pid


async def test_who_waits_for_a_service_that_stays_dead_reaches_a_person_and_who_talks_is_left_alone(
    service: Service, trunk: Phone, phones: Mapping[str, Phone], figure: Figure
) -> None:
    await service.start()
    phones["agent02"].behaviour = Answer(tone_hz=AGENT_HZ)
    await phones["agent02"].register()
    await service.log_in("agent02")
    talking = trunk.call(VIP, caller=TALKER, tone_hz=CALLER_HZ)
    desk = await phones["agent02"].next_call()
    await hear_each_other(talking, desk)
    waiting = trunk.call(VIP, caller=WAITER, tone_hz=CALLER_HZ)
    await service.until_waiting(1)
    choosing = trunk.call(MENU, caller=CHOOSER, tone_hz=CALLER_HZ)
    await choosing.hears_sound()
    async with guarded(service, "--no-start", "--rescue-after", str(RESCUE_S)):
        await service.kill()
        died_at = time.monotonic()
        while '"callers": 2' not in service.said:
            assert time.monotonic() - died_at < RESCUE_S + 10.0, service.said[-4000:]
            await asyncio.sleep(0.05)
        figure("waiting callers of a dead service are rescued after, s", time.monotonic() - died_at)
        assert all(call.is_up for call in (talking, waiting, choosing))
        await hear_each_other(talking, desk)
        assert await pid_of(service) == 0, "with --no-start somebody else starts it"
    for call in (talking, waiting, choosing):
        await call.hang_up()


async def test_a_killed_service_is_started_again_and_has_its_callers_back(
    service: Service, trunk: Phone, figure: Figure
) -> None:
    await service.start()
    waiting = trunk.call(VIP, caller=WAITER)
    (queued,) = await service.until_waiting(1)
    async with guarded(service, "--rescue-after", "60"):
        former = service.process.pid
        await service.kill()
        died_at = time.monotonic()
        await until_another_serves(service, former)
        figure("a killed service serves again, by its guard, after, s", time.monotonic() - died_at)
        (kept,) = await service.until_waiting(1)
        assert kept["contact_id"] == queued["contact_id"]
        await waiting.hang_up()
        await service.until_over()


async def test_a_hung_service_is_killed_and_started_again(service: Service, trunk: Phone, figure: Figure) -> None:
    await service.start()
    waiting = trunk.call(VIP, caller=WAITER)
    (queued,) = await service.until_waiting(1)
    async with guarded(service, "--rescue-after", "60"):
        former = service.process
        former.send_signal(signal.SIGSTOP)
        hung_at = time.monotonic()
        await until_another_serves(service, former.pid)
        figure("a hung service serves again, by its guard, after, s", time.monotonic() - hung_at)
        assert await asyncio.wait_for(former.wait(), 1.0) == -signal.SIGKILL
        (kept,) = await service.until_waiting(1)
        assert kept["contact_id"] == queued["contact_id"]
        await waiting.hang_up()
        await service.until_over()


async def test_a_service_that_ended_as_asked_is_not_started_again_and_one_that_outlives_its_guard_lives_on(
    service: Service,
) -> None:
    await service.start()
    async with guarded(service):
        former = service.process.pid
        await service.kill()
        started = await until_another_serves(service, former)
    assert is_alive(started, "api.cli"), "the guard's end is not the service's"
    async with guarded(service):
        os.kill(started, signal.SIGINT)
        deadline = time.monotonic() + 15.0
        while service.door.exists():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        await asyncio.sleep(4.0)
        assert await pid_of(service) == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_finds_nothing_wrong_with_our_units(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/callcenter/bin/callcenter", str(CHECKOUT / "bin/callcenter"))
        assert str(CHECKOUT) in text or unit.suffix == ".socket"
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    ours = [line for line in done.stderr.splitlines() if "callcenter" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
