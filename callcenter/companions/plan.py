"""What one instance of Asterisk is to be, in plain values: everything that its configuration is rendered from."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from callcenter.companions.errors import NotProvisioned, PlanError

# Names end up in Asterisk's files as they are: nothing that could begin a comment, a section or a variable.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_RESERVED: Final = frozenset({"trunk", "global", "system", "udp", "agent", "acl", "general", "anonymous"})
AGENTS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class AsteriskPlan:
    """One instance of Asterisk. Ports must be free, the RTP range needs 4 ports per served call.

    `var` is the directory of our own files, `root` a provisioned root, or None for the machine's own Asterisk.
    `extra_config` appends text to rendered files by name (or adds files), `extra_modules` loads modules that
    are left out by default: for a recogniser, measurements and tests. Raises PlanError with every mistake.
    """

    var: Path
    root: Path | None
    instance: str = "main"
    sip_host: str = "127.0.0.1"
    sip_port: int = 5060
    http_port: int = 8088
    ami_port: int = 5038
    rtp_start: int = 10000
    rtp_end: int = 14999
    app: str = "callcenter"
    lease_s: int = 30
    agents: tuple[str, ...] = ()
    emergency_agents: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("zh-TW", "en")
    prompts_dir: Path | None = None
    trunk_match: tuple[str, ...] = ("127.0.0.1",)
    extra_config: Mapping[str, str] = field(default_factory=dict)
    extra_modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        mistakes = [*self._name_mistakes(), *self._network_mistakes()]
        if len(self.agents) > AGENTS_MAX:
            mistakes.append(f"agents: {len(self.agents)} are more than the {AGENTS_MAX} of one instance")
        strangers = sorted(set(self.emergency_agents) - set(self.agents))
        mistakes += [f"emergency_agents: no such agent {agent!r}" for agent in strangers]
        if not 2 <= self.lease_s <= 3600:
            mistakes.append(f"lease_s: {self.lease_s} is not within 2…3600 seconds")
        if mistakes:
            raise PlanError(mistakes)

    def _name_mistakes(self) -> list[str]:
        named = [
            ("instance", (self.instance,)),
            ("app", (self.app,)),
            ("agents", self.agents),
            ("languages", self.languages),
            ("extra_config", tuple(self.extra_config)),
            ("extra_modules", self.extra_modules),
        ]
        mistakes = [
            f"{where}: {name!r} is not a name of letters, digits, '-', '_', '.' with at most 40 characters"
            for where, names in named
            for name in names
            if not _NAME.fullmatch(name)
        ]
        mistakes += [f"agents: {agent!r} is a word of Asterisk's own" for agent in self.agents if agent in _RESERVED]
        if len(set(self.agents)) != len(self.agents):
            mistakes.append("agents: an agent is named twice")
        return mistakes

    def _network_mistakes(self) -> list[str]:
        mistakes = []
        for where, port in (
            ("sip_port", self.sip_port),
            ("http_port", self.http_port),
            ("ami_port", self.ami_port),
            ("rtp_start", self.rtp_start),
            ("rtp_end", self.rtp_end),
        ):
            if not 1024 <= port <= 65535:
                mistakes.append(f"{where}: {port} is not within 1024…65535")
        if self.rtp_end - self.rtp_start < 3:
            mistakes.append(f"rtp_start, rtp_end: {self.rtp_start}…{self.rtp_end} leaves less than 4 ports")
        if self.http_port == self.ami_port:
            mistakes.append(f"http_port, ami_port: both are {self.http_port}")
        for where, address in (("sip_host", self.sip_host), *(("trunk_match", match) for match in self.trunk_match)):
            try:
                ipaddress.ip_network(address, strict=False)
            except ValueError:
                mistakes.append(f"{where}: {address!r} is not an IP address" + (" or network" * (where != "sip_host")))
        return mistakes


def chosen_root(var: Path, override: Path | None = None) -> Path | None:
    """The root to run Asterisk from, as `asterisk-config/provision.sh` chose it; None for the machine's own.

    `override` wins when given. Raises NotProvisioned when there is no program at the chosen place.
    """
    root = override
    if root is None:
        choice = var / "asterisk" / "chosen"
        if not choice.exists():
            raise NotProvisioned(
                "there is no Asterisk for this checkout yet", "run: asterisk-config/provision.sh (make run does it)"
            )
        root = Path(choice.read_text().strip())
    if root == Path("/"):
        return None
    if not (root / "usr/sbin/asterisk").exists():
        raise NotProvisioned(
            f"{root} holds no Asterisk (usr/sbin/asterisk)",
            "run: asterisk-config/provision.sh, or unset CALLCENTER_ASTERISK_ROOT",
        )
    return root
