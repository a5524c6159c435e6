"""The running service's door for programs of this machine: is it alive, drain it, hand it over to a successor.

A UNIX socket of the instance's own; a connection carries lines of JSON, and open files beside them. The rules of a
handover are in docs/operations.md: the successor takes the calls' events over first, then asks the predecessor to let
go of the journal, so at any moment exactly one process decides and no event falls between the two.
"""

import array
import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from callcenter.companions.place import short_directory
from callcenter.errors import CallCenterError

NAME: Final = "control.sock"
VERSION: Final = 1  # of these words; a successor of another version is refused, and a plain restart is the way
LINE_MAX: Final = 65_536
FILES_MAX: Final = 8
PEERS_MAX: Final = 32

log = logging.getLogger(__name__)

Words = Mapping[str, Any]


class NotRunning(CallCenterError):
    """No service of this instance answers."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no service of this instance runs ({path}); start it with 'callcenter run'")


class HandoverFailed(CallCenterError):
    """The running service could not or would not do what was asked."""


class PeerGone(HandoverFailed):
    """The other side closed the connection, or said nothing in time."""


def control_path(var: Path, instance: str) -> Path:
    """Where the instance's door is; the same for every process of the instance."""
    directory = (var / instance).resolve()
    return short_directory(directory, longest_name=f"{NAME}.4194304") / NAME


class Peer:
    """One connection: lines of JSON both ways, each perhaps with open files. One reader, one writer."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._unread = bytearray()
        self._files: list[int] = []

    @classmethod
    async def connect(cls, path: Path) -> "Peer":
        """Raises NotRunning when nobody is there."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, str(path))
        except OSError as error:
            connection.close()
            raise NotRunning(path) from error
        return cls(connection)

    def close(self) -> None:
        """End the connection; files that nobody took are closed."""
        for handle in self._files:
            os.close(handle)
        self._files.clear()
        self._connection.close()

    async def say(self, words: Words, files: Sequence[int] = ()) -> None:
        """Send a line, with copies of open files. Raises PeerGone."""
        line = json.dumps(words).encode() + b"\n"
        assert len(line) <= LINE_MAX
        try:
            if files:
                # The first byte takes the files along; a fresh connection has room for it.
                socket.send_fds(self._connection, [line[:1]], list(files))
                line = line[1:]
            await asyncio.get_running_loop().sock_sendall(self._connection, line)
        except OSError as error:
            raise PeerGone(f"the other process is gone: {error.strerror}") from error

    async def hear(self, within_s: float | None = None) -> Words:
        """The next line. Raises PeerGone at its end, or after `within_s`."""
        try:
            async with asyncio.timeout(within_s):
                while (end := self._unread.find(b"\n")) < 0:
                    await self._read()
        except TimeoutError as error:
            raise PeerGone(f"the other process said nothing for {within_s:g} s") from error
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        try:
            words = json.loads(line)
        except ValueError as error:
            raise PeerGone("the other process speaks something else") from error
        if not isinstance(words, dict):
            raise PeerGone("the other process speaks something else")
        return words

    async def expect(self, word: str, within_s: float | None = None) -> Words:
        """The next line, which says `word`; raises HandoverFailed with the reason if it says another."""
        words = await self.hear(within_s)
        if words.get("say") != word:
            raise HandoverFailed(str(words.get("why", f"expected {word!r}, got {words.get('say')!r}")))
        return words

    async def until_gone(self) -> NoReturn:
        """Wait until the other side has closed the connection; always ends with PeerGone."""
        while True:
            await self.hear()

    def take_file(self) -> int | None:
        """An open file that came along; whoever takes it closes it."""
        return self._files.pop(0) if self._files else None

    async def _read(self) -> None:
        if len(self._unread) > LINE_MAX:
            raise PeerGone("the other process does not end its line")
        await _readable(self._connection)
        try:
            data, ancillary, _, _ = self._connection.recvmsg(LINE_MAX, socket.CMSG_SPACE(FILES_MAX * 4))
        except BlockingIOError:
            return
        except OSError as error:
            raise PeerGone(f"the other process is gone: {error.strerror}") from error
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                handles = array.array("i")
                handles.frombytes(content[: len(content) - len(content) % handles.itemsize])
                self._files += handles
        if not data:
            raise PeerGone("the other process closed the connection")
        self._unread += data


class Door:
    """Listens at the instance's path and gives each connection's first line to `answer`; `run` is a vital task.

    A later door at the same path takes its place: a rename, so that at any moment somebody is behind it.
    """

    def __init__(self, path: Path, answer: Callable[[Words, Peer], Awaitable[None]]) -> None:
        self._path = path
        self._answer = answer
        self._peers: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        ours = _bind(listener, self._path)
        loop = asyncio.get_running_loop()
        try:
            while True:
                connection, _ = await loop.sock_accept(listener)
                if len(self._peers) >= PEERS_MAX:
                    connection.close()
                    continue
                task = asyncio.create_task(self._serve(Peer(connection)), name="control peer")
                self._peers.add(task)
                task.add_done_callback(self._peers.discard)
        finally:
            listener.close()
            with suppress(OSError):
                if self._path.stat().st_ino == ours:
                    self._path.unlink()
            for task in self._peers:
                task.cancel()
            await asyncio.gather(*self._peers, return_exceptions=True)

    async def _serve(self, peer: Peer) -> None:
        try:
            await self._answer(await peer.hear(within_s=10.0), peer)
        except HandoverFailed as error:
            log.info("a connection to the control socket ended", extra={"why": str(error)})
        except Exception:  # a bug in one answer ends one connection
            log.exception("a request at the control socket met a bug")
        finally:
            peer.close()


async def ping(path: Path, within_s: float = 2.0) -> Words | None:
    """What the running service says of itself: `pid`, `up`, `draining`, `predecessor`; None if nobody answers."""
    try:
        peer = await Peer.connect(path)
    except NotRunning:
        return None
    try:
        await peer.say({"ask": "ping"})
        return await peer.expect("alive", within_s)
    except HandoverFailed:
        return None
    finally:
        peer.close()


def _bind(listener: socket.socket, path: Path) -> int:
    """Listen at `path`, in the place of whoever listened there; returns the inode of our name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    listener.bind(str(beside))
    beside.chmod(0o600)
    listener.listen(PEERS_MAX)
    listener.setblocking(False)
    inode = beside.stat().st_ino
    beside.replace(path)
    return inode


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection)
