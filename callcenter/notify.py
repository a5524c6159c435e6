"""What systemd wants to hear of a service: that it serves, that it lives, who it is now (sd_notify(3)).

Without systemd nobody listens, and nothing is said. The watchdog is fed from the event loop and only while the loop
keeps time: a process whose loop is blocked is a dead process, however alive it looks.
"""

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

# Later than this, calls have waited as well: then we don't say that all is fine.
LATE_S: Final = 1.0

LISTEN_FD: Final = 3  # the first of those that a supervisor passes on


def supervised(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a supervisor started us and will start us again."""
    return bool(environment.get("NOTIFY_SOCKET"))


def notify(*facts: str) -> None:
    """Tell the supervisor, such as `READY=1`; never blocks, never fails."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.setblocking(False)
        channel.sendto("\n".join(facts).encode(), "\0" + address[1:] if address.startswith("@") else address)


def watchdog_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """After how many seconds of our silence the supervisor kills us; None if it never does."""
    told = environment.get("WATCHDOG_USEC", "")
    return int(told) / 1e6 if told.isdecimal() and int(told) > 0 else None


def inherited_listener() -> socket.socket | None:
    """The listening socket that the supervisor opened for us (sd_listen_fds(3)); None if there is none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    listener = socket.socket(fileno=LISTEN_FD)
    listener.setblocking(False)
    os.set_inheritable(LISTEN_FD, False)
    return listener


async def feed_watchdog() -> None:
    """Say three times per term that we live, unless the loop was late; never returns."""
    term_s = watchdog_s()
    if term_s is None:
        await asyncio.Event().wait()
        return
    loop = asyncio.get_running_loop()
    while True:
        due_at = loop.time() + term_s / 3
        await asyncio.sleep(term_s / 3)
        if loop.time() - due_at < LATE_S:
            notify("WATCHDOG=1")
