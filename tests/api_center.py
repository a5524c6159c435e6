"""A call center for tests of the API: all parts are real, from PostgreSQL to HTTP; only Asterisk is absent."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from api.app import create_app
from api.backend import Backend, Health, Part
from api.server import ApiServer
from callcenter import site_customers
from callcenter.blueprint import acd_configuration
from callcenter.clock import AnchoredClock
from callcenter.config.site import Site, load_site
from callcenter.contact import events as happened
from callcenter.contact.commands import EnterQueue, LeaveQueue
from callcenter.contact.signals import OfferProposed
from callcenter.db.customer_records import store_records
from callcenter.db.customers import CustomerIndex, CustomerSeed, seed
from callcenter.db.engine import make_engine
from callcenter.db.journal import SqliteJournal
from callcenter.db.migrate import upgrade
from callcenter.db.queries import Queries
from callcenter.db.tokens import Role, Tokens
from callcenter.db.writer import Writer
from callcenter.entropy import Entropy
from callcenter.feed.hub import Hub
from callcenter.feed.tally import Tally
from callcenter.floor import Floor
from callcenter.flow_drafts import FlowDrafts
from callcenter.flows import Flows
from callcenter.live_site import LiveSite, Users
from callcenter.ports import Append, Entry
from callcenter.prompts import Prompts
from callcenter.site_history import SiteHistory
from routing.requirement import ANYONE
from tests.kit.parts import DEMO_SITE
from tests.kit.tones import tone, write_wav

SITE = load_site(DEMO_SITE)
WAIT_S = 10.0
PLATINUM = "+886910000001"


@dataclass
class Center:
    """The running API and the parts behind it."""

    backend: Backend
    journal: SqliteJournal
    writer: Writer
    floor: Floor
    url: str
    database_url: str
    http: aiohttp.ClientSession
    tokens: dict[str, str]
    entropy: Entropy
    offers: list[OfferProposed]
    health: Health
    trunks_in_use: int = 0
    seqs: dict[str, int] = field(default_factory=dict)

    def request(
        self, method: str, path: str, token: str | None = "supervisor", **given: Any
    ) -> "aiohttp.client._RequestContextManager":
        """A request with the token of that name (agent01, agent02, supervisor, admin), or none."""
        headers = dict(given.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {self.tokens.get(token, token)}"
        return self.http.request(method, f"{self.url}{path}", headers=headers, **given)

    async def json(self, method: str, path: str, token: str | None = "supervisor", **given: Any) -> tuple[int, Any]:
        """Status and body of a request."""
        async with self.request(method, path, token, **given) as response:
            return response.status, await response.json(content_type=None)

    def remember(self, stream: str, at: float, body: happened.Body) -> None:
        """Append an event to the journal, as its session would."""
        seq = self.seqs[stream] = self.seqs.get(stream, 0) + 1
        data = msgspec.json.encode(body)
        self.journal.append(Append([Entry(stream, seq, at, body.type, body.version, data, SITE.digest, "test")]))

    async def settled(self) -> int:
        """Wait until everything appended so far is published and in PostgreSQL; the position then."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.journal.append(Append([], (), lambda: written.set_result(None)))
        await asyncio.wait_for(written, WAIT_S)
        if self.backend.hub.events_total:
            assert await self.writer.until(self.journal.position, WAIT_S)
        return self.journal.position

    def served_contact(
        self,
        *,
        started_at: float,
        agent_id: str = "agent01",
        queue: str = "product",
        caller: str = PLATINUM,
        customer_id: str | None = None,
    ) -> str:
        """Remember a whole served contact, recording included; its id."""
        contact_id = self.entropy.contact_id(started_at)
        files = (f"{contact_id}.r1-caller.wav", f"{contact_id}.r1-agent.wav")
        for file, pitch_hz in zip(files, (440.0, 660.0), strict=True):
            write_wav(self.backend.recordings_dir / file, [tone(pitch_hz, 1.0)])
        for seconds, body in enumerate(_story(contact_id, agent_id, queue, caller, customer_id, files)):
            self.remember(f"contact/{contact_id}", started_at + seconds, body)
        return contact_id

    def wait_in(self, queue: str, *, entered_at: float, tier: str = "standard") -> str:
        """Put a contact into a queue of the floor; its id."""
        contact_id = self.entropy.contact_id(entered_at)
        self.floor.tell(EnterQueue(contact_id, queue, ANYONE, SITE.tier_rank(tier), entered_at, None))
        return contact_id

    def leave(self, contact_id: str) -> None:
        """The waiting contact is gone."""
        self.floor.tell(LeaveQueue(contact_id))


def _story(
    contact_id: str, agent_id: str, queue: str, caller: str, customer_id: str | None, files: tuple[str, str]
) -> Sequence[happened.Body]:
    offer_id, recording_id = f"{contact_id}.o1", f"{contact_id}.r1"
    card: Mapping[str, Any] = {"customer_id": customer_id, "name": "王小明", "caller": caller}
    return (
        happened.ContactStarted(
            "inbound", "voice", "ch-1", caller, caller, "0800000100", customer_id, "platinum", "zh-TW"
        ),
        happened.IvrEntered("main", "1"),
        happened.IvrLeft("queue", "product", 1.0),
        happened.QueueEntered(queue, {queue: 1}, "platinum", None),
        happened.OfferMade(offer_id, agent_id, queue, 0.0, card, {}),
        happened.OfferRinging(offer_id, agent_id),
        happened.OfferSettled(offer_id, agent_id, "accepted", 1.0),
        happened.QueueLeft(queue, "answered", 4.0),
        happened.TalkStarted(agent_id, offer_id, f"{contact_id}.b1"),
        happened.RecordingStarted(recording_id, *files, "always"),
        happened.TalkEnded(agent_id, 2.0, 0.0),
        happened.RecordingStopped(recording_id, 1.0),
        happened.CallerGone("caller", "agent", 16),
        happened.WrapUpStarted(agent_id, 15.0),
        happened.WrapUpEnded(agent_id, 1.0),
        happened.ContactEnded("agent", "caller", 4.0, 2.0, 0.0, 1.0, 16),
    )


@asynccontextmanager
async def open_center(database_url: str, directory: Path) -> AsyncIterator[Center]:
    """Start everything on a fresh database; end it all."""
    await upgrade(database_url)
    known = SITE.customers.values()
    await seed(database_url, [CustomerSeed(c.customer_id, c.name, c.value_tier, c.language, (c.phone,)) for c in known])
    clock = AnchoredClock()
    hubs: list[Hub] = []
    tally = Tally()

    def committed(items: Sequence[tuple[int, Entry]]) -> None:
        hubs[0].publish(items)
        writer.wake()
        tally.take(items)

    journal = SqliteJournal(directory / "journal.sqlite", "n1", clock.now(), committed)
    await journal.open()
    hub = Hub(journal.position)
    hubs.append(hub)
    writer = Writer(journal, database_url, clock, random.Random(1), linger_s=0.0)
    floor = Floor(site=acd_configuration(SITE), digest=SITE.digest, clock=clock, journal=journal)
    offers: list[OfferProposed] = []
    floor.propose = lambda _, offer: offers.append(offer)
    floor.inform = _nobody_listens
    engine = make_engine(database_url)
    customers = CustomerIndex(
        database_url,
        site_customers.ranks(SITE),
        random.Random(2),
        site_customers.last_agents(SITE),
        site_customers.known(SITE),
    )
    tokens = Tokens(engine, clock)
    health = Health(
        parts=(Part("ari", ok=True, required=True, detail="up"), Part("database", ok=True, required=False, detail="")),
        contacts_by_phase={"queued": 2},
        journal_backlog=0,
        writer_lag_s=0.0,
        ari_up=True,
    )
    recordings_dir = directory / "recordings"
    recordings_dir.mkdir()
    centers: list[Center] = []
    live_site = LiveSite(
        SITE,
        folder=DEMO_SITE,
        history=SiteHistory(directory / "sites"),
        clock=clock,
        journal=journal,
        users=Users(_no_asterisk, lambda _: None, lambda _: seed(database_url, [])),
    )
    backend = Backend(
        clock=clock,
        site=lambda: SITE,
        queries=Queries(engine),
        tokens=tokens,
        floor=floor,
        hub=hub,
        health=lambda: centers[0].health,
        recordings_dir=recordings_dir,
        live_site=live_site,
        flows=Flows(live_site, FlowDrafts(directory / "drafts"), clock),
        prompts=Prompts(live_site, directory / "prompt_drafts"),
        customers=customers,
        store_customers=partial(store_records, database_url),
        trunks_in_use=lambda: centers[0].trunks_in_use,
        tally=tally,
    )
    server = ApiServer(create_app(backend), "127.0.0.1", 0)
    writing = asyncio.gather(writer.run(), customers.run())
    await server.start()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(WAIT_S)) as http:
        center = Center(
            backend, journal, writer, floor, f"http://127.0.0.1:{server.port}", database_url, http,
            {
                "agent01": await tokens.create(Role.AGENT, "test", "agent01"),
                "agent02": await tokens.create(Role.AGENT, "test", "agent02"),
                "supervisor": await tokens.create(Role.SUPERVISOR, "test"),
                "admin": await tokens.create(Role.ADMIN, "test"),
            },
            Entropy(7), offers, health,
        )  # fmt: skip
        centers.append(center)
        assert await customers.until_loaded(WAIT_S)
        try:
            yield center
        finally:
            hub.close()
            await server.stop()
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            await journal.close()
            await engine.dispose()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def center(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Center]:
    """A running call center of this test module's own, on a fresh database."""
    async with open_center(database_url, tmp_path_factory.mktemp("center")) as opened:
        yield opened


async def _no_asterisk(_: Site, __: Site) -> Sequence[str]:
    """Asterisk is absent here."""
    return ()


def _nobody_listens(_: str, __: object) -> None:
    """Sessions are absent here; what the floor tells them goes nowhere."""
