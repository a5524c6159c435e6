"""The running call center without its API: what is wired to what, the vital tasks, start and end.

Start: journal → what earlier processes left → ARI and AMI → reconcile → accept. Every long-lived task is vital: one
ends, the process ends and is restarted; Asterisk keeps the callers meanwhile.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog

from callcenter.asterisk.telephony import Access, AsteriskTelephony
from callcenter.blueprint import acd_configuration
from callcenter.clock import AnchoredClock, Clock
from callcenter.closings import Closing
from callcenter.config.settings import Settings
from callcenter.config.site import Site
from callcenter.contact.model import Contact, Phase
from callcenter.db.customers import CustomerIndex, CustomerSeed, Known, seed
from callcenter.db.engine import make_engine
from callcenter.db.journal import SqliteJournal
from callcenter.db.migrate import upgrade
from callcenter.db.queries import Queries
from callcenter.db.tokens import Tokens
from callcenter.db.writer import Writer
from callcenter.entropy import Entropy
from callcenter.errors import JournalError
from callcenter.feed.hub import Hub
from callcenter.feed.tally import Tally
from callcenter.floor import ChosenPresence, Floor
from callcenter.hours import Hours
from callcenter.live_site import STREAM as SITE_STREAM
from callcenter.live_site import LiveSite, Users
from callcenter.ports import Append, Entry
from callcenter.reconcile import compare
from callcenter.site_history import SiteHistory
from callcenter.switchboard import Switchboard

log = structlog.get_logger()

FLUSH_S = 5.0

ASTERISK_IS_NOT_OURS = (
    "Asterisk is not ours to change: write its files anew (python -m callcenter.companions.existing) and reload it, "
    "for the agents' phones, the emergency agents and new prompts"
)

# How long the first caller may wait at the start for us to know who is calling.
CUSTOMERS_S = 3.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The programs beside us, running: where PostgreSQL is, where Asterisk is, where its recordings lie.

    `adapt` gives Asterisk a changed site and answers what waits for its next start, as sentences; None: that Asterisk
    is not ours to change.
    """

    database_url: str
    asterisk: Access
    recordings_dir: Path
    adapt: Callable[[Site], Awaitable[Sequence[str]]] | None = None


class CallCenter:
    """One call center on one Asterisk. `open`, then `run`, then `close`; all in one event loop."""

    def __init__(
        self,
        settings: Settings,
        site: Site,
        surroundings: Surroundings,
        *,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or AnchoredClock()
        self.recordings_dir = surroundings.recordings_dir
        self._url = surroundings.database_url
        self._adapt = surroundings.adapt
        entropy = entropy or Entropy()
        self.journal = SqliteJournal(
            settings.var / settings.instance / "journal.sqlite",
            settings.node,
            self.clock.now(),
            self._committed,
            on_refused=self._refused,
        )
        self.hub: Hub
        self.tally = Tally()
        self._engine = make_engine(self._url)
        self.queries = Queries(self._engine)
        self.tokens = Tokens(self._engine, self.clock)
        self.live_site = self._live_site(site)
        self.customers = CustomerIndex(
            self._url, _ranks(site), entropy.stream("customers"), _last_agents(site), _known(site)
        )
        self.writer = Writer(self.journal, self._url, self.clock, entropy.stream("writer"))
        self.telephony = AsteriskTelephony(
            surroundings.asterisk, app=settings.app, lease_s=settings.lease_s, rng=entropy.stream("telephony")
        )
        self.floor = Floor(site=acd_configuration(site), digest=site.digest, clock=self.clock, journal=self.journal)
        self.switchboard = Switchboard(
            site=site,
            clock=self.clock,
            entropy=entropy,
            journal=self.journal,
            telephony=self.telephony,
            customers=self.customers,
            tell_floor=self.floor.tell,
            on_device=self.floor.device,
            accepting=lambda: self.journal.accepting and not self._stopping.is_set(),
        )
        self.hours = Hours(site=lambda: self.site, clock=self.clock, doors=self.floor)
        self.floor.propose = self.switchboard.propose
        self.floor.inform = self.switchboard.inform
        self.telephony.sink = self.switchboard
        self.telephony.reconcile = self._reconcile
        self._left_behind: list[Contact] = []
        self._stopping = asyncio.Event()
        self.up = asyncio.Event()
        self.mended = 0

    @property
    def site(self) -> Site:
        """The site in use."""
        return self.live_site.site

    async def open(self) -> None:
        """Bring the schema up to date, open the journal, take up what an earlier process left."""
        await upgrade(self._url)
        await seed(self._url, _seeds(self.site))
        await self.journal.open()
        self.hub = Hub(self.journal.position)
        states = await self.journal.live_states()
        self._left_behind = _contacts(states)
        self.floor.restore(
            seqs={**await self.journal.last_seqs("agent/"), **await self.journal.last_seqs("queue/")},
            presences={
                stream.removeprefix("agent/"): msgspec.json.decode(state, type=ChosenPresence)
                for stream, state in states.items()
                if stream.startswith("agent/")
            },
            talking={
                contact.talk.agent_id: contact.contact_id for contact in self._left_behind if contact.talk is not None
            },
            closings={
                stream.removeprefix("queue/"): msgspec.json.decode(state, type=tuple[Closing, ...])
                for stream, state in states.items()
                if stream.startswith("queue/")
            },
        )
        for contact in self._left_behind:
            self.switchboard.adopt(contact)
        await self.live_site.begin((await self.journal.last_seqs(SITE_STREAM)).get(SITE_STREAM, 0))
        self.hours.look()

    async def run(self, *others: Coroutine[Any, Any, None]) -> None:
        """Serve until `stop`; raises an ExceptionGroup with what ended a vital task. `others` are vital too."""
        async with asyncio.TaskGroup() as vital:
            tasks = [
                vital.create_task(_vital(name, task), name=name)
                for name, task in (
                    ("telephony", self.telephony.run()),
                    ("customers", self.customers.run()),
                    ("writer", self.writer.run()),
                    ("hours", self.hours.run()),
                    *((f"other {n}", other) for n, other in enumerate(others)),
                )
            ]
            await self._stopping.wait()
            await self._flush()
            for task in tasks:
                task.cancel()

    def stop(self) -> None:
        """End `run`: new contacts are refused from now on, what is in the journal goes to the database."""
        self._stopping.set()

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

    def _live_site(self, site: Site) -> LiveSite:
        return LiveSite(
            site,
            folder=self.settings.site,
            history=SiteHistory(self.settings.var / self.settings.instance / "sites"),
            clock=self.clock,
            journal=self.journal,
            users=Users(self._prepare, self._switch, lambda changed: seed(self._url, _seeds(changed))),
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
        # Contacts first: what the floor decides at once is recorded by them, as the new site's decision.
        self.switchboard.reconfigure(site)
        self.floor.reconfigure(acd_configuration(site), site.digest)
        self.customers.reconfigure(_ranks(site), _known(site))
        self.hours.look()
        self.telephony.tell_phones(joining)

    async def _flush(self) -> None:
        if not await self.writer.until(self.journal.position, FLUSH_S):
            log.warning("stopping before all events are in the database; the journal keeps them")

    def _committed(self, committed: Sequence[tuple[int, Entry]]) -> None:
        self.hub.publish(committed)
        self.writer.wake()
        self.tally.take(committed)

    def _refused(self, item: Append, error: JournalError) -> None:
        """What a contact did could not be remembered, so its commands never left: it can't go on."""
        for change in item.states:
            if change.stream.startswith("contact/"):
                self.switchboard.abandon(change.stream.removeprefix("contact/"), str(error))

    async def _reconcile(self) -> None:
        """Before any event of a new connection is handed on: hear what was missed, take up what was left behind."""
        if not self.up.is_set():
            await self.customers.until_loaded(CUSTOMERS_S)
        bridges = await self.telephony.bridges()
        channels = await self.telephony.survey()
        found = compare(self.switchboard.contacts, channels, bridges)
        for contact_id, signal in found.lost:
            self.switchboard.signal(contact_id, signal)
        for contact in self._left_behind:
            self.switchboard.resume(contact.contact_id)
        self._left_behind = []
        for caller in found.arrivals:
            self.switchboard.arrived(caller)
        self.telephony.clear(found.stray_legs, found.stray_bridges)
        self.mended += found.count
        log.info("reconciled", channels=len(channels), differences=found.count)
        self.up.set()


def _contacts(states: Mapping[str, bytes]) -> list[Contact]:
    contacts = []
    for stream, state in states.items():
        if not stream.startswith("contact/"):
            continue
        try:
            contacts.append(msgspec.json.decode(state, type=Contact))
        except msgspec.MsgspecError:
            log.exception("a contact of an earlier version can't be taken up", stream=stream)
    return contacts


def _ranks(site: Site) -> dict[str, int]:
    return {tier: rank for rank, tier in enumerate(site.value_tiers)}


def _known(site: Site) -> dict[str, Known]:
    return {
        customer.customer_id: Known(
            segment=customer.segment,
            preferred_agent=customer.preferred_agent,
            case_owner=customer.case_owner,
            open_case=customer.open_case,
            at_risk=customer.at_risk,
            usage=customer.usage,
        )
        for customer in site.customers.values()
    }


def _last_agents(site: Site) -> dict[str, str]:
    return {known.customer_id: known.last_agent for known in site.customers.values() if known.last_agent is not None}


def _seeds(site: Site) -> list[CustomerSeed]:
    return [
        CustomerSeed(
            customer_id=customer.customer_id,
            name=customer.name,
            value_tier=customer.value_tier,
            language=customer.language,
            phones=(customer.phone,),
        )
        for customer in site.customers.values()
    ]


async def _vital(name: str, task: Coroutine[Any, Any, None]) -> None:
    await task
    raise AssertionError(f"the vital task {name} ended by itself")
