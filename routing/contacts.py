"""A contact as the ACD sees it: its place in a line, its pending offer, and who could not take it so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from routing.match import Line
from routing.messages import Entered
from routing.model import QueueRules
from routing.offers import Offer
from routing.priority import Priority


@dataclass(slots=True)
class Contact:
    """One contact in a queue: waiting in `line` while `offer` is None, proposed to one agent otherwise.

    `refusals` holds the last offer that came to nothing, by agent id: these agents are passed over while another
    can serve, and a late word about such an offer can still be understood. `not_preferred` is why the preferred
    agent was not offered the contact on arrival, if there is such an agent.
    """

    entered: Entered
    rules: QueueRules
    line: Line
    priority: Priority
    offers_made: int
    offer: Offer | None = None
    refusals: dict[str, Offer] = field(default_factory=dict)
    not_preferred: str | None = None

    @property
    def contact_id(self) -> str:
        """The contact's id."""
        return self.entered.contact_id
