"""The control socket: whole lines however they come, open files beside them, and at any moment somebody behind it."""

import asyncio
import os
import socket
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from callcenter.handover import Door, HandoverFailed, NotRunning, Peer, PeerGone, Words, control_path, ping
from callcenter.notify import feed_watchdog, notify
from tests.kit.waiting import until


@asynccontextmanager
async def opened(door: Door, path: Path) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(door.run())
    await until(path.exists, "the door is there")
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def answering(path: Path, pid: int) -> Door:
    """A door behind which somebody says that they are `pid`."""

    async def answer(_: Words, peer: Peer) -> None:
        await peer.say({"say": "alive", "pid": pid})

    return Door(path, answer)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return control_path(tmp_path, "main")


async def test_a_file_comes_along_with_its_line(path: Path) -> None:
    async def answer(words: Words, peer: Peer) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            await peer.say({"say": "here", "port": listener.getsockname()[1], "for": words["pid"]}, [listener.fileno()])

    async with opened(Door(path, answer), path):
        peer = await Peer.connect(path)
        await peer.say({"ask": "it", "pid": 5})
        words = await peer.expect("here", 5.0)
        handle = peer.take_file()
        assert handle is not None
        assert peer.take_file() is None
        with socket.socket(fileno=handle) as listener:
            assert listener.getsockname()[1] == words["port"]
        assert words["for"] == 5
        with pytest.raises(PeerGone):
            await peer.hear(5.0)
        peer.close()


async def test_lines_are_whole_however_they_come(path: Path) -> None:
    heard: list[Words] = []

    async def answer(words: Words, peer: Peer) -> None:
        heard.append(words)
        while True:
            heard.append(await peer.hear())

    async with opened(Door(path, answer), path):
        _, writer = await asyncio.open_unix_connection(str(path))
        for piece in (b'{"a"', b": 1}\n{", b'"a": 2}\n{"a": 3}\n'):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        writer.close()
    assert heard == [{"a": 1}, {"a": 2}, {"a": 3}]


@pytest.mark.parametrize("nonsense", [b"hello\n", b"[1]\n", b"x" * 100_000, b""])
async def test_nonsense_ends_its_connection_and_nothing_else(path: Path, nonsense: bytes) -> None:
    async with opened(answering(path, 1), path):
        reader, writer = await asyncio.open_unix_connection(str(path))
        with suppress(ConnectionError):
            writer.write(nonsense)
            writer.write_eof()
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5.0) == b""
        writer.close()
        assert await ping(path) == {"say": "alive", "pid": 1}


async def test_a_later_door_takes_the_place_of_the_former_and_outlives_its_end(path: Path) -> None:
    former = asyncio.create_task(answering(path, 1).run())
    await until(path.exists, "the first door is there")
    first = inode_of(path)
    async with opened(answering(path, 2), path):
        await until(lambda: inode_of(path) != first, "the second door is there")
        assert await ping(path) == {"say": "alive", "pid": 2}
        former.cancel()
        await asyncio.gather(former, return_exceptions=True)
        assert await ping(path) == {"say": "alive", "pid": 2}
    assert not list(path.parent.iterdir()), "who ends as asked leaves nothing behind"


async def test_who_is_not_there_does_not_answer(path: Path) -> None:
    assert await ping(path) is None
    with pytest.raises(NotRunning):
        await Peer.connect(path)


async def test_only_our_user_may_ask(path: Path) -> None:
    async with opened(answering(path, 1), path):
        assert mode_of(path) == 0o600


async def test_who_says_nothing_in_time_is_gone_and_a_refusal_gives_its_reason(path: Path) -> None:
    async def answer(words: Words, peer: Peer) -> None:
        if words["ask"] == "refuse":
            await peer.say({"say": "no", "why": "because"})
        await asyncio.sleep(60.0)

    async with opened(Door(path, answer), path):
        for asked, why in (("refuse", "because"), ("sleep", "said nothing")):
            peer = await Peer.connect(path)
            await peer.say({"ask": asked})
            with pytest.raises(HandoverFailed, match=why):
                await peer.expect("yes", 0.2)
            peer.close()


async def test_a_long_path_has_its_socket_elsewhere(tmp_path: Path) -> None:
    path = control_path(tmp_path / ("long" * 20), "main")
    assert len(os.fsencode(path)) < 100
    assert path == control_path(tmp_path / ("long" * 20), "main")


async def test_the_watchdog_is_fed_by_a_loop_that_keeps_time_and_not_by_one_that_is_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(2.0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        notify("READY=1", "STATUS=open")
        assert supervisor.recv(100) == b"READY=1\nSTATUS=open"
        feeding = asyncio.create_task(feed_watchdog())
        await asyncio.sleep(0.25)
        assert supervisor.recv(100) == b"WATCHDOG=1"
        assert supervisor.recv(100) == b"WATCHDOG=1"
        block(1.5)
        await asyncio.sleep(0.01)
        supervisor.setblocking(False)
        with pytest.raises(BlockingIOError):
            supervisor.recv(100)
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
        notify("READY=1")


def inode_of(path: Path) -> int:
    return path.stat().st_ino


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def block(seconds: float) -> None:
    """Hold the event loop up, as a bug would."""
    time.sleep(seconds)
