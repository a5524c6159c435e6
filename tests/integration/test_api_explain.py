"""Routing explained over the API: a call that is not made, a contact that waits, an offer that was; and the metrics."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from api.app import create_app
from api.server import ApiServer
from callcenter.contact import events as ev
from callcenter.contact.commands import EnterQueue
from callcenter.db.engine import make_engine
from callcenter.db.queries import Queries
from callcenter.db.tokens import Role
from callcenter.ports import DeviceSeen
from routing.model import Exit, ExitKind
from routing.requirement import Named
from tests.api_center import PLATINUM, SITE, Center, center
from tests.integration.test_api_cli import run

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

AT = 1_768_000_000.0
MAIN, VIP = "0800000100", "0800000200"
EXPLAIN = "/v1/routing/explain"


def at_work(center: Center, *agent_ids: str) -> None:
    for agent_id in agent_ids:
        center.floor.device(DeviceSeen(agent_id, reachable=True))
        center.floor.log_in(agent_id)


def gone_home(center: Center, *agent_ids: str) -> None:
    for agent_id in agent_ids:
        center.floor.log_out(agent_id)


async def explained(center: Center, who: str = "supervisor", **asked: Any) -> dict[str, Any]:
    status, body = await center.json("POST", EXPLAIN, who, json={"dialed": MAIN} | asked)
    assert status == 200, body
    return dict(body)


def course(body: dict[str, Any], entered: str) -> dict[str, Any]:
    """What would follow in the queue that the flow names so."""
    [found] = [each for each in body["queues"] if each["entered"] == entered]
    return dict(found)


# --- without a call -----------------------------------------------------------------------------------------------


async def test_a_flow_is_answered_for_every_queue_it_can_lead_to_with_the_keys(center: Center) -> None:
    body = await explained(center)
    assert body["customer"] is None
    assert body["hotline"] == {"dialed": MAIN, "configured": True, "flow": "main", "queue": None}
    assert {(way["queue"], way["language"]): way["keys"] for way in body["ways"]}["orders", "en"] == "92"
    assert {each["entered"]: each["keys"] for each in body["queues"]} == {
        "product": "",
        "orders": "2",
        "activities": "3",
    }
    assert (body["value_tier"], body["language"], body["site"]) == ("standard", "zh-TW", SITE.digest)


async def test_the_rules_tell_how_each_of_them_fared_and_where_they_lead(center: Center) -> None:
    body = await explained(center, customer="c0006")  # a VIP at risk
    assert (body["customer"]["name"], body["language"], body["value_tier"]) == ("Sarah Johnson", "en", "vip")
    orders = course(body, "orders")
    assert [rule["matched"] for rule in orders["rules"]] == [False, True, False, True]
    assert orders["rules"][1]["effects"] == ["queue vip", "value tier vip_risk"]
    assert orders["rules"][0]["why"] == "open_case is no, not yes"
    assert (orders["queue"], orders["value_tier"]) == ("vip", "vip_risk")
    assert orders["requires"] == "en and (vip or product >= 4)"


async def test_the_reach_says_who_may_serve_from_when_and_the_way_out_at_the_end(center: Center) -> None:
    vip = course(await explained(center, dialed=VIP, customer=PLATINUM), "vip")
    assert vip["keys"] is None
    assert [(each["after_s"], each["skip_if_unstaffed"]) for each in vip["reach"]] == [(0.0, True), (20.0, False)]
    assert "vip >= 3" in vip["reach"][0]["requires"]
    assert "experience >= 4" in vip["reach"][0]["experienced"]
    assert vip["experienced_until_s"] == 30.0
    assert vip["way_out"] == {"to": "queue:product", "after_s": 120.0}


async def test_the_preferred_agent_is_asked_first_and_the_others_are_told_why_not(center: Center) -> None:
    at_work(center, "agent01", "agent02")
    vip = course(await explained(center, dialed=VIP, customer=PLATINUM), "vip")
    assert (vip["preferred_agent"], vip["preferred_wait_s"]) == ("agent01", 10.0)
    assert vip["would_enter"]["candidates"][0] == "agent01"
    assert vip["would_enter"]["summary"] == "It would be offered to agent01 at once."
    gone_home(center, "agent01", "agent02")


async def test_what_is_explained_is_what_happens(center: Center) -> None:
    """The candidate named first is the one who is then offered the contact that enters so."""
    at_work(center, "agent03", "agent08", "agent10")
    place = course(await explained(center), "product")["would_enter"]
    center.offers.clear()
    contact_id = center.entropy.contact_id(center.backend.clock.now())
    requires = SITE.queues["product"].requirement
    rank = SITE.tier_rank("standard")
    center.floor.tell(EnterQueue(contact_id, "product", requires, rank, center.backend.clock.now()))
    assert [offer.agent_id for offer in center.offers] == [place["candidates"][0]] == ["agent03"]
    center.leave(contact_id)
    gone_home(center, "agent03", "agent08", "agent10")


async def test_explaining_changes_nothing(center: Center) -> None:
    at_work(center, "agent03")
    position = await center.settled()
    before = center.floor.snapshot()
    await explained(center)
    await explained(center, customer="c0009")
    after = center.floor.snapshot()
    assert (after.queues, after.agents) == (before.queues, before.agents)
    assert await center.settled() == position
    gone_home(center, "agent03")


async def test_nobody_at_work_is_no_end_in_sight_and_every_agent_has_a_reason(center: Center) -> None:
    place = course(await explained(center, queue="orders"), "orders")["would_enter"]
    assert place["candidates"] == []
    assert place["estimate"] == {"position": 1, "p50_s": None, "p90_s": None}
    assert sum(each["agents"] for each in place["excluded"]) == len(SITE.agents)
    assert "logged_out" in [each["reason"] for each in place["excluded"]]


async def test_one_queue_can_be_asked_about_even_if_no_key_leads_there(center: Center) -> None:
    body = await explained(center, queue="vip")
    assert [(each["entered"], each["keys"]) for each in body["queues"]] == [("vip", None)]


async def test_a_language_asked_for_stands_for_the_customers(center: Center) -> None:
    body = await explained(center, customer="c0001", language="en", queue="product")
    assert body["language"] == "en"
    assert course(body, "product")["requires"] == "en and product >= 1"


async def test_low_tiers_are_refused_as_trunks_run_short_and_valued_customers_are_not(center: Center) -> None:
    center.trunks_in_use = 197
    basic = (await explained(center, customer="c0004"))["admission"]
    valued = (await explained(center, customer="c0001"))["admission"]
    center.trunks_in_use = 0
    assert basic == {
        "accepted": False, "why": "3 trunks are free, 4 kept for more valuable tiers",
        "trunks": 200, "in_use": 197, "reserve": 4,
    }  # fmt: skip
    assert valued["accepted"] is True


async def test_a_closed_queue_says_why_and_where_newcomers_go(center: Center) -> None:
    center.floor.close_queue("orders", "fire drill", Exit(ExitKind.VOICEMAIL))
    orders = course(await explained(center, queue="orders"), "orders")
    center.floor.open_queue("orders")
    assert orders["closed"] == [{"reason": "fire drill", "newcomers_to": "voicemail"}]
    assert orders["would_enter"]["turned_away"] == "fire drill"
    assert orders["would_enter"]["summary"] == "The queue would not take it: fire drill."


async def test_opening_hours_are_those_of_the_instant_asked_about(center: Center) -> None:
    body = await explained(center, at="2026-11-22T20:00:00+08:00")
    assert body["at"] == "2026-11-22T12:00:00Z"
    assert all(not each["closed"] for each in body["queues"])  # the demo is always open


@pytest.mark.parametrize("spelling", [PLATINUM, "0910000001", "+886 910 000 001", "c0001"])
async def test_a_customer_is_found_by_id_and_by_phone_in_any_spelling(center: Center, spelling: str) -> None:
    body = await explained(center, customer=spelling)
    assert body["customer"]["customer_id"] == "c0001"
    assert body["customer"]["phone"] == (None if spelling == "c0001" else PLATINUM)


async def test_a_number_that_is_no_customers_is_a_stranger(center: Center) -> None:
    body = await explained(center, customer="+886912345678")
    assert (body["customer"], body["value_tier"]) == (None, "standard")


async def test_a_number_that_nobody_configured_leads_to_the_default_hotline(center: Center) -> None:
    body = await explained(center, dialed="0800999999")
    assert body["hotline"] == {"dialed": MAIN, "configured": False, "flow": "main", "queue": None}


@pytest.mark.parametrize(
    ("asked", "status", "code", "where"),
    [
        ({"customer": "c9999"}, 404, "customer_not_found", None),
        ({"customer": "nobody at all"}, 404, "customer_not_found", None),
        ({"queue": "nowhere"}, 422, "invalid_request", "body.queue"),
        ({"language": "xx"}, 422, "invalid_request", "body.language"),
        ({"at": "2026-11-22T20:00:00"}, 422, "invalid_request", "body.at"),
        ({"dialed": "x" * 65}, 422, "invalid_request", "body.dialed"),
        ({"dialled": MAIN}, 422, "invalid_request", "body.dialled"),
        ({"dialed": None}, 422, "invalid_request", "body.dialed"),
    ],
)
async def test_a_question_that_makes_no_sense_is_a_problem(
    center: Center, asked: dict[str, Any], status: int, code: str, where: str | None
) -> None:
    found, problem = await center.json("POST", EXPLAIN, json={"dialed": MAIN} | asked)
    assert (found, problem["code"]) == (status, code)
    if where is not None:
        assert where in [error["where"] for error in problem["errors"]]


async def test_an_agent_who_never_served_the_customer_reads_little_of_them(center: Center) -> None:
    token = await center.backend.tokens.create(Role.AGENT, "test", "agent09")
    body = await explained(center, token, customer=PLATINUM, dialed=VIP)
    assert (body["customer"]["name"], body["customer"]["phone"]) == ("許**", "+8869****001")
    assert body["customer"]["preferred_agent"] is None
    told = json.dumps(body, ensure_ascii=False)
    assert "許文龍" not in told
    assert PLATINUM not in told
    vip = course(body, "vip")
    assert {rule["why"] for rule in vip["rules"]} <= {"", "not told: another agent's customer"}
    assert vip["preferred_agent"] is vip["would_enter"]["preferred_agent"] is None
    center.served_contact(started_at=AT, agent_id="agent09", customer_id="c0001")
    await center.settled()
    known = await explained(center, token, customer=PLATINUM, dialed=VIP)
    assert (known["customer"]["name"], known["customer"]["phone"]) == ("許文龍", PLATINUM)


# --- a contact that waits, an offer that was ----------------------------------------------------------------------


async def test_a_waiting_contact_is_told_why_not_yet(center: Center) -> None:
    at_work(center, "agent04")
    now = center.backend.clock.now()
    first, second = center.wait_in("orders", entered_at=now - 5), center.wait_in("orders", entered_at=now)
    status, why = await center.json("GET", f"/v1/contacts/{second}/why")
    assert status == 200
    assert (why["now"]["situation"], why["now"]["candidates"]) == ("waiting", [])
    assert why["now"]["ahead_total"] == 0  # the first is being offered
    assert {each["reason"]: each["examples"] for each in why["now"]["excluded"]}["reserved"] == ["agent04"]
    assert why["told"]["position"] == 1
    assert why["told"]["p50_s"] <= why["told"]["p90_s"]
    assert (why["told"]["rose_because"], why["rules"], why["offers"]) == (None, [], [])
    _, offered = await center.json("GET", f"/v1/contacts/{first}/why")
    assert (offered["now"]["situation"], offered["now"]["summary"]) == ("offered", "A phone rings for it.")
    center.leave(first)
    center.leave(second)
    gone_home(center, "agent04")


async def test_what_was_told_rises_only_with_a_cause(center: Center) -> None:
    at_work(center, "agent01")
    now = center.backend.clock.now()
    offered = center.wait_in("orders", entered_at=now, tier="basic")
    waiting = center.wait_in("orders", entered_at=now, tier="basic")
    path = f"/v1/contacts/{waiting}/why"
    before = (await center.json("GET", path))[1]["told"]
    assert (before["position"], before["rose_because"]) == (1, None)
    valued = center.wait_in("orders", entered_at=now - 20, tier="platinum")
    after = (await center.json("GET", path))[1]["told"]
    assert (after["position"], after["rose_because"]) == (2, "overtaken")
    assert after["p50_s"] > before["p50_s"]
    for contact_id in (offered, waiting, valued):
        center.leave(contact_id)
    gone_home(center, "agent01")


async def test_an_offer_keeps_why_this_agent(center: Center) -> None:
    contact_id = center.entropy.contact_id(AT + 50)
    trace = {"why": "agent_free", "score": 40.0, "heads": [["c1", 40.0], ["c2", 8.0]], "overdue": False}
    story = (
        ev.ContactStarted("inbound", "voice", "ch", PLATINUM, PLATINUM, MAIN, "c0001", "platinum", "zh-TW"),
        ev.RoutingDecided("vip", "platinum", "anyone", "agent01", 10.0, [_RULE]),
        ev.QueueEntered("vip", {}, "platinum", None),
        ev.OfferMade(f"{contact_id}.o1", "agent01", "vip", AT + 70, {}, trace),
        ev.OfferSettled(f"{contact_id}.o1", "agent01", "no_answer", 15.0),
        ev.OfferMade(f"{contact_id}.o2", "agent02", "vip", AT + 90, {}, {}),
    )
    for seconds, body in enumerate(story):
        center.remember(f"contact/{contact_id}", AT + 50 + seconds, body)
    await center.settled()
    status, why = await center.json("GET", f"/v1/contacts/{contact_id}/why")
    assert (status, why["now"], why["told"]) == (200, None, None)
    assert [(offer["agent_id"], offer["outcome"]) for offer in why["offers"]] == [
        ("agent01", "no_answer"), ("agent02", None),
    ]  # fmt: skip
    assert why["offers"][0]["trace"] == trace
    first = "agent01 became ready and it came first of 2 contacts compared, with a score of 40.0."
    assert [offer["summary"] for offer in why["offers"]] == [first, "The reason was not recorded."]
    assert why["rules"] == [_RULE]


_RULE = {"rule": "open case", "matched": True, "why": "", "effects": ["queue vip"], "without_effect": []}


async def test_the_offers_of_the_engine_itself_are_told_from_their_events(center: Center) -> None:
    at_work(center, "agent07")
    center.offers.clear()
    waiting = center.wait_in("orders", entered_at=center.backend.clock.now())
    [offer] = center.offers
    body = ev.OfferMade(offer.offer_id, offer.agent_id, "orders", offer.expires_at, {}, offer.trace)
    center.remember(f"contact/{waiting}", offer.made_at, body)
    await center.settled()
    _, why = await center.json("GET", f"/v1/contacts/{waiting}/why")
    [told] = why["offers"]
    assert told["summary"] == "The contact began to wait; agent07 was the only ready agent looked at."
    assert told["trace"]["requires"] == "orders >= 1"
    center.leave(waiting)
    gone_home(center, "agent07")


@pytest.mark.parametrize("contact_id", ["0198c0de-7b1e-7aaa-8000-4b1d00000001", "nobody", "%27%20OR%201=1"])
async def test_a_contact_that_is_not_there_has_no_why(center: Center, contact_id: str) -> None:
    status, problem = await center.json("GET", f"/v1/contacts/{contact_id}/why")
    assert (status, problem["code"]) == (404, "contact_not_found")


async def test_while_the_database_is_away_a_waiting_contact_still_hears_why_not_yet(center: Center) -> None:
    away = Queries(make_engine("postgresql+asyncpg://nobody@127.0.0.1:9/none"))
    server = ApiServer(create_app(replace(center.backend, queries=away)), "127.0.0.1", 0)
    await server.start()
    waiting = center.wait_in("vip", entered_at=center.backend.clock.now())
    url, headers = f"http://127.0.0.1:{server.port}/v1/contacts", {"Authorization": f"Bearer {center.tokens['admin']}"}
    async with center.http.get(f"{url}/{waiting}/why", headers=headers) as response:
        why = await response.json()
        assert (response.status, why["now"]["situation"]) == (200, "waiting")
        assert why["offers"] is why["rules"] is None
    center.leave(waiting)
    async with center.http.get(f"{url}/{waiting}/why", headers=headers) as response:
        assert (response.status, (await response.json(content_type=None))["code"]) == (503, "database_unavailable")
    await server.stop()


# --- what is shown live, and counted ------------------------------------------------------------------------------


async def test_the_live_queue_shows_step_score_estimate_and_what_keeps_it_closed(center: Center) -> None:
    at_work(center, "agent04")
    now = center.backend.clock.now()
    ids = [center.wait_in("orders", entered_at=now - 10 + n, tier="basic") for n in range(3)]
    center.floor.close_queue("orders", "fire drill", Exit(ExitKind.GOODBYE))
    _, live = await center.json("GET", "/v1/queues/live")
    center.floor.open_queue("orders")
    queue = next(item for item in live["items"] if item["queue"] == "orders")
    assert queue["waiting_by_tier"] == {tier: 3 if tier == "basic" else 0 for tier in SITE.value_tiers}
    assert queue["closed"] == [{"reason": "fire drill", "newcomers_to": "goodbye"}]
    assert queue["loans"] == [{"lender": "activities", "on": True}]
    assert queue["callbacks"] == 0
    shown = queue["contacts"]
    assert [(each["contact_id"], each["place"]) for each in shown] == [(one, n) for n, one in enumerate(ids, start=1)]
    assert (shown[0]["offered_to"], shown[0]["position"]) == ("agent04", None)
    assert [each["position"] for each in shown[1:]] == [1, 2]
    assert shown[1]["p50_s"] < shown[2]["p50_s"] < shown[2]["p90_s"]
    assert [each["score"] for each in shown] == sorted((each["score"] for each in shown), reverse=True)
    assert {(each["step"], each["requires"], each["overdue"]) for each in shown} == {(0, "orders >= 1", False)}
    for contact_id in ids:
        center.leave(contact_id)
    gone_home(center, "agent04")


async def test_who_waited_past_the_bound_of_their_tier_is_shown_overdue(center: Center) -> None:
    now = center.backend.clock.now()
    old = center.wait_in("orders", entered_at=now - 1_300, tier="basic")
    _, live = await center.json("GET", "/v1/queues/live")
    queue = next(item for item in live["items"] if item["queue"] == "orders")
    assert [each["overdue"] for each in queue["contacts"]] == [True]
    center.leave(old)


async def test_a_contact_that_nobody_can_serve_waits_without_an_end(center: Center) -> None:
    contact_id = center.entropy.contact_id(center.backend.clock.now())
    wanted = Named("agent10")
    center.floor.tell(EnterQueue(contact_id, "product", wanted, 4, center.backend.clock.now()))
    _, live = await center.json("GET", "/v1/queues/live")
    [shown] = next(item for item in live["items"] if item["queue"] == "product")["contacts"]
    assert (shown["position"], shown["p50_s"], shown["p90_s"]) == (1, None, None)
    assert shown["requires"] == "agent:agent10 and product >= 1"
    center.leave(contact_id)


async def scraped(center: Center) -> dict[str, float]:
    """Every sample of /metrics by name and labels."""
    async with center.request("GET", "/metrics", None) as response:
        text = await response.text()
    return {name: float(value) for name, value in re.findall(r"^(callcenter_\S+) (\S+)$", text, re.MULTILINE)}


async def test_the_metrics_tell_trunks_tiers_offers_diversions_and_how_true_the_estimates_were(center: Center) -> None:
    before = await scraped(center)
    center.trunks_in_use = 7
    waiting = center.wait_in("orders", entered_at=center.backend.clock.now(), tier="vip")
    contact_id = center.entropy.contact_id(AT + 80)
    for seconds, body in enumerate(
        (
            ev.ContactStarted("inbound", "voice", "ch", None, "", MAIN, None, "vip", "zh-TW"),
            ev.QueueEntered("vip", {}, "vip", None),
            ev.QueueEstimated("vip", 1, 50.0, 100.0, 55.0),
            ev.OfferMade(f"{contact_id}.o1", "agent01", "vip", AT + 90, {}, {}),
            ev.OfferSettled(f"{contact_id}.o1", "agent01", "busy", 1.0),
            ev.QueueLeft("vip", "diverted", 75.0, "last_step", "queue:product"),
            ev.QueueEntered("product", {}, "vip", None),
            ev.QueueEstimated("product", 1, 30.0, 60.0, 35.0),
            ev.QueueLeft("product", "answered", 45.0),
        )
    ):
        center.remember(f"contact/{contact_id}", AT + 80 + seconds, body)
    await center.settled()
    after = await scraped(center)
    center.trunks_in_use = 0
    center.leave(waiting)
    assert (after["callcenter_trunks_in_use"], after["callcenter_trunks_limit"]) == (7.0, 200.0)
    assert after['callcenter_waiting_contacts_by_tier{queue="orders",value_tier="vip"}'] == 1.0
    assert after['callcenter_waiting_contacts_by_tier{queue="orders",value_tier="basic"}'] == 0.0
    busy = 'callcenter_offers_total{outcome="busy"}'
    assert after[busy] - before[busy] == 1.0
    assert after['callcenter_diverted_contacts_total{queue="vip",reason="last_step"}'] == 1.0
    told = 'callcenter_estimates_judged{of="told"}'
    assert after[told] - before[told] == 2.0
    parts = [
        after[f'callcenter_estimate_share{{part="{part}"}}'] for part in ("beyond_p50", "p50_to_p90", "beyond_p90")
    ]
    assert parts[0] == pytest.approx(parts[1] + parts[2])
    assert after["callcenter_estimate_median_error_ratio"] == pytest.approx(1 / 3)
    assert after["callcenter_estimate_bias_seconds"] == pytest.approx(10.0)


# --- the command --------------------------------------------------------------------------------------------------


async def test_the_command_asks_the_running_service_and_says_it_in_words(center: Center) -> None:
    port = {"CALLCENTER_API_PORT": center.url.rpartition(":")[2], "CALLCENTER_TOKEN": center.tokens["supervisor"]}
    code, out, err = await run("explain", "--customer", "c0006", "--dialed", MAIN, **port)
    assert code == 0, err
    assert "c0006 Sarah Johnson: value tier vip, spoken to in en" in out
    assert "queue orders (keys 2), which the rules turn into vip: value tier vip_risk, language en" in out
    assert "rule 可能流失的貴賓 VIP at risk: yes; queue vip; value tier vip_risk" in out
    assert "from 20 s: en and (vip or product >= 4)" in out
    assert "no end in sight" in out
    code, out, _ = await run("explain", "--dialed", VIP, "--at", "2026-11-22T20:00", "--json", **port)
    assert code == 0
    assert [each["queue"] for each in json.loads(out)["queues"]] == ["vip"]


async def test_the_command_says_what_the_service_refused_and_whether_it_is_there(center: Center) -> None:
    port = {"CALLCENTER_API_PORT": center.url.rpartition(":")[2], "CALLCENTER_TOKEN": center.tokens["supervisor"]}
    code, out, err = await run("explain", "--customer", "c9999", "--dialed", MAIN, **port)
    assert (code, out) == (1, "")
    assert "c9999" in err
    code, _, err = await run("explain", "--dialed", MAIN, "--at", "tomorrow", **port)
    assert (code, "--at" in err) == (2, True)
    code, _, err = await run("explain", "--dialed", MAIN, **{**port, "CALLCENTER_API_PORT": "9"})
    assert (code, "callcenter run" in err) == (4, True)
