"""Where one instance of Asterisk lives: the same directory as we see it and as Asterisk, in its root, sees it."""

import hashlib
import os
import pwd
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from callcenter.companions.errors import CompanionError, NotProvisioned
from callcenter.companions.process import find_program

SOCKET_PATH_MAX = 107  # bytes of a UNIX socket's path, the final zero apart (sockaddr_un)
SUBDIRECTORIES = (
    "etc",
    "cache",
    "db",
    "lib/keys",
    "log/cel-custom",
    "run",
    "sounds",
    "spool/monitor",
    "spool/recording",
    "spool/tmp",
    "spool/voicemail",
)


@dataclass(frozen=True, slots=True)
class Place:
    """One instance's directory, its unprivileged owner, and how a command is run there."""

    root: Path | None
    host: Path
    inside: PurePosixPath
    owner: tuple[int, int]

    @property
    def cel(self) -> Path:
        """The file in which Asterisk gives its own account of every channel."""
        return self.host / "log/cel-custom/cel.csv"

    @property
    def sudo(self) -> bool:
        """Whether entering the root takes rights that we do not have ourselves."""
        return self.root is not None and os.geteuid() != 0

    def command(self) -> list[str]:
        """The program with what makes it unprivileged and puts it into its root; arguments follow."""
        uid, gid = self.owner
        if self.root is not None:
            return [find_program("chroot"), f"--userspec={uid}:{gid}", str(self.root), "/usr/sbin/asterisk"]
        program = find_program("asterisk")
        if os.geteuid() != 0:
            return [program]
        return [find_program("setpriv"), f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--", program]

    def prepare(self) -> None:
        """Make the directories, and let the root know this machine's name."""
        try:
            for name in SUBDIRECTORIES:
                (self.host / name).mkdir(parents=True, exist_ok=True)
            self.host.chmod(0o750)
        except PermissionError as error:
            raise CompanionError(
                f"{error.filename} can't be written by this user",
                f"run as the user who provisioned it, or: sudo chown $(id -u) {self.host.parent}",
            ) from error
        if self.root is not None:
            self._name_this_machine(self.root / "etc/hosts")
        elif os.geteuid() == 0:
            open_the_way(self.host)

    def hand_over(self) -> None:
        """Make the owner the owner of everything in the directory."""
        if os.geteuid() != 0:
            return
        for directory, _, names in os.walk(self.host):
            os.chown(directory, *self.owner)
            for name in names:
                os.chown(Path(directory) / name, *self.owner, follow_symlinks=False)

    def _name_this_machine(self, hosts: Path) -> None:
        # Asterisk looks up its own name at each call set-up; unanswered look-ups block the call.
        names = hosts.read_text().split() if hosts.exists() else []
        missing = [name for name in (socket.gethostname(), "A.ROOT-SERVERS.NET") if name not in names]
        if missing:
            sudo = ["sudo", "-n"] if self.sudo else []
            text = "".join(f"127.0.0.1 {name}\n" for name in missing)
            tee = [*sudo, "tee", "-a", str(hosts)]
            subprocess.run(  # noqa: S603 - fixed words and a path of ours
                tee, input=text, text=True, stdout=subprocess.DEVNULL, check=True, timeout=30
            )


def place_of(instance: str, *, var: Path, root: Path | None) -> Place:
    """The place of an instance: inside the root when there is one, else under `var`."""
    if root is not None:
        inside = PurePosixPath("/srv/callcenter") / instance
        return Place(root, root / "srv/callcenter" / instance, inside, _owner(root))
    host = short_directory(var.resolve() / instance / "asterisk", longest_name="run/asterisk.ctl")
    return Place(None, host, PurePosixPath(host), _owner(Path("/")))


def _owner(root: Path) -> tuple[int, int]:
    """Who Asterisk runs as: we ourselves, or, when we are root, the user its package made."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    for line in (root / "etc/passwd").read_text().splitlines():
        name, _, uid, gid, *_ = line.split(":")
        if name == "asterisk":
            return int(uid), int(gid)
    raise NotProvisioned(
        f"there is no user 'asterisk' in {root / 'etc/passwd'}, and Asterisk is not run as root",
        "make one: adduser --system --group asterisk",
    )


def short_directory(wanted: Path, *, longest_name: str) -> Path:
    """`wanted`, or a directory of our own under the temporary one when a socket's path in it would be too long."""
    if len(os.fsencode(wanted / longest_name)) <= SOCKET_PATH_MAX:
        return wanted
    digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"callcenter-{os.geteuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.is_symlink() or short.stat().st_uid not in {os.geteuid(), *_service_uids()}:
        raise CompanionError(f"{short} belongs to somebody else", f"remove it, or use a shorter path than {wanted}")
    return short


def _service_uids() -> set[int]:
    return {user.pw_uid for user in pwd.getpwall() if user.pw_name in {"asterisk", "pgserver"}}


def open_the_way(directory: Path) -> list[Path]:
    """Let other users pass (not read) the directories above: a server that is not root must reach its own.

    Returns the directories whose permission was changed.
    """
    opened = []
    for parent in directory.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o011)
            opened.append(parent)
    return opened
