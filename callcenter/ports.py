"""What the application needs of the world, in our words; adapters in asterisk/, db/ and recordings/ provide it."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from callcenter.contact.commands import TelephonyCommand
from callcenter.contact.signals import CustomerCard, Signal
from ivr.turn import Listen, SpeechHeard


@dataclass(frozen=True, slots=True)
class CallerAtTheDoor:
    """Telephony → switchboard: a new inbound channel entered our Stasis application.

    `caller` and `dialed` are raw text of the network: untrusted, any length. `answered`: their call was answered
    before, by the fallback dialplan or by an earlier process of ours.
    """

    channel_id: str
    dialed: str
    caller: str
    display: str
    answered: bool = False


@dataclass(frozen=True, slots=True)
class DeviceSeen:
    """Telephony → floor: the phone of an agent's desk became reachable or unreachable."""

    agent_id: str
    reachable: bool


@dataclass(frozen=True, slots=True)
class ChannelSeen:
    """One live channel as found by a reconcile; `contact_id` is '' if it carries none of ours.

    `role` is caller, customer (whom we called), agent, outside (a phone out there), ear (by which a recogniser
    hears), or other (not ours to touch).
    `bridge_id`: '' if it is in no bridge, None if not known.
    """

    channel_id: str
    contact_id: str
    role: str
    in_stasis: bool
    up: bool
    dialed: str
    caller: str
    bridge_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelEnded:
    """How a channel ended that nobody of ours heard of, by Asterisk's own account.

    `by` is caller (its own party), agent (the one it was joined with), fallback (the dialplan took it, at `at`) or
    system (nobody hung up: Asterisk ended it, or died). `cause` is Q.850, 0 if there was none.
    """

    at: float
    by: str
    cause: int = 0


class SignalSink(Protocol):
    """Who telephony reports to; every method returns at once."""

    def arrived(self, caller: CallerAtTheDoor) -> None:
        """A caller is at the door."""

    def signal(self, resource_id: str, signal: Signal) -> None:
        """Something happened to a channel, playback, bridge or recording; unknown ids are counted, not fatal."""

    def device(self, seen: DeviceSeen) -> None:
        """A phone came or went."""


class Telephony(Protocol):
    """Asterisk, as the application sees it."""

    def submit(self, command: TelephonyCommand) -> None:
        """Ask; never blocks. Failures come back as CommandFailed to the resource's contact."""

    async def survey(self) -> Sequence[ChannelSeen]:
        """Every live channel of our application: what a reconcile compares with our contacts."""

    async def bridges(self) -> Sequence[str]:
        """The ids of all live bridges that carry an id of ours."""


class Recogniser(Protocol):
    """Whoever understands what callers say."""

    async def recognise(
        self, listening_id: str, wanted: Listen, audio: AsyncIterator[bytes], began: Callable[[], None]
    ) -> SpeechHeard:
        """What is understood first; asks for audio once somebody listens. Raises CallCenterError: nobody does.

        Calls `began` at most once, as the caller begins to speak.
        """


class Ears(Protocol):
    """Asterisk, as callers are heard by it."""

    def hear(self, listening_id: str, channel_id: str) -> AsyncGenerator[bytes, None]:
        """What the caller says from now on, as 16-bit samples; raises TelephonyError."""

    async def shut(self, listening_id: str) -> None:
        """End it in Asterisk; what is gone already is fine."""

    async def close(self) -> None:
        """Give all connections back."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One event, ready for the journal; `data` is its JSON body.

    `stream` is contact/<id>, agent/<id>, queue/<name> or site.
    """

    stream: str
    seq: int
    at: float
    type: str
    version: int
    data: bytes
    site: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class StateChange:
    """The new state of a stream, saved in the same transaction as its events; None forgets it (contact closed)."""

    stream: str
    state: bytes | None


@dataclass(frozen=True, slots=True)
class Append:
    """What one step writes: events and state together, then `committed` is called in the event loop."""

    entries: Sequence[Entry]
    states: Sequence[StateChange] = ()
    committed: Callable[[], None] | None = field(default=None, compare=False)


class Journal(Protocol):
    """The local durable sequence of events."""

    def append(self, item: Append) -> None:
        """Write soon, in order of calls; never blocks. `committed` runs after the data is on the disk."""


class Customers(Protocol):
    """Who is calling; answers from memory, for a call never waits for the database."""

    def find(self, caller: str) -> CustomerCard | None:
        """The customer with this E.164 number, or None."""

    def served(self, customer_id: str, agent_id: str) -> None:
        """An agent talked with this customer: from now on their last one."""
