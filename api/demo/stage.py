"""The whole real service on an instance of the demo's own: other ports, other directory, other database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from api.app import create_app
from api.demo.ports import free_port, free_port_range
from api.demo.sipp import Address
from api.server import ApiServer
from api.serving import UP_S, backend_of, programs_beside
from callcenter.companions.credentials import Credentials
from callcenter.config.settings import CHECKOUT, Settings, load_settings
from callcenter.config.site import Site, load_site
from callcenter.errors import CallCenterError
from callcenter.runtime import CallCenter

DEMO_SITE: Final = CHECKOUT / "callcenter/config/demo_site"
RTP_PORTS: Final = 400  # 4 a served call
RTP_AMONG: Final = range(15_000, 20_000)  # above the default range of a service beside us
STOP_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A running call center; `database_url` is its PostgreSQL, `server` where phones and trunk reach it."""

    settings: Settings
    site: Site
    center: CallCenter
    database_url: str

    @property
    def server(self) -> Address:
        """Asterisk's SIP address."""
        return self.settings.sip_host, self.settings.sip_port

    @property
    def credentials(self) -> Credentials:
        """The passwords of the instance."""
        return Credentials(self.settings.var / self.settings.instance / "secrets.json")

    @property
    def directory(self) -> Path:
        """Where the demo's own files go."""
        return self.settings.var / self.settings.instance / "demo"


def demo_settings(settings: Settings) -> Settings:
    """Settings of the demo beside these."""
    instance = "demo" if settings.instance == "main" else f"{settings.instance[:15]}-demo"
    return settings_aside(settings, instance, DEMO_SITE)


def settings_aside(settings: Settings, instance: str, site: Path) -> Settings:
    """Settings of an instance beside these, which calls nobody: where things are installed stays, nothing else."""
    rtp_start, rtp_end = free_port_range(RTP_PORTS, among=RTP_AMONG)
    return load_settings(
        var=settings.var,
        asterisk_root=settings.asterisk_root,
        instance=instance,
        site=site,
        trunk=None,
        recordings_fallback=None,
        asterisk="managed",
        database_url=None,
        api_host="127.0.0.1",
        sip_host="127.0.0.1",
        api_port=free_port(),
        sip_port=free_port(),
        http_port=free_port(),
        ami_port=free_port(),
        rtp_start=rtp_start,
        rtp_end=rtp_end,
    )


@asynccontextmanager
async def open_stage(settings: Settings, say: Callable[[str], None]) -> AsyncIterator[Stage]:
    """Start everything, end everything. An ExceptionGroup is raised when a vital task ends in between."""
    site = load_site(settings.site)
    async with AsyncExitStack() as stack:
        beside = await stack.enter_async_context(programs_beside(settings, site, say))
        center = CallCenter(settings, site, beside)
        stack.push_async_callback(center.close)
        await center.open()
        server = ApiServer(create_app(backend_of(center)), settings.api_host, settings.api_port)
        await server.start()
        stack.push_async_callback(server.stop)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(center.run(server.wait()), name="call center")
            try:
                await _until_up(center)
                yield Stage(settings, site, center, beside.database_url)
            finally:
                center.stop()
                await asyncio.wait({running}, timeout=STOP_S)


async def _until_up(center: CallCenter) -> None:
    try:
        async with asyncio.timeout(UP_S):
            await center.up.wait()
    except TimeoutError:
        raise CallCenterError(f"the service did not reach Asterisk within {UP_S:.0f} s") from None
