"""Recordings on real Asterisk, real disks, real deaths: what is not whole is said, and the next ones lie elsewhere."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from callcenter.companions.postgres import PostgresCompanion
from callcenter.contact.model import Phase
from callcenter.db.queries import EventRow
from callcenter.recordings_folders import second_folder
from recordings.stereo import open_stereo
from tests.kit.behaviour import Answer
from tests.kit.hotline import (
    AGENT_HZ,
    CALLER_HZ,
    NOBODY,
    VIP,
    Hotline,
    data,
    hear_each_other,
    one,
    open_hotline,
    settings_for,
)
from tests.kit.parts import DEMO_SITE, RealAsterisk, plan_for, running
from tests.kit.phone import Phone
from tests.kit.service import Service
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

DISK_BYTES = 4 << 20
LOW_MB = 1
VERDICT_S = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_asterisk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealAsterisk]:
    """An Asterisk whose disk this module may fill."""
    plan = plan_for(tmp_path_factory.mktemp("own"), "disk", prompts_dir=DEMO_SITE / "prompts")
    async with running(plan) as started:
        yield started


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own, of DISK_BYTES, at `folder`; its owner stays."""
    owner = folder.stat()
    options = f"size={DISK_BYTES},uid={owner.st_uid},gid={owner.st_gid},mode=750"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "callcenter-test", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no byte."""
    with (folder / "filler").open("wb") as file:
        while True:
            try:
                os.write(file.fileno(), bytes(4096))
            except OSError:
                return


def verdicts(events: Sequence[EventRow]) -> list[EventRow]:
    return [event for event in events if event.stream == "recordings"]


async def until_said(hotline: Hotline, type_: str, count: int = 1, within_s: float = VERDICT_S) -> EventRow:
    """Wait until so many events of that type are in the database; the last one."""
    found: list[EventRow] = []

    async def said() -> bool:
        await hotline.written()
        found[:] = [event for event in await hotline.happened() if event.type == type_]
        return len(found) >= count

    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not await said():
        types = [event.type for event in verdicts(await hotline.happened())]
        assert loop.time() < deadline, f"no {type_}, but {types}"
        await asyncio.sleep(0.1)
    return found[-1]


async def test_a_recording_is_verified_soon_after_its_talk(
    hotline: Hotline, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    await hotline.log_in(phones["agent01"], "agent01")
    call, _ = await hotline.talk(trunk, phones["agent01"])
    await asyncio.sleep(2.0)
    await call.hang_up()
    said = data(await until_said(hotline, "recording.verified"))
    story = (await hotline.stories())[-1]
    stopped = data(one(story, "recording.stopped"))
    assert said["recording_id"] == stopped["recording_id"]
    assert said["talk_s"] == pytest.approx(stopped["duration_s"], abs=0.001)
    assert (said["caller_s"], said["agent_s"]) == pytest.approx((said["talk_s"], said["talk_s"]), abs=0.5)
    assert said["folder"] == "first"
    assert hotline.center.recordings.state.pending == 0
    assert not [stream for stream in await hotline.center.journal.live_states() if stream.startswith("recording/")]


async def test_a_recording_that_vanished_is_told_by_the_api_and_to_whoever_follows_the_live_feed(
    asterisk: RealAsterisk, service: Service, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    await agent.register()
    await service.start()
    await service.log_in("agent01")
    call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
    await hear_each_other(call, await agent.next_call())
    await service.until_written()
    (contact,) = (await service.request("GET", "/v1/contacts"))["items"]
    path, folder = f"/v1/contacts/{contact['contact_id']}", asterisk.companion.recordings_dir
    await until(lambda: any(folder.rglob(f"{contact['contact_id']}.r1.*")), "it is recorded")
    for file in folder.rglob(f"{contact['contact_id']}.r1.*"):
        file.unlink()
    (recording,) = (await service.request("GET", path))["recordings"]
    assert (recording["state"], recording["verdict"], recording["verdict_at"]) == ("recording", None, None)
    async with service.live() as feed:
        await call.hang_up()
        warning = await feed("recording.missing", VERDICT_S)
    assert (warning["contact_id"], warning["reason"]) == (contact["contact_id"], "no_file")
    await service.until_over()
    (recording,) = (await service.request("GET", path))["recordings"]
    assert (recording["state"], recording["verdict"], recording["verdict_reason"]) == ("done", "missing", "no_file")
    assert await service.request("GET", f"/v1/recordings/{recording['recording_id']}") == recording


async def test_a_full_disk_truncates_a_recording_which_is_said_and_the_next_goes_to_the_second_folder(
    tmp_path: Path, own_asterisk: RealAsterisk, postgres: PostgresCompanion
) -> None:
    database_url = await postgres.database("recordings_on_a_full_disk")
    first = own_asterisk.companion.recordings_dir
    settings = settings_for(
        tmp_path, recordings_low_mb=LOW_MB, recordings_fallback=str(first.with_name("monitor-second"))
    )
    second = second_folder(settings, first, root=own_asterisk.plan.root)
    assert second is not None
    with small_disk(first):
        async with AsyncExitStack() as stack:
            agent = await stack.enter_async_context(own_asterisk.phone("agent01", Answer(tone_hz=AGENT_HZ)))
            trunk = await stack.enter_async_context(own_asterisk.trunk())
            hotline = await stack.enter_async_context(
                open_hotline(tmp_path, own_asterisk, database_url, settings=settings, second=second)
            )
            await hotline.log_in(agent, "agent01")
            assert not hotline.center.recordings.state.second
            call, _ = await hotline.talk(trunk, agent)
            fill(first)
            await asyncio.sleep(6.0)
            await call.hang_up()
            said = data(await until_said(hotline, "recording.truncated"))
            assert said["reason"] in {"short", "unreadable"}
            assert float(str(said["talk_s"])) > 6.0
            assert float(str(said["caller_s"])) < 4.0
            assert "recording.failed" not in [event.type for event in await hotline.happened()], "Asterisk said nothing"
            await until(lambda: hotline.center.recordings.state.second, "recordings go to the second folder")
            assert data(await until_said(hotline, "recordings.diverted"))["folder"] == "second"

            await until(lambda: hotline.ready("agent01"), "agent01 is ready")
            call, _ = await hotline.talk(trunk, agent)
            await asyncio.sleep(2.0)
            await call.hang_up()
            whole = data(await until_said(hotline, "recording.verified"))
            assert whole["folder"] == "second"
            started = [event for event in await hotline.happened() if event.type == "recording.started"][-1]
            files = (str(data(started)["caller_file"]), str(data(started)["agent_file"]))
            audio = open_stereo(first, *files, second.path)
            assert audio.duration_s == pytest.approx(whole["talk_s"], abs=1.0)
            await hotline.nothing_left()


async def test_a_recording_over_a_death_of_ours_is_verified_by_the_next_process(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    async with open_hotline(var, asterisk, database_url) as before:
        await before.log_in(agent, "agent01")
        call, _ = await before.talk(trunk, agent)
        await before.kill()
    await asyncio.sleep(1.0)
    async with open_hotline(var, asterisk, database_url) as after:
        await after.until_phase(Phase.TALKING)
        await asyncio.sleep(1.0)
        await call.hang_up()
        said = data(await until_said(after, "recording.verified"))
        assert float(str(said["talk_s"])) > 2.0
        await after.nothing_left()


async def test_who_hangs_up_while_we_are_dead_is_no_false_alarm_and_a_file_that_vanished_is_missing(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    agent = phones["agent01"]
    agent.behaviour = Answer(tone_hz=AGENT_HZ)
    async with open_hotline(var, asterisk, database_url) as before:
        await before.log_in(agent, "agent01")
        call, _ = await before.talk(trunk, agent)
        await before.kill()
    await call.hang_up()
    await asyncio.sleep(3.0)
    async with open_hotline(var, asterisk, database_url) as after:
        said = data(await until_said(after, "recording.verified"))
        assert float(str(said["caller_s"])) < 3.0, "the talk was taken to last until we were back"
        await after.nothing_left()
        call, _ = await after.talk(trunk, agent)
        await after.written()
        started = data([event for event in await after.happened() if event.type == "recording.started"][-1])
        file = after.center.recordings_dir / str(started["agent_file"])
        await until(file.exists, "Asterisk has opened the file")
        file.unlink()
        await call.hang_up()
        said = data(await until_said(after, "recording.missing"))
        assert (said["recording_id"], said["reason"]) == (started["recording_id"], "no_file")
        await after.nothing_left()
