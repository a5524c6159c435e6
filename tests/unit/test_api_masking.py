"""Masking: what an agent learns of other people's contacts."""

import json
from typing import Any

import pytest

from api.masking import MINE_MAX, AgentFeed, masked_name, masked_phone
from callcenter.ports import Entry

OURS, THEIRS = "contact/ours", "contact/theirs"


def entry(stream: str, type_: str, **data: Any) -> Entry:
    return Entry(stream, 1, 0.0, type_, 1, json.dumps(data).encode(), "site")


@pytest.mark.parametrize(
    ("phone", "masked"),
    [("+886910000001", "+8869****001"), (None, None), ("+8869", "****"), ("", "****")],
)
def test_a_masked_phone_can_be_told_apart_but_not_called(phone: str | None, masked: str | None) -> None:
    assert masked_phone(phone) == masked


@pytest.mark.parametrize(("name", "masked"), [("王小明", "王**"), ("", ""), (None, None)])
def test_a_masked_name_is_its_first_character(name: str | None, masked: str | None) -> None:
    assert masked_name(name) == masked


def test_a_foreign_contact_shows_bare_facts_only() -> None:
    feed = AgentFeed("agent01", [])
    assert feed.seen(entry(THEIRS, "contact.started", caller="+886910000001", caller_shown="x")) is None
    assert feed.seen(entry(THEIRS, "offer.made", agent_id="agent02", card={"name": "王"})) is None
    entered = entry(THEIRS, "queue.entered", queue="vip", needs={"vip": 1}, value_tier="vip", secret="x")
    assert feed.seen(entered) == {"queue": "vip", "value_tier": "vip"}
    changed = entry("agent/agent02", "agent.changed", presence="available", activity="talking", contact_id="theirs")
    assert feed.seen(changed) == {"presence": "available", "activity": "talking"}


def test_an_agents_own_stream_passes_whole() -> None:
    changed = entry("agent/agent01", "agent.changed", presence="available", contact_id="ours")
    assert AgentFeed("agent01", []).seen(changed) == {"presence": "available", "contact_id": "ours"}


def test_a_contact_is_in_the_agents_hands_from_the_offer_until_it_settles_otherwise() -> None:
    feed = AgentFeed("agent01", [])
    assert feed.seen(entry(OURS, "offer.made", agent_id="agent01", card={"name": "王"})) is not None
    assert feed.seen(entry(OURS, "offer.ringing", agent_id="agent01")) is not None
    assert feed.seen(entry(OURS, "offer.settled", agent_id="agent01", outcome="rejected")) is not None
    assert feed.seen(entry(OURS, "talk.started", agent_id="agent02")) is None


def test_a_colleague_who_refuses_does_not_take_the_contact_out_of_the_agents_hands() -> None:
    feed = AgentFeed("agent01", [])
    feed.seen(entry(OURS, "offer.made", agent_id="agent01"))
    feed.seen(entry(OURS, "offer.settled", agent_id="agent02", outcome="rejected"))
    assert feed.seen(entry(OURS, "offer.settled", agent_id="agent01", outcome="accepted")) is not None
    assert feed.seen(entry(OURS, "talk.started", agent_id="agent01")) is not None


def test_an_accepted_contact_stays_in_the_agents_hands_until_it_ends() -> None:
    feed = AgentFeed("agent01", [])
    for type_, data in (
        ("offer.made", {"agent_id": "agent01"}),
        ("offer.settled", {"outcome": "accepted"}),
        ("talk.started", {}),
        ("wrap_up.ended", {}),
        ("contact.ended", {}),
    ):
        assert feed.seen(entry(OURS, type_, **data)) is not None
    assert feed.seen(entry(OURS, "contact.ended")) is None


def test_the_contacts_remembered_as_the_agents_own_are_bounded() -> None:
    feed = AgentFeed("agent01", [])
    for n in range(MINE_MAX + 1):
        feed.seen(entry(f"contact/{n}", "offer.made", agent_id="agent01"))
    assert feed.seen(entry("contact/0", "talk.started")) is None
    assert feed.seen(entry(f"contact/{MINE_MAX}", "talk.started")) is not None
