"""SIPp runs, for the demo and for tests: a scenario filled in, started, waited for, and its statistics read."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from api.demo.ports import free_port, free_port_range
from callcenter.companions.errors import NotProvisioned
from callcenter.errors import CallCenterError

Address = tuple[str, int]

SCENARIOS: Final = Path(__file__).with_name("scenarios")
VOICE: Final = Path(__file__).with_name("voice.al")  # what callers say, over and over; raw A-law
PATIENCE_S: Final = 5.0
ERROR_CHARS_MAX: Final = 4_000


class SippFailed(CallCenterError):
    """SIPp ended with failed calls or could not run; the text says why."""


@dataclass(frozen=True, slots=True)
class SippResult:
    """What a run came to.

    `answered` counts the calls of agent_uas.xml (to SIPp its OPTIONS are calls too), `hung_up_on` the callers that
    the other side hung up on. SIPp itself exits with 0 when it is terminated in the middle of a call.
    """

    exit_code: int
    expected: int | None
    succeeded: int
    failed: int
    answered: int
    hung_up_on: int
    errors: str

    @property
    def clean(self) -> bool:
        """Every call that was to be made went as the scenario has it."""
        return self.exit_code == 0 and self.failed == 0 and self.expected in {None, self.succeeded}


@dataclass(frozen=True, slots=True)
class SippPlan:
    """One run. `fill_in` gives the scenario's @names@; `rows` the CSV lines, one per call, read round and round.

    `calls` None: until stopped (servers). `rate` in calls per second, `at_once_max` bounds the calls in progress.
    `answers_others` says 200 to requests outside our calls. `time_limit_s` ends the run by itself, as a failure.
    `leader` listens there and leads the calls (sendCmd and recvCmd in the scenario).
    """

    scenario: str
    server: Address
    dialed: str = "service"
    fill_in: Mapping[str, float | str] | None = None
    rows: Sequence[Sequence[str]] = ()
    calls: int | None = 1
    rate: float = 10.0
    at_once_max: int = 100
    host: str = "127.0.0.1"
    port: int | None = None
    echo: bool = False
    answers_others: bool = False
    user: str = ""
    password: str = ""
    keys: Mapping[str, str] | None = None
    time_limit_s: float = 60.0
    leader: Address | None = None


class SippRun:
    """A running SIPp process. `async with` starts it; leaving ends it if it has not ended."""

    def __init__(self, plan: SippPlan, directory: Path) -> None:
        self.plan = plan
        self.port = plan.port or free_port(plan.host)
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "screen.txt").open("wb") as screen:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(),
                cwd=self._directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=screen,
                stderr=asyncio.subprocess.STDOUT,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._running().returncode is None:
                self._running().send_signal(number)
                await self._exited(PATIENCE_S)

    async def wait(self, within_s: float | None = None) -> SippResult:
        """Wait for the end (default: the plan's time limit and some patience); raises TimeoutError."""
        if not await self._exited(within_s or self.plan.time_limit_s + PATIENCE_S):
            raise TimeoutError(f"SIPp {self.plan.scenario} did not end by itself")
        return self._result()

    async def succeed(self, within_s: float | None = None) -> SippResult:
        """Wait for the end; raises SippFailed unless every call went as the scenario has it."""
        return _demand_clean(await self.wait(within_s), self.plan)

    async def finish(self, within_s: float = 20.0) -> SippResult:
        """Take no more calls, end when the last one is over (a server's way to end); raises SippFailed."""
        self._running().send_signal(signal.SIGUSR1)
        if not await self._exited(within_s):
            raise TimeoutError(f"SIPp {self.plan.scenario} still had calls after {within_s} s")
        return _demand_clean(self._result(), self.plan)

    def _command(self) -> list[str]:
        plan, there = self.plan, self._directory
        scenario = (SCENARIOS / plan.scenario).read_text()
        shutil.copyfile(VOICE, there / VOICE.name)  # rtp_stream reads it from the working directory
        for name, value in (plan.fill_in or {}).items():
            assert f"@{name}@" in scenario, f"{plan.scenario} has no @{name}@"
            scenario = scenario.replace(f"@{name}@", str(value))
        (there / "scenario.xml").write_text(scenario)
        media_port = free_port_range(4, plan.host)[0]
        command = [*_sudo(scenario), sipp_program(), f"{plan.server[0]}:{plan.server[1]}", "-nostdin"]
        command += ["-sf", "scenario.xml", "-i", plan.host, "-mi", plan.host, "-p", str(self.port)]
        command += ["-mp", str(media_port), "-s", plan.dialed, "-r", str(round(plan.rate * 1000)), "-rp", "1000000"]
        command += ["-l", str(plan.at_once_max), "-timeout", str(round(plan.time_limit_s)), "-timeout_error"]
        command += ["-trace_err", "-error_file", "errors.txt", "-trace_stat", "-stf", "statistics.csv", "-fd", "1"]
        if plan.calls is not None:
            command += ["-m", str(plan.calls)]
        if plan.rows:
            rows = "".join(f"{';'.join(row)}\n" for row in plan.rows)
            (there / "rows.csv").write_text(f"SEQUENTIAL\n{rows}")
            command += ["-inf", "rows.csv"]
        if plan.user:
            command += ["-au", plan.user, "-ap", plan.password]
        for name, value in (plan.keys or {}).items():
            command += ["-key", name, value]
        if plan.leader is not None:
            command += ["-3pcc", f"{plan.leader[0]}:{plan.leader[1]}"]
        if plan.answers_others:
            command += ["-oocsn", "ooc_default"]
        return [*command, "-rtp_echo"] if plan.echo else command

    def _result(self) -> SippResult:
        path = self._directory / "statistics.csv"
        lines = path.read_text().splitlines() if path.exists() else []
        last = dict(zip(lines[0].split(";"), lines[-1].split(";"), strict=False)) if len(lines) > 1 else {}
        errors = self._directory / "errors.txt"
        text = errors.read_text(errors="replace") if errors.exists() else ""
        if not last:
            text += (self._directory / "screen.txt").read_text(errors="replace")
        code = self._running().returncode
        assert code is not None
        return SippResult(
            exit_code=code,
            expected=self.plan.calls,
            succeeded=int(last.get("SuccessfulCall(C)", 0)),
            failed=int(last.get("FailedCall(C)", 0)),
            answered=int(last.get("answered(C)", 0)),
            hung_up_on=int(last.get("hung_up_on(C)", 0)),
            errors=text[-ERROR_CHARS_MAX:],
        )

    async def _exited(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._running().wait()
        except TimeoutError:
            return False
        return True

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "the run has not begun"
        return self._process


def sipp_program() -> str:
    """SIPp's path. Raises NotProvisioned."""
    program = shutil.which("sipp")
    if program is None:
        raise NotProvisioned("SIPp is not installed", "apt-get install sip-tester (make test and make demo do it)")
    return program


def _sudo(scenario: str) -> list[str]:
    """What SIPp needs for pressed digits: play_dtmf writes to a raw socket."""
    return ["sudo", "-n"] if "play_dtmf" in scenario and os.geteuid() != 0 else []


def _demand_clean(result: SippResult, plan: SippPlan) -> SippResult:
    if not result.clean:
        raise SippFailed(
            f"{plan.scenario}: exit code {result.exit_code}, {result.succeeded} calls succeeded, "
            f"{result.failed} failed\n{result.errors}"
        )
    return result


def caller_menu(
    server: Address,
    dialed: str,
    rows: Sequence[tuple[str, str]],
    *,
    calls: int | None = None,
    welcome_s: float = 1.0,
    talk_s: float = 5.0,
    rate: float = 10.0,
    at_once_max: int = 100,
    time_limit_s: float = 60.0,
) -> SippPlan:
    """Callers who press a digit: `rows` are (caller number, digit); `talk_s` from the digit to the hang-up."""
    return SippPlan(
        "caller_menu.xml",
        server,
        dialed,
        {"welcome_ms": round(welcome_s * 1000), "talk_ms": round(talk_s * 1000)},
        rows,
        calls or len(rows),
        rate,
        at_once_max,
        time_limit_s=time_limit_s,
    )


def caller_direct(
    server: Address,
    dialed: str,
    callers: Sequence[str],
    *,
    calls: int | None = None,
    talk_s: float = 5.0,
    answered_s: float = 10.0,
    rate: float = 10.0,
    at_once_max: int = 100,
    time_limit_s: float = 60.0,
) -> SippPlan:
    """Callers who press nothing; `talk_s` from the answer to the hang-up; unanswered after `answered_s` is failed."""
    return SippPlan(
        "caller_direct.xml",
        server,
        dialed,
        {"talk_ms": round(talk_s * 1000), "answered_ms": round(answered_s * 1000)},
        [(caller,) for caller in callers],
        calls or len(callers),
        rate,
        at_once_max,
        time_limit_s=time_limit_s,
    )


def agent_register(
    server: Address, agent_id: str, password: str, *, port: int, expires_s: int = 3600, stay_s: float = 0.3
) -> SippPlan:
    """One agent registers at `port`, and says for `stay_s` that it is there when asked."""
    return SippPlan(
        "agent_register.xml",
        server,
        agent_id,
        fill_in={"stay_ms": round(stay_s * 1000)},
        port=port,
        answers_others=True,
        user=agent_id,
        password=password,
        keys={"expires_s": str(expires_s)},
        time_limit_s=10.0,
    )


def agent_uas(
    server: Address,
    *,
    port: int,
    ring_s: float = 0.5,
    talk_s: float = 30.0,
    declines: float = 0.0,
    ignores: float = 0.0,
    time_limit_s: float = 120.0,
) -> SippPlan:
    """All agents registered at `port`: answer after `ring_s`, echo, hang up `talk_s` later. End it with `finish`.

    `declines` and `ignores` are the shares of calls that are declined at once, or ring until they are cancelled.
    """
    return SippPlan(
        "agent_uas.xml",
        server,
        fill_in={
            "ring_ms": max(1, round(ring_s * 1000)),
            "talk_ms": round(talk_s * 1000),
            "declines": declines,
            "ignores": ignores,
        },
        calls=None,
        at_once_max=1_000,
        port=port,
        echo=True,
        time_limit_s=time_limit_s,
    )
