"""A call center that makes calls of its own: they go to the trunk's phone; callbacks are promised and kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from callcenter.clock import Clock
from callcenter.config.settings import Settings
from callcenter.config.site import Site
from callcenter.contact.dial_policy import DialPolicy
from callcenter.contact.model import Phase
from routing.model import CallbackMode, CallbackRules, Exit, ExitKind, Step
from routing.requirement import ANYONE
from tests.kit.hotline import (
    CALLER_HZ,
    NOBODY,
    VIP,
    Hotline,
    access,
    brisk_site,
    open_hotline,
    without_announcement,
)
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone

CALLBACK = Exit(ExitKind.CALLBACK)
NUMBER = "+886912345678"  # NOBODY's, in E.164
CUSTOMER_FIRST = CallbackRules(CallbackMode.CUSTOMER_FIRST, dial_s=1.0, attempts_max=2, retry_s=1.0, expires_s=60.0)
AGENT_FIRST = replace(CUSTOMER_FIRST, mode=CallbackMode.AGENT_FIRST)
TAIWAN = DialPolicy(allow=("+886",), refuse=("+886204",), caller_id="0800000100", ring_s=15.0)


def callback_site(rules: CallbackRules, policy: DialPolicy = TAIWAN, **vip: Any) -> Site:
    """The demo site, whose VIP queue takes any agent and promises a callback to who has waited for half a second."""
    plain = without_announcement(replace(brisk_site(), rules=(), dial_out=policy, callback_prompts=("goodbye",)))
    whole: dict[str, Any] = {
        "requires": ANYONE,
        "needs": {},
        "steps": (Step(),),
        "exit_to": CALLBACK,
        "exit_after_s": 0.5,
        "callback": rules,
    } | vip
    return replace(plain, queues={**plain.queues, "vip": replace(plain.queues["vip"], **whole)})


@asynccontextmanager
async def calling(
    var: Path,
    asterisk: RealAsterisk,
    database_url: str,
    trunk: Phone,
    site: Site,
    *,
    at_home: bool = True,
    settings: Settings | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Hotline]:
    """The call center, whose own calls go to the trunk's phone; `at_home`: nobody is at work."""
    host, port = trunk.stack.address
    way = replace(access(asterisk.companion), trunk=f"{host}:{port}")
    async with open_hotline(var, asterisk, database_url, site, settings, way=way, clock=clock) as hotline:
        if at_home:
            await hotline.log_out_all()
        yield hotline


async def at_work(hotline: Hotline, phone: Phone) -> None:
    """agent01 is there, and may be asked for a callback at once."""
    await phone.register()
    hotline.center.floor.log_in("agent01")


async def promised(hotline: Hotline, trunk: Phone) -> str:
    """A caller to whom a callback is promised, and who is let go; the contact's id."""
    call = trunk.call(VIP, caller=NOBODY, tone_hz=CALLER_HZ)
    await call.answered()
    await hotline.until_phase(Phase.GOODBYE)
    await call.hears_sound()
    await call.ended()
    assert call.ended_by == "them"
    return (await hotline.until_phase(Phase.CALLBACK)).contact_id
