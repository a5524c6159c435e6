"""What we make of a recogniser: its one answer, and away for everything else it may do."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from callcenter.contact import commands as ask
from callcenter.contact.signals import SpeechHeard
from callcenter.listening import LISTENINGS_MAX, Listener
from callcenter.recogniser import RecogniserAway, WebSocketRecogniser
from ivr import turn as ivr
from tests.kit.ports import free_port

FRAME = b"\x01\x00" * 160
ORDERS = ivr.Listen("en", ("orders",))
Serve = Callable[[web.WebSocketResponse], Awaitable[None]]


async def silence() -> AsyncIterator[bytes]:
    """A caller who says nothing, for ever."""
    while True:
        yield FRAME
        await asyncio.sleep(0.005)


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[str]:
    """A recogniser that does this with each connection; its URL."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await serve(socket)
        return socket

    app, port = web.Application(), free_port()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"ws://127.0.0.1:{port}/"
    finally:
        await runner.cleanup()


def saying(*messages: str | bytes) -> Serve:
    """It says these, then listens on."""

    async def serve(socket: web.WebSocketResponse) -> None:
        for each in messages:
            await (socket.send_str(each) if isinstance(each, str) else socket.send_bytes(each))
        async for _ in socket:
            pass

    return serve


async def recognised(serve: Serve, wanted: ivr.Listen = ORDERS, rate: int = 8_000) -> ivr.SpeechHeard:
    async with served(serve) as url:
        return await WebSocketRecogniser(url, rate).recognise("c.l1", wanted, silence(), lambda: None)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (ORDERS, {"phrases": ["orders"]}),
        (ivr.Listen("en", digits_min=4, digits_max=8), {"digits": {"min": 4, "max": 8}}),
    ],
)
async def test_it_is_told_what_to_listen_for_and_then_hears_the_caller(
    wanted: ivr.Listen, told: dict[str, object]
) -> None:
    heard: list[object] = []

    async def serve(socket: web.WebSocketResponse) -> None:
        heard.append(json.loads(await socket.receive_str()))
        heard.append(await socket.receive_bytes())
        await socket.send_str('{"type": "result", "said": "orders", "confidence": 0.9}')

    assert await recognised(serve, wanted, 16_000) == ivr.SpeechHeard("matched", "orders")
    assert heard == [{"type": "start", "listening": "c.l1", "language": "en", "rate": 16_000, **told}, FRAME]


async def test_only_its_first_answer_counts_and_what_else_it_says_is_passed_over() -> None:
    chatter = ('{"type": "partial", "said": "ord"}', b"\x00", '{"type": "no_match"}', '{"type": "result"}')
    assert await recognised(saying(*chatter)) == ivr.SpeechHeard("no_match")


async def test_that_somebody_begins_to_speak_is_told_once() -> None:
    told: list[str] = []
    async with served(saying(*['{"type": "speech"}'] * 3, '{"type": "no_match"}')) as url:
        await WebSocketRecogniser(url, 8_000).recognise("c.l1", ORDERS, silence(), lambda: told.append("began"))
    assert told == ["began"]


async def test_what_it_heard_is_cut_to_what_a_journal_can_bear() -> None:
    long = await recognised(saying(json.dumps({"type": "result", "said": "x" * 10_000})))
    assert len(long.said) == 200


async def hang_up(socket: web.WebSocketResponse) -> None:
    await socket.close()


@pytest.mark.parametrize(
    "serve",
    [
        saying("not json"),
        saying('{"said": "orders"}'),
        saying('{"type": "result", "said": 7}'),
        saying("[]"),
        saying(json.dumps({"type": "result", "said": "x" * 20_000})),
        hang_up,
    ],
    ids=["no json", "no type", "no text", "no object", "too long", "closed"],
)
async def test_nonsense_or_a_closed_door_is_as_if_it_were_away(serve: Serve) -> None:
    with pytest.raises(RecogniserAway):
        await recognised(serve)


async def test_nobody_at_the_door_is_away_and_asks_for_no_audio() -> None:
    asked = False

    async def audio() -> AsyncIterator[bytes]:
        nonlocal asked
        asked = True
        yield FRAME

    with pytest.raises(RecogniserAway):
        await WebSocketRecogniser(f"ws://127.0.0.1:{free_port()}/", 8_000).recognise(
            "c.l1", ORDERS, audio(), lambda: None
        )
    assert not asked


async def test_audio_that_ends_without_an_answer_is_away_too() -> None:
    async def one_frame() -> AsyncIterator[bytes]:
        yield FRAME

    async with served(saying()) as url:
        with pytest.raises(RecogniserAway):
            await WebSocketRecogniser(url, 8_000).recognise("c.l1", ORDERS, one_frame(), lambda: None)


class Waits:
    """A recogniser, and ears, by whom nobody is ever understood."""

    async def recognise(
        self, listening_id: str, wanted: ivr.Listen, audio: AsyncIterator[bytes], began: Callable[[], None]
    ) -> ivr.SpeechHeard:
        async for _ in audio:
            pass
        raise AssertionError("silence is for ever")

    async def hear(self, listening_id: str, channel_id: str) -> AsyncGenerator[bytes, None]:
        await asyncio.Event().wait()
        yield FRAME

    async def shut(self, listening_id: str) -> None:
        pass

    async def close(self) -> None:
        pass


async def test_there_is_an_end_to_how_many_are_listened_to_at_a_time() -> None:
    told: asyncio.Queue[tuple[str, SpeechHeard]] = asyncio.Queue()
    listener = Listener(Waits(), Waits())
    running = asyncio.create_task(listener.run(lambda contact_id, heard: told.put_nowait((contact_id, heard))))
    for n in range(1, LISTENINGS_MAX + 2):
        listener.take(ask.Listen(f"c{n}", f"c{n}.l1", "channel", ORDERS))
    last = LISTENINGS_MAX + 1
    assert await told.get() == (f"c{last}", SpeechHeard(f"c{last}.l1", "away"))
    listener.take(ask.StopListening("c1.l1"))
    listener.take(ask.StopListening(f"c{last}.l1"))
    listener.take(ask.Listen("next", "next.l1", "channel", ORDERS))
    listener.take(ask.Listen("one more", "more.l1", "channel", ORDERS))
    assert (await told.get())[0] == "one more"
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_without_a_recogniser_every_listening_is_over_at_once() -> None:
    told: asyncio.Queue[tuple[str, SpeechHeard]] = asyncio.Queue()
    listener = Listener()
    running = asyncio.create_task(listener.run(lambda contact_id, heard: told.put_nowait((contact_id, heard))))
    listener.take(ask.Listen("c", "c.l1", "channel", ORDERS))
    assert await told.get() == ("c", SpeechHeard("c.l1", "away"))
    listener.take(ask.StopListening("c.l1"))
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
