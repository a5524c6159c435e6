"""`callcenter drain`: nobody new comes in, nobody inside is cut off, and then the service has ended."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from tests.kit.behaviour import Answer
from tests.kit.hotline import AGENT_HZ, CALLER_HZ, VIP, data, hear_each_other
from tests.kit.phone import Phone
from tests.kit.service import Service

pytestmark = pytest.mark.integration

TALKER, WAITER, LATECOMER = "0912000001", "0912000002", "0912000003"


async def until_draining(service: Service) -> None:
    """Wait until the service says that it can't be given callers any more."""
    async with asyncio.timeout(20.0):
        while await service.status("/v1/readyz") != 503:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def test_a_drain_serves_who_is_inside_refuses_who_comes_and_ends_the_service(
    service: Service, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    for agent_id in ("agent01", "agent02"):
        phones[agent_id].behaviour = Answer(tone_hz=AGENT_HZ)
        await phones[agent_id].register()
    await service.start()
    await service.log_in("agent02")
    talking = trunk.call(VIP, caller=TALKER, tone_hz=CALLER_HZ)
    desk = await phones["agent02"].next_call()
    await hear_each_other(talking, desk)
    waiting = trunk.call(VIP, caller=WAITER, tone_hz=CALLER_HZ)
    await service.until_waiting(1)
    draining = asyncio.create_task(service.ask("drain", "--json"))
    await until_draining(service)
    # The fallback dialplan takes who comes now: a prompt, then the emergency agent's phone, past the service.
    latecomer = trunk.call(VIP, caller=LATECOMER, tone_hz=CALLER_HZ)
    emergency = await phones["agent01"].next_call(within_s=40.0)
    await hear_each_other(latecomer, emergency)
    await latecomer.hang_up()
    assert not draining.done()
    assert service.process.returncode is None
    await talking.hang_up()
    await hear_each_other(waiting, await phones["agent02"].next_call())
    assert not draining.done()
    await waiting.hang_up()
    code, out, err = await asyncio.wait_for(draining, 30.0)
    assert code == 0, err
    assert json.loads(out) == {"left": {}, "to_the_fallback": 0}
    assert "1 talking" in err
    assert await asyncio.wait_for(service.process.wait(), 20.0) == 0
    stories = await service.stories()
    assert {caller: data(story[-1])["end_state"] for caller, story in stories.items()} == {
        "001": "agent",
        "002": "agent",
    }


async def test_when_time_is_up_who_waits_goes_to_the_fallback_and_who_talks_is_left_alone(
    service: Service, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    for agent_id in ("agent01", "agent02"):
        phones[agent_id].behaviour = Answer(tone_hz=AGENT_HZ)
        await phones[agent_id].register()
    await service.start()
    await service.log_in("agent02")
    talking = trunk.call(VIP, caller=TALKER, tone_hz=CALLER_HZ)
    desk = await phones["agent02"].next_call()
    await hear_each_other(talking, desk)
    waiting = trunk.call(VIP, caller=WAITER, tone_hz=CALLER_HZ)
    await service.until_waiting(1)
    code, out, err = await service.ask("drain", "--within", "2", "--json")
    assert code == 1, err
    assert json.loads(out) == {"left": {"talking": 1}, "to_the_fallback": 1}
    assert await asyncio.wait_for(service.process.wait(), 20.0) == 0
    await hear_each_other(talking, desk)
    assert waiting.is_up
    await service.start()
    # The fallback tries the service again, and it serves them, as a new contact.
    await service.until_waiting(1, within_s=30.0)
    await talking.hang_up()
    await desk.ended()
    await waiting.hang_up()
    await service.until_over()
    await service.stop()
    ends = sorted(
        (str(data(event)["end_state"]), str(data(event)["ended_by"]))
        for event in await service.events()
        if event.type == "contact.ended"
    )
    assert ends == [("abandoned_queue", "caller"), ("abandoned_queue", "fallback"), ("agent", "caller")]


async def test_a_drain_that_is_broken_off_is_taken_back(service: Service, trunk: Phone) -> None:
    await service.start()
    waiting = trunk.call(VIP, caller=WAITER)
    await service.until_waiting(1)
    draining = await service.command("drain")
    service.processes.remove(draining)
    await until_draining(service)
    draining.terminate()
    await draining.wait()
    await service.until_ready()
    newcomer = trunk.call(VIP, caller=LATECOMER)
    await service.until_waiting(2)
    await waiting.hang_up()
    await newcomer.hang_up()
    await service.until_over()
    await service.stop()


async def test_without_a_service_there_is_nothing_to_drain(service: Service) -> None:
    code, _, err = await service.ask("drain")
    assert code == 4
    assert "callcenter run" in err
