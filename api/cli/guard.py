"""guard: watches the service from a process of its own."""

import asyncio
import contextlib
import subprocess
import sys

from api.cli import logs
from api.cli.output import Exit, err
from callcenter.access import access_of
from callcenter.asterisk.rescue import rescue
from callcenter.config.settings import Settings
from callcenter.config.site import load_site
from callcenter.guard import Guard, Patience
from callcenter.handover import control_path
from callcenter.notify import feed_watchdog, notify


async def guard(settings: Settings, *, rescue_s: float, start: bool) -> Exit:
    """Guard until cancelled. Raises CompanionError if this instance's Asterisk can't be known."""
    logs.configure(settings.log_level)
    access = access_of(settings, load_site(settings.site))
    path = control_path(settings.var, settings.instance)
    started: list[subprocess.Popen[bytes]] = []

    def start_service() -> int:
        for process in started:
            process.poll()  # a dead child is a zombie until somebody asks for it
        command = [sys.executable, "-m", "api.cli", "run"]
        # In a session of its own: whoever ends the guard does not end the service.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
        started.append(process)
        return process.pid

    guarding = Guard(
        path, lambda: rescue(access, settings.app), start_service if start else None, Patience(rescue_s=rescue_s)
    )
    err().print(f"guarding {path}", markup=False)
    notify("READY=1")
    async with asyncio.TaskGroup() as group:
        group.create_task(guarding.run(), name="guard")
        group.create_task(feed_watchdog(), name="watchdog")
    return Exit.OK


def run(settings: Settings, *, rescue_s: float, start: bool) -> Exit:
    """Guard until Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(guard(settings, rescue_s=rescue_s, start=start))
    return Exit.OK
