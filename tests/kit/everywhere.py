"""Callers everywhere: one talks, one waits, one hears a menu; and what has to be true of them whatever happens."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import pytest

from callcenter.db.queries import EventRow
from tests.kit.behaviour import Answer
from tests.kit.callee import IncomingCall
from tests.kit.caller import OutgoingCall
from tests.kit.hotline import AGENT_HZ, CALLER_HZ, MENU, VIP, data, hear_each_other, one, outcomes
from tests.kit.phone import Phone
from tests.kit.service import Service

TALKER, WAITER, CHOOSER = "0912000001", "0912000002", "0912000003"
FIRST, SECOND = "agent01", "agent02"


@dataclass(frozen=True, slots=True)
class Everywhere:
    """Three callers and two agents, of whom the first talks and the second is not logged in yet."""

    service: Service
    phones: Mapping[str, Phone]
    talking: OutgoingCall
    desk: IncomingCall
    waiting: OutgoingCall
    choosing: OutgoingCall
    contact_id: object  # of who waits
    queued_at: float
    heard_from: float
    talked_from: float

    @classmethod
    async def begin(cls, service: Service, trunk: Phone, phones: Mapping[str, Phone]) -> Self:
        """Start the service and let them call."""
        for agent_id in (FIRST, SECOND):
            phones[agent_id].behaviour = Answer(tone_hz=AGENT_HZ)
            await phones[agent_id].register()
        await service.start()
        await service.log_in(FIRST)
        talking = trunk.call(VIP, caller=TALKER, tone_hz=CALLER_HZ)
        desk = await phones[FIRST].next_call()
        await hear_each_other(talking, desk)
        waiting = trunk.call(VIP, caller=WAITER, tone_hz=CALLER_HZ)
        choosing = trunk.call(MENU, caller=CHOOSER, tone_hz=CALLER_HZ)
        (queued,) = await service.until_waiting(1)
        queued_at = time.monotonic() - float(queued["wait_s"])
        await choosing.hears_sound()
        return cls(
            service=service,
            phones=phones,
            talking=talking,
            desk=desk,
            waiting=waiting,
            choosing=choosing,
            contact_id=queued["contact_id"],
            queued_at=queued_at,
            heard_from=await waiting.hears_sound(),
            talked_from=time.monotonic(),
        )

    async def are_kept(self) -> None:
        """Nobody was dropped: who waits has their contact and the time waited so far, who talks has their agent."""
        (kept,) = await self.service.until_waiting(1)
        assert kept["contact_id"] == self.contact_id
        assert float(kept["wait_s"]) == pytest.approx(time.monotonic() - self.queued_at, abs=1.0)
        assert await self.service.activity(FIRST) == "talking"
        assert all(call.is_up for call in (self.talking, self.waiting, self.choosing))

    def silences_ms(self) -> Mapping[str, float]:
        """The longest time each of them heard nothing so far."""
        return {
            "a waiting caller": self.waiting.longest_gap_ms(self.heard_from),
            "a talking caller": self.talking.longest_gap_ms(self.talked_from, self.desk),
            "a talking agent": self.desk.longest_gap_ms(self.talked_from, self.talking),
        }

    async def are_served(self) -> Mapping[str, Sequence[EventRow]]:
        """Each goes on as if nothing had happened, and the service ends; their stories by the caller's last digits."""
        await self.choosing.hears_sound()
        await self.choosing.press("2")
        await self.service.until_waiting(2)
        await self.talking.hang_up()
        await self.desk.ended()
        await self.service.log_in(SECOND)
        await hear_each_other(self.waiting, await self.phones[SECOND].next_call())
        await self.waiting.hang_up()
        await self.choosing.hang_up()
        await self.service.until_over()
        assert await self.service.stop() == 0, self.service.said[-4000:]
        stories = await self.service.stories()
        assert sorted(stories) == ["001", "002", "003"]
        assert data(stories["001"][-1])["ended_by"] == "caller"
        assert outcomes(stories["002"]) == [(SECOND, "accepted")]
        assert data(one(stories["003"], "contact.ended"))["end_state"] == "abandoned_queue"
        return stories
