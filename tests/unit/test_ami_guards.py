"""Each guard around panoramisk, against a small AMI server that speaks real TCP and misbehaves on request."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from callcenter.asterisk.ami import AmiClient, Contact
from callcenter.asterisk.ami_wire import MESSAGE_MAX, Connection
from callcenter.asterisk.faults import InjectionRefused, LinkDown, LoginRefused, Refused, TelephonyTimeout
from callcenter.errors import ChannelGone

WITHIN_S = 5.0

Action = dict[str, str]
Answerer = Callable[["Peer", Action], Awaitable[None]]


class Peer:
    """One connection as the server sees it."""

    def __init__(self, number: int, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.writer = writer

    def send(self, *lines: str) -> None:
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def answer(self, action: Action, *lines: str, response: str = "Success") -> None:
        self.send(f"Response: {response}", f"ActionID: {action['ActionID']}", *lines)


class AmiServer:
    """Says yes to everything, unless `answer` does it; `received` is what came, by connection."""

    def __init__(self) -> None:
        self.received: list[tuple[int, Action]] = []
        self.changed = asyncio.Condition()
        self.answer: Answerer | None = None
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        peer = Peer(self.connections, writer)
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        try:
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
                action = dict(line.split(": ", 1) for line in text.strip().split("\r\n"))
                async with self.changed:
                    self.received.append((peer.number, action))
                    self.changed.notify_all()
                if self.answer is not None:
                    await self.answer(peer, action)
                else:
                    peer.answer(action, "Ping: Pong")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def names(self, connection: int) -> list[str]:
        return [action["Action"] for number, action in self.received if number == connection]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S), self.changed:
            await self.changed.wait_for(holds)


@asynccontextmanager
async def served(server: AmiServer) -> AsyncIterator[int]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


class Watched:
    """A client that runs, and the news of it."""

    def __init__(self, port: int, **options: Any) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.ups: list[bool] = []
        self.changed = asyncio.Event()
        self.client = AmiClient(
            "127.0.0.1",
            port,
            "cc",
            "secret",
            rng=random.Random(1),
            on_event=self._event,
            on_state=self._state,
            **options,
        )

    def _event(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)
        self.changed.set()

    def _state(self, up: bool) -> None:
        self.ups.append(up)
        self.changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def running(server: AmiServer, **options: Any) -> AsyncIterator[Watched]:
    async with served(server) as port:
        watched = Watched(port, **options)
        task = asyncio.create_task(watched.client.run())
        try:
            await watched.until(lambda: watched.client.up)
            yield watched
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def silent_on(name: str) -> Answerer:
    async def answer(peer: Peer, action: Action) -> None:
        if action["Action"] != name:
            peer.answer(action, "Ping: Pong")

    return answer


async def test_what_was_not_answered_is_not_sent_again_after_a_reconnect() -> None:
    server = AmiServer()

    async def drop(peer: Peer, action: Action) -> None:
        if action["Action"] == "Setvar":
            peer.writer.close()
        else:
            peer.answer(action, "Ping: Pong")

    server.answer = drop
    async with running(server, ping_s=0.05) as watched:
        with pytest.raises(LinkDown):
            await watched.client.set_variable("c1", "CC_CONTACT", "x")
        await server.until(lambda: "Ping" in server.names(2))
    assert set(server.names(2)) == {"Login", "Ping"}
    assert server.names(1).count("Setvar") == 1


async def test_a_connection_without_pongs_is_given_up_and_made_again() -> None:
    server = AmiServer()

    async def half_open(peer: Peer, action: Action) -> None:
        if peer.number > 1 or action["Action"] != "Ping":
            peer.answer(action, "Ping: Pong")

    server.answer = half_open
    async with running(server, ping_s=0.05, pong_s=0.1) as watched:
        await watched.until(lambda: watched.ups == [True, False, True])


async def test_an_action_without_an_answer_ends_in_time_and_is_forgotten() -> None:
    server = AmiServer()
    server.answer = silent_on("AbsoluteTimeout")
    async with running(server, action_s=0.1) as watched:
        with pytest.raises(TelephonyTimeout):
            await watched.client.absolute_timeout("c1", 30)
        assert watched.client.unanswered == 0
        await watched.client.ping()


async def test_a_late_answer_is_not_taken_for_another_action() -> None:
    server = AmiServer()
    late: list[Action] = []

    async def answer(peer: Peer, action: Action) -> None:
        if action["Action"] == "Setvar":
            late.append(action)
            return
        if late:
            peer.answer(late.pop(), "Message: too late", response="Error")
        peer.answer(action, "Ping: Pong")

    server.answer = answer
    async with running(server, action_s=0.1) as watched:
        with pytest.raises(TelephonyTimeout):
            await watched.client.set_variable("c1", "A", "b")
        await watched.client.ping()


@pytest.mark.parametrize("mark", ["\r", "\n", "\0", "\r\n\r\nAction: Command\r\nCommand: core stop now"])
async def test_a_value_that_would_start_an_action_is_refused_and_nothing_is_sent(mark: str) -> None:
    server = AmiServer()
    async with running(server) as watched:
        with pytest.raises(InjectionRefused):
            await watched.client.set_variable("c1", "CC_CALLER", f"Wang{mark}")
        with pytest.raises(InjectionRefused):
            await watched.client.mixmonitor(f"c1{mark}", "", "")
        await watched.client.ping()
    assert server.names(1) == ["Login", "Ping"]


async def test_a_character_split_between_two_segments_survives() -> None:
    server = AmiServer()

    async def byte_by_byte(peer: Peer, action: Action) -> None:
        if action["Action"] == "Setvar":
            for byte in "Event: ContactStatus\r\nEndpointName: 王小明😀\r\n\r\n".encode():
                peer.writer.write(bytes([byte]))
                await peer.writer.drain()
                await asyncio.sleep(0)
        peer.answer(action, "Ping: Pong")

    server.answer = byte_by_byte
    async with running(server) as watched:
        await watched.client.set_variable("c1", "A", "b")
        assert [event["EndpointName"] for event in watched.events] == ["王小明😀"]


async def test_a_message_cut_at_any_byte_is_read_whole() -> None:
    message = "Event: ContactStatus\r\nEndpointName: 王\r\n\r\n".encode()
    async with served(AmiServer()) as port:
        heard: list[str] = []
        connection = await Connection.open("127.0.0.1", port, lambda event: heard.append(event["EndpointName"]))
        try:
            for cut in range(len(message) + 1):
                connection.protocol.data_received(message[:cut])
                connection.protocol.data_received(message[cut:])
        finally:
            connection.close()
    assert heard == ["王"] * (len(message) + 1)


async def test_an_originate_that_is_not_async_is_refused() -> None:
    server = AmiServer()
    async with served(server) as port:
        connection = await Connection.open("127.0.0.1", port, None)
        try:
            with pytest.raises(Refused):
                await connection.act("Originate", {"Channel": "PJSIP/agent01"}, answer_s=1)
            with pytest.raises(Refused):
                await connection.act("originate", {"Channel": "PJSIP/agent01", "Async": "false"}, answer_s=1)
            await connection.act("Ping", {}, answer_s=WITHIN_S)
        finally:
            connection.close()
    assert server.names(1) == ["Ping"]


async def test_a_refused_login_says_why() -> None:
    server = AmiServer()

    async def refuse(peer: Peer, action: Action) -> None:
        peer.answer(action, "Message: Authentication failed", response="Error")

    server.answer = refuse
    async with served(server) as port:
        with pytest.raises(LoginRefused, match="Authentication failed"):
            await asyncio.wait_for(Watched(port).client.run(), WITHIN_S)


async def test_a_login_refused_later_is_tried_again() -> None:
    server = AmiServer()

    async def refuse_the_second(peer: Peer, action: Action) -> None:
        if action["Action"] == "Setvar":
            peer.writer.close()
        elif peer.number == 2:
            peer.answer(action, "Message: Authentication failed", response="Error")
        else:
            peer.answer(action, "Ping: Pong")

    server.answer = refuse_the_second
    async with running(server) as watched:
        with pytest.raises(LinkDown):
            await watched.client.set_variable("c1", "A", "b")
        await watched.until(lambda: watched.ups == [True, False, True])
    assert server.connections == 3


async def test_events_arrive_in_their_order_and_apart_from_answers() -> None:
    server = AmiServer()

    async def chatty(peer: Peer, action: Action) -> None:
        if action["Action"] != "PJSIPShowContacts":
            peer.answer(action, "Ping: Pong")
            return
        item = ("Event: ContactList", f"ActionID: {action['ActionID']}", "Endpoint: agent01")
        peer.send("Event: First")
        peer.answer(action, "EventList: start", "Message: A listing follows")
        peer.send("Event: Second")
        peer.send(*item, "Uri: sip:a", "Status: Reachable")
        peer.send("Event: Third")
        peer.send("Event: ContactListComplete", f"ActionID: {action['ActionID']}", "EventList: Complete")
        peer.send("Event: Fourth")

    server.answer = chatty
    async with running(server) as watched:
        assert await watched.client.pjsip_contacts() == [Contact("agent01", "sip:a", "Reachable")]
        await watched.until(lambda: len(watched.events) == 4)
    assert [event["Event"] for event in watched.events] == ["First", "Second", "Third", "Fourth"]


async def test_no_contacts_is_an_empty_list_and_no_channel_is_gone() -> None:
    server = AmiServer()

    async def answer(peer: Peer, action: Action) -> None:
        words = {"PJSIPShowContacts": "No Contacts found", "Setvar": "No such channel", "Redirect": "Busy"}
        if reason := words.get(action["Action"]):
            peer.answer(action, f"Message: {reason}", response="Error")
        else:
            peer.answer(action)

    server.answer = answer
    async with running(server) as watched:
        assert await watched.client.pjsip_contacts() == []
        with pytest.raises(ChannelGone):
            await watched.client.set_variable("c1", "A", "b")
        with pytest.raises(Refused, match="Busy"):
            await watched.client.redirect("c1", context="fallback", extension="s", priority=1)


async def test_a_peer_that_never_ends_a_message_is_dropped() -> None:
    server = AmiServer()

    async def flood(peer: Peer, action: Action) -> None:
        if action["Action"] == "Setvar":
            peer.writer.write(b"x" * (MESSAGE_MAX + 1))
        else:
            peer.answer(action, "Ping: Pong")

    server.answer = flood
    async with running(server) as watched:
        with pytest.raises(LinkDown):
            await watched.client.set_variable("c1", "A", "b")


async def test_a_cancelled_action_leaves_nothing_behind() -> None:
    server = AmiServer()
    server.answer = silent_on("Setvar")
    async with running(server) as watched:
        task = asyncio.create_task(watched.client.set_variable("c1", "A", "b"))
        await server.until(lambda: "Setvar" in server.names(1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert watched.client.unanswered == 0


async def test_without_a_connection_an_action_fails_at_once() -> None:
    client = AmiClient("127.0.0.1", 1, "cc", "secret", rng=random.Random(1))
    with pytest.raises(LinkDown):
        await client.ping()
