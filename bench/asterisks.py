"""The two Asterisks: the same program and templates; one is ours to command, the other runs app_queue by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import aiohttp

from bench.site import HOTLINE, agent_ids
from callcenter.asterisk.ari import Ari, basic_auth
from callcenter.companions.asterisk import AsteriskCompanion
from callcenter.companions.plan import AsteriskPlan
from tests.kit.parts import asterisk_root, running
from tests.kit.ports import free_port

# 4 for a served call, 2 for a waiting caller; a port that somebody has is passed over.
RTP_PORTS: Final = {"ours": (40_000, 43_999), "queue": (44_000, 47_999)}
DEVICE: Final = "Custom:"  # of a member who is to be busy; its agent's name follows
ANSWER_S: Final = 5.0

NO_CEL: Final = "[general](+)\nenable = no\n"

# Nothing but the queue: no Answer(), whose wait for audio of up to 500 ms would be counted as app_queue's.
SERVING: Final = f"[bench]\nexten => {HOTLINE},1,Queue(bench)\n same => n,Hangup()\n"
# Who waits is answered, to hear the music.
WAITING: Final = f"[bench]\nexten => {HOTLINE},1,Answer()\n same => n,Queue(bench)\n same => n,Hangup()\n"

QUEUE: Final = """
[general]
persistentmembers = no
shared_lastcall = no

[bench]
strategy = rrmemory
musicclass = default
timeout = 20
retry = 1
wrapuptime = 0
ringinuse = no
autofill = yes
joinempty = yes
leavewhenempty = no
announce-frequency = 0
announce-position = no
"""


@dataclass(frozen=True, slots=True)
class RunningAsterisk:
    """One of the two, running."""

    companion: AsteriskCompanion
    sip_port: int
    log_dir: Path

    @property
    def pid(self) -> int:
        """Its process."""
        pid = self.companion.pid
        assert pid is not None, "Asterisk ended by itself: see its log"
        return pid

    def ari(self) -> Ari:
        """A client of its REST interface; close it after use."""
        there = self.companion
        return Ari(there.ari_url, there.ari_user, there.ari_password, app="bench")

    def queue_log_count(self, word: str) -> int:
        """How often a word such as CONNECT stands in app_queue's own log."""
        path = self.log_dir / "queue_log"
        if not path.exists():
            return 0
        with path.open() as lines:
            return sum(f"|{word}|" in line for line in lines)


@asynccontextmanager
async def our_asterisk(var: Path, agents: int, phones_port: int) -> AsyncIterator[RunningAsterisk]:
    """The Asterisk of our service, as `make run` configures it, with phones that need not register."""
    async with _running(_plan(var, "ours", agents, {"pjsip.conf": _phones(agents, phones_port)})) as asterisk:
        yield asterisk


@asynccontextmanager
async def queue_asterisk(
    var: Path, agents: int, phones_port: int, *, waiting: bool = False
) -> AsyncIterator[RunningAsterisk]:
    """The same with app_queue: N static members, rrmemory, queue_log to its file; no CEL, which only ours needs.

    `waiting`: every member is busy, and callers are answered first.
    """
    members = "".join(
        f"member => PJSIP/{agent},0,{agent}{f',{DEVICE}{agent}' if waiting else ''}\n" for agent in agent_ids(agents)
    )
    extra = {
        "queues.conf": QUEUE + members,
        "extensions.conf": WAITING if waiting else SERVING,
        "cel.conf": NO_CEL,
        "pjsip.conf": "[trunk](+type=endpoint)\ncontext = bench\n" + _phones(agents, phones_port),
    }
    async with _running(_plan(var, "queue", agents, extra, ("app_queue",))) as asterisk:
        await _keep_queue_log(asterisk)
        if waiting:
            await _set_busy(asterisk, agents)
        yield asterisk


async def _set_busy(asterisk: RunningAsterisk, agents: int) -> None:
    """Say of every member's device that it is busy; a device shared by members would change only the first."""
    there = asterisk.companion
    headers = {"Authorization": basic_auth(there.ari_user, there.ari_password)}
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, raise_for_status=True) as session:
        for agent in agent_ids(agents):
            query = urlencode({"variable": f"DEVICE_STATE({DEVICE}{agent})", "value": "BUSY"})
            async with session.post(f"{there.ari_url}/asterisk/variable?{query}"):
                pass


async def _keep_queue_log(asterisk: RunningAsterisk) -> None:
    """Turn on app_queue's log, which our own configuration turns off: the first of two settings counts."""
    there = asterisk.companion
    path = asterisk.log_dir.parent / "etc/logger.conf"
    path.write_text(path.read_text().replace("queue_log = no", "queue_log = yes"))
    reader, writer = await asyncio.open_connection(there.ami_host, there.ami_port)
    login = f"Action: Login\r\nUsername: {there.ami_user}\r\nSecret: {there.ami_password}\r\nEvents: off\r\n\r\n"
    writer.write(f"{login}Action: Reload\r\nModule: logger\r\n\r\nAction: Logoff\r\n\r\n".encode())
    async with asyncio.timeout(ANSWER_S):
        await reader.read()  # to the end: Logoff closes
    writer.close()
    assert (asterisk.log_dir / "queue_log").exists(), "Asterisk keeps no queue_log"


def _phones(agents: int, port: int) -> str:
    """Each agent's phone at one port, known without a registration and taken to be there."""
    return "".join(
        f"[{agent}](+type=aor)\nqualify_frequency = 0\ncontact = sip:{agent}@127.0.0.1:{port}\n"
        for agent in agent_ids(agents)
    )


def _plan(var: Path, name: str, agents: int, extra: dict[str, str], modules: tuple[str, ...] = ()) -> AsteriskPlan:
    rtp_start, rtp_end = RTP_PORTS[name]
    return AsteriskPlan(
        var=var,
        root=asterisk_root(),
        instance=f"{var.name}-{name}",
        sip_port=free_port(),
        http_port=free_port(),
        ami_port=free_port(),
        rtp_start=rtp_start,
        rtp_end=rtp_end,
        agents=agent_ids(agents),
        extra_config=extra,
        extra_modules=modules,
    )


@asynccontextmanager
async def _running(plan: AsteriskPlan) -> AsyncIterator[RunningAsterisk]:
    async with running(plan) as real:
        yield RunningAsterisk(real.companion, plan.sip_port, real.companion.log_path.parent)
