"""Days of a small center with every feature of the ACD mixed: sites to draw from, and happenings played on an engine.

A happening is a word and two numbers, which choose whom it happens to among those to whom it can. So histories that are
drawn, by Hypothesis or by a seeded `Random`, are full of things that make sense, and of a few that do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from msgspec import structs

from routing.acd.engine import Acd
from routing.acd.snapshot import Snapshot
from routing.messages import (
    CallbackChosen,
    Configured,
    CustomerDialed,
    Decision,
    DeviceChanged,
    DialOutcome,
    DialsHeld,
    Engaged,
    Entered,
    Input,
    Left,
    MakeOffer,
    OfferSettled,
    PresenceChosen,
    QueueClosed,
    QueueOpened,
    TalkEnded,
    Tick,
    WrapUpFinished,
)
from routing.model import (
    Activity,
    AgentOrder,
    AgentProfile,
    CallbackMode,
    CallbackRules,
    Exit,
    ExitKind,
    Limits,
    Loan,
    Membership,
    Outcome,
    Presence,
    QueueRules,
    Step,
    UnknownAgentError,
)
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import ANYONE, Either, Held, InTeam, Named, Not, needing
from tests.reach import Floor

Happening: TypeAlias = tuple[str, int, int]

HAPPENINGS = (
    *("enter",) * 6,
    *("accept",) * 4,
    *("refuse",) * 2,
    *("hang up",) * 3,
    *("finish", "leave", "break", "break", "back", "back", "phone", "call me", "dialed", "dialed", "wait"),
    *("engage", "close", "open", "open", "open", "site", "odd", "trunks"),
)
"""What can happen, the frequent more than once."""

TIERS = (
    Tier("vip", 4.0, 3.0, 10.0, 1.0, starvation_s=40.0, experience=50, spill_s=8.0),
    Tier("gold", 2.0, 0.0, 20.0, 2.0, starvation_s=70.0, preferred_wait_s=9.0),
    Tier("standard", 1.0, 0.0, 60.0, 3.0, starvation_s=90.0),
)
STAFF = (
    AgentProfile("ann", {"en": 80, "tech": 40}, experience=80, team="gold"),
    AgentProfile("bob", {"en": 30}, experience=20, weight=2.0),
    AgentProfile("cat", {"en": 60, "tech": 90}, 60, memberships={"help": Membership(1), "sales": Membership(2)}),
    AgentProfile("dan", {"en": 30}, memberships={"sales": Membership(1), "help": Membership(2, delay_s=11.0)}),
    AgentProfile("eve", {"en": 30}, memberships={"sales": Membership(1), "help": Membership(2, delay_s=11.0)}),
    AgentProfile("fay", {"tech": 70}, 10, team="gold", memberships={"spare": Membership(1)}),
)
AGENTS = tuple(profile.agent_id for profile in STAFF)
CUSTOMERS = (None, None, "kim", "lee", "may")
WISHES = (ANYONE, ANYONE, Held("en"), Held("en", 50), Not(Held("tech")), Either((Named("ann"), Named("bob"))))
QUEUES = ("help", "sales", "spare")


class Kind(NamedTuple):
    """What one site may differ in from another."""

    discipline: Discipline = Discipline.ACCUMULATING
    order: AgentOrder = AgentOrder.LONGEST_IDLE
    callbacks: CallbackMode = CallbackMode.AGENT_FIRST
    several: int = 1
    loans: bool = False


def site(kind: Kind, *, smaller: bool = False) -> Configured:
    """Three queues with steps, delays, limits and an exit; the smaller site lacks agents, a step and some skills."""
    callback = CallbackRules(kind.callbacks, dial_s=400.0, attempts_max=2, retry_s=13.0, expires_s=120.0)
    common = QueueRules(
        "",
        ring_s=7.0,
        wrap_up_s=3.0,
        agent_order=kind.order,
        ring_several=kind.several,
        misses_max=2,
        no_answer_delay_s=4.0,
        reject_delay_s=5.0,
        busy_delay_s=10.0,
        fault_delay_s=3.0,
        callback=callback,
    )
    widening = (Step(Held("tech", 80)), Step(Held("tech", 40), after_s=10.0), Step(after_s=25.0))
    skipped = (
        Step(needing({"tech": 60}), skip_if_unstaffed=True),
        Step(Either((Held("en", 60), InTeam("gold"))), 5.0, skip_if_unstaffed=True),
        Step(after_s=30.0),
    )
    loans = (Loan("sales", begin=30.0, end=60.0), Loan("spare", begin=1e6, end=2e6)) if kind.loans else ()
    queues = (
        replace(common, queue="help", steps=(Step(), Step(Held("en"), 9.0)) if smaller else widening, loans=loans),
        replace(
            common,
            queue="sales",
            steps=skipped,
            preferred_wait_s=6.0,
            exit_to=Exit(ExitKind.VOICEMAIL),
            exit_after_s=50.0,
        ),
        replace(common, queue="spare", requires=Not(Held("fr")), limits=Limits(waiting_max=3), ring_several=1),
    )
    agents = tuple(replace(each, skills={"en": 50, "fr": 1}) for each in STAFF[2:4]) if smaller else STAFF
    return Configured(queues, agents, TierPolicy(kind.discipline, TIERS), outbound_counts=not smaller, comeback_s=45.0)


@dataclass
class Moment:
    """One step: what was given and decided, and what was to be seen before and after."""

    given: Input
    now: float
    decisions: list[Decision]
    before: Snapshot
    after: Snapshot
    floor: Floor
    late: bool


@dataclass
class Day:
    """A day being played. Times are drawn so that no two deadlines fall on one instant.

    `late` happenings come before what fell due in the meantime; else the engine is ticked whenever it asks for it.
    """

    kind: Kind
    now: float = 1_000.0
    acd: Acd = field(init=False)
    config: Configured = field(init=False)
    contacts: int = 0
    steps: int = 0
    offers_made: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config = site(self.kind)
        self.acd = Acd(self.config, self.now)

    def _open(self) -> Iterator[Moment]:
        for agent_id in AGENTS:
            self._pass_s(1.0)
            yield self.step(DeviceChanged(agent_id, reachable=True))
            yield self.step(PresenceChosen(agent_id, Presence.AVAILABLE))

    def play(self, happenings: list[Happening]) -> Iterator[Moment]:
        """All agents come to work, then these things happen, with time between them."""
        yield from self._open()
        yield from self.go_on(happenings)

    def twin(self, acd: Acd) -> "Day":
        """The same day on another engine."""
        other = replace(self, offers_made={**self.offers_made})
        other.acd, other.config = acd, self.config
        return other

    def entry(self, n: int, m: int) -> Entered:
        """A newcomer whom nobody knows."""
        self.contacts += 1
        newcomer = self._entered(self.acd.snapshot(), 3 * n, m)
        return structs.replace(newcomer, contact_id=f"new{self.contacts}", customer_id=None, offers_made=0)

    def go_on(self, happenings: list[Happening]) -> Iterator[Moment]:
        """These things happen, with time between them."""
        for what, n, m in happenings:
            late = what != "wait" and m % 11 == 10
            yield from self._wait(float(m % 7), late=late)
            given = self._given(what, n, m)
            if given is not None:
                yield self.step(given, late=late)

    def _pass_s(self, seconds: float) -> None:
        self.steps += 1
        self.now += seconds + 0.000173 * (self.steps % 97) ** 2

    def _wait(self, seconds: float, *, late: bool) -> Iterator[Moment]:
        began = self.now
        self._pass_s(seconds)
        until = self.now
        due_at = self.acd.next_at()
        self.now = began
        while not late and due_at is not None and due_at <= until:
            behind = due_at < self.now
            self.now = max(self.now, due_at)
            yield self.step(Tick(), late=behind)
            due_at = self.acd.next_at()
            assert due_at is None or due_at > self.now, "what fell due is done"
        self.now = until

    def step(self, given: Input, *, late: bool = False) -> Moment:
        """One input."""
        before = self.acd.snapshot()
        try:
            decisions = self.acd.step(given, self.now)
        except UnknownAgentError:
            decisions = self.acd.step(Tick(), self.now)
        if isinstance(given, Configured):
            self.config = given
        for decision in decisions:
            if isinstance(decision, MakeOffer):
                self.offers_made[decision.contact_id] = self.offers_made.get(decision.contact_id, 0) + 1
        after = self.acd.snapshot()
        lent = frozenset((borrower, lender) for borrower, lender, on in self.acd.loans() if on)
        return Moment(given, self.now, decisions, before, after, Floor(self.config, after, lent), late)

    def _given(self, what: str, n: int, m: int) -> Input | None:
        seen = self.acd.snapshot()
        agent_id = AGENTS[n % len(AGENTS)]
        match what:
            case "enter":
                return self._entered(seen, n, m)
            case "accept" | "refuse":
                return self._settled(seen, what, n, m)
            case "hang up":
                talking = [view for view in seen.agents if view.activity is Activity.TALKING]
                each = talking[n % len(talking)] if talking else None
                wrap_up_s = (None, 0.0, 2.0)[m % 3]
                return None if each is None else TalkEnded(each.agent_id, each.contact_id or "", wrap_up_s, m % 4 == 0)
            case "finish":
                return WrapUpFinished(agent_id)
            case "leave" | "call me":
                there = sorted(view.entered.contact_id for queue in seen.queues for view in queue.waiting)
                contact_id = there[n % len(there)] if there else "nobody"
                return CallbackChosen(contact_id) if what == "call me" else Left(contact_id, abandoned=m % 5 > 0)
            case "dialed":
                return self._dialed(seen, n, m)
            case "wait":
                return Tick()
            case "trunks":
                return DialsHeld(((), (2,), (1, 2), (0, 1, 2))[m % 4])
            case "engage":
                return Engaged(agent_id, f"with-{agent_id}")
            case _:
                return self._at_work(what, agent_id, n, m)

    def _at_work(self, what: str, agent_id: str, n: int, m: int) -> Input | None:
        match what:
            case "break":
                gone = Presence.AUX if m % 3 else Presence.LOGGED_OUT
                return PresenceChosen(agent_id, gone, "lunch")
            case "back":
                return PresenceChosen(agent_id, Presence.AVAILABLE)
            case "phone":
                return DeviceChanged(agent_id, reachable=m % 3 > 0)
            case "close":
                waiting_to = Exit(ExitKind.QUEUE, "help") if m % 2 else None
                return QueueClosed(QUEUES[n % 3], "fire", Exit(ExitKind.GOODBYE), waiting_to)
            case "open":
                return QueueOpened(QUEUES[n % 3])
            case "site":
                return site(self.kind, smaller=m % 4 == 0)
            case "odd":
                return OfferSettled(f"c{n}.o{m % 3 + 1}", tuple(Outcome)[m % len(Outcome)])
            case _:
                return None

    def _entered(self, seen: Snapshot, n: int, m: int) -> Entered:
        again = n % 9 == 8 and self.contacts > 0 and not seen.calling
        self.contacts += not again
        contact_id = f"c{n % self.contacts + 1}" if again else f"c{self.contacts}"
        return Entered(
            contact_id,
            QUEUES[n % 3],
            WISHES[m % len(WISHES)],
            (n + m) % 3,
            self.now - (n % 4) * 15.0,
            (*AGENTS[:3], None, None)[m % 5],
            float(n % 3) * 4.0,
            CUSTOMERS[(n * 7 + m) % len(CUSTOMERS)],
            offers_made=self.offers_made.get(contact_id, 0),
        )

    def _settled(self, seen: Snapshot, what: str, n: int, m: int) -> Input | None:
        pending = sorted(offer.offer_id for queue in seen.queues for view in queue.waiting for offer in view.offers)
        if not pending:
            return None
        refusals = (Outcome.REJECTED, Outcome.BUSY, Outcome.FAILED, Outcome.UNREACHABLE, Outcome.CALLER_GONE)
        outcome = Outcome.ACCEPTED if what == "accept" else refusals[m % len(refusals)]
        return OfferSettled(pending[n % len(pending)], outcome)

    def _dialed(self, seen: Snapshot, n: int, m: int) -> Input | None:
        away = [view for queue in seen.queues for view in queue.waiting if view.away is not None]
        calling = sorted(view.entered.contact_id for view in (*seen.calling, *away))
        outcomes = (DialOutcome.ANSWERED, DialOutcome.FAILED, DialOutcome.FAILED, *tuple(DialOutcome)[2:])
        outcome = outcomes[m % len(outcomes)]
        return CustomerDialed(calling[n % len(calling)], outcome) if calling else None
