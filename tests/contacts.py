"""Contacts for tests of the pure machine: a small site, and the history that brings a contact to a phase."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from callcenter.contact import signals as sig
from callcenter.contact.dial_policy import DialPolicy
from callcenter.contact.draft import Step
from callcenter.contact.machine import advance, arrive
from callcenter.contact.model import Contact, Phase
from callcenter.contact.plan import HotlinePlan, Plan, QueuePlan
from ivr.expression_text import parse_expression
from ivr.model import Flow, HangUpNode, MenuNode, OutsideNode, QueueNode, SayNode
from routing.model import Exit, ExitKind
from routing.requirement import needing

MENU, VIP, CLOSED, BRANCH = "0800000100", "0800000200", "0800000900", "0800000700"
CALLER = "channel-1"
AGENT = "agent01"
ID = "01939c00-0000-7000-8000-000000000001"
OFFER, OTHER_OFFER = f"{ID}.o1", f"{ID}.o2"
CALLED, PHONE = f"{ID}.c1", f"{ID}.x1"
GOODBYE, VOICEMAIL, CALLBACK = Exit(ExitKind.GOODBYE), Exit(ExitKind.VOICEMAIL), Exit(ExitKind.CALLBACK)

_MAIN = Flow(
    id="main",
    version="1",
    start="welcome",
    nodes={
        "welcome": SayNode(prompts=("welcome",), next="menu"),
        "menu": MenuNode(
            prompts=("menu",), choices={"1": "product", "2": "orders"}, on_exhausted="product", timeout_s=5.0
        ),
        "product": QueueNode(queue="product", announcement=("please_hold",)),
        "orders": QueueNode(queue="orders"),
    },
    agent_node="product",
)
_CLOSED = Flow(
    id="closed",
    version="1",
    start="say",
    nodes={"say": SayNode(prompts=("closed",), next="bye"), "bye": HangUpNode(end_state="closed")},
    agent_node=None,
)

_BRANCH = Flow(
    id="branch",
    version="1",
    start="office",
    nodes={
        "office": OutsideNode(
            parse_expression("'+886212345678'"), on_failed="failed", on_busy="busy", ring_s=20.0, recorded=True
        ),
        "busy": SayNode(prompts=("busy",), next="failed"),
        "failed": QueueNode(queue="product"),
    },
    agent_node="failed",
)

PLAN = Plan(
    site="test",
    hotlines={
        MENU: HotlinePlan(MENU, "main", None, "zh-TW"),
        VIP: HotlinePlan(VIP, None, "vip", "zh-TW"),
        CLOSED: HotlinePlan(CLOSED, "closed", None, "zh-TW"),
        BRANCH: HotlinePlan(BRANCH, "branch", None, "zh-TW"),
    },
    queues={
        "product": QueuePlan("product", needing({"product": 1})),
        "orders": QueuePlan("orders", needing({"orders": 2}), "jazz", recording="never", wrap_up_s=0.0),
        "vip": QueuePlan("vip", needing({"vip": 3}), callback_key="*"),
    },
    flows={"main": _MAIN, "closed": _CLOSED, "branch": _BRANCH},
    calendars={},
    tiers={"platinum": 0, "vip": 1, "standard": 2, "basic": 3},
    default_tier="basic",
    languages=("zh-TW", "en"),
    closed_prompts=("closed",),
    callback_prompts=("callback",),
    called_back_prompts=("called_back",),
    dial_out=DialPolicy(("+886",), ("+886204",), ring_s=30.0),
)

CUSTOMER = sig.CustomerCard("c1", "林小姐", "vip", "en", last_agent="agent03")


def arrival(
    hotline: str = VIP, customer: sig.CustomerCard | None = None, plan: Plan = PLAN, **more: str | None
) -> Step:
    """The first step of a caller on a hotline, at instant 100."""
    told = sig.Arrival(ID, CALLER, hotline, hotline, "+886910000001", "0910000001", customer)
    return arrive(replace(told, **more), plan, 100.0)  # type: ignore[arg-type]


def diverted(exit_to: Exit = GOODBYE, queue: str = "vip", why: str = "last_step") -> sig.Diverted:
    """A rule of the queue lets the contact go."""
    return sig.Diverted(queue, exit_to, why)


def offer(n: int = 1, agent_id: str = AGENT, made_at: float = 110.0) -> sig.OfferProposed:
    """The n-th offer of the contact."""
    return sig.OfferProposed(f"{ID}.o{n}", agent_id, made_at, made_at + 20.0, {})


def steps(
    *signals: sig.Signal, hotline: str = VIP, customer: sig.CustomerCard | None = None, plan: Plan = PLAN
) -> Sequence[Step]:
    """The arrival's step and one step a signal, ten seconds apart."""
    made = [arrival(hotline, customer, plan)]
    for n, signal in enumerate(signals, 1):
        made.append(advance(made[-1].contact, signal, plan, 100.0 + 10.0 * n))
    return made


def after(
    *signals: sig.Signal, hotline: str = VIP, customer: sig.CustomerCard | None = None, plan: Plan = PLAN
) -> Contact:
    """The contact after these signals."""
    return steps(*signals, hotline=hotline, customer=customer, plan=plan)[-1].contact


def types(made: Sequence[Step]) -> list[str]:
    """The event types of a history, in order."""
    return [event.type for step in made for event in step.events]


RINGING = (offer(), sig.AgentRinging(OFFER))
BOTH_RINGING = (*RINGING, offer(2, "agent02"), sig.AgentRinging(OTHER_OFFER))
TALKING = (*RINGING, sig.AgentAnswered(OFFER))

PROMISED = (diverted(CALLBACK), sig.PromptEnded(f"{ID}.p1"))
DIALED = (*PROMISED, sig.CallbackDue(1))
AGENT_WAITS = (*PROMISED, *RINGING, sig.AgentAnswered(OFFER))

HISTORIES: dict[Phase, tuple[str, tuple[sig.Signal, ...]]] = {
    Phase.IVR: (MENU, ()),
    Phase.QUEUED: (VIP, ()),
    Phase.CONNECTING: (VIP, RINGING),
    Phase.TALKING: (VIP, TALKING),
    Phase.HELD: (VIP, (*TALKING, sig.AgentHeld(OFFER))),
    Phase.OUTSIDE: (BRANCH, (sig.OutsideAnswered(PHONE),)),
    Phase.GOODBYE: (VIP, (diverted(),)),
    Phase.CALLBACK: (VIP, PROMISED),
    Phase.DIALING: (VIP, DIALED),
    Phase.WRAP_UP: (VIP, (*TALKING, sig.CallerLeft("caller"))),
    Phase.ENDED: (VIP, (sig.CallerLeft("caller"),)),
}


def gapless(made: Sequence[Step]) -> bool:
    """Whether every step numbered its events right after the step before."""
    return all(b.contact.seq == a.contact.seq + len(b.events) for a, b in pairwise(made))
