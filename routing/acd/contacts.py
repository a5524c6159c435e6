"""A contact as the ACD sees it: where it waits, how far its step clock has come, who is offered it and who was."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from msgspec import Struct

from routing.acd.ladder import Ladder
from routing.acd.match import Line
from routing.acd.offers import Offer
from routing.messages import Entered
from routing.model import QueueRules
from routing.waiting.estimate import Promise


class Away(Enum):
    """Why nobody is offered a contact although it is in the queue: its customer is to be called first."""

    TO_CALL = auto()  # waits for the moment to be called
    DIALING = auto()
    RESTING = auto()  # could not be reached; tried again later
    HELD_BACK = auto()  # too few trunks are free to call somebody of its tier


NO_REFUSALS: Mapping[str, Offer] = MappingProxyType({})
"""What most contacts have, shared."""


class Contact(Struct, gc=False):
    """One contact in a queue: in `line` while it waits, in `offers` while it is proposed, or `away`.

    `entered` is what was told, with the age and agent of an earlier visit if the customer came back; `told` is what
    was told. The step clock stood at `clock_s` when the contact began to wait at `waiting_since`; it stands still while
    that is None. `refusals` holds the last offer that came to nothing, by agent id: these agents are passed over while
    another can serve, and a late word about such an offer can still be understood. `not_preferred` is why the
    preferred agent was not offered the contact on arrival, if there is such an agent. `superseded_by`: the contact as
    which the customer of this callback called again while it was being worked on. `took_up`: they did, and this is the
    contact as which they wait; like every callback it is not sent away any more. `promise`: what it has been told of
    its wait.
    """

    told: Entered
    entered: Entered
    rules: QueueRules
    ladder: Ladder
    line: Line
    clock_s: float
    offers_made: int
    refusals: Mapping[str, Offer]
    preferred_until_s: float = 0.0
    rung: int = 0
    step_told: int = 0
    waiting_since: float | None = None
    offers: tuple[Offer, ...] = ()
    not_preferred: str | None = None
    away: Away | None = None
    attempts: int = 0
    expires_at: float | None = None
    retry_at: float | None = None
    superseded_by: str | None = None
    took_up: bool = False
    comeback: bool = False
    promise: Promise | None = None

    @property
    def contact_id(self) -> str:
        """The contact's id."""
        return self.entered.contact_id

    @property
    def waits(self) -> bool:
        """Whether it stands in its line."""
        return self.waiting_since is not None and self.away is None

    def clock(self, now: float) -> float:
        """The step clock: how long it has waited in this queue, without the time in which offers rang."""
        since = self.waiting_since
        return self.clock_s if since is None else self.clock_s + (now - since)
