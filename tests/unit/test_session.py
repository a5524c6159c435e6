"""A session: what a contact lives under when the site changes, and who hears of it as it ends."""

from dataclasses import dataclass, field, replace

import msgspec

from callcenter.contact import commands as ask
from callcenter.contact import signals as sig
from callcenter.contact.model import Contact, Phase
from callcenter.contact.plan import Plan
from callcenter.ports import Append, ChannelSeen
from callcenter.session import ContactSession
from tests.contacts import CALLER, ID, MENU, OFFER, PLAN, TALKING, VIP, arrival


@dataclass
class World:
    """All that a session reaches: it remembers at once, carries nothing out, and keeps the time at 200."""

    appended: list[Append] = field(default_factory=list)
    submitted: list[ask.TelephonyCommand] = field(default_factory=list)
    floor: list[ask.FloorCommand] = field(default_factory=list)
    asked: list[ask.WorldCommand] = field(default_factory=list)
    freed: list[str] = field(default_factory=list)
    forgotten: list[Contact] = field(default_factory=list)

    def now(self) -> float:
        return 200.0

    def append(self, item: Append) -> None:
        self.appended.append(item)
        if item.committed is not None:
            item.committed()

    def submit(self, command: ask.TelephonyCommand) -> None:
        self.submitted.append(command)

    async def survey(self) -> list[ChannelSeen]:
        return []

    async def bridges(self) -> list[str]:
        return []

    def session(self, hotline: str, plan: Plan = PLAN) -> ContactSession:
        """A caller who just arrived on this hotline."""
        step = arrival(hotline, plan=plan)
        session = ContactSession(
            step.contact,
            plan=plan,
            clock=self,
            journal=self,
            telephony=self,
            tell_floor=self.floor.append,
            ask_world=self.asked.append,
            line=lambda contact_id, taken: None if taken else self.freed.append(contact_id),
            forget=self.forgotten.append,
            held_back=lambda _: None,
        )
        session.begin(step, 100.0)
        return session

    @property
    def digests(self) -> list[str]:
        """The sites that the events were decided under, in order."""
        return [entry.site for item in self.appended for entry in item.entries]


NEW = replace(PLAN, site="new", queues={**PLAN.queues, "vip": replace(PLAN.queues["vip"], wrap_up_s=99.0)})


async def test_a_talk_ends_under_the_site_that_is_in_force_then() -> None:
    world = World()
    session = world.session(VIP)
    for signal in TALKING:
        session.tell(signal)
    session.replan(NEW)
    session.tell(sig.CallerLeft("caller", 16))
    assert world.floor[-1] == ask.FinishTalk(ID, "agent01", 99.0)
    assert (world.digests[0], world.digests[-1]) == ("test", "new")
    assert world.submitted[-2:] == [ask.HangUp(OFFER), ask.DropBridge(f"{ID}.b1")]


async def test_a_caller_in_a_flow_finishes_it_as_they_know_it_and_waits_under_the_new_site() -> None:
    world = World()
    session = world.session(MENU)
    session.tell(sig.PromptEnded(f"{ID}.p1"))
    session.replan(replace(NEW, flows={}))
    session.tell(sig.DigitPressed("2"))
    assert (session.contact.phase, session.contact.queue) == (Phase.QUEUED, "orders")
    types = [entry.type for item in world.appended for entry in item.entries]
    assert "ivr.flow_restarted" not in types
    assert world.digests[-1] == "new"


async def test_the_caller_frees_the_line_before_the_agents_wrap_up_ends_the_contact() -> None:
    world = World()
    session = world.session(VIP)
    for signal in (*TALKING, sig.CallerLeft("caller", 16)):
        session.tell(signal)
    assert (world.freed, world.forgotten) == ([ID], [])
    session.tell(sig.WrapUpOver("agent01"))
    assert (world.freed, [contact.contact_id for contact in world.forgotten]) == ([ID], [ID])


async def test_a_contact_that_waits_is_saved_with_its_offers_and_read_back_whole() -> None:
    world = World()
    session = world.session(VIP)
    for n in (1, 2):
        session.tell(sig.OfferProposed(f"{ID}.o{n}", f"agent0{n}", 200.0, 220.0, {}))
    (change,) = world.appended[-1].states
    assert change.state is not None
    saved = msgspec.json.decode(change.state, type=Contact)
    assert saved == session.contact
    assert [each.agent_id for each in saved.offers] == ["agent01", "agent02"]


async def test_a_caller_who_is_refused_hears_a_busy_tone_and_leaves_nothing_behind_but_the_story() -> None:
    world = World()
    step = arrival(refused="no trunk is free")
    session = ContactSession(
        step.contact,
        plan=PLAN,
        clock=world,
        journal=world,
        telephony=world,
        tell_floor=world.floor.append,
        ask_world=world.asked.append,
        line=lambda contact_id, taken: None if taken else world.freed.append(contact_id),
        forget=world.forgotten.append,
        held_back=lambda _: None,
    )
    session.begin(step, 100.0)
    assert world.submitted == [ask.HangUp(CALLER, "congestion")]
    (item,) = world.appended
    assert [change.state for change in item.states] == [None]
    assert item.entries[-1].type == "contact.ended"


def test_what_is_told_late_happened_then_but_not_before_what_is_known_already() -> None:
    for at, ended_at in ((150.0, 150.0), (50.0, 100.0), (999.0, 200.0)):
        world = World()
        session = world.session(VIP)
        session.tell(sig.CallerLeft("caller", 16), at)
        ended = world.appended[-1].entries[-1]
        assert (ended.type, ended.at) == ("contact.ended", ended_at)
        assert msgspec.json.decode(ended.data)["wait_s"] == ended_at - 100.0
