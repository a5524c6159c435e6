"""A session: one contact, one mailbox, one owner. Signals in; events to the journal; then commands to the world.

A session is an object, not a task: it never awaits anything, for commands are asked and their outcomes return as
signals, so 10,000 waiting callers cost 10,000 small objects (docs/adr/0005-one-mailbox-per-contact.md).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec
import structlog

from callcenter.clock import Clock
from callcenter.contact import commands as ask
from callcenter.contact.draft import Step
from callcenter.contact.events import ContactEvent
from callcenter.contact.machine import advance, fail, resume
from callcenter.contact.model import Contact, Phase
from callcenter.contact.plan import Plan
from callcenter.contact.signals import Signal, TimerDue
from callcenter.errors import JournalError
from callcenter.ports import Append, Entry, Journal, StateChange, Telephony
from ivr.model import Flow

log = structlog.get_logger()

_encode = msgspec.json.Encoder(order="deterministic").encode


# What waits for the journal before it leaves.
_Outward = ask.TelephonyCommand | ask.WorldCommand


class _Taken(NamedTuple):
    """A step, the instant it was decided at (its events carry the same one), and what led to it."""

    step: Step
    at: float
    cause: str


class ContactSession:
    """Runs the contact machine for one contact.

    A bug in the machine fails this contact alone: it is recorded, and its caller goes to the fallback dialplan.
    `line` is told the contact's id and how many trunks it takes, each time that changes, `forget` the contact as it
    ends; `held_back` knows why nobody may be called for it just now (None: they may).
    """

    __slots__ = (
        "_ask_world", "_clock", "_draining", "_fault", "_forget", "_held_back", "_journal", "_line", "_mailbox",
        "_plan", "_telephony", "_tell_floor", "_timer", "_timer_at", "contact",
    )  # fmt: skip

    def __init__(
        self,
        contact: Contact,
        *,
        plan: Plan,
        clock: Clock,
        journal: Journal,
        telephony: Telephony,
        tell_floor: Callable[[ask.FloorCommand], None],
        ask_world: Callable[[ask.WorldCommand], None],
        line: Callable[[str, int], None],
        forget: Callable[[Contact], None],
        held_back: Callable[[Contact], str | None],
    ) -> None:
        self.contact = contact
        self._plan = plan
        self._clock = clock
        self._journal = journal
        self._telephony = telephony
        self._tell_floor = tell_floor
        self._ask_world = ask_world
        self._line = line
        self._forget = forget
        self._held_back = held_back
        self._mailbox: deque[tuple[Signal, float | None]] = deque()
        self._draining = False
        self._fault = ""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None

    def tell(self, signal: Signal, at: float | None = None) -> None:
        """Put a signal into the mailbox; it is worked off in order, before anything else runs if we are idle.

        `at`: when it happened, if that was not now but while nobody heard it.
        """
        self._mailbox.append((signal, at))
        if not self._draining:
            self._drain(())

    def begin(self, step: Step, now: float) -> None:
        """Take the first step of a new contact, made by `arrive` at `now`."""
        self._drain((_Taken(step, now, "CallerAtTheDoor"),))

    def resume(self) -> None:
        """Take up a contact that an earlier process left, once it is known that its caller is still there."""
        now = self._clock.now()
        self._drain((_Taken(resume(self.contact, self._plan, now), now, "restart"),))

    def replan(self, plan: Plan) -> None:
        """The site changed: the contact lives under the new plan; who is in a flow finishes it as they know it."""
        cursor = self.contact.cursor
        if self.contact.phase is Phase.IVR and cursor is not None and cursor.flow in self._plan.flows:
            plan = replace(plan, flows={**plan.flows, cursor.flow: self._plan.flows[cursor.flow]})
        self._plan = plan

    def keep_flow(self, flow: Flow) -> None:
        """The caller finishes this version of their flow, which the site of now has no more."""
        self._plan = replace(self._plan, flows={**self._plan.flows, flow.id: flow})

    def abandon(self, why: str) -> None:
        """The journal refused what this contact did: end it as a bug would, but without a word in the journal."""
        step = fail(self.contact, why, self._plan, self._clock.now())
        self.contact = step.contact
        for command in step.commands:
            if isinstance(command, ask.FloorCommand):
                self._ask_floor(command)
            else:
                self._submit(command)
        self._arm_timer()
        self._forget(self.contact)

    def _drain(self, made: Sequence[_Taken]) -> None:
        """Work the mailbox off; everything it leads to is one journal transaction, then the commands leave."""
        self._draining = True
        before = self.contact
        entries: list[Entry] = []
        commands: list[_Outward] = []
        for taken in made:
            self._take(taken, entries, commands)
        while self._mailbox or self._fault:
            self._take(self._next(), entries, commands)
        self._draining = False
        if entries or commands:
            self._commit(before, entries, commands)
        self._arm_timer()
        if self.contact.phase is Phase.ENDED and before.phase is not Phase.ENDED:
            self._forget(self.contact)

    def _next(self) -> _Taken:
        """The step of the next signal; after a bug, here or on the floor, the one that ends this contact alone."""
        now, cause = self._clock.now(), "fault"
        if not self._fault:
            signal, at = self._mailbox.popleft()
            if at is not None:
                now = min(now, max(at, self.contact.last_at))
            cause = type(signal).__name__
            try:
                return _Taken(advance(self.contact, signal, self._plan_now(), now), now, cause)
            except Exception as error:
                log.exception("contact failed", contact=self.contact.contact_id, signal=cause)
                self._fault = f"{type(error).__name__}: {error}"
        why, self._fault = self._fault, ""
        return _Taken(fail(self.contact, why, self._plan, now), now, cause)

    def _plan_now(self) -> Plan:
        """The plan, and for who was promised a call, or is in a flow that may make one, why none may be made now."""
        may_dial = self.contact.callback is not None or self.contact.phase is Phase.IVR
        why = self._held_back(self.contact) if may_dial else None
        return self._plan if why is None else replace(self._plan, held_back=why)

    def _take(self, taken: _Taken, entries: list[Entry], commands: list[_Outward]) -> None:
        step = taken.step
        first_seq = step.contact.seq - len(step.events) + 1
        if self.contact.trunks_taken != step.contact.trunks_taken:
            self._line(step.contact.contact_id, step.contact.trunks_taken)
        self.contact = step.contact
        entries.extend(
            entry_of(self.contact, seq, event, taken.at, self._plan.site, taken.cause)
            for seq, event in enumerate(step.events, first_seq)
        )
        for command in step.commands:
            if isinstance(command, ask.FloorCommand):
                self._ask_floor(command)
            else:
                commands.append(command)

    def _ask_floor(self, command: ask.FloorCommand) -> None:
        try:
            self._tell_floor(command)
        except Exception as error:
            log.exception("the floor failed a contact", contact=self.contact.contact_id)
            if self.contact.phase is not Phase.ENDED:
                self._fault = f"{type(error).__name__}: {error}"

    def _commit(self, before: Contact, entries: Sequence[Entry], commands: Sequence[_Outward]) -> None:
        contact = self.contact
        state = None if contact.phase is Phase.ENDED else _encode(contact)

        def leave() -> None:
            for command in commands:
                self._submit(command)

        try:
            self._journal.append(Append(entries, (StateChange(contact.stream, state),), leave if commands else None))
        except JournalError:
            self._give_up(before, commands)

    def _submit(self, command: _Outward) -> None:
        if isinstance(command, ask.WorldCommand):
            self._ask_world(command)
        else:
            self._telephony.submit(command)

    def _give_up(self, before: Contact, commands: Sequence[_Outward]) -> None:
        """The journal is unwritable: who talks goes on talking, legs still end, everybody else goes to the fallback."""
        log.error("journal unwritable, contact handed to the fallback", contact=self.contact.contact_id)
        for command in commands:
            if isinstance(command, ask.HangUp | ask.DropBridge | ask.SendToVoicemail):
                self._telephony.submit(command)
        if before.talk is None and self.contact.channel_id:
            # Not "who talks now": an agent who answers at this moment was never joined with the caller.
            if before.playback_id is not None:  # else Asterisk would let it end first
                self._telephony.submit(ask.StopSaying(before.channel_id, before.playback_id))
            self._telephony.submit(ask.SendToFallback(self.contact.channel_id))

    def _arm_timer(self) -> None:
        if self.contact.timer_at == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = self.contact.timer_at
        if self._timer_at is not None:
            delay_s = max(0.0, self._timer_at - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._timer_due)

    def _timer_due(self) -> None:
        self._timer = None
        self._timer_at = None
        self.tell(TimerDue())


def entry_of(contact: Contact, seq: int, event: ContactEvent, now: float, site: str, cause: str) -> Entry:
    """The journal entry of one event."""
    return Entry(contact.stream, seq, now, event.type, event.version, _encode(event), site, cause)


def left_behind(states: Mapping[str, bytes]) -> list[Contact]:
    """The contacts that an earlier process left in the journal; one that can't be understood is said and left out."""
    contacts = []
    for stream, state in states.items():
        if not stream.startswith("contact/"):
            continue
        try:
            contacts.append(msgspec.json.decode(state, type=Contact))
        except msgspec.MsgspecError:
            log.exception("a contact of an earlier version can't be taken up", stream=stream)
    return contacts
