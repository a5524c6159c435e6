"""demo: the command from its settings to its exit code; Ctrl-C ends it and all that it started."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvloop

from api.cli import logs
from api.cli.output import Exit, err, out, say_json
from api.demo.figures import SERVICE_LEVEL_RULE, as_data
from api.demo.performance import Performance, Review
from api.demo.screen import summary
from api.demo.sipp import sipp_program
from api.demo.stage import DEMO_SITE, demo_settings, open_stage
from callcenter.companions.errors import NotProvisioned
from callcenter.config.settings import Settings
from callcenter.config.site import load_site
from callcenter.errors import CallCenterError

INTERRUPTED: Final = 130
TROUBLED_SHOWN_MAX: Final = 10


def run_demo(settings: Settings, *, calls: int, as_json: bool) -> int:
    """Run the demo with `calls` callers who stay until served; 0 if all went well and the recount is equal.

    Raises CallCenterError when it can't go on.
    """
    settings = demo_settings(settings)
    review: Review | None = None
    fault: CallCenterError | None = None
    try:
        check_prerequisites()
        with (
            _logging_to(settings.var / settings.instance / "service.log", settings.log_level),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            review = runner.run(_until_stopped(settings, calls))
    except* CallCenterError as group:
        fault = _first(group)
    if fault is not None:
        raise fault
    if review is None:
        _say("demo: stopped; all that it started has ended")
        return INTERRUPTED
    _tell(review, settings, as_json=as_json)
    return Exit.FINDING if review.findings else Exit.OK


def check_prerequisites() -> None:
    """SIPp is there, and may send digits (a raw socket: root's). Raises NotProvisioned."""
    sipp_program()
    if os.geteuid() == 0:
        return
    sudo = shutil.which("sudo")
    asked = sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, timeout=10, check=False)  # noqa: S603
    if not asked or asked.returncode != 0:
        raise NotProvisioned(
            "simulated callers press keys through a raw socket, which takes root's rights",
            "run as root, or let sudo know the password first: sudo -v",
        )


async def _until_stopped(settings: Settings, calls: int) -> Review | None:
    """The demo's review; None if a signal ended it."""
    ours = asyncio.current_task()
    assert ours is not None
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped:  # the second Ctrl-C must not interrupt the end of what was started
            stopped = True
            ours.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        async with open_stage(settings, _say) as stage:
            return await Performance(stage, calls, _say).perform()
    except asyncio.CancelledError:
        if not stopped:
            raise
        return None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _logging_to(path: Path, level: str) -> Iterator[None]:
    """What the service logs goes to a file: the screen is the demo's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as sink:
        with contextlib.redirect_stderr(sink):
            logs.configure(level)
        try:
            yield
        finally:
            logs.finish()


def _tell(review: Review, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        say_json(_data(review))
        return
    out().print(summary(review.summary, load_site(DEMO_SITE)))
    if not review.differences:
        out().print(f"recount        every figure equals the recount from {review.summary.events} events in PostgreSQL")
    for text in (*review.findings, *(f"  {text}" for text in review.differences)):
        out().print(f"finding        {text}", markup=False)
    look = f"CALLCENTER_INSTANCE={settings.instance} bin/callcenter events tail --contact"
    for contact_id in review.troubled[:TROUBLED_SHOWN_MAX]:
        out().print(f"look at it     {look} {contact_id}", markup=False)
    if review.findings:
        out().print(f"service's log  {settings.var / settings.instance / 'service.log'}", markup=False)


def _data(review: Review) -> dict[str, object]:
    return {
        **as_data(review.summary),
        "service_level_rule": SERVICE_LEVEL_RULE,
        "callers": review.callers,
        "callers_failed": review.callers_failed,
        "lasted_s": round(review.lasted_s, 1),
        "recount": {"equal": not review.differences, "differences": review.differences},
        "contacts_to_look_at": review.troubled,
        "findings": review.findings,
    }


def _say(text: str) -> None:
    err().print(text, markup=False)


def _first(group: BaseExceptionGroup[CallCenterError]) -> CallCenterError:
    """The first fault of a group, however deep; the others are its consequences."""
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    assert isinstance(inner, CallCenterError)
    return inner
