"""SIGKILL of the whole service process, with callers everywhere: none is dropped, and the next process has them all."""

import time
from collections.abc import Mapping

import pytest

from tests.integration.conftest import Figure
from tests.kit.behaviour import Answer
from tests.kit.everywhere import CHOOSER, TALKER, WAITER, Everywhere
from tests.kit.hotline import AGENT_HZ, CALLER_HZ, VIP, data, hear_each_other
from tests.kit.phone import Phone
from tests.kit.service import Service

pytestmark = pytest.mark.integration

KILLS = 3
CONTROL_BACK_MAX_S = 30.0  # 5 s on a quiet machine, see the figure; a busy one takes 10 s to load the program
# "No dead air > 1 s" is what is promised to who hears Asterisk itself (RELIABILITY.md A6, rows 2 and 7). That the audio
# of a talk has no gap > 100 ms is a bar of a quiet machine: bench/killed.py measures it.
GAP_MS_MAX = 1000.0


async def test_a_killed_service_drops_nobody_and_its_successor_has_control_of_all(
    service: Service, trunk: Phone, phones: Mapping[str, Phone], figure: Figure
) -> None:
    callers = await Everywhere.begin(service, trunk, phones)
    for _ in range(KILLS):
        await service.kill()
        died_at = time.monotonic()
        await hear_each_other(callers.talking, callers.desk)
        await service.start()
        back_s = time.monotonic() - died_at
        figure("controls are back after a kill, s", back_s)
        assert back_s < CONTROL_BACK_MAX_S
        await callers.are_kept()
    for who, gap_ms in callers.silences_ms().items():
        figure(f"longest silence of {who} over kills, ms", gap_ms)
        assert gap_ms < GAP_MS_MAX, who
    for story in (await callers.are_served()).values():
        assert [event.type for event in story].count("contact.resumed") == KILLS


async def test_what_happened_while_the_killed_service_was_away_is_known_to_its_successor(
    service: Service, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    await phones["agent01"].register()
    await service.start()
    await service.log_in("agent01")
    talking = trunk.call(VIP, caller=TALKER, tone_hz=CALLER_HZ)
    desk = await phones["agent01"].next_call()
    await hear_each_other(talking, desk)
    waiting = trunk.call(VIP, caller=WAITER, tone_hz=CALLER_HZ)
    await service.until_waiting(1)
    await waiting.answered()  # before that a contact is shown, yet may not be on the disk
    await service.kill()
    await talking.hang_up()
    await waiting.hang_up()
    newcomer = trunk.call(VIP, caller=CHOOSER, tone_hz=CALLER_HZ)
    await newcomer.answered()  # by the fallback, which tries again
    await service.start()
    await desk.ended()
    await hear_each_other(newcomer, await phones["agent01"].next_call(within_s=40.0))
    await newcomer.hang_up()
    await service.until_over()
    assert await service.stop() == 0, service.said[-4000:]
    stories = await service.stories()
    ends = {caller: data(story[-1])["end_state"] for caller, story in stories.items()}
    assert ends["001"] == "agent"
    assert ends["002"] == "abandoned_queue"
    assert ends["003"] == "agent"
