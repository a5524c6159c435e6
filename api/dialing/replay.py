"""All conversations of some scripts by telephone, on the real service: those of one instant at the same time.

A conversation's instant is the clock of the call center that it calls, and its thrown switches are that center's; so
conversations that have them in common share one. Each has a number of its own to dial, and a caller of its own.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from api.demo.sipp import Address
from api.dialing.answers import ScriptedAnswers
from api.dialing.callers import Callers
from api.dialing.conversation import Around, ByTelephone, holds_within
from api.dialing.part import Held, Part
from api.dialing.playlist import playlist_of
from api.dialing.recogniser import ScriptedRecogniser
from callcenter.beside import Beside
from callcenter.clock import AnchoredClock
from callcenter.config.model import Customer, Hotline
from callcenter.config.numbers import e164
from callcenter.config.settings import Settings
from callcenter.config.site import Site
from callcenter.errors import CallCenterError
from callcenter.runtime import CallCenter

AT_ONCE_MAX: Final = 12  # what two busy processors can play to in time
UP_S: Final = 30.0
OVER_S: Final = 30.0

Tell = Callable[[Part, Held], None]


@dataclass(frozen=True, slots=True)
class Number:
    """Who calls (E.164), and what they dial."""

    caller: str
    dialed: str

    @property
    def customer_id(self) -> str:
        """The customer whose number the caller's is, if they are known."""
        return f"dial{self.caller[1:]}"


async def replay(
    parts: Sequence[Part],
    site: Site,
    beside: Beside,
    recogniser: ScriptedRecogniser,
    server: Address,
    settings: Settings,
    told: Tell,
) -> Sequence[Held]:
    """How each conversation went, in the order of `parts`; `told` hears of each as it ends. All must be dialable.

    `server` is where `beside`'s Asterisk takes calls; its prompts must be the site's, its database fresh. Everything
    goes into `settings.var`. `recogniser` runs, and that Asterisk can hear callers for it; it needs to only where flows
    listen. Raises CallCenterError when it can't go on, alone or in an ExceptionGroup.
    """
    held: dict[str, Held] = {}
    answers, own = ScriptedAnswers(), settings.model_copy(update={"recogniser": recogniser.url or None})
    async with playlist_of(beside.asterisk) as playlist:
        around = Around(playlist, answers, recogniser)
        for n, together in enumerate(_groups(parts)):
            held |= await _hold(n, together, site, replace(beside, answers=answers), around, server, own, told)
    return [held[part.name] for part in parts]


def _groups(parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
    """Parts of one instant and one set of switches, at most AT_ONCE_MAX."""
    groups: dict[tuple[float, tuple[str, ...]], list[Part]] = defaultdict(list)
    for part in parts:
        groups[part.conversation.at, part.conversation.closed_now].append(part)
    for together in groups.values():
        yield from (together[n : n + AT_ONCE_MAX] for n in range(0, len(together), AT_ONCE_MAX))


async def _hold(
    group: int,
    together: Sequence[Part],
    site: Site,
    beside: Beside,
    around: Around,
    server: Address,
    settings: Settings,
    told: Tell,
) -> dict[str, Held]:
    numbers = [_number(n, part) for n, part in enumerate(together)]
    by_call = [part.dialed_by(number.customer_id) for part, number in zip(together, numbers, strict=True)]
    staged = _staged(site, by_call, numbers)
    where = settings.var / f"group{group}"
    own = settings.model_copy(update={"var": where, "node": f"dial{group}"})
    clock = AnchoredClock(together[0].conversation.at)
    rows = {number.caller: number.dialed for number in numbers}
    async with _open(own, staged, beside, clock) as center, Callers(server, rows, where / "callers") as callers:

        async def one(n: int) -> Held:
            call, dialed = callers.calls[numbers[n].caller], numbers[n].dialed
            held = await ByTelephone(by_call[n], center, around, call, dialed).hold()
            told(together[n], held)
            return held

        async with asyncio.TaskGroup() as group_of_tasks:
            tasks = [group_of_tasks.create_task(one(n)) for n in range(len(together))]
        await _nobody_left(center)
    return {part.name: task.result() for part, task in zip(together, tasks, strict=True)}


def _number(n: int, part: Part) -> Number:
    """Whoever was somebody's customer once stays in the database: strangers call from other numbers."""
    return Number(f"+886{'911' if part.conversation.caller.known else '912'}5500{n:02}", f"08095500{n:02}")


def _staged(site: Site, together: Sequence[Part], numbers: Sequence[Number]) -> Site:
    """The site with a number and a caller for each conversation, and with its switches thrown.

    Without rules for routing, which are not what a flow's test is about.
    """
    hotlines, customers, flows = dict(site.hotlines), dict(site.customers), dict(site.flows)
    for part, number in zip(together, numbers, strict=True):
        who = part.conversation.caller
        language = who.language or site.default_language
        flows[part.flow.id] = part.flow
        hotlines[number.dialed] = Hotline(number.dialed, part.flow.id, None, language)
        if who.known:
            customers[number.customer_id] = Customer(
                customer_id=number.customer_id,
                phone=number.caller,
                name="flow test",
                value_tier=who.value_tier or site.default_value_tier,
                language=language,
                open_case=who.open_case,
                open_order=who.open_order,
                at_risk=who.at_risk,
            )
    closed = together[0].conversation.closed_now
    calendars = {
        name: replace(calendar, closed_now=calendar.closed_now or name in closed)
        for name, calendar in site.calendars.items()
    }
    return replace(
        site,
        hotlines=hotlines,
        customers=customers,
        flows=flows,
        calendars=calendars,
        dialed_e164={known: dialed for dialed in hotlines if (known := e164(dialed, site.region))},
        rules=(),
    )


@asynccontextmanager
async def _open(settings: Settings, site: Site, beside: Beside, clock: AnchoredClock) -> AsyncIterator[CallCenter]:
    """A call center for one group. Raises CallCenterError, in an ExceptionGroup when a vital task ends."""
    center = CallCenter(settings, site, replace(beside, adapt=None), clock=clock)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(center.close)
        await center.open()
        async with asyncio.TaskGroup() as vital:
            vital.create_task(center.run(), name="call center")
            try:
                if not await holds_within(center.up.is_set, UP_S):
                    raise CallCenterError(f"the service did not reach Asterisk within {UP_S:g} s")
                yield center
            finally:
                center.stop()


async def _nobody_left(center: CallCenter) -> None:
    """The next center must not take up calls of this one."""

    async def nobody() -> bool:
        return not list(center.switchboard.contacts) and not await center.telephony.survey()

    if not await holds_within(nobody, OVER_S):
        raise CallCenterError(f"calls were left {OVER_S:g} s after the last conversation")
