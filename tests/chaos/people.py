"""Callers and agents with real phones, who keep what they lived through for the checker."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from tests.chaos.plan import CallerPlan
from tests.kit.behaviour import Answer
from tests.kit.call import Call
from tests.kit.callee import IncomingCall
from tests.kit.caller import OutgoingCall
from tests.kit.hotline import AGENT_HZ, CALLER_HZ, MENU
from tests.kit.phone import Phone
from tests.kit.service import Service

ANSWERED_S = 40.0  # the fallback answers, and tries again for as long
KEY_AFTER_S = 1.5
LOOK_S = 0.1
BYE_S = 3.0
JOINED_S = 1.0  # after the answer, caller and agent hear each other


@dataclass(slots=True)
class Caller:
    """What one caller lived through; instants are monotonic seconds."""

    plan: CallerPlan
    call: OutgoingCall
    hung_up: bool = False
    forsaken: bool = False  # their BYE was answered by nobody

    async def live(self, desks: "Desks") -> None:
        """Call, key, wait, talk, hang up."""
        try:
            with suppress(AssertionError):
                await self.call.answered(ANSWERED_S)
                await self._stay(desks)
        finally:
            await self._leave()

    async def _stay(self, desks: "Desks") -> None:
        began_at = time.monotonic()
        if self.plan.dialed == MENU:
            await asyncio.sleep(KEY_AFTER_S)
            if self.call.is_up:
                await self.call.press("2")
        while self.call.is_up and not desks.talks_with(self):
            if time.monotonic() - began_at > self.plan.patience_s:
                return
            await asyncio.sleep(LOOK_S)
        with suppress(AssertionError):
            await self.call.ended(self.plan.talk_s)

    async def _leave(self) -> None:
        self.hung_up = not self.call.is_over
        try:
            await self.call.hang_up(BYE_S)
        except AssertionError:
            self.forsaken = True
            self.call.cut()


class Desks:
    """Agents at their phones: they answer, talk, hang up, and log in again whenever they find themselves logged out."""

    def __init__(self, phones: Mapping[str, Phone], talk_s: tuple[float, ...]) -> None:
        self.phones = dict(zip(phones, phones.values(), strict=True))
        for phone, seconds in zip(self.phones.values(), talk_s, strict=True):
            phone.behaviour = Answer(after_s=0.3, hang_up_after_s=seconds, tone_hz=AGENT_HZ)

    async def begin(self, service: Service) -> None:
        """Everybody registers and logs in."""
        for agent_id, phone in self.phones.items():
            await phone.register()
            await service.log_in(agent_id)

    async def keep_at_work(self, service: Service) -> None:
        """As agents do: look every few seconds whether one is still at work. An Asterisk that is back needs phones."""
        while True:
            await asyncio.sleep(3.0)
            for agent_id, phone in self.phones.items():
                with suppress(Exception):  # whoever does not answer now is asked again
                    await phone.register(within_s=1.0)
                    async with asyncio.timeout(2.0):
                        await service.log_in(agent_id)

    @property
    def calls(self) -> list[IncomingCall]:
        """Every call that any of them had."""
        return [call for phone in self.phones.values() for call in phone.calls if isinstance(call, IncomingCall)]

    def of(self, caller: Caller) -> list[IncomingCall]:
        """The calls with this caller that were answered."""
        number = caller.plan.number[1:]  # shown as +886…, or as it was dialed
        return [call for call in self.calls if call.times.answered_at and call.caller.endswith(number)]

    def talks_with(self, caller: Caller) -> bool:
        """Whether one of them is on the line with the caller now."""
        return any(call.is_up for call in self.of(caller))

    def gap_ms(self, caller: Caller) -> float:
        """The longest silence of the agent's voice in the caller's ear that their phones did not make themselves."""
        return max((_gap_ms(caller.call, desk) for desk in self.of(caller)), default=0.0)


def _gap_ms(call: Call, desk: IncomingCall) -> float:
    answered_at, ended_at = desk.times.answered_at, desk.times.ended_at
    if answered_at is None or ended_at is None or ended_at - answered_at < JOINED_S:
        return 0.0
    return call.longest_gap_ms(answered_at + JOINED_S, desk, until_at=ended_at)


def caller_of(trunk: Phone, plan: CallerPlan) -> Caller:
    """The caller dials."""
    return Caller(plan, trunk.call(plan.dialed, caller=plan.number, tone_hz=CALLER_HZ))
