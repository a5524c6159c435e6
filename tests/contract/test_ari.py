"""Our ARI client against a real Asterisk: the event socket, the requests, the generated types."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callcenter.asterisk import events as ari_events
from callcenter.asterisk.ari import Ari
from callcenter.asterisk.decode import Unknown
from callcenter.asterisk.faults import AppReplaced, LinkDown, LoginRefused, Refused, TelephonyTimeout, Unreachable
from callcenter.asterisk.generate import EVENTS_PY, generated
from callcenter.asterisk.link import Link, LinkState
from callcenter.asterisk.translate import ALLOWED
from callcenter.errors import ChannelGone
from tests.contract.line import WITHIN_S, News, Relay, background, eventually
from tests.kit.parts import RealAsterisk, asterisk_root
from tests.kit.phone import Phone
from tests.kit.ports import free_port

pytestmark = pytest.mark.integration

LEG = "0193bbbb-0000-7000-8000-000000000001.o1"


class Heard(News):
    """One link and what it told."""

    def __init__(self, ari: Ari, **options: float) -> None:
        super().__init__()
        self.ari = ari
        self.story: list[str] = []
        self.events: list[ari_events.Event] = []
        self.while_syncing = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.link = Link(
            ari,
            allowed=ALLOWED,
            on_event=self._event,
            on_connected=self._connected,
            on_state=self._state,
            rng=random.Random(1),
            **options,
        )

    def _event(self, event: ari_events.Event | Unknown) -> None:
        assert not isinstance(event, Unknown), event
        self.story.append(type(event).__name__)
        self.events.append(event)
        self.tell()

    async def _connected(self) -> None:
        self.while_syncing.set()
        async with asyncio.timeout(WITHIN_S):
            await self.go_on.wait()

    def _state(self, state: LinkState) -> None:
        self.story.append(state.value)
        self.tell()

    async def up(self) -> None:
        await self.until(lambda: self.link.state is LinkState.UP)

    async def arrival(self) -> str:
        """The channel id of the caller who came last."""
        await self.until(lambda: self.story[-1:] == ["StasisStart"])
        last = self.events[-1]
        assert isinstance(last, ari_events.StasisStart)
        return last.channel.id


def client(asterisk: RealAsterisk, *, url: str = "", password: str = "", request_s: float = 2.0) -> Ari:
    companion = asterisk.companion
    return Ari(
        url or companion.ari_url,
        companion.ari_user,
        password or companion.ari_password,
        app=asterisk.plan.app,
        request_s=request_s,
    )


@pytest.fixture
async def ari(asterisk: RealAsterisk) -> AsyncIterator[Ari]:
    async with client(asterisk) as ari:
        yield ari


@pytest.fixture
async def heard(ari: Ari) -> AsyncIterator[Heard]:
    heard = Heard(ari)
    async with background(heard.link.run()):
        await heard.up()
        yield heard


@pytest.fixture
async def trunk(asterisk: RealAsterisk) -> AsyncIterator[Phone]:
    async with asterisk.trunk() as phone:
        yield phone


def test_the_generated_events_are_what_this_asterisk_describes() -> None:
    root = asterisk_root() or Path("/")
    assert EVENTS_PY.read_text(encoding="utf-8") == generated(root)


async def test_a_link_connects_syncs_and_is_up(heard: Heard) -> None:
    assert heard.story == ["connecting", "syncing", "up"]


async def test_what_happens_while_syncing_is_told_after_it(ari: Ari, trunk: Phone) -> None:
    heard = Heard(ari)
    heard.go_on.clear()
    async with background(heard.link.run()):
        await asyncio.wait_for(heard.while_syncing.wait(), WITHIN_S)
        call = trunk.call("0800000100")
        await eventually(ari.channels)
        heard.go_on.set()
        await heard.arrival()
        await call.hang_up()
        await heard.until(lambda: heard.story[-1] == "StasisEnd")
    assert heard.story == [
        "connecting", "syncing", "up", "StasisStart", "ChannelHangupRequest", "StasisEnd", "down"
    ]  # fmt: skip


async def test_a_key_pressed_once_is_told_once_and_in_order(heard: Heard, trunk: Phone) -> None:
    call = trunk.call("0800000100")
    await heard.ari.answer(await heard.arrival())
    await call.answered()
    await call.press("12#")
    await call.hang_up()
    await heard.until(lambda: heard.story[-1] == "StasisEnd")
    digits = [event.digit for event in heard.events if isinstance(event, ari_events.ChannelDtmfReceived)]
    assert digits == ["1", "2", "#"]


async def test_another_process_that_takes_over_ends_the_first(asterisk: RealAsterisk, ari: Ari) -> None:
    first = Heard(ari)
    running = asyncio.create_task(first.link.run())
    await first.up()
    async with client(asterisk) as second_ari:
        second = Heard(second_ari)
        async with background(second.link.run()):
            with pytest.raises(AppReplaced):
                await asyncio.wait_for(running, WITHIN_S)
            await second.up()
    assert first.story[-1] == "down"


async def test_a_wrong_password_is_said_and_not_tried_for_ever(asterisk: RealAsterisk) -> None:
    async with client(asterisk, password="wrong") as ari:
        with pytest.raises(LoginRefused):
            await ari.info()
        with pytest.raises(LoginRefused):
            await asyncio.wait_for(Heard(ari).link.run(), WITHIN_S)


async def test_a_cut_link_is_made_again_and_synced_again(asterisk: RealAsterisk) -> None:
    async with (
        Relay("127.0.0.1", asterisk.plan.http_port).open() as relay,
        client(asterisk, url=f"http://127.0.0.1:{relay.port}/ari") as ari,
    ):
        heard = Heard(ari)
        async with background(heard.link.run()):
            await heard.up()
            relay.cut()
            await heard.until(lambda: heard.story.count("up") == 2)
    assert heard.story[:4] == ["connecting", "syncing", "up", "down"]
    assert heard.story.count("syncing") == 2


async def test_a_half_open_link_is_found_by_its_heartbeat(asterisk: RealAsterisk) -> None:
    async with (
        Relay("127.0.0.1", asterisk.plan.http_port).open() as relay,
        client(asterisk, url=f"http://127.0.0.1:{relay.port}/ari", request_s=0.2) as ari,
    ):
        heard = Heard(ari, heartbeat_s=0.2)
        async with background(heard.link.run()):
            await heard.up()
            relay.stall()
            await heard.until(lambda: "down" in heard.story)
            with pytest.raises(TelephonyTimeout):
                await ari.info()


async def test_a_link_that_hears_nothing_though_it_answers_pings_is_found_and_made_again(
    heard: Heard, asterisk: RealAsterisk
) -> None:
    async with client(asterisk) as somebody:
        await somebody.allow_events(["PeerStatusChange"])  # none of what the link waits for
    await heard.until(lambda: heard.story[-1] == "down")
    await heard.until(lambda: heard.story[-1] == "up")
    assert heard.story == ["connecting", "syncing", "up", "down", "connecting", "syncing", "up"]


async def test_without_asterisk_a_request_says_that_the_link_is_down(unused_port: int) -> None:
    async with Ari(f"http://127.0.0.1:{unused_port}/ari", "cc", "x", app="cc") as ari:
        with pytest.raises(LinkDown):
            await ari.info()


@pytest.fixture
async def unused_port() -> int:
    return free_port()


async def test_a_repeated_request_with_our_id_changes_nothing(
    asterisk: RealAsterisk, heard: Heard, trunk: Phone
) -> None:
    ari = heard.ari
    call = trunk.call("0800000100")
    channel_id = await heard.arrival()
    async with asterisk.phone("agent01") as agent:
        await agent.register()
        await ari.originate(
            LEG,
            endpoint="PJSIP/agent01",
            app_args="agent,x",
            originator=channel_id,
            timeout_s=10,
            caller_id='"Wang" <0910000001>',
            variables={"CC_ROLE": "agent"},
        )
        await heard.until(lambda: heard.story.count("StasisStart") == 2)
        for _ in range(2):
            await ari.create_bridge("0193bbbb-0000-7000-8000-000000000001.b1")
            await ari.add_channels("0193bbbb-0000-7000-8000-000000000001.b1", [channel_id, LEG])
        (bridge,) = await ari.bridges()
        assert set(bridge.channels) == {channel_id, LEG}
        await ari.hang_up(LEG)
        await ari.hang_up(LEG)
        await ari.delete_bridge("0193bbbb-0000-7000-8000-000000000001.b1")
        await ari.delete_bridge("0193bbbb-0000-7000-8000-000000000001.b1")
    await call.hang_up()
    await heard.until(lambda: heard.story.count("StasisEnd") == 2)


async def test_refusals_are_told_apart(heard: Heard, trunk: Phone) -> None:
    ari = heard.ari
    call = trunk.call("0800000100")
    channel_id = await heard.arrival()
    ring = {"app_args": "agent", "timeout_s": 5, "caller_id": "", "variables": {}}
    with pytest.raises(Unreachable):
        await ari.originate(LEG, endpoint="PJSIP/agent09", originator=channel_id, **ring)  # type: ignore[arg-type]
    with pytest.raises(Refused):
        await ari.originate(LEG, endpoint="PJSIP/agent09", originator="n1-1.1", **ring)  # type: ignore[arg-type]
    with pytest.raises(ChannelGone):
        await ari.answer("n1-1.1")
    with pytest.raises(ChannelGone):
        await ari.add_channels("no-such-bridge", [channel_id])
    await ari.continue_in_dialplan(channel_id, context="fallback", extension="s", priority=1)
    await heard.until(lambda: heard.story[-1] == "StasisEnd")
    with pytest.raises(Refused) as refused:
        await ari.answer(channel_id)
    assert refused.value.status in {409, 422}
    await call.hang_up()


async def test_variables_go_on_in_every_event(heard: Heard, trunk: Phone) -> None:
    call = trunk.call("0800000100")
    channel_id = await heard.arrival()
    await heard.ari.set_variables(channel_id, {"CC_CONTACT": "c1", "CC_ROLE": "caller"})
    (channel,) = await heard.ari.channels()
    assert channel.channelvars is not None
    assert (channel.channelvars["CC_CONTACT"], channel.channelvars["CC_ROLE"]) == ("c1", "caller")
    await call.hang_up()
