"""The agent machine: presence is the person's, activity is the system's, and neither overwrites the other.

Two machines are coupled here. Activity moves by the table `NEXT`. Presence moves when the person chooses; while a
contact binds them (reserved, talking, wrap-up) the choice is kept in `requested_next` and takes effect when
activity comes back to idle. The system imposes a presence in one case only: the offer that rang unanswered once too
often in a row sends the agent to aux RONA, unless they had already chosen what comes next.

The phone is a third, independent fact: an unreachable one excludes the agent from offers and does nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from routing.acd.standing import after_rest, after_work
from routing.messages import Entered
from routing.model import RONA, Activity, AgentProfile, Choice, Outcome, Presence, Race


class AgentSignal(Enum):
    """What moves an agent's activity."""

    __hash__ = object.__hash__  # Enum's own is a function in Python, and these are keys of the table

    CHOSE = auto()  # a presence, by the person
    OFFERED = auto()
    ENGAGED = auto()  # talks in a contact that no offer brought
    ACCEPTED = auto()
    RELEASED = auto()  # the offer came to nothing, or its contact left
    MISSED = auto()  # the offer rang unanswered, once too often
    TALK_ENDED = auto()
    WRAPPED_UP = auto()  # by hand or by deadline


# Absent cells are bugs: only an idle agent is offered a contact, and only a pending offer releases one.
NEXT: Mapping[tuple[Activity, AgentSignal], Activity | Race] = {
    (Activity.IDLE, AgentSignal.CHOSE): Activity.IDLE,
    (Activity.IDLE, AgentSignal.OFFERED): Activity.RESERVED,
    (Activity.IDLE, AgentSignal.ENGAGED): Activity.TALKING,
    (Activity.IDLE, AgentSignal.ACCEPTED): Activity.TALKING,  # picked up as the offer was withdrawn
    (Activity.IDLE, AgentSignal.TALK_ENDED): Race("the end of the talk was told twice"),
    (Activity.IDLE, AgentSignal.WRAPPED_UP): Race("finished by hand as the time ran out"),
    (Activity.RESERVED, AgentSignal.CHOSE): Activity.RESERVED,
    (Activity.RESERVED, AgentSignal.ENGAGED): Activity.TALKING,
    (Activity.RESERVED, AgentSignal.ACCEPTED): Activity.TALKING,
    (Activity.RESERVED, AgentSignal.RELEASED): Activity.IDLE,
    (Activity.RESERVED, AgentSignal.MISSED): Activity.IDLE,
    (Activity.RESERVED, AgentSignal.TALK_ENDED): Race("the end of the talk before was told twice"),
    (Activity.RESERVED, AgentSignal.WRAPPED_UP): Race("finished by hand, but the next offer was quicker"),
    (Activity.TALKING, AgentSignal.CHOSE): Activity.TALKING,
    (Activity.TALKING, AgentSignal.ENGAGED): Race("was engaged while the offered contact was being joined"),
    (Activity.TALKING, AgentSignal.ACCEPTED): Race("picked up a withdrawn offer, but talks with another by now"),
    (Activity.TALKING, AgentSignal.TALK_ENDED): Activity.WRAP_UP,
    (Activity.TALKING, AgentSignal.WRAPPED_UP): Race("finished the wrap-up before, but talks by now"),
    (Activity.WRAP_UP, AgentSignal.CHOSE): Activity.WRAP_UP,
    (Activity.WRAP_UP, AgentSignal.ENGAGED): Activity.TALKING,
    (Activity.WRAP_UP, AgentSignal.ACCEPTED): Race("picked up a withdrawn offer, but talked with another since"),
    (Activity.WRAP_UP, AgentSignal.TALK_ENDED): Race("the end of the talk was told twice"),
    (Activity.WRAP_UP, AgentSignal.WRAPPED_UP): Activity.IDLE,
}


# Looked up once: a member of an Enum is found ten times slower than a global.
_AVAILABLE, _LOGGED_OUT = Presence.AVAILABLE, Presence.LOGGED_OUT
_IDLE, _WRAP_UP = Activity.IDLE, Activity.WRAP_UP


@dataclass(slots=True)
class Agent:
    """One agent's state. `since`: when presence × activity last changed; `ready_since`: what longest idle goes by.

    `ready_since` is when the agent last became free for work (available again, or done with a contact). An offer
    that came to nothing does not move it: nobody loses or gains their place by a phone that rang. `misses` counts
    offers in a row that rang out. `occupancy` to `place` are what `routing.acd.standing` measures by;
    `counted` is as what the board counts them. `agent_id` is the id that the site gave them.
    """

    profile: AgentProfile
    since: float
    ready_since: float
    presence: Presence = Presence.LOGGED_OUT
    aux_code: str | None = None
    activity: Activity = Activity.IDLE
    requested_next: Choice | None = None
    contact_id: str | None = None
    offer_id: str | None = None
    reachable: bool = False
    spared_until: float | None = None
    spared_for: Outcome | None = None
    wrap_up_s: float = 0.0
    wrap_up_until: float | None = None
    retired: bool = False
    misses: int = 0
    engaged_outbound: bool = False
    talk_with: Entered | None = None
    talk_since: float = 0.0
    counted: Presence = Presence.LOGGED_OUT
    occupancy: float = 0.0
    occupancy_at: float = 0.0
    contacts: int = 0
    turn: int = 0
    stride: float = 0.0
    place: int = 0
    agent_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.agent_id = self.profile.agent_id

    @property
    def ready(self) -> bool:
        """Whether an offer may be made to this agent now."""
        return self.presence is _AVAILABLE and self.activity is _IDLE and self.reachable and self.spared_until is None

    @property
    def staffed(self) -> bool:
        """Whether they are at work and could become free."""
        return self.presence is not _LOGGED_OUT

    def why_not(self) -> str | None:
        """The first reason why nothing may be offered to them now; None if something may."""
        if self.presence is not Presence.AVAILABLE:
            return self.aux_code or self.presence.value
        if self.activity is not Activity.IDLE:
            return self.activity.value
        if not self.reachable:
            return "phone_lost"
        return self.spared_for.value if self.spared_for is not None else None

    def take(self, signal: AgentSignal, now: float) -> Race | None:
        """Move by the table; returns the race if the signal changes nothing. A KeyError is a bug."""
        before = self.activity
        after = NEXT[before, signal]
        if after is before:
            return None
        if isinstance(after, Race):
            return after
        self.activity = after
        self.since = now
        if after is _IDLE:
            self.occupancy = after_work(self.occupancy, now - self.occupancy_at)
            self.occupancy_at = now
            self._become_idle(signal, now, talked=before is _WRAP_UP)
        elif before is _IDLE:
            self.occupancy = after_rest(self.occupancy, now - self.occupancy_at)
            self.occupancy_at = now
        return None

    def choose(self, choice: Choice, now: float) -> str | None:
        """Apply a chosen presence, now if idle and after the contact otherwise; returns the cause, None if no news."""
        self.take(AgentSignal.CHOSE, now)
        holds = Choice(self.presence, self.aux_code)
        if self.activity is not Activity.IDLE:
            request = None if choice == holds else choice
            if request == self.requested_next:
                return None
            self.requested_next = request
            return "requested"
        if choice == holds:
            return None
        self._apply(choice, now)
        return "chosen"

    def forgive_rona(self) -> None:
        """The agent did answer after all: undo the aux RONA of the missed offer."""
        if self.presence is Presence.AUX and self.aux_code == RONA:
            self.presence, self.aux_code = Presence.AVAILABLE, None

    def spare(self, outcome: Outcome, until: float) -> None:
        """Make no offer to this agent before `until`."""
        self.spared_for = outcome
        self.spared_until = until

    def unspare(self) -> None:
        """The delay is over."""
        self.spared_for = None
        self.spared_until = None

    def _become_idle(self, signal: AgentSignal, now: float, *, talked: bool) -> None:
        self.contact_id = None
        self.wrap_up_until = None
        if talked and not self.engaged_outbound:
            self.ready_since = now
        self.engaged_outbound = False
        self.talk_with = None
        if self.requested_next is not None:
            choice, self.requested_next = self.requested_next, None
            self._apply(choice, now)
        elif signal is AgentSignal.MISSED:
            self._apply(Choice(Presence.AUX, RONA), now)
            self.misses = 0

    def _apply(self, choice: Choice, now: float) -> None:
        if choice.presence is Presence.AVAILABLE:
            self.ready_since = now
        self.presence = choice.presence
        self.aux_code = choice.aux_code
        self.since = now
