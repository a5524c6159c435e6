"""The real service with an Asterisk that it starts itself, as `make run` has it."""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from callcenter.companions.place import place_of
from callcenter.companions.process import is_alive, read_pid
from tests.kit.parts import RealAsterisk, asterisk_root
from tests.kit.phone import Phone
from tests.kit.ports import free_port, free_port_range
from tests.kit.service import Service, service_on


@asynccontextmanager
async def own_asterisk(
    asterisk: RealAsterisk, var: Path, database_url: str
) -> AsyncIterator[tuple[Service, Phone, Path]]:
    """The service, not yet started, a phone on its trunk, and where the pid of its Asterisk will stand.

    The session's Asterisk is not used. Whatever outlives the service is ended with the block.
    """
    rtp_start, rtp_end = free_port_range(100)
    sip_port, instance = free_port(), f"t{os.getpid()}-own"
    own = {
        "ASTERISK": "managed",
        "ASTERISK_ROOT": str(asterisk_root() or "/"),
        "INSTANCE": instance,
        "SIP_PORT": str(sip_port),
        "HTTP_PORT": str(free_port()),
        "AMI_PORT": str(free_port()),
        "RTP_START": str(rtp_start),
        "RTP_END": str(rtp_end),
    }
    place = place_of(instance, var=var, root=asterisk_root()).host
    pid_file = place / "run/asterisk.pid"
    try:
        async with (
            service_on(asterisk, var, database_url, **own) as service,
            Phone("0910000001", ("127.0.0.1", sip_port)) as trunk,
        ):
            yield service, trunk, pid_file
    finally:
        if (pid := read_pid(pid_file)) is not None and is_alive(pid, instance):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(place, ignore_errors=True)
