"""Who holds a port: asked of the kernel, so that a message can name the program."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from callcenter.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds a port."""

    pid: int
    command: tuple[str, ...]

    @property
    def shown(self) -> str:
        """Program and pid."""
        name = Path(self.command[0]).name if self.command and self.command[0] else "a program"
        return f"{name} (pid {self.pid})"


def is_free(protocol: str, host: str, port: int) -> bool:
    """Whether we could listen there; `protocol` is tcp or udp."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if protocol == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def holder_of(protocol: str, port: int) -> Holder | None:
    """The process that listens on the port; None if it can't be seen (another user's, seen without root)."""
    inodes = {inode for version in ("", "6") for inode in _inodes(Path(f"/proc/net/{protocol}{version}"), port)}
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _holds(process, wanted):
            try:
                command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            return Holder(int(process.name), tuple(command))
    return None


def is_ours(holder: Holder, settings: Settings) -> bool:
    """Whether the holder is a part of this instance: our service, or the Asterisk that it started."""
    words = " ".join(holder.command)
    if "asterisk" in words:
        return f"callcenter/{settings.instance}/" in words or str(settings.var / settings.instance) in words
    return "api.cli" in words and _instance_of(holder.pid) == settings.instance


def _instance_of(pid: int) -> str | None:
    """The instance that a process of ours runs; None if its environment can't be read."""
    try:
        variables = (Path("/proc") / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    named = [value for name, _, value in (one.partition("=") for one in variables) if name == "CALLCENTER_INSTANCE"]
    return named[0] if named and named[0] else "main"


def _inodes(table: Path, port: int) -> list[str]:
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []
    columns = [line.split() for line in lines]
    # Column 1 is the local address, 3 the state (0A listens, 07 is an unconnected UDP socket), 9 the inode.
    return [row[9] for row in columns if row[1].endswith(f":{port:04X}") and row[3] in {"0A", "07"}]


def _holds(process: Path, wanted: set[str]) -> bool:
    try:
        return any(os.readlink(handle) in wanted for handle in (process / "fd").iterdir())  # noqa: PTH115
    except OSError:
        return False
