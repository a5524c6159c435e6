"""Callers and agents by SIPp, and the INVITEs between them: one burst of calls and what became of each."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.capture import DIGITS
from bench.site import HOTLINE

SCENARIOS: Final = Path(__file__).parent / "sipp"
CAPTURE: Final = Path(__file__).parent / "capture.py"
HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 20.0
END_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Burst:
    """Calls at a steady rate; each caller hangs up `talk_s` after the answer."""

    rate: float
    calls: int
    talk_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a burst. `setups_s`: from the caller's INVITE to the agent's, one per call that reached one."""

    calls: int
    succeeded: int
    failed: int
    retransmitted: int
    reoffered: int
    setups_s: tuple[float, ...]

    @property
    def reached(self) -> int:
        """Calls whose agent was invited."""
        return len(self.setups_s)


@dataclass(frozen=True, slots=True)
class Invite:
    """One INVITE on the wire."""

    at_s: float
    port: int
    caller: str
    call_id: str


def caller_number(n: int) -> str:
    """A number of its own for each caller of a burst; its last six digits are n."""
    return f"0920{n:0{DIGITS}}"


@asynccontextmanager
async def callers(directory: Path, burst: Burst, sip_port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """SIPp as the callers of a burst, towards one Asterisk; it ends when the last call is over."""
    rows = "".join(f"{caller_number(n)}\n" for n in range(burst.calls))
    more = ["-s", HOTLINE, "-r", str(round(burst.rate * 1000)), "-rp", "1000000", "-m", str(burst.calls)]
    more += ["-l", str(burst.calls), "-inf", "rows.csv", "-timeout_error"]
    more += ["-timeout", str(round(burst.calls / burst.rate + burst.talk_s + PATIENCE_S))]
    files = {
        "scenario.xml": _scenario("caller.xml", talk_ms=round(burst.talk_s * 1000)),
        "rows.csv": f"SEQUENTIAL\n{rows}",
    }
    async with _sipp(directory, files, free_udp_port(), sip_port, more) as process:
        yield process


@asynccontextmanager
async def agents(directory: Path, port: int, sip_port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """SIPp as all agents' phones; returns when it listens."""
    files = {"scenario.xml": _scenario("agent.xml")}
    async with _sipp(directory, files, port, sip_port, ["-l", "10000"]) as process:
        async with asyncio.timeout(PATIENCE_S):
            while _is_free(port):
                assert process.returncode is None, (directory / "screen.txt").read_text(errors="replace")[-2000:]
                await asyncio.sleep(0.02)
        yield process


@asynccontextmanager
async def capture(ports: Sequence[int]) -> AsyncIterator[list[Invite]]:
    """The INVITEs to these ports, complete when the block has ended."""
    invites: list[Invite] = []
    sudo = ["sudo", "-n"] if os.geteuid() != 0 else []
    process = await asyncio.create_subprocess_exec(
        *sudo,
        *(sys.executable, "-P", str(CAPTURE)),
        *(str(port) for port in ports),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await process.stdout.readline() == b"ready\n", "the capture needs root, or sudo without a password"
        yield invites
        process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            lines = (await process.stdout.read()).decode().splitlines()
            await process.wait()
        for line in lines:
            at_ns, port, caller, call_id = line.split(" ", 3)
            invites.append(Invite(int(at_ns) / 1e9, int(port), caller, call_id))
    finally:
        if process.returncode is None:
            process.stdin.close()  # which ends it, also behind sudo
            await process.wait()


def outcome_of(burst: Burst, directory: Path, invites: Sequence[Invite], sip_port: int, phones_port: int) -> Outcome:
    """Put together what SIPp counted and what was seen on the wire."""
    first: dict[tuple[int, str], float] = {}
    seen: set[tuple[int, str]] = set()
    repeated = reoffered = 0
    for invite in invites:
        if (invite.port, invite.call_id) in seen:
            repeated += invite.port == phones_port  # the callers' own repetitions are in SIPp's count
            continue
        seen.add((invite.port, invite.call_id))
        reoffered += (invite.port, invite.caller) in first
        first.setdefault((invite.port, invite.caller), invite.at_s)
    setups_s = tuple(
        first[phones_port, caller] - at_s
        for (port, caller), at_s in first.items()
        if port == sip_port and (phones_port, caller) in first
    )
    of_callers, of_agents = statistics(directory / "callers"), statistics(directory / "agents")
    succeeded = of_callers.get("SuccessfulCall(C)", 0)
    return Outcome(
        calls=burst.calls,
        succeeded=succeeded,
        failed=max(of_callers.get("FailedCall(C)", 0), burst.calls - succeeded),
        retransmitted=of_callers.get("Retransmissions(C)", 0) + of_agents.get("Retransmissions(C)", 0) + repeated,
        reoffered=reoffered,
        setups_s=setups_s,
    )


def statistics(directory: Path) -> Mapping[str, int]:
    """SIPp's cumulative counters at the end of a run; empty if it left none."""
    path = directory / "statistics.csv"
    lines = path.read_text().splitlines() if path.exists() else []
    if len(lines) < 2:
        return {}
    pairs = zip(lines[0].split(";"), lines[-1].split(";"), strict=False)
    return {name: int(value) for name, value in pairs if name.endswith("(C)") and value.isdigit()}


def free_udp_port() -> int:
    """A port for the callers of one burst."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _scenario(name: str, **values: int) -> str:
    text = (SCENARIOS / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def _lay_out(directory: Path, files: Mapping[str, str]) -> None:
    """Make the directory of one SIPp run, with these files and none of the run before."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name).write_text(text)


@asynccontextmanager
async def _sipp(
    directory: Path, files: Mapping[str, str], port: int, sip_port: int, more: Sequence[str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    program = shutil.which("sipp")
    assert program is not None, "SIPp is not installed: apt-get install sip-tester"
    _lay_out(directory, files)
    command = [program, f"{HOST}:{sip_port}", "-nostdin", "-sf", "scenario.xml", "-i", HOST, "-mi", HOST]
    command += ["-p", str(port), "-mp", str(free_udp_port() // 4 * 4), "-trace_stat", "-stf", "statistics.csv"]
    command += ["-fd", "1", "-trace_err", "-error_file", "errors.txt", *more]
    with (directory / "screen.txt").open("wb") as screen:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=directory, stdin=asyncio.subprocess.DEVNULL, stdout=screen, stderr=asyncio.subprocess.STDOUT
        )
    try:
        yield process
    finally:
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL):
            if process.returncode is not None:
                break
            process.send_signal(number)
            try:
                async with asyncio.timeout(END_S):
                    await process.wait()
            except TimeoutError:
                continue


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
