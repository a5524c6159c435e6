"""Our AMI client against a real Asterisk: what each action takes, does and answers."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from callcenter.asterisk.ami import AmiClient
from callcenter.asterisk.faults import LoginRefused
from callcenter.asterisk.telephony import AsteriskTelephony
from callcenter.contact.commands import HangUp
from callcenter.contact.signals import CallerLeft
from callcenter.errors import ChannelGone
from tests.contract.line import WITHIN_S, Relay, Sink, background, eventually, telephony_on
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone

pytestmark = pytest.mark.integration


def client(asterisk: RealAsterisk, *, port: int = 0, password: str = "", **options: float) -> AmiClient:
    companion = asterisk.companion
    return AmiClient(
        companion.ami_host,
        port or companion.ami_port,
        companion.ami_user,
        password or companion.ami_password,
        rng=random.Random(1),
        **options,  # type: ignore[arg-type]
    )


async def until(holds: Callable[[], bool]) -> None:
    async def asked() -> bool:
        return holds()

    await eventually(asked)


@pytest.fixture
async def ami(asterisk: RealAsterisk) -> AsyncIterator[AmiClient]:
    ami = client(asterisk)
    async with background(ami.run()):
        await until(lambda: ami.up)
        yield ami


@pytest.fixture
async def sink() -> Sink:
    return Sink()


@pytest.fixture
async def telephony(asterisk: RealAsterisk, sink: Sink) -> AsyncIterator[AsteriskTelephony]:
    async with telephony_on(asterisk, sink) as telephony:
        yield telephony


@pytest.fixture
async def trunk(asterisk: RealAsterisk) -> AsyncIterator[Phone]:
    async with asterisk.trunk() as phone:
        yield phone


ACTIONS: dict[str, Callable[[AmiClient, str], Awaitable[None]]] = {
    "absolute_timeout": lambda ami, channel: ami.absolute_timeout(channel, 60),
    "set_variable": lambda ami, channel: ami.set_variable(channel, "CC_ROLE", "caller"),
    "mixmonitor": lambda ami, channel: ami.mixmonitor(channel, "", "r(contract/in.wav)t(contract/out.wav)"),
    "stop_mixmonitor": lambda ami, channel: ami.stop_mixmonitor(channel),
    "redirect": lambda ami, channel: ami.redirect(channel, context="fallback", extension="s", priority=1),
}


async def test_every_action_takes_a_unique_id_or_a_name_and_knows_who_is_gone(
    ami: AmiClient, telephony: AsteriskTelephony, sink: Sink, trunk: Phone
) -> None:
    for by_name in (False, True):
        call = trunk.call("0800000100", caller=f"09100000{by_name:02}")
        channel_id = (await sink.caller(f"09100000{by_name:02}")).channel_id
        channel = channel_id
        if by_name:
            (channel,) = [one.name for one in await telephony._ari.channels() if one.id == channel_id]
        for act in ACTIONS.values():
            await act(ami, channel)
        await sink.heard(channel_id, CallerLeft("fallback"))  # the redirect took the caller
        await call.hang_up()
    for gone in ("n1-1.99", "PJSIP/trunk-7fffffff"):
        for act in ACTIONS.values():
            with pytest.raises(ChannelGone):
                await act(ami, gone)


async def test_a_lease_that_lapses_sends_the_caller_to_the_fallback_even_while_music_plays(
    ami: AmiClient, telephony: AsteriskTelephony, sink: Sink, trunk: Phone
) -> None:
    call = trunk.call("0800000100", caller="0910000001")
    channel_id = (await sink.caller("0910000001")).channel_id
    await telephony._ari.answer(channel_id)
    await telephony._ari.start_music(channel_id, "default")
    await ami.absolute_timeout(channel_id, 1)
    await sink.heard(channel_id, CallerLeft("fallback"))
    assert call.is_up
    await call.hang_up()


async def test_a_registered_phone_is_a_contact_until_it_unregisters(asterisk: RealAsterisk, ami: AmiClient) -> None:
    async with asterisk.phone("agent03") as phone:
        await phone.register()
        contacts = {contact.endpoint: contact.uri for contact in await ami.pjsip_contacts()}
        assert contacts["agent03"] == phone.contact
        await phone.unregister()
    assert "agent03" not in {contact.endpoint for contact in await ami.pjsip_contacts()}


async def test_a_wrong_password_is_said_with_its_cause(asterisk: RealAsterisk) -> None:
    with pytest.raises(LoginRefused, match="Authentication failed"):
        await asyncio.wait_for(client(asterisk, password="wrong").run(), WITHIN_S)


async def test_a_half_open_connection_is_found_and_made_again(asterisk: RealAsterisk) -> None:
    async with Relay(asterisk.companion.ami_host, asterisk.companion.ami_port).open() as relay:
        ami = client(asterisk, port=relay.port, ping_s=0.1, pong_s=0.2)
        async with background(ami.run()):
            await until(lambda: ami.up)
            relay.stall()
            await until(lambda: not ami.up)
            relay.flowing.set()
            await until(lambda: ami.up)
            await ami.ping()


async def test_an_ami_connection_that_is_cut_loses_no_caller(
    asterisk: RealAsterisk, telephony: AsteriskTelephony, sink: Sink, trunk: Phone
) -> None:
    call = trunk.call("0800000100", caller="0910000002")
    channel_id = (await sink.caller("0910000002")).channel_id
    assert telephony._ami._connection is not None
    telephony._ami._connection.close()
    await until(lambda: not telephony.ami_up)
    await until(lambda: telephony.ami_up)
    assert [seen.channel_id for seen in await telephony.survey()] == [channel_id]
    telephony.submit(HangUp(channel_id))
    await sink.heard(channel_id, CallerLeft("system"))
    await call.ended()
