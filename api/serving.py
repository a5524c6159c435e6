"""The whole service in one process: programs beside us, call center, API; started in order, ended in reverse."""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog

from api.app import create_app
from api.backend import Backend, Health, Part
from api.control import Control, Front, Living
from api.hourly_audit import audit_hourly
from api.server import listen
from callcenter import audit
from callcenter.access import external, managed
from callcenter.asterisk.ari import Ari
from callcenter.asterisk.faults import LoginRefused
from callcenter.asterisk.link import LinkState
from callcenter.asterisk.requests import version_of
from callcenter.asterisk.telephony import Access
from callcenter.beside import Beside
from callcenter.blueprint import asterisk_plan
from callcenter.companions import readiness
from callcenter.companions.asterisk import AsteriskCompanion
from callcenter.companions.errors import CompanionError
from callcenter.companions.plan import chosen_root
from callcenter.companions.postgres import PostgresCompanion
from callcenter.config.settings import Settings
from callcenter.config.site import Site, load_site
from callcenter.db.customer_records import store_records
from callcenter.db.journal_status import Room
from callcenter.errors import ChannelGone, TelephonyError
from callcenter.handover import control_path
from callcenter.notify import feed_watchdog, inherited_listener, notify, supervised
from callcenter.recordings_folders import second_folder
from callcenter.runtime import CallCenter

log = structlog.get_logger()

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
        live_site=center.live_site,
        flows=center.flows,
        prompts=center.prompts,
        customers=center.customers,
        store_customers=partial(store_records, center.database_url),
        trunks_in_use=lambda: center.switchboard.trunks_in_use,
        tally=center.tally,
        second_recordings_dir=center.recordings.folders.second_path,
    )


def health_of(center: CallCenter) -> Health:
    """How every part is, now. The database is not required: calls are served without it."""
    writer, recordings = center.writer.health(), center.recordings.state
    ari_up = center.telephony.state is LinkState.UP
    waiting = center.hub.first_after(writer.position)
    audited = audit.last(center.journal.path.with_name(audit.RESULT))
    return Health(
        parts=(
            Part("open", ok=not center.draining, required=True, detail="draining" if center.draining else "to callers"),
            Part("ari", ok=ari_up, required=True, detail=f"event link {center.telephony.state.value}"),
            Part("ami", ok=center.telephony.ami_up, required=True, detail="leases and recording"),
            Part("journal", ok=center.journal.accepting, required=True, detail=_of_journal(center)),
            Part("database", ok=writer.away_since is None, required=False, detail=writer.why),
            Part("customers", ok=center.customers.loaded, required=False, detail="callers known by their number"),
            Part("witness", ok=not center.telephony.witness.silent, required=False, detail=_of_witness(center)),
            Part("recordings", ok=not recordings.why, required=False, detail=recordings.why or "into the first folder"),
        ),
        contacts_by_phase=dict(center.contacts_by_phase),
        journal_backlog=center.journal.backlog(),
        writer_lag_s=0.0 if waiting is None else max(0.0, center.clock.now() - waiting.entry.at),
        ari_up=ari_up,
        audit_findings=None if audited is None else audited.found,
        recordings=recordings,
        contacts_lost=center.lost.closed,
        drift_mended=center.drift.mended,
        listenings=dict(center.world.listenings),
    )


def _of_witness(center: CallCenter) -> str:
    return center.telephony.witness.silent or "tells of ends that nobody heard"


def _of_journal(center: CallCenter) -> str:
    room = center.journal.file.room
    return str(center.journal.path) + ("" if room is Room.PLENTY else f", the disk's room for it is {room.value}")


@asynccontextmanager
async def programs_beside(settings: Settings, site: Site, say: Callable[[str], None]) -> AsyncIterator[Beside]:
    """PostgreSQL and Asterisk, started or found; what we started ends with us, what was there stays."""
    async with AsyncExitStack() as stack:
        postgres = PostgresCompanion(var=settings.var, instance=settings.instance, database_url=settings.database_url)
        say("PostgreSQL: " + ("starting the embedded one" if postgres.embedded else "using CALLCENTER_DATABASE_URL"))
        await postgres.start()
        stack.push_async_callback(postgres.stop)
        if settings.asterisk == "external":
            access = external(settings)
            say(f"Asterisk: asking {access.ari_url}")
            await reach(access, settings.app)
            recordings_dir = settings.recordings_dir or settings.var
            second = second_folder(settings, recordings_dir, root=None)
            yield Beside(postgres.url, access, recordings_dir, leave=postgres.leave, keep=postgres.start, second=second)
            return
        root = chosen_root(settings.var, settings.asterisk_root)
        asterisk = AsteriskCompanion(asterisk_plan(settings, site, root=root))
        say("Asterisk: starting")
        await asterisk.start()
        stack.push_async_callback(asterisk.stop)
        access = managed(asterisk, settings.trunk)

        async def adapt(changed: Site) -> Sequence[str]:
            waiting = await asterisk.adapt(asterisk_plan(settings, changed, root=root))
            return [f"Asterisk takes {name} when it is started the next time" for name in waiting]

        async def leave() -> None:
            await postgres.leave()
            await asterisk.leave()

        async def keep() -> None:
            await postgres.start()
            await asterisk.start()

        async def calls() -> int:
            try:
                return await readiness.channels(asterisk.ari_url, asterisk.ari_user, asterisk.ari_password)
            except readiness.NoAnswer:
                return 0

        second = second_folder(settings, asterisk.recordings_dir, root=root)
        yield Beside(postgres.url, access, asterisk.recordings_dir, adapt, leave, keep, calls, second)


async def serve(
    settings: Settings, *, say: Callable[[str], None], opened: Callable[[Site], None], take_over: bool = False
) -> None:
    """Serve until SIGINT or SIGTERM. `say` hears each step of the start, `opened` when callers are served.

    `take_over`: as the successor of the process that serves now, if there is one. Under a supervisor, SIGTERM ends us
    alone: what was started beside us goes on, with its calls, and our next start takes it up.
    """
    site = load_site(settings.site)
    # The journal's thread has to get its turn soon after the disk has answered, or every call waits for 5 ms.
    sys.setswitchinterval(SWITCH_S)
    async with AsyncExitStack() as stack:
        path = control_path(settings.var, settings.instance)
        predecessor = await Living.meet(path) if take_over else None
        if predecessor is None:
            listener = inherited_listener() or listen(settings.api_host, settings.api_port)
        else:
            say(f"service: taking over from pid {predecessor.pid}")
            stack.callback(predecessor.close)
            listener = predecessor.listener
        stack.callback(listener.close)
        beside = await stack.enter_async_context(programs_beside(settings, site, say))
        center = CallCenter(settings, site, beside, predecessor=predecessor)
        stack.push_async_callback(center.close)
        say("database: schema and customers")
        await center.prepare()
        if predecessor is None:
            await center.take_up()
        front = Front(center, lambda: create_app(backend_of(center)), listener)
        stack.push_async_callback(front.close)
        control = Control(path, center, beside, front, None if predecessor is None else predecessor.pid)
        _obey_signals(stack, center, beside)
        # What is here now stays for good: looking through it again and again for garbage is CPU that callers pay for.
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        gc.enable()
        say("service: connecting to Asterisk")
        announce = asyncio.create_task(_announce(center, lambda: opened(site)), name="announce")
        stack.callback(announce.cancel)
        try:
            await center.run(front.run(), control.run(), feed_watchdog(), audit_hourly(center.clock))
        except Exception:
            if center.up.is_set():  # a bug of ours is no reason to drop those who talk and those who wait
                # How it came about is said by whoever gets the error.
                log.error("the service ends unasked; Asterisk goes on, the next start takes its calls up")  # noqa: TRY400
                await beside.leave()
            raise


def _obey_signals(stack: AsyncExitStack, center: CallCenter, beside: Beside) -> None:
    loop = asyncio.get_running_loop()

    async def end_alone() -> None:
        await center.telephony.renew_leases()
        await beside.leave()
        center.stop()

    def stop() -> None:
        notify("STOPPING=1")
        center.stop()

    endings: list[asyncio.Task[None]] = []
    loop.add_signal_handler(signal.SIGINT, stop)
    if supervised():
        loop.add_signal_handler(signal.SIGTERM, lambda: endings.append(asyncio.create_task(end_alone())))
    else:
        loop.add_signal_handler(signal.SIGTERM, stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        stack.callback(loop.remove_signal_handler, number)


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
    notify("READY=1")
    opened()
