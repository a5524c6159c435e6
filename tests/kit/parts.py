"""The real Asterisk of a test session: on free ports, under a name of its own, gone without a trace afterwards."""

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callcenter.asterisk.ari import Ari
from callcenter.companions.asterisk import AsteriskCompanion
from callcenter.companions.plan import AsteriskPlan, chosen_root
from tests.kit.behaviour import Behaviour
from tests.kit.phone import Phone
from tests.kit.ports import free_port, free_port_range
from tests.kit.udp import Address

AGENTS: Final = tuple(f"agent{number:02}" for number in range(1, 11))
RTP_PORTS: Final = 400  # 4 for a served call
CHECKOUT: Final = Path(__file__).resolve().parents[2]
DEMO_SITE: Final = CHECKOUT / "callcenter" / "config" / "demo_site"

# Instead of the call center: numbers that answer by themselves, and agents who are dialed directly.
# A pattern would read the n of "agent" as a digit from 2 to 9, hence the brackets.
PLAIN_DIALPLAN: Final = """
[plain]
exten => echo,1,Answer()
 same => n,Echo()
exten => tone,1,Answer()
 same => n,Playtones(600)
 same => n,Wait(30)
exten => early,1,Progress()
 same => n,Playtones(600)
 same => n,Wait(30)
exten => digits,1,Answer()
 same => n,Read(PRESSED,,4,,1,10)
 same => n,SendDTMF(${PRESSED}${PRESSED})
 same => n,Wait(30)
exten => bye,1,Answer()
 same => n,Wait(0.3)
 same => n,Hangup(17)
exten => _pressX,1,Answer()
 same => n,Read(PRESSED,,1,,1,10)
 same => n,GotoIf($["${PRESSED}" = "${EXTEN:5}"]?right)
 same => n,Hangup(21)
 same => n(right),Echo()
exten => _age[n]tXX,1,Dial(PJSIP/${EXTEN},30)
"""


@dataclass(frozen=True, slots=True)
class RealAsterisk:
    """A running Asterisk and the phones that belong to it."""

    companion: AsteriskCompanion
    plan: AsteriskPlan

    @property
    def sip_address(self) -> Address:
        return self.plan.sip_host, self.plan.sip_port

    def phone(self, agent_id: str, behaviour: Behaviour | None = None) -> Phone:
        """The agent's phone with its right password; not open and not registered yet."""
        password = self.companion.sip_password(agent_id)
        return Phone(agent_id, self.sip_address, password=password, behaviour=behaviour)

    def trunk(self, number: str = "0910000001") -> Phone:
        """The trunk, from which callers call; known to Asterisk by its address."""
        return Phone(number, self.sip_address)


def asterisk_root() -> Path | None:
    """The provisioned root to test with: CALLCENTER_ASTERISK_ROOT, else what this checkout was provisioned with."""
    override = os.environ.get("CALLCENTER_ASTERISK_ROOT")
    return chosen_root(CHECKOUT / "var", Path(override) if override else None)


def plan_for(var: Path, name: str, *, prompts_dir: Path | None = None, lease_s: int = 30) -> AsteriskPlan:
    """A plan on free ports with ten agents; `name` keeps the instances of one session apart, the pid the sessions."""
    rtp_start, rtp_end = free_port_range(RTP_PORTS)
    return AsteriskPlan(
        var=var,
        root=asterisk_root(),
        instance=f"test-{name}-{os.getpid()}",
        sip_port=free_port(),
        http_port=free_port(),
        ami_port=free_port(),
        rtp_start=rtp_start,
        rtp_end=rtp_end,
        agents=AGENTS,
        emergency_agents=AGENTS[:1],
        prompts_dir=prompts_dir,
        lease_s=lease_s,
    )


def plain_config() -> Mapping[str, str]:
    """Extra configuration that leads trunk and agents into the plain dialplan."""
    endpoints = "".join(f"[{name}](+type=endpoint)\ncontext = plain\n" for name in ("trunk", *AGENTS))
    return {"extensions.conf": PLAIN_DIALPLAN, "pjsip.conf": endpoints}


@asynccontextmanager
async def running(plan: AsteriskPlan) -> AsyncIterator[RealAsterisk]:
    """Start the planned Asterisk; stop it and remove its directory in the end."""
    companion = AsteriskCompanion(plan)
    directory = companion.recordings_dir.parents[1]
    try:
        await companion.start()
        yield RealAsterisk(companion, plan)
    finally:
        await companion.stop()
        shutil.rmtree(directory, ignore_errors=True)
        directory.with_name(f"{directory.name}.lock").unlink(missing_ok=True)


async def swept(asterisk: RealAsterisk) -> None:
    """Hang up every channel and delete every bridge."""
    companion = asterisk.companion
    async with Ari(companion.ari_url, companion.ari_user, companion.ari_password, app="sweeper") as ari:
        for channel in await ari.channels():
            await ari.hang_up(channel.id)
        for bridge in await ari.bridges():
            await ari.delete_bridge(bridge.id)
