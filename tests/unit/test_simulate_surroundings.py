"""What stands around the ACD in a simulated day: trunks, doors and rules, decided by the code of the live path."""

import math
from dataclasses import replace
from datetime import datetime

import pytest

from callcenter.surroundings import around, doors, with_facts
from ivr.calendar import Calendar
from routing.messages import Configured, DialsHeld, QueueClosed, QueueOpened
from routing.model import AgentProfile, CallbackRules, Exit, ExitKind, Presence, QueueRules
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import Held
from routing.rules import Facts, Rule, Then, When
from routing.simulate.day import simulate
from routing.simulate.draw import Callees, Day, Turn
from routing.simulate.load import Kind
from routing.simulate.record import End, Record
from routing.simulate.results import ALL, Scope, summarise
from routing.simulate.surroundings import Surroundings
from tests.kit.hotline import brisk_site

NEVER = math.inf
VIP, BASIC = 0, 1
POLICY = TierPolicy(Discipline.STRICT, (Tier("vip"), Tier("basic", trunk_reserve=1)))
CLOSED = QueueClosed("orders", "hours", Exit(ExitKind.VOICEMAIL))


def site(agents: int = 1, **queue: object) -> Configured:
    rules = tuple(QueueRules(name, wrap_up_s=0.0, **queue) for name in ("orders", "vip"))  # type: ignore[arg-type]
    return Configured(rules, tuple(AgentProfile(f"a{at}", {"vip": 5}) for at in range(agents)), POLICY)


def day(*calls: tuple[float, int], handle_s: float = 100.0, agents: int = 1, kinds: tuple[Kind, ...] = ()) -> Day:
    """Callers of these tiers at these instants, who wait for ever and call again after a minute, and these agents."""
    every = range(len(calls))
    return Day(
        kinds=kinds or (Kind("orders", value_tier=VIP), Kind("orders", value_tier=BASIC)),
        at_s=[at_s for at_s, _ in calls],
        kind=[tier for _, tier in calls],
        handle_s=[handle_s for _ in every],
        patience_s=[[NEVER for _ in every]] * 2,
        redial_s=[[60.0 for _ in every], [NEVER for _ in every]],
        ring_s=[[0.0 for _ in every]],
        turns=[Turn(0.0, f"a{at}", Presence.AVAILABLE) for at in range(agents)],
        speed={},
        wrap_up_share=0.0,
        back_s=60.0,
    )


def ends(record: Record) -> list[End]:
    return [End(end) for end in record.end]


# --- trunks -----------------------------------------------------------------------------------------------------------


def test_the_last_trunk_is_kept_for_a_vip_and_others_are_busy_and_call_again() -> None:
    """Two trunks: one talks, one is kept. The basic caller is refused twice; the VIP takes the last one."""
    record = simulate(site(), day((0.0, BASIC), (10.0, BASIC), (20.0, VIP)), around=Surroundings(trunks=2))
    assert ends(record) == [End.ANSWERED, End.BLOCKED, End.ANSWERED, End.BLOCKED]
    assert record.entered_at.tolist() == [0.0, 10.0, 20.0, 70.0]
    assert record.wait_s.tolist() == [0.0, 0.0, 80.0, 0.0]


def test_a_trunk_is_free_again_as_the_caller_leaves() -> None:
    record = simulate(site(), day((0.0, VIP), (99.0, VIP), (101.0, VIP)), around=Surroundings(trunks=1))
    assert ends(record) == [End.ANSWERED, End.BLOCKED, End.ANSWERED, End.BLOCKED]
    assert record.wait_s.tolist() == [0.0] * 4


def test_without_a_number_of_trunks_nobody_is_refused() -> None:
    calls = [(0.1 * at, BASIC) for at in range(50)]
    assert set(ends(simulate(site(5), day(*calls, agents=5)))) == {End.ANSWERED}


def test_who_was_refused_a_trunk_entered_no_queue_and_is_counted_apart() -> None:
    center = site()
    found = summarise(center, [simulate(center, day((0.0, BASIC), (10.0, BASIC)), around=Surroundings(trunks=2))])
    assert (found[ALL].counts["entered"], found[ALL].counts["blocked"]) == (1, 2)
    assert found[Scope("tier", "basic")].counts["blocked"] == 2
    assert found[ALL].figures["service_level"].value == 1.0


def test_nobody_is_called_back_on_the_last_trunk_though_agents_are_idle() -> None:
    """Four trunks. Who chose a callback at 12 s is called as the first talk ends, not when an agent comes at 25 s."""
    center = site(4, callback=CallbackRules())
    drawn = replace(
        day((0.0, BASIC), (1.0, VIP), (2.0, BASIC), (13.0, VIP)),
        handle_s=[50.0, 300.0, 50.0, 300.0],
        callbacks=Callees([False, False, True, False], [False] * 4, [[5.0] * 4], 10.0, 30.0, 60.0),
        turns=[Turn(at_s, f"a{at}", Presence.AVAILABLE) for at, at_s in enumerate((0.0, 1.0, 20.0, 25.0))],
    )
    told: list[tuple[float, tuple[int, ...]]] = []

    def watch(now: float, given: object, _: object) -> None:
        if isinstance(given, DialsHeld):
            told.append((now, given.tiers))

    record = simulate(center, drawn, around=Surroundings(trunks=4), observe=watch)
    assert ends(record) == [End.ANSWERED] * 4
    assert record.dialed_at[2] == 50.0
    assert (13.0, (VIP, BASIC)) in told
    assert (50.0, ()) in told
    assert simulate(center, drawn, around=Surroundings(trunks=9)).dialed_at[2] == 25.0


# --- doors ------------------------------------------------------------------------------------------------------------


def test_who_calls_while_the_queue_is_closed_is_sent_away_and_who_waits_is_served() -> None:
    calls = day((0.0, VIP), (10.0, VIP), (60.0, VIP), (210.0, VIP))
    shut = Surroundings(doors=((50.0, CLOSED), (200.0, QueueOpened("orders"))))
    record = simulate(site(), calls, around=shut)
    assert ends(record) == [End.ANSWERED, End.ANSWERED, End.SENT_AWAY, End.ANSWERED]


def test_a_door_that_closes_after_everybody_has_gone_makes_nobodys_day_longer() -> None:
    record = simulate(site(), day((0.0, VIP)), around=Surroundings(doors=((9_000.0, CLOSED),)))
    assert record.agents["a0"].busy_s + record.agents["a0"].idle_s == 100.0


def test_doors_open_and_close_as_the_calendar_says_on_that_day() -> None:
    hours = ((9 * 3600, 12 * 3600 + 1800), (13 * 3600 + 1800, 18 * 3600))
    calendar = Calendar(brisk_site().zone, (hours,) * 5 + ((),) * 2)
    plain = brisk_site()
    center = replace(
        plain,
        calendars={"office": calendar},
        queues={
            name: replace(queue, hours="office" if name == "vip" else None, closed_exit=CLOSED.newcomers_to)
            for name, queue in plain.queues.items()
        },
    )
    wednesday = datetime(2025, 1, 8, tzinfo=plain.zone)
    found = [(at_s / 3600.0, type(what)) for at_s, what in doors(center, wednesday.timestamp())]
    assert found == [
        (0.0, QueueClosed),
        (9.0, QueueOpened),
        (12.5, QueueClosed),
        (13.5, QueueOpened),
        (18.0, QueueClosed),
    ]
    sunday = datetime(2025, 1, 12, tzinfo=plain.zone)
    assert [at_s for at_s, _ in around(center, sunday).doors] == [0.0]


# --- rules ------------------------------------------------------------------------------------------------------------

AT_RISK = Rule("at risk", When(at_risk=True), Then(queue="vip", value_tier="vip", prefer="agent:a1", prefer_s=10.0))
EXPERTS = Rule("experts", When(queue=("orders",)), Then(requires=Held("vip", 3)))


def test_customers_go_where_the_rules_send_them() -> None:
    facts = Facts("0800", "orders", "en", "basic", customer_id="c1", at_risk=True)
    kinds = (Kind("orders", value_tier=BASIC, facts=facts), Kind("orders", value_tier=BASIC))
    calls = day((0.0, 0), (1.0, 1), agents=2, kinds=kinds)
    record = simulate(site(2), calls, around=Surroundings(rules=(AT_RISK, EXPERTS)))
    assert record.queue.tolist() == ["vip", "orders"]
    assert record.tier.tolist() == [VIP, BASIC]
    assert record.agent.tolist() == ["a1", "a0"], "and wait for whom the rules name"


def test_a_rule_of_the_draft_changes_what_becomes_of_the_same_customers() -> None:
    facts = Facts("0800", "orders", "en", "basic", customer_id="c1", at_risk=True)
    calls = day((0.0, 0), kinds=(Kind("orders", value_tier=BASIC, facts=facts),))
    queues = [
        simulate(site(), calls, around=Surroundings(rules=rules)).queue.tolist() for rules in ((), (AT_RISK,), ())
    ]
    assert queues == [["orders"], ["vip"], ["orders"]]


@pytest.mark.parametrize(("tier", "known"), [("vip", True), ("standard", False)])
def test_drawn_customers_have_a_hotline_a_language_and_a_tier(tier: str, known: bool) -> None:
    center = brisk_site()
    rank = center.value_tiers.index(tier)
    (kind,) = with_facts([Kind("vip", requires=Held("en"), value_tier=rank)], center)
    assert kind.facts is not None
    assert (kind.facts.dialed, kind.facts.language, kind.facts.value_tier) == ("0800000200", "en", tier)
    assert (kind.facts.customer_id is not None) is known
