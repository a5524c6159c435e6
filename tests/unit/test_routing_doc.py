"""docs/routing.md tells numbers; here the engine works each of them out again, from the tables of the page itself."""

import re
from pathlib import Path

import pytest

from routing.acd.engine import Acd
from routing.admission import Traffic, blocking
from routing.messages import (
    Configured,
    Decision,
    DeviceChanged,
    Engaged,
    Input,
    MakeOffer,
    OfferSettled,
    PresenceChosen,
    TalkEnded,
    Tick,
)
from routing.model import AgentOrder, AgentProfile, Outcome, Presence, QueueRules, Step
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import Held, Named
from routing.waiting.estimate import QueueHistory
from tests.acd import entered

PAGE = (Path(__file__).resolve().parents[2] / "docs/routing.md").read_text()
Row = dict[str, str]


def table(name: str) -> list[Row]:
    """The rows of the table that follows `<!-- example: name -->`, by heading."""
    after = PAGE.split(f"<!-- example: {name} -->")[1].lstrip().split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in after]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def number(text: str) -> float:
    """`12 s`, `3.5 %` or `7` as a number."""
    return float(text.split(" ", maxsplit=1)[0])


def offer_of(decisions: list[Decision]) -> MakeOffer | None:
    return next((each for each in decisions if isinstance(each, MakeOffer)), None)


def at_work(config: Configured, *at: float) -> Acd:
    """An engine whose agents logged in at these instants."""
    acd = Acd(config, 0.0)
    for profile, instant in zip(config.agents, at, strict=True):
        acd.step(DeviceChanged(profile.agent_id, reachable=True), instant)
        acd.step(PresenceChosen(profile.agent_id, Presence.AVAILABLE), instant)
    return acd


# --- reach --------------------------------------------------------------------------------------------------------


def test_the_step_clock_stands_still_while_a_phone_rings_as_told() -> None:
    rules = QueueRules("vip", steps=(Step(Held("vip", 3)), Step(after_s=20.0)), ring_s=30.0)
    acd = at_work(Configured((rules,), (AgentProfile("ann", {"vip": 5}), AgentProfile("bob", {}))), -2.0, -1.0)
    acd.step(Engaged("ann", "other"), -0.5)
    done: dict[float, list[Input]] = {
        0.0: [entered("c", 0.0, queue="vip")],
        8.0: [TalkEnded("ann", "other", 0.0)],
        18.0: [OfferSettled("c.o1", Outcome.REJECTED), PresenceChosen("ann", Presence.AUX, "break")],
    }
    for row in table("steps"):
        at = number(row["at"])
        for given in done.get(at, [Tick()]):
            acd.step(given, at)
        [view] = acd.snapshot().queues[0].waiting
        told = (view.clock_s, view.step, view.offer.agent_id if view.offer else "")
        assert told == (number(row["step clock"]), int(row["step"]), row["rings at"]), row


# --- who is served next -------------------------------------------------------------------------------------------


def tiers(**overdue_s: float) -> tuple[Tier, ...]:
    return tuple(
        Tier(
            row["tier"],
            slope=number(row["slope"]),
            head_start_s=number(row["head start"]),
            target_s=number(row["target"]),
            share=number(row["share"]),
            starvation_s=overdue_s.get(row["tier"], 600.0),
        )
        for row in table("tiers")
    )


def one_agent(policy: TierPolicy) -> Acd:
    """ann, who talks until somebody says otherwise."""
    rules = QueueRules("orders", wrap_up_s=0.0)
    acd = at_work(Configured((rules,), (AgentProfile("ann", {}),), policy), 0.0)
    acd.step(Engaged("ann", "other"), 0.0)
    return acd


def served_from(acd: Acd, now: float) -> list[tuple[str, float]]:
    """Who ann serves, one after the other from now on, each with its score then."""
    served: list[tuple[str, float]] = []
    offer = offer_of(acd.step(TalkEnded("ann", "other", 0.0), now))
    while offer is not None:
        served.append((offer.contact_id, offer.trace.score))
        acd.step(OfferSettled(offer.offer_id, Outcome.ACCEPTED), now)
        offer = offer_of(acd.step(TalkEnded("ann", offer.contact_id, 0.0), now))
    return served


@pytest.mark.parametrize("row", table("disciplines"), ids=lambda row: row["discipline"])
def test_each_discipline_serves_the_line_in_the_order_told_with_the_scores_told(row: Row) -> None:
    policy = TierPolicy(Discipline(row["discipline"]), tiers())
    acd = one_agent(policy)
    ranks = {tier.name: rank for rank, tier in enumerate(policy.tiers)}
    for line in table("line"):
        at = number(line["entered"])
        acd.step(entered(line["contact"], at, value_tier=ranks[line["tier"]]), at)
    served = served_from(acd, 60.0)
    assert [contact for contact, _ in served] == row["served in this order"].split(", ")
    told = dict(re.findall(r"(\w+) ([\d.]+)", row["scores at 60 s"]))
    assert {contact: f"{score:.3g}" for contact, score in served} == told


def test_every_discipline_and_every_agent_order_has_its_example() -> None:
    assert [row["discipline"] for row in table("disciplines")] == [each.value for each in Discipline]
    assert {row["agent order"] for row in table("orders")} == {each.value for each in AgentOrder}


@pytest.mark.parametrize("row", table("starvation"), ids=lambda row: row["the agent is free at"])
def test_the_overdue_come_first_as_told(row: Row) -> None:
    acd = one_agent(TierPolicy(Discipline.ACCUMULATING, tiers(basic=100.0)))
    free_at = number(row["the agent is free at"])
    acd.step(entered("basic", 0.0, value_tier=2), 0.0)
    acd.step(entered("gold", free_at - 20.0, value_tier=0), free_at - 20.0)
    served = served_from(acd, free_at)
    assert served[0][0] == row["served"]
    assert dict(served) == {"basic": number(row["score of basic"]), "gold": number(row["score of gold"])}


def test_a_contact_overtakes_at_the_instant_that_the_formula_gives() -> None:
    policy = TierPolicy(Discipline.ACCUMULATING, tiers())
    gold, basic = policy.tiers[0], policy.tiers[2]
    came, came_before = 50.0, 2.0
    at = (
        gold.slope * (came - gold.head_start_s) - basic.slope * (came_before - basic.head_start_s)
    ) / (gold.slope - basic.slope)  # fmt: skip
    for free_at, first in ((at - 0.1, "b"), (at + 0.1, "g")):
        acd = one_agent(policy)
        acd.step(entered("b", came_before, value_tier=2), came_before)
        acd.step(entered("g", came, value_tier=0), came)
        assert served_from(acd, free_at)[0][0] == first


# --- which agent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", table("orders"), ids=lambda row: row["agent order"])
def test_each_agent_order_chooses_the_agents_told(row: Row) -> None:
    agents = table("agents")
    rules = QueueRules(
        "orders", requires=Held("product"), agent_order=AgentOrder(row["agent order"]), wrap_up_s=0.0
    )  # fmt: skip
    profiles = tuple(
        AgentProfile(each["agent"], {"product": int(each["product"])}, weight=number(each["weight"])) for each in agents
    )
    acd = at_work(Configured((rules,), profiles), *(number(each["logged in"]) for each in agents))
    _live_through(acd, agents)
    chosen = []
    for at in (120.0, 121.0, 122.0):
        offer = offer_of(acd.step(entered(f"next{at:.0f}", at), at))
        assert offer is not None
        chosen.append(offer.agent_id)
    assert chosen == row["next three"].split(", ")


def _live_through(acd: Acd, agents: list[Row]) -> None:
    """Let each agent have the talks of their row: contacts that ask for them by name."""
    past = []
    for each in agents:
        for n, (start, end) in enumerate(re.findall(r"(\d+)–(\d+) s", each["talked"])):
            past += [(float(start), each["agent"], f"{each['agent']}{n}"), (float(end), each["agent"], "")]
    talking: dict[str, str] = {}
    for at, agent, contact in sorted(past):
        if not contact:
            acd.step(TalkEnded(agent, talking[agent], 0.0), at)
            continue
        offer = offer_of(acd.step(entered(contact, at, requires=Named(agent)), at))
        assert offer is not None
        assert offer.agent_id == agent
        acd.step(OfferSettled(offer.offer_id, Outcome.ACCEPTED), at)
        talking[agent] = contact


# --- estimates and trunks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", table("estimates"), ids=lambda row: row["position"])
def test_the_estimates_told_are_those_of_an_untaught_queue_with_ten_agents(row: Row) -> None:
    found = QueueHistory().estimate(ahead=int(row["position"]) - 1, serving=10, idle=0, ages=(), now=0.0)
    assert found.position == int(row["position"])
    assert round(found.p50_s) == number(row["half wait longer than"])
    assert round(found.p90_s) == number(row["a tenth wait longer than"])


@pytest.mark.parametrize("row", table("admission"), ids=lambda row: row["reserve against others"])
def test_a_reserve_blocks_whom_it_is_told_to(row: Row) -> None:
    vip, others = blocking(432, [Traffic(92.0), Traffic(368.0, int(row["reserve against others"]))])
    assert (f"{vip:.2%}", f"{others:.2%}") == (
        row["VIP refused"].replace(" %", "%"),
        row["others refused"].replace(" %", "%"),
    )
