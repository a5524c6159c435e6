"""A new process takes the place of the running one under load: nobody is dropped, no event lost, no request refused."""

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from callcenter.companions.process import is_alive, read_pid
from callcenter.handover import Peer, Words, ping
from tests.integration.conftest import Figure
from tests.kit.api_clients import asking
from tests.kit.behaviour import Answer
from tests.kit.everywhere import CHOOSER, WAITER, Everywhere
from tests.kit.hotline import AGENT_HZ, CALLER_HZ, MENU, VIP, data
from tests.kit.own_asterisk import own_asterisk
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.service import Service
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

RESTARTS = 3
GAP_MS_MAX = 1000.0  # "no dead air > 1 s": RELIABILITY.md A6, row 7


async def told_by(service: Service) -> Mapping[str, object]:
    """What the process in charge says of itself."""
    words = await ping(service.door)
    assert words is not None, service.said[-4000:]
    return words


async def succeed(service: Service) -> float:
    """Let a new process take over from the running one; seconds until the old one has ended with 0."""
    former, began_at = service.process, time.monotonic()
    await service.start("restart", ready=False)
    assert await asyncio.wait_for(former.wait(), 60.0) == 0, service.said[-6000:]
    took_s = time.monotonic() - began_at
    await service.until_ready()
    assert (await told_by(service))["predecessor"] == former.pid
    return took_s


async def asked(service: Service, version: int = 1, within_s: float = 30.0) -> tuple[Peer, Words]:
    """Ask to succeed the service, again while it still takes back what it gave to the last who asked."""
    deadline = time.monotonic() + within_s
    while True:
        peer = await Peer.connect(service.door)
        await peer.say({"ask": "succeed", "pid": os.getpid(), "version": version})
        words = await peer.hear(within_s)
        if "under way" not in str(words.get("why")):
            return peer, words
        peer.close()
        assert time.monotonic() < deadline, words
        await asyncio.sleep(0.1)


async def test_restarts_under_load_lose_no_call_no_event_and_no_request(
    service: Service, trunk: Phone, phones: Mapping[str, Phone], figure: Figure
) -> None:
    callers = await Everywhere.begin(service, trunk, phones)
    async with asking(service) as clients:
        epochs = [(await told_by(service))["epoch"]]
        for _ in range(RESTARTS):
            figure("a handover takes, from the command to the old process's end, s", await succeed(service))
            epochs.append((await told_by(service))["epoch"])
            await callers.are_kept()
    figure("slowest request over a handover, s", clients.slowest_s)
    figure("requests over handovers", sum(clients.answers.values()))
    assert set(clients.answers) == {"200"}, clients.answers
    assert epochs == sorted({int(str(epoch)) for epoch in epochs}), "every owner has an epoch of its own"
    for who, gap_ms in callers.silences_ms().items():
        figure(f"longest silence of {who} over handovers, ms", gap_ms)
        assert gap_ms < GAP_MS_MAX, who
    await callers.are_served()


async def test_what_happens_in_the_middle_of_a_handover_is_not_missed(
    service: Service, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    await service.start()
    choosing = trunk.call(MENU, caller=CHOOSER, tone_hz=CALLER_HZ)
    await choosing.hears_sound()
    impatient = [trunk.call(VIP, caller=f"09120000{number}") for number in range(10, 16)]
    await service.until_waiting(len(impatient))
    former = service.process
    await service.start("restart", ready=False)
    # From before the new process is there until after the old one is gone, somebody hangs up and somebody comes.
    newcomers = []
    for number, call in enumerate(impatient):
        await asyncio.sleep(0.5)
        await call.hang_up()
        newcomers.append(trunk.call(VIP, caller=f"09120000{number + 20}"))
    assert await asyncio.wait_for(former.wait(), 60.0) == 0, service.said[-6000:]
    await service.until_ready()
    await service.until_waiting(len(newcomers))
    assert choosing.is_up
    for call in (*newcomers, choosing):
        await call.hang_up()
    await service.until_over()
    await service.stop()
    stories = await service.stories()
    callers = {*(f"0{number}" for number in range(10, 16)), *(f"0{number}" for number in range(20, 26)), "003"}
    assert set(stories) == callers
    assert {data(story[-1])["ended_by"] for story in stories.values()} == {"caller"}


async def test_a_successor_that_fails_on_the_way_leaves_the_service_as_it_was(
    service: Service, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    await service.start()
    waiting = trunk.call(VIP, caller=WAITER)
    (queued,) = await service.until_waiting(1)
    for step in ("keep", "doors closed"):
        peer, words = await asked(service)
        assert words["say"] == "keep"
        handle = peer.take_file()
        assert handle is not None
        os.close(handle)
        if step == "doors closed":
            await peer.say({"say": "close doors"})
            await peer.expect("doors closed", 10.0)
        peer.close()
        await service.until_ready()
        (kept,) = await service.until_waiting(1)
        assert kept["contact_id"] == queued["contact_id"]
    peer, words = await asked(service, version=999)
    assert "version" in str(words["why"])
    peer.close()
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    await phones["agent01"].register()
    await service.log_in("agent01")
    await phones["agent01"].next_call()
    await waiting.hang_up()
    await service.until_over()
    assert service.process.returncode is None
    await service.stop()


async def test_a_supervised_service_starts_its_successor_itself_and_tells_the_supervisor(
    service: Service, trunk: Phone, figure: Figure, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.setblocking(False)
        told: list[str] = []
        loop = asyncio.get_running_loop()
        loop.add_reader(supervisor, lambda: told.extend(supervisor.recv(4096).decode().split("\n")))

        variables = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}
        await service.start(ready=True, **variables)
        assert "READY=1" in told
        waiting = trunk.call(VIP, caller=WAITER)
        (queued,) = await service.until_waiting(1)
        await until(lambda: "WATCHDOG=1" in told, "the watchdog is fed")
        code, _, err = await service.ask("restart")
        assert code == 0, err
        successor = (await told_by(service))["pid"]
        assert f"MAINPID={successor}" in told, told
        assert await asyncio.wait_for(service.process.wait(), 10.0) == 0
        (kept,) = await service.until_waiting(1)
        assert kept["contact_id"] == queued["contact_id"]
        told.clear()
        await until(lambda: "WATCHDOG=1" in told, "the watchdog is fed by the new process")
        # SIGTERM, as of `systemctl restart`: the process goes, the call stays, and the next start has it.
        os.kill(int(str(successor)), signal.SIGTERM)
        deadline = time.monotonic() + 15.0
        while await ping(service.door) is not None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert waiting.is_up
        await service.start()
        (kept,) = await service.until_waiting(1)
        assert kept["contact_id"] == queued["contact_id"]
        await waiting.hang_up()
        await service.until_over()
        await service.stop()
        loop.remove_reader(supervisor)


async def test_an_asterisk_of_our_own_keeps_its_calls_over_a_handover_and_ends_with_a_drain(
    asterisk: RealAsterisk, tmp_path: Path, database_url: str
) -> None:
    async with own_asterisk(asterisk, tmp_path, database_url) as (service, trunk, pid_file):
        await service.start()
        its_asterisk = read_pid(pid_file)
        waiting = trunk.call(VIP, caller=WAITER)
        (queued,) = await service.until_waiting(1)
        await succeed(service)
        (kept,) = await service.until_waiting(1)
        assert (kept["contact_id"], read_pid(pid_file)) == (queued["contact_id"], its_asterisk)
        code, out, err = await service.ask("drain", "--within", "1", "--json")
        assert (code, json.loads(out)) == (1, {"left": {"in the dialplan": 1}, "to_the_fallback": 1}), err
        assert await asyncio.wait_for(service.process.wait(), 20.0) == 0
        assert waiting.is_up, "who hears the fallback keeps the Asterisk they hear it from"
        assert is_alive(its_asterisk, service.instance)
        await service.start()
        await service.until_waiting(1, within_s=40.0)
        assert read_pid(pid_file) == its_asterisk
        await waiting.hang_up()
        code, out, err = await service.ask("drain", "--json")
        assert (code, json.loads(out)) == (0, {"left": {}, "to_the_fallback": 0}), err
        assert await asyncio.wait_for(service.process.wait(), 30.0) == 0
        assert not is_alive(its_asterisk, service.instance), "nobody needs it any more"
