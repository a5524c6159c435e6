"""The whole call center in a test's own event loop, on the session's real Asterisk and PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from callcenter.asterisk.ari import Ari
from callcenter.asterisk.telephony import Access
from callcenter.beside import Beside
from callcenter.clock import Clock
from callcenter.companions.asterisk import AsteriskCompanion
from callcenter.config.settings import Settings, load_settings
from callcenter.config.site import Site, load_site
from callcenter.contact.model import Contact, Phase
from callcenter.db.queries import ContactDetail, ContactFilter, EventRow
from callcenter.recordings_folders import SecondFolder
from callcenter.runtime import CallCenter
from ivr.model import MenuNode
from routing.acd.snapshot import AgentView
from routing.model import Activity, Presence
from tests.kit.call import Call
from tests.kit.callee import IncomingCall
from tests.kit.caller import OutgoingCall
from tests.kit.parts import DEMO_SITE, RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

WRITTEN_S = 5.0
PAGE = 500

MENU, VIP, CLOSED = "0800000100", "0800000200", "0800000900"
NOBODY = "0912345678"  # a caller who is no customer of the demo site
CALLER_HZ, AGENT_HZ = 400.0, 700.0


class Hotline:
    """A running call center and what a test asks of it."""

    def __init__(self, center: CallCenter, asterisk: RealAsterisk, running: asyncio.Task[None]) -> None:
        self.center = center
        self.asterisk = asterisk
        self._running = running
        self._began = center.journal.position

    @property
    def agents(self) -> Sequence[AgentView]:
        """Every agent's state on the floor."""
        return self.center.floor.snapshot().agents

    @property
    def contacts(self) -> list[Contact]:
        """Live contacts, oldest first."""
        return sorted(self.center.switchboard.contacts, key=lambda contact: contact.started_at)

    def agent(self, agent_id: str) -> AgentView:
        """The agent's state on the floor."""
        return next(agent for agent in self.agents if agent.agent_id == agent_id)

    async def log_in(self, phone: Phone, agent_id: str) -> None:
        """Register the agent's phone and log the agent in; returns when calls can be offered."""
        await phone.register()
        self.center.floor.log_in(agent_id)
        await until(lambda: self.ready(agent_id), f"{agent_id} is ready")

    async def kill(self) -> None:
        """End the service in the middle of whatever it does: nothing is drained, flushed or said to anybody."""
        self._running.cancel()
        await asyncio.wait({self._running}, timeout=5.0)
        await self.center.journal.close()  # a dead process lets go of its file

    async def log_out_all(self) -> None:
        """Everybody goes home."""
        for agent in self.agents:
            self.center.floor.log_out(agent.agent_id)

    def ready(self, agent_id: str) -> bool:
        """Whether the agent could be offered a contact now."""
        agent = self.agent(agent_id)
        return (agent.presence, agent.activity, agent.reachable) == (Presence.AVAILABLE, Activity.IDLE, True)

    async def until_phase(self, phase: Phase, count: int = 1, within_s: float = 10.0) -> Contact:
        """Wait until `count` live contacts are in the phase; the oldest of them."""
        await until(
            lambda: len([c for c in self.contacts if c.phase is phase]) >= count, f"{count} in {phase}", within_s
        )
        return next(contact for contact in self.contacts if contact.phase is phase)

    async def until_ended(self, within_s: float = 10.0) -> None:
        """Wait until no contact is live, and everything about them is in the database."""
        await until(lambda: not self.contacts, "all contacts ended", within_s)
        await self.written()

    async def written(self) -> None:
        """Wait until everything that happened so far is in PostgreSQL."""
        journal = self.center.journal
        await journal.live_states()  # a read has its turn after every append that is still on its way
        await until(lambda: journal.backlog() == 0, "the journal is on the disk")
        assert await self.center.writer.until(journal.position, WRITTEN_S), self.center.writer.health()

    async def latest(self) -> ContactDetail:
        """The contact that started last, from the database."""
        page = await self.center.queries.contacts(ContactFilter(), limit=1)
        detail = await self.center.queries.contact(page.contacts[0].contact_id)
        assert detail is not None
        return detail

    async def story(self, contact_id: str) -> Sequence[EventRow]:
        """The contact's events from the database, in order; gapless and closed by what they say themselves."""
        events = await self.center.queries.contact_events(contact_id)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        return events

    async def whole_story(self, contact_id: str) -> Sequence[EventRow]:
        """The story of an ended contact: begun, ended, nothing between missing, nothing that failed."""
        events = await self.story(contact_id)
        assert events, f"{contact_id} is not in the database"
        assert events[0].type == "contact.started"
        assert (events[-1].type, data(events[-1]).get("seq_total")) == ("contact.ended", len(events)), types(events)
        assert "contact.failed" not in types(events), data(one(events, "contact.failed"))
        return events

    async def stories(self) -> Sequence[Sequence[EventRow]]:
        """The whole story of each contact that began under this call center, in order of arrival."""
        await self.written()
        begun = [event.stream for event in await self.happened() if event.type == "contact.started"]
        return [await self.whole_story(stream.removeprefix("contact/")) for stream in begun]

    async def happened(self) -> Sequence[EventRow]:
        """Every event of every stream since this call center was opened, in order."""
        queries, node = self.center.queries, self.center.settings.node
        events: list[EventRow] = []
        while page := await queries.events_after(node, events[-1].position if events else self._began, PAGE):
            events += page
        return events

    async def agent_changes(self, agent_id: str) -> Sequence[Mapping[str, object]]:
        """What became of an agent since this call center was opened: the bodies of their events."""
        await self.written()
        return [data(event) for event in await self.happened() if event.stream == f"agent/{agent_id}"]

    async def talk(
        self, trunk: Phone, agent: Phone, *, dialed: str = VIP, caller: str = NOBODY
    ) -> tuple[OutgoingCall, IncomingCall]:
        """A caller and an agent who hear each other; the agent is logged in and answers with AGENT_HZ."""
        call = trunk.call(dialed, caller=caller, tone_hz=CALLER_HZ)
        desk = await agent.next_call()
        await desk.answered()
        await hear_each_other(call, desk)
        return call, desk

    async def nothing_left(self, within_s: float = 5.0) -> None:
        """Wait until no contact is live, no agent busy, no lease held, and Asterisk has no channel and no bridge."""
        deadline = time.monotonic() + within_s
        while True:
            left = await self._left()
            if not left:
                return
            assert time.monotonic() < deadline, f"left over: {left}"
            await asyncio.sleep(0.05)

    async def _left(self) -> list[str]:
        companion = self.asterisk.companion
        app = self.center.settings.app
        async with Ari(companion.ari_url, companion.ari_user, companion.ari_password, app=app) as ari:
            return [
                *(f"contact in {contact.phase}" for contact in self.contacts),
                *(f"{agent.agent_id} {agent.activity}" for agent in self.agents if agent.activity is not Activity.IDLE),
                *(["a lease"] * self.center.telephony.leases_held),
                *(f"{channel.name} {channel.state}" for channel in await ari.channels()),
                *(f"bridge {bridge.id}" for bridge in await ari.bridges()),
            ]


async def hears_only(call: Call, hz: float, within_s: float = 5.0) -> float:
    """Wait until a party hears this tone and nothing else, neither prompt nor music; returns that instant."""
    await until(
        lambda: {round(peak.hz / 10) * 10 for peak in call.heard(0.2)} == {hz}, f"{call} hears only {hz} Hz", within_s
    )
    return time.monotonic()


async def hear_each_other(call: OutgoingCall, desk: IncomingCall) -> None:
    """Wait until the caller hears the agent's tone and the agent the caller's, and neither anything else."""
    await asyncio.gather(hears_only(call, AGENT_HZ), hears_only(desk, CALLER_HZ))


def types(events: Sequence[EventRow]) -> list[str]:
    """The event types, in order."""
    return [event.type for event in events]


def data(event: EventRow) -> dict[str, object]:
    """The event's own fields."""
    return dict(event.data)


def ms(earlier_at: float | None, later_at: float | None) -> float:
    """Milliseconds between two instants of a call, both reached."""
    assert earlier_at is not None
    assert later_at is not None
    return round((later_at - earlier_at) * 1000, 1)


def one(events: Sequence[EventRow], type_: str) -> EventRow:
    """The only event of that type."""
    found = [event for event in events if event.type == type_]
    assert len(found) == 1, f"{len(found)} × {type_} in {types(events)}"
    return found[0]


def outcomes(events: Sequence[EventRow]) -> list[tuple[object, object]]:
    """Who was offered the contact and what came of it, in order."""
    return [(data(event)["agent_id"], data(event)["outcome"]) for event in events if event.type == "offer.settled"]


def access(companion: AsteriskCompanion) -> Access:
    """How the call center reaches this Asterisk."""
    return Access(
        ari_url=companion.ari_url,
        ari_user=companion.ari_user,
        ari_password=companion.ari_password,
        ami_host=companion.ami_host,
        ami_port=companion.ami_port,
        ami_user=companion.ami_user,
        ami_password=companion.ami_password,
        sounds=companion.sounds_dir_in_asterisk,
        cel=companion.cel_path,
    )


def brisk_site(*, wrap_up_s: float = 0.5, ring_s: float = 3.0) -> Site:
    """The demo site with short wrap-up and ring times, so that tests need not wait for them."""
    site = load_site(DEMO_SITE)
    queues = {name: replace(queue, wrap_up_s=wrap_up_s, ring_s=ring_s) for name, queue in site.queues.items()}
    return replace(site, queues=queues)


def without_announcement(site: Site) -> Site:
    """The VIP hotline leads to music at once."""
    return replace(site, hotlines={**site.hotlines, VIP: replace(site.hotlines[VIP], announcement=())})


def quick_menu(site: Site, timeout_s: float = 0.3) -> Site:
    """The main menu with prompts of a second and little patience for a key."""
    flow = site.flows["main"]
    menu = flow.nodes["menu"]
    assert isinstance(menu, MenuNode)
    short = ("welcome_vip",)
    quick = replace(menu, prompts=short, no_input_prompts=(), wrong_key_prompts=(), timeout_s=timeout_s)
    return replace(site, flows={**site.flows, "main": replace(flow, nodes={**flow.nodes, "menu": quick})})


def settings_for(var: Path, **given: int | str) -> Settings:
    """Settings of a test's call center; its Asterisk and database are given to it."""
    return load_settings(var=var, site=DEMO_SITE, **given)


@asynccontextmanager
async def open_hotline(
    var: Path,
    asterisk: RealAsterisk,
    database_url: str,
    site: Site | None = None,
    settings: Settings | None = None,
    adapt: Callable[[Site], Awaitable[Sequence[str]]] | None = None,
    way: Access | None = None,
    second: SecondFolder | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Hotline]:
    """Run the call center until the block ends; a vital task that ends early fails the test.

    `way` is how it reaches Asterisk, if not directly; `second` the second folder of recordings, if there is one;
    `clock` another one than the machine's.
    """
    companion = asterisk.companion
    beside = Beside(database_url, way or access(companion), companion.recordings_dir, adapt, second=second)
    center = CallCenter(settings or settings_for(var), site or brisk_site(), beside, clock=clock)
    try:
        await center.open()
        running = asyncio.create_task(center.run(), name="call center")
        up = asyncio.create_task(center.up.wait(), name="until up")
        await asyncio.wait({running, up}, timeout=15.0, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if running.done():
            await running
        assert center.up.is_set(), "the call center did not reach Asterisk"
        try:
            yield Hotline(center, asterisk, running)
        finally:
            center.stop()
            with suppress(asyncio.CancelledError):
                await running
    finally:
        await center.close()


def decoded(state: bytes) -> Contact:
    """A contact as the journal keeps it."""
    return msgspec.json.decode(state, type=Contact)
