"""Who waits to be called back is seen in the live views like everybody who waits."""

import pytest

from callcenter.contact.commands import EnterQueue
from routing.model import SoFar
from routing.requirement import ANYONE
from tests.api_center import Center, center

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]


async def test_a_contact_that_awaits_a_callback_is_shown_with_its_place_and_age_and_as_what_it_is(
    center: Center,
) -> None:
    now = center.backend.clock.now()
    present, away = center.entropy.contact_id(now), center.entropy.contact_id(now)
    center.floor.tell(
        EnterQueue(
            away, "orders", ANYONE, 4, now - 100.0, clock_s=90.0, callback=True, so_far=SoFar(0, expires_at=now + 999.0)
        )
    )
    center.floor.tell(EnterQueue(present, "orders", ANYONE, 4, now))
    status, live = await center.json("GET", "/v1/queues/live")
    assert status == 200
    queue = next(item for item in live["items"] if item["queue"] == "orders")
    assert (queue["waiting"], queue["callbacks"]) == (2, 1)
    assert [(each["contact_id"], each["callback"]) for each in queue["contacts"]] == [(away, True), (present, False)]
    assert queue["contacts"][0]["wait_s"] == pytest.approx(100.0, abs=5.0)
    for contact_id in (present, away):
        center.leave(contact_id)
    _, live = await center.json("GET", "/v1/queues/live")
    assert next(item for item in live["items"] if item["queue"] == "orders")["callbacks"] == 0
