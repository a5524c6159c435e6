"""The scan that E4 measures against, by example: it knows the rules without the engine, so it is checked by hand."""

from bench.naive import Scan
from routing.acd.trace import OfferTrace, Why
from routing.messages import AgentChanged, Configured, Entered, MakeOffer
from routing.model import Activity, AgentOrder, AgentProfile, Membership, Presence, QueueRules, Step
from routing.policy import ANY_TIER, Discipline, Tier, TierPolicy
from routing.requirement import ANYONE, Held

TIERS = (Tier("vip", 3.0, starvation_s=100.0), Tier("standard", 1.0, starvation_s=200.0))


def scan(
    *agents: AgentProfile,
    queues: tuple[QueueRules, ...] = (QueueRules("orders"),),
    discipline: Discipline = Discipline.ACCUMULATING,
) -> Scan:
    """A scan whose agents became available one second apart."""
    found = Scan(Configured(queues, agents, TierPolicy(discipline, TIERS)))
    for at, profile in enumerate(agents):
        available = (Presence.AVAILABLE, None, Activity.IDLE, float(at), None, "chosen", None, True)
        found.told(AgentChanged(profile.agent_id, *available), float(at))
    return found


def enter(of: Scan, contact_id: str, at: float, *, tier: int = 1, queue: str = "orders", preferred: str = "") -> None:
    """A contact enters at this instant; who is preferred is waited for 10 s."""
    of.hear(Entered(contact_id, queue, ANYONE, tier, at, preferred or None, 10.0), at)


def test_the_score_that_grows_faster_overtakes() -> None:
    of = scan(AgentProfile("ann", {}))
    enter(of, "old", 0.0)
    enter(of, "vip", 40.0, tier=0)
    assert of.first_contact("ann", 59.0) == "old"  # 59 points against 57
    assert of.first_contact("ann", 61.0) == "vip"  # 61 against 63


def test_the_overdue_come_before_any_score() -> None:
    of = scan(AgentProfile("ann", {}))
    enter(of, "old", 0.0)
    enter(of, "vip", 120.0, tier=0)
    assert of.first_contact("ann", 199.0) == "vip"
    assert of.first_contact("ann", 200.0) == "old"


def test_a_better_rank_comes_before_a_better_score() -> None:
    queues = (QueueRules("orders"), QueueRules("repairs"))
    ann = AgentProfile("ann", {}, memberships={"orders": Membership(2), "repairs": Membership(1)})
    of = scan(ann, queues=queues)
    enter(of, "order", 0.0, tier=0)
    enter(of, "repair", 50.0, queue="repairs")
    assert of.first_contact("ann", 60.0) == "repair"


def test_a_contact_younger_than_the_delay_is_hidden() -> None:
    of = scan(AgentProfile("ann", {}, memberships={"orders": Membership(delay_s=15.0)}))
    enter(of, "c1", 10.0)
    assert of.first_contact("ann", 24.0) is None
    assert of.first_contact("ann", 25.0) == "c1"


def test_a_step_widens_the_reach() -> None:
    of = scan(AgentProfile("ann", {}), queues=(QueueRules("orders", steps=(Step(Held("en")), Step(after_s=30.0))),))
    enter(of, "c1", 0.0)
    assert of.first_agent("c1", 29.0) is None
    assert of.first_agent("c1", 30.0) == "ann"


def test_the_step_clock_stands_still_while_an_offer_rings() -> None:
    of = scan(AgentProfile("ann", {}), queues=(QueueRules("orders", steps=(Step(Held("en")), Step(after_s=30.0))),))
    enter(of, "c1", 0.0)
    why = OfferTrace(Why.ARRIVAL, "orders", 0, ANYONE, 1, 1, ANY_TIER, 20.0, 0.0, 0.0, (), {})
    of.told(MakeOffer("c1.o1", "c1", "ann", 20.0, 40.0, why), 20.0)
    assert of.callers["c1"].clock(39.0) == 20.0


def test_the_preferred_agent_is_waited_for_and_then_no_longer() -> None:
    of = scan(AgentProfile("ann", {}), AgentProfile("bob", {}))
    enter(of, "c1", 5.0, preferred="bob")
    assert of.first_agent("c1", 6.0) == "bob"
    assert of.first_contact("ann", 14.0) is None
    assert of.first_contact("ann", 15.0) == "c1"


def test_the_idle_are_chosen_by_the_order_of_the_queue() -> None:
    agents = (AgentProfile("ann", {"en": 50}), AgentProfile("bob", {"en": 90}))
    longest = scan(*agents, queues=(QueueRules("orders", requires=Held("en")),))
    enter(longest, "c1", 5.0)
    assert longest.first_agent("c1", 5.0) == "ann"
    best = (QueueRules("orders", requires=Held("en"), agent_order=AgentOrder.MOST_PROFICIENT),)
    proficient = scan(*agents, queues=best)
    enter(proficient, "c1", 5.0)
    assert proficient.first_agent("c1", 5.0) == "bob"


def test_strict_priority_compares_tiers_before_waits() -> None:
    of = scan(AgentProfile("ann", {}), discipline=Discipline.STRICT)
    enter(of, "old", 0.0)
    enter(of, "vip", 90.0, tier=0)
    assert of.first_contact("ann", 91.0) == "vip"
