"""The ACD against a naive one that scans everyone each time: same inputs, same decisions, step by step."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from routing.acd.engine import Acd
from routing.messages import (
    Configured,
    Decision,
    DeviceChanged,
    Entered,
    Input,
    Left,
    MakeOffer,
    OfferSettled,
    PresenceChosen,
    RescindOffer,
    TalkEnded,
    Tick,
    WrapUpFinished,
    WrapUpOver,
)
from routing.model import AgentOrder, AgentProfile, Outcome, Presence, QueueRules
from routing.requirement import ANYONE, Held, Requirement, atoms, needing

DELAYS_S = {"rejected": 5.0, "busy": 10.0, "unreachable": 5.0, "failed": 5.0}
WITHDRAWN = ("no_answer", "unreachable", "rescinded")
QUEUES = (
    QueueRules("orders"),
    QueueRules("vip", requires=needing({"vip": 1}), agent_order=AgentOrder.MOST_PROFICIENT),
)
NEEDED: dict[str, dict[str, int]] = {"orders": {}, "vip": {"vip": 1}}
STAFF: dict[str, dict[str, int]] = {
    "ann": {"en": 3},
    "bob": {"en": 1, "vip": 2},
    "cat": {"en": 5, "vip": 5},
    "dan": {},
    "eve": {"en": 5, "vip": 2},
}
RETRAINED = STAFF | {"dan": {"vip": 3}, "cat": {"en": 1}, "eve": {"vip": 5}}


def _levels(requires: Requirement) -> list[tuple[str, int]]:
    """The least levels that a requirement of skills alone asks for."""
    return [(atom.skill, atom.least) for atom in atoms(requires) if isinstance(atom, Held)]


def site(staff: dict[str, dict[str, int]]) -> Configured:
    """The site with this staff."""
    return Configured(QUEUES, tuple(AgentProfile(agent_id, skills) for agent_id, skills in staff.items()))


@dataclass
class NaiveAgent:
    """An agent as a handful of loose facts."""

    agent_id: str
    presence: str = "logged_out"
    aux: str | None = None
    activity: str = "idle"
    wish: tuple[str, str | None] | None = None
    contact_id: str | None = None
    reachable: bool = False
    spared: tuple[float, str] | None = None
    wrap_up_until: float | None = None
    ready_since: float = 0.0

    def become_idle(self, now: float) -> None:
        self.activity, self.contact_id = "idle", None
        if self.wish is not None:
            self.hold(self.wish, now)
            self.wish = None

    def hold(self, wish: tuple[str, str | None], now: float) -> None:
        self.presence, self.aux = wish
        if self.presence == "available":
            self.ready_since = now


@dataclass
class NaiveContact:
    """A contact in a queue: `agent_id` is who it is being offered to."""

    entered: Entered
    needs: dict[str, int]
    n: int = 0
    agent_id: str | None = None
    expires_at: float = 0.0
    failed: dict[str, tuple[int, str]] = field(default_factory=dict)  # agent → offer's number, outcome


@dataclass
class NaiveAcd:
    """The rules of the ACD said once more, without any thought for speed."""

    staff: dict[str, dict[str, int]]
    agents: dict[str, NaiveAgent] = field(default_factory=lambda: {each: NaiveAgent(each) for each in STAFF})
    contacts: dict[str, NaiveContact] = field(default_factory=dict)
    told: list[tuple[object, ...]] = field(default_factory=list)

    def able(self, agent: NaiveAgent, contact: NaiveContact) -> bool:
        skills = self.staff[agent.agent_id]
        return all(skills.get(skill, 0) >= level for skill, level in contact.needs.items())

    def ready(self, agent: NaiveAgent) -> bool:
        return (agent.presence, agent.activity, agent.reachable, agent.spared) == ("available", "idle", True, None)

    def find_agent(self, contact: NaiveContact, now: float, *, but: NaiveAgent | None = None) -> None:
        skilled = contact.entered.queue == "vip"

        def order(agent: NaiveAgent) -> tuple[bool, int, float, str]:
            level = sum(self.staff[agent.agent_id].get(skill, 0) for skill in contact.needs)
            return (agent.agent_id in contact.failed, -level * skilled, agent.ready_since, agent.agent_id)

        ready = [each for each in self.agents.values() if each is not but and self.ready(each)]
        found = [each for each in ready if self.able(each, contact)]
        if found:
            self.offer(contact, min(found, key=order), now)

    def find_contact(self, agent: NaiveAgent, now: float) -> None:
        waiting = [each for each in self.contacts.values() if not each.agent_id and self.able(agent, each)]
        if waiting and self.ready(agent):
            self.offer(min(waiting, key=order_of_service), agent, now)

    def offer(self, contact: NaiveContact, agent: NaiveAgent, now: float) -> None:
        contact.n += 1
        contact.agent_id, contact.expires_at = agent.agent_id, now + 20.0
        agent.activity, agent.contact_id = "reserved", contact.entered.contact_id
        self.told.append(("offer", f"{contact.entered.contact_id}.o{contact.n}", agent.agent_id, now + 20.0))

    def fail(self, contact: NaiveContact, outcome: str, now: float, *, by_us: bool) -> NaiveAgent:
        assert contact.agent_id is not None
        agent = self.agents[contact.agent_id]
        contact.failed[agent.agent_id] = (contact.n, outcome)
        contact.agent_id = None
        if by_us:
            self.told.append(("rescind", f"{contact.entered.contact_id}.o{contact.n}", outcome))
        if outcome in DELAYS_S:
            agent.spared = (now + DELAYS_S[outcome], outcome)
        if outcome == "no_answer" and agent.wish is None:
            agent.wish = ("aux", "RONA")
        agent.become_idle(now)
        return agent

    def pass_on(self, contact: NaiveContact, outcome: str, now: float, *, by_us: bool) -> None:
        agent = self.fail(contact, outcome, now, by_us=by_us)
        self.find_agent(contact, now, but=agent)
        self.find_contact(agent, now)

    def talk(self, contact: NaiveContact, agent: NaiveAgent) -> None:
        del self.contacts[contact.entered.contact_id]
        agent.activity, agent.contact_id, agent.spared = "talking", contact.entered.contact_id, None

    def entered(self, given: Entered, now: float) -> None:
        known = self.contacts.get(given.contact_id)
        if known is not None and known.entered == given:
            return
        released = self.take_out(known, "rescinded", now) if known is not None else None
        needs = dict(NEEDED[given.queue])
        for skill, level in _levels(given.requires):
            needs[skill] = max(level, needs.get(skill, 0))
        contact = self.contacts[given.contact_id] = NaiveContact(given, needs, given.offers_made)
        contact.n = max(contact.n, known.n if known is not None else 0)
        preferred = self.agents.get(given.preferred_agent or "")
        likes = preferred is not None and preferred is not released and self.able(preferred, contact)
        if preferred is not None and likes and self.ready(preferred):
            self.offer(contact, preferred, now)
        else:
            self.find_agent(contact, now, but=released)
        if released is not None:
            self.find_contact(released, now)

    def take_out(self, contact: NaiveContact, outcome: str, now: float) -> NaiveAgent | None:
        agent = self.fail(contact, outcome, now, by_us=True) if contact.agent_id is not None else None
        del self.contacts[contact.entered.contact_id]
        return agent

    def left(self, contact_id: str, outcome: str, now: float) -> None:
        contact = self.contacts.get(contact_id)
        if contact is not None and (agent := self.take_out(contact, outcome, now)) is not None:
            self.find_contact(agent, now)

    def settled(self, contact_id: str, n: int, outcome: str, now: float) -> None:
        contact = self.contacts.get(contact_id)
        if contact is None:
            return
        if n == contact.n and contact.agent_id is not None:
            if outcome == "accepted":
                self.talk(contact, self.agents[contact.agent_id])
            elif outcome == "caller_gone":
                agent = self.fail(contact, outcome, now, by_us=False)
                del self.contacts[contact_id]
                self.find_contact(agent, now)
            else:
                self.pass_on(contact, outcome, now, by_us=False)
            return
        withdrawn = [who for who, (last, why) in contact.failed.items() if last == n and why in WITHDRAWN]
        if outcome == "accepted" and withdrawn:
            self.picked_up(contact, self.agents[withdrawn[0]], now)

    def picked_up(self, contact: NaiveContact, agent: NaiveAgent, now: float) -> None:
        released = self.fail(contact, "rescinded", now, by_us=True) if contact.agent_id is not None else None
        other = None
        if agent.activity in {"talking", "wrap_up"}:
            del self.contacts[contact.entered.contact_id]
        else:
            other = next((each for each in self.contacts.values() if each.agent_id == agent.agent_id), None)
            if other is not None:
                self.fail(other, "rescinded", now, by_us=True)
            if agent.aux == "RONA":
                agent.presence, agent.aux = "available", None
            self.talk(contact, agent)
        if other is not None:
            self.find_agent(other, now, but=released)
        if released is not None:
            self.find_contact(released, now)

    def chosen(self, agent: NaiveAgent, wish: tuple[str, str | None], now: float) -> None:
        holds = (agent.presence, agent.aux)
        if agent.activity != "idle":
            agent.wish = None if wish == holds else wish
        elif wish != holds:
            agent.hold(wish, now)
        self.find_contact(agent, now)

    def device(self, agent: NaiveAgent, now: float, *, reachable: bool) -> None:
        agent.reachable = reachable
        if reachable and agent.spared is not None and agent.spared[1] in {"unreachable", "failed"}:
            agent.spared = None
        ringing = next((each for each in self.contacts.values() if each.agent_id == agent.agent_id), None)
        if ringing is not None and not reachable:
            self.pass_on(ringing, "unreachable", now, by_us=True)
        else:
            self.find_contact(agent, now)

    def talk_ended(self, agent: NaiveAgent, contact_id: str, wrap_up_s: float | None, now: float) -> None:
        if agent.activity == "talking" and agent.contact_id == contact_id:
            agent.activity = "wrap_up"
            agent.wrap_up_until = now + (15.0 if wrap_up_s is None else wrap_up_s)
            if wrap_up_s == 0.0:
                self.wrapped_up(agent, now)

    def wrapped_up(self, agent: NaiveAgent, now: float) -> None:
        if agent.activity == "wrap_up":
            self.told.append(("wrapped up", agent.agent_id, agent.contact_id))
            agent.wrap_up_until, agent.ready_since = None, now
            agent.become_idle(now)
            self.find_contact(agent, now)

    def trained(self, staff: dict[str, dict[str, int]], now: float) -> None:
        self.staff = staff
        for contact in sorted(self.contacts.values(), key=order_of_service):
            if contact.agent_id is None:
                self.find_agent(contact, now)

    def time(self, now: float) -> None:
        while True:
            due: list[tuple[float, str, str]] = []
            for agent in self.agents.values():
                due += [(agent.wrap_up_until, "agent", agent.agent_id)] if agent.wrap_up_until is not None else []
                due += [(agent.spared[0], "agent", agent.agent_id)] if agent.spared is not None else []
            for contact_id, contact in self.contacts.items():
                if contact.agent_id is not None:
                    due.append((contact.expires_at, f"offer {contact_id}.o{contact.n}", contact_id))
            if not due or min(due)[0] > now:
                return
            _, kind, item_id = min(due)
            if kind != "agent":
                self.pass_on(self.contacts[item_id], "no_answer", now, by_us=True)
            elif self.agents[item_id].wrap_up_until is not None:
                self.wrapped_up(self.agents[item_id], now)
            else:
                self.agents[item_id].spared = None
                self.find_contact(self.agents[item_id], now)


def order_of_service(contact: NaiveContact) -> tuple[int, float, str]:
    """Tier rank, age, id."""
    return (contact.entered.value_tier, contact.entered.entered_at, contact.entered.contact_id)


def shown(decisions: list[Decision]) -> list[tuple[object, ...]]:
    """Decisions as the naive ACD tells them."""
    told: list[tuple[object, ...]] = []
    for each in decisions:
        match each:
            case MakeOffer():
                told.append(("offer", each.offer_id, each.agent_id, each.expires_at))
            case RescindOffer():
                told.append(("rescind", each.offer_id, each.outcome.value))
            case WrapUpOver():
                told.append(("wrapped up", each.agent_id, each.contact_id))
    return told


contact_ids = st.sampled_from([f"c{n}" for n in range(7)])
agent_ids = st.sampled_from(list(STAFF))


class TwoCenters(RuleBasedStateMachine):
    """The engine and the naive ACD live through the same day."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.acd = Acd(site(STAFF), 0.0)
        self.naive = NaiveAcd(STAFF)

    def compare(self, given: Input) -> None:
        """Step the engine and require what the naive ACD has done."""
        decisions = shown(self.acd.step(given, self.now))
        self.naive.time(self.now)
        assert decisions == self.naive.told
        self.naive.told = []
        for agent in self.acd.snapshot().agents:
            naive, wish = self.naive.agents[agent.agent_id], agent.requested_next
            assert (agent.presence, agent.aux_code, agent.activity) == (naive.presence, naive.aux, naive.activity)
            assert (agent.contact_id, agent.reachable) == (naive.contact_id, naive.reachable)
            assert agent.ready_since == naive.ready_since
            assert (None if wish is None else (wish.presence.value, wish.aux_code)) == naive.wish

    @initialize(at_work=st.lists(agent_ids, unique=True))
    def open(self, at_work: list[str]) -> None:
        for agent_id in at_work:
            self.device(agent_id, reachable=True)
            self.available(agent_id)

    @rule(passed_s=st.sampled_from([0.5, 1.0, 4.0, 5.0, 10.0, 21.0]))
    def time_passes(self, passed_s: float) -> None:
        self.now += passed_s
        self.compare(Tick())

    @rule(
        contact_id=contact_ids,
        queue=st.sampled_from(["orders", "vip"]),
        requires=st.sampled_from([ANYONE, ANYONE, needing({"en": 1}), needing({"en": 4}), needing({"vip": 3})]),
        tier=st.integers(0, 2),
        age_s=st.sampled_from([0.0, 0.0, 30.0]),
        preferred=st.none() | agent_ids,
    )
    def enter(
        self, contact_id: str, queue: str, requires: Requirement, tier: int, age_s: float, preferred: str | None
    ) -> None:
        given = Entered(contact_id, queue, requires, tier, self.now - age_s, preferred)
        self.naive.entered(given, self.now)
        self.compare(given)

    @rule(contact_id=contact_ids, abandoned=st.booleans())
    def leave(self, contact_id: str, abandoned: bool) -> None:
        self.naive.left(contact_id, "caller_gone" if abandoned else "rescinded", self.now)
        self.compare(Left(contact_id, abandoned))

    @precondition(lambda self: any(each.n for each in self.naive.contacts.values()))
    @rule(data=st.data(), outcome=st.sampled_from(["accepted"] * 6 + [each.value for each in Outcome]))
    def settle(self, data: st.DataObject, outcome: str) -> None:
        offered = sorted(contact_id for contact_id, each in self.naive.contacts.items() if each.n)
        contact_id = data.draw(st.sampled_from(offered))
        last = self.naive.contacts[contact_id].n
        n = data.draw(st.sampled_from([last, last, last, *range(1, last)]))
        self.naive.settled(contact_id, n, outcome, self.now)
        self.compare(OfferSettled(f"{contact_id}.o{n}", Outcome(outcome)))

    @precondition(lambda self: any(each.contact_id for each in self.naive.agents.values()))
    @rule(data=st.data(), wrap_up_s=st.sampled_from([None, 0.0, 3.0]))
    def end_talk(self, data: st.DataObject, wrap_up_s: float | None) -> None:
        bound = [each for each in self.naive.agents.values() if each.contact_id is not None]
        agent = data.draw(st.sampled_from(bound))
        assert agent.contact_id is not None
        contact_id = agent.contact_id
        self.naive.talk_ended(agent, contact_id, wrap_up_s, self.now)
        self.compare(TalkEnded(agent.agent_id, contact_id, wrap_up_s))

    @rule(agent_id=agent_ids)
    def finish_wrap_up(self, agent_id: str) -> None:
        self.naive.wrapped_up(self.naive.agents[agent_id], self.now)
        self.compare(WrapUpFinished(agent_id))

    @rule(agent_id=agent_ids)
    def available(self, agent_id: str) -> None:
        self.naive.chosen(self.naive.agents[agent_id], ("available", None), self.now)
        self.compare(PresenceChosen(agent_id, Presence.AVAILABLE))

    @rule(agent_id=agent_ids, aux_code=st.sampled_from(["lunch", "training"]))
    def take_a_break(self, agent_id: str, aux_code: str) -> None:
        self.naive.chosen(self.naive.agents[agent_id], ("aux", aux_code), self.now)
        self.compare(PresenceChosen(agent_id, Presence.AUX, aux_code))

    @rule(agent_id=agent_ids)
    def log_out(self, agent_id: str) -> None:
        self.naive.chosen(self.naive.agents[agent_id], ("logged_out", None), self.now)
        self.compare(PresenceChosen(agent_id, Presence.LOGGED_OUT))

    @rule(agent_id=agent_ids, reachable=st.sampled_from([True, True, False]))
    def device(self, agent_id: str, reachable: bool) -> None:
        self.naive.device(self.naive.agents[agent_id], self.now, reachable=reachable)
        self.compare(DeviceChanged(agent_id, reachable))

    @rule(staff=st.sampled_from([STAFF, RETRAINED]))
    def train(self, staff: dict[str, dict[str, int]]) -> None:
        self.naive.trained(staff, self.now)
        self.compare(site(staff))


TestTheEngineDecidesAsTheNaiveAcdDoes = TwoCenters.TestCase
TestTheEngineDecidesAsTheNaiveAcdDoes.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
