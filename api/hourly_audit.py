"""The audit, once an hour: in a process of its own, with what CPU is left over, so that no caller waits for it."""

import asyncio
import math
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import structlog

from callcenter.clock import Clock
from callcenter.config.settings import CHECKOUT

HOUR_S: Final = 3600.0
SPAN_S: Final = 6 * HOUR_S
"""The contacts of so many hours are looked at: one that was open the last time is closed the next."""
SETTLE_S: Final = 600.0
"""After the hour has ended, so that the database has it, and calls of its last minutes are mostly over."""
LONGEST_S: Final = 1800.0
NICENESS: Final = 15
SAID_MAX: Final = 500

log = structlog.get_logger()


async def audit_hourly(clock: Clock) -> None:
    """Audit the last closed hours, some minutes after each full one: a vital task that no fault of the audit ends.

    The result is where `callcenter audit events` leaves it: for the metric, and for doctor.
    """
    while True:
        now = clock.now()
        await asyncio.sleep(next_after(now) - now)
        try:
            await audit_once(clock.now())
        except OSError as error:
            log.error("the hourly audit could not be started", cause=str(error))  # noqa: TRY400 - no bug of ours
        except Exception:  # what only looks on must not end what serves callers
            log.exception("the hourly audit failed")


def next_after(now: float) -> float:
    """The next instant at which an audit is due."""
    return (math.floor((now - SETTLE_S) / HOUR_S) + 1) * HOUR_S + SETTLE_S


def span_at(now: float) -> tuple[float, float]:
    """The closed hours that an audit at this instant looks at."""
    to_at = math.floor(now / HOUR_S) * HOUR_S
    return to_at - SPAN_S, to_at


async def audit_once(now: float, environment: Mapping[str, str] | None = None) -> int | None:
    """Audit the hours closed by now and log what came of it; the command's exit code, None if it did not end.

    `environment` is the command's, ours if None. Raises OSError if there is no process to be had.
    """
    from_at, to_at = (datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") for at in span_at(now))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "audit", "events", "--from", from_at, "--to", to_at, "--cel-optional"),
        env=None if environment is None else dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=CHECKOUT,
    )
    try:
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        async with asyncio.timeout(LONGEST_S):
            told, noted = await process.communicate()
    except TimeoutError:
        log.error("the hourly audit took too long and was ended", longest_s=LONGEST_S)  # noqa: TRY400 - no bug of ours
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    summary = told.decode(errors="replace").splitlines()[-1:] or noted.decode(errors="replace").splitlines()
    level = log.info if process.returncode == 0 else log.error
    level("hourly audit", code=process.returncode, since=from_at, until=to_at, said=" ".join(summary)[:SAID_MAX])
    return process.returncode
