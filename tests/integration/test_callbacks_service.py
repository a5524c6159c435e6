"""Callbacks through the service's own process: from the files of a site and the settings to the customer's phone."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.kit.behaviour import Answer
from tests.kit.hotline import AGENT_HZ, CALLER_HZ, VIP, data, hears_only, types
from tests.kit.phone import Phone
from tests.kit.service import Service

pytestmark = pytest.mark.integration


async def test_a_drain_does_not_wait_for_callbacks_and_the_next_start_keeps_the_promise(
    service: Service, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    site = Path(service.environment["CALLCENTER_SITE"])
    queues = site / "queues.toml"
    own = '[vip]\ncallback = { mode = "customer_first", key = "1" }\n'
    queues.write_text(queues.read_text().replace("[vip]\n", own, 1))
    host, port = trunk.stack.address
    await service.start(CALLCENTER_TRUNK=f"{host}:{port}")
    call = trunk.call(VIP, caller="0912345678", tone_hz=CALLER_HZ)
    await service.until_waiting(1)
    await call.press("1")
    await call.ended()
    (awaiting,) = await service.until_waiting(1)
    assert awaiting["callback"]
    code, out, err = await asyncio.wait_for(service.ask("drain", "--json"), 20.0)
    assert (code, json.loads(out)) == (0, {"left": {}, "to_the_fallback": 0}), err
    assert await asyncio.wait_for(service.process.wait(), 20.0) == 0
    trunk.behaviour = Answer(tone_hz=CALLER_HZ)
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    await phones["agent01"].register()
    await service.start(CALLCENTER_TRUNK=f"{host}:{port}")
    (still,) = await service.until_waiting(1)
    assert (still["contact_id"], still["entered_at"]) == (awaiting["contact_id"], awaiting["entered_at"])
    await service.log_in("agent01")
    customer, desk = await trunk.next_call(), await phones["agent01"].next_call()
    assert VIP in customer.header("From"), "the hotline that they had called"
    await asyncio.gather(hears_only(customer, AGENT_HZ), hears_only(desk, CALLER_HZ))
    await customer.hang_up()
    code, _, err = await service.ask("drain")
    assert code == 0, err
    (story,) = (await service.stories()).values()
    assert data(story[-1])["end_state"] == "agent"
    assert types(story).count("callback.answered") == 1
