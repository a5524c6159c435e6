"""GET /v1/sizing on the running API: answers as the command line does, and refuses what makes no sense."""

import pytest

from tests.api_center import Center, center

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

LOAD = {"calls_per_hour": "6000", "aht_s": "180", "target_share": "0.8", "target_s": "20"}
PATH = "/v1/sizing"


async def test_a_load_is_answered_with_agents_and_trunks(center: Center) -> None:
    status, found = await center.json("GET", PATH, params=LOAD | {"ivr_s": "30", "trunk_blocking": "0.001"})
    assert status == 200
    assert (found["agents"], found["trunks"], found["erlangs"]) == (309, 432, 300.0)
    assert found["trunk_blocking"] <= 0.001
    assert found["service_level"] == found["service_level_ignore"] >= 0.8
    assert found["abandonment"] is None


async def test_with_patience_some_give_up_and_fewer_agents_do(center: Center) -> None:
    status, found = await center.json("GET", PATH, params=LOAD | {"patience_s": "120"})
    assert status == 200
    assert (found["agents"], found["trunks"]) == (276, None)
    assert 0 < found["abandonment"] < 0.1
    assert found["service_level_ignore"] > found["service_level"] >= 0.8


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"aht_s": "0"}, ["query.aht_s"]),
        ({"calls_per_hour": "nan"}, ["query.calls_per_hour"]),
        ({"calls_per_hour": "1e400"}, ["query.calls_per_hour"]),
        ({"calls_per_hour": "many", "target_share": "80"}, ["query.calls_per_hour", "query.target_share"]),
        ({"agents": "9"}, ["query.agents"]),
        ({"ivr_s": "30"}, ["query"]),
        ({"calls_per_hour": "9000000"}, ["query.calls_per_hour"]),
        ({"calls_per_hour": "1900000", "ivr_s": "60", "trunk_blocking": "0.01"}, ["query.calls_per_hour"]),
    ],
)
async def test_a_load_that_makes_no_sense_is_refused_by_name(
    center: Center, given: dict[str, str], where: list[str]
) -> None:
    status, problem = await center.json("GET", PATH, params=LOAD | given)
    assert (status, problem["code"]) == (422, "invalid_request")
    assert [mistake["where"] for mistake in problem["errors"]] == where
    assert problem["detail"]


async def test_what_is_missing_is_named(center: Center) -> None:
    status, problem = await center.json("GET", PATH)
    assert status == 422
    assert {mistake["where"] for mistake in problem["errors"]} == {f"query.{name}" for name in LOAD}


async def test_an_agent_may_not_plan(center: Center) -> None:
    status, problem = await center.json("GET", PATH, "agent01", params=LOAD)
    assert (status, problem["code"]) == (403, "forbidden")
