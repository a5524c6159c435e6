"""SIP transactions over one UDP socket: requests are repeated until heard, repeated requests answered alike.

Timers are loop handles, not tasks: closing the stack cancels them all at once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.kit import sip
from tests.kit.sip import Header, SipMessage, SipParseError
from tests.kit.udp import Address, UdpSocket

T1_S: Final = 0.5
T2_S: Final = 4.0
GIVE_UP_S: Final = 64 * T1_S
REMEMBERED_MAX: Final = 4_096

Key = tuple[str, str]
OnResponse = Callable[[SipMessage], None]
OnSilence = Callable[[], None]
OnRequest = Callable[[SipMessage, Address], None]


class NoResponse(TimeoutError):
    """No final response arrived in time."""


@dataclass(slots=True)
class Repeat:
    """A datagram sent again at T1, 2 T1, … until stopped; calls `on_silence` after 64 T1."""

    send: Callable[[], None]
    on_silence: OnSilence
    cap_s: float = T2_S
    _pause_s: float = T1_S
    _left_s: float = GIVE_UP_S
    _timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self.send()
        self._arm()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._pause_s, self._again)

    def _again(self) -> None:
        self._left_s -= self._pause_s
        if self._left_s <= 0:
            self._timer = None
            self.on_silence()
            return
        self.send()
        self._pause_s = min(2 * self._pause_s, self.cap_s)
        self._arm()


@dataclass(slots=True)
class ClientTransaction:
    """One request of ours until its final response; an INVITE stays, to acknowledge repeated ones."""

    request: SipMessage
    to: Address
    on_response: OnResponse
    repeat: Repeat
    final: bool = field(default=False)


class SipStack:
    """Client and server transactions of one phone."""

    def __init__(self, host: str, port: int, on_request: OnRequest) -> None:
        self._on_request = on_request
        self._clients: OrderedDict[Key, ClientTransaction] = OrderedDict()
        self._answers: OrderedDict[Key, bytes] = OrderedDict()  # empty bytes: received, not answered yet
        self._finals: dict[Key, Repeat] = {}  # final answers to an INVITE, repeated until its ACK
        self._socket = UdpSocket(host, port, self._arrived)
        self.malformed = 0

    @property
    def address(self) -> Address:
        return self._socket.address

    @property
    def faults(self) -> list[Exception]:
        return self._socket.faults

    def via(self) -> Header:
        """A Via for a fresh transaction."""
        host, port = self.address
        return "Via", f"SIP/2.0/UDP {host}:{port};branch=z9hG4bK{sip.token()};rport"

    def send_raw(self, datagram: bytes, to: Address) -> None:
        """Send bytes as they are: for malformed and oversized messages."""
        self._socket.send(datagram, to)

    def send(self, message: SipMessage, to: Address) -> None:
        """Send once, outside any transaction: the ACK of a 2xx."""
        self._socket.send(message.to_bytes(), to)

    def start(self, request: SipMessage, to: Address, on_response: OnResponse, on_silence: OnSilence) -> None:
        """Send a request reliably. Provisional, final and repeated 2xx responses are handed over."""
        datagram = request.to_bytes()
        cap_s = GIVE_UP_S if request.method == "INVITE" else T2_S
        repeat = Repeat(lambda: self._socket.send(datagram, to), on_silence, cap_s)
        self._clients[request.branch, request.method] = ClientTransaction(request, to, on_response, repeat)
        while len(self._clients) > REMEMBERED_MAX:
            self._clients.popitem(last=False)[1].repeat.stop()
        repeat.start()

    async def ask(self, request: SipMessage, to: Address, within_s: float = 5.0) -> SipMessage:
        """Send a request reliably and return its final response; raises NoResponse."""
        answer: asyncio.Future[SipMessage] = asyncio.get_running_loop().create_future()

        def take(response: SipMessage) -> None:
            if response.status >= 200 and not answer.done():
                answer.set_result(response)

        self.start(request, to, take, lambda: None)
        try:
            async with asyncio.timeout(within_s):
                return await answer
        except TimeoutError as error:
            raise NoResponse(f"no final response to {request.start} within {within_s} s") from error
        finally:
            if request.method != "INVITE":
                self._forget((request.branch, request.method))

    def respond(self, request: SipMessage, answer: SipMessage, to: Address) -> None:
        """Answer a request, again when it is repeated; and a final answer to an INVITE until its ACK."""
        datagram = answer.to_bytes()
        self._answers[request.branch, request.method] = datagram
        if request.method == "INVITE" and answer.status >= 200:
            repeat = Repeat(lambda: self._socket.send(datagram, to), lambda: None)
            self._finals[_acknowledged(request)] = repeat
            repeat.start()
        else:
            self._socket.send(datagram, to)

    def close(self) -> None:
        for client in self._clients.values():
            client.repeat.stop()
        for repeat in self._finals.values():
            repeat.stop()
        self._clients.clear()
        self._finals.clear()
        self._socket.close()

    def _arrived(self, datagram: bytes, peer: Address) -> None:
        if not datagram.strip(b"\r\n\0 "):
            return  # keep-alive
        try:
            message = sip.parse(datagram)
        except SipParseError:
            self.malformed += 1
            return
        if message.is_request:
            self._take_request(message, peer)
        else:
            self._take_response(message)

    def _take_request(self, request: SipMessage, peer: Address) -> None:
        if request.method == "ACK":
            repeat = self._finals.pop(_acknowledged(request), None)
            if repeat is not None:
                repeat.stop()
            self._on_request(request, peer)
            return
        key = (request.branch, request.method)
        if key in self._answers:
            if self._answers[key]:
                self._socket.send(self._answers[key], peer)
            return
        self._answers[key] = b""
        while len(self._answers) > REMEMBERED_MAX:
            self._answers.popitem(last=False)
        self._on_request(request, peer)

    def _take_response(self, response: SipMessage) -> None:
        key = (response.branch, response.method)
        client = self._clients.get(key)
        if client is None:
            return
        if response.method == "INVITE":
            self._take_invite_response(client, response)
        elif response.status >= 200:
            self._forget(key)
            client.on_response(response)

    def _take_invite_response(self, client: ClientTransaction, response: SipMessage) -> None:
        client.repeat.stop()
        if response.status >= 300:
            self.send(_ack_of_failure(client.request, response), client.to)
        if client.final and response.status != 200:
            return  # repeated: acknowledged again, told once
        client.final = response.status >= 200
        client.on_response(response)

    def _forget(self, key: Key) -> None:
        client = self._clients.pop(key, None)
        if client is not None:
            client.repeat.stop()


def _acknowledged(request: SipMessage) -> Key:
    """What an INVITE and its ACK share whatever the answer was."""
    return request["Call-ID"], str(request.cseq[0])


def _ack_of_failure(invite: SipMessage, failed: SipMessage) -> SipMessage:
    """ACK of a final response from 300 up: the INVITE's own transaction (RFC 3261 §17.1.1.3)."""
    headers = [("Via", invite["Via"]), ("From", invite["From"]), ("To", failed["To"])]
    headers += [("Call-ID", invite["Call-ID"]), ("CSeq", f"{invite.cseq[0]} ACK"), ("Max-Forwards", "70")]
    return sip.request("ACK", invite.uri, headers)
