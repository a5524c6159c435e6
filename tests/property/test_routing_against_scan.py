"""The engine against the scan of E4 (bench/naive.py): whatever happens, each offer is the one that a look at all finds.

The scan shares no index, order or timer with the engine. Times are drawn so that no two deadlines fall on one instant;
what comes first then is a matter of the order of messages, not of the rules.
"""

from dataclasses import dataclass, field, replace
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.naive import Scan
from routing.acd.engine import Acd
from routing.acd.trace import OfferTrace, Why
from routing.messages import (
    Configured,
    DeviceChanged,
    Entered,
    Input,
    Left,
    MakeOffer,
    OfferSettled,
    PresenceChosen,
    TalkEnded,
    Tick,
    WrapUpFinished,
)
from routing.model import AgentOrder, AgentProfile, Membership, Outcome, Presence, QueueRules, Step
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import ANYONE, Either, Held, Not

TIERS = (
    Tier("vip", 4.0, 5.0, target_s=10.0, share=1.0, starvation_s=40.0, experience=50, spill_s=8.0),
    Tier("gold", 2.0, target_s=20.0, share=2.0, starvation_s=70.0, preferred_wait_s=6.0),
    Tier("standard", 1.0, target_s=60.0, share=3.0, starvation_s=90.0),
)
STAFF = (
    AgentProfile("ann", {"en": 80, "tech": 40}, experience=80),
    AgentProfile("bob", {"en": 30}, experience=20),
    AgentProfile(
        "cat", {"en": 60, "tech": 90}, experience=60, memberships={"help": Membership(1), "sales": Membership(2)}
    ),
    AgentProfile(
        "dan", {"en": 50, "tech": 45}, memberships={"sales": Membership(1), "help": Membership(2, delay_s=18.0)}
    ),
    AgentProfile("eve", {"tech": 70}, experience=10),
    AgentProfile("fay", {"tech": 20}, memberships={"sales": Membership(3, delay_s=21.0)}),
)
FICKLE = ("dan", "eve", "fay")
"""Who takes breaks. Who is preferred does not: what their leaving means to who waits for them is another law's."""

OWN = (ANYONE, Held("en"), Held("en", 50), Not(Held("tech")))
MEASURED_ORDERS = (
    AgentOrder.LONGEST_IDLE,
    AgentOrder.MOST_PROFICIENT,
    AgentOrder.LEAST_PROFICIENT,
    AgentOrder.LINEAR,
)


def site(discipline: Discipline, order: AgentOrder) -> Configured:
    """Two queues with steps, delays after offers that came to nothing, and members of every kind."""
    widening = (Step(Held("tech", 80)), Step(Held("tech", 40), after_s=10.0), Step(after_s=25.0))
    skipped = (
        Step(Held("latin"), skip_if_unstaffed=True),
        Step(Either((Held("en", 60), Held("tech"))), 5.0),
        Step(after_s=30.0),
    )
    spared = QueueRules("", misses_max=99, reject_delay_s=5.31, busy_delay_s=10.47, fault_delay_s=3.73)
    queues = (
        replace(spared, queue="help", steps=widening, agent_order=order, preferred_wait_s=3.0),
        replace(spared, queue="sales", steps=skipped, no_answer_delay_s=4.19),
    )
    return Configured(queues, STAFF, TierPolicy(discipline, TIERS))


@dataclass
class Both:
    """The engine with the scan beside it, which looks at all for every offer that the engine makes."""

    config: Configured
    now: float = 1_000.0
    contacts: list[str] = field(default_factory=list)
    talks: dict[str, str] = field(default_factory=dict)
    checked: int = 0

    def __post_init__(self) -> None:
        self.acd, self.scan, self.numbers = Acd(self.config, self.now), Scan(self.config), count(1)
        for profile in self.config.agents:
            self.step(DeviceChanged(profile.agent_id, reachable=True))
            self.step(PresenceChosen(profile.agent_id, Presence.AVAILABLE))
            self.pass_s(1)

    def pass_s(self, seconds: int) -> None:
        """Time passes by so much and a fraction that never comes again; what falls due meanwhile is done then."""
        until = self.now + seconds + 0.000173 * next(self.numbers) ** 2
        while (due_at := self.acd.next_at()) is not None and due_at <= until:
            self.now = max(self.now, due_at)
            self.step(Tick())
        self.now = until

    def step(self, given: Input) -> None:
        """One input to both; every offer is the scan's choice too, and nobody waits whom an idle agent may serve."""
        decisions = self.acd.step(given, self.now)
        self.scan.hear(given, self.now)
        for decision in decisions:
            if isinstance(decision, MakeOffer):
                assert isinstance(decision.trace, OfferTrace)
                if decision.trace.why is Why.AGENT_FREE:
                    assert self.scan.first_contact(decision.agent_id, self.now) == decision.contact_id
                else:
                    enters = isinstance(given, Entered)
                    assert self.scan.first_agent(decision.contact_id, self.now, enters=enters) == decision.agent_id
                self.checked += 1
            self.scan.told(decision, self.now)
        ready = [worker for worker in self.scan.workers.values() if worker.ready(self.now)]
        for caller in self.scan.callers.values():
            for worker in ready:
                assert self.scan.rank(worker, caller, self.now) is None, "one waits and another who may serve it idles"

    def play(self, what: str, n: int, m: int) -> None:
        """One thing that happens; the numbers choose to whom."""
        offers = sorted(self.scan.offers)
        match what:
            case "enter":
                self._enter(n, m)
            case "leave" if self.contacts:
                self.step(Left(self.contacts[n % len(self.contacts)]))
            case "accept" if offers:
                contact_id, agent_id = self.scan.offers[offers[n % len(offers)]]
                self.talks[agent_id] = contact_id
                self.step(OfferSettled(offers[n % len(offers)], Outcome.ACCEPTED))
            case "refuse" if offers:
                outcome = (Outcome.REJECTED, Outcome.BUSY, Outcome.FAILED)[m % 3]
                self.step(OfferSettled(offers[n % len(offers)], outcome))
            case "hang up" if self.talks:
                agent_id = sorted(self.talks)[n % len(self.talks)]
                self.step(TalkEnded(agent_id, self.talks.pop(agent_id), 0.0 if m % 2 else None))
            case "finish":
                self.step(WrapUpFinished(STAFF[n % len(STAFF)].agent_id))
            case "break":
                aux = m % 2 == 0
                presence = Presence.AUX if aux else Presence.AVAILABLE
                self.step(PresenceChosen(FICKLE[n % len(FICKLE)], presence, "lunch" if aux else None))
            case _:
                pass
        self.pass_s(m % 7)

    def _enter(self, n: int, m: int) -> None:
        preferred = ("ann", "bob", "cat", None, None)[m % 5]
        age_s = float(m % 4) * 15.0
        contact_id = f"c{next(self.numbers)}"
        self.contacts.append(contact_id)
        queue = ("help", "sales")[n % 2]
        self.step(Entered(contact_id, queue, OWN[n % len(OWN)], m % 3, self.now - age_s, preferred, float(n % 3) * 4.0))


HAPPENINGS = st.tuples(
    st.sampled_from(("enter", "enter", "enter", "leave", "accept", "accept", "refuse", "hang up", "finish", "break")),
    st.integers(0, 59),
    st.integers(0, 59),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(Discipline), st.sampled_from(MEASURED_ORDERS), st.lists(HAPPENINGS, min_size=20, max_size=60))
def test_every_offer_is_the_one_that_a_look_at_all_finds(
    discipline: Discipline, order: AgentOrder, happenings: list[tuple[str, int, int]]
) -> None:
    both = Both(site(discipline, order))
    for happening in happenings:
        both.play(*happening)
