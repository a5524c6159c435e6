"""A step in the making: the phases' handlers write into it, the machine takes the result out of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact.model import Contact, Phase
from callcenter.contact.plan import Plan
from callcenter.contact.signals import CallerLeft
from ivr.turn import Listen as Wanted


@dataclass(frozen=True, slots=True)
class Step:
    """What one signal did: the contact after it, what to remember, what to ask, in order."""

    contact: Contact
    events: tuple[ev.ContactEvent, ...] = ()
    commands: tuple[ask.Command, ...] = ()


class Draft:
    """One step being made, at `now`, under `plan`.

    `contact` is a copy of its own, which nobody else sees before the step is finished; so it is changed in place,
    frozen or not: a step changes a contact several times, and making it anew each time was most of its cost. Mind that
    `contact = draft.contact` is therefore the contact as it becomes, not as it was.
    """

    __slots__ = ("_commands", "_events", "contact", "now", "plan")

    def __init__(self, contact: Contact, plan: Plan, now: float) -> None:
        self.contact = replace(contact)
        self.plan = plan
        self.now = now
        self._events: list[ev.ContactEvent] = []
        self._commands: list[ask.Command] = []

    def become(self, **changes: Any) -> None:
        """Change the contact."""
        for name, value in changes.items():
            object.__setattr__(self.contact, name, value)

    def remember(self, *events: ev.ContactEvent) -> None:
        """Add events; seq counts them, for the contact owns its stream's numbering."""
        self._events.extend(events)
        object.__setattr__(self.contact, "seq", self.contact.seq + len(events))
        object.__setattr__(self.contact, "last_at", self.now)

    def ask(self, *commands: ask.Command) -> None:
        """Add commands."""
        self._commands.extend(commands)

    def step(self) -> Step:
        """The finished step."""
        return Step(self.contact, tuple(self._events), tuple(self._commands))

    def say(self, prompts: Sequence[str], language: str) -> None:
        """Say prompts to the caller under a new playback id; what is being said stops first."""
        self.stop_saying()
        made = self.contact.playbacks_made + 1
        playback_id = f"{self.contact.contact_id}.p{made}"
        self.become(playbacks_made=made, playback_id=playback_id)
        self.ask(ask.Say(self.contact.channel_id, playback_id, tuple(prompts), language))

    def stop_saying(self) -> None:
        """Cut short what is being said, if anything is."""
        if self.contact.playback_id is not None:
            self.ask(ask.StopSaying(self.contact.channel_id, self.contact.playback_id))
            self.become(playback_id=None)

    def listen(self, wanted: Wanted) -> None:
        """Let a recogniser hear the caller, under a new listening id; who listened before does so no more."""
        self.stop_listening()
        contact, made = self.contact, self.contact.listenings_made + 1
        listening_id = f"{contact.contact_id}.l{made}"
        self.become(listenings_made=made, listening_id=listening_id)
        self.ask(ask.Listen(contact.contact_id, listening_id, contact.channel_id, wanted))

    def stop_listening(self) -> None:
        """Nobody hears the caller any more, if anybody did."""
        if self.contact.listening_id is not None:
            self.ask(ask.StopListening(self.contact.listening_id))
            self.become(listening_id=None)

    def caller_leaves(self, *, by: str, end_state: str, cause: int = 0) -> None:
        """The visit is over; the caller's leg is not ours any more."""
        self.remember(ev.CallerGone(ended_by=by, end_state=end_state, cause=cause))
        self.become(channel_id="", ended_by=by, end_state=end_state, timer_at=None, playback_id=None)

    def caller_gave_up(self, left: CallerLeft, end_state: str) -> None:
        """The caller left before they were served; who was lost with Asterisk did not abandon."""
        lost = left.by == "system"
        self.caller_leaves(by=left.by, end_state="failed" if lost else end_state, cause=left.cause)

    def close(self, wrap_up_s: float = 0.0) -> None:
        """Nothing more will happen to this contact: the terminal event."""
        contact = self.contact
        assert contact.end_state is not None, "a contact ends only after its caller has left"
        assert contact.ended_by is not None
        self.remember(
            ev.ContactEnded(
                end_state=contact.end_state,
                ended_by=contact.ended_by,
                wait_s=contact.wait_s,
                talk_s=contact.talk_s,
                hold_s=contact.hold_s,
                wrap_up_s=wrap_up_s,
                seq_total=contact.seq + 1,
            )
        )
        self.become(phase=Phase.ENDED, timer_at=None)


Handler = Callable[[Draft, Any], None]
