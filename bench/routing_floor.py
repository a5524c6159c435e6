"""A center at work on the production engine, cycle by cycle, every step timed and written down for the scan to follow.

All agents talk and so many contacts wait; then either an agent becomes free and is given one of them (`serve`), or a
contact enters while a few agents are idle and is given to one (`arrive`). What an agent is given they accept at once.
For each contact that is served one of its kind and tier enters, so the line keeps its length and its mix.
"""

import random
from array import array
from collections.abc import Iterator
from itertools import count
from time import perf_counter_ns

from bench.routing_load import START_AT, Center, Kind, drawn_tier, entry, for_the_night
from routing.acd.engine import Acd
from routing.messages import (
    Decision,
    DeviceChanged,
    Entered,
    Input,
    MakeOffer,
    OfferSettled,
    PresenceChosen,
    TalkEnded,
    Tick,
    WrapUpFinished,
)
from routing.model import Outcome, Presence

IDLE_EVERY = 10
"""When contacts find an idle agent, one day agent in so many is idle."""

SERVED, FOUND, WAITED, OTHER = "agent free", "contact enters, agent idle", "contact enters, waits", "other"

Heard = tuple[str, Input, float, list[Decision]]
"""What kind of step it was, the input, its instant, and what the engine decided."""


class Floor:
    """A center whose agents are all at their desks. `spent_ns` holds the cost of each step, by what it was."""

    def __init__(self, center: Center, seed: int) -> None:
        self.center = center
        self.now = START_AT
        self.acd = Acd(center.site, self.now)
        self.heard: list[Heard] = []
        self.spent_ns: dict[str, array[int]] = {kind: array("q") for kind in (SERVED, FOUND, WAITED, OTHER)}
        self.remembers = True
        self._rng = random.Random(seed)
        self._numbers = count(1)
        self._kind_of: dict[str, tuple[Kind, int]] = {}
        self._talks: dict[str, str] = {}
        self._busy: list[str] = []
        self._seat: dict[str, int] = {}
        for profile in center.site.agents:
            self._step(OTHER, DeviceChanged(profile.agent_id, reachable=True))
            self._step(OTHER, PresenceChosen(profile.agent_id, Presence.AUX, "start"))

    # --- setting up -------------------------------------------------------------------------------------------------

    def entries(self, how_many: int, *, night: bool = False) -> Iterator[Entered]:
        """Contacts that entered over the last mean wait and a fifth, of all kinds and tiers."""
        kinds, wait_s = self.center.kinds, 1.2 * self.center.size.wait_s
        for at in range(how_many):
            kind = kinds[at % len(kinds)]
            yield self._entry(for_the_night(kind) if night else kind, self._rng.uniform(0.0, wait_s))

    def enter(self, entered: Entered) -> None:
        """A contact enters."""
        self._step(WAITED, entered)

    def open(self) -> None:
        """All agents become available; each is given a contact, if one waits that they may serve."""
        for profile in self.center.site.agents:
            self._step(OTHER, PresenceChosen(profile.agent_id, Presence.AVAILABLE))

    def let_some_idle(self) -> None:
        """One in so many of the day agents becomes idle; nobody waits for them."""
        day = [agent_id for agent_id in self._busy if agent_id not in self.center.night]
        for agent_id in day[::IDLE_EVERY]:
            self._hang_up(OTHER, agent_id)

    @property
    def talking(self) -> int:
        """How many agents talk."""
        return len(self._busy)

    @property
    def waiting(self) -> int:
        """How many contacts wait."""
        return len(self._kind_of) - len(self._busy)

    # --- cycles -----------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """An agent becomes free and is given a contact; another of that kind and tier enters and waits."""
        self._pass(self.center.size.decision_s)
        agent_id = self._busy[self._rng.randrange(len(self._busy))]
        self._hang_up(SERVED, agent_id)
        contact_id = self._talks.get(agent_id)
        if contact_id is not None:
            kind, tier = self._kind_of[contact_id]
            self._step(WAITED, self._entry(kind, 0.0, tier))

    def arrive(self) -> None:
        """A contact enters and is given to an idle agent; another agent becomes idle."""
        self._pass(self.center.size.decision_s)
        kinds = self.center.kinds
        self._step(FOUND, self._entry(kinds[self._rng.randrange(len(kinds))], 0.0))
        while True:
            agent_id = self._busy[self._rng.randrange(len(self._busy))]
            if agent_id not in self.center.night:
                break
        self._hang_up(OTHER, agent_id)

    def _hang_up(self, kind: str, agent_id: str) -> None:
        """An agent becomes free: at the end of a talk without wrap-up, or by finishing wrap-up, in turns."""
        contact_id = self._talks.pop(agent_id)
        self._kind_of.pop(contact_id)
        seat, last = self._seat.pop(agent_id), self._busy.pop()
        if last != agent_id:
            self._busy[seat] = last
            self._seat[last] = seat
        if next(self._numbers) % 2:
            self._step(kind, TalkEnded(agent_id, contact_id, 0.0))
        else:
            self._step(OTHER, TalkEnded(agent_id, contact_id, None))
            self._step(kind, WrapUpFinished(agent_id))

    def _pass(self, passed_s: float) -> None:
        """Time passes; what is due meanwhile is done when it is due."""
        until = self.now + passed_s
        while (due_at := self.acd.next_at()) is not None and due_at <= until:
            self.now = max(self.now, due_at)
            self._step(OTHER, Tick())
        self.now = until

    def _entry(self, kind: Kind, age_s: float, tier: int | None = None) -> Entered:
        number = next(self._numbers)
        contact_id = f"{number:08x}-0000-7000-8000-{number:012x}"
        tier = drawn_tier(self._rng) if tier is None else tier
        self._kind_of[contact_id] = (kind, tier)
        return entry(contact_id, kind, tier, self.now, self._rng, age_s=age_s)

    def _step(self, kind: str, given: Input) -> None:
        began_ns = perf_counter_ns()
        decisions = self.acd.step(given, self.now)
        spent_ns = perf_counter_ns() - began_ns
        offers = [each for each in decisions if isinstance(each, MakeOffer)]
        # A step counts as a decision of its kind only if it came to what the kind is about.
        as_meant = {SERVED: len(offers) == 1, FOUND: len(offers) == 1, WAITED: not offers}.get(kind, True)
        kind = kind if as_meant else OTHER
        self.spent_ns[kind].append(spent_ns)
        if self.remembers:
            self.heard.append((kind, given, self.now, decisions))
        for offer in offers:
            self._talks[offer.agent_id] = offer.contact_id
            self._seat[offer.agent_id] = len(self._busy)
            self._busy.append(offer.agent_id)
            self._step(OTHER, OfferSettled(offer.offer_id, Outcome.ACCEPTED))
