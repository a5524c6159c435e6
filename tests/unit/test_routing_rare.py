"""The ACD when the unusual happens: a crossed answer, a new site, a stranger, a torn snapshot."""

import pytest

from routing.acd.engine import Acd
from routing.messages import (
    AgentChanged,
    DeviceChanged,
    PresenceChosen,
    RescindOffer,
    TalkEnded,
    Tick,
)
from routing.model import (
    Activity,
    Outcome,
    Presence,
    QueueRules,
    UnknownAgentError,
    UnknownQueueError,
)
from routing.requirement import needing
from tests.acd import agent, entered, offers, run, settled, site, staffed

EN = needing({"en": 1})


def test_a_phone_picked_up_as_its_time_ran_out_is_talking_and_the_next_offer_is_rescinded() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}))
    acd.step(entered("c1", 10.0), 10.0)
    acd.step(Tick(), 30.0)
    decisions = acd.step(settled("c1.o1", Outcome.ACCEPTED), 30.01)
    assert decisions[0] == RescindOffer("c1.o2", "c1", Outcome.RESCINDED)
    assert (agent(acd, "ann").presence, agent(acd, "ann").activity) == (Presence.AVAILABLE, Activity.TALKING)
    assert (agent(acd, "bob").activity, agent(acd, "bob").ready_since) == (Activity.IDLE, 2.0)
    assert acd.step(settled("c1.o2", Outcome.ACCEPTED), 30.02) == []


def test_an_agent_reserved_anew_passes_that_contact_on_when_the_withdrawn_offer_turns_out_picked_up() -> None:
    acd = staffed(site({"ann": {"en": 1}, "bob": {}}))
    acd.step(entered("c1", 10.0, requires=EN), 10.0)
    acd.step(DeviceChanged("ann", reachable=False), 11.0)
    acd.step(entered("c2", 11.0, value_tier=0, requires=EN), 11.0)
    acd.step(DeviceChanged("ann", reachable=True), 12.0)
    assert agent(acd, "ann").contact_id == "c2"
    decisions = acd.step(settled("c1.o1", Outcome.ACCEPTED), 12.1)
    assert decisions[0] == RescindOffer("c2.o1", "c2", Outcome.RESCINDED)
    assert (agent(acd, "ann").activity, agent(acd, "ann").contact_id) == (Activity.TALKING, "c1")
    assert [view.entered.contact_id for view in acd.snapshot().queues[0].waiting] == ["c2"]
    assert offers(acd.step(TalkEnded("ann", "c1", 0.0), 13.0)) == [("c2", "ann")]


def test_a_late_pick_up_ends_the_delay_and_the_agent_serves_again_after_it() -> None:
    acd = staffed(site({"ann": {}}))
    run(acd, 10.0, entered("c1", 10.0), settled("c1.o1", Outcome.UNREACHABLE), settled("c1.o1", Outcome.ACCEPTED))
    run(acd, 11.0, entered("c2", 11.0), TalkEnded("ann", "c1"))
    assert offers(acd.step(Tick(), 26.0)) == [("c2", "ann")]


def test_a_contact_for_an_unknown_queue_is_refused_and_changes_nothing() -> None:
    acd = staffed(site({"ann": {}}))
    before = acd.snapshot()
    with pytest.raises(UnknownQueueError):
        acd.step(entered("c1", 3.0, queue="nowhere"), before.at)
    with pytest.raises(UnknownAgentError):
        acd.step(PresenceChosen("nobody", Presence.AVAILABLE), before.at)
    assert acd.step(DeviceChanged("nobody", reachable=True), before.at) == []
    assert acd.snapshot() == before


def test_a_new_site_gives_an_agent_a_skill_and_at_once_the_contact_that_needs_it() -> None:
    acd = staffed(site({"ann": {}}))
    acd.step(entered("c1", 10.0, requires=EN), 10.0)
    made = acd.step(site({"ann": {"en": 3}}), 20.0)
    assert offers(made) == [("c1", "ann")]
    assert acd.snapshot().queues[0].waiting[0].entered.entered_at == 10.0


def test_an_agent_gone_from_the_site_finishes_and_is_gone() -> None:
    acd = staffed(site({"ann": {}, "bob": {}}))
    run(acd, 10.0, entered("c1", 10.0), settled("c1.o1", Outcome.ACCEPTED))
    told = acd.step(site({}), 20.0)
    assert [(each.agent_id, each.presence) for each in told if isinstance(each, AgentChanged)] == [
        ("ann", Presence.AVAILABLE),
        ("bob", Presence.LOGGED_OUT),
    ]
    acd.step(TalkEnded("ann", "c1"), 30.0)
    assert [view.agent_id for view in acd.snapshot().agents] == ["ann"]
    acd.step(Tick(), 45.0)
    assert acd.snapshot().agents == ()


def test_a_queue_gone_from_the_site_still_serves_the_contacts_that_wait_in_it() -> None:
    acd = Acd(site({"ann": {}}), 0.0)
    acd.step(entered("c1", 1.0), 1.0)
    acd.step(site({"ann": {}}, QueueRules("other")), 2.0)
    assert [view.queue for view in acd.snapshot().queues] == ["orders", "other"]
    acd.step(DeviceChanged("ann", reachable=True), 3.0)
    assert offers(acd.step(PresenceChosen("ann", Presence.AVAILABLE), 3.0)) == [("c1", "ann")]


def test_a_restored_agent_who_is_reserved_without_an_offer_is_released_by_the_first_step() -> None:
    config = site({"ann": {}})
    acd = staffed(config)
    acd.step(entered("c1", 10.0), 10.0)
    whole = acd.snapshot()
    torn = type(whole)(whole.at, (), whole.agents)
    restored = Acd.restore(config, torn)
    assert restored.next_at() == 10.0
    told = restored.step(entered("c2", 11.0), 11.0)
    assert [each.cause for each in told if isinstance(each, AgentChanged)] == ["failed", "offered"]
    assert offers(told) == [("c2", "ann")]
