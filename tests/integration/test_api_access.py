"""Who may do what: every route × every role, on the running API with a real database."""

import pytest

from api.auth import FAILURES_MAX
from callcenter.db.tokens import Role
from callcenter.ports import DeviceSeen
from tests.api_center import PLATINUM, SITE, Center, center

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

AT = 1_760_000_000.0
EVERYBODY = (None, "agent01", "agent02", "supervisor", "admin")

A_DAY = "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z"

# What each of EVERYBODY gets. {own} is a contact that agent01 served, so agent02 is the stranger.
MATRIX = {
    "GET /v1/contacts": (401, 200, 200, 200, 200),
    "GET /v1/contacts/{own}": (401, 200, 404, 200, 200),
    "GET /v1/contacts/{own}/events": (401, 200, 404, 200, 200),
    "GET /v1/contacts/{own}/why": (401, 200, 404, 200, 200),
    "POST /v1/routing/explain": (401, 200, 200, 200, 200),
    "GET /v1/recordings": (401, 200, 200, 200, 200),
    "GET /v1/recordings/{own}.r1": (401, 200, 404, 200, 200),
    "GET /v1/recordings/{own}.r1/audio": (401, 200, 404, 200, 200),
    "GET /v1/queues": (401, 200, 200, 200, 200),
    "GET /v1/queues/live": (401, 200, 200, 200, 200),
    "GET /v1/agents": (401, 200, 200, 200, 200),
    "POST /v1/agents/agent01/login": (401, 200, 403, 200, 200),
    "POST /v1/agents/agent01/presence": (401, 200, 403, 200, 200),
    "POST /v1/agents/agent01/logout": (401, 200, 403, 200, 200),
    "POST /v1/agents/nobody/login": (401, 403, 403, 404, 404),
    "GET /v1/customers?phone=%2B886910000001": (401, 200, 200, 200, 200),
    "GET /v1/customers/{customer}": (401, 200, 200, 200, 200),
    "POST /v1/customers/import": (401, 403, 403, 403, 200),
    "GET /v1/sizing?calls_per_hour=6000&aht_s=180&target_share=0.8&target_s=20": (401, 403, 403, 200, 200),
    f"GET /v1/reports/queues?{A_DAY}": (401, 403, 403, 200, 200),
    f"GET /v1/reports/queues/contacts?{A_DAY}&metric=sl_all": (401, 403, 403, 200, 200),
    f"GET /v1/reports/estimates?{A_DAY}": (401, 403, 403, 200, 200),
    f"GET /v1/reports/estimates/contacts?{A_DAY}": (401, 403, 403, 200, 200),
    f"GET /v1/reports/surveys?{A_DAY}": (401, 403, 403, 200, 200),
    f"GET /v1/reports/surveys/contacts?{A_DAY}&survey=after_call": (401, 403, 403, 200, 200),
    "GET /v1/reports/metrics": (401, 403, 403, 200, 200),
    "GET /v1/site": (401, 403, 403, 200, 200),
    "GET /v1/site/history": (401, 403, 403, 200, 200),
    "POST /v1/site/apply": (401, 403, 403, 403, 200),
    "POST /v1/site/rollback": (401, 403, 403, 403, 422),
    "GET /v1/flows": (401, 403, 403, 200, 200),
    "GET /v1/flows/main": (401, 403, 403, 200, 200),
    "PUT /v1/flows/main/draft": (401, 403, 403, 403, 200),
    "GET /v1/flows/main/draft": (401, 403, 403, 200, 200),
    "DELETE /v1/flows/main/draft": (401, 403, 403, 403, 200),
    "POST /v1/flows/main/publish": (401, 403, 403, 403, 404),
    "POST /v1/flows/main/rollback": (401, 403, 403, 403, 404),
    "GET /v1/flows/nobody/versions": (401, 403, 403, 404, 404),
    "GET /v1/flows/main/versions/0000000000000000": (401, 403, 403, 404, 404),
    "GET /v1/prompts": (401, 403, 403, 200, 200),
    "PUT /v1/prompts/en/welcome/draft": (401, 403, 403, 403, 409),
    "DELETE /v1/prompts/en/welcome/draft": (401, 403, 403, 403, 404),
    "POST /v1/prompts/en/welcome/publish": (401, 403, 403, 403, 404),
    "DELETE /v1/prompts/en/welcome": (401, 403, 403, 403, 409),
    f"GET /v1/flows/main/paths?{A_DAY}": (401, 403, 403, 200, 200),
    f"GET /v1/flows/main/paths/contacts?{A_DAY}&of=node": (401, 403, 403, 200, 200),
    "GET /v1/live": (401, 200, 200, 200, 200),
    "GET /v1/healthz": (200, 200, 200, 200, 200),
    "GET /v1/readyz": (200, 200, 200, 200, 200),
    "GET /healthz": (200, 200, 200, 200, 200),
    "GET /readyz": (200, 200, 200, 200, 200),
    "GET /metrics": (200, 403, 403, 200, 200),
    "GET /v1/openapi.json": (200, 200, 200, 200, 200),
    "GET /v1/docs": (200, 200, 200, 200, 200),
}


@pytest.mark.parametrize("route", MATRIX)
async def test_every_route_answers_every_role_as_the_table_says(center: Center, route: str) -> None:
    own = center.served_contact(started_at=AT, agent_id="agent01")
    await center.settled()
    [known] = (await center.json("GET", "/v1/customers?phone=%2B886910000001"))[1]["items"]
    method, path = route.split(" ")
    path = path.replace("{own}", own).replace("{customer}", known["customer_id"])
    bodies = {
        "presence": {"presence": "available"},
        "explain": {"dialed": "0800000100"},
        "draft": {"text": "start = 1"},
        "import": {"customers": []},
    }
    body = bodies.get(path.rpartition("/")[2])
    for who, expected in zip(EVERYBODY, MATRIX[route], strict=True):
        async with center.request(method, path, who, json=body) as response:
            assert response.status == expected, (route, who)
            if expected >= 400:
                assert response.content_type == "application/problem+json"
                assert (await response.json(content_type=None))["status"] == expected


async def test_the_matrix_covers_every_documented_route(center: Center) -> None:
    _, description = await center.json("GET", "/v1/openapi.json", None)
    documented = {f"{method.upper()} {path}" for path, item in description["paths"].items() for method in item}
    shapes = {
        route.split("?")[0]
        .replace("{own}.r1", "{recording_id}")
        .replace("{own}", "{contact_id}")
        .replace("{customer}", "{customer_id}")
        .replace("agents/agent01", "agents/{agent_id}")
        .replace("flows/main", "flows/{flow}")
        .replace("prompts/en/welcome", "prompts/{language}/{prompt}")
        .replace("flows/nobody", "flows/{flow}")
        .replace("0000000000000000", "{version}")
        for route in MATRIX
    }
    assert documented <= shapes


@pytest.mark.parametrize("token", ["", "x", "Bearer", "cc_" + "A" * 43, "cc_" + "A" * 5000, "cc_'; DROP TABLE contact"])
async def test_a_token_nobody_made_opens_nothing(center: Center, token: str) -> None:
    status, problem = await center.json("GET", "/v1/contacts", None, headers={"Authorization": f"Bearer {token}"})
    assert (status, problem["code"]) == (401, "unauthorized")


async def test_a_revoked_token_opens_nothing(center: Center) -> None:
    token = await center.backend.tokens.create(Role.SUPERVISOR, "short-lived")
    assert (await center.json("GET", "/v1/queues", token))[0] == 200
    listed = await center.backend.tokens.listed()
    [row] = [row for row in listed if row.bearer.label == "short-lived"]
    assert await center.backend.tokens.revoke(row.bearer.token_id)
    assert (await center.json("GET", "/v1/queues", token))[0] == 401


@pytest.mark.parametrize(
    ("who", "path", "able"),
    [
        ("agent01", "/v1/site", "supervisor or admin has it"),
        ("supervisor", "/v1/site/apply", "one of role admin has it"),
    ],
)
async def test_who_may_not_is_told_who_may(center: Center, who: str, path: str, able: str) -> None:
    status, problem = await center.json("POST" if path.endswith("apply") else "GET", path, who)
    assert (status, able in problem["detail"]) == (403, True)


async def test_metrics_ask_a_token_of_whoever_comes_through_a_proxy(center: Center) -> None:
    proxied = {"X-Forwarded-For": "203.0.113.9"}
    assert (await center.json("GET", "/metrics", None, headers=proxied))[0] == 401


async def test_an_agent_lists_only_the_contacts_they_answered(center: Center) -> None:
    own = center.served_contact(started_at=AT + 100, agent_id="agent02")
    center.served_contact(started_at=AT + 101, agent_id="agent03")
    await center.settled()
    _, page = await center.json("GET", "/v1/contacts?limit=200", "agent02")
    assert own in [contact["contact_id"] for contact in page["items"]]
    assert {contact["agent_id"] for contact in page["items"]} == {"agent02"}
    _, page = await center.json("GET", "/v1/contacts?agent=agent03", "agent02")
    assert page["items"] == []


async def test_a_customer_is_masked_for_an_agent_who_never_served_them(center: Center) -> None:
    customer = next(one for one in SITE.customers.values() if one.phone == PLATINUM)
    served = center.served_contact(started_at=AT + 200, agent_id="agent01", customer_id=customer.customer_id)
    await center.settled()
    path = f"/v1/customers/{customer.customer_id}"
    _, whole = await center.json("GET", path, "supervisor")
    _, own = await center.json("GET", path, "agent01")
    _, masked = await center.json("GET", path, "agent02")
    assert whole["phones"] == own["phones"] == ["+886910000001"]
    assert (masked["phones"], masked["name"]) == (["+8869****001"], whole["name"][0] + "**")
    assert [contact["contact_id"] for contact in own["contacts"]] == [served]
    assert masked["contacts"] == []
    _, found = await center.json("GET", "/v1/customers?phone=0910000001", "agent02")
    assert [one["phones"] for one in found["items"]] == [["+8869****001"]]


async def test_an_agent_does_not_learn_whom_a_colleague_serves(center: Center) -> None:
    center.floor.log_in("agent05")
    center.floor.device(DeviceSeen("agent05", reachable=True))
    contact_id = center.wait_in("product", entered_at=center.backend.clock.now())
    _, agents = await center.json("GET", "/v1/agents", "supervisor")
    assert {a["agent_id"]: a["contact_id"] for a in agents["items"]}["agent05"] == contact_id
    _, agents = await center.json("GET", "/v1/agents", "agent01")
    assert {a["agent_id"]: a["contact_id"] for a in agents["items"]}["agent05"] is None
    center.leave(contact_id)
    center.floor.log_out("agent05")


async def test_too_many_wrong_tokens_from_one_address_are_told_to_slow_down(center: Center) -> None:
    statuses = []
    for n in range(FAILURES_MAX + 5):
        async with center.request("GET", "/v1/queues", f"cc_{n:040}") as response:
            statuses.append(response.status)
            if response.status == 429:
                assert int(response.headers["Retry-After"]) > 0
    assert set(statuses) <= {401, 429}
    assert statuses[-1] == 429
    assert (await center.json("GET", "/v1/queues", "supervisor"))[0] == 200
