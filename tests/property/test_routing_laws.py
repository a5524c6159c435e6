"""Laws of the ACD, whatever is told in whatever order: random histories of a small center, checked at every step."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from routing.acd.engine import Acd
from routing.acd.snapshot import AgentView, ContactView, Snapshot
from routing.acd.trace import Why
from routing.messages import (
    AgentChanged,
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
)
from routing.model import (
    RONA,
    Activity,
    AgentOrder,
    AgentProfile,
    Choice,
    Outcome,
    Presence,
    QueueRules,
    UnknownAgentError,
)
from routing.requirement import ANYONE, met, needing

CONTACTS = [f"c{n}" for n in range(6)]
AGENTS = ["ann", "bob", "cat", "dan"]
NEEDS = [ANYONE, needing({"en": 1}), needing({"en": 3}), needing({"vip": 1, "en": 2})]
QUEUES = (
    QueueRules("orders"),
    QueueRules("vip", requires=needing({"vip": 1}), agent_order=AgentOrder.MOST_PROFICIENT, ring_s=7.0),
    QueueRules("fast", ring_s=3.0, wrap_up_s=0.0, reject_delay_s=0.0, fault_delay_s=0.0),
)
SITES = [
    Configured(QUEUES, tuple(AgentProfile(agent_id, skills) for agent_id, skills in zip(AGENTS, held, strict=False)))
    for held in (
        [{"en": 3}, {"en": 1, "vip": 2}, {"en": 5, "vip": 5}, {}],
        [{"en": 1, "vip": 1}] * 4,
        [{"en": 2}, {"vip": 1, "en": 2}],  # cat and dan are gone from this one
    )
]

Given = tuple[float, Input]

contact_ids, agent_ids = st.sampled_from(CONTACTS), st.sampled_from(AGENTS)
inputs: st.SearchStrategy[Input] = st.one_of(
    st.builds(
        Entered,
        contact_ids,
        st.sampled_from([rules.queue for rules in QUEUES]),
        st.sampled_from(NEEDS),
        st.integers(0, 2),
        st.sampled_from([0.0, 1.0, 2.0]),
        st.none() | agent_ids,
    ),
    st.builds(Left, contact_ids, st.booleans()),
    st.builds(PresenceChosen, agent_ids, st.just(Presence.AVAILABLE)),
    st.builds(PresenceChosen, agent_ids, st.sampled_from(list(Presence)), st.sampled_from(["lunch", "training"])),
    st.builds(DeviceChanged, agent_ids, st.booleans()),
    st.builds(OfferSettled, st.builds("{}.o{}".format, contact_ids, st.integers(1, 4)), st.sampled_from(list(Outcome))),
    st.builds(TalkEnded, agent_ids, contact_ids, st.none() | st.sampled_from([0.0, 4.0])),
    st.builds(WrapUpFinished, agent_ids),
    st.sampled_from(SITES),
    st.just(Tick()),
)
histories = st.lists(st.tuples(st.sampled_from([0.0, 0.0, 0.0, 1.0, 6.0, 25.0]), inputs), max_size=60)
OPENING: list[Given] = [
    (0.0, given)
    for agent_id in AGENTS
    for given in (DeviceChanged(agent_id, reachable=True), PresenceChosen(agent_id, Presence.AVAILABLE))
]


@dataclass
class Moment:
    """One step of a history: what was given and decided, and the state before and after."""

    given: Input
    now: float
    decisions: list[Decision]
    before: Snapshot
    after: Snapshot
    site: Configured


def told(acd: Acd, given: Input, now: float) -> list[Decision]:
    """The decisions of a step; where the site does not know the agent, those of the time passed."""
    try:
        return acd.step(given, now)
    except UnknownAgentError:
        return acd.step(Tick(), now)


@dataclass
class History:
    """A history being played."""

    acd: Acd = field(default_factory=lambda: Acd(SITES[0], 0.0))
    now: float = 0.0
    site: Configured = SITES[0]
    offers_made: Counter[str] = field(default_factory=Counter)

    def play(self, history: list[Given]) -> Iterator[Moment]:
        """Play on, a moment an input."""
        for passed_s, drawn in history:
            self.now += passed_s
            each = drawn
            if isinstance(drawn, Entered):  # the session knows how many offers its contact had
                each = structs.replace(drawn, offers_made=self.offers_made[drawn.contact_id])
            before = self.acd.snapshot()
            decisions = told(self.acd, each, self.now)
            self.offers_made.update(made.contact_id for made in decisions if isinstance(made, MakeOffer))
            self.site = each if isinstance(each, Configured) else self.site
            yield Moment(each, self.now, decisions, before, self.acd.snapshot(), self.site)


def moments(history: list[Given]) -> Iterator[Moment]:
    """The moments of a history after four agents came to work."""
    return History().play([*OPENING, *history])


def waiting(snapshot: Snapshot) -> list[ContactView]:
    """Contacts that no agent is reserved for."""
    return [view for queue in snapshot.queues for view in queue.waiting if view.offer is None]


def may_serve(agent: AgentView, view: ContactView, site: Configured) -> bool:
    """Whether this agent, now, could be offered this contact: by the definition, from scratch."""
    rules = next(rules for rules in QUEUES if rules.queue == view.entered.queue)
    profile = next((profile for profile in site.agents if profile.agent_id == agent.agent_id), None)
    return (
        profile is not None
        and agent.presence is Presence.AVAILABLE
        and agent.activity is Activity.IDLE
        and agent.reachable
        and agent.spared_until is None
        and met(rules.requires, profile)
        and met(view.entered.requires, profile)
    )


@given(histories)
@settings(max_examples=150, deadline=None)
def test_nobody_waits_while_an_agent_who_may_serve_is_idle(history: list[Given]) -> None:
    for moment in moments(history):
        pairs = product(moment.after.agents, waiting(moment.after))
        assert not any(may_serve(agent, view, moment.site) for agent, view in pairs)


@given(histories)
@settings(max_examples=100, deadline=None)
def test_an_agent_has_at_most_one_pending_offer_and_a_contact_too(history: list[Given]) -> None:
    for moment in moments(history):
        pending = [view.offer for queue in moment.after.queues for view in queue.waiting if view.offer is not None]
        reserved = [agent for agent in moment.after.agents if agent.activity is Activity.RESERVED]
        assert len({offer.agent_id for offer in pending}) == len(pending)
        assert sorted((offer.agent_id, offer.contact_id) for offer in pending) == [
            (agent.agent_id, agent.contact_id) for agent in reserved
        ]


@given(histories)
@settings(max_examples=100, deadline=None)
def test_an_offer_is_made_once_and_settles_once(history: list[Given]) -> None:
    pending: set[str] = set()
    seen: set[str] = set()
    for moment in moments(history):
        if isinstance(moment.given, OfferSettled):
            pending.discard(moment.given.offer_id)
        for decision in moment.decisions:
            match decision:
                case MakeOffer():
                    assert decision.offer_id not in seen
                    seen.add(decision.offer_id)
                    pending.add(decision.offer_id)
                case RescindOffer():
                    assert decision.offer_id in pending
                    pending.remove(decision.offer_id)
        views = [view for queue in moment.after.queues for view in queue.waiting]
        assert {view.offer.offer_id for view in views if view.offer is not None} == pending


@given(histories)
@settings(max_examples=100, deadline=None)
def test_a_freed_agent_gets_the_lowest_tier_rank_then_the_oldest_of_those_they_may_serve(history: list[Given]) -> None:
    for moment in moments(history):
        freed = [each for each in moment.decisions if isinstance(each, MakeOffer)]
        if len(freed) != 1 or freed[0].trace.why is not Why.AGENT_FREE:
            continue
        offer = freed[0]
        agent = next(agent for agent in moment.before.agents if agent.agent_id == offer.agent_id)
        chosen = next(view for view in waiting_or_offered(moment.after) if view.entered.contact_id == offer.contact_id)
        free = AgentView(agent.agent_id, Presence.AVAILABLE, None, Activity.IDLE, 0.0, 0.0, reachable=True)
        # A step takes its input first and deadlines that have passed after it: a contact whose offer ran out in this
        # very step came back to its line when the agent was given away already.
        back = {each.contact_id for each in moment.decisions if isinstance(each, RescindOffer)}
        for view in waiting(moment.after):
            if view.entered.contact_id not in back and may_serve(free, view, moment.site):
                assert rank(chosen) < rank(view)


def rank(view: ContactView) -> tuple[int, float, str]:
    """The order of service."""
    return (view.entered.value_tier, view.entered.entered_at, view.entered.contact_id)


def waiting_or_offered(snapshot: Snapshot) -> list[ContactView]:
    """All contacts in queues."""
    return [view for queue in snapshot.queues for view in queue.waiting]


@given(histories)
@settings(max_examples=100, deadline=None)
def test_a_contact_keeps_its_age_for_as_long_as_it_is_in_its_queue(history: list[Given]) -> None:
    for moment in moments(history):
        before = {view.entered.contact_id: view.entered for view in waiting_or_offered(moment.before)}
        for view in waiting_or_offered(moment.after):
            contact_id = view.entered.contact_id
            if isinstance(moment.given, Entered) and moment.given.contact_id == contact_id:
                assert view.entered == moment.given
            else:
                assert view.entered == before[contact_id]


@given(histories)
@settings(max_examples=150, deadline=None)
def test_only_the_person_changes_presence_but_for_rona(history: list[Given]) -> None:
    """A chosen break takes effect when it can, and nothing but the next choice replaces it."""
    wish: dict[str, Choice] = {}
    for moment in moments(history):
        known = {agent.agent_id for agent in moment.before.agents}
        if isinstance(moment.given, PresenceChosen) and moment.given.agent_id in known:
            aux_code = moment.given.aux_code if moment.given.presence is Presence.AUX else None
            wish[moment.given.agent_id] = Choice(moment.given.presence, aux_code)
        in_site = {profile.agent_id for profile in moment.site.agents}
        for agent in moment.after.agents:
            holds = agent.requested_next or Choice(agent.presence, agent.aux_code)
            if agent.agent_id not in in_site or agent.agent_id not in known:
                wish[agent.agent_id] = Choice(Presence.LOGGED_OUT)
            if holds == Choice(Presence.AUX, RONA):
                assert wish[agent.agent_id].presence is Presence.AVAILABLE
            else:
                assert holds == wish.setdefault(agent.agent_id, Choice(Presence.LOGGED_OUT))
            assert agent.activity is not Activity.IDLE or agent.requested_next is None


@given(histories)
@settings(max_examples=60, deadline=None)
def test_every_change_of_an_agent_is_told_and_no_other(history: list[Given]) -> None:
    for moment in moments(history):
        shown = {agent.agent_id: agent for agent in moment.before.agents}
        last = {each.agent_id: each for each in moment.decisions if isinstance(each, AgentChanged)}
        for agent in moment.after.agents:
            before = shown.get(agent.agent_id)
            if agent.agent_id in last:
                assert told_state(last[agent.agent_id]) == told_state(agent)
            elif before is not None:
                assert told_state(before) == told_state(agent)


def told_state(agent: AgentView | AgentChanged) -> tuple[object, ...]:
    """The part of an agent's state that is told."""
    return (
        agent.presence,
        agent.aux_code,
        agent.activity,
        agent.since,
        agent.contact_id,
        agent.requested_next,
        agent.reachable,
    )


@given(histories)
@settings(max_examples=60, deadline=None)
def test_the_same_history_gives_the_same_decisions(history: list[Given]) -> None:
    assert [moment.decisions for moment in moments(history)] == [moment.decisions for moment in moments(history)]


@given(histories, histories)
@settings(max_examples=100, deadline=None)
def test_an_engine_restored_from_a_snapshot_goes_on_as_the_first_would_have(
    history: list[Given], rest: list[Given]
) -> None:
    first = History()
    for _ in first.play([*OPENING, *history]):
        pass
    in_site = {profile.agent_id for profile in first.site.agents}
    snapshot = first.acd.snapshot()
    if not all(agent.agent_id in in_site for agent in snapshot.agents):
        return  # those who only finish their last contact are left behind by a restore
    second = History(Acd.restore(first.site, snapshot), first.now, first.site, first.offers_made.copy())
    assert second.acd.snapshot() == snapshot
    assert [moment.decisions for moment in second.play(rest)] == [moment.decisions for moment in first.play(rest)]


@given(histories)
@settings(max_examples=60, deadline=None)
def test_a_tick_before_the_next_deadline_changes_nothing(history: list[Given]) -> None:
    played = History()
    for _ in played.play([*OPENING, *history]):
        pass
    due_at = played.acd.next_at()
    assert due_at is None or due_at > played.now
    assert played.acd.step(Tick(), played.now if due_at is None else (played.now + due_at) / 2) == []


@given(histories)
@settings(max_examples=60, deadline=None)
def test_an_offer_is_settled_by_its_deadline(history: list[Given]) -> None:
    for moment in moments(history):
        for view in waiting_or_offered(moment.after):
            assert view.offer is None or view.offer.expires_at > moment.now
