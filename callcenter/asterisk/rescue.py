"""Callers whom nobody cares for any more go to the fallback dialplan; for a program beside a dead or hung service.

By what Asterisk itself knows, and by AMI, which pulls a caller out of anything at once. Whoever is connected with
somebody is left alone.
"""

import asyncio
import contextlib
import logging
import random

from callcenter.asterisk.ami import AmiClient
from callcenter.asterisk.ari import Ari
from callcenter.asterisk.requests import FALLBACK_CONTEXT
from callcenter.asterisk.telephony import Access
from callcenter.asterisk.translate import channel_seen
from callcenter.errors import ChannelGone, TelephonyError

log = logging.getLogger(__name__)

REACH_S = 5.0
LOOK_S = 0.02


async def uncared_for(ari: Ari) -> list[str]:
    """The callers in our application's hands who are connected with nobody, the oldest first. Raises TelephonyError.

    A customer whom we called back and who picked up is a caller too.
    """
    # Bridges first: who is joined while we look is at worst taken for talking.
    connected = {
        channel_id for bridge in await ari.bridges() if len(bridge.channels) > 1 for channel_id in bridge.channels
    }
    seen = [channel_seen(channel, ari.app) for channel in await ari.channels()]
    return [
        channel.channel_id
        for channel in seen
        if channel.role in {"caller", "customer"} and channel.in_stasis and channel.channel_id not in connected
    ]


async def rescue(access: Access, app: str) -> int:
    """Send every caller who is not cared for to the fallback dialplan; how many went. Raises TelephonyError."""
    async with Ari(access.ari_url, access.ari_user, access.ari_password, app=app) as ari:
        callers = await uncared_for(ari)
    if not callers:
        return 0
    ami = AmiClient(access.ami_host, access.ami_port, access.ami_user, access.ami_password, rng=random.Random())  # noqa: S311
    connection = asyncio.create_task(ami.run(), name="rescue ami")
    try:
        await _up(ami, connection)
        return sum([await _redirect(ami, channel_id) for channel_id in callers])
    finally:
        connection.cancel()
        await asyncio.gather(connection, return_exceptions=True)


async def _up(ami: AmiClient, connection: asyncio.Task[None]) -> None:
    try:
        async with asyncio.timeout(REACH_S):
            while not ami.up:
                if connection.done():
                    connection.result()
                await asyncio.sleep(LOOK_S)
    except TimeoutError as error:
        raise TelephonyError(f"AMI can't be reached within {REACH_S:.0f} s") from error


async def _redirect(ami: AmiClient, channel_id: str) -> bool:
    with contextlib.suppress(ChannelGone):
        try:
            await ami.redirect(channel_id, context=FALLBACK_CONTEXT, extension="s", priority=1)
        except ChannelGone:
            raise
        except TelephonyError as error:
            log.warning("a caller could not be sent to the fallback", extra={"channel": channel_id, "why": str(error)})
        else:
            return True
    return False
