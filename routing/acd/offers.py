"""The offer machine: one timed proposal of one contact to one agent, which settles exactly once.

The contact's session settles an offer by what the phone did; the ACD settles it when its time is up, when the phone
is lost, or when the contact leaves. The two may cross on the way. Whoever is first settles, and the other is a race
with a name. One race is more than noise: when the agent picked up before our withdrawal reached the session, the two
are talking. The offer stays settled as it was, and the ACD takes note of the talk (`PICKED_UP`).
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from routing.model import Outcome, Race

TOLD_TWICE = Race("the same outcome was told twice")
CROSSED = Race("two outcomes crossed; the first one counts")
PICKED_UP = Race("picked up as the offer was withdrawn")

_WITHDRAWN = (Outcome.NO_ANSWER, Outcome.UNREACHABLE, Outcome.RESCINDED)
"""What the ACD itself may have settled while the contact goes on waiting."""


def _late(before: Outcome, told: Outcome) -> Race:
    if told is before:
        return TOLD_TWICE
    if told is Outcome.ACCEPTED and before in _WITHDRAWN:
        return PICKED_UP
    return CROSSED


NEXT: Mapping[tuple[Outcome | None, Outcome], Outcome | Race] = {
    **{(None, told): told for told in Outcome},
    **{(before, told): _late(before, told) for before in Outcome for told in Outcome},
}
"""(outcome so far, None while pending; outcome told) → outcome. No cell is absent."""


class Offer(Struct, frozen=True, gc=False):
    """A proposal made at `made_at`, good until `expires_at`; `outcome` is None while it is pending."""

    offer_id: str
    contact_id: str
    agent_id: str
    made_at: float
    expires_at: float
    outcome: Outcome | None = None

    def settled(self, outcome: Outcome) -> Offer:
        """The same offer with its outcome; it must be pending."""
        assert self.outcome is None, "an offer settles once"
        return Offer(self.offer_id, self.contact_id, self.agent_id, self.made_at, self.expires_at, outcome)
