"""Programs that outlive us: started in a session of their own, known again by pid file and command line."""

import asyncio
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

POLL_S = 0.02

log = logging.getLogger(__name__)

# The keeper is the program's parent: it reaps it and leaves its exit status for us, whoever "us" is by then.
_KEEPER = 'status_file=$1; shift; "$@"; echo $? >"$status_file"'


def launch(
    argv: Sequence[str],
    *,
    output: Path,
    environment: Mapping[str, str],
    sudo: bool = False,
) -> Path:
    """Start `argv` detached from us, its output to the file `output`; returns the file of its exit status.

    `exit_status` reads that file; it lies beside the output and is new each time, since the keeper of a killed
    program may write after its successor has begun. With `sudo` it is started through sudo, which must not need a
    password by now; the cause is raised as CalledProcessError, its words are in `output`.
    """
    for former in output.parent.glob("status.*"):
        former.unlink()
    handle, status_name = tempfile.mkstemp(prefix="status.", dir=output.parent)
    os.close(handle)
    clean = ["env", "-i", *(f"{name}={value}" for name, value in environment.items())]
    detached = ["setsid", "--fork", "sh", "-c", _KEEPER, "keeper", status_name, *clean, *argv]
    with output.open("wb") as sink:
        subprocess.run(  # noqa: S603 - the caller's own words, no shell reads them
            [*(("sudo", "-n") if sudo else ()), *detached],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd="/",
            check=True,
            timeout=30,
        )
    return Path(status_name)


def find_program(name: str) -> str:
    """Full path of a program, in the administrator's directories too; the bare name if there is none."""
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    return shutil.which(name, path=search) or name


def read_pid(pid_file: Path) -> int | None:
    """The pid on the file's first line; None if there is none."""
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def is_alive(pid: int | None, marker: str) -> bool:
    """Whether `pid` runs and its command line contains `marker`: a pid alone may have passed to a stranger."""
    if pid is None:
        return False
    try:
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return marker in command_line and state != "Z"


async def until(condition: Callable[[], bool], patience_s: float) -> bool:
    """Look again and again whether the condition holds; whether it did within the seconds given."""
    try:
        async with asyncio.timeout(patience_s):
            while not condition():  # noqa: ASYNC110 - other processes set no event of ours
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return condition()
    return True


async def end(pid: int, marker: str, signals: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Send each signal and wait up to its seconds for the process to end; whether it ended."""
    for number, patience_s in signals:
        if not is_alive(pid, marker):
            return True
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        if await until(lambda: not is_alive(pid, marker), patience_s):
            return True
    return not is_alive(pid, marker)


def exit_status(status_file: Path) -> int | None:
    """How the launched program ended; None while it runs."""
    return read_pid(status_file)


def last_lines(path: Path, *, count: int = 8, matching: str = "") -> str:
    """The file's last lines that match the pattern, without terminal colours; empty if the file can't be read."""
    try:
        text = path.read_bytes()[-65536:].decode(errors="replace")
    except OSError:
        return ""
    lines = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if re.search(matching, line)]
    return "\n".join(lines[-count:])
