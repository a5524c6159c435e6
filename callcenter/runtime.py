"""The running call center without its API: what is wired to what, the vital tasks, start and end.

Start: journal → what earlier processes left → ARI and AMI → reconcile → accept. Every long-lived task is vital: one
ends, the process ends and is restarted; Asterisk keeps the callers meanwhile.

A successor of a running process starts in another order: events first, then the journal (docs/operations.md).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import structlog

from callcenter import site_customers
from callcenter.asterisk.telephony import AsteriskTelephony
from callcenter.beside import Beside
from callcenter.blueprint import acd_configuration
from callcenter.clock import AnchoredClock, Clock
from callcenter.closings import closings_in
from callcenter.config.settings import Settings
from callcenter.config.site import Site
from callcenter.contact.commands import SendToFallback, StopSaying
from callcenter.contact.model import Contact, Phase
from callcenter.db.customers import seed
from callcenter.db.engine import make_engine
from callcenter.db.journal import SqliteJournal
from callcenter.db.migrate import upgrade
from callcenter.db.queries import Queries
from callcenter.db.tokens import Tokens
from callcenter.db.writer import Writer
from callcenter.drift import Drift
from callcenter.entropy import Entropy
from callcenter.errors import JournalError
from callcenter.feed.hub import Hub
from callcenter.feed.tally import Tally
from callcenter.floor import Floor
from callcenter.flow_drafts import FlowDrafts
from callcenter.flows import Flows
from callcenter.hours import Hours
from callcenter.live_site import STREAM as SITE_STREAM
from callcenter.live_site import LiveSite, Users
from callcenter.lost_contacts import LostContacts
from callcenter.ports import Append, DeviceSeen, Entry
from callcenter.presences import presences_in
from callcenter.prompts import Prompts
from callcenter.recordings_check import RecordingsCheck
from callcenter.session import left_behind
from callcenter.site_history import SiteHistory
from callcenter.sources import make_sources
from callcenter.switchboard import Switchboard
from callcenter.world import make_world

log = structlog.get_logger()

FLUSH_S = 5.0

ASTERISK_IS_NOT_OURS = (
    "Asterisk is not ours to change: write its files anew (python -m callcenter.companions.existing) and reload it, "
    "for the agents' phones, the emergency agents and new prompts"
)

CUSTOMERS_S = 3.0  # the first caller waits at most so long at the start for us to know who is calling

# Whether nothing is on its way is looked at this often; longer than QUIET_S a successor is not kept waiting.
QUIET_LOOK_S = 0.002
QUIET_S = 1.0

WAITING = frozenset({Phase.IVR, Phase.QUEUED, Phase.CONNECTING, Phase.GOODBYE})


class Predecessor(Protocol):
    """The running process whose successor we are."""

    async def close_doors(self) -> None:
        """Let it answer nobody at the API any more; from now on it yields Asterisk's events to us."""

    async def release(self) -> int:
        """Let it finish what it has begun and let go of the journal; its epoch. Raises CallCenterError."""


class CallCenter:
    """One call center on one Asterisk. `open`, then `run`, then `close`; all in one event loop.

    With a `predecessor`: `prepare`, then `run`, which takes up what the predecessor releases.
    """

    def __init__(
        self,
        settings: Settings,
        site: Site,
        beside: Beside,
        *,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        predecessor: Predecessor | None = None,
    ) -> None:
        self.settings, self._predecessor = settings, predecessor
        self.clock = clock or AnchoredClock()
        self.recordings_dir = beside.recordings_dir
        self.database_url = beside.database_url
        self._adapt = beside.adapt
        entropy, own = entropy or Entropy(), settings.var / settings.instance
        path, began_at = own / "journal.sqlite", self.clock.now()
        self.journal = SqliteJournal(path, settings.node, began_at, self._committed, on_refused=self._refused)
        self.hub: Hub
        self.tally, self._engine = Tally(), make_engine(self.database_url)
        self.queries, self.tokens = Queries(self._engine), Tokens(self._engine, self.clock)
        self.live_site = self._live_site(site)
        self.flows = Flows(self.live_site, FlowDrafts(own / "drafts"), self.clock)
        self.prompts = Prompts(self.live_site, own / "prompt_drafts")
        self.customers = site_customers.index(self.database_url, site, entropy.stream("customers"))
        self.writer = Writer(self.journal, self.database_url, self.clock, entropy.stream("writer"))
        known = (self.clock, self.journal, self.queries, lambda: self.site.digest)
        self.recordings = RecordingsCheck(beside.folders(settings), *known)
        self.lost = LostContacts(settings.node, *known, self.writer)
        rng, prefix = entropy.stream("telephony"), self.recordings.prefix
        self.telephony = AsteriskTelephony(
            *(beside.asterisk, self.clock), app=settings.app, lease_s=settings.lease_s, rng=rng, recordings=prefix
        )
        self.floor = Floor(site=acd_configuration(site), digest=site.digest, clock=self.clock, journal=self.journal)
        sources = beside.answers or make_sources(self._engine, settings, lambda: self.site, self.customers.card)
        self.world = make_world(sources, settings, beside.asterisk)
        self.switchboard = Switchboard(
            site=site,
            clock=self.clock,
            entropy=entropy,
            journal=self.journal,
            telephony=self.telephony,
            customers=self.customers,
            tell_floor=self.floor.tell,
            ask_world=self.world.ask,
            on_device=self._device,
            dials_out=beside.asterisk.trunk is not None,
            accepting=lambda: self.journal.accepting and not self._stopping.is_set() and not self.draining,
        )
        on_disk = partial(self.journal.last_seqs, "-")  # a read has its turn after every append before it
        self.drift = Drift(self.telephony, self.switchboard, self.clock, self.recordings.unseen, on_disk)
        self.hours = Hours(site=lambda: self.site, clock=self.clock, doors=self.floor)
        self.floor.propose, self.floor.inform = self.switchboard.propose, self.switchboard.inform
        self.telephony.sink, self.world.tell = self.switchboard, self.switchboard.inform
        self.telephony.reconcile = self._reconcile
        self._left_behind: list[Contact] = []
        self._stopping, self.taken_up, self.up = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.draining = self._released = False
        self._succeeding: asyncio.Task[None] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def site(self) -> Site:
        """The site in use."""
        return self.live_site.site

    async def open(self) -> None:
        """Bring the schema up to date, open the journal, take up what an earlier process left."""
        await self.prepare()
        await self.take_up()

    async def prepare(self) -> None:
        """Bring the schema and the site's customers up to date: all that can be done beside a running predecessor."""
        await upgrade(self.database_url)
        await seed(self.database_url, site_customers.seeds(self.site))

    async def take_up(self) -> None:
        """Open the journal and take up what an earlier process left."""
        await self.journal.open()
        self.hub = Hub(self.journal.position)
        states = await self.journal.live_states()
        self._left_behind = left_behind(states)
        self.floor.restore(
            seqs={**await self.journal.last_seqs("agent/"), **await self.journal.last_seqs("queue/")},
            presences=presences_in(states),
            talking={agent_id: left.contact_id for left in self._left_behind if (agent_id := left.busy_agent)},
            offered={offer.offer_id: offer.agent_id for left in self._left_behind for offer in left.offers},
            closings=closings_in(states),
            states=states,
        )
        last = await self.journal.read_after(self.journal.position - 1, 1)
        lived_to = last[0].entry.at if last else 0.0
        self.drift.restore(lived_to)
        await self.recordings.restore(states, self._left_behind, lived_to)
        self.lost.restore(contact.contact_id for contact in self._left_behind)
        for contact in self._left_behind:
            self.switchboard.adopt(contact, await self.flows.begun(contact))
        await self.live_site.begin((await self.journal.last_seqs(SITE_STREAM)).get(SITE_STREAM, 0))
        self.hours.look()
        self.taken_up.set()

    async def run(self, *others: Coroutine[Any, Any, None]) -> None:
        """Serve until `stop`; raises an ExceptionGroup with what ended a vital task. `others` are vital too."""
        async with asyncio.TaskGroup() as vital:
            self._tasks = {
                name: vital.create_task(_vital(name, task), name=name)
                for name, task in (
                    ("telephony", self._serve_calls()),
                    ("customers", self.customers.run()),
                    ("journal", self._once_taken_up(self.journal.run)),
                    ("writer", self._once_taken_up(self.writer.run)),
                    ("hours", self._once_taken_up(self.hours.run)),
                    ("world", self.world.run()),
                    ("drift", self._once_taken_up(self.drift.run)),
                    ("recordings", self._once_taken_up(self.recordings.run)),
                    ("lost contacts", self._once_taken_up(lambda: self.lost.run(self.up))),
                    *((f"other {n}", other) for n, other in enumerate(others)),
                )
            }
            await self._stopping.wait()
            if not self._released:
                await self._flush()
            for task in self._tasks.values():
                task.cancel()

    def stop(self) -> None:
        """End `run`: new contacts are refused from now on, what is in the journal goes to the database."""
        self._stopping.set()

    def let_yield(self) -> None:
        """A successor is about to take the calls' events over; `release` comes next, or `take_back`."""
        self.telephony.let_yield()

    def take_back(self) -> None:
        """The successor failed before `release`: all is ours again."""
        self.telephony.take_back()

    async def release(self) -> int:
        """Let go of the journal at a moment when nothing is on its way, and end `run`; the epoch that was ours."""
        await self._quiet()
        # Nothing may leave from here on: whoever reads the journal next would not know of it.
        self.telephony.retire()
        self._released = True
        users = [
            self._tasks[name]
            for name in ("journal", "writer", "hours", "world", "drift", "recordings", "lost contacts")
        ]
        for task in users:
            task.cancel()
        await asyncio.wait(users)
        epoch = self.journal.file.epoch
        await self.journal.close()
        self._stopping.set()
        return epoch

    def rescue(self) -> int:
        """Send everybody who waits to the fallback dialplan, at once; who talks goes on talking. How many were sent."""
        waiting = [contact for contact in self.switchboard.contacts if contact.phase in WAITING and contact.channel_id]
        for contact in waiting:
            if contact.playback_id is not None:  # else Asterisk would let it end first
                self.telephony.submit(StopSaying(contact.channel_id, contact.playback_id))
            self.telephony.submit(SendToFallback(contact.channel_id))
        return len(waiting)

    async def close(self) -> None:
        """Close the journal and the pool. Safe after a failed `open`."""
        self._stopping.set()
        if hasattr(self, "hub"):
            self.hub.close()
        await self.journal.close()
        await self._engine.dispose()

    @property
    def contacts_by_phase(self) -> Mapping[str, int]:
        """How many live contacts are in each phase."""
        counts = Counter(contact.phase.value for contact in self.switchboard.contacts)
        return {phase.value: counts[phase.value] for phase in Phase if phase is not Phase.ENDED}

    async def _serve_calls(self) -> None:
        if self._predecessor is not None:
            # Everything slow lies behind us when the events begin to come to us.
            await self.customers.until_loaded(CUSTOMERS_S)
            await self._predecessor.close_doors()
        await self.telephony.run()

    async def _once_taken_up(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await self.taken_up.wait()
        await work()

    async def _succeed(self, predecessor: Predecessor) -> None:
        """The events come to us and wait: now the journal, and with it every contact."""
        former = await predecessor.release()
        await self.take_up()
        assert self.journal.file.epoch > former, "an epoch is given once"
        self.telephony.tell_phones(self.site.agents.keys())

    def _device(self, seen: DeviceSeen) -> None:
        if self.taken_up.is_set():  # else the floor, once it is restored, is told of every phone
            self.floor.device(seen)

    def _live_site(self, site: Site) -> LiveSite:
        return LiveSite(
            site,
            folder=self.settings.site,
            history=SiteHistory(self.settings.var / self.settings.instance / "sites"),
            clock=self.clock,
            journal=self.journal,
            users=Users(
                self._prepare, self._switch, lambda changed: seed(self.database_url, site_customers.seeds(changed))
            ),
        )

    async def _prepare(self, before: Site, site: Site) -> Sequence[str]:
        """Before a change of the site: Asterisk gets to know its phones and prompts."""
        if self._adapt is not None:
            return await self._adapt(site)
        if (before.agents.keys(), before.prompts, before.emergency_agents) == (
            site.agents.keys(),
            site.prompts,
            site.emergency_agents,
        ):
            return ()
        return (ASTERISK_IS_NOT_OURS,)

    def _switch(self, site: Site) -> None:
        """The site changed: everybody who decides has it now."""
        joining = site.agents.keys() - {agent.agent_id for agent in self.floor.snapshot().agents}
        # Contacts first: what the floor decides at once, they record as the new site's decision.
        self.switchboard.reconfigure(site)
        self.floor.reconfigure(acd_configuration(site), site.digest)
        self.customers.reconfigure(site_customers.ranks(site), site_customers.known(site))
        self.hours.look()
        self.telephony.tell_phones(joining)

    async def _quiet(self) -> None:
        """Wait until nothing is on its way, to Asterisk or to the disk; QUIET_S at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET_S):
                while self.telephony.in_flight or not self.journal.idle:  # noqa: ASYNC110 - neither tells
                    await asyncio.sleep(QUIET_LOOK_S)

    async def _flush(self) -> None:
        await self._quiet()
        if not await self.writer.until(self.journal.position, FLUSH_S):
            log.warning("stopping before all events are in the database; the journal keeps them")

    def _committed(self, committed: Sequence[tuple[int, Entry]]) -> None:
        self.hub.publish(committed)
        self.writer.wake()
        self.tally.take(committed)
        self.recordings.heard(committed)

    def _refused(self, item: Append, error: JournalError) -> None:
        """What a contact did could not be remembered, so its commands never left: it can't go on."""
        for change in item.states:
            if change.stream.startswith("contact/"):
                self.switchboard.abandon(change.stream.removeprefix("contact/"), str(error))

    async def _reconcile(self) -> None:
        """Before any event of a new connection is handed on: hear what was missed, take up what was left behind."""
        if not self.up.is_set():
            await self.customers.until_loaded(CUSTOMERS_S)
        if self._predecessor is not None and not self.taken_up.is_set():
            if self._succeeding is None:
                self._succeeding = asyncio.create_task(self._succeed(self._predecessor), name="succeed")
            await asyncio.shield(self._succeeding)  # a link that is lost meanwhile syncs again; this happens once
        differences = await self.drift.reconcile(self._left_behind)
        self._left_behind = []
        log.info("reconciled", differences=differences)
        self.up.set()


async def _vital(name: str, task: Coroutine[Any, Any, None]) -> None:
    await task
    raise AssertionError(f"the vital task {name} ended by itself")
