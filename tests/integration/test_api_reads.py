"""What the API answers: contacts, events, recordings, customers, queues; and every refusal as a problem."""

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api.app import create_app
from api.problems import BODY_BYTES_MAX
from api.server import ApiPortTaken, ApiServer
from callcenter.db.engine import make_engine
from callcenter.db.queries import Queries
from callcenter.feed.hub import Hub
from tests.api_center import PLATINUM, SITE, Center, center
from tests.kit.tones import tones_in

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

AT = 1_765_000_000.0
CONTACT_FIELDS = {
    *("contact_id", "direction", "channel", "caller", "dialed", "customer_id", "value_tier", "language", "queue"),
    *("agent_id", "started_at", "answered_at", "ended_at", "end_state", "ended_by", "wait_s", "talk_s", "hold_s"),
    *("wrap_up_s", "recording_ids"),
}


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


async def test_a_contact_has_the_fields_and_values_of_its_story(center: Center) -> None:
    contact_id = center.served_contact(started_at=AT)
    await center.settled()
    status, contact = await center.json("GET", f"/v1/contacts/{contact_id}")
    assert status == 200
    assert set(contact) >= CONTACT_FIELDS
    assert contact["started_at"] == at(AT)
    assert contact["answered_at"] == at(AT + 8)
    assert (contact["caller"], contact["dialed"], contact["queue"]) == (PLATINUM, "0800000100", "product")
    assert (contact["agent_id"], contact["end_state"], contact["ended_by"]) == ("agent01", "agent", "caller")
    assert (contact["wait_s"], contact["talk_s"], contact["hold_s"], contact["wrap_up_s"]) == (4.0, 2.0, 0.0, 1.0)
    assert contact["recording_ids"] == [f"{contact_id}.r1"]
    assert [segment["kind"] for segment in contact["segments"]] == ["ivr", "queue", "ring", "talk", "wrap_up"]
    assert [recording["state"] for recording in contact["recordings"]] == ["done"]


async def test_a_contacts_events_tell_the_whole_story_in_order_without_gaps(center: Center) -> None:
    contact_id = center.served_contact(started_at=AT + 10)
    await center.settled()
    _, story = await center.json("GET", f"/v1/contacts/{contact_id}/events")
    assert [event["seq"] for event in story["items"]] == list(range(1, 17))
    assert story["items"][0]["type"] == "contact.started"
    assert story["items"][-1]["type"] == "contact.ended"
    assert story["items"][-1]["data"]["seq_total"] == 16
    assert story["items"][0]["at"] == at(AT + 10)
    assert all(event["site"] == SITE.digest for event in story["items"])


async def test_pages_meet_without_overlap_or_gap_even_when_contacts_started_together(center: Center) -> None:
    made = [center.served_contact(started_at=AT + 1000 + n // 3, queue="orders") for n in range(11)]
    await center.settled()
    seen: list[str] = []
    path = "/v1/contacts?queue=orders&limit=4"
    pages = 0
    cursor: str | None = ""
    while cursor is not None:
        _, page = await center.json("GET", path + (f"&cursor={cursor}" if cursor else ""))
        seen += [contact["contact_id"] for contact in page["items"]]
        cursor = page["next_cursor"]
        pages += 1
    assert pages == 3
    assert len(seen) == len(set(seen)) == 11
    assert set(seen) == set(made)
    _, whole = await center.json("GET", "/v1/contacts?queue=orders&limit=200")
    assert [contact["contact_id"] for contact in whole["items"]] == seen


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"from={at(AT + 5000)}&to={at(AT + 5001)}", True),
        (f"from={at(AT + 5001)}&to={at(AT + 5002)}", False),
        ("queue=vip", True),
        ("queue=activities", False),
        ("agent=agent07", True),
        ("agent=agent08", False),
        ("caller=%2B886910009999", True),
        ("caller=%2B886910009998", False),
        ("end_state=agent&queue=vip", True),
        ("end_state=abandoned", False),
        ("customer=nobody", False),
        ("queue='%20OR%201=1--", False),
    ],
)
async def test_a_filter_selects(center: Center, query: str, found: bool) -> None:
    contact_id = center.served_contact(started_at=AT + 5000, queue="vip", agent_id="agent07", caller="+886910009999")
    await center.settled()
    status, page = await center.json("GET", f"/v1/contacts?limit=200&{query}")
    assert status == 200
    assert (contact_id in [contact["contact_id"] for contact in page["items"]]) is found


async def test_a_recording_plays_with_the_caller_left_and_the_agent_right(center: Center, tmp_path: Any) -> None:
    contact_id = center.served_contact(started_at=AT + 20)
    await center.settled()
    async with center.request("GET", f"/v1/recordings/{contact_id}.r1/audio") as response:
        assert (response.status, response.content_type) == (200, "audio/wav")
        assert response.headers["Accept-Ranges"] == "bytes"
        whole = await response.read()
    assert int(response.headers["Content-Length"]) == len(whole)
    (tmp_path / "heard.wav").write_bytes(whole)
    assert [round(hz, -1) for hz in tones_in(tmp_path / "heard.wav", 0)] == [440]
    assert [round(hz, -1) for hz in tones_in(tmp_path / "heard.wav", 1)] == [660]


async def test_a_recording_is_sent_in_ranges_that_make_up_the_whole(center: Center) -> None:
    contact_id = center.served_contact(started_at=AT + 30)
    await center.settled()
    path = f"/v1/recordings/{contact_id}.r1/audio"
    async with center.request("GET", path) as response:
        whole, etag = await response.read(), response.headers["ETag"]
    heard = io.BytesIO()
    for first in range(0, len(whole), 7001):
        async with center.request("GET", path, headers={"Range": f"bytes={first}-{first + 7000}"}) as response:
            assert response.status == 206
            part = await response.read()
            assert response.headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(whole)}"
            heard.write(part)
    assert heard.getvalue() == whole
    async with center.request("GET", path, headers={"Range": f"bytes={len(whole)}-"}) as response:
        problem = await response.json(content_type=None)
        assert (response.status, problem["code"]) == (416, "range_not_satisfiable")
        assert response.headers["Content-Range"] == f"bytes */{len(whole)}"
    for condition, status in ((etag, 206), ('"other"', 200)):
        headers = {"Range": "bytes=0-9", "If-Range": condition}
        async with center.request("GET", path, headers=headers) as response:
            assert response.status == status


async def test_a_recording_without_its_files_is_not_found(center: Center) -> None:
    contact_id = center.served_contact(started_at=AT + 40)
    await center.settled()
    (center.backend.recordings_dir / f"{contact_id}.r1-agent.wav").unlink()
    status, problem = await center.json("GET", f"/v1/recordings/{contact_id}.r1/audio")
    assert (status, problem["code"]) == (404, "audio_not_found")


async def test_queues_are_those_of_the_site_and_live_shows_who_waits_in_the_order_of_service(center: Center) -> None:
    _, queues = await center.json("GET", "/v1/queues")
    assert [queue["queue"] for queue in queues["items"]] == sorted(SITE.queues)
    now = center.backend.clock.now()
    young = center.wait_in("vip", entered_at=now - 1, tier="standard")
    old = center.wait_in("vip", entered_at=now - 30, tier="standard")
    dear = center.wait_in("vip", entered_at=now - 2, tier="platinum")
    _, live = await center.json("GET", "/v1/queues/live")
    [vip] = [queue for queue in live["items"] if queue["queue"] == "vip"]
    assert [one["contact_id"] for one in vip["contacts"]] == [dear, old, young]
    assert [one["place"] for one in vip["contacts"]] == [1, 2, 3]
    assert vip["waiting"] == 3
    assert 30 <= vip["oldest_wait_s"] < 60
    assert vip["contacts"][0]["value_tier"] == "platinum"
    for contact_id in (young, old, dear):
        center.leave(contact_id)


async def test_an_agent_logs_in_takes_a_break_and_logs_out(center: Center) -> None:
    async def states() -> dict[str, Any]:
        _, agents = await center.json("GET", "/v1/agents")
        [agent] = [agent for agent in agents["items"] if agent["agent_id"] == "agent03"]
        return {name: agent[name] for name in ("presence", "aux_code", "activity")}

    path = "/v1/agents/agent03"
    status, agent = await center.json("POST", f"{path}/login")
    assert (status, agent["presence"], agent["name"]) == (200, "available", SITE.agents["agent03"].name)
    await center.json("POST", f"{path}/presence", json={"presence": "aux", "aux_code": "break"})
    assert await states() == {"presence": "aux", "aux_code": "break", "activity": "idle"}
    await center.json("POST", f"{path}/presence", json={"presence": "available"})
    assert (await states())["presence"] == "available"
    await center.json("POST", f"{path}/logout", json={})
    assert (await states())["presence"] == "logged_out"


async def test_a_customer_is_found_by_number_in_any_spelling(center: Center) -> None:
    for phone in ("%2B886910000001", "+886910000001", "0910000001", "0910-000-001"):
        _, found = await center.json("GET", f"/v1/customers?phone={phone}")
        assert [one["phones"] for one in found["items"]] == [[PLATINUM]], phone
    _, found = await center.json("GET", "/v1/customers?phone=%2B886999999999")
    assert found["items"] == []


ID = "0198c0de-7b1e-7aaa-8000-4b1d00000001"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v1/nothing", None, 404, "no_such_path"),
        ("GET", "/", None, 404, "no_such_path"),
        ("GET", f"/v1/contacts/{ID}", None, 404, "contact_not_found"),
        ("GET", "/v1/contacts/1%20OR%201=1", None, 404, "contact_not_found"),
        ("GET", f"/v1/contacts/{ID.upper()}", None, 404, "contact_not_found"),
        ("GET", f"/v1/contacts/{ID}/events", None, 404, "contact_not_found"),
        ("GET", "/v1/contacts/%00", None, 422, "invalid_request"),
        ("GET", f"/v1/recordings/{ID}.r1", None, 404, "recording_not_found"),
        ("GET", "/v1/recordings/..%2F..%2Fetc%2Fpasswd/audio", None, 404, None),
        ("GET", "/v1/recordings/..%5Cpasswd/audio", None, 404, "recording_not_found"),
        ("GET", "/v1/customers/nobody", None, 404, "customer_not_found"),
        ("POST", "/v1/agents/nobody/login", None, 404, "agent_not_found"),
        ("DELETE", f"/v1/contacts/{ID}", None, 405, "method_not_allowed"),
        ("POST", "/v1/queues", None, 405, "method_not_allowed"),
        ("GET", "/v1/contacts?limit=201", None, 422, "invalid_request"),
        ("GET", "/v1/contacts?limit=0", None, 422, "invalid_request"),
        ("GET", "/v1/contacts?limit=many", None, 422, "invalid_request"),
        ("GET", "/v1/contacts?colour=red", None, 422, "invalid_request"),
        ("GET", "/v1/contacts?from=yesterday", None, 422, "invalid_request"),
        ("GET", "/v1/contacts?from=2025-01-01T00:00:00", None, 422, "invalid_request"),
        ("GET", "/v1/contacts?from=0001-01-01T00:00:00Z", None, 422, "invalid_request"),
        ("GET", "/v1/contacts?cursor=nonsense", None, 422, "invalid_request"),
        ("GET", "/v1/contacts?cursor=bmFuIHg=", None, 422, "invalid_request"),
        ("GET", "/v1/contacts?queue=%00", None, 422, "invalid_request"),
        ("GET", "/v1/contacts?queue=" + "q" * 20_000, None, 422, "invalid_request"),
        ("GET", "/v1/queues?colour=red", None, 422, "invalid_request"),
        ("GET", "/v1/customers", None, 422, "invalid_request"),
        ("GET", "/v1/customers?phone=anonymous", None, 422, "invalid_request"),
        ("GET", "/v1/customers?phone=%00%0d%0a", None, 422, "invalid_request"),
        ("POST", "/v1/agents/agent03/presence", {"presence": "asleep"}, 422, "invalid_request"),
        ("POST", "/v1/agents/agent03/presence", {"presence": "aux"}, 422, "invalid_request"),
        ("POST", "/v1/agents/agent03/presence", {"presence": "available", "aux_code": "x"}, 422, "invalid_request"),
        ("POST", "/v1/agents/agent03/presence", {"presence": "aux", "aux_code": "a\nb"}, 422, "invalid_request"),
        ("POST", "/v1/agents/agent03/presence", {"presence": "available", "mood": 1}, 422, "invalid_request"),
        ("POST", "/v1/agents/agent03/presence", [], 422, "invalid_request"),
        ("POST", "/v1/agents/agent03/login", {"password": "x"}, 422, "invalid_request"),
        ("POST", "/v1/agents/agent03/login", {"x": "y" * BODY_BYTES_MAX}, 413, "body_too_large"),
    ],
)
async def test_a_refusal_is_a_problem_with_a_stable_code(
    center: Center, method: str, path: str, body: Any, status: int, code: str | None
) -> None:
    async with center.request(method, path, json=body) as response:
        problem = await response.json(content_type=None)
        assert response.status == status, problem
        assert response.content_type == "application/problem+json"
    assert set(problem) <= {"type", "code", "title", "detail", "status", "errors"}
    assert problem["status"] == status
    assert problem["type"] == f"urn:callcenter:problem:{problem['code']}"
    assert code in {None, problem["code"]}
    assert "Traceback" not in str(problem)
    assert not re.search(r"[\x00-\x1f]", "".join(map(str, problem.values())))
    assert len(str(problem)) < 3000


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b'"' + b"[" * 60_000, b'{"presence": "\\ud800"}', b"null"])
async def test_a_body_that_is_no_json_we_take_is_refused(center: Center, raw: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    status, problem = await center.json("POST", "/v1/agents/agent03/presence", data=raw, headers=headers)
    assert (status, problem["code"]) == (422, "invalid_request")


async def test_a_body_without_a_declared_length_is_counted_as_it_comes(center: Center) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b" " * 4096

    headers = {"Content-Type": "application/json"}
    status, problem = await center.json("POST", "/v1/agents/agent03/presence", data=endless(), headers=headers)
    assert (status, problem["code"]) == (413, "body_too_large")


async def test_every_answer_forbids_sniffing_and_caching(center: Center) -> None:
    for path in ("/v1/queues", "/v1/nothing"):
        async with center.request("GET", path) as response:
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Cache-Control"] == "no-store"


async def test_readiness_names_each_part_and_turns_503_when_a_required_one_is_down(center: Center) -> None:
    healthy = center.health
    status, ready = await center.json("GET", "/v1/readyz", None)
    assert (status, ready["ready"]) == (200, True)
    ari, database = healthy.parts
    center.health = replace(healthy, parts=(replace(ari, ok=False), database))
    status, ready = await center.json("GET", "/v1/readyz", None)
    assert (status, ready["ready"]) == (503, False)
    center.health = replace(healthy, parts=(ari, replace(database, ok=False)))
    assert (await center.json("GET", "/v1/readyz", None))[0] == 200
    center.health = healthy


async def test_metrics_count_waiting_contacts_agents_and_events(center: Center) -> None:
    contact_id = center.wait_in("orders", entered_at=center.backend.clock.now() - 5)
    await center.settled()
    async with center.request("GET", "/metrics", None) as response:
        text = await response.text()
    center.leave(contact_id)
    assert 'callcenter_waiting_contacts{queue="orders"} 1.0' in text
    assert 'callcenter_contacts{phase="queued"} 2.0' in text
    assert re.search(r'callcenter_agents\{activity="idle",presence="logged_out"\} \d+', text)
    assert "callcenter_ari_up 1.0" in text
    [events] = re.findall(r"^callcenter_events_total (\S+)", text, re.MULTILINE)
    assert float(events) == center.backend.hub.events_total


async def test_the_documentation_needs_no_other_server_and_names_every_path(center: Center) -> None:
    _, description = await center.json("GET", "/v1/openapi.json", None)
    async with center.request("GET", "/v1/docs", None) as response:
        page = await response.text()
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert "<script" not in page
    for path in description["paths"]:
        assert path in page


async def test_a_database_that_is_away_answers_503_with_a_time_to_retry(center: Center) -> None:
    await center.json("GET", "/v1/queues")  # so that the token is known
    engine = make_engine("postgresql+asyncpg://nobody@127.0.0.1:9/none")
    backend = replace(center.backend, queries=Queries(engine))
    server = ApiServer(create_app(replace(backend, hub=Hub())), "127.0.0.1", 0)
    await server.start()
    try:
        headers = {"Authorization": f"Bearer {center.tokens['supervisor']}"}
        async with center.http.get(f"http://127.0.0.1:{server.port}/v1/contacts", headers=headers) as response:
            problem = await response.json(content_type=None)
            assert (response.status, problem["code"]) == (503, "database_unavailable")
            assert int(response.headers["Retry-After"]) > 0
            assert "127.0.0.1" not in str(problem)
    finally:
        await server.stop()
        await engine.dispose()


async def test_a_taken_port_is_said_with_the_fix(center: Center) -> None:
    port = int(center.url.rsplit(":", 1)[1])
    server = ApiServer(create_app(center.backend), "127.0.0.1", port)
    with pytest.raises(ApiPortTaken, match="CALLCENTER_API_PORT"):
        await server.start()
