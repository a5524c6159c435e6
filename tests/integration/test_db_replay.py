"""A recorded day is read back from a real PostgreSQL as it was written, and can be simulated."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from callcenter.contact import events as ev
from callcenter.db.customer_records import CustomerRecord, store_records
from callcenter.db.engine import make_engine
from callcenter.db.replay import recorded_day
from callcenter.ports import Entry
from routing.messages import Configured
from routing.model import RONA, AgentProfile, Presence, QueueRules
from routing.policy import Tier, TierPolicy
from routing.requirement import ANYONE, Held
from routing.rules import Facts, Rule, Then, When
from routing.simulate.day import simulate
from routing.simulate.record import End
from routing.simulate.recorded import Recorded, day_of
from routing.simulate.surroundings import Surroundings
from tests.database import AT, agent_changed, contact_id, database_server, entry, fetch, fresh_url, served
from tests.integration.test_db_reads import store

pytestmark = pytest.mark.integration
__all__ = ["database_server", "fresh_url"]

START = AT - 3_600.0
SITE = Configured(
    (QueueRules("product", Held("product", 1)), QueueRules("orders")),
    (AgentProfile("agent01", {"product": 50, "zh-TW": 50}),),
    TierPolicy(tiers=(Tier("vip"), Tier("basic"))),
)


def story(n: int, at: float, *bodies: tuple[float, ev.Body]) -> list[Entry]:
    ours = contact_id(n, at)
    arrived = ev.ContactStarted("inbound", "phone", "ch1", None, "x", "0800000100", None, "basic", "zh-TW")
    return [
        entry(f"contact/{ours}", seq, body, at + later)
        for seq, (later, body) in enumerate([(0.0, arrived), *bodies], 1)
    ]


def gave_up(n: int, at: float, wait_s: float) -> list[Entry]:
    return story(
        n,
        at,
        (
            1.0,
            ev.QueueEntered("product", {"product": 1, "zh-TW": 1}, "basic", "agent01", "product >= 1 and zh-TW", 10.0),
        ),
        (2.0, ev.OfferMade("o", "agent01", "product", at + 9.0, {}, {})),
        (9.0, ev.OfferSettled("o", "agent01", "no_answer", 7.0)),
        (1.0 + wait_s, ev.QueueLeft("product", "abandoned", wait_s)),
    )


def moved(n: int, at: float) -> list[Entry]:
    """Moved on by rule after 30 s, answered in the next queue, transferred nowhere."""
    return story(
        n,
        at,
        (0.0, ev.QueueEntered("product", {}, "vip", None, "product >= 1 and zh-TW")),
        (30.0, ev.QueueLeft("product", "overflow", 30.0)),
        (30.0, ev.QueueEntered("orders", {}, "vip", None, "zh-TW", 0.0, 1)),
        (40.0, ev.OfferSettled("o", "agent01", "accepted", 4.0)),
        (40.0, ev.QueueLeft("orders", "answered", 10.0)),
        (100.0, ev.TalkEnded("agent01", 50.0, 10.0)),
        (120.0, ev.WrapUpEnded("agent01", 20.0)),
    )


async def read(url: str) -> Recorded:
    engine = make_engine(url)
    try:
        return await recorded_day(engine, SITE, START, START + 86_400.0)
    finally:
        await engine.dispose()


async def test_a_day_is_read_back_as_it_was(url: str, tmp_path: Path) -> None:
    presences = [
        agent_changed("agent01", 1, START - 600.0, "available", "idle"),
        agent_changed("agent01", 2, AT + 5_000.0, "logged_out", "idle"),
    ]
    entries = [*served(1, at=AT), *gave_up(2, AT + 100.0, 33.0), *moved(3, AT + 200.0), *gave_up(4, AT - 90_000.0, 5.0)]
    await store(tmp_path, url, entries + presences)
    recorded = await read(url)
    answered, left, overflowed = sorted(recorded.visits, key=lambda visit: visit.entered_at)

    assert answered.entered_at == pytest.approx(3_604.1)
    assert (answered.queue, answered.value_tier, answered.abandoned) == ("product", 0, False)
    assert answered.requires == ANYONE, "the queue's own requirement is the site's business"
    assert answered.wait_s == pytest.approx(3.9)
    assert answered.handle_s == pytest.approx(52.0 + 5.0 + 10.0)
    assert answered.ring_s == pytest.approx(2.0)
    assert answered.ivr_s == pytest.approx(4.0)

    assert (left.abandoned, left.handle_s, left.value_tier) == (True, None, 1)
    assert left.wait_s == pytest.approx(33.0)
    assert left.requires == Held("zh-TW")
    assert (left.preferred_agent, left.preferred_wait_s) == ("agent01", 10.0)

    assert overflowed.queue == "product"
    assert overflowed.wait_s == pytest.approx(40.0)
    assert overflowed.handle_s == pytest.approx(80.0)
    assert recorded.missed == pytest.approx(1 / 3)
    assert recorded.wrap_up_share == pytest.approx(30.0 / 147.0)
    assert [(spell.from_s, spell.presence) for spell in recorded.spells] == [
        (0.0, Presence.AVAILABLE),
        (pytest.approx(8_600.0), Presence.LOGGED_OUT),
    ]

    again = simulate(SITE, day_of(recorded, 1))
    assert len(again) == 3
    assert again.answered().any()


def in_the_ivr_alone(n: int, at: float, leaves: str, end_state: str) -> list[Entry]:
    return story(
        n,
        at,
        (0.1, ev.IvrEntered("main", "1")),
        (20.1, ev.IvrLeft(leaves, "menu", 20.0)),
        (20.1, ev.ContactEnded(end_state, "caller", 0.0, 0.0, 0.0, 0.0, 4)),
    )


async def test_who_needed_no_queue_is_read_with_the_time_in_the_ivr(url: str, tmp_path: Path) -> None:
    """Not who was promised a call there, nor whom a failure cut off, nor who was in no flow."""
    entries = [
        *in_the_ivr_alone(1, AT, "hang_up", "self_served"),
        *in_the_ivr_alone(2, AT + 1.0, "callback", "callback_failed"),
        *in_the_ivr_alone(3, AT + 2.0, "flow_gone", "failed"),
        *story(4, AT + 3.0, (1.0, ev.ContactEnded("blocked", "system", 0.0, 0.0, 0.0, 0.0, 2))),
        *served(5, at=AT + 10.0),
    ]
    await store(tmp_path, url, entries)
    recorded = await read(url)
    (alone,) = recorded.self_served
    assert alone.called_at == pytest.approx(3_600.0)
    assert (alone.ivr_s, alone.value_tier) == (20.0, 1)
    (visit,) = recorded.visits
    record = simulate(SITE, day_of(recorded, 1), around=Surroundings(trunks=1))
    assert [End(end) for end in record.end] == [End.SELF_SERVED, End.BLOCKED]
    assert record.entered_at.tolist() == pytest.approx([3_620.0, visit.entered_at - 4.0])


async def test_a_day_without_anybody_is_empty(url: str) -> None:
    recorded = await read(url)
    assert (recorded.visits, recorded.missed) == ([], 0.0)


async def test_rona_and_unknown_tiers_are_read_too(url: str, tmp_path: Path) -> None:
    rona = {"presence": "aux", "aux_code": RONA, "activity": "idle", "contact_id": None, "cause": "no_answer"}
    entries = [
        *gave_up(1, AT, 12.0),
        Entry("agent/agent01", 1, AT, "agent.changed", 1, json.dumps(rona).encode(), "site-1"),
        *story(
            2,
            AT + 1.0,
            (0.0, ev.QueueEntered("orders", {}, "unheard_of", None, "not (")),
            (3.0, ev.QueueLeft("orders", "abandoned", 3.0)),
        ),
    ]
    await store(tmp_path, url, entries)
    recorded = await read(url)
    assert [visit.value_tier for visit in recorded.visits] == [1, 1]
    assert recorded.visits[1].requires == ANYONE, "what can't be read asks for nobody in particular"
    assert [(spell.presence, spell.aux_code) for spell in recorded.spells] == [(Presence.AUX, RONA)]


async def test_the_command_simulates_a_recorded_day(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [event for n in range(40) for event in served(n + 1, at=AT + 60.0 * n)]
    entries += [event for n in range(10) for event in gave_up(100 + n, AT + 55.0 * n, 20.0 + n)]
    entries += [agent_changed(f"agent{n:02}", 1, AT, "available", "idle") for n in range(1, 4)]
    await store(tmp_path, url, entries)
    monkeypatch.setenv("CALLCENTER_DATABASE_URL", url)
    monkeypatch.setenv("CALLCENTER_VAR", str(tmp_path / "var"))
    from api.cli import simulate as command
    from callcenter.config.settings import load_settings
    from callcenter.config.site import load_site

    settings = load_settings()
    zone = load_site(settings.site).zone
    day = datetime.fromtimestamp(AT, UTC).astimezone(zone).date()
    asked = command.Asked(day=day, replications=2, as_json=True, progress=False)
    answers = []
    for _ in range(2):
        assert await command.run(settings, asked) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]
    answer = json.loads(answers[0])
    assert answer["sites"]["running"]["all"]["entered"] == 50
    assert answer["sites"]["running"]["all"]["answered"] > 0


AT_RISK = Rule("at risk", When(at_risk=True), Then(queue="orders", value_tier="vip"))
EXPERTS = Rule("experts", When(known_customer=False), Then(requires=Held("product", 3)))
OWNER = Rule("owner", When(open_case=True), Then(prefer="case_owner", prefer_s=15.0))


async def test_the_customers_of_a_day_are_routed_anew_by_the_rules_of_a_site(url: str, tmp_path: Path) -> None:
    """As of that day, with the customer's record of today; a rule's own effects of that day are taken out."""
    arrived = ev.ContactStarted("inbound", "phone", "ch1", None, "x", "0800000100", "c1", "basic", "zh-TW")
    stranger = ev.ContactStarted("inbound", "phone", "ch2", None, "x", "0800000100", None, "basic", "zh-TW")
    decided = ev.RoutingDecided("product", "vip", "product >= 3", "agent07", 10.0, ())
    entries = []
    for n, first in enumerate((arrived, stranger), 1):
        bodies: list[ev.Body] = [
            first,
            decided,
            ev.QueueEntered("product", {}, "vip", "agent07", "product >= 1 and product >= 3 and zh-TW", 10.0),
            ev.QueueLeft("product", "abandoned", 33.0),
        ]
        ours = contact_id(n, AT + n)
        entries += [entry(f"contact/{ours}", seq, body, AT + n + seq) for seq, body in enumerate(bodies, 1)]
    await store(tmp_path, url, entries)
    await store_records(url, [CustomerRecord("c1", "林", "basic", (), segment="fleet", at_risk=True, usage=7.0)])
    await fetch(url, "INSERT INTO customer_case VALUES ('K1', 'c1', 'open', '', now(), NULL, 'agent01')")
    engine = make_engine(url)
    try:
        leads = ("0800000100", "product")
        recorded = await recorded_day(engine, SITE, START, START + 86_400.0, lambda _: leads)
    finally:
        await engine.dispose()
    known, unknown = recorded.visits
    assert known.requires == Held("zh-TW"), "neither the queue's, nor what the rules of that day asked for"
    assert known.facts == Facts(
        "0800000100",
        "product",
        "zh-TW",
        "basic",
        customer_id="c1",
        segment="fleet",
        case_owner="agent01",
        open_case=True,
        at_risk=True,
        usage=7.0,
    )
    assert unknown.facts == Facts("0800000100", "product", "zh-TW", "basic")
    day = day_of(recorded, 1)
    again = simulate(SITE, day, around=Surroundings(rules=(AT_RISK, EXPERTS, OWNER)))
    assert again.queue.tolist() == ["orders", "product"]
    assert again.tier.tolist() == [0, 1]
    assert simulate(SITE, day).queue.tolist() == ["product", "product"], "a site without rules"
