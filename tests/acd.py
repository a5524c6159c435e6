"""Small centers for tests of the ACD: a site, its agents ready, and what was decided in short."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import assert_never

from routing.acd.engine import Acd
from routing.acd.snapshot import AgentView, ContactView, Snapshot
from routing.messages import (
    AgentChanged,
    CallbackOver,
    Configured,
    Decision,
    DeviceChanged,
    DialCustomer,
    Diverted,
    Engaged,
    Entered,
    Input,
    MakeOffer,
    OfferSettled,
    PresenceChosen,
    RescindOffer,
    StepTaken,
    TalkEnded,
    Tick,
    WrapUpOver,
)
from routing.model import AgentProfile, Membership, Outcome, Presence, QueueRules
from routing.policy import ANY_TIER, TierPolicy
from routing.requirement import ANYONE


def site(agents: Mapping[str, Mapping[str, int]], *queues: QueueRules, policy: TierPolicy = ANY_TIER) -> Configured:
    """A site with these agents, and one queue `orders` unless others are given."""
    profiles = tuple(AgentProfile(agent_id, skills) for agent_id, skills in agents.items())
    return Configured(queues or (QueueRules("orders"),), profiles, policy)


def member(agent_id: str, skills: Mapping[str, int] | None = None, **parts: Membership | int) -> AgentProfile:
    """An agent of these queues only, each with a membership or just a rank."""
    memberships = {queue: Membership(part) if isinstance(part, int) else part for queue, part in parts.items()}
    return AgentProfile(agent_id, skills or {}, memberships=memberships)


def staffed(config: Configured) -> Acd:
    """An engine whose agents became available one second apart, in the order of the site."""
    acd = Acd(config, 0.0)
    for at, profile in enumerate(config.agents, start=1):
        acd.step(DeviceChanged(profile.agent_id, reachable=True), at)
        acd.step(PresenceChosen(profile.agent_id, Presence.AVAILABLE), at)
    return acd


def entered(contact_id: str, entered_at: float, **more: object) -> Entered:
    """A contact that entered `orders` that asks for nobody in particular, unless told otherwise."""
    fields: dict[str, object] = {"queue": "orders", "requires": ANYONE, "value_tier": 1} | more
    return Entered(contact_id, entered_at=entered_at, **fields)  # type: ignore[arg-type]


def offers(decisions: list[Decision]) -> list[tuple[str, str]]:
    """Who is offered whom: (contact, agent)."""
    return [(each.contact_id, each.agent_id) for each in decisions if isinstance(each, MakeOffer)]


def said(decisions: list[Decision]) -> list[str]:
    """What was decided about contacts, a phrase a decision; the agents' part is left out."""
    return [phrase for each in decisions if (phrase := _phrase(each)) is not None]


def _phrase(decision: Decision) -> str | None:
    match decision:
        case MakeOffer():
            return f"{decision.contact_id} rings {decision.agent_id}"
        case RescindOffer():
            return f"{decision.offer_id} {decision.outcome.value}"
        case StepTaken(contact_id, _, step, why):
            return f"{contact_id} in step {step} ({why})"
        case Diverted(contact_id, _, exit_to, why):
            return f"{contact_id} to {exit_to.queue or exit_to.kind.value} ({why})"
        case DialCustomer(contact_id, attempt):
            return f"{contact_id} is dialed ({attempt})"
        case CallbackOver(contact_id, why, taken_up_by):
            return f"{contact_id} no callback ({why}{' as ' + taken_up_by if taken_up_by else ''})"
        case AgentChanged() | WrapUpOver():
            return None
        case _:
            assert_never(decision)


def agent(acd: Acd, agent_id: str) -> AgentView:
    """What is seen of this agent now."""
    return next(view for view in acd.snapshot().agents if view.agent_id == agent_id)


def contacts(snapshot: Snapshot) -> list[ContactView]:
    """All contacts in queues."""
    return [view for queue in snapshot.queues for view in queue.waiting]


def contact(acd: Acd, contact_id: str) -> ContactView:
    """What is seen of this contact now; it must be in a queue."""
    return next(view for view in contacts(acd.snapshot()) if view.entered.contact_id == contact_id)


def in_queues(acd: Acd) -> list[str]:
    """Who is in a queue, by queue and order of service."""
    return [view.entered.contact_id for view in contacts(acd.snapshot())]


def run(acd: Acd, now: float, *given: Input) -> list[Decision]:
    """All decisions of these inputs at one instant."""
    return [decision for each in given for decision in acd.step(each, now)]


def occupy(acd: Acd, now: float, *agent_ids: str) -> None:
    """These agents talk to somebody whom no offer brought."""
    run(acd, now, *(Engaged(agent_id, f"with-{agent_id}") for agent_id in agent_ids))


def release(acd: Acd, now: float, *agent_ids: str) -> list[str]:
    """These agents are done with whom they were occupied by; what that leads to."""
    return said(run(acd, now, *(TalkEnded(agent_id, f"with-{agent_id}", 0.0) for agent_id in agent_ids)))


def follow(acd: Acd, until: float, ticks_max: int = 10_000) -> list[tuple[float, str]]:
    """What time alone brings, with its instants; a tick whenever the engine asks for one."""
    told: list[tuple[float, str]] = []
    for _ in range(ticks_max):
        due_at = acd.next_at()
        if due_at is None or due_at > until:
            return told
        told += [(due_at, phrase) for phrase in said(acd.step(Tick(), due_at))]
    raise AssertionError(f"more than {ticks_max} ticks until {until}")


def settled(offer_id: str, outcome: Outcome) -> OfferSettled:
    """The session's word about an offer."""
    return OfferSettled(offer_id, outcome)


def accepted(offer_id: str) -> OfferSettled:
    """The agent took the contact."""
    return OfferSettled(offer_id, Outcome.ACCEPTED)


class Endless(AssertionError):
    """What ran did not come to an end."""


@contextmanager
def ends_within(cpu_s: float) -> Iterator[None]:
    """Raises Endless in what runs longer, by CPU seconds: a loop without end fails, and a busy machine does not."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise Endless(f"no end after {cpu_s} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
