"""What the running service does when it is asked at its control socket: live, drain, restart, hand over."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import structlog
from fastapi import FastAPI

from api.server import ApiServer
from callcenter.asterisk.link import LinkState
from callcenter.beside import Beside
from callcenter.contact.model import Phase
from callcenter.handover import VERSION, Door, HandoverFailed, NotRunning, Peer, PeerGone, Words
from callcenter.notify import notify, supervised
from callcenter.runtime import WAITING, CallCenter

# A successor that says nothing for so long has failed; its slowest step is to look through the database.
SUCCESSOR_S: Final = 60.0
PREDECESSOR_S: Final = 15.0
PROGRESS_S: Final = 1.0

# How long those who wait may take to leave for the fallback.
RESCUE_S: Final = 3.0
RESCUE_LOOK_S: Final = 0.05

log = structlog.get_logger()


class Front:
    """The API on a listening socket that outlives it: who knocks while it is closed waits, and is not refused."""

    def __init__(self, center: CallCenter, app_of: Callable[[], FastAPI], listener: socket.socket) -> None:
        self.listener = listener
        self._center = center
        self._app_of = app_of
        self._open = asyncio.Event()
        self._open.set()
        self._server: ApiServer | None = None

    async def run(self) -> None:
        """Serve, from the moment when there is something to tell: a vital task. Raises what ended the server."""
        await self._center.taken_up.wait()
        while True:
            await self._open.wait()
            host, port = self.listener.getsockname()[:2]
            self._server = ApiServer(self._app_of(), host, port, self.listener.dup())
            await self._server.start()
            await self._server.wait()
            if self._open.is_set():
                return  # nobody closed it: the vital task has ended by itself

    async def close(self) -> None:
        """Finish what is being answered, and answer nothing more."""
        self._open.clear()
        if self._server is not None:
            await self._server.stop()

    def reopen(self) -> None:
        """Answer again."""
        self._center.hub.reopen()
        self._open.set()


class Control:
    """Answers at the control socket; one drain or handover at a time. `run` is a vital task."""

    def __init__(self, path: Path, center: CallCenter, beside: Beside, front: Front, predecessor: int | None) -> None:
        self._door = Door(path, self.answer)
        self._center = center
        self._beside = beside
        self._front = front
        self._busy_with = ""
        self._predecessor = predecessor
        self._successor: subprocess.Popen[bytes] | None = None  # kept: who is forgotten while they live is warned of

    async def run(self) -> None:
        """Listen, once there is something to control."""
        await self._center.taken_up.wait()
        await self._door.run()

    async def answer(self, words: Words, peer: Peer) -> None:
        """Do what is asked; a refusal says why."""
        match words.get("ask"):
            case "ping":
                await peer.say(self._alive())
            case "drain" if not self._busy_with:
                await self._alone("a drain", self._drain(words, peer))
            case "succeed" if not self._busy_with:
                await self._alone("a handover", self._hand_over(words, peer))
            case "restart" if not self._busy_with:
                await self._restart(peer)
            case "drain" | "succeed" | "restart":
                await peer.say({"say": "no", "why": f"{self._busy_with} is under way already"})
            case _:
                await peer.say({"say": "no", "why": "unknown request"})

    async def _alone(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        self._busy_with = what
        try:
            await work
        finally:
            self._busy_with = ""

    def _alive(self) -> Words:
        center = self._center
        return {
            "say": "alive",
            "pid": os.getpid(),
            "up": center.up.is_set() and center.telephony.state is LinkState.UP,
            "draining": center.draining,
            "epoch": center.journal.file.epoch,
            "predecessor": self._predecessor,
            "supervised": supervised(),
        }

    # A drain ---------------------------------------------------------------------------------------

    async def _drain(self, words: Words, peer: Peer) -> None:
        """No new contacts; when the last has ended, or time is up, the service ends. Whoever asked may take it back."""
        within_s = float(words["within_s"]) if words.get("within_s") is not None else None
        loop = asyncio.get_running_loop()
        until = None if within_s is None else loop.time() + within_s
        hung_up = asyncio.create_task(peer.until_gone(), name="drain peer")
        self._center.draining = True
        log.info("draining", within_s=within_s)
        try:
            while left := await self._left():
                await peer.say({"say": "draining", "left": left})
                if until is not None and loop.time() >= until:
                    break
                await asyncio.wait({hung_up}, timeout=PROGRESS_S)
                if hung_up.done():
                    hung_up.result()
        except PeerGone:
            self._center.draining = False
            log.info("the drain was taken back")
            return
        finally:
            hung_up.cancel()
            await asyncio.gather(hung_up, return_exceptions=True)
        rescued = await self._let_go() if left else 0
        left = await self._left()
        if left:
            await self._beside.leave()  # their calls outlive us; the next start takes them up
        log.info("drained", left=left, to_the_fallback=rescued)
        with suppress(PeerGone):
            await peer.say({"say": "drained", "left": left, "rescued": rescued})
        self._center.stop()

    async def _left(self) -> Mapping[str, int]:
        """Who is still inside, by phase; who is in the dialplan's hands counts if the end of Asterisk is in ours.

        Who awaits a callback is not on the line: the journal keeps the promise for the next start.
        """
        by_phase = self._center.contacts_by_phase.items()
        inside = {phase: count for phase, count in by_phase if count and phase != Phase.CALLBACK}
        elsewhere = 0 if inside else await self._beside.calls()
        return {**inside, **({"in the dialplan": elsewhere} if elsewhere else {})}

    async def _let_go(self) -> int:
        """Time is up: who waits goes to the fallback dialplan, who talks is left alone."""
        rescued = self._center.rescue()
        contacts = self._center.switchboard
        with suppress(TimeoutError):
            async with asyncio.timeout(RESCUE_S):
                while any(contact.phase in WAITING for contact in contacts.contacts):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(RESCUE_LOOK_S)
        return rescued

    # A successor -----------------------------------------------------------------------------------

    async def _restart(self, peer: Peer) -> None:
        """Under a supervisor we start our successor ourselves: it lives where we live, and we can name it."""
        if not supervised():
            await peer.say({"say": "no", "why": "not supervised"})
            return
        command = [sys.executable, "-m", "api.cli", "run", "--take-over"]
        # Not asyncio's: it would end the child with us.
        self._successor = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603, ASYNC220 - our own words
        log.info("started our successor", pid=self._successor.pid)
        await peer.say({"say": "successor", "pid": self._successor.pid})

    async def _hand_over(self, words: Words, peer: Peer) -> None:
        """Let a successor have everything, one after the other; until the journal is gone, it can all be taken back."""
        if words.get("version") != VERSION:
            why = "this version can't hand over to that one; stop the service and start the new one"
            await peer.say({"say": "no", "why": why})
            return
        pid = int(words["pid"])
        log.info("handing over", to=pid)
        try:
            await self._beside.leave()
            await peer.say({"say": "keep", "pid": os.getpid()}, [self._front.listener.fileno()])
            await peer.expect("close doors", SUCCESSOR_S)
            await self._center.telephony.renew_leases()
            self._center.let_yield()
            await self._front.close()
            await peer.say({"say": "doors closed"})
            await peer.expect("release", SUCCESSOR_S)
        except HandoverFailed as error:
            log.warning("the successor failed; we go on", why=str(error))
            self._center.take_back()
            self._front.reopen()
            await self._beside.keep()
            return
        epoch = await self._center.release()
        notify(f"MAINPID={pid}")
        log.info("handed over", to=pid, epoch=epoch)
        with suppress(PeerGone):  # it will find the journal free
            await peer.say({"say": "released", "epoch": epoch})


class Living:
    """The running service, as its successor sees it: runtime.Predecessor."""

    def __init__(self, peer: Peer, pid: int, listener: socket.socket) -> None:
        self._peer = peer
        self.pid = pid
        self.listener = listener

    @classmethod
    async def meet(cls, path: Path) -> Self | None:
        """Ask to succeed whoever runs: what runs beside it is ours to keep now. None if nobody runs.

        Raises HandoverFailed with the reason.
        """
        try:
            peer = await Peer.connect(path)
        except NotRunning:
            return None
        try:
            await peer.say({"ask": "succeed", "pid": os.getpid(), "version": VERSION})
            words = await peer.expect("keep", PREDECESSOR_S)
            handle = peer.take_file()
            if handle is None:
                raise HandoverFailed("the running service did not pass its API's socket on")  # noqa: TRY301 - closed below
        except HandoverFailed:
            peer.close()
            raise
        listener = socket.socket(fileno=handle)
        listener.setblocking(False)
        return cls(peer, int(words["pid"]), listener)

    async def close_doors(self) -> None:
        """The API answers nobody any more, and Asterisk's events may come to us."""
        await self._peer.say({"say": "close doors"})
        await self._peer.expect("doors closed", PREDECESSOR_S)

    async def release(self) -> int:
        """The journal is free; the epoch of its former owner."""
        await self._peer.say({"say": "release"})
        words = await self._peer.expect("released", PREDECESSOR_S)
        return int(words["epoch"])

    def close(self) -> None:
        """The connection is of no use any more."""
        self._peer.close()
