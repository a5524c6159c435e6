"""The whole service in one process: programs beside us, call center, API; started in order, ended in reverse."""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from api.app import create_app
from api.backend import Backend, Health, Part
from api.server import ApiServer
from callcenter.asterisk.ari import Ari
from callcenter.asterisk.faults import LoginRefused
from callcenter.asterisk.link import LinkState
from callcenter.asterisk.telephony import Access, version_of
from callcenter.blueprint import asterisk_plan
from callcenter.companions.asterisk import AsteriskCompanion
from callcenter.companions.errors import CompanionError
from callcenter.companions.plan import chosen_root
from callcenter.companions.postgres import PostgresCompanion
from callcenter.config.settings import Settings
from callcenter.config.site import Site, load_site
from callcenter.errors import ChannelGone, TelephonyError
from callcenter.runtime import CallCenter, Surroundings

UP_S = 20.0  # from the first attempt to reach Asterisk until somebody worries
VERSION_MIN = (20,)
SWITCH_S = 0.0005
GARBAGE_THRESHOLDS = (20_000, 20, 20)


def backend_of(center: CallCenter) -> Backend:
    """The running call center, as the API sees it."""
    return Backend(
        clock=center.clock,
        site=lambda: center.site,
        queries=center.queries,
        tokens=center.tokens,
        floor=center.floor,
        hub=center.hub,
        health=lambda: health_of(center),
        recordings_dir=center.recordings_dir,
    )


def health_of(center: CallCenter) -> Health:
    """How every part is, now. The database is not required: calls are served without it."""
    writer = center.writer.health()
    ari_up = center.telephony.state is LinkState.UP
    waiting = center.hub.first_after(writer.position)
    return Health(
        parts=(
            Part("ari", ok=ari_up, required=True, detail=f"event link {center.telephony.state.value}"),
            Part("ami", ok=center.telephony.ami_up, required=True, detail="leases and recording"),
            Part("journal", ok=center.journal.healthy, required=True, detail=str(center.journal.path)),
            Part("database", ok=writer.away_since is None, required=False, detail=writer.why),
            Part("customers", ok=center.customers.loaded, required=False, detail="callers known by their number"),
        ),
        contacts_by_phase=dict(center.contacts_by_phase),
        journal_backlog=center.journal.backlog(),
        writer_lag_s=0.0 if waiting is None else max(0.0, center.clock.now() - waiting.entry.at),
        ari_up=ari_up,
    )


@asynccontextmanager
async def surroundings(settings: Settings, site: Site, say: Callable[[str], None]) -> AsyncIterator[Surroundings]:
    """PostgreSQL and Asterisk, started or found; what we started ends with us, what was there stays."""
    async with AsyncExitStack() as stack:
        postgres = PostgresCompanion(var=settings.var, instance=settings.instance, database_url=settings.database_url)
        say("PostgreSQL: " + ("starting the embedded one" if postgres.embedded else "using CALLCENTER_DATABASE_URL"))
        await postgres.start()
        stack.push_async_callback(postgres.stop)
        if settings.asterisk == "external":
            access = _external(settings)
            say(f"Asterisk: asking {access.ari_url}")
            await reach(access, settings.app)
            yield Surroundings(postgres.url, access, settings.recordings_dir or settings.var)
            return
        root = chosen_root(settings.var, settings.asterisk_root)
        asterisk = AsteriskCompanion(asterisk_plan(settings, site, root=root))
        say("Asterisk: starting")
        await asterisk.start()
        stack.push_async_callback(asterisk.stop)
        access = Access(
            ari_url=asterisk.ari_url,
            ari_user=asterisk.ari_user,
            ari_password=asterisk.ari_password,
            ami_host=asterisk.ami_host,
            ami_port=asterisk.ami_port,
            ami_user=asterisk.ami_user,
            ami_password=asterisk.ami_password,
            sounds=asterisk.sounds_dir_in_asterisk,
        )
        yield Surroundings(postgres.url, access, asterisk.recordings_dir)


async def serve(settings: Settings, *, say: Callable[[str], None], opened: Callable[[Site], None]) -> None:
    """Serve until SIGINT or SIGTERM. `say` hears each step of the start, `opened` when callers are served."""
    site = load_site(settings.site)
    # The journal's thread has to get its turn soon after the disk has answered, or every call waits for 5 ms.
    sys.setswitchinterval(SWITCH_S)
    async with AsyncExitStack() as stack:
        beside = await stack.enter_async_context(surroundings(settings, site, say))
        center = CallCenter(settings, site, beside)
        stack.push_async_callback(center.close)
        say("database: schema and customers")
        await center.open()
        server = ApiServer(create_app(backend_of(center)), settings.api_host, settings.api_port)
        await server.start()
        stack.push_async_callback(server.stop)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, center.stop)
            stack.callback(loop.remove_signal_handler, number)
        # What is here now stays for good: looking through it again and again for garbage is CPU that callers pay for.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        say("service: connecting to Asterisk")
        announce = asyncio.create_task(_announce(center, lambda: opened(site)), name="announce")
        stack.callback(announce.cancel)
        await center.run(server.wait())


async def reach(access: Access, app: str) -> None:
    """Whether an Asterisk that is not ours has ARI for us; raises CompanionError with cause and fix, or LoginRefused.

    Only at the start, where somebody reads it: later the link is made again for as long as it takes.
    """
    async with Ari(access.ari_url, access.ari_user, access.ari_password, app=app) as ari:
        try:
            system = (await ari.info()).system
        except LoginRefused:
            raise
        except ChannelGone as error:
            raise CompanionError(
                f"{access.ari_url} answers, but there is no ARI",
                "load it (asterisk -rx 'module load res_ari.so') and set enabled=yes in ari.conf, "
                "or correct CALLCENTER_ARI_URL: it ends in /ari",
            ) from error
        except TelephonyError as error:
            raise CompanionError(
                f"no ARI can be reached at {access.ari_url}: {error}",
                "is that Asterisk running, with enabled=yes, bindaddr and bindport in its http.conf? "
                "asterisk-config/existing/README.md has the list",
            ) from error
    version = version_of(system.version if system else "")
    if version < VERSION_MIN:
        raise CompanionError(
            f"the Asterisk at {access.ari_url} is version {'.'.join(map(str, version))}",
            f"version {VERSION_MIN[0]} or later is needed; unset CALLCENTER_ASTERISK to run one of our own",
        )


async def _announce(center: CallCenter, opened: Callable[[], None]) -> None:
    await center.up.wait()
    opened()


def _external(settings: Settings) -> Access:
    assert settings.ari_url is not None
    assert settings.ari_user is not None
    assert settings.ari_password is not None
    assert settings.ami_user is not None
    assert settings.ami_password is not None
    assert settings.sounds_dir is not None
    return Access(
        ari_url=settings.ari_url,
        ari_user=settings.ari_user,
        ari_password=settings.ari_password.get_secret_value(),
        ami_host=settings.ami_host,
        ami_port=settings.ami_port,
        ami_user=settings.ami_user,
        ami_password=settings.ami_password.get_secret_value(),
        sounds=settings.sounds_dir,
    )
